//! The `instances` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use crate::tables::instance;

/// Writes when an instance was seen. Nobody else writes its row.
pub(super) async fn show(
    db: &impl ConnectionTrait,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let update = instance::Entity::update_many()
        .col_expr(instance::Column::SeenAt, Expr::value(now))
        .filter(instance::COLUMN.id.eq(id));
    if update.exec(db).await?.rows_affected == 0 {
        let row = instance::ActiveModel { id: Set(id), seen_at: Set(now) };
        instance::Entity::insert(row).exec_without_returning(db).await?;
    }
    Ok(())
}

pub(super) async fn delete(db: &impl ConnectionTrait, id: Uuid) -> Result<(), DbErr> {
    instance::Entity::delete_many().filter(instance::COLUMN.id.eq(id)).exec(db).await?;
    Ok(())
}

pub(super) async fn delete_before(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
) -> Result<(), DbErr> {
    instance::Entity::delete_many().filter(instance::COLUMN.seen_at.lt(before)).exec(db).await?;
    Ok(())
}

pub(super) async fn count_since(
    db: &impl ConnectionTrait,
    since: DateTime<Utc>,
) -> Result<u64, DbErr> {
    instance::Entity::find().filter(instance::COLUMN.seen_at.gte(since)).count(db).await
}
