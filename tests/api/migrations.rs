use std::sync::Arc;

use migration::Migrations;
use portcullis::app::App;
use portcullis::config::Config;
use portcullis::{Clock, cli};
use sea_orm::ConnectionTrait;

use crate::support::{TestApp, TestDatabase, start_of_time};

#[tokio::test]
async fn the_schema_goes_up_and_down_and_up_again() {
    let database = TestDatabase::create().await;
    if database.url.starts_with("sqlite") {
        std::fs::File::create(database.folder.path().join("test.db")).unwrap();
    }
    let db = database.connection().await;
    assert_eq!(Migrations::default().status(&db).await.unwrap().applied.len(), 0);
    for _ in 0..2 {
        Migrations::default().up(&db, None).await.unwrap();
        assert!(Migrations::default().status(&db).await.unwrap().is_current());
        Migrations::default().down(&db, 99).await.unwrap();
        assert_eq!(Migrations::default().status(&db).await.unwrap().applied.len(), 0);
    }
    Migrations::default().up(&db, Some(2)).await.unwrap();
    assert_eq!(Migrations::default().status(&db).await.unwrap().applied.len(), 2);
}

/// MySQL and MariaDB commit each change of the schema at once, so a migration that is cut off there
/// leaves a part of itself behind, and no record.
#[tokio::test]
async fn a_migration_that_was_cut_off_runs_again() {
    let database = TestDatabase::create().await;
    if !database.url.starts_with("mysql") {
        eprintln!("skipped: this database takes a migration back that was cut off");
        return;
    }
    let db = database.connection().await;
    let all = Migrations::default().status(&db).await.unwrap().pending.len();
    for number in 1..=all {
        Migrations::default().up(&db, Some(1)).await.unwrap();
        // All of it is there but its record.
        let forget = "DELETE FROM seaql_migrations WHERE version = \
                      (SELECT version FROM (SELECT MAX(version) AS version FROM seaql_migrations) t)";
        db.execute_unprepared(forget).await.unwrap();
        Migrations::default().up(&db, Some(1)).await.unwrap();
        let applied = Migrations::default().status(&db).await.unwrap().applied;
        assert_eq!(applied.len(), number, "{applied:?}");
    }
    Migrations::default().down(&db, 99).await.unwrap();
}

#[tokio::test]
async fn an_older_program_refuses_a_newer_schema() {
    let app = TestApp::start().await;
    app.sql("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2999_later', 0)").await;
    let db = app.database.connection().await;

    assert!(matches!(
        Migrations::default().up(&db, None).await,
        Err(migration::Error::Newer { .. })
    ));
    assert!(matches!(
        Migrations::default().down(&db, 1).await,
        Err(migration::Error::Newer { .. })
    ));
    assert!(build(&app.database).await.is_err_and(|error| error.to_string().contains("newer")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_that_start_at_once_agree_on_one_schema_and_one_key_set() {
    let database = Arc::new(TestDatabase::create().await);
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let database = Arc::clone(&database);
            tokio::spawn(async move { build(&database).await.unwrap() })
        })
        .collect();
    for start in starts {
        start.await.unwrap();
    }
    let db = database.connection().await;
    let sql = "SELECT COUNT(*) AS n FROM \"keys\"";
    let counted = sea_orm::Statement::from_string(db.get_database_backend(), sql);
    let keys: i64 = db.query_one_raw(counted).await.unwrap().unwrap().try_get("", "n").unwrap();
    assert_eq!(keys, 2);
}

#[tokio::test]
async fn another_secret_opens_nothing_and_makes_no_new_keys() {
    let app = TestApp::start().await;
    let mut flags = flags(&app.database);
    flags.push("--secret-key=Zx9Wq2Er7Ty4Ui1Op8As5Df3Gh6Jk0LmNb7Vc2Xz".to_owned());
    let config = Config::new(&cli::settings(&flags).unwrap()).unwrap();
    let error = App::build(config, Clock::manual(start_of_time())).await.err().unwrap();

    assert!(error.to_string().contains("SECRET_KEY does not decrypt"), "{error}");
    assert_eq!(app.count("\"keys\"").await, 2);
}

fn flags(database: &TestDatabase) -> Vec<String> {
    vec![
        format!("--database-url={}", database.url),
        format!("--data-dir={}", database.folder.path().display()),
        "--database-connections=4".to_owned(),
    ]
}

async fn build(database: &TestDatabase) -> anyhow::Result<App> {
    let config = Config::new(&cli::settings(&flags(database))?)?;
    App::build(config, Clock::manual(start_of_time())).await
}
