//! How many alike refusals an audit event stands for.

use sea_orm_migration::prelude::*;

use crate::column;

/// Refusals are aggregated, so that an attack does not fill the disk.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut occurrences = ColumnDef::new(AuditEvents::Occurrences);
        occurrences.big_integer().not_null().default(1);
        column::add(manager, AuditEvents::Table, &mut occurrences).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::drop(manager, AuditEvents::Table, AuditEvents::Occurrences).await
    }
}

#[derive(DeriveIden)]
enum AuditEvents {
    Table,
    Occurrences,
}
