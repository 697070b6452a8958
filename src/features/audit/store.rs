//! The `audit_events` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryOrder, QuerySelect};

use super::{Event, refusals};
use crate::entity::audit_event;
use crate::platform::id::AuditEventId;
use crate::platform::secret::sha256;

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    event: Event<'_>,
    occurrences: u32,
) -> Result<(), DbErr> {
    audit_event::Entity::insert(row(now, &event, occurrences)).exec_without_returning(db).await?;
    Ok(())
}

/// Writes refusals, each with its count, in one statement.
pub(super) async fn insert_refusals(
    db: &impl ConnectionTrait,
    due: &[refusals::Due],
) -> Result<(), DbErr> {
    let rows = due.iter().map(|due| row(due.first_at, &due.event(), due.occurrences));
    audit_event::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}

fn row(now: DateTime<Utc>, event: &Event<'_>, occurrences: u32) -> audit_event::ActiveModel {
    audit_event::ActiveModel {
        id: Set(AuditEventId::new(now)),
        created_at: Set(now),
        kind: Set(event.kind.as_str().to_owned()),
        outcome: Set(event.kind.outcome().to_owned()),
        actor_kind: Set(event.actor.as_str().to_owned()),
        actor_id: Set(event.actor.id()),
        target_id: Set(event.target),
        session_hash: Set(event.session.map(|id| sha256(id.0.as_bytes()).to_vec())),
        ip: Set(event.client.ip.map(|ip| ip.to_string())),
        user_agent: Set(event.client.user_agent.clone()),
        request_id: Set(event.client.request_id.map(|id| id.to_string())),
        occurrences: Set(i64::from(occurrences)),
        sealed_at: Set(None),
    }
}

pub(super) async fn newest(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    audit_event::Entity::find()
        .select_only()
        .column(audit_event::Column::CreatedAt)
        .order_by_desc(audit_event::Column::CreatedAt)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
}
