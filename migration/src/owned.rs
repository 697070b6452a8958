//! The table of an extension's entity.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};
use crate::step::{Step, TableChange};

/// A table whose rows have an owner: `id`, `owner_id`, `created_at` and `updated_at`, `organization_id` where rows
/// belong to organizations, and columns of its own. Rows go with their owner, and with their organization.
#[derive(Clone, Debug)]
pub struct OwnedTable {
    name: &'static str,
    has_organization: bool,
    columns: Vec<ColumnDef>,
}

impl OwnedTable {
    /// One of this name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, has_organization: false, columns: Vec::new() }
    }

    /// A row belongs to the organization that it was made in, if any.
    #[must_use]
    pub fn in_organizations(self) -> Self {
        Self { has_organization: true, ..self }
    }

    /// A column of its own.
    #[must_use]
    pub fn column(mut self, column: &mut ColumnDef) -> Self {
        self.columns.push(column.take());
        self
    }

    /// The migration of this name that makes the table, with indexes by which lists are read, and drops it when it is
    /// taken back. Older programs work on it.
    #[must_use]
    pub fn created_by(self, migration: &'static str) -> Step {
        let name = self.name;
        Step::new(Creation { migration, table: self }).expands().change(TableChange::Table(name))
    }

    async fn create(self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let mut table = Table::create();
        table
            .table(self.name)
            .col(column::uuid("id").not_null().primary_key())
            .col(column::uuid("owner_id").not_null())
            .col(columns.time("created_at").not_null())
            .col(columns.time("updated_at").not_null())
            .foreign_key(&mut self.goes_with("owner_id", "users"));
        // Lists are ordered by the id, which carries the time.
        let mut indexes = vec![self.index("owner_id")];
        if self.has_organization {
            table
                .col(column::uuid("organization_id").null())
                .foreign_key(&mut self.goes_with("organization_id", "organizations"));
            indexes.push(self.index("organization_id"));
        }
        for mut column in self.columns {
            table.col(&mut column);
        }
        create(manager, table, indexes).await
    }

    fn goes_with(&self, column: &'static str, table: &'static str) -> ForeignKeyCreateStatement {
        ForeignKey::create()
            .from(self.name, column)
            .to(table, "id")
            .on_delete(ForeignKeyAction::Cascade)
            .to_owned()
    }

    fn index(&self, column: &'static str) -> IndexCreateStatement {
        let name = format!("{}_{column}_id", self.name);
        column::index(&name, self.name, [column, "id"])
    }
}

/// That a table is made.
struct Creation {
    migration: &'static str,
    table: OwnedTable,
}

impl MigrationName for Creation {
    fn name(&self) -> &str {
        self.migration
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Creation {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.table.clone().create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::drop().table(self.table.name).if_exists().to_owned();
        manager.drop_table(drop).await
    }
}
