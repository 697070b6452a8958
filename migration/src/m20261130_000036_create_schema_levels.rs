//! Which programs may run on a schema.

use sea_orm_migration::prelude::*;

use crate::column::{create, text};
use crate::levels::SchemaLevels;

/// A row for the server's own migrations and one for those of an extension: how many were applied, and the level that a
/// program must have at least. Each migration writes them with its record.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(SchemaLevels::Table)
            .col(text(SchemaLevels::Source, 16).not_null().primary_key())
            .col(ColumnDef::new(SchemaLevels::Level).integer().not_null())
            .col(ColumnDef::new(SchemaLevels::OldestLevelAllowed).integer().not_null())
            .to_owned();
        create(manager, table, Vec::new()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(SchemaLevels::Table).if_exists().to_owned()).await
    }
}
