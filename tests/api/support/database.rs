//! A database for each test: a SQLite file, or a database of its own (a schema on PostgreSQL) on
//! the server that `TEST_DATABASE_URL` names.

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend};
use tempfile::TempDir;
use uuid::Uuid;

/// Dropped with the test; what it made on a server stays for `.ci/run` to drop.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    pub(crate) folder: TempDir,
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match server() {
            None => format!("sqlite://{}/test.db", folder.path().display()),
            Some(server) if server.starts_with("postgres") => schema_on(&server).await,
            Some(server) => database_on(&server).await,
        };
        Self { url, folder }
    }

    /// A connection beside the server's own, for what the API does not show.
    pub(crate) async fn connection(&self) -> DatabaseConnection {
        connect(&self.url).await
    }
}

async fn schema_on(server: &str) -> String {
    let schema = format!("t{}", Uuid::now_v7().simple());
    let db = connect(server).await;
    db.execute_unprepared(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    db.close().await.unwrap();
    let separator = if server.contains('?') { '&' } else { '?' };
    format!("{server}{separator}options=-csearch_path%3D{schema}")
}

/// On MySQL and MariaDB: beside the named database, and named after it.
async fn database_on(server: &str) -> String {
    let url = format!("{server}_t{}", Uuid::now_v7().simple());
    let name = url.rsplit('/').next().unwrap_or_default();
    let db = connect(server).await;
    db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    db.close().await.unwrap();
    url
}

/// The server to test on, if one is named.
#[expect(clippy::disallowed_methods, reason = "the tests' own setting, not the program's")]
pub(crate) fn server() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    if db.get_database_backend() == DbBackend::MySql {
        // So that one quoted name means the same everywhere.
        db.execute_unprepared("SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')").await.unwrap();
    }
    db
}
