//! What the user of the database may do to each table: tried, without a row.

mod store;
#[cfg(test)]
mod tests;

use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use super::db::Db;

/// Whether servers delete audit events, as they do with AUDIT_RETENTION_DAYS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    Kept,
    Deleted,
}

/// A right that servers need and their user lacks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lacking {
    pub(crate) right: &'static str,
    pub(crate) table: &'static str,
}

/// The rights that are lacking. A file has no users.
pub(crate) async fn lacking(db: &Db, events: Events) -> Result<Vec<Lacking>, DbErr> {
    if db.reader().get_database_backend() == DbBackend::Sqlite {
        return Ok(Vec::new());
    }
    Ok(store::try_all(db, events).await?.lacking)
}
