//! Why a mail was not sent, and when it was given up.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns};

/// A mail that is given up stays for a while, so that the operator can see why and have it sent again.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        column::add(manager, Outbox::Table, column::text(Outbox::Failure, 500).null()).await?;
        column::add(manager, Outbox::Table, columns.time(Outbox::GivenUpAt).null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::drop(manager, Outbox::Table, Outbox::GivenUpAt).await?;
        column::drop(manager, Outbox::Table, Outbox::Failure).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Outbox {
    Table,
    Failure,
    GivenUpAt,
}
