//! Whether the clock of this machine is right, as far as the database can tell.

use super::{Level, Report};
use crate::app::SKEW_MAX;
use crate::cli::output::time;
use crate::features::audit;
use crate::infra::db::Db;
use crate::kernel::clock::Clock;

const ABOUT: &str = "clock";
const ADVICE: &str = "synchronize both clocks (NTP)";
/// How far a clock may be off before somebody should look.
const SECONDS_MAX: i64 = 5;

pub(super) async fn check(report: &mut Report, db: &Db) {
    let clock = Clock::system();
    let skew = match db.skew(&clock).await {
        Ok(skew) => skew.unwrap_or_default().num_seconds(),
        Err(error) => return report.unreadable("the clock of the database server", &error),
    };
    if skew.abs() > SECONDS_MAX {
        let way = if skew > 0 { "ahead of" } else { "behind" };
        let message =
            format!("the clock of this machine is {} s {way} the database server's", skew.abs());
        return match skew.abs() > SKEW_MAX.num_seconds() {
            true => report.add(
                Level::Problem,
                ABOUT,
                format!("{message}, and a server here is not ready"),
                ADVICE,
            ),
            false => report.add(Level::Warning, ABOUT, message, ADVICE),
        };
    }
    let now = clock.now();
    let ahead = match audit::newest(db.reader()).await {
        Ok(newest) => newest.map_or(0, |newest| (newest - now).num_seconds()),
        Err(error) => return report.unreadable("the audit log", &error),
    };
    if ahead > SECONDS_MAX {
        let message = format!(
            "the database has an entry from {ahead} s in the future: this clock is behind, or was set back"
        );
        report.add(Level::Warning, ABOUT, message, "synchronize the clock of every instance (NTP)");
    } else {
        report.ok(ABOUT, format!("the time is {}", time(now)));
    }
}
