//! An index for the sessions that have ended.

use sea_orm_migration::prelude::*;

use crate::column;

/// What SESSION_RETENTION_DAYS removes is found by it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INDEX: &str = "sessions_ended_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::index_online(manager, INDEX, "sessions", "ended_at").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_index("sessions", INDEX).await? {
            return Ok(());
        }
        let drop = Index::drop().name(INDEX).table(Alias::new("sessions")).to_owned();
        manager.drop_index(drop).await
    }
}
