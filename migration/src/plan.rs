//! Describes a schema upgrade before it runs.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::sea_orm::{DbBackend, Statement};

use super::step::{Step, TableChange};

/// What `up` would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Whether the database has no tables yet, so that nobody uses them.
    pub is_new: bool,
    /// The pending migrations, in their order.
    pub steps: Vec<Planned>,
    /// Whether the servers of the release that the schema belongs to must stop before.
    pub needs_stop: bool,
    /// The migrations that a server must know to run meanwhile, one of each source: those that know less must stop.
    pub required: Vec<String>,
}

/// A pending migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// What it does to which table, and about how many rows that has by the database's own statistics.
    pub changes: Vec<(TableChange, u64)>,
}

impl Planned {
    pub(crate) async fn of(
        step: &Step,
        db: &impl ConnectionTrait,
        is_empty: bool,
    ) -> Result<Self, DbErr> {
        let mut changes = Vec::with_capacity(step.changes.len());
        for &change in &step.changes {
            let rows = match change {
                TableChange::Table(_) => 0,
                _ if is_empty => 0,
                TableChange::Definition(table)
                | TableChange::Index(table)
                | TableChange::IndexOnline(table)
                | TableChange::Rows(table) => rows(db, table).await?,
            };
            changes.push((change, rows));
        }
        Ok(Self { name: step.name().to_owned(), changes })
    }
}

/// About how many rows a table has; none, if it is not there yet.
async fn rows(db: &impl ConnectionTrait, table: &'static str) -> Result<u64, DbErr> {
    let backend = db.get_database_backend();
    let asked = match backend {
        DbBackend::Sqlite => {
            // The last number of a row: there may be fewer rows, and counting them reads them all.
            let there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?";
            let there = Statement::from_sql_and_values(backend, there, [table.into()]);
            if db.query_one_raw(there).await?.is_none() {
                return Ok(0);
            }
            let newest = format!("SELECT COALESCE(MAX(rowid), 0) FROM {table}");
            Statement::from_string(backend, newest)
        }
        DbBackend::Postgres => {
            let told =
                "SELECT GREATEST(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass($1)";
            Statement::from_sql_and_values(backend, told, [table.into()])
        }
        _ => {
            let told = "SELECT CAST(TABLE_ROWS AS SIGNED) FROM information_schema.TABLES \
                        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
            Statement::from_sql_and_values(backend, told, [table.into()])
        }
    };
    let row = db.query_one_raw(asked).await?;
    let rows: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(u64::try_from(rows.unwrap_or_default()).unwrap_or_default())
}
