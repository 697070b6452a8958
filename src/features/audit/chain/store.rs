//! The tables `audit_chain` and `audit_seal`, and the events as far as they are sealed.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, DerivePartialModel, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::Head;
use crate::entity::{audit_chain, audit_event, audit_seal};
use crate::platform::id::{AuditEventId, OrganizationId};

/// An event, as far as its digest covers it.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "audit_event::Entity")]
pub(super) struct Sealable {
    pub(super) id: AuditEventId,
    pub(super) created_at: DateTime<Utc>,
    pub(super) kind: String,
    pub(super) outcome: String,
    pub(super) actor_kind: String,
    pub(super) actor_id: Option<Uuid>,
    pub(super) target_id: Option<Uuid>,
    pub(super) session_hash: Option<Vec<u8>>,
    pub(super) request_id: Option<String>,
    pub(super) occurrences: i64,
    pub(super) organization_id: Option<OrganizationId>,
    pub(super) detail: Option<String>,
}

/// A link of the chain.
pub(super) struct Link {
    pub(super) seq: i64,
    pub(super) event_id: AuditEventId,
    pub(super) digest: Vec<u8>,
}

/// Locks the one row until the transaction ends, unless another holder's time is not over.
pub(super) async fn claim(
    txn: &impl ConnectionTrait,
    holder: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let free = Condition::any()
        .add(audit_seal::COLUMN.holder.is_null())
        .add(audit_seal::COLUMN.holder.eq(holder))
        .add(audit_seal::COLUMN.held_until.lt(now));
    let claimed = audit_seal::Entity::update_many()
        .col_expr(audit_seal::Column::Holder, Expr::value(holder))
        .col_expr(audit_seal::Column::HeldUntil, Expr::value(until))
        .filter(free)
        .exec(txn)
        .await?;
    Ok(claimed.rows_affected == 1)
}

/// Where the chain begins.
pub(super) async fn checkpoint(db: &impl ConnectionTrait) -> Result<Head, DbErr> {
    let row = audit_seal::Entity::find_by_id(1).one(db).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("audit_seal has lost its row".into()))?;
    Ok(Head { seq: row.seq, digest: row.digest })
}

/// Where the chain ends.
pub(super) async fn head(db: &impl ConnectionTrait) -> Result<Head, DbErr> {
    let last = audit_chain::Entity::find().order_by_desc(audit_chain::Column::Seq).one(db).await?;
    match last {
        Some(last) => Ok(Head { seq: last.seq, digest: last.digest }),
        None => checkpoint(db).await,
    }
}

/// The first events that are not sealed, whenever they became visible: a transaction that took
/// long is sealed after younger ones, and never missed.
pub(super) async fn unsealed(
    db: &impl ConnectionTrait,
    limit: u64,
) -> Result<Vec<Sealable>, DbErr> {
    audit_event::Entity::find()
        .filter(audit_event::COLUMN.sealed_at.is_null())
        .order_by_asc(audit_event::Column::Id)
        .limit(limit)
        .into_partial_model()
        .all(db)
        .await
}

pub(super) async fn count_unsealed(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    audit_event::Entity::find().filter(audit_event::COLUMN.sealed_at.is_null()).count(db).await
}

pub(super) async fn append(txn: &impl ConnectionTrait, links: &[Link]) -> Result<(), DbErr> {
    let rows = links.iter().map(|link| audit_chain::ActiveModel {
        seq: Set(link.seq),
        event_id: Set(link.event_id),
        digest: Set(link.digest.clone()),
    });
    audit_chain::Entity::insert_many(rows).exec_without_returning(txn).await?;
    Ok(())
}

/// Marks events as sealed.
pub(super) async fn mark(
    txn: &impl ConnectionTrait,
    links: &[Link],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    audit_event::Entity::update_many()
        .col_expr(audit_event::Column::SealedAt, Expr::value(now))
        .filter(audit_event::COLUMN.id.is_in(links.iter().map(|link| link.event_id)))
        .exec(txn)
        .await?;
    Ok(())
}

/// The links after `seq`, each with its event if that is still there.
pub(super) async fn links_after(
    db: &impl ConnectionTrait,
    seq: i64,
    limit: u64,
) -> Result<Vec<(Link, Option<Sealable>)>, DbErr> {
    let links = audit_chain::Entity::find()
        .filter(audit_chain::COLUMN.seq.gt(seq))
        .order_by_asc(audit_chain::Column::Seq)
        .limit(limit)
        .all(db)
        .await?;
    let events: Vec<Sealable> = audit_event::Entity::find()
        .filter(audit_event::COLUMN.id.is_in(links.iter().map(|link| link.event_id)))
        .into_partial_model()
        .all(db)
        .await?;
    let mut events: std::collections::HashMap<_, _> =
        events.into_iter().map(|event| (event.id, event)).collect();
    let links = links.into_iter().map(|link| {
        let event = events.remove(&link.event_id);
        (Link { seq: link.seq, event_id: link.event_id, digest: link.digest }, event)
    });
    Ok(links.collect())
}

pub(super) async fn count_sealed(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    audit_event::Entity::find().filter(audit_event::COLUMN.sealed_at.is_not_null()).count(db).await
}

/// Removes links with their events, and has the chain begin after them.
pub(super) async fn prune(txn: &impl ConnectionTrait, links: &[Link]) -> Result<(), DbErr> {
    let Some(last) = links.last() else { return Ok(()) };
    let allow = match txn.get_database_backend() {
        DbBackend::Postgres => Some("SET LOCAL portcullis.prune = 'on'"),
        DbBackend::MySql => Some("SET @portcullis_prune = 1"),
        _ => None,
    };
    if let Some(allow) = allow {
        txn.execute_unprepared(allow).await?;
    }
    audit_event::Entity::delete_many()
        .filter(audit_event::COLUMN.id.is_in(links.iter().map(|link| link.event_id)))
        .exec(txn)
        .await?;
    audit_chain::Entity::delete_many()
        .filter(audit_chain::COLUMN.seq.lte(last.seq))
        .exec(txn)
        .await?;
    audit_seal::Entity::update_many()
        .col_expr(audit_seal::Column::Seq, Expr::value(last.seq))
        .col_expr(audit_seal::Column::Digest, Expr::value(last.digest.clone()))
        .exec(txn)
        .await?;
    if txn.get_database_backend() == DbBackend::MySql {
        // The connection outlives the transaction there.
        txn.execute_unprepared("SET @portcullis_prune = 0").await?;
    }
    Ok(())
}
