//! Whether the database takes all that a server writes.

use secrecy::ExposeSecret;

use super::{Level, Report};
use crate::config::Config;
use crate::platform::clock::Clock;
use crate::platform::db::{Db, Unwritable, sqlite_file};
use crate::platform::instances;

const ABOUT: &str = "database";

pub(super) async fn check(report: &mut Report, config: &Config, db: &Db, has_tables: bool) {
    if let Ok(Err(unfit)) = db.encoding().await {
        let message =
            format!("its character set is {}, which does not hold every text", unfit.name);
        report.add(Level::Problem, ABOUT, message, unfit.remedy);
    }
    let refused = match sqlite_file(config.database_url.expose_secret()) {
        Some(file) => Unwritable::of_path(&file),
        None if has_tables => match instances::try_write(db, Clock::system().now()).await {
            Ok(()) => None,
            Err(error) => Some(db.explain(&error).await.unwrap_or(Unwritable::Stuck)),
        },
        None => db.unwritable().await.unwrap_or_default(),
    };
    match refused {
        None => report.ok(ABOUT, "it takes writes"),
        Some(refused) => {
            report.add(Level::Problem, ABOUT, refused.to_string(), refused.advice());
        }
    }
}
