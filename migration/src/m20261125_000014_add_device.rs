//! From what kind of device a session was begun.

use sea_orm_migration::prelude::*;

use crate::column;

/// What is compared to tell a new device from a known one: a browser's name and a system's, without
/// the versions that change every month. Sessions from before have none.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut device = column::text(Sessions::Device, 64);
        column::add(manager, Sessions::Table, device.null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::drop(manager, Sessions::Table, Sessions::Device).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Sessions {
    Table,
    Device,
}
