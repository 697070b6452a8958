//! The tables `sessions` and `refresh_tokens`, and the user's row as far as it is read here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, DerivePartialModel, EntityTrait, JoinType, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, RelationTrait, Select,
};

use super::EndReason;
use super::proofs::FAILURES_MAX;
use crate::infra::db::Db;
use crate::kernel::access::{
    ActiveOrganization, OrganizationRole, Origin, TokenMode, User, Viewer,
};
use crate::kernel::id::{OrganizationId, RefreshTokenId, SessionId, UserId};
use crate::kernel::read_by_fields;
use crate::tables::{membership, refresh_token, session, user};

/// A session to be inserted.
pub(super) struct Begun {
    pub(super) id: SessionId,
    pub(super) user_id: UserId,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    /// The kind of device, if it is recognised.
    pub(super) device: Option<String>,
}

/// A kind of device that a user has signed in from, and with how many living sessions.
pub(super) struct KnownDevice {
    pub(super) device: Option<String>,
    pub(super) live: u64,
}

/// A refresh token to be inserted.
pub(super) struct NewToken {
    pub(super) session_id: SessionId,
    pub(super) hash: [u8; 32],
    /// `None` for the first token of a session.
    pub(super) derived: Option<Derived>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

/// From what a successor was made.
pub(super) struct Derived {
    pub(super) parent: RefreshTokenId,
    pub(super) salt: [u8; 32],
}

/// A refresh token's row, without its hash.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "refresh_token::Entity")]
pub(super) struct FoundToken {
    pub(super) id: RefreshTokenId,
    pub(super) session_id: SessionId,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) consumed_at: Option<DateTime<Utc>>,
}

/// A session's row, as far as a rotation looks at it.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "session::Entity")]
pub(super) struct FoundSession {
    pub(super) id: SessionId,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) token_mode: TokenMode,
    organization_id: Option<OrganizationId>,
    #[sea_orm(from_expr = "organization_role()")]
    organization_role: Option<OrganizationRole>,
}

impl FoundSession {
    /// The organization it acts in.
    pub(super) fn organization(&self) -> Option<ActiveOrganization> {
        ActiveOrganization::of(self.organization_id, self.organization_role)
    }
}

/// What the user of a session may do in its organization; null for one that is no member there. No
/// join, since PostgreSQL locks no row that may be missing.
fn organization_role() -> SimpleExpr {
    let user = (session::Entity, session::Column::UserId);
    let organization = (session::Entity, session::Column::OrganizationId);
    let role = membership::Entity::find()
        .select_only()
        .column(membership::Column::Role)
        .filter(membership::Column::UserId.into_expr().eq(Expr::col(user)))
        .filter(membership::Column::OrganizationId.into_expr().eq(Expr::col(organization)));
    role.into_query().into()
}

/// A presented token with its session and its user.
pub(super) struct Presented {
    pub(super) token: FoundToken,
    pub(super) session: FoundSession,
    pub(super) user: User,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "user::Entity")]
struct PresentedRow {
    #[sea_orm(nested)]
    user: user::Account,
    #[sea_orm(nested)]
    session: FoundSession,
    #[sea_orm(nested)]
    token: FoundToken,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "session::Entity")]
struct ViewerRow {
    id: SessionId,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    organization_id: Option<OrganizationId>,
    #[sea_orm(from_expr = "organization_role()")]
    organization_role: Option<OrganizationRole>,
    #[sea_orm(nested)]
    user: user::Account,
}

