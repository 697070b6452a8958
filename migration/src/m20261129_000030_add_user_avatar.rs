//! Where a picture of a user is.

use sea_orm_migration::prelude::*;

use crate::column;

/// It is a URL in its canonical form, which is ASCII.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut avatar = column::text(Users::AvatarUrl, 2048);
        column::add(manager, Users::Table, avatar.null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::drop(manager, Users::Table, Users::AvatarUrl).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    AvatarUrl,
}
