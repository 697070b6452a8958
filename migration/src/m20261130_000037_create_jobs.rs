//! What the instances do in turn.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create, text};

/// A row for each job, written by the instance that does it: how far it got, and when it last succeeded.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let table = Table::create()
            .table(Jobs::Table)
            .col(columns.key(Jobs::Name, 64).not_null().primary_key())
            .col(text(Jobs::Progress, 255).null())
            .col(columns.time(Jobs::SucceededAt).null())
            .col(columns.time(Jobs::FailedAt).null())
            .col(column::uuid(Jobs::Holder).null())
            .col(columns.time(Jobs::HeldUntil).null())
            .to_owned();
        create(manager, table, Vec::new()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Jobs::Table).if_exists().to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Jobs {
    Table,
    Name,
    Progress,
    SucceededAt,
    FailedAt,
    Holder,
    HeldUntil,
}
