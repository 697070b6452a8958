//! Tasks belong to an example, which makes a table of its own.

use sea_orm_migration::prelude::*;

use crate::m20261126_000020_create_tasks as create_tasks;

/// The sample entity leaves the server, with what was in it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_tasks::Migration.down(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_tasks::Migration.up(manager).await
    }
}
