//! The table `sessions`, and the user's row as far as it is read here.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{CommonTableExpression, Expr, ExprTrait, IntoCondition, WithClause};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, DerivePartialModel, EntityTrait, JoinType,
    QueryFilter, QueryOrder, QueryResult, QuerySelect, QueryTrait, RelationDef, RelationTrait,
};
use uuid::Uuid;

use super::credential::Credential;
use super::proofs::FAILURES_MAX;
use super::rotation::{Attempt, CLOCKS_APART};
use super::{EndReason, Lifetimes};
use crate::infra::db::Db;
use crate::kernel::access::{
    ActiveOrganization, OrganizationRole, Origin, Proofs, TokenMode, User,
};
use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::kernel::read_by_fields;
use crate::tables::{membership, session, user};

/// A session to be inserted.
pub(super) struct Begun {
    pub(super) id: SessionId,
    pub(super) user_id: UserId,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    /// The kind of device, if it is recognised.
    pub(super) device: Option<String>,
    /// Of the random bits of its credential.
    pub(super) secret_digest: [u8; 32],
    /// What it begins with.
    pub(super) proofs: Proofs,
}

/// A kind of device that a user has signed in from, and with how many living sessions.
pub(super) struct KnownDevice {
    pub(super) device: Option<String>,
    pub(super) live: u64,
}

/// What the user of a session is in the organization that a call names, if anything.
pub(super) fn acting_in(organization: Option<OrganizationId>) -> RelationDef {
    let membership: RelationDef = session::Entity::belongs_to(membership::Entity)
        .from(session::Column::UserId)
        .to(membership::Column::UserId)
        .into();
    let named = organization.map_or(Uuid::nil(), |organization| organization.0);
    membership.on_condition(move |_session, membership| {
        let id = Expr::col((membership, membership::Column::OrganizationId));
        id.eq(named).into_condition()
    })
}

pub(super) fn role() -> Expr {
    Expr::col((membership::Entity, membership::Column::Role))
}

pub(super) fn organization() -> Expr {
    Expr::col((membership::Entity, membership::Column::OrganizationId))
}

/// The session that a credential names, with its user.
#[derive(Clone)]
pub(super) struct Presented {
    pub(super) id: SessionId,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) token_mode: TokenMode,
    pub(super) generation: u32,
    pub(super) generation_at: DateTime<Utc>,
    pub(super) last_used_at: DateTime<Utc>,
    pub(super) secret_digest: Vec<u8>,
    pub(super) attempt_digest: Option<Vec<u8>>,
    pub(super) organization: Option<ActiveOrganization>,
    pub(super) user: User,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "session::Entity")]
struct PresentedRow {
    id: SessionId,
    expires_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    token_mode: TokenMode,
    generation: i32,
    generation_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    secret_digest: Vec<u8>,
    attempt_digest: Option<Vec<u8>>,
    #[sea_orm(from_expr = "organization()")]
    organization_id: Option<OrganizationId>,
    #[sea_orm(from_expr = "role()")]
    organization_role: Option<OrganizationRole>,
    #[sea_orm(nested)]
    user: user::Account,
}

read_by_fields!(PresentedRow {
    id,
    expires_at,
    ended_at,
    token_mode,
    generation,
    generation_at,
    last_used_at,
    secret_digest,
    attempt_digest,
    organization_id,
    organization_role,
    user
});

impl From<PresentedRow> for Presented {
    fn from(row: PresentedRow) -> Self {
        Self {
            id: row.id,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            token_mode: row.token_mode,
            generation: row.generation.unsigned_abs(),
            generation_at: row.generation_at,
            last_used_at: row.last_used_at,
            secret_digest: row.secret_digest,
            attempt_digest: row.attempt_digest,
            organization: ActiveOrganization::of(row.organization_id, row.organization_role),
            user: row.user.into(),
        }
    }
}

/// Proofs as a column has them.
pub(super) fn amr_of(proofs: Proofs) -> String {
    proofs.amr().collect::<Vec<_>>().join(" ")
}

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    begun: &Begun,
    origin: &Origin,
) -> Result<(), DbErr> {
    session::Entity::insert(row(begun, origin)).exec_without_returning(db).await?;
    Ok(())
}

