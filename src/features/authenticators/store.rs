//! The `users` table, as far as it says something about authenticators.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use crate::features::change::Tx;
use crate::kernel::id::UserId;
use crate::tables::user;

/// Writes whether a user signs in with a second factor; says whether that is new.
pub(super) async fn set_second_factor(
    tx: &Tx<'_>,
    user: UserId,
    second_factor: bool,
) -> Result<bool, DbErr> {
    tx.touch(user);
    let outcome = user::Entity::update_many()
        .col_expr(user::Column::SecondFactor, Expr::value(second_factor))
        .filter(user::COLUMN.id.eq(user))
        .filter(user::COLUMN.second_factor.eq(!second_factor))
        .exec(tx)
        .await?;
    Ok(outcome.rows_affected == 1)
}

pub(super) async fn find_handle(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<Vec<u8>>, DbErr> {
    let found: Option<Option<Vec<u8>>> = user::Entity::find_by_id(user)
        .select_only()
        .column(user::Column::PasskeyHandle)
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.flatten())
}

/// Gives a user a handle, unless they have one.
pub(super) async fn give_handle(tx: &Tx<'_>, user: UserId, handle: &[u8]) -> Result<(), DbErr> {
    tx.touch(user);
    user::Entity::update_many()
        .col_expr(user::Column::PasskeyHandle, Expr::value(handle))
        .filter(user::COLUMN.id.eq(user))
        .filter(user::COLUMN.passkey_handle.is_null())
        .exec(tx)
        .await?;
    Ok(())
}
