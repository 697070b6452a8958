//! Whether the recurring jobs succeed.

use chrono::{DateTime, TimeDelta, Utc};

use super::Report;
use crate::cli::output::{self, Level};
use crate::infra::db::Db;
use crate::infra::jobs::{self, Standing};

/// A job that has not succeeded for this long, while it was tried, is stuck.
const STUCK_AFTER: TimeDelta = TimeDelta::hours(1);

/// Names the jobs whose last attempts failed.
pub(super) async fn check(report: &mut Report, db: &Db, now: DateTime<Utc>) {
    let standings = match jobs::standings(db.reader()).await {
        Ok(standings) => standings,
        Err(error) => return report.unreadable("the table `jobs`", &error),
    };
    let mut is_well = true;
    for Standing { job, succeeded_at, failed_at } in standings {
        let Some(failed_at) = failed_at.filter(|failed_at| succeeded_at < Some(*failed_at)) else {
            continue;
        };
        is_well = false;
        let since = succeeded_at.map_or_else(
            || "never succeeded".to_owned(),
            |at| format!("last succeeded at {}", output::time(at)),
        );
        let is_stuck = succeeded_at.is_none_or(|at| at < now - STUCK_AFTER);
        report.add(
            if is_stuck { Level::Problem } else { Level::Warning },
            "jobs",
            format!("the job {} failed at {} and {since}", job.into_str(), output::time(failed_at)),
            "find the line `a job failed` in the log of the servers",
        );
    }
    if is_well {
        report.ok("jobs", "no background job has failed since its last success");
    }
}