fn row(begun: &Begun, origin: &Origin) -> session::ActiveModel {
    session::ActiveModel {
        id: Set(begun.id),
        user_id: Set(begun.user_id),
        created_at: Set(begun.created_at),
        expires_at: Set(begun.expires_at),
        ended_at: Set(None),
        end_reason: Set(None),
        ip: Set(origin.ip.map(|ip| ip.to_string())),
        user_agent: Set(origin.user_agent.clone()),
        device: Set(begun.device.clone()),
        token_mode: Set(origin.token_mode),
        failed_proofs: Set(0),
        secret_digest: Set(begun.secret_digest.to_vec()),
        generation: Set(1),
        generation_at: Set(begun.created_at),
        attempt_digest: Set(None),
        last_used_at: Set(begun.created_at),
        amr: Set(amr_of(begun.proofs)),
        acr: Set(begun.proofs.level().into_str().to_owned()),
    }
}

/// Inserts a session, and says from what kinds of device its user has signed in before, as far back as sessions are kept.
pub(super) async fn insert_beside(
    txn: &impl ConnectionTrait,
    begun: &Begun,
    origin: &Origin,
) -> Result<Vec<KnownDevice>, DbErr> {
    let devices = session::Entity::find()
        .select_only()
        .column(session::Column::Device)
        .column_as(session::Column::Id.count(), "sessions")
        .column_as(session::Column::EndedAt.count(), "ended")
        .filter(session::COLUMN.user_id.eq(begun.user_id))
        .group_by(session::Column::Device);
    let rows = if txn.get_database_backend() == DbBackend::Postgres {
        // In one statement, of which the second part does not see what the first inserts.
        let insert = session::Entity::insert(row(begun, origin)).into_query();
        let insert = CommonTableExpression::new().query(insert).table_name("begun").to_owned();
        let both = WithClause::new().cte(insert).to_owned().query(devices.into_query());
        txn.query_all(&both).await?
    } else {
        let rows = txn.query_all(&devices.into_query()).await?;
        insert(txn, begun, origin).await?;
        rows
    };
    let known = |row: QueryResult| {
        let (sessions, ended): (i64, i64) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
        let live = u64::try_from(sessions - ended).unwrap_or_default();
        Ok(KnownDevice { device: row.try_get_by_index(0)?, live })
    };
    rows.into_iter().map(known).collect()
}

/// Deletes the oldest living sessions of the user of one that was begun, but for it and for `kept` others.
pub(super) async fn evict(
    txn: &impl ConnectionTrait,
    begun: &Begun,
    kept: u64,
) -> Result<(), DbErr> {
    let living: Vec<SessionId> = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::COLUMN.user_id.eq(begun.user_id))
        .filter(session::COLUMN.id.ne(begun.id))
        .filter(session::COLUMN.ended_at.is_null())
        .order_by_desc(session::Column::CreatedAt)
        .order_by_desc(session::Column::Id)
        .into_tuple()
        .all(txn)
        .await?;
    let oldest = living.into_iter().skip(usize::try_from(kept).unwrap_or(usize::MAX));
    let oldest = session::COLUMN.id.is_in(oldest);
    session::Entity::delete_many().filter(oldest).exec(txn).await?;
    Ok(())
}

