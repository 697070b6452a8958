//! The `users` table, as far as links change it.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use crate::features::change::Tx;
use crate::infra::passwords::hash::PasswordHash;
use crate::kernel::id::UserId;
use crate::tables::user;

/// Gives a user the password they chose, takes back that too many failed sign-ins have shut the
/// account, and knows the address as theirs.
pub(super) async fn reset_password(
    tx: &Tx<'_>,
    id: UserId,
    hash: &PasswordHash,
) -> Result<(), DbErr> {
    tx.touch(id);
    let now = tx.now();
    user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::value(hash.as_str()))
        .col_expr(user::Column::FailedLogins, Expr::value(0))
        .col_expr(user::Column::UnlockedAt, Expr::value(now))
        .col_expr(user::Column::EmailVerified, Expr::value(true))
        .col_expr(user::Column::UpdatedAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Remembers that an account was taken back from whoever had it before its address was proven.
pub(super) async fn take_back(tx: &Tx<'_>, id: UserId) -> Result<(), DbErr> {
    tx.touch(id);
    let now = tx.now();
    user::Entity::update_many()
        .col_expr(user::Column::TakenBackAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// What the password of an active user is checked against.
pub(super) async fn find_password(
    db: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<PasswordHash>, DbErr> {
    let hash: Option<String> = user::Entity::find_by_id(id)
        .select_only()
        .column(user::Column::PasswordHash)
        .filter(user::COLUMN.is_active.eq(true))
        .into_tuple()
        .one(db)
        .await?;
    Ok(hash.map(PasswordHash::from))
}

/// Knows a user's address as theirs.
pub(super) async fn verify_email(tx: &Tx<'_>, id: UserId) -> Result<(), DbErr> {
    tx.touch(id);
    let now = tx.now();
    user::Entity::update_many()
        .col_expr(user::Column::EmailVerified, Expr::value(true))
        .col_expr(user::Column::UpdatedAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}
