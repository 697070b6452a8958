//! The table `sessions`, as far as rows are removed from it.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::infra::db::Db;
use crate::kernel::id::SessionId;
use crate::tables::session;

/// Deletes at most `batch` of these sessions; returns how many it found.
pub(super) async fn delete(
    db: &Db,
    these: Select<session::Entity>,
    batch: u64,
) -> Result<u64, DbErr> {
    let ids: Vec<SessionId> = these.limit(batch).into_tuple().all(db.reader()).await?;
    let found = ids.len() as u64;
    if ids.is_empty() {
        return Ok(0);
    }
    let delete = session::Entity::delete_many().filter(session::COLUMN.id.is_in(ids));
    delete.exec(db.writer()).await?;
    Ok(found)
}

/// Past their absolute end.
pub(super) fn expired(now: DateTime<Utc>) -> Select<session::Entity> {
    session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::COLUMN.expires_at.lte(now))
        .order_by_asc(session::Column::ExpiresAt)
}

/// Signed out, or ended by somebody, before this time.
pub(super) fn ended(before: DateTime<Utc>) -> Select<session::Entity> {
    session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::COLUMN.ended_at.lt(before))
        .order_by_asc(session::Column::EndedAt)
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend, QueryTrait};

    use super::*;

    #[tokio::test]
    async fn an_index_finds_what_the_housekeeping_removes() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let db = Db::connect(&url, 2).await.unwrap();
        db.migrate_up(migration::Migrations::default()).await.unwrap();
        let time = DateTime::UNIX_EPOCH;
        for (these, index) in [
            (expired(time), "sessions_expires_at (expires_at<"),
            (ended(time), "sessions_ended_at (ended_at<"),
        ] {
            let mut statement = these.build(DbBackend::Sqlite);
            statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
            let plan = db.reader().query_one_raw(statement).await.unwrap().unwrap();
            let plan: String = plan.try_get("", "detail").unwrap();
            assert!(plan.contains(index), "{plan}");
        }
    }
}
