//! The permissions that a user was given beside their role.

use sea_orm_migration::prelude::*;

use crate::column;

/// In the user's own row: whoever reads or locks a user has them, at no further statement.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::add(manager, Users::Table, ColumnDef::new(Users::Grants).text().null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::drop(manager, Users::Table, Users::Grants).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    Grants,
}
