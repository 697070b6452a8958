//! Whether the database takes all that a server writes.

use sea_orm::DbErr;
use secrecy::ExposeSecret;

use super::{Level, Report};
use crate::config::Config;
use crate::infra::causes::causes;
use crate::infra::db::{Db, Unwritable, sqlite_file};
use crate::infra::instances;
use crate::infra::rights::{self, Events, Lacking};
use crate::kernel::clock::Clock;

const ABOUT: &str = "database";

pub(super) async fn check(report: &mut Report, config: &Config, db: &Db, has_tables: bool) {
    match tried(config, db, has_tables).await {
        Ok(None) => report.ok(ABOUT, "the database accepts writes"),
        Ok(Some(refused)) => {
            return report.add(Level::Problem, ABOUT, refused.to_string(), refused.advice());
        }
        Err(error) => {
            let message = format!("{}: {}", db.stuck(), causes(&error));
            return report.add(Level::Problem, ABOUT, message, db.stuck().advice());
        }
    }
    if has_tables {
        user_rights(report, config, db).await;
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

/// Whether the database user has the rights that servers need on each table.
async fn user_rights(report: &mut Report, config: &Config, db: &Db) {
    let events = match config.retention.audit_events {
        Some(_) => Events::Deleted,
        None => Events::Kept,
    };
    let lacking = match rights::lacking(db, events).await {
        Ok(lacking) => lacking,
        Err(error) => return report.unreadable("the rights of the database user", &error),
    };
    if lacking.is_empty() {
        return;
    }
    let deletes = |lack: &Lacking| (lack.right, lack.table) == ("DELETE", "audit_events");
    let advice = match lacking.iter().any(deletes) {
        true => {
            "grant these rights as docs/how-to/databases.md shows; or unset AUDIT_RETENTION_DAYS, which needs DELETE on \
                 audit_events, and run `portcullis audit prune` as the owner of the tables"
        }
        false => "grant these rights as docs/how-to/databases.md shows",
    };
    let lacking: Vec<_> =
        lacking.iter().map(|Lacking { right, table }| format!("{right} on {table}")).collect();
    let message = format!("the database user lacks the rights {}", lacking.join(", "));
    report.add(Level::Problem, ABOUT, message, advice);
}
