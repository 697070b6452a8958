//! The `user_metadata` table.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use super::Metadata;
use crate::features::change::Tx;
use crate::kernel::id::UserId;
use crate::tables::user_metadata;

/// What is kept with those of these users who have any.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<Vec<(UserId, Metadata)>, DbErr> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let select = user_metadata::Entity::find()
        .filter(user_metadata::COLUMN.user_id.is_in(users.iter().copied()));
    let metadata = |row: user_metadata::Model| {
        let kept = Metadata { public: row.public_metadata, private: row.private_metadata };
        (row.user_id, kept)
    };
    Ok(select.all(db).await?.into_iter().map(metadata).collect())
}

/// Makes the row of a user, which is locked and has none.
pub(super) async fn insert(tx: &Tx<'_>, user: UserId, new: &Metadata) -> Result<(), DbErr> {
    let row = user_metadata::ActiveModel {
        user_id: Set(user),
        public_metadata: Set(new.public.clone()),
        private_metadata: Set(new.private.clone()),
    };
    user_metadata::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

pub(super) async fn update(tx: &Tx<'_>, user: UserId, changed: &Metadata) -> Result<(), DbErr> {
    user_metadata::Entity::update_many()
        .col_expr(user_metadata::Column::PublicMetadata, Expr::value(changed.public.clone()))
        .col_expr(user_metadata::Column::PrivateMetadata, Expr::value(changed.private.clone()))
        .filter(user_metadata::COLUMN.user_id.eq(user))
        .exec(tx)
        .await?;
    Ok(())
}

pub(super) async fn delete(tx: &Tx<'_>, user: UserId) -> Result<(), DbErr> {
    user_metadata::Entity::delete_by_id(user).exec(tx).await?;
    Ok(())
}
