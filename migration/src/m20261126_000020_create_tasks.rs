//! Tasks: the sample entity.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};

/// A task goes with its owner, and with the organization that it was made in.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let mut owner = ForeignKey::create();
        owner
            .from(Tasks::Table, Tasks::OwnerId)
            .to(Users::Table, Users::Id)
            .on_delete(ForeignKeyAction::Cascade);
        let mut organization = ForeignKey::create();
        organization
            .from(Tasks::Table, Tasks::OrganizationId)
            .to(Organizations::Table, Organizations::Id)
            .on_delete(ForeignKeyAction::Cascade);
        let table = Table::create()
            .table(Tasks::Table)
            .col(column::uuid(Tasks::Id).not_null().primary_key())
            .col(column::uuid(Tasks::OwnerId).not_null())
            .col(column::uuid(Tasks::OrganizationId).null())
            .col(column::text(Tasks::Title, 200).not_null())
            .col(ColumnDef::new(Tasks::IsDone).boolean().not_null())
            .col(columns.time(Tasks::CreatedAt).not_null())
            .col(columns.time(Tasks::UpdatedAt).not_null())
            .foreign_key(&mut owner)
            .foreign_key(&mut organization)
            .to_owned();
        // Lists are ordered by the id, which carries the time.
        let indexes = vec![
            column::index("tasks_owner_id_id", Tasks::Table, [Tasks::OwnerId, Tasks::Id]),
            column::index(
                "tasks_organization_id_id",
                Tasks::Table,
                [Tasks::OrganizationId, Tasks::Id],
            ),
        ];
        create(manager, table, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Tasks::Table).if_exists().to_owned()).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Tasks {
    Table,
    Id,
    OwnerId,
    OrganizationId,
    Title,
    IsDone,
    CreatedAt,
    UpdatedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    Id,
}

#[derive(Clone, Copy, DeriveIden)]
enum Organizations {
    Table,
    Id,
}
