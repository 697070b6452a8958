//! Users.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};

/// Accounts. The names people typed stand beside the canonical ones that decide who is who.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let table = Table::create()
            .table(Users::Table)
            .col(column::uuid(Users::Id).not_null().primary_key())
            .col(column::text(Users::Username, 64).not_null())
            .col(columns.key(Users::UsernameKey, 64).not_null())
            .col(column::text(Users::Email, 254).not_null())
            .col(columns.key(Users::EmailKey, 320).not_null())
            .col(ColumnDef::new(Users::EmailVerified).boolean().not_null().default(false))
            .col(column::text(Users::FullName, 100).null())
            .col(column::text(Users::PasswordHash, 255).not_null())
            .col(columns.key(Users::Role, 16).not_null())
            .col(ColumnDef::new(Users::IsActive).boolean().not_null().default(true))
            .col(columns.time(Users::CreatedAt).not_null())
            .col(columns.time(Users::UpdatedAt).not_null())
            .col(columns.time(Users::LastLoginAt).null())
            .to_owned();
        create(
            manager,
            table,
            vec![
                Index::create()
                    .name("users_username_key")
                    .table(Users::Table)
                    .col(Users::UsernameKey)
                    .unique()
                    .to_owned(),
                Index::create()
                    .name("users_email_key")
                    .table(Users::Table)
                    .col(Users::EmailKey)
                    .unique()
                    .to_owned(),
                Index::create()
                    .name("users_created_at_id")
                    .table(Users::Table)
                    .col(Users::CreatedAt)
                    .col(Users::Id)
                    .to_owned(),
                Index::create()
                    .name("users_role_is_active")
                    .table(Users::Table)
                    .col(Users::Role)
                    .col(Users::IsActive)
                    .to_owned(),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Users::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
    Username,
    UsernameKey,
    Email,
    EmailKey,
    EmailVerified,
    FullName,
    PasswordHash,
    Role,
    IsActive,
    CreatedAt,
    UpdatedAt,
    LastLoginAt,
}
