//! The `users` table, as far as signing in needs it.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use crate::entity::user;
use crate::features::accounts::identity::Identifier;
use crate::platform::access::User;
use crate::platform::id::UserId;
use crate::platform::passwords::hash::PasswordHash;

/// The account an identifier names, with its password hash.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    identifier: &Identifier,
) -> Result<Option<(User, PasswordHash)>, DbErr> {
    let by = match identifier {
        Identifier::Username(key) => user::COLUMN.username_key.eq(key.as_str()),
        Identifier::Email(key) => user::COLUMN.email_key.eq(key.as_str()),
        // No row has an empty name, so this costs what a wrong name costs and finds nothing.
        Identifier::Unknown => user::COLUMN.username_key.eq(""),
    };
    let row = user::Entity::find().filter(by).one(db).await?;
    Ok(row.map(with_hash))
}

/// Locks the user's row and reads it again.
pub(super) async fn lock(
    txn: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<(User, PasswordHash)>, DbErr> {
    let row = user::Entity::find_by_id(id).lock_exclusive().one(txn).await?;
    Ok(row.map(with_hash))
}

fn with_hash(mut row: user::Model) -> (User, PasswordHash) {
    let hash = PasswordHash::from(std::mem::take(&mut row.password_hash));
    (row.into(), hash)
}

/// Writes the time of a sign-in, and the new hash if there is one.
pub(super) async fn record_login(
    txn: &impl ConnectionTrait,
    user: &User,
    rehashed: Option<&PasswordHash>,
) -> Result<(), DbErr> {
    let mut update = user::Entity::update_many()
        .col_expr(user::Column::LastLoginAt, Expr::value(user.last_login_at))
        .filter(user::COLUMN.id.eq(user.id));
    if let Some(hash) = rehashed {
        update = update.col_expr(user::Column::PasswordHash, Expr::value(hash.as_str()));
    }
    update.exec(txn).await?;
    Ok(())
}
