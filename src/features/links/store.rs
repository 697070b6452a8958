//! The `one_time_tokens` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::{Found, New, Purpose};
use crate::infra::db::Db;
use crate::kernel::id::{LinkTokenId, UserId};
use crate::tables::one_time_token as token;

/// What a change of address is kept as: one to an address that is taken is nothing.
const CHANGES: [&str; 2] = [Purpose::EmailChange.into_str(), Purpose::Nothing.into_str()];

pub(super) async fn insert(
    txn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    new: &New<'_>,
    hash: [u8; 32],
    (details, expires_at): (Option<String>, DateTime<Utc>),
) -> Result<LinkTokenId, DbErr> {
    let id = LinkTokenId::new(now);
    let row = token::ActiveModel {
        id: Set(id),
        purpose: Set(new.purpose.into_str().to_owned()),
        hash: Set(hash.to_vec()),
        user_id: Set(new.user),
        email_key: Set(new.email_key.to_owned()),
        details: Set(details),
        created_at: Set(now),
        expires_at: Set(expires_at),
        used_at: Set(None),
    };
    token::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(id)
}

/// Tokens that have not been used.
fn unused() -> Expr {
    token::COLUMN.used_at.is_null()
}

/// Deletes the tokens of one purpose about an account; of invitations, which are an admin's and not about them, those
/// to an address; and where there is no account, those to an address that are about none either. So whoever writes to an
/// address voids nothing that somebody else has asked for.
pub(super) async fn delete_like(txn: &impl ConnectionTrait, new: &New<'_>) -> Result<(), DbErr> {
    let to_address = Condition::all().add(token::COLUMN.email_key.eq(new.email_key));
    let alike = match new.user {
        Some(_) if new.purpose == Purpose::Invitation => to_address,
        Some(user) => Condition::all().add(token::COLUMN.user_id.eq(user)),
        None => to_address.add(token::COLUMN.user_id.is_null()),
    };
    token::Entity::delete_many()
        .filter(alike)
        .filter(unused())
        .filter(token::COLUMN.purpose.eq(new.purpose.into_str()))
        .exec(txn)
        .await?;
    Ok(())
}

