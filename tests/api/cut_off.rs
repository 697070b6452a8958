//! A change whose commit was sent is finished, whatever becomes of the request: nobody goes on with what it took.

use std::time::Duration;

use portcullis::app::App;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::authorization::{prepared, root_fields};
use crate::support::servers::{DatabaseServer, Kind};
use crate::support::{SignedIn, TestApp, call, named_server};

/// Deferred until the commit, which then takes half a second.
const SLOW_COMMIT: &str = "
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER dawdles AFTER INSERT ON audit_events
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()";
const BETWEEN: Duration = Duration::from_millis(5);
const ME: &str = "{ me { username email emailVerified fullName role } viewer { permissions } \
                  activeOrganization { id name } }";

/// What takes access from somebody, or changes whose it is.
const TAKES_ACCESS: [&str; 16] = [
    "deactivateUser",
    "deleteUser",
    "setUserRole",
    "revokePermission",
    "endUserSessions",
    "revokeSession",
    "revokeOtherSessions",
    "revokeAllSessions",
    "logout",
    "changePassword",
    "resetPassword",
    "undoEmailChange",
    "removeMember",
    "deactivateAccount",
    "deleteAccount",
    "deleteOrganization",
];

/// How many commits are under way for this database.
async fn commits(db: &DatabaseConnection) -> i64 {
    let asked = "SELECT COUNT(*) AS n FROM pg_stat_activity JOIN pg_locks USING (pid) \
                 JOIN pg_class ON pg_class.oid = relation \
                 WHERE state = 'active' AND query ILIKE 'COMMIT%' AND relname = 'audit_events' \
                 AND relnamespace = current_schema::regnamespace";
    let asked = Statement::from_string(db.get_database_backend(), asked);
    db.query_one_raw(asked).await.unwrap().unwrap().try_get("", "n").unwrap()
}

/// What somebody is told of themselves by an instance, but for what differs from one request to the next.
async fn seen(app: &App, user: &SignedIn) -> Value {
    let mut seen = call(app, ME, json!({}), Some(&user.access)).await.json();
    for error in seen["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"]["requestId"].take();
    }
    assert_ne!(seen["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    seen
}

/// Calls a mutation and goes away while its change is being committed; says whether it came to that. Then this
/// instance must know as much as one that has just started.
async fn cut_off(server: &str, field: &str) -> bool {
    let app = TestApp::start_on(server.to_owned()).await;
    let (boss, target) = (app.admin("boss").await, app.register("target").await);
    let query = format!("mutation {{ {} }}", prepared(&app, field, &target, &boss).await);
    app.sql(SLOW_COMMIT).await;
    let db = app.database.connection().await;
    // Remembered from now on.
    for user in [&boss, &target] {
        seen(&app.app, user).await;
    }
    let (instance, bearer) = (app.app.clone(), boss.access.clone());
    let request =
        tokio::spawn(async move { call(&instance, &query, json!({}), Some(&bearer)).await });
    while commits(&db).await == 0 {
        if request.is_finished() {
            return false;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    request.abort();
    while commits(&db).await > 0 {
        tokio::time::sleep(BETWEEN).await;
    }
    tokio::time::sleep(10 * BETWEEN).await;
    app.sql("DROP TRIGGER dawdles ON audit_events").await;
    let fresh = app.second_instance().await;
    for user in [&boss, &target] {
        let (here, there) = (seen(&app.app, user).await, seen(&fresh, user).await);
        assert_eq!(here, there, "{field}, {}", user.username);
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_goes_on_with_what_a_change_took_whose_caller_went_away() {
    if named_server().is_some() {
        eprintln!("skipped: runs on a PostgreSQL of its own, with the suite on SQLite");
        return;
    }
    let Some(server) = DatabaseServer::start(Kind::Postgres).await else { return };
    let mut fields: Vec<String> = root_fields()
        .into_iter()
        .filter(|field| field.operation == "mutation")
        .map(|field| field.name)
        .collect();
    let mut waiting = JoinSet::new();
    let (mut cut, mut failed) = (Vec::new(), Vec::new());
    while !fields.is_empty() || !waiting.is_empty() {
        while waiting.len() < 6
            && let Some(field) = fields.pop()
        {
            let url = server.url();
            waiting.spawn(async move {
                let outcome = tokio::spawn({
                    let field = field.clone();
                    async move { cut_off(&url, &field).await }
                });
                (field, outcome.await)
            });
        }
        match waiting.join_next().await.unwrap().unwrap() {
            (field, Ok(true)) => cut.push(field),
            (_, Ok(false)) => {}
            (field, Err(_)) => failed.push(field),
        }
    }
    assert_eq!(failed, [""; 0], "of {cut:?}");
    for field in TAKES_ACCESS {
        assert!(cut.iter().any(|cut| cut == field), "{field} was not cut off: {cut:?}");
    }
}
