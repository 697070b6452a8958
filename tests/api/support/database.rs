//! A database for each test: a SQLite file, or a schema of the PostgreSQL that
//! `TEST_DATABASE_URL` names.

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tempfile::TempDir;
use uuid::Uuid;

/// Dropped with the test; a PostgreSQL schema stays for `.ci/run` to drop with its database.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    pub(crate) folder: TempDir,
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match server() {
            None => format!("sqlite://{}/test.db", folder.path().display()),
            Some(server) => {
                let schema = format!("t{}", Uuid::now_v7().simple());
                let db = connect(&server).await;
                db.execute_unprepared(&format!("CREATE SCHEMA {schema}")).await.unwrap();
                db.close().await.unwrap();
                let separator = if server.contains('?') { '&' } else { '?' };
                format!("{server}{separator}options=-csearch_path%3D{schema}")
            }
        };
        Self { url, folder }
    }

    /// A connection beside the server's own, for what the API does not show.
    pub(crate) async fn connection(&self) -> DatabaseConnection {
        connect(&self.url).await
    }
}

/// The PostgreSQL to test on, if one is named.
#[expect(clippy::disallowed_methods, reason = "the tests' own setting, not the program's")]
pub(crate) fn server() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}
