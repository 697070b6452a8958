//! Mail that is still to be sent.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};

/// A row is written with the change it tells of, and deleted once a mail server has taken it. It
/// names no user by key: the last mail of an account outlives the account.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let table = Table::create()
            .table(Outbox::Table)
            .col(column::uuid(Outbox::Id).not_null().primary_key())
            .col(columns.key(Outbox::Kind, 32).not_null())
            .col(columns.key(Outbox::Recipient, 254).not_null())
            .col(columns.key(Outbox::Language, 8).not_null())
            .col(column::text(Outbox::Details, 2048).not_null())
            .col(columns.time(Outbox::CreatedAt).not_null())
            .col(columns.time(Outbox::DueAt).not_null())
            .col(ColumnDef::new(Outbox::Attempts).integer().not_null().default(0))
            .to_owned();
        create(
            manager,
            table,
            vec![
                column::index("outbox_due_at", Outbox::Table, [Outbox::DueAt]),
                column::index(
                    "outbox_recipient_kind",
                    Outbox::Table,
                    [Outbox::Recipient, Outbox::Kind],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Outbox::Table).if_exists().to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Id,
    Kind,
    Recipient,
    Language,
    Details,
    CreatedAt,
    DueAt,
    Attempts,
}
