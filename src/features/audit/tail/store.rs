//! The events, in the order of their links.

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::super::listing::Recorded;
use crate::tables::audit_event;

/// The number of the newest link; 0 if there is none.
pub(super) async fn last(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let last: Option<i64> = audit_event::Entity::find()
        .select_only()
        .column(audit_event::Column::Seq)
        .filter(audit_event::COLUMN.seq.is_not_null())
        .order_by_desc(audit_event::Column::Seq)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(last.unwrap_or_default())
}

/// The first events after this link, each with its own.
pub(super) async fn after(
    db: &impl ConnectionTrait,
    seq: i64,
    limit: u64,
) -> Result<Vec<(i64, Recorded)>, DbErr> {
    let events = audit_event::Entity::find()
        .filter(audit_event::COLUMN.seq.gt(seq))
        .order_by_asc(audit_event::Column::Seq)
        .limit(limit)
        .all(db)
        .await?;
    Ok(events.into_iter().map(|row| (row.seq.unwrap_or(seq), Recorded::from(row))).collect())
}
