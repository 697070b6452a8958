//! The tables of this crate.

use portcullis::migration::prelude::*;
use portcullis::migration::{OwnedTable, async_trait};

/// The migrations. A further one gets a greater name; one that has landed is never edited.
pub(crate) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreateTasks)]
}

struct CreateTasks;

impl MigrationName for CreateTasks {
    fn name(&self) -> &'static str {
        "m20261128_000001_create_tasks"
    }
}

impl CreateTasks {
    fn table() -> OwnedTable {
        OwnedTable::new("tasks")
            .in_organizations()
            .column(ColumnDef::new("title").string_len(200).not_null())
            .column(ColumnDef::new("is_done").boolean().not_null())
    }
}

#[async_trait]
impl MigrationTrait for CreateTasks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        Self::table().create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        Self::table().drop(manager).await
    }
}
