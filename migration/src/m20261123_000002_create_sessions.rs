//! Sessions.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};

/// Sessions, one a sign-in. A row stays until the absolute end, so that a late caller learns that
/// the session is over.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let mut foreign_key = ForeignKey::create();
        foreign_key
            .from(Sessions::Table, Sessions::UserId)
            .to(Users::Table, Users::Id)
            .on_delete(ForeignKeyAction::Cascade);
        let table = Table::create()
            .table(Sessions::Table)
            .col(column::uuid(Sessions::Id).not_null().primary_key())
            .col(column::uuid(Sessions::UserId).not_null())
            .col(columns.time(Sessions::CreatedAt).not_null())
            .col(columns.time(Sessions::ExpiresAt).not_null())
            .col(columns.time(Sessions::EndedAt).null())
            .col(columns.key(Sessions::EndReason, 32).null())
            .col(columns.key(Sessions::Ip, 45).null())
            .col(column::text(Sessions::UserAgent, 256).null())
            .foreign_key(&mut foreign_key)
            .to_owned();
        create(
            manager,
            table,
            vec![
                column::index("sessions_user_id", Sessions::Table, [Sessions::UserId]),
                column::index("sessions_expires_at", Sessions::Table, [Sessions::ExpiresAt]),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Sessions::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    UserId,
    CreatedAt,
    ExpiresAt,
    EndedAt,
    EndReason,
    Ip,
    UserAgent,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}
