//! Refresh tokens.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};

/// Every refresh token of a living session, by hash. Consumed rows stay: they are how reuse is
/// seen. A parent has one child at most, which is what settles two rotations that race.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let mut foreign_key = ForeignKey::create();
        foreign_key
            .from(RefreshTokens::Table, RefreshTokens::SessionId)
            .to(Sessions::Table, Sessions::Id)
            .on_delete(ForeignKeyAction::Cascade);
        let table = Table::create()
            .table(RefreshTokens::Table)
            .col(column::uuid(RefreshTokens::Id).not_null().primary_key())
            .col(column::uuid(RefreshTokens::SessionId).not_null())
            .col(column::uuid(RefreshTokens::ParentId).null())
            .col(column::digest(RefreshTokens::Hash).not_null())
            .col(column::digest(RefreshTokens::Salt).null())
            .col(columns.time(RefreshTokens::CreatedAt).not_null())
            .col(columns.time(RefreshTokens::ExpiresAt).not_null())
            .col(columns.time(RefreshTokens::ConsumedAt).null())
            .foreign_key(&mut foreign_key)
            .to_owned();
        create(
            manager,
            table,
            vec![
                column::index(
                    "refresh_tokens_session_id",
                    RefreshTokens::Table,
                    [RefreshTokens::SessionId],
                ),
                column::unique(
                    "refresh_tokens_parent_id",
                    RefreshTokens::Table,
                    [RefreshTokens::ParentId],
                ),
                column::unique("refresh_tokens_hash", RefreshTokens::Table, [RefreshTokens::Hash]),
                column::index(
                    "refresh_tokens_salt",
                    RefreshTokens::Table,
                    [RefreshTokens::Salt, RefreshTokens::CreatedAt],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(RefreshTokens::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum RefreshTokens {
    Table,
    Id,
    SessionId,
    ParentId,
    Hash,
    Salt,
    CreatedAt,
    ExpiresAt,
    ConsumedAt,
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
}
