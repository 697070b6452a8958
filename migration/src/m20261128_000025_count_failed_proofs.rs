//! Wrong passwords given by whoever holds a session.

use sea_orm_migration::prelude::*;

use crate::column;

/// They are counted apart from those of strangers, for the session and for the device it was begun on.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut failed = ColumnDef::new(Sessions::FailedProofs);
        column::add(manager, Sessions::Table, failed.integer().not_null().default(0)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::drop(manager, Sessions::Table, Sessions::FailedProofs).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Sessions {
    Table,
    FailedProofs,
}
