//! The links of `audit_chain`, and the events that they seal.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::super::listing::{Filter, Recorded};
use super::super::store::find_all;
use crate::kernel::id::AuditEventId;
use crate::tables::audit_chain;

/// The number of the newest link; 0 if there is none.
pub(super) async fn last(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let last: Option<i64> = audit_chain::Entity::find()
        .select_only()
        .column(audit_chain::Column::Seq)
        .order_by_desc(audit_chain::Column::Seq)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(last.unwrap_or_default())
}

/// The first links after this one, with their events. One may be gone, by other hands than ours.
pub(super) async fn after(
    db: &impl ConnectionTrait,
    seq: i64,
    limit: u64,
) -> Result<Vec<(i64, Option<Recorded>)>, DbErr> {
    let links: Vec<(i64, AuditEventId)> = audit_chain::Entity::find()
        .select_only()
        .column(audit_chain::Column::Seq)
        .column(audit_chain::Column::EventId)
        .filter(audit_chain::COLUMN.seq.gt(seq))
        .order_by_asc(audit_chain::Column::Seq)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let ids: Vec<_> = links.iter().map(|(_, id)| *id).collect();
    let events = find_all(db, &ids, &Filter::default()).await?;
    let mut events: HashMap<_, _> =
        events.into_iter().map(|event| (event.place.id, event)).collect();
    Ok(links.into_iter().map(|(seq, id)| (seq, events.remove(&id))).collect())
}
