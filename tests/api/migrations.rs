use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use migration::{Migrations, OwnedTable, Step, TableChange};
use portcullis::app::App;
use portcullis::config::Config;
use portcullis::{Clock, cli};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait};
use sea_orm_migration::prelude::{MigrationName, MigrationTrait, SchemaManager};
use serde_json::json;

use crate::support::{SECOND, TestApp, TestDatabase, send_as_it_is, start_of_time};

/// The level of the first program that knows levels.
const FIRST_LEVEL: u32 = 36;

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

/// Has the last step of each migration fail, from the one on that makes the table.
const REFUSE_LEVELS: &str = "CREATE TRIGGER refuse_levels BEFORE UPDATE ON schema_levels FOR EACH ROW \
                             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'cut off'";

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
        // On its way back its record is the first to go, so that what is left is made again.
        let _without_the_table = db.execute_unprepared(REFUSE_LEVELS).await;
        let cut_off = Migrations::default().down(&db, 1).await;
        db.execute_unprepared("DROP TRIGGER IF EXISTS refuse_levels").await.unwrap();
        if cut_off.is_err() {
            let pending = Migrations::default().status(&db).await.unwrap().pending;
            assert_eq!(pending.len(), all + 1 - number, "{pending:?}");
        }
        Migrations::default().up(&db, Some(1)).await.unwrap();
    }
    Migrations::default().down(&db, 99).await.unwrap();
}

/// As a later release leaves the database behind whose migrations a program of this `level` survives.
async fn upgrade(app: &TestApp, oldest_level_allowed: u32) {
    app.sql("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2999_later', 0)").await;
    let levels = format!(
        "UPDATE schema_levels SET level = level + 1, oldest_level_allowed = {oldest_level_allowed} \
         WHERE source = 'server'"
    );
    app.sql(&levels).await;
}

/// What load balancers are told.
async fn readiness(app: &TestApp) -> u16 {
    let request = Request::get("/readyz").body(Body::empty()).unwrap();
    send_as_it_is(&app.app, request).await.status.as_u16()
}

/// How many migrations of its own this program knows.
async fn own_level(db: &DatabaseConnection) -> u32 {
    let applied = Migrations::default().status(db).await.unwrap().applied;
    u32::try_from(applied.len()).unwrap()
}

#[tokio::test]
async fn an_older_program_refuses_a_newer_schema_that_it_would_not_survive() {
    let app = TestApp::start().await;
    let db = app.database.connection().await;
    upgrade(&app, own_level(&db).await + 1).await;

    assert_eq!(readiness(&app).await, 503);
    assert!(matches!(
        Migrations::default().up(&db, None).await,
        Err(migration::Error::Newer { .. })
    ));
    assert!(matches!(
        Migrations::default().down(&db, 1).await,
        Err(migration::Error::Newer { .. })
    ));
    assert!(build(&app.database).await.is_err_and(|error| error.to_string().contains("newer")));
    let told = app.cli(&["admin", "list"]).await;
    assert!(told.complaint().contains("newer"), "{told:?}");
    assert_eq!(app.cli(&["migrate", "status"]).await.status, 1);

    // Nobody knows what a release did that tells nothing.
    app.sql("DROP TABLE schema_levels").await;
    assert_eq!(readiness(&app).await, 503);
}

#[tokio::test]
async fn an_older_program_runs_on_a_newer_schema_that_allows_it() {
    let app = TestApp::start().await;
    let db = app.database.connection().await;
    upgrade(&app, own_level(&db).await).await;

    assert_eq!(readiness(&app).await, 200);
    app.register("alice").await;
    build(&app.database).await.unwrap().close().await.unwrap();
    app.cli(&["admin", "list"]).await.printed();
    let status = app.cli(&["migrate", "status", "--json"]).await.json();
    assert_eq!(
        (&status["unknown"], &status["isCompatible"]),
        (&json!(["m2999_later"]), &json!(true))
    );
    app.cli(&["audit", "verify"]).await.printed();
    app.cli(&["migrate", "up"]).await.printed();
    let told = app.cli(&["migrate", "down", "--yes"]).await;
    assert!(told.complaint().contains("newer"), "{told:?}");
}

