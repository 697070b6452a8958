//! How large a database has become and what lags behind, from what it knows of itself: nothing is counted.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, TryGetable};

use super::Db;

/// What a table takes.
pub(crate) struct TableSize {
    pub(crate) name: String,
    /// By the database's statistics; `None` before they were made.
    pub(crate) rows: Option<u64>,
    /// With its indexes; `None` on SQLite.
    pub(crate) bytes: Option<u64>,
}

/// A table that is not vacuumed often enough.
pub(crate) struct DeadRows {
    pub(crate) table: String,
    pub(crate) dead: u64,
    pub(crate) live: u64,
}

/// A server that follows this one, and how far behind it is.
pub(crate) struct Replica {
    pub(crate) name: String,
    /// `None` if this user may not see it.
    pub(crate) bytes: Option<u64>,
    pub(crate) seconds: Option<u64>,
}

/// What a replica that is away has this server keep.
pub(crate) struct IdleSlot {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

impl Db {
    /// The largest tables, the largest first.
    pub(crate) async fn largest_tables(&self, count: usize) -> Result<Vec<TableSize>, DbErr> {
        let asked = match self.reader().get_database_backend() {
            DbBackend::Postgres => {
                "SELECT relname::text, reltuples::bigint, pg_total_relation_size(oid)::bigint \
                 FROM pg_class WHERE relkind = 'r' \
                 AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
            }
            DbBackend::MySql => {
                "SELECT TABLE_NAME, CAST(TABLE_ROWS AS SIGNED), \
                 CAST(DATA_LENGTH + INDEX_LENGTH AS SIGNED) FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'"
            }
            _ => return self.largest_tables_of_file(count).await,
        };
        let rows = self.reader().query_all_raw(self.statement(asked)).await?;
        let sizes = rows.iter().map(|row| {
            Ok(TableSize {
                name: row.try_get_by_index(0)?,
                rows: number(row, 1)?,
                bytes: number(row, 2)?,
            })
        });
        let mut sizes = sizes.collect::<Result<Vec<_>, DbErr>>()?;
        sizes.sort_by_key(|size| std::cmp::Reverse((size.bytes, size.rows)));
        sizes.truncate(count);
        Ok(sizes)
    }

    /// The last number of a row is read in no time; there may be fewer rows.
    async fn largest_tables_of_file(&self, count: usize) -> Result<Vec<TableSize>, DbErr> {
        let tables =
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let mut sizes = Vec::new();
        for row in self.reader().query_all_raw(self.statement(tables)).await? {
            let name: String = row.try_get_by_index(0)?;
            let newest = format!("SELECT COALESCE(MAX(rowid), 0) FROM \"{name}\"");
            let newest = self.reader().query_one_raw(self.statement(&newest)).await?;
            let rows = newest.map(|row| number(&row, 0)).transpose()?.flatten();
            sizes.push(TableSize { name, rows, bytes: None });
        }
        sizes.sort_by_key(|size| std::cmp::Reverse(size.rows));
        sizes.truncate(count);
        Ok(sizes)
    }

    /// The table with the most dead rows, if these are more than the others and at least `least`. On PostgreSQL.
    pub(crate) async fn dead_rows(&self, least: u32) -> Result<Option<DeadRows>, DbErr> {
        if self.reader().get_database_backend() != DbBackend::Postgres {
            return Ok(None);
        }
        let asked = format!(
            "SELECT relname::text, n_dead_tup::bigint, n_live_tup::bigint FROM pg_stat_user_tables \
             WHERE schemaname = current_schema() AND n_dead_tup > n_live_tup AND n_dead_tup >= {least} \
             ORDER BY n_dead_tup DESC LIMIT 1"
        );
        let row = self.reader().query_one_raw(self.statement(&asked)).await?;
        let found = row.map(|row| {
            Ok(DeadRows {
                table: row.try_get_by_index(0)?,
                dead: number(&row, 1)?.unwrap_or_default(),
                live: number(&row, 2)?.unwrap_or_default(),
            })
        });
        found.transpose()
    }

    /// The replicas that are connected to this server. On PostgreSQL.
    pub(crate) async fn replicas(&self) -> Result<Vec<Replica>, DbErr> {
        if self.reader().get_database_backend() != DbBackend::Postgres {
            return Ok(Vec::new());
        }
        let asked = "SELECT COALESCE(NULLIF(application_name, ''), pid::text)::text, \
                     (CASE WHEN pg_is_in_recovery() THEN NULL \
                      ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) END)::bigint, \
                     EXTRACT(EPOCH FROM replay_lag)::bigint FROM pg_stat_replication";
        let rows = self.reader().query_all_raw(self.statement(asked)).await?;
        let replicas = rows.iter().map(|row| {
            Ok(Replica {
                name: row.try_get_by_index(0)?,
                bytes: number(row, 1)?,
                seconds: number(row, 2)?,
            })
        });
        replicas.collect()
    }

    /// The replication slots that nobody reads, for which this server keeps its log. On PostgreSQL.
    pub(crate) async fn idle_slots(&self) -> Result<Vec<IdleSlot>, DbErr> {
        if self.reader().get_database_backend() != DbBackend::Postgres {
            return Ok(Vec::new());
        }
        let asked = "SELECT slot_name::text, \
                     (CASE WHEN pg_is_in_recovery() THEN 0 \
                      ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END)::bigint \
                     FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL";
        let rows = self.reader().query_all_raw(self.statement(asked)).await?;
        let slots = rows.iter().map(|row| {
            let bytes = number(row, 1)?.unwrap_or_default();
            Ok(IdleSlot { name: row.try_get_by_index(0)?, bytes })
        });
        slots.collect()
    }
}

/// A number of the catalogue, which is negative or missing where it is not known.
fn number(row: &QueryResult, column: usize) -> Result<Option<u64>, DbErr> {
    let number = Option::<i64>::try_get_by_index(row, column)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()))
}
