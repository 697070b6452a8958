//! Where a session's refresh token lives.

use sea_orm_migration::prelude::*;

use crate::column;

/// The mode is fixed at sign-in, so that a token made for a cookie is worth nothing elsewhere.
/// Sessions from before, and from instances that know no cookies, have it in the body.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut mode = column::text(Sessions::TokenMode, 16);
        column::add(manager, Sessions::Table, mode.not_null().default("BODY")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::drop(manager, Sessions::Table, Sessions::TokenMode).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Sessions {
    Table,
    TokenMode,
}
