//! Kinds of columns, so that each means the same on every database.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, Statement};

/// Makes columns for one database.
pub(crate) struct Columns {
    backend: DbBackend,
    /// Compares bytes, trailing spaces included.
    binary_collation: &'static str,
}

impl Columns {
    pub(crate) async fn of(manager: &SchemaManager<'_>) -> Result<Self, DbErr> {
        let backend = manager.get_database_backend();
        let binary_collation = match backend {
            DbBackend::Postgres => "COLLATE \"C\"",
            DbBackend::MySql if has_nopad_collation(manager).await? => "COLLATE utf8mb4_nopad_bin",
            DbBackend::MySql => "COLLATE utf8mb4_0900_bin",
            // SQLite compares bytes unless told otherwise.
            _ => "COLLATE BINARY",
        };
        Ok(Self { backend, binary_collation })
    }

    /// Text that is compared or ordered: our own canonical form, bytewise on every database.
    pub(crate) fn key(&self, name: impl IntoIden, length: u32) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        column.string_len(length).extra(self.binary_collation);
        column
    }

    /// A point in time, UTC, in microseconds.
    pub(crate) fn time(&self, name: impl IntoIden) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        if self.backend == DbBackend::MySql {
            // What sea-query would choose there holds whole seconds only.
            column.custom("DATETIME(6)");
        } else {
            column.timestamp_with_time_zone();
        }
        column
    }
}

/// MariaDB and MySQL have no binary collation without padding in common.
async fn has_nopad_collation(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    let asked = "SELECT 1 FROM information_schema.COLLATIONS \
                 WHERE COLLATION_NAME = 'utf8mb4_nopad_bin'";
    let asked = Statement::from_string(DbBackend::MySql, asked);
    Ok(manager.get_connection().query_one_raw(asked).await?.is_some())
}

/// An index over `columns`.
pub(crate) fn index<T: IntoIden, const N: usize>(
    name: &str,
    table: T,
    columns: [T; N],
) -> IndexCreateStatement {
    let mut index = Index::create().name(name).table(table.into_iden()).to_owned();
    for column in columns {
        index.col(column.into_iden());
    }
    index
}

/// An index in which no two rows are alike.
pub(crate) fn unique<T: IntoIden, const N: usize>(
    name: &str,
    table: T,
    columns: [T; N],
) -> IndexCreateStatement {
    index(name, table, columns).unique().to_owned()
}

/// Indexes the rows that have a value in `column`, while others write them. For a migration that is no transaction:
/// PostgreSQL builds an index in one only under a lock.
pub(crate) async fn index_online(
    manager: &SchemaManager<'_>,
    name: &str,
    table: &str,
    column: &str,
) -> Result<(), DbErr> {
    let db = manager.get_connection();
    if manager.get_database_backend() == DbBackend::MySql {
        // Every index has an entry for every row there, and is built beside the writers.
        if manager.has_index(table, name).await? {
            return Ok(());
        }
        let build = format!("CREATE INDEX {name} ON {table} ({column})");
        return db.execute_unprepared(&build).await.map(std::mem::drop);
    }
    let concurrently = match manager.get_database_backend() {
        DbBackend::Postgres => " CONCURRENTLY",
        _ => "",
    };
    // One whose building was cut off is there and of no use.
    let drop = format!("DROP INDEX{concurrently} IF EXISTS {name}");
    db.execute_unprepared(&drop).await?;
    let build = format!(
        "CREATE INDEX{concurrently} {name} ON {table} ({column}) WHERE {column} IS NOT NULL"
    );
    db.execute_unprepared(&build).await.map(std::mem::drop)
}

/// Creates a table with its indexes.
///
/// On MySQL all of it is one statement that may run again, because a migration that was cut off
/// there cannot be rolled back. Elsewhere an existing table is a mistake, and is told.
pub(crate) async fn create(
    manager: &SchemaManager<'_>,
    mut table: TableCreateStatement,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::MySql {
        table.if_not_exists().engine("InnoDB").character_set("utf8mb4");
        for mut index in indexes {
            table.index(&mut index);
        }
        return manager.create_table(table).await;
    }
    manager.create_table(table).await?;
    for index in indexes {
        manager.create_index(index).await?;
    }
    Ok(())
}

/// Adds a column to a table that stands. One that is there already is what a migration left that
/// was cut off where DDL cannot be rolled back.
pub(crate) async fn add(
    manager: &SchemaManager<'_>,
    table: impl IntoIden,
    column: &mut ColumnDef,
) -> Result<(), DbErr> {
    let table = table.into_iden();
    if manager.has_column(table.to_string(), column.get_column_name()).await? {
        return Ok(());
    }
    manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await
}

/// Drops a column, unless it is gone already.
pub(crate) async fn drop(
    manager: &SchemaManager<'_>,
    table: impl IntoIden,
    column: impl IntoIden,
) -> Result<(), DbErr> {
    let (table, column) = (table.into_iden(), column.into_iden());
    if !manager.has_column(table.to_string(), column.to_string()).await? {
        return Ok(());
    }
    manager.alter_table(Table::alter().table(table).drop_column(column).to_owned()).await
}

/// A UUID.
pub(crate) fn uuid(name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.uuid();
    column
}

/// Text as people typed it.
pub(crate) fn text(name: impl IntoIden, length: u32) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.string_len(length);
    column
}

/// 32 bytes: a digest or a salt.
pub(crate) fn digest(name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.binary_len(32);
    column
}

/// At most `length` bytes.
pub(crate) fn bytes(name: impl IntoIden, length: u32) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.var_binary(length);
    column
}
