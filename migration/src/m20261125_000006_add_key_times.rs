//! From when a key signs, and until when it verifies.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns};

/// Keys follow one another at moments that every instance reads from their rows, so that a
/// rotation needs nobody to be told.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        for name in [Keys::SignsFrom, Keys::VerifiesUntil] {
            column::add(manager, Keys::Table, columns.time(name).null()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [Keys::VerifiesUntil, Keys::SignsFrom] {
            column::drop(manager, Keys::Table, name).await?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Keys {
    Table,
    SignsFrom,
    VerifiesUntil,
}