read_by_fields!(ViewerRow { id, created_at, expires_at, organization_id, organization_role, user });

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    begun: &Begun,
    origin: &Origin,
) -> Result<(), DbErr> {
    let row = session::ActiveModel {
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
        organization_id: Set(None),
        failed_proofs: Set(0),
    };
    session::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// From what kinds of device a user has signed in, as far back as sessions are kept.
pub(super) async fn list_devices(
    txn: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<KnownDevice>, DbErr> {
    let rows: Vec<(Option<String>, i64, i64)> = session::Entity::find()
        .select_only()
        .column(session::Column::Device)
        .column_as(session::Column::Id.count(), "sessions")
        .column_as(session::Column::EndedAt.count(), "ended")
        .filter(session::COLUMN.user_id.eq(user))
        .group_by(session::Column::Device)
        .into_tuple()
        .all(txn)
        .await?;
    let known = |(device, sessions, ended): (_, i64, i64)| KnownDevice {
        device,
        live: u64::try_from(sessions - ended).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(known).collect())
}

/// Deletes the oldest living sessions of a user, but for `kept`.
pub(super) async fn evict(
    txn: &impl ConnectionTrait,
    user: UserId,
    kept: u64,
) -> Result<(), DbErr> {
    let living: Vec<SessionId> = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::COLUMN.user_id.eq(user))
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

pub(super) async fn insert_token(db: &impl ConnectionTrait, new: NewToken) -> Result<(), DbErr> {
    let (parent_id, salt) =
        new.derived.map(|derived| (derived.parent, derived.salt.to_vec())).unzip();
    let row = refresh_token::ActiveModel {
        id: Set(RefreshTokenId::new(new.created_at)),
        session_id: Set(new.session_id),
        parent_id: Set(parent_id),
        hash: Set(new.hash.to_vec()),
        salt: Set(salt),
        created_at: Set(new.created_at),
        expires_at: Set(new.expires_at),
        consumed_at: Set(None),
    };
    refresh_token::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// The viewer of a session that has not ended, whose user is `user` and active.
pub(super) async fn find_viewer(
    db: &Db,
    session: SessionId,
    user: UserId,
) -> Result<Option<Viewer>, DbErr> {
    let row = db.read::<_, ViewerRow>(viewer_of(session, user)).await?.pop();
    Ok(row.map(Viewer::from))
}

/// The same inside a transaction.
pub(super) async fn read_viewer(
    txn: &impl ConnectionTrait,
    session: SessionId,
    user: UserId,
) -> Result<Option<Viewer>, DbErr> {
    let select = viewer_of(session, user).into_partial_model::<ViewerRow>();
    Ok(select.one(txn).await?.map(Viewer::from))
}

fn viewer_of(session: SessionId, user: UserId) -> Select<session::Entity> {
    session::Entity::find()
        .join(JoinType::InnerJoin, session::Relation::User.def())
        .filter(session::COLUMN.id.eq(session))
        .filter(session::COLUMN.user_id.eq(user))
        .filter(session::COLUMN.ended_at.is_null())
        .filter(user::COLUMN.is_active.eq(true))
}

impl From<ViewerRow> for Viewer {
    fn from(row: ViewerRow) -> Self {
        Self {
            user: Arc::new(row.user.into()),
            session_id: row.id,
            session_created_at: row.created_at,
            session_expires_at: row.expires_at,
            access_expires_at: DateTime::UNIX_EPOCH,
            organization: ActiveOrganization::of(row.organization_id, row.organization_role),
        }
    }
}

/// A token by its hash, with its session and its user; all three rows are locked.
///
/// The user comes first in the join, as everything that ends sessions locks the user first.
pub(super) async fn lock_presented(
    txn: &impl ConnectionTrait,
    hash: [u8; 32],
) -> Result<Option<Presented>, DbErr> {
    let row = user::Entity::find()
        .join(JoinType::InnerJoin, user::Relation::Session.def())
        .join(JoinType::InnerJoin, session::Relation::RefreshToken.def())
        .filter(refresh_token::COLUMN.hash.eq(hash.to_vec()))
        .lock_exclusive()
        .into_partial_model::<PresentedRow>()
        .one(txn)
        .await?;
    Ok(row.map(|row| Presented { token: row.token, session: row.session, user: row.user.into() }))
}

/// The successor of a token.
pub(super) async fn find_child(
    db: &impl ConnectionTrait,
    parent: RefreshTokenId,
) -> Result<Option<refresh_token::Model>, DbErr> {
    refresh_token::Entity::find().filter(refresh_token::COLUMN.parent_id.eq(parent)).one(db).await
}

/// The session and the user a refresh token belongs to, consumed or not, if it lives where the session
/// keeps its tokens.
pub(super) async fn find_owner(
    db: &impl ConnectionTrait,
    hash: [u8; 32],
    mode: TokenMode,
) -> Result<Option<(SessionId, UserId)>, DbErr> {
    session::Entity::find()
        .join(JoinType::InnerJoin, session::Relation::RefreshToken.def())
        .filter(refresh_token::COLUMN.hash.eq(hash.to_vec()))
        .filter(session::COLUMN.token_mode.eq(mode))
        .select_only()
        .columns([session::Column::Id, session::Column::UserId])
        .into_tuple()
        .one(db)
        .await
}

/// Whether a refresh token, consumed or not, belongs to a session that lives and keeps its tokens there.
pub(super) async fn is_of_a_living_session(
    db: &impl ConnectionTrait,
    hash: [u8; 32],
    mode: TokenMode,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let found: Option<SessionId> = session::Entity::find()
        .join(JoinType::InnerJoin, session::Relation::RefreshToken.def())
        .filter(refresh_token::COLUMN.hash.eq(hash.to_vec()))
        .filter(session::COLUMN.token_mode.eq(mode))
        .filter(session::COLUMN.ended_at.is_null())
        .filter(session::COLUMN.expires_at.gt(now))
        .select_only()
        .column(session::Column::Id)
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.is_some())
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

/// Marks a token as used, unless it already is; says whether this call did it.
pub(super) async fn consume(
    txn: &impl ConnectionTrait,
    id: RefreshTokenId,
    keep_salt: bool,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let mut update = refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::ConsumedAt, Expr::value(now))
        .filter(refresh_token::COLUMN.id.eq(id))
        .filter(refresh_token::COLUMN.consumed_at.is_null());
    if !keep_salt {
        update = update.col_expr(refresh_token::Column::Salt, Expr::value(None::<Vec<u8>>));
    }
    Ok(update.exec(txn).await?.rows_affected == 1)
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
