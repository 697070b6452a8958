//! The `recovery_codes` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter};

use crate::kernel::id::{RecoveryCodeId, UserId};
use crate::tables::recovery_code;

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    user: UserId,
    now: DateTime<Utc>,
    digests: impl Iterator<Item = [u8; 32]>,
) -> Result<(), DbErr> {
    let rows = digests.map(|digest| recovery_code::ActiveModel {
        id: Set(RecoveryCodeId::new(now)),
        user_id: Set(user),
        digest: Set(digest.to_vec()),
        used_at: Set(None),
    });
    recovery_code::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}

/// Marks a code as used, if it is the user's and was not; says whether it was so.
pub(super) async fn mark_used(
    db: &impl ConnectionTrait,
    user: UserId,
    digest: [u8; 32],
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let outcome = recovery_code::Entity::update_many()
        .col_expr(recovery_code::Column::UsedAt, Expr::value(now))
        .filter(recovery_code::COLUMN.user_id.eq(user))
        .filter(recovery_code::COLUMN.digest.eq(digest.to_vec()))
        .filter(recovery_code::COLUMN.used_at.is_null())
        .exec(db)
        .await?;
    Ok(outcome.rows_affected == 1)
}

pub(super) async fn count_unused(db: &impl ConnectionTrait, user: UserId) -> Result<u64, DbErr> {
    recovery_code::Entity::find()
        .filter(recovery_code::COLUMN.user_id.eq(user))
        .filter(recovery_code::COLUMN.used_at.is_null())
        .count(db)
        .await
}

pub(super) async fn delete_all(db: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    let of_user = recovery_code::COLUMN.user_id.eq(user);
    recovery_code::Entity::delete_many().filter(of_user).exec(db).await?;
    Ok(())
}
