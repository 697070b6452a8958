//! The tables `sessions` and `refresh_tokens`, and the user's row as far as it is read here.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, DerivePartialModel, EntityTrait, JoinType, QueryFilter,
    QueryOrder, QuerySelect, RelationTrait, Select,
};

use super::{EndReason, viewer};
use crate::entity::{refresh_token, session, user};
use crate::platform::access::{Client, TokenMode, User, Viewer};
use crate::platform::db::{Db, read_by_fields};
use crate::platform::id::{RefreshTokenId, SessionId, UserId};

/// A session to be inserted.
pub(super) struct Begun {
    pub(super) id: SessionId,
    pub(super) user_id: UserId,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
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
    expires_at: DateTime<Utc>,
    #[sea_orm(nested)]
    user: user::Account,
}

read_by_fields!(ViewerRow { id, expires_at, user });

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    begun: &Begun,
    client: &Client,
) -> Result<(), DbErr> {
    let row = session::ActiveModel {
        id: Set(begun.id),
        user_id: Set(begun.user_id),
        created_at: Set(begun.created_at),
        expires_at: Set(begun.expires_at),
        ended_at: Set(None),
        end_reason: Set(None),
        ip: Set(client.ip.map(|ip| ip.to_string())),
        user_agent: Set(client.user_agent.clone()),
        token_mode: Set(client.token_mode),
    };
    session::Entity::insert(row).exec_without_returning(db).await?;
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
    let select = session::Entity::find()
        .join(JoinType::InnerJoin, session::Relation::User.def())
        .filter(session::COLUMN.id.eq(session))
        .filter(session::COLUMN.user_id.eq(user))
        .filter(session::COLUMN.ended_at.is_null())
        .filter(user::COLUMN.is_active.eq(true));
    let row = db.read::<_, ViewerRow>(select).await?.pop();
    Ok(row.map(|row| viewer(row.user.into(), row.id, row.expires_at)))
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

/// Ends every session of a user, and returns how many it ended.
pub(super) async fn end_all(
    txn: &impl ConnectionTrait,
    user: UserId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let outcome = ending(reason, now).filter(session::COLUMN.user_id.eq(user)).exec(txn).await?;
    Ok(outcome.rows_affected)
}

fn ending(reason: EndReason, now: DateTime<Utc>) -> sea_orm::UpdateMany<session::Entity> {
    session::Entity::update_many()
        .col_expr(session::Column::EndedAt, Expr::value(now))
        .col_expr(session::Column::EndReason, Expr::value(reason.as_str()))
        .filter(session::COLUMN.ended_at.is_null())
}

/// Erases the salts of at most `batch` tokens made before `before`; returns how many.
pub(super) async fn erase_salts(db: &Db, before: DateTime<Utc>, batch: u64) -> Result<u64, DbErr> {
    // Two statements, as everywhere here: MySQL takes no LIMIT in the subquery of an IN.
    let old = with_old_salt(before).limit(batch);
    let ids: Vec<RefreshTokenId> = old.into_tuple().all(db.reader()).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let outcome = refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::Salt, Expr::value(None::<Vec<u8>>))
        .filter(refresh_token::COLUMN.id.is_in(ids))
        .exec(db.writer())
        .await?;
    Ok(outcome.rows_affected)
}

/// Not "is not null", for which SQLite uses no index, so that it would read all tokens there are.
fn with_old_salt(before: DateTime<Utc>) -> Select<refresh_token::Entity> {
    refresh_token::Entity::find()
        .select_only()
        .column(refresh_token::Column::Id)
        .filter(refresh_token::Column::Salt.gt(Vec::<u8>::new()))
        .filter(refresh_token::COLUMN.created_at.lt(before))
}

/// At most `batch` sessions past their absolute end.
pub(super) async fn list_expired(
    db: &Db,
    now: DateTime<Utc>,
    batch: u64,
) -> Result<Vec<SessionId>, DbErr> {
    expired(now).limit(batch).into_tuple().all(db.reader()).await
}

fn expired(now: DateTime<Utc>) -> Select<session::Entity> {
    session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::COLUMN.expires_at.lte(now))
        .order_by_asc(session::Column::ExpiresAt)
}

/// Deletes at most `batch` tokens of the given sessions; returns how many.
pub(super) async fn delete_tokens(
    db: &Db,
    sessions: &[SessionId],
    batch: u64,
) -> Result<u64, DbErr> {
    let ids: Vec<RefreshTokenId> =
        tokens_of(sessions).limit(batch).into_tuple().all(db.reader()).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let outcome = refresh_token::Entity::delete_many()
        .filter(refresh_token::COLUMN.id.is_in(ids))
        .exec(db.writer())
        .await?;
    Ok(outcome.rows_affected)
}

fn tokens_of(sessions: &[SessionId]) -> Select<refresh_token::Entity> {
    refresh_token::Entity::find()
        .select_only()
        .column(refresh_token::Column::Id)
        .filter(refresh_token::COLUMN.session_id.is_in(sessions.iter().copied()))
}

/// Deletes sessions, with the tokens they still have.
pub(super) async fn delete(db: &Db, sessions: Vec<SessionId>) -> Result<(), DbErr> {
    let named = session::COLUMN.id.is_in(sessions);
    session::Entity::delete_many().filter(named).exec(db.writer()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, QueryTrait};

    use super::*;

    #[tokio::test]
    async fn an_index_finds_what_the_housekeeping_removes() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let db = Db::connect(&url, 2).await.unwrap();
        migration::up(db.writer(), None).await.unwrap();
        let now = DateTime::UNIX_EPOCH;
        for (index, mut statement) in [
            ("refresh_tokens_salt (salt>", with_old_salt(now).build(DbBackend::Sqlite)),
            ("sessions_expires_at (expires_at<", expired(now).build(DbBackend::Sqlite)),
            (
                "refresh_tokens_session_id (session_id=",
                tokens_of(&[SessionId::new(now)]).build(DbBackend::Sqlite),
            ),
        ] {
            statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
            let plan = db.reader().query_one_raw(statement).await.unwrap().unwrap();
            let plan: String = plan.try_get("", "detail").unwrap();
            assert!(plan.contains(index), "{plan}");
        }
    }
}
