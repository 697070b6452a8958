//! A call says where it acts, and a session does not.

use sea_orm_migration::prelude::*;

use crate::m20261126_000019_add_session_organization as add_organization;

/// Two tabs of one session act in different organizations.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_organization::Migration.down(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_organization::Migration.up(manager).await
    }
}
