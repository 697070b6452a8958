//! What kind of database this is, and what time it has: for the operator.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sea_orm::sqlx::{self, sqlite::SqliteConnectOptions};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Db;
use crate::kernel::clock::Clock;

/// A database as it presents itself.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) product: &'static str,
    pub(crate) version: String,
    /// The oldest version that is supported.
    pub(crate) version_min: &'static str,
    pub(crate) is_supported: bool,
}

/// The names of a database on a server, and on PostgreSQL of the schema in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) database: String,
    pub(crate) schema: Option<String>,
}

impl Db {
    /// Where the tables are on a server; `None` on SQLite.
    pub(crate) async fn location(&self) -> Result<Option<Location>, DbErr> {
        let backend = self.reader().get_database_backend();
        let sql = match backend {
            DbBackend::Sqlite => return Ok(None),
            DbBackend::Postgres => "SELECT current_database()::text, current_schema()::text",
            _ => "SELECT DATABASE(), NULL",
        };
        let row = self.reader().query_one_raw(Statement::from_string(backend, sql)).await?;
        let location = row.map(|row| {
            let (database, schema) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            Ok(Location { database, schema })
        });
        location.transpose()
    }

    /// Whether the database, or the schema in it, has no table yet.
    pub(crate) async fn is_empty(&self) -> Result<bool, DbErr> {
        let backend = self.reader().get_database_backend();
        let sql = match backend {
            DbBackend::Sqlite => "SELECT 1 FROM sqlite_master LIMIT 1",
            DbBackend::Postgres => {
                "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() LIMIT 1"
            }
            _ => "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() LIMIT 1",
        };
        let row = self.reader().query_one_raw(Statement::from_string(backend, sql)).await?;
        Ok(row.is_none())
    }

    /// How far this machine's clock is ahead of the database server's; `None` where there is only one.
    pub(crate) async fn skew(&self, clock: &Clock) -> Result<Option<TimeDelta>, DbErr> {
        let asked = clock.uptime();
        let Some(time) = self.time().await? else { return Ok(None) };
        let took = TimeDelta::from_std(clock.uptime().saturating_sub(asked)).unwrap_or_default();
        // The server has looked at its clock somewhere in between.
        Ok(Some(clock.ahead_of(time) - took / 2))
    }

    async fn time(&self) -> Result<Option<DateTime<Utc>>, DbErr> {
        let backend = self.reader().get_database_backend();
        let sql = match backend {
            DbBackend::Sqlite => return Ok(None),
            DbBackend::Postgres => "SELECT clock_timestamp() AT TIME ZONE 'UTC' AS time",
            _ => "SELECT UTC_TIMESTAMP(6) AS time",
        };
        let row = self.reader().query_one_raw(Statement::from_string(backend, sql)).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("the time".to_owned()))?;
        Ok(Some(row.try_get::<NaiveDateTime>("", "time")?.and_utc()))
    }

    /// Asks the database what it is.
    pub(crate) async fn inspect(&self) -> Result<Inspection, DbErr> {
        let backend = self.reader().get_database_backend();
        let sql = match backend {
            DbBackend::Sqlite => "SELECT sqlite_version() AS version",
            DbBackend::Postgres => "SELECT current_setting('server_version') AS version",
            _ => "SELECT VERSION() AS version",
        };
        let row = self.reader().query_one_raw(Statement::from_string(backend, sql)).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("the version".to_owned()))?;
        let version: String = row.try_get("", "version")?;
        let (product, version_min) = match backend {
            DbBackend::Sqlite => ("SQLite", "3.40"),
            DbBackend::Postgres => ("PostgreSQL", "14.0"),
            _ if version.contains("MariaDB") => ("MariaDB", "10.11"),
            _ => ("MySQL", "8.0"),
        };
        Ok(Inspection {
            product,
            is_supported: major_minor(&version) >= major_minor(version_min),
            version,
            version_min,
        })
    }
}

/// The first two numbers of a version, as in `10.11.19-MariaDB` and `15.20 (Debian)`.
fn major_minor(version: &str) -> (u32, u32) {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

/// What stands in a URL as itself: all else in a path is escaped, as `?`, `#`, `%` and spaces are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// The file of a SQLite database.
pub(crate) fn sqlite_file(url: &str) -> Option<PathBuf> {
    sqlite_options(url)?.ok().map(|options| options.get_filename().to_owned())
}

/// The URL of a SQLite file, unless its name is one that the driver cannot take.
pub(crate) fn sqlite_url(file: &Path) -> Option<String> {
    Some(format!("sqlite://{}", utf8_percent_encode(file.to_str()?, PLAIN)))
}

/// How a SQLite file is opened, if `url` names one.
pub(super) fn sqlite_options(url: &str) -> Option<Result<SqliteConnectOptions, sqlx::Error>> {
    let options = url.starts_with("sqlite:").then(|| SqliteConnectOptions::from_str(url))?;
    Some(options.map(|options| {
        // To SQLite a name that begins so is a URI, in which it would look for escapes once more.
        match options.get_filename().as_os_str().as_encoded_bytes().starts_with(b"file:") {
            true => {
                let file = Path::new(".").join(options.get_filename());
                options.filename(file)
            }
            false => options,
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(major_minor("10.11.19-MariaDB-0+deb12u1") >= major_minor("10.11"));
        assert!(major_minor("10.6.1-MariaDB") < major_minor("10.11"));
        assert!(major_minor("15.20 (Debian 15.20-0+deb12u1)") >= major_minor("14.0"));
        assert!(major_minor("14") >= major_minor("14.0"));
        assert!(major_minor("5.7.44") < major_minor("8.0"));
        assert!(major_minor("3.50.4") >= major_minor("3.40"));
    }
}
