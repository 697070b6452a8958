//! Whether a database server, and the connection to it, are set up as this program needs them.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::Db;

/// The level at which statements must run. Others refuse some of them, or show them old rows.
pub(crate) const ISOLATION: &str = "read committed";

/// How a database stores and orders text.
pub(crate) struct Encoding {
    /// The character set.
    pub(crate) name: String,
    pub(crate) collation: String,
}

/// A character set that does not hold every text.
#[derive(Debug, thiserror::Error)]
#[error("the character set of the database is {name}, which cannot store every text: {remedy}")]
pub(crate) struct EncodingError {
    pub(crate) name: String,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

/// A column of names whose collation takes different names for one.
pub(crate) struct WrongCollation {
    pub(crate) column: String,
    pub(crate) collation: String,
}

impl Db {
    /// How the database stores text, if that holds every text; `None` on SQLite, where every encoding does.
    pub(crate) async fn encoding(&self) -> Result<Result<Option<Encoding>, EncodingError>, DbErr> {
        let (sql, needed, remedy) = match self.reader().get_database_backend() {
            DbBackend::Postgres => (
                "SELECT current_setting('server_encoding'), datcollate::text FROM pg_database \
                 WHERE datname = current_database()",
                "UTF8",
                "create another database with `createdb --encoding=UTF8 --template=template0`",
            ),
            DbBackend::MySql => (
                "SELECT @@character_set_database, @@collation_database",
                "utf8mb4",
                "run `ALTER DATABASE name CHARACTER SET utf8mb4`",
            ),
            _ => return Ok(Ok(None)),
        };
        let row = self.ask(sql).await?;
        let name: String = row.try_get_by_index(0)?;
        Ok(match name == needed {
            true => Ok(Some(Encoding { name, collation: row.try_get_by_index(1)? })),
            false => Err(EncodingError { name, remedy }),
        })
    }

    /// A column in which two names would be equal, or in another order, that differ in their bytes: a tool may have
    /// converted the tables. SQLite has no such tool.
    pub(crate) async fn wrong_collation(&self) -> Result<Option<WrongCollation>, DbErr> {
        let asked = match self.reader().get_database_backend() {
            DbBackend::Postgres => {
                "SELECT column_name::text, collation_name::text FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND table_name = 'users' \
                 AND column_name IN ('username_key', 'email_key') AND collation_name <> 'C'"
            }
            DbBackend::MySql => {
                "SELECT COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users' \
                 AND COLUMN_NAME IN ('username_key', 'email_key') \
                 AND COLLATION_NAME NOT IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin')"
            }
            _ => return Ok(None),
        };
        let row = self.reader().query_one_raw(self.statement(asked)).await?;
        let wrong = row.map(|row| {
            let column: String = row.try_get_by_index(0)?;
            let column = format!("users.{column}");
            Ok(WrongCollation { column, collation: row.try_get_by_index(1)? })
        });
        wrong.transpose()
    }

    /// The isolation level of a single statement, as in [`ISOLATION`]; `None` on SQLite, which has one writer.
    pub(crate) async fn isolation(&self) -> Result<Option<String>, DbErr> {
        let (asked, column) = match self.reader().get_database_backend() {
            DbBackend::Postgres => ("SELECT current_setting('transaction_isolation')", 0),
            // The name of the variable depends on the product and its version.
            DbBackend::MySql => (
                "SHOW SESSION VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')",
                1,
            ),
            _ => return Ok(None),
        };
        let level: String = self.ask(asked).await?.try_get_by_index(column)?;
        Ok(Some(level.to_ascii_lowercase().replace('-', " ")))
    }

    /// The version of TLS that encrypts the connection; `None` if nothing does. On PostgreSQL behind a pooler this is the
    /// connection of the pooler.
    pub(crate) async fn tls(&self) -> Result<Option<String>, DbErr> {
        let (asked, column) = match self.reader().get_database_backend() {
            DbBackend::Postgres => (
                "SELECT COALESCE(MAX(version), '') FROM pg_stat_ssl \
                 WHERE pid = pg_backend_pid() AND ssl",
                0,
            ),
            DbBackend::MySql => ("SHOW SESSION STATUS LIKE 'Ssl_version'", 1),
            _ => return Ok(None),
        };
        let version: String = self.ask(asked).await?.try_get_by_index(column)?;
        Ok(Some(version).filter(|version| !version.is_empty()))
    }

    async fn ask(&self, sql: &str) -> Result<QueryResult, DbErr> {
        let row = self.reader().query_one_raw(self.statement(sql)).await?;
        row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))
    }

    pub(super) fn statement(&self, sql: &str) -> Statement {
        Statement::from_string(self.reader().get_database_backend(), sql)
    }
}
