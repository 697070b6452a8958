//! An index for the tokens of one purpose.

use sea_orm_migration::prelude::*;

use crate::column;

/// Who is invited to make an account is listed, and most tokens are for something else.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INDEX: &str = "one_time_tokens_purpose_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use OneTimeTokens::{Id, Purpose, Table};
        if manager.has_index("one_time_tokens", INDEX).await? {
            return Ok(());
        }
        manager.create_index(column::index(INDEX, Table, [Purpose, Id])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_index("one_time_tokens", INDEX).await? {
            return Ok(());
        }
        let drop = Index::drop().name(INDEX).table(OneTimeTokens::Table).to_owned();
        manager.drop_index(drop).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum OneTimeTokens {
    Table,
    Purpose,
    Id,
}
