//! The table `audit_seal`, and the events as far as they are sealed.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, DerivePartialModel, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::Head;
use super::seal::{Bounds, Seal, Signed};
use crate::kernel::id::{AuditEventId, OrganizationId};
use crate::tables::{audit_event, audit_seal};

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

/// A link of the chain, with the event that it seals.
pub(super) struct Link {
    pub(super) seq: i64,
    pub(super) digest: Vec<u8>,
    pub(super) event: Sealable,
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
    let last = audit_event::Entity::find()
        .select_only()
        .columns([audit_event::Column::Seq, audit_event::Column::Digest])
        .filter(audit_event::COLUMN.seq.gt(start.seq))
        .order_by_desc(audit_event::Column::Seq);
    let last: Option<(i64, Option<Vec<u8>>)> = last.limit(1).into_tuple().one(db).await?;
    Ok(last.map_or_else(
        || start.clone(),
        |(seq, digest)| Head { seq, digest: digest.unwrap_or_default() },
    ))
}

/// The digest of a link that is there.
pub(super) async fn digest_of(
    db: &impl ConnectionTrait,
    seq: i64,
) -> Result<Option<Vec<u8>>, DbErr> {
    let link = audit_event::Entity::find()
        .select_only()
        .column(audit_event::Column::Digest)
        .filter(audit_event::COLUMN.seq.eq(seq));
    Ok(link.into_tuple().one(db).await?.flatten())
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
    audit_event::Entity::find()
        .filter(audit_event::COLUMN.seq.is_null())
        .order_by_asc(audit_event::Column::Id)
        .limit(limit)
        .into_partial_model()
        .all(db)
        .await
}

pub(super) async fn count_unsealed(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    audit_event::Entity::find().filter(audit_event::COLUMN.seq.is_null()).count(db).await
}

/// Counts the events whose link stands before the first one of the chain.
pub(super) async fn count_outside(db: &impl ConnectionTrait, start: &Head) -> Result<u64, DbErr> {
    audit_event::Entity::find().filter(audit_event::COLUMN.seq.lte(start.seq)).count(db).await
}

/// Gives events their links.
pub(super) async fn append(txn: &impl ConnectionTrait, links: &[Link]) -> Result<(), DbErr> {
    let (mut seq, mut digest) = (CaseStatement::new(), CaseStatement::new());
    for link in links {
        let is_this = || Expr::col(audit_event::Column::Id).eq(link.event.id);
        seq = seq.case(is_this(), Expr::value(link.seq));
        digest = digest.case(is_this(), Expr::value(link.digest.clone()));
    }
    let sealed = audit_event::Entity::update_many()
        .col_expr(audit_event::Column::Seq, seq.into())
        .col_expr(audit_event::Column::Digest, digest.into())
        .filter(audit_event::COLUMN.id.is_in(links.iter().map(|link| link.event.id)))
        .filter(audit_event::COLUMN.seq.is_null())
        .exec(txn)
        .await?;
    if sealed.rows_affected == links.len() as u64 {
        Ok(())
    } else {
        Err(DbErr::Custom("other events were sealed meanwhile than those that are not".into()))
    }
}

/// When the first event of the chain was written.
pub(super) async fn oldest(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    audit_event::Entity::find()
        .select_only()
        .column(audit_event::Column::CreatedAt)
        .filter(audit_event::COLUMN.seq.gt(0))
        .order_by_asc(audit_event::Column::Seq)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
}

/// The links after `seq`, each with its event.
pub(super) async fn links_after(
    db: &impl ConnectionTrait,
    seq: i64,
    limit: u64,
) -> Result<Vec<Link>, DbErr> {
    let events = audit_event::Entity::find()
        .filter(audit_event::COLUMN.seq.gt(seq))
        .order_by_asc(audit_event::Column::Seq)
        .limit(limit)
        .all(db)
        .await?;
    Ok(events.into_iter().filter_map(Link::of).collect())
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
        .filter(audit_event::COLUMN.id.is_in(links.iter().map(|link| link.event.id)))
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

impl Link {
    fn of(row: audit_event::Model) -> Option<Self> {
        let event = Sealable {
            id: row.id,
            created_at: row.created_at,
            kind: row.kind,
            outcome: row.outcome,
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            target_id: row.target_id,
            session_hash: row.session_hash,
            request_id: row.request_id,
            occurrences: row.occurrences,
            organization_id: row.organization_id,
            detail: row.detail,
        };
        Some(Self { seq: row.seq?, digest: row.digest.unwrap_or_default(), event })
    }
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
