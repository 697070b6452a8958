//! What other programs keep with users.

use sea_orm_migration::prelude::*;

use crate::column::{self, create};

/// It has a table of its own, since each request reads users, and hardly any reads this. A row goes with its user.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut user = ForeignKey::create();
        user.from(UserMetadata::Table, UserMetadata::UserId)
            .to(Users::Table, Users::Id)
            .on_delete(ForeignKeyAction::Cascade);
        let mut public = ColumnDef::new(UserMetadata::PublicMetadata);
        let mut private = ColumnDef::new(UserMetadata::PrivateMetadata);
        let table = Table::create()
            .table(UserMetadata::Table)
            .col(column::uuid(UserMetadata::UserId).not_null().primary_key())
            .col(public.text().null())
            .col(private.text().null())
            .foreign_key(&mut user)
            .to_owned();
        create(manager, table, vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(UserMetadata::Table).if_exists().to_owned()).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum UserMetadata {
    Table,
    UserId,
    PublicMetadata,
    PrivateMetadata,
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    Id,
}
