//! Failed sign-ins of an account, and which instances run.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns};

/// A hundred failures in a row shut an account's password, whatever restarts meanwhile; instances
/// that share a database without knowing it would each count attempts for themselves.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UNLOCKED: &str = "idx_users_unlocked_at";
const SEEN: &str = "idx_instances_seen_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let mut failed = ColumnDef::new(Users::FailedLogins);
        column::add(manager, Users::Table, failed.integer().not_null().default(0)).await?;
        column::add(manager, Users::Table, columns.time(Users::UnlockedAt).null()).await?;
        // Instances ask every two seconds who has been unlocked.
        if !manager.has_index("users", UNLOCKED).await? {
            let index = column::index(UNLOCKED, Users::Table, [Users::UnlockedAt]);
            manager.create_index(index).await?;
        }
        let table = Table::create()
            .table(Instances::Table)
            .col(ColumnDef::new(Instances::Id).uuid().not_null().primary_key())
            .col(columns.time(Instances::SeenAt).not_null())
            .to_owned();
        let seen = column::index(SEEN, Instances::Table, [Instances::SeenAt]);
        column::create(manager, table, vec![seen]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Instances::Table).if_exists().to_owned()).await?;
        if manager.has_index("users", UNLOCKED).await? {
            manager.drop_index(Index::drop().name(UNLOCKED).table(Users::Table).to_owned()).await?;
        }
        for name in [Users::UnlockedAt, Users::FailedLogins] {
            column::drop(manager, Users::Table, name).await?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    FailedLogins,
    UnlockedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Instances {
    Table,
    Id,
    SeenAt,
}
