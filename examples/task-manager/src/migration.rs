//! The migrations that create the tables of this crate.

use portcullis::migration::prelude::*;
use portcullis::migration::{OwnedTable, Step};

/// The migrations, sorted by name from the oldest to the newest. Never edit a migration that has landed.
pub(crate) fn all() -> Vec<Step> {
    let tasks = OwnedTable::new("tasks")
        .in_organizations()
        .column(ColumnDef::new("title").string_len(200).not_null())
        .column(ColumnDef::new("is_done").boolean().not_null());
    vec![tasks.created_by("m20261128_000001_create_tasks")]
}
