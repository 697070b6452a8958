//! Whether the audit log is signed and sealed.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Level, Report};
use crate::cli::output::time;
use crate::features::audit::{self, Chain};
use crate::infra::db::{Db, DbFailure};
use crate::infra::keys::Sealed;
use crate::infra::keys::rotation::Described;

const ABOUT: &str = "audit log";
/// After this long a running server has sealed an audit event.
const SEALED_WITHIN: TimeDelta = TimeDelta::minutes(1);

pub(super) async fn signature(report: &mut Report, chain: &Chain, keys: &[Described]) {
    // A secret that opens no key has signed nothing either, and that is told already.
    if keys.iter().any(|key| key.sealed == Sealed::Unknown) {
        return;
    }
    if let Err(broken) = chain.standing().await {
        if let Some(error) = broken.db() {
            return report.unreadable("the audit log", error);
        }
        let advice = "keep a copy of the database, and find out who has changed it; then run \
                      `portcullis audit sign`";
        report.add(Level::Problem, ABOUT, broken.to_string(), advice);
    }
}

/// Whether the servers seal the log. That none runs is no fault.
pub(super) async fn seal(report: &mut Report, db: &Db, now: DateTime<Utc>, instances: u64) {
    match audit::oldest_unsealed(db.reader()).await {
        Ok(Some(since)) if now - since > SEALED_WITHIN => {
            let message = format!("the server has not sealed events since {}", time(since));
            match instances {
                0 => report.add(Level::Note, ABOUT, message, "start a server, which seals them"),
                _ => report.add(
                    Level::Warning,
                    ABOUT,
                    message,
                    "find the line `cannot seal audit events yet` in the logs of the servers",
                ),
            }
        }
        Ok(_) => report.ok(ABOUT, "the log is sealed"),
        Err(error) => report.unreadable("the audit log", &error),
    }
}
