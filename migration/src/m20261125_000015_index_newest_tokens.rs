//! An index for when a session was last used.

use sea_orm_migration::prelude::*;

use crate::column;

/// A session is used when its newest refresh token is made. The index begins with the session, so it
/// takes the place of the one before, and serves the foreign key as well.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const NEW: &str = "refresh_tokens_session_id_created_at";
const OLD: &str = "refresh_tokens_session_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use RefreshTokens::{CreatedAt, SessionId, Table};
        add(manager, NEW, column::index(NEW, Table, [SessionId, CreatedAt])).await?;
        remove(manager, OLD).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use RefreshTokens::{SessionId, Table};
        add(manager, OLD, column::index(OLD, Table, [SessionId])).await?;
        remove(manager, NEW).await
    }
}

/// Adds an index, unless a run that was cut off has.
async fn add(
    manager: &SchemaManager<'_>,
    name: &str,
    index: IndexCreateStatement,
) -> Result<(), DbErr> {
    if manager.has_index("refresh_tokens", name).await? {
        return Ok(());
    }
    manager.create_index(index).await
}

async fn remove(manager: &SchemaManager<'_>, name: &str) -> Result<(), DbErr> {
    if !manager.has_index("refresh_tokens", name).await? {
        return Ok(());
    }
    manager.drop_index(Index::drop().name(name).table(RefreshTokens::Table).to_owned()).await
}

#[derive(Clone, Copy, DeriveIden)]
enum RefreshTokens {
    Table,
    SessionId,
    CreatedAt,
}
