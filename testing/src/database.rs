//! A database for each test: a SQLite file, or a database of its own (a schema on PostgreSQL) on
//! the server that `TEST_DATABASE_URL` names.

use std::pin::Pin;
use std::sync::Mutex;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend};
use tempfile::TempDir;
use uuid::Uuid;

/// What tests that are over have left on the server: the next one clears it away. A server that is
/// asked what a schema holds looks through all there are.
static LEFT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A file is dropped with the test; what the last ones made on a server stays for `.ci/run` to drop.
pub struct TestDatabase {
    /// Where it is, as a setting.
    pub url: String,
    /// Where the files of its server are.
    pub folder: TempDir,
    /// How it is dropped, on a server.
    drop: Option<String>,
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        LEFT.lock().unwrap().extend(self.drop.take());
    }
}

impl TestDatabase {
    /// On the server that `TEST_DATABASE_URL` names; where none is named, a file.
    pub async fn create() -> Self {
        Self::create_on(server()).await
    }

    /// On this server; where none is named, a file.
    pub async fn create_on(server: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, drop) = match server {
            None => (format!("sqlite://{}/test.db", folder.path().display()), None),
            Some(server) if server.starts_with("postgres") => schema_on(&server).await,
            Some(server) => database_on(&server).await,
        };
        Self { url, folder, drop }
    }

    /// A connection beside the server's own, for what the API does not show.
    pub async fn connection(&self) -> DatabaseConnection {
        connect(&self.url).await
    }
}

async fn schema_on(server: &str) -> (String, Option<String>) {
    let schema = format!("t{}", Uuid::now_v7().simple());
    make(server, "SET lock_timeout = '1s'", &format!("CREATE SCHEMA {schema}")).await;
    let separator = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{separator}options=-csearch_path%3D{schema}");
    (url, Some(format!("DROP SCHEMA {schema} CASCADE")))
}

/// On MySQL and MariaDB: beside the named database, and named after it.
async fn database_on(server: &str) -> (String, Option<String>) {
    let url = format!("{server}_t{}", Uuid::now_v7().simple());
    let name = url.rsplit('/').next().unwrap_or_default();
    make(server, "SET lock_wait_timeout = 1", &format!("CREATE DATABASE {name}")).await;
    let drop = format!("DROP DATABASE {name}");
    (url, Some(drop))
}

/// Makes a place for a test where others have left theirs.
async fn make(server: &str, wait_no_longer: &str, create: &str) {
    let db = connect(server).await;
    db.execute_unprepared(wait_no_longer).await.unwrap();
    let left = std::mem::take(&mut *LEFT.lock().unwrap());
    for drop in left {
        // One that is still in use, by connections about to close, is left for good.
        let _in_use = db.execute_unprepared(&drop).await;
    }
    db.execute_unprepared(create).await.unwrap();
    db.close().await.unwrap();
}

/// The server to test on, if one is named.
#[expect(clippy::disallowed_methods, reason = "the tests' own setting, not the program's")]
pub fn server() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let connected: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(Database::connect(options));
    let db = connected.await.unwrap();
    if db.get_database_backend() == DbBackend::MySql {
        // So that one quoted name means the same everywhere.
        db.execute_unprepared("SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')").await.unwrap();
    }
    db
}
