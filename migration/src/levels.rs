//! Reads and writes the levels of a schema and the records of applied migrations.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm_migration::sea_orm;

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden, Statement};

use crate::sql;

/// The table of levels. A later migration that renames a column declares the new name itself.
#[derive(Clone, Copy, DeriveIden)]
pub(crate) enum SchemaLevels {
    Table,
    Source,
    Level,
    OldestLevelAllowed,
}

/// What a schema says of the programs that may run on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Levels {
    /// How many migrations were applied.
    pub(crate) level: u32,
    /// How many a program must know at least.
    pub(crate) oldest_level_allowed: u32,
}

/// The levels of a source's migrations. `None` if the table or the row does not exist yet.
pub(crate) async fn read(
    db: &impl ConnectionTrait,
    source: &'static str,
) -> Result<Option<Levels>, DbErr> {
    if !exists(db, "schema_levels").await? {
        return Ok(None);
    }
    let select = Query::select()
        .columns([SchemaLevels::Level, SchemaLevels::OldestLevelAllowed])
        .from(SchemaLevels::Table)
        .and_where(Expr::col(SchemaLevels::Source).eq(source))
        .to_owned();
    let Some(row) = db.query_one(&select).await? else { return Ok(None) };
    let number = |column: usize| -> Result<u32, DbErr> {
        let number: i32 = row.try_get_by_index(column)?;
        u32::try_from(number).map_err(|_negative| DbErr::Custom("a level is negative".to_owned()))
    };
    Ok(Some(Levels { level: number(0)?, oldest_level_allowed: number(1)? }))
}

/// Writes them, if the table exists by now.
pub(crate) async fn write(
    db: &impl ConnectionTrait,
    source: &'static str,
    levels: Levels,
) -> Result<(), DbErr> {
    if !exists(db, "schema_levels").await? {
        return Ok(());
    }
    let Levels { level, oldest_level_allowed } = levels;
    let update = Query::update()
        .table(SchemaLevels::Table)
        .value(SchemaLevels::Level, level)
        .value(SchemaLevels::OldestLevelAllowed, oldest_level_allowed)
        .and_where(Expr::col(SchemaLevels::Source).eq(source))
        .to_owned();
    // Updates before it inserts, so that running servers never find the row missing.
    if db.execute(&update).await?.rows_affected() > 0 {
        return Ok(());
    }
    let insert = Query::insert()
        .into_table(SchemaLevels::Table)
        .columns([SchemaLevels::Source, SchemaLevels::Level, SchemaLevels::OldestLevelAllowed])
        .values_panic([source.into(), level.into(), oldest_level_allowed.into()])
        .to_owned();
    db.execute(&insert).await.map(drop)
}

/// The names of the migrations that a table of records holds.
pub(crate) async fn recorded(
    db: &impl ConnectionTrait,
    records: &'static str,
) -> Result<BTreeSet<String>, DbErr> {
    if !exists(db, records).await? {
        return Ok(BTreeSet::new());
    }
    let rows = db.query_all_raw(sql(db, format!("SELECT version FROM {records}"))).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

/// Records that a migration was applied.
pub(crate) async fn record(
    db: &impl ConnectionTrait,
    records: &'static str,
    name: &str,
) -> Result<(), DbErr> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let insert = Query::insert()
        .into_table(records)
        .columns(["version", "applied_at"])
        .values_panic([name.into(), i64::try_from(now).unwrap_or(i64::MAX).into()])
        .to_owned();
    db.execute(&insert).await.map(drop)
}

/// Deletes the record of a migration.
pub(crate) async fn forget(
    db: &impl ConnectionTrait,
    records: &'static str,
    name: &str,
) -> Result<(), DbErr> {
    let delete =
        Query::delete().from_table(records).and_where(Expr::col("version").eq(name)).to_owned();
    db.execute(&delete).await.map(drop)
}

async fn exists(db: &impl ConnectionTrait, table: &'static str) -> Result<bool, DbErr> {
    let backend = db.get_database_backend();
    let asked = match backend {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
        DbBackend::Postgres => {
            // Lists a table that this user may not read, so that it is not taken for a missing one.
            "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
        }
        _ => {
            "SELECT 1 FROM information_schema.tables \
             WHERE table_schema = database() AND table_name = ?"
        }
    };
    let asked = Statement::from_sql_and_values(backend, asked, [table.into()]);
    Ok(db.query_one_raw(asked).await?.is_some())
}