/// Raises the generation of a session, if the credential is its live one, which may be replaced now; says whether it
/// was. What ends the session is settled by the lock of the same row (RT-04, RT-08).
pub(super) async fn rotate(
    db: &impl ConnectionTrait,
    credential: &Credential,
    mode: TokenMode,
    attempt: Option<&Attempt>,
    lifetimes: &Lifetimes,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let Ok(generation) = i32::try_from(credential.generation) else { return Ok(false) };
    let generation_at = session::COLUMN.generation_at;
    let outcome = session::Entity::update_many()
        .col_expr(session::Column::Generation, Expr::value(generation.saturating_add(1)))
        .col_expr(session::Column::GenerationAt, Expr::value(now))
        .col_expr(session::Column::LastUsedAt, Expr::value(now))
        .col_expr(
            session::Column::AttemptDigest,
            Expr::value(attempt.map(|attempt| attempt.digest().to_vec())),
        )
        .filter(session::COLUMN.id.eq(credential.session))
        .filter(session::COLUMN.generation.eq(generation))
        .filter(session::COLUMN.secret_digest.eq(credential.digest().to_vec()))
        .filter(session::COLUMN.token_mode.eq(mode))
        .filter(session::COLUMN.ended_at.is_null())
        .filter(session::COLUMN.expires_at.gt(now))
        .filter(session::COLUMN.last_used_at.gt(now - lifetimes.idle))
        // One rotation a grace, unless a clock was set back.
        .filter(generation_at.lt(now - lifetimes.grace).or(generation_at.gt(now + CLOCKS_APART)))
        .exec(db)
        .await?;
    Ok(outcome.rows_affected == 1)
}

/// The session of a credential, with its user. Nothing is locked.
pub(super) async fn find_presented(
    db: &Db,
    id: SessionId,
    organization: Option<OrganizationId>,
) -> Result<Option<Presented>, DbErr> {
    let select = session::Entity::find_by_id(id)
        .join(JoinType::InnerJoin, session::Relation::User.def())
        .join(JoinType::LeftJoin, acting_in(organization));
    Ok(db.read::<_, PresentedRow>(select).await?.pop().map(Presented::from))
}

/// Locks the user's row, if it still exists.
pub(super) async fn lock_user(txn: &impl ConnectionTrait, id: UserId) -> Result<(), DbErr> {
    user::Entity::find_by_id(id)
        .select_only()
        .column(user::Column::Id)
        .lock_exclusive()
        .into_tuple::<UserId>()
        .one(txn)
        .await?;
    Ok(())
}

/// Ends a session, unless it is over; says whether this call did it.
pub(super) async fn end(
    txn: &impl ConnectionTrait,
    id: SessionId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let outcome = ending(reason, now).filter(session::COLUMN.id.eq(id)).exec(txn).await?;
    Ok(outcome.rows_affected == 1)
}

/// At most so many sessions that have not ended, with their users, by id, from that of another on.
pub(super) async fn list_living(
    txn: &impl ConnectionTrait,
    after: Option<SessionId>,
    max: u64,
) -> Result<Vec<(SessionId, UserId)>, DbErr> {
    session::Entity::find()
        .select_only()
        .columns([session::Column::Id, session::Column::UserId])
        .filter(session::COLUMN.ended_at.is_null())
        .apply_if(after, |select, after| select.filter(session::COLUMN.id.gt(after)))
        .order_by_asc(session::Column::Id)
        .limit(max)
        .into_tuple()
        .all(txn)
        .await
}

/// Ends these sessions, as far as they are not over, and returns how many it ended.
pub(super) async fn end_each(
    txn: &impl ConnectionTrait,
    ids: Vec<SessionId>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let outcome = ending(reason, now).filter(session::COLUMN.id.is_in(ids)).exec(txn).await?;
    Ok(outcome.rows_affected)
}

/// Ends every session of a user, but for one that may be named, and returns how many it ended.
pub(super) async fn end_all(
    txn: &impl ConnectionTrait,
    user: UserId,
    kept: Option<SessionId>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let mut update = ending(reason, now).filter(session::COLUMN.user_id.eq(user));
    if let Some(kept) = kept {
        update = update.filter(session::COLUMN.id.ne(kept));
    }
    Ok(update.exec(txn).await?.rows_affected)
}

/// Somebody may have been signed in there who is not the user: then the device is known no more.
fn ending(reason: EndReason, now: DateTime<Utc>) -> sea_orm::UpdateMany<session::Entity> {
    let mut update = session::Entity::update_many()
        .col_expr(session::Column::EndedAt, Expr::value(now))
        .col_expr(session::Column::EndReason, Expr::value(reason.into_str()));
    if !matches!(reason, EndReason::SignedOut | EndReason::Replaced) {
        update = update.col_expr(session::Column::FailedProofs, Expr::value(FAILURES_MAX));
    }
    update.filter(session::COLUMN.ended_at.is_null())
}

#[cfg(test)]
mod tests;
