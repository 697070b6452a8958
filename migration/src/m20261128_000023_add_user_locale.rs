//! In which language people are written to.

use sea_orm_migration::prelude::*;

use crate::column;

/// Mails that tell of what somebody else did are no more in the language of whoever did it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut locale = column::text(Users::Locale, 16);
        column::add(manager, Users::Table, locale.not_null().default("en")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::drop(manager, Users::Table, Users::Locale).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    Locale,
}
