//! The `totp_secrets` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::kernel::id::UserId;
use crate::tables::totp_secret;

/// What is kept of a user's seeds.
pub(super) type Row = totp_secret::Model;

pub(super) async fn find(db: &impl ConnectionTrait, user: UserId) -> Result<Option<Row>, DbErr> {
    totp_secret::Entity::find_by_id(user).one(db).await
}

/// Keeps a seed that is being enrolled, beside the one that counts.
pub(super) async fn keep_pending(
    db: &impl ConnectionTrait,
    user: UserId,
    sealed: Vec<u8>,
    until: DateTime<Utc>,
    begun_by: Uuid,
) -> Result<(), DbErr> {
    use totp_secret::Column::{PendingFor, PendingSecret, PendingUntil, UserId};
    let row = totp_secret::ActiveModel {
        user_id: Set(user),
        sealed_secret: Set(None),
        confirmed_at: Set(None),
        last_step: Set(None),
        last_used_at: Set(None),
        failures: Set(0),
        pending_secret: Set(Some(sealed)),
        pending_until: Set(Some(until)),
        pending_for: Set(Some(begun_by)),
    };
    let pending = [PendingSecret, PendingUntil, PendingFor];
    let instead = OnConflict::column(UserId).update_columns(pending).to_owned();
    totp_secret::Entity::insert(row).on_conflict(instead).exec_without_returning(db).await?;
    Ok(())
}

/// Has the seed that is being enrolled count, if it still is this one; says whether it was.
pub(super) async fn activate(
    db: &impl ConnectionTrait,
    user: UserId,
    pending: Vec<u8>,
    step: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let outcome = totp_secret::Entity::update_many()
        .col_expr(totp_secret::Column::SealedSecret, Expr::value(pending.clone()))
        .col_expr(totp_secret::Column::ConfirmedAt, Expr::value(now))
        .col_expr(totp_secret::Column::LastStep, Expr::value(step))
        .col_expr(totp_secret::Column::LastUsedAt, Expr::value(None::<DateTime<Utc>>))
        .col_expr(totp_secret::Column::Failures, Expr::value(0))
        .col_expr(totp_secret::Column::PendingUntil, Expr::value(None::<DateTime<Utc>>))
        .col_expr(totp_secret::Column::PendingFor, Expr::value(None::<Uuid>))
        .col_expr(totp_secret::Column::PendingSecret, Expr::value(None::<Vec<u8>>))
        .filter(totp_secret::COLUMN.user_id.eq(user))
        .filter(totp_secret::Column::PendingSecret.eq(pending))
        .exec(db)
        .await?;
    Ok(outcome.rows_affected == 1)
}

/// Accepts a code of a step, if none of it or of a later one was accepted, and the seed still is this one; says whether
/// that was so.
pub(super) async fn accept(
    db: &impl ConnectionTrait,
    user: UserId,
    sealed: Vec<u8>,
    step: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let is_later = Condition::any()
        .add(totp_secret::Column::LastStep.is_null())
        .add(totp_secret::Column::LastStep.lt(step));
    let outcome = totp_secret::Entity::update_many()
        .col_expr(totp_secret::Column::LastStep, Expr::value(step))
        .col_expr(totp_secret::Column::LastUsedAt, Expr::value(now))
        .col_expr(totp_secret::Column::Failures, Expr::value(0))
        .filter(totp_secret::COLUMN.user_id.eq(user))
        .filter(totp_secret::Column::SealedSecret.eq(sealed))
        .filter(is_later)
        .exec(db)
        .await?;
    Ok(outcome.rows_affected == 1)
}

/// Counts a wrong code, up to `max`; says whether this was the one that reached it.
pub(super) async fn count_failure(
    db: &impl ConnectionTrait,
    user: UserId,
    max: i32,
) -> Result<bool, DbErr> {
    let failures = || Expr::col(totp_secret::Column::Failures);
    let counted = totp_secret::Entity::update_many()
        .col_expr(totp_secret::Column::Failures, failures().add(1))
        .filter(totp_secret::COLUMN.user_id.eq(user))
        .filter(totp_secret::COLUMN.failures.lt(max))
        .exec(db)
        .await?;
    if counted.rows_affected == 0 {
        return Ok(false);
    }
    // The row is locked by the update, so this is what it made.
    let failures: Option<i32> = totp_secret::Entity::find_by_id(user)
        .select_only()
        .column(totp_secret::Column::Failures)
        .into_tuple()
        .one(db)
        .await?;
    Ok(failures == Some(max))
}

pub(super) async fn reset_failures(db: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    totp_secret::Entity::update_many()
        .col_expr(totp_secret::Column::Failures, Expr::value(0))
        .filter(totp_secret::COLUMN.user_id.eq(user))
        .exec(db)
        .await?;
    Ok(())
}

pub(super) async fn delete(db: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    totp_secret::Entity::delete_by_id(user).exec(db).await?;
    Ok(())
}

/// Rows in the order of their users, after one of them: at most `limit`.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    after: Option<UserId>,
    limit: u64,
) -> Result<Vec<Row>, DbErr> {
    let mut select = totp_secret::Entity::find().order_by_asc(totp_secret::Column::UserId);
    if let Some(after) = after {
        select = select.filter(totp_secret::COLUMN.user_id.gt(after));
    }
    select.limit(limit).all(db).await
}

/// A seed as it is stored, and where.
pub(super) struct SealedSeed {
    pub(super) user: UserId,
    pub(super) sealed: Vec<u8>,
    column: totp_secret::Column,
}

/// The seeds of a row: the one that counts, and the one that is being enrolled.
pub(super) fn sealed_seeds(row: Row) -> impl Iterator<Item = SealedSeed> {
    let user = row.user_id;
    [
        (totp_secret::Column::SealedSecret, row.sealed_secret),
        (totp_secret::Column::PendingSecret, row.pending_secret),
    ]
    .into_iter()
    .filter_map(move |(column, sealed)| Some(SealedSeed { user, sealed: sealed?, column }))
}

/// Writes a seed that was sealed anew, if it still is the one that was read.
pub(super) async fn replace(
    db: &impl ConnectionTrait,
    read: SealedSeed,
    sealed: Vec<u8>,
) -> Result<(), DbErr> {
    totp_secret::Entity::update_many()
        .col_expr(read.column, Expr::value(sealed))
        .filter(totp_secret::COLUMN.user_id.eq(read.user))
        .filter(read.column.eq(read.sealed))
        .exec(db)
        .await?;
    Ok(())
}
