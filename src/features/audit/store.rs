//! The `audit_events` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryOrder, QuerySelect};

use super::Event;
use crate::entity::audit_event;
use crate::platform::id::AuditEventId;
use crate::platform::secret::sha256;

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    event: Event<'_>,
) -> Result<(), DbErr> {
    let row = audit_event::ActiveModel {
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
    };
    audit_event::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
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
