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
                column::unique("users_username_key", Users::Table, [Users::UsernameKey]),
                column::unique("users_email_key", Users::Table, [Users::EmailKey]),
                column::index("users_created_at_id", Users::Table, [Users::CreatedAt, Users::Id]),
                column::index("users_role_is_active", Users::Table, [Users::Role, Users::IsActive]),
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
