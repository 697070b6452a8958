//! One-time tokens: what the links in mails carry.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};

/// A row is deleted when its token is used, voided or expired. A registration whose address is not
/// proven yet lives here, in `details`, and is no user.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let mut foreign_key = ForeignKey::create();
        foreign_key
            .from(OneTimeTokens::Table, OneTimeTokens::UserId)
            .to(Users::Table, Users::Id)
            .on_delete(ForeignKeyAction::Cascade);
        let table = Table::create()
            .table(OneTimeTokens::Table)
            .col(column::uuid(OneTimeTokens::Id).not_null().primary_key())
            .col(columns.key(OneTimeTokens::Purpose, 32).not_null())
            .col(column::digest(OneTimeTokens::Hash).not_null())
            .col(column::uuid(OneTimeTokens::UserId).null())
            .col(columns.key(OneTimeTokens::EmailKey, 254).not_null())
            .col(column::text(OneTimeTokens::Details, 2048).null())
            .col(columns.time(OneTimeTokens::CreatedAt).not_null())
            .col(columns.time(OneTimeTokens::ExpiresAt).not_null())
            .foreign_key(&mut foreign_key)
            .to_owned();
        create(
            manager,
            table,
            vec![
                column::unique("one_time_tokens_hash", OneTimeTokens::Table, [OneTimeTokens::Hash]),
                column::index(
                    "one_time_tokens_user_id",
                    OneTimeTokens::Table,
                    [OneTimeTokens::UserId],
                ),
                column::index(
                    "one_time_tokens_email_key",
                    OneTimeTokens::Table,
                    [OneTimeTokens::EmailKey],
                ),
                column::index(
                    "one_time_tokens_expires_at",
                    OneTimeTokens::Table,
                    [OneTimeTokens::ExpiresAt],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(OneTimeTokens::Table).if_exists().to_owned()).await
    }
}

#[derive(DeriveIden)]
enum OneTimeTokens {
    Table,
    Id,
    Purpose,
    Hash,
    UserId,
    EmailKey,
    Details,
    CreatedAt,
    ExpiresAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}
