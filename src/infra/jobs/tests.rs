use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use tempfile::TempDir;

use super::*;

/// Two instances over one database, with one clock.
async fn two() -> (Jobs, Jobs, Clock, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display());
    let db = Db::connect(&url, 2).await.unwrap();
    db.migrate_up(migration::Migrations::default()).await.unwrap();
    let clock = Clock::manual("2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
    let one = || Jobs::new(db.clone(), clock.clone());
    (one(), one(), clock, folder)
}

#[tokio::test]
async fn an_instance_leaves_a_job_to_the_one_that_is_at_it() {
    let (first, second, _, _folder) = two().await;
    let other = &second;
    let outcome = first.run(Job::Links, async |_lease| {
        assert!(!other.due().await?.contains(&Job::Links));
        assert_eq!(other.run(Job::Links, async |_lease| Ok(())).await?, None);
        assert_eq!(other.run(Job::Sessions, async |_lease| Ok(1)).await?, Some(1));
        Ok(2)
    });
    assert_eq!(outcome.await.unwrap(), Some(2));
    assert_eq!(second.run(Job::Links, async |_lease| Ok(3)).await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_job_is_due_again_after_its_time_and_at_once_after_a_failure() {
    let (first, second, clock, _folder) = two().await;
    assert_eq!(first.due().await.unwrap(), Job::VARIANTS);
    for &job in Job::VARIANTS {
        first.run(job, async |_lease| Ok(())).await.unwrap();
    }
    assert_eq!(second.due().await.unwrap(), []);
    clock.advance(Duration::from_mins(1));
    let due = second.due().await.unwrap();
    assert_eq!(due.len(), Job::VARIANTS.len() - 2, "{due:?}");
    assert!(!due.contains(&Job::AuditRetention) && !due.contains(&Job::KeyRotation));
    let failed = first.run(Job::Links, async |_lease| Err::<(), _>(anyhow!("no"))).await;
    assert_eq!(failed.unwrap_err().to_string(), "no");
    assert!(second.due().await.unwrap().contains(&Job::Links));
    let history = history(second.db.reader()).await.unwrap();
    let links = history.iter().find(|history| history.job == Job::Links).unwrap();
    assert_eq!(links.failed_at, Some(clock.now()));
    assert_eq!(links.succeeded_at, Some(clock.now() - TimeDelta::minutes(1)));
}

#[tokio::test]
async fn what_a_job_has_saved_is_there_for_whoever_goes_on() {
    let (first, second, _, _folder) = two().await;
    let cut_off = first.run(Job::AuditOrigins, async |lease| {
        assert_eq!(lease.progress, None);
        assert!(lease.save("so far").await?);
        Err::<(), _>(anyhow!("cut off"))
    });
    cut_off.await.unwrap_err();
    let seen = second.run(Job::AuditOrigins, async |lease| Ok(lease.progress)).await.unwrap();
    assert_eq!(seen, Some(Some("so far".to_owned())));
}

#[tokio::test]
async fn a_job_whose_instance_fell_silent_is_taken_over_and_saves_no_more() {
    let (first, second, clock, _folder) = two().await;
    let other = &second;
    let outcome = first.run(Job::AuditOrigins, async |lease| {
        clock.advance(Duration::from_mins(5));
        assert_eq!(other.run(Job::AuditOrigins, async |_lease| Ok(())).await?, None);
        assert!(lease.save("alive").await?);
        clock.advance(Duration::from_mins(6));
        let theirs = other.run(Job::AuditOrigins, async |theirs| {
            assert_eq!(theirs.progress.as_deref(), Some("alive"));
            assert!(!lease.save("late").await?);
            Ok(theirs.save("further").await?)
        });
        theirs.await
    });
    assert_eq!(outcome.await.unwrap(), Some(Some(true)));
}

#[tokio::test]
async fn a_clock_that_was_wrong_holds_no_job_for_good() {
    let (first, second, clock, _folder) = two().await;
    let wrong = Clock::manual(clock.now() + TimeDelta::days(365));
    let ahead = Jobs::new(first.db.clone(), wrong);
    let other = &second;
    let outcome = ahead.run(Job::Links, async |_lease| {
        assert!(other.due().await?.contains(&Job::Links));
        other.run(Job::Links, async |_lease| Ok(())).await
    });
    assert_eq!(outcome.await.unwrap(), Some(Some(())));
    // What succeeded in the future is due all the same.
    ahead.run(Job::Links, async |_lease| Ok(())).await.unwrap();
    assert!(second.due().await.unwrap().contains(&Job::Links));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_stops_no_job_and_is_written_again() {
    let (first, _, _, _folder) = two().await;
    for &job in Job::VARIANTS {
        first.run(job, async |_lease| Ok(())).await.unwrap();
    }
    let damage = "UPDATE jobs SET succeeded_at = 'nonsense', held_until = 'nonsense', \
                  progress = x'ff' WHERE name = 'links'";
    first.db.writer().execute_unprepared(damage).await.unwrap();
    assert_eq!(first.due().await.unwrap(), [Job::Links]);
    let seen = first.run(Job::Links, async |lease| Ok(lease.progress)).await.unwrap();
    assert_eq!(seen, Some(None));
    assert_eq!(first.due().await.unwrap(), []);
}
