//! The tables `audit_chain` and `audit_seal`, and the events as far as they are sealed.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, DerivePartialModel, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::Head;
use super::seal::{Bounds, Seal, Signed};
use crate::kernel::id::{AuditEventId, OrganizationId};
use crate::tables::{audit_chain, audit_event, audit_seal};

/// The key of the one row of `audit_seal`.
const ID: i32 = 1;

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
    latest: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let free = Condition::any()
        .add(audit_seal::COLUMN.holder.is_null())
        .add(audit_seal::COLUMN.held_until.is_null())
        .add(audit_seal::COLUMN.holder.eq(holder))
        .add(audit_seal::COLUMN.held_until.lt(now))
        // No instance holds it for so long: somebody else has written that.
        .add(audit_seal::COLUMN.held_until.gt(latest));
    let claimed = audit_seal::Entity::update_many()
        .col_expr(audit_seal::Column::Holder, Expr::value(holder))
        .col_expr(audit_seal::Column::HeldUntil, Expr::value(until))
        .filter(audit_seal::COLUMN.id.eq(ID))
        .filter(free)
        .exec(txn)
        .await?;
    Ok(claimed.rows_affected > 0)
}

/// What the one row says.
pub(super) async fn seal(db: &impl ConnectionTrait) -> Result<Option<Seal>, DbErr> {
    Ok(audit_seal::Entity::find_by_id(ID).one(db).await?.map(Seal::from))
}

/// The same, and nobody else changes it until the transaction ends.
pub(super) async fn lock(txn: &impl ConnectionTrait) -> Result<Option<Seal>, DbErr> {
    audit_seal::Entity::update_many()
        .col_expr(audit_seal::Column::Id, Expr::col(audit_seal::Column::Id))
        .filter(audit_seal::COLUMN.id.eq(ID))
        .exec(txn)
        .await?;
    seal(txn).await
}