#[tokio::test]
async fn a_plan_says_what_is_pending_and_whether_servers_can_run_meanwhile() {
    let app = TestApp::start().await;
    assert_eq!(app.cli(&["migrate", "plan"]).await.printed(), "Nothing is pending.\n");
    let db = app.database.connection().await;
    forget_extension(&app).await;
    // Programs from before there were levels do not know them.
    while own_level(&db).await >= FIRST_LEVEL {
        Migrations::default().down(&db, 1).await.unwrap();
    }
    let plan = app.cli(&["migrate", "plan"]).await;
    assert!(plan.printed().contains("It is not known which locks 1 of"), "{plan:?}");
    assert!(plan.printed().ends_with("does not work on the new schema.\n"), "{plan:?}");
    assert_eq!(app.cli(&["migrate", "plan", "--json"]).await.json()["needsStop"], true);
}

struct Nothing(&'static str);

impl MigrationName for Nothing {
    fn name(&self) -> &str {
        self.0
    }
}

#[async_trait]
impl MigrationTrait for Nothing {
    async fn up(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}

/// The migrations of four releases of an extension.
const RELEASES: [fn() -> Vec<Step>; 4] = [
    || vec![OwnedTable::new("notes").created_by("m1")],
    || vec![OwnedTable::new("notes").created_by("m1"), Step::new(Nothing("m2")).expands()],
    || {
        vec![
            OwnedTable::new("notes").created_by("m1"),
            Step::new(Nothing("m2")).expands(),
            Step::new(Nothing("m3"))
                .contracts_to("m2")
                .change(TableChange::Definition("users"))
                .change(TableChange::Index("users"))
                .change(TableChange::Rows("nowhere")),
        ]
    },
    || vec![OwnedTable::new("notes").created_by("m1"), Step::new(Nothing("m2b")).expands()],
];

#[tokio::test]
async fn releases_of_an_extension_run_side_by_side_for_as_long_as_it_says() {
    let database = TestDatabase::create().await;
    if database.url.starts_with("sqlite") {
        std::fs::File::create(database.folder.path().join("test.db")).unwrap();
    }
    let db = database.connection().await;
    let [first, second, third, stray] = RELEASES.map(Migrations::with);
    let compatible = async |release: Migrations| release.status(&db).await.unwrap().is_compatible();
    first.up(&db, None).await.unwrap();
    assert!(compatible(first).await && !compatible(second).await);
    let plan = second.plan(&db).await.unwrap();
    assert_eq!((plan.steps.len(), plan.needs_stop, plan.required.len()), (1, false, 0));

    second.up(&db, None).await.unwrap();
    assert!(compatible(first).await && compatible(second).await);
    let plan = third.plan(&db).await.unwrap();
    let told: Vec<_> = plan.steps[0].changes.iter().map(|(change, _)| *change).collect();
    assert_eq!(told.len(), 3, "{plan:?}");
    assert_eq!((plan.needs_stop, plan.required), (false, vec!["m2".to_owned()]));

    third.up(&db, None).await.unwrap();
    assert!(!compatible(first).await && compatible(second).await && compatible(third).await);
    assert!(matches!(first.up(&db, None).await, Err(migration::Error::Newer { .. })));
    third.down(&db, 1).await.unwrap();
    assert!(compatible(first).await && compatible(second).await && !compatible(third).await);

    // Its migration was begun, so that nobody who would not survive it is still ready.
    let raise = "UPDATE schema_levels SET oldest_level_allowed = 2 WHERE source = 'extension'";
    db.execute_unprepared(raise).await.unwrap();
    assert!(!compatible(first).await && compatible(second).await);
    assert!(matches!(
        Migrations::with(|| vec![Step::new(Nothing("m0")), Step::new(Nothing("m2"))])
            .up(&db, None)
            .await,
        Err(migration::Error::Newer { .. })
    ));
    assert!(matches!(stray.up(&db, None).await, Err(migration::Error::Newer { .. })));
    let early = || {
        let mut all = RELEASES[1]();
        all.push(Step::new(Nothing("m0")));
        all
    };
    assert!(matches!(
        Migrations::with(early).up(&db, None).await,
        Err(migration::Error::OutOfOrder { .. })
    ));
}

/// The server's own migrations are not taken back below those of an extension.
async fn forget_extension(app: &TestApp) {
    app.sql("DROP TABLE tasks").await;
    app.sql("DROP TABLE portcullis_extension_migrations").await;
}

#[tokio::test]
async fn what_is_taken_back_and_applied_again_raises_no_alarm() {
    let app = TestApp::start().await;
    app.register("alice").await;
    app.app.seal_audit().await.unwrap();
    forget_extension(&app).await;
    let db = app.database.connection().await;
    let mut has_refused = false;
    for steps in 1..=own_level(&db).await {
        let told = app.cli(&["migrate", "down", &format!("--steps={steps}")]).await;
        if told.status != 0 {
            assert!(told.complaint().contains("the audit log cannot be verified"), "{told:?}");
            has_refused = true;
            continue;
        }
        assert!(!has_refused, "{steps} more were taken back");
        app.cli(&["migrate", "up"]).await.printed();
        app.cli(&["audit", "verify"]).await.printed();
    }
    assert!(has_refused);
}

#[tokio::test]
async fn in_production_a_migration_is_taken_back_only_when_that_is_said() {
    let app = TestApp::start().await;
    forget_extension(&app).await;
    let db = app.database.connection().await;
    let level = own_level(&db).await;
    let production = [
        "migrate",
        "down",
        "--env=production",
        "--public-url=https://auth.example.org",
        "--secret-key=Zx9Wq2Er7Ty4Ui1Op8As5Df3Gh6Jk0LmNb7Vc2Xz",
        "--rate-limits=on",
        "--argon2-memory-kib=47104",
        "--argon2-iterations=1",
    ];
    let told = app.cli(&production).await;
    assert!(told.complaint().contains("--yes"), "{told:?}");
    assert_eq!(own_level(&db).await, level);
    let told = app.cli(&[&production[..], &["--yes"]].concat()).await;
    assert!(told.printed().contains("reverted m2026"), "{told:?}");
    assert_eq!(own_level(&db).await, level - 1);
    assert_eq!(app.count("audit_events WHERE kind = 'MIGRATIONS_REVERTED'").await, 1);
    // On that schema this program writes no events.
    let told = app.cli(&[&production[..], &["--yes"]].concat()).await;
    assert!(told.printed().contains("The audit log does not record this"), "{told:?}");
}

/// Who was asked about one migration must not revert another, because somebody else was faster.
#[tokio::test]
async fn only_those_migrations_are_reverted_that_were_asked_about() {
    let database = TestDatabase::create().await;
    if database.url.starts_with("sqlite") {
        std::fs::File::create(database.folder.path().join("test.db")).unwrap();
    }
    let db = database.connection().await;
    let all = Migrations::default();
    all.up(&db, None).await.unwrap();
    let applied = all.status(&db).await.unwrap().applied;
    let asked = &applied[applied.len() - 1..];
    let both = tokio::join!(all.revert(&db, asked), all.revert(&db, asked));
    let refused = [both.0, both.1].map(|outcome| outcome.err().map(|error| error.to_string()));
    let refused: Vec<_> = refused.iter().flatten().collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("nothing was reverted"), "{refused:?}");
    assert_eq!(all.status(&db).await.unwrap().applied.len(), applied.len() - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_lets_those_through_who_use_a_table_and_tries_again() {
    let database = TestDatabase::create().await;
    if database.url.starts_with("sqlite") {
        eprintln!("skipped: on this database a migration locks everything at once");
        return;
    }
    let db = database.connection().await;
    Migrations::default().up(&db, None).await.unwrap();
    let used = db.begin().await.unwrap();
    used.execute_unprepared("SELECT level FROM schema_levels").await.unwrap();
    let other = db.clone();
    let reverted = tokio::spawn(async move { Migrations::default().down(&other, 99).await });
    // Whoever comes after it waits for it, and is let through when it gives up.
    tokio::time::sleep(SECOND).await;
    let third = database.connection().await;
    let read = third.execute_unprepared("SELECT level FROM schema_levels");
    tokio::time::timeout(SECOND * 30, read).await.unwrap().unwrap();
    assert!(!reverted.is_finished());
    used.rollback().await.unwrap();
    reverted.await.unwrap().unwrap();
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
