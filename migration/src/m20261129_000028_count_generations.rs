//! Sessions count their refresh tokens instead of keeping them.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns};
use crate::{
    m20261123_000003_create_refresh_tokens as create_tokens,
    m20261125_000015_index_newest_tokens as index_tokens,
};

/// A refresh token is sealed, and of the session's row it needs its generation and the digest of its secret. What was
/// handed out before is none of these: everybody signs in again.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_table("refresh_tokens").await? {
            create_tokens::Migration.down(manager).await?;
        }
        forget_sessions(manager).await?;
        for mut column in added(manager).await? {
            column::add(manager, Sessions::Table, &mut column).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        forget_sessions(manager).await?;
        for column in added(manager).await? {
            column::drop(manager, Sessions::Table, Alias::new(column.get_column_name())).await?;
        }
        create_tokens::Migration.up(manager).await?;
        index_tokens::Migration.up(manager).await
    }
}

/// They may be null, since SQLite adds no column without a value to a table; no row is written without them.
async fn added(manager: &SchemaManager<'_>) -> Result<[ColumnDef; 5], DbErr> {
    let columns = Columns::of(manager).await?;
    let mut generation = ColumnDef::new(Sessions::Generation);
    generation.integer();
    Ok([
        column::digest(Sessions::SecretDigest),
        generation,
        columns.time(Sessions::GenerationAt),
        column::digest(Sessions::AttemptDigest),
        columns.time(Sessions::LastUsedAt),
    ])
}

async fn forget_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let all = Query::delete().from_table(Sessions::Table).to_owned();
    manager.exec_stmt(all).await
}

#[derive(Clone, Copy, DeriveIden)]
enum Sessions {
    Table,
    SecretDigest,
    Generation,
    GenerationAt,
    AttemptDigest,
    LastUsedAt,
}