/// Makes the row again where somebody has deleted it. It says that the chain begins before all links
/// there are, and nobody has signed it.
pub(super) async fn restore(txn: &impl ConnectionTrait) -> Result<(), DbErr> {
    let row = audit_seal::ActiveModel {
        id: Set(ID),
        seq: Set(0),
        digest: Set(vec![0; 32]),
        ..Default::default()
    };
    audit_seal::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

pub(super) async fn sign(txn: &impl ConnectionTrait, signed: &Signed) -> Result<(), DbErr> {
    let Bounds { pruned, head } = &signed.bounds;
    audit_seal::Entity::update_many()
        .col_expr(audit_seal::Column::PrunedSeq, Expr::value(pruned.seq))
        .col_expr(audit_seal::Column::PrunedDigest, Expr::value(pruned.digest.clone()))
        .col_expr(audit_seal::Column::HeadSeq, Expr::value(head.seq))
        .col_expr(audit_seal::Column::HeadDigest, Expr::value(head.digest.clone()))
        .col_expr(audit_seal::Column::Signature, Expr::value(signed.signature.clone()))
        .filter(audit_seal::COLUMN.id.eq(ID))
        .exec(txn)
        .await?;
    Ok(())
}

/// Where a chain ends that begins after `start`.
pub(super) async fn end(db: &impl ConnectionTrait, start: &Head) -> Result<Head, DbErr> {
    let last = audit_chain::Entity::find().order_by_desc(audit_chain::Column::Seq).one(db).await?;
    Ok(last.map_or_else(|| start.clone(), |last| Head { seq: last.seq, digest: last.digest }))
}

/// The digest of a link that is there.
pub(super) async fn digest_of(
    db: &impl ConnectionTrait,
    seq: i64,
) -> Result<Option<Vec<u8>>, DbErr> {
    Ok(audit_chain::Entity::find_by_id(seq).one(db).await?.map(|link| link.digest))
}

pub(super) async fn event(db: &impl ConnectionTrait, id: AuditEventId) -> Result<Sealable, DbErr> {
    let event = audit_event::Entity::find_by_id(id).into_partial_model().one(db).await?;
    event.ok_or_else(|| DbErr::RecordNotFound("an audit event that was just written".into()))
}

/// The first events that are not sealed, whenever they became visible: a transaction that took
/// long is sealed after younger ones, and never missed.
pub(super) async fn unsealed(
    db: &impl ConnectionTrait,
    limit: u64,
) -> Result<Vec<Sealable>, DbErr> {
    unsealed_after(db, Uuid::nil(), limit).await
}

/// The first of them after an event.
pub(super) async fn unsealed_after(
    db: &impl ConnectionTrait,
    after: Uuid,
    limit: u64,
) -> Result<Vec<Sealable>, DbErr> {
    audit_event::Entity::find()
        .filter(audit_event::COLUMN.sealed_at.is_null())
        .filter(audit_event::Column::Id.gt(after))
        .order_by_asc(audit_event::Column::Id)
        .limit(limit)
        .into_partial_model()
        .all(db)
        .await
}

/// Those of the events that have a link.
pub(super) async fn linked(
    db: &impl ConnectionTrait,
    events: &[Sealable],
) -> Result<HashSet<AuditEventId>, DbErr> {
    let links = audit_chain::Entity::find()
        .select_only()
        .column(audit_chain::Column::EventId)
        .filter(audit_chain::COLUMN.event_id.is_in(events.iter().map(|event| event.id)));
    Ok(links.into_tuple().all(db).await?.into_iter().collect())
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
    events: &[AuditEventId],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    audit_event::Entity::update_many()
        .col_expr(audit_event::Column::SealedAt, Expr::value(now))
        .filter(audit_event::COLUMN.id.is_in(events.iter().copied()))
        .exec(txn)
        .await?;
    Ok(())
}

/// When the first event of the chain was written.
pub(super) async fn oldest(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    let first = audit_chain::Entity::find()
        .select_only()
        .column(audit_chain::Column::EventId)
        .order_by_asc(audit_chain::Column::Seq)
        .limit(1);
    let Some(first) = first.into_tuple::<AuditEventId>().one(db).await? else { return Ok(None) };
    Ok(Some(event(db, first).await?.created_at))
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
    let mut events: HashMap<_, _> = events.into_iter().map(|event| (event.id, event)).collect();
    let links = links.into_iter().map(|link| {
        let event = events.remove(&link.event_id);
        (Link { seq: link.seq, event_id: link.event_id, digest: link.digest }, event)
    });
    Ok(links.collect())
}

/// Counts the sealed ones among the next events after one; says which was the last of all. There may be none.
pub(super) async fn count_sealed_after(
    db: &impl ConnectionTrait,
    after: Uuid,
    limit: u64,
) -> Result<Option<(Uuid, u64)>, DbErr> {
    let next = audit_event::Entity::find().filter(audit_event::Column::Id.gt(after)).select_only();
    let ids = next.clone().column(audit_event::Column::Id);
    let nth = ids.clone().order_by_asc(audit_event::Column::Id).offset(limit - 1).limit(1);
    let last: Option<Uuid> = match nth.into_tuple().one(db).await? {
        Some(last) => Some(last),
        None => ids.order_by_desc(audit_event::Column::Id).limit(1).into_tuple().one(db).await?,
    };
    let Some(last) = last else { return Ok(None) };
    let sealed = next
        .column(audit_event::Column::Id)
        .filter(audit_event::Column::Id.lte(last))
        .filter(audit_event::COLUMN.sealed_at.is_not_null());
    Ok(Some((last, sealed.count(db).await?)))
}

/// Removes links with their events, and has the chain begin after them.
pub(super) async fn remove(txn: &impl ConnectionTrait, links: &[Link]) -> Result<(), DbErr> {
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

impl From<audit_seal::Model> for Seal {
    fn from(row: audit_seal::Model) -> Self {
        let head = |seq: Option<i64>, digest: Option<Vec<u8>>| {
            seq.zip(digest).map(|(seq, digest)| Head { seq, digest })
        };
        let pruned = head(row.pruned_seq, row.pruned_digest);
        let bounds = pruned.zip(head(row.head_seq, row.head_digest));
        let signed = bounds.zip(row.signature).map(|((pruned, head), signature)| Signed {
            bounds: Bounds { pruned, head },
            signature,
        });
        Self { start: Head { seq: row.seq, digest: row.digest }, signed }
    }
}
