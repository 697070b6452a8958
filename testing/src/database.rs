//! A database for each test: a SQLite file, or a database of its own (a schema on PostgreSQL) on
//! the server that `TEST_DATABASE_URL` names.

use std::pin::Pin;
use std::sync::Mutex;

use migration::Migrations;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;
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

    /// The same with the tables of the server, where a copy of them takes less time than all migrations do.
    pub async fn migrated() -> Self {
        let database = Self::create().await;
        match server() {
            None => {
                let file = FILE.get_or_init(migrated_file).await;
                tokio::fs::write(database.folder.path().join("test.db"), file).await.unwrap();
            }
            // The server does it at its start.
            Some(server) if server.starts_with("postgres") => {}
            Some(server) => {
                let definitions = DEFINITIONS.get_or_init(|| migrated_on(server)).await;
                let db = database.connection().await;
                for statement in definitions {
                    db.execute_unprepared(statement).await.unwrap();
                }
                db.close().await.unwrap();
            }
        }
        database
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

/// A SQLite file after all migrations.
static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
/// What makes the tables of MariaDB as all migrations do, with the few rows in them.
static DEFINITIONS: OnceCell<Vec<String>> = OnceCell::const_new();

async fn migrated_file() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.db");
    let db = connect(&format!("sqlite://{}?mode=rwc", file.display())).await;
    Migrations::default().up(&db, None).await.unwrap();
    db.close().await.unwrap();
    tokio::fs::read(file).await.unwrap()
}

async fn migrated_on(server: String) -> Vec<String> {
    // Its rows are read until the process ends, so `.ci/run` drops it.
    let (url, _) = database_on(&server).await;
    let template = url.rsplit('/').next().unwrap_or_default();
    let db = connect(&url).await;
    Migrations::default().up(&db, None).await.unwrap();
    let mut statements = vec!["SET foreign_key_checks = 0".to_owned()];
    for table in texts(&db, "SHOW TABLES", 0).await {
        statements.extend(texts(&db, &format!("SHOW CREATE TABLE \"{table}\""), 1).await);
        statements.push(format!("INSERT INTO \"{table}\" SELECT * FROM {template}.\"{table}\""));
    }
    for trigger in texts(&db, "SHOW TRIGGERS", 0).await {
        statements.extend(texts(&db, &format!("SHOW CREATE TRIGGER {trigger}"), 2).await);
    }
    db.close().await.unwrap();
    statements
}

/// A column of all rows.
async fn texts(db: &DatabaseConnection, sql: &str, column: usize) -> Vec<String> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(column).unwrap()).collect()
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
