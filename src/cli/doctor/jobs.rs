//! Whether the recurring jobs succeed.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Level, Report};
use crate::cli::output;
use crate::infra::db::Db;
use crate::infra::jobs::{self, JobHistory};

const ABOUT: &str = "jobs";
/// A job that has not succeeded for so much longer than it should is stuck.
const STUCK_AFTER: TimeDelta = TimeDelta::hours(1);

/// Names the jobs whose last attempts failed, and those that no instance finishes.
pub(super) async fn check(report: &mut Report, db: &Db, now: DateTime<Utc>, instances: u64) {
    let histories = match jobs::history(db.reader()).await {
        Ok(histories) => histories,
        Err(error) => return report.unreadable("the table `jobs`", &error),
    };
    let before = report.0.len();
    for history in histories {
        one(report, &history, now, instances);
    }
    if report.0.len() == before {
        report.ok(ABOUT, "no background job has failed since its last success");
    }
}

fn one(report: &mut Report, history: &JobHistory, now: DateTime<Utc>, instances: u64) {
    // What is written of the future was written by a clock that was wrong.
    let past = |at: Option<DateTime<Utc>>| at.filter(|at| *at <= now);
    let (succeeded_at, failed_at) = (past(history.succeeded_at), past(history.failed_at));
    let since = succeeded_at.map_or_else(
        || "never succeeded".to_owned(),
        |at| format!("last succeeded at {}", output::time(at)),
    );
    let name = history.job.into_str();
    let is_stuck = succeeded_at.is_none_or(|at| at < now - history.job.every() - STUCK_AFTER);
    if let Some(failed_at) = failed_at.filter(|failed_at| succeeded_at < Some(*failed_at)) {
        let message = format!("the job {name} failed at {} and {since}", output::time(failed_at));
        let level = if is_stuck { Level::Problem } else { Level::Warning };
        return report.add(
            level,
            ABOUT,
            message,
            "find the line `a job failed` in the log of the servers",
        );
    }
    // An instance that ends in the middle of a job gives it back to nobody, and the next one takes it over.
    let is_abandoned = history.held_until.is_some_and(|until| until < now);
    let is_slow = is_stuck && succeeded_at.is_some() && history.held_until.is_some();
    if instances == 0 {
        return;
    }
    if is_abandoned || is_slow {
        let message = format!("a server takes the job {name} and does not finish it; it {since}");
        let advice = "find out from the logs of the servers and of the system why they end meanwhile, for example for lack of \
                      memory";
        let level = if is_abandoned && is_stuck { Level::Problem } else { Level::Warning };
        report.add(level, ABOUT, message, advice);
    } else if is_stuck && succeeded_at.is_some() {
        let message = format!("no server does the job {name}, which {since}");
        let advice =
            "find the line `expired data is not deleted for now` in the log of the servers";
        report.add(Level::Warning, ABOUT, message, advice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::jobs::Job;

    /// What is said of a job that succeeded, failed and is held so many minutes ago.
    fn told(minutes: [Option<i64>; 3], instances: u64) -> Option<(Level, String)> {
        let now: DateTime<Utc> = "2026-01-01T12:00:00Z".parse().unwrap();
        let [succeeded_at, failed_at, held_until] =
            minutes.map(|ago| ago.map(|ago| now - TimeDelta::minutes(ago)));
        let history = JobHistory { job: Job::Links, succeeded_at, failed_at, held_until };
        let mut report = Report::default();
        one(&mut report, &history, now, instances);
        report.0.pop().map(|finding| (finding.level, finding.message))
    }

    #[test]
    fn a_job_that_lags_behind_is_told_as_it_fails_or_is_never_finished() {
        let level = |minutes, instances| told(minutes, instances).map(|(level, _)| level);
        assert_eq!(level([Some(1), Some(5), None], 1), None, "it has succeeded since");
        assert_eq!(level([Some(5), Some(1), None], 1), Some(Level::Warning));
        assert_eq!(level([Some(90), Some(1), None], 1), Some(Level::Problem));
        assert_eq!(level([None, Some(1), None], 1), Some(Level::Problem));
        // By a clock that was wrong.
        assert_eq!(level([Some(1), Some(-600), None], 1), None);
        assert_eq!(level([Some(-600), Some(1), None], 1), Some(Level::Problem));
        // An instance is at it.
        assert_eq!(level([None, None, Some(-4)], 1), None);
        assert_eq!(level([Some(2), None, Some(-4)], 1), None);
        assert_eq!(level([Some(90), None, Some(-4)], 1), Some(Level::Warning));
        // It ended in the middle, once or each time.
        assert_eq!(level([Some(3), None, Some(1)], 1), Some(Level::Warning));
        let (level_of_abandoned, message) = told([Some(90), Some(95), Some(3)], 1).unwrap();
        assert_eq!(level_of_abandoned, Level::Problem);
        assert!(message.contains("does not finish it"), "{message}");
        // Nobody does it: no fault where no server runs.
        assert_eq!(level([Some(90), None, None], 1), Some(Level::Warning));
        assert_eq!(level([Some(90), None, Some(3)], 0), None);
    }
}
