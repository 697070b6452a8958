//! Keys.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};

/// Signing and refresh keys, sealed. A serial exists once within its purpose, so that instances
/// that first start together agree on one set.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let table = Table::create()
            .table(Keys::Table)
            .col(columns.key(Keys::Id, 64).not_null().primary_key())
            .col(columns.key(Keys::Purpose, 16).not_null())
            .col(ColumnDef::new(Keys::Serial).integer().not_null())
            .col(columns.key(Keys::Algorithm, 16).not_null())
            .col(column::bytes(Keys::PublicKey, 1024).null())
            .col(column::bytes(Keys::SealedKey, 8192).not_null())
            .col(columns.time(Keys::CreatedAt).not_null())
            .to_owned();
        create(
            manager,
            table,
            vec![column::unique("keys_purpose_serial", Keys::Table, [Keys::Purpose, Keys::Serial])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Keys::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Keys {
    Table,
    Id,
    Purpose,
    Serial,
    Algorithm,
    PublicKey,
    SealedKey,
    CreatedAt,
}