pub(super) async fn find(
    db: &impl ConnectionTrait,
    hash: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<Found>, DbErr> {
    let row = token::Entity::find()
        .filter(token::COLUMN.hash.eq(hash.to_vec()))
        .filter(token::COLUMN.expires_at.gt(now))
        .one(db)
        .await?;
    Ok(row.and_then(found))
}

/// The newest registration that awaits the proof of this address.
pub(super) async fn find_registration(
    txn: &impl ConnectionTrait,
    email_key: &str,
    now: DateTime<Utc>,
) -> Result<Option<Found>, DbErr> {
    let row = token::Entity::find()
        .filter(token::COLUMN.email_key.eq(email_key))
        .filter(token::COLUMN.purpose.eq(Purpose::Registration.into_str()))
        .filter(unused())
        .filter(token::COLUMN.expires_at.gt(now))
        .order_by_desc(token::Column::CreatedAt)
        .one(txn)
        .await?;
    Ok(row.and_then(found))
}

/// `None` for what only a newer version of this program issues.
fn found(row: token::Model) -> Option<Found> {
    Some(Found {
        id: row.id,
        purpose: row.purpose.parse().ok()?,
        user: row.user_id,
        email_key: row.email_key,
        details: row.details,
        created_at: row.created_at,
        expires_at: row.expires_at,
        is_used: row.used_at.is_some(),
    })
}

/// Locks the registrations that await the proof of an address, in the order of their ids, so that two of them
/// that are completed at once wait for each other.
pub(super) async fn lock_registrations(
    txn: &impl ConnectionTrait,
    email_key: &str,
) -> Result<Vec<LinkTokenId>, DbErr> {
    token::Entity::find()
        .select_only()
        .column(token::Column::Id)
        .filter(token::COLUMN.email_key.eq(email_key))
        .filter(token::COLUMN.purpose.eq(Purpose::Registration.into_str()))
        .filter(unused())
        .order_by_asc(token::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(txn)
        .await
}

/// Marks tokens as used and erases what they were for, but for those that are used or gone; says whether there
/// was any.
pub(super) async fn mark_used(
    txn: &impl ConnectionTrait,
    ids: Vec<LinkTokenId>,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let outcome = token::Entity::update_many()
        .col_expr(token::Column::UsedAt, Expr::value(now))
        .col_expr(token::Column::Details, Expr::value(None::<String>))
        .filter(token::COLUMN.id.is_in(ids))
        .filter(unused())
        .exec(txn)
        .await?;
    Ok(outcome.rows_affected > 0)
}

pub(super) async fn is_used(txn: &impl ConnectionTrait, id: LinkTokenId) -> Result<bool, DbErr> {
    let row = token::Entity::find_by_id(id).one(txn).await?;
    Ok(row.is_some_and(|row| row.used_at.is_some()))
}

/// Deletes an account's tokens, but for those of some purposes.
pub(super) async fn delete_of(
    txn: &impl ConnectionTrait,
    user: UserId,
    kept: &[Purpose],
) -> Result<(), DbErr> {
    token::Entity::delete_many()
        .filter(token::COLUMN.user_id.eq(user))
        .filter(token::Column::Purpose.is_not_in(kept.iter().map(Purpose::into_str)))
        .filter(unused())
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes everybody's tokens, but for those of some purposes.
pub(super) async fn delete_all(txn: &impl ConnectionTrait, kept: &[Purpose]) -> Result<(), DbErr> {
    token::Entity::delete_many()
        .filter(token::Column::Purpose.is_not_in(kept.iter().map(Purpose::into_str)))
        .filter(unused())
        .exec(txn)
        .await?;
    Ok(())
}

pub(super) async fn delete_undoing(
    txn: &impl ConnectionTrait,
    user: UserId,
    since: DateTime<Utc>,
) -> Result<(), DbErr> {
    token::Entity::delete_many()
        .filter(token::COLUMN.user_id.eq(user))
        .filter(token::COLUMN.purpose.eq(Purpose::EmailChangeUndo.into_str()))
        .filter(unused())
        .filter(token::COLUMN.created_at.gte(since))
        .exec(txn)
        .await?;
    Ok(())
}

/// The newest change of an account's address that was asked for after a time, whether the address is free or taken.
pub(super) async fn find_change(
    db: &impl ConnectionTrait,
    user: UserId,
    since: DateTime<Utc>,
) -> Result<Option<Found>, DbErr> {
    let row = token::Entity::find()
        .filter(token::COLUMN.user_id.eq(user))
        .filter(token::Column::Purpose.is_in(CHANGES))
        .filter(unused())
        .filter(token::COLUMN.created_at.gt(since))
        .order_by_desc(token::Column::Id)
        .one(db)
        .await?;
    Ok(row.and_then(found))
}

/// The newest unused tokens of a purpose, or of those older than one.
pub(super) async fn list_unused(
    db: &impl ConnectionTrait,
    purpose: Purpose,
    now: DateTime<Utc>,
    before: Option<LinkTokenId>,
    limit: u64,
) -> Result<Vec<Found>, DbErr> {
    let older = before.map(|before| token::COLUMN.id.lt(before));
    let rows = token::Entity::find()
        .filter(token::COLUMN.purpose.eq(purpose.into_str()))
        .filter(Condition::all().add_option(older))
        .filter(unused())
        .filter(token::COLUMN.expires_at.gt(now))
        .order_by_desc(token::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().filter_map(found).collect())
}

/// The unused tokens of a purpose with one of some ids.
pub(super) async fn find_unused(
    db: &impl ConnectionTrait,
    purpose: Purpose,
    now: DateTime<Utc>,
    ids: &[LinkTokenId],
) -> Result<Vec<Found>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = token::Entity::find()
        .filter(token::COLUMN.id.is_in(ids.iter().copied()))
        .filter(token::COLUMN.purpose.eq(purpose.into_str()))
        .filter(unused())
        .filter(token::COLUMN.expires_at.gt(now))
        .all(db)
        .await?;
    Ok(rows.into_iter().filter_map(found).collect())
}

/// The unused tokens to an address. Of which purpose is not asked here: a database that does not know how many there are
/// of each might go by that, through those to everybody.
pub(super) async fn list_unused_to(
    db: &impl ConnectionTrait,
    email_key: &str,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Found>, DbErr> {
    let rows = token::Entity::find()
        .filter(token::COLUMN.email_key.eq(email_key))
        .filter(unused())
        .filter(token::COLUMN.expires_at.gt(now))
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().filter_map(found).collect())
}

/// Deletes a token that has not been used; says whether there was one.
pub(super) async fn delete_unused(
    txn: &impl ConnectionTrait,
    id: LinkTokenId,
) -> Result<bool, DbErr> {
    let outcome = token::Entity::delete_many()
        .filter(token::COLUMN.id.eq(id))
        .filter(unused())
        .exec(txn)
        .await?;
    Ok(outcome.rows_affected > 0)
}

pub(super) async fn delete_changes(txn: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    token::Entity::delete_many()
        .filter(token::COLUMN.user_id.eq(user))
        .filter(token::Column::Purpose.is_in(CHANGES))
        .filter(unused())
        .exec(txn)
        .await?;
    Ok(())
}

/// Whether another account than one that may be named can get an address back.
pub(super) async fn is_undoable(
    txn: &impl ConnectionTrait,
    email_key: &str,
    but_for: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let owners: Vec<Option<UserId>> = token::Entity::find()
        .select_only()
        .column(token::Column::UserId)
        .filter(token::COLUMN.email_key.eq(email_key))
        .filter(token::COLUMN.purpose.eq(Purpose::EmailChangeUndo.into_str()))
        .filter(token::COLUMN.expires_at.gt(now))
        .filter(unused())
        .into_tuple()
        .all(txn)
        .await?;
    Ok(owners.into_iter().any(|owner| owner != but_for))
}

pub(super) async fn delete_registrations(
    txn: &impl ConnectionTrait,
    email_key: &str,
) -> Result<(), DbErr> {
    let purposes = [Purpose::Registration, Purpose::ProviderRegistration, Purpose::Nothing];
    let purposes = purposes.map(|it| it.into_str());
    token::Entity::delete_many()
        .filter(token::COLUMN.email_key.eq(email_key))
        .filter(token::COLUMN.user_id.is_null())
        .filter(token::Column::Purpose.is_in(purposes))
        .filter(unused())
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes the tokens to an address that are about no account, used or not.
pub(super) async fn delete_to(txn: &impl ConnectionTrait, email_key: &str) -> Result<(), DbErr> {
    token::Entity::delete_many()
        .filter(token::COLUMN.email_key.eq(email_key))
        .filter(token::COLUMN.user_id.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes at most `batch` tokens that have expired; returns how many it found.
pub(super) async fn delete_expired(db: &Db, now: DateTime<Utc>, batch: u64) -> Result<u64, DbErr> {
    let ids: Vec<LinkTokenId> = token::Entity::find()
        .select_only()
        .column(token::Column::Id)
        .filter(token::COLUMN.expires_at.lte(now))
        .order_by_asc(token::Column::ExpiresAt)
        .limit(batch)
        .into_tuple()
        .all(db.reader())
        .await?;
    let found = ids.len() as u64;
    if ids.is_empty() {
        return Ok(0);
    }
    let delete = token::Entity::delete_many().filter(token::COLUMN.id.is_in(ids));
    delete.exec(db.writer()).await?;
    Ok(found)
}
