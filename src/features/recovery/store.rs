//! The `users` table, as far as links change it.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use crate::entity::user;
use crate::features::accounts::identity::Identifier;
use crate::platform::access::User;
use crate::platform::id::UserId;
use crate::platform::passwords::hash::PasswordHash;

/// The account an identifier names.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    identifier: &Identifier,
) -> Result<Option<User>, DbErr> {
    let by = match identifier {
        Identifier::Username(key) => user::COLUMN.username_key.eq(key.as_str()),
        Identifier::Email(key) => user::COLUMN.email_key.eq(key.as_str()),
        // No row has an empty name, so this costs what a wrong name costs and finds nothing.
        Identifier::Unknown(_) => user::COLUMN.username_key.eq(""),
    };
    let row = user::Entity::find().filter(by).into_partial_model::<user::Account>().one(db).await?;
    Ok(row.map(User::from))
}

/// Locks a user's row and reads it. Asks as well when nobody is meant, so that both take as long.
pub(super) async fn lock(
    txn: &impl ConnectionTrait,
    id: Option<UserId>,
) -> Result<Option<User>, DbErr> {
    let select = user::Entity::find().filter(user::COLUMN.id.eq(id)).lock_exclusive();
    let row = select.into_partial_model::<user::Account>().one(txn).await?;
    Ok(row.map(User::from))
}

/// Gives a user the password they chose, takes back that too many failed sign-ins have shut the
/// account, and knows the address as theirs.
pub(super) async fn reset_password(
    txn: &impl ConnectionTrait,
    id: UserId,
    hash: &PasswordHash,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::value(hash.as_str()))
        .col_expr(user::Column::FailedLogins, Expr::value(0))
        .col_expr(user::Column::UnlockedAt, Expr::value(now))
        .col_expr(user::Column::EmailVerified, Expr::value(true))
        .col_expr(user::Column::UpdatedAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

/// Knows a user's address as theirs.
pub(super) async fn verify_email(
    txn: &impl ConnectionTrait,
    id: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    user::Entity::update_many()
        .col_expr(user::Column::EmailVerified, Expr::value(true))
        .col_expr(user::Column::UpdatedAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}
