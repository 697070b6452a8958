//! The flows that are finished.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, SqlErr};

use crate::infra::db::Db;
use crate::kernel::id::FlowId;
use crate::tables::finished_flow as flow;

/// Notes that a flow is finished; says whether this was the first time.
pub(super) async fn finish(
    db: &impl ConnectionTrait,
    id: FlowId,
    expires_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let row = flow::ActiveModel { id: Set(id), expires_at: Set(expires_at) };
    match flow::Entity::insert(row).exec_without_returning(db).await {
        Ok(_) => Ok(true),
        // The table has no other constraint.
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Deletes at most `batch` that have expired; says how many.
pub(super) async fn delete_expired(db: &Db, now: DateTime<Utc>, batch: u64) -> Result<u64, DbErr> {
    let ids: Vec<FlowId> = flow::Entity::find()
        .select_only()
        .column(flow::Column::Id)
        .filter(flow::COLUMN.expires_at.lte(now))
        .limit(batch)
        .into_tuple()
        .all(db.reader())
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let deleted =
        flow::Entity::delete_many().filter(flow::COLUMN.id.is_in(ids)).exec(db.writer()).await?;
    Ok(deleted.rows_affected)
}
