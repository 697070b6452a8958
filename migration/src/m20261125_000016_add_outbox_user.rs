//! Whose account a mail is about.

use sea_orm_migration::prelude::*;

use crate::column;

/// Two accounts may have had one address: a mail about one neither takes the place of a mail about the
/// other, nor goes with it when it is deleted. No foreign key: the last mail of an account outlives it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::add(manager, Outbox::Table, column::uuid(Outbox::UserId).null()).await?;
        if manager.has_index("outbox", INDEX).await? {
            return Ok(());
        }
        manager.create_index(column::index(INDEX, Outbox::Table, [Outbox::UserId])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_index("outbox", INDEX).await? {
            let index = Index::drop().name(INDEX).table(Outbox::Table).to_owned();
            manager.drop_index(index).await?;
        }
        column::drop(manager, Outbox::Table, Outbox::UserId).await
    }
}

const INDEX: &str = "outbox_user_id";

#[derive(Clone, Copy, DeriveIden)]
enum Outbox {
    Table,
    UserId,
}
