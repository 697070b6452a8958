//! Whether the database takes all that a server writes.

use sea_orm::DbErr;
use secrecy::ExposeSecret;

use super::{Level, Report};
use crate::config::Config;
use crate::infra::causes::causes;
use crate::infra::db::{Db, Unwritable, sqlite_file};
use crate::infra::instances;
use crate::kernel::clock::Clock;

const ABOUT: &str = "database";

pub(super) async fn check(report: &mut Report, config: &Config, db: &Db, has_tables: bool) {
    match db.encoding().await {
        Ok(Ok(())) => {}
        Ok(Err(unfit)) => {
            let message = format!(
                "the character set of the database is {}, which cannot store every text",
                unfit.name
            );
            report.add(Level::Problem, ABOUT, message, unfit.remedy);
        }
        Err(error) => report.unreadable("the character set of the database", &error),
    }
    match tried(config, db, has_tables).await {
        Ok(None) => report.ok(ABOUT, "the database accepts writes"),
        Ok(Some(refused)) => {
            report.add(Level::Problem, ABOUT, refused.to_string(), refused.advice());
        }
        Err(error) => {
            let message = format!("{}: {}", Unwritable::Stuck, causes(&error));
            report.add(Level::Problem, ABOUT, message, Unwritable::Stuck.advice());
        }
    }
}

/// Why the database takes no writes, if so.
async fn tried(config: &Config, db: &Db, has_tables: bool) -> Result<Option<Unwritable>, DbErr> {
    if let Some(file) = sqlite_file(config.database.url.expose_secret()) {
        return Ok(Unwritable::of_path(&file));
    }
    if !has_tables {
        return db.unwritable().await;
    }
    match instances::try_write(db, Clock::system().now()).await {
        Ok(()) => Ok(None),
        Err(error) => db.explain(&error).await.map(Some).ok_or(error),
    }
}
