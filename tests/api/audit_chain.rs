//! The chain over the audit log: what is tampered with shows.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::Value;

use crate::support::process::Server;
use crate::support::{TestApp, start_of_time};

/// An instance whose events of three registrations are sealed.
async fn sealed() -> TestApp {
    let app = TestApp::start_now(&[]).await;
    for name in ["alice", "bob", "carol"] {
        app.register(name).await;
    }
    app.clock.advance(Duration::from_secs(1));
    app.app.seal_audit().await.unwrap();
    app
}

async fn verify(app: &TestApp) -> Value {
    app.cli(&["audit", "verify", "--json"]).await.json()
}

/// Allows what the database itself refuses, as somebody with all rights over it may.
async fn without_triggers(app: &TestApp) {
    let statements: &[&str] = match app.database.url.split(':').next() {
        Some("postgres") => &["DROP FUNCTION portcullis_sealed() CASCADE"],
        Some("mysql") => &[
            "DROP TRIGGER audit_events_sealed_update",
            "DROP TRIGGER audit_events_sealed_delete",
            "DROP TRIGGER audit_events_sealed_detail",
            "DROP TRIGGER audit_chain_sealed_update",
            "DROP TRIGGER audit_chain_sealed_delete",
        ],
        _ => &[],
    };
    for statement in statements {
        app.sql(statement).await;
    }
}

#[tokio::test]
async fn a_whole_chain_is_told_with_its_head_and_what_is_not_sealed_yet() {
    let app = Box::pin(sealed()).await;
    let before = verify(&app).await;
    let count = app.count("audit_events").await;
    assert_eq!((before["links"].as_i64(), before["unsealed"].as_i64()), (Some(count), Some(0)));

    app.register("dave").await;
    let behind = verify(&app).await;
    assert_eq!((&behind["head"], behind["unsealed"].as_i64()), (&before["head"], Some(2)));

    app.app.seal_audit().await.unwrap();
    let head = format!("--head={}", before["head"].as_str().unwrap());
    let grown = app.cli(&["audit", "verify", &head]).await;
    assert!(grown.printed().contains("0 events are not sealed yet"));
    let other = format!("--head={}", "0".repeat(63) + "1");
    assert!(app.cli(&["audit", "verify", &other]).await.complaint().contains("no part of it"));
}

/// The link of an event in which nothing is absent.
async fn complete(app: &TestApp) -> i64 {
    let db = app.database.connection().await;
    let sql = "SELECT MAX(seq) AS seq FROM audit_chain JOIN audit_events ON id = event_id \
               WHERE kind = 'SIGNED_IN'";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(statement).await.unwrap().unwrap().try_get("", "seq").unwrap()
}

#[tokio::test]
async fn whatever_is_done_to_a_sealed_event_shows() {
    let tampered = [
        ("UPDATE audit_events SET kind = 'USER_CREATED' WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET outcome = 'REFUSED' WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET actor_kind = 'CLI' WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET actor_id = NULL WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET target_id = NULL WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET session_hash = NULL WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET request_id = 'another' WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET occurrences = 2 WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET organization_id = target_id WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET detail = 'ADMIN' WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET created_at = sealed_at WHERE id = {event}", "was changed"),
        ("UPDATE audit_events SET id = target_id WHERE id = {event}", "is gone"),
        ("DELETE FROM audit_events WHERE id = {event}", "is gone"),
        ("DELETE FROM audit_chain WHERE seq = 4", "link 4 is missing"),
        ("DELETE FROM audit_chain WHERE seq > 4", "have no link"),
        (
            "UPDATE audit_chain SET digest = (SELECT digest FROM audit_seal) WHERE seq = 4",
            "at link 4",
        ),
        (
            "UPDATE audit_chain SET seq = CASE seq WHEN 4 THEN 1005 ELSE 1004 END \
             WHERE seq IN (4, 5)",
            "link 4 is missing",
        ),
        (
            "INSERT INTO audit_events (id, created_at, kind, outcome, actor_kind, sealed_at) \
             SELECT target_id, created_at, kind, outcome, actor_kind, sealed_at \
             FROM audit_events WHERE id = {event}",
            "have no link",
        ),
    ];
    for (sql, expected) in tampered {
        let app = Box::pin(sealed()).await;
        without_triggers(&app).await;
        let event =
            format!("(SELECT event_id FROM audit_chain WHERE seq = {})", complete(&app).await);
        app.sql(&sql.replace("{event}", &event)).await;
        let told = app.cli(&["audit", "verify"]).await;
        assert!(told.complaint().contains(expected), "{sql}: {told:?}");
    }
}

#[tokio::test]
async fn what_an_event_tells_in_detail_is_sealed_with_it() {
    let app = TestApp::start_now(&[]).await;
    app.granted("alice", "USERS_READ").await;
    app.app.seal_audit().await.unwrap();
    verify(&app).await;
    without_triggers(&app).await;
    for detail in ["'USERS_WRITE'", "NULL"] {
        let set = |to: &str| {
            format!("UPDATE audit_events SET detail = {to} WHERE kind = 'PERMISSION_GRANTED'")
        };
        app.sql(&set(detail)).await;
        let told = app.cli(&["audit", "verify"]).await;
        assert!(told.complaint().contains("was changed"), "{detail}: {told:?}");
        app.sql(&set("'USERS_READ'")).await;
        verify(&app).await;
    }
}

#[tokio::test]
async fn a_tail_that_was_cut_off_with_its_events_shows_by_the_noted_head_only() {
    let app = Box::pin(sealed()).await;
    without_triggers(&app).await;
    let noted = verify(&app).await;
    let tail = "(SELECT event_id FROM audit_chain WHERE seq > 4)";
    app.sql(&format!("DELETE FROM audit_events WHERE id IN {tail}")).await;
    app.sql("DELETE FROM audit_chain WHERE seq > 4").await;

    assert_eq!(verify(&app).await["links"], 4);
    let head = format!("--head={}", noted["head"].as_str().unwrap());
    assert!(app.cli(&["audit", "verify", &head]).await.complaint().contains("cut off"));
}

#[tokio::test]
async fn a_server_database_refuses_changes_of_what_is_sealed_and_lets_addresses_be_erased() {
    let app = Box::pin(sealed()).await;
    if app.database.url.starts_with("sqlite") {
        eprintln!("skipped: whoever can write a file can change it");
        return;
    }
    let db = app.database.connection().await;
    for sql in [
        "UPDATE audit_events SET outcome = 'REFUSED'",
        "UPDATE audit_events SET sealed_at = NULL",
        "UPDATE audit_events SET detail = 'ADMIN'",
        "UPDATE audit_events SET organization_id = target_id WHERE target_id IS NOT NULL",
        "DELETE FROM audit_events",
        "UPDATE audit_chain SET seq = seq + 100",
        "DELETE FROM audit_chain",
    ] {
        assert!(db.execute_unprepared(sql).await.is_err(), "{sql}");
    }
    app.sql("UPDATE audit_events SET ip = NULL, user_agent = NULL").await;
    app.register("dave").await;
    app.sql("UPDATE audit_events SET outcome = 'OTHER' WHERE sealed_at IS NULL").await;
    verify(&app).await;
}

#[tokio::test]
async fn pruning_removes_what_is_old_and_leaves_a_chain_that_can_be_verified() {
    let app = Box::pin(sealed()).await;
    let old = app.count("audit_events").await;
    // To the command line, whose clock is the machine's, it is all of today.
    assert!(app.cli(&["audit", "prune", "--older-than=1d"]).await.printed().contains("removed 0"));

    let app = TestApp::start().await;
    for name in ["alice", "bob", "carol"] {
        app.register(name).await;
    }
    app.clock.advance(Duration::from_hours(24 * 100));
    app.register("dave").await;
    app.app.seal_audit().await.unwrap();
    let days = (portcullis::Clock::system().now() - start_of_time()).num_days() - 50;
    let pruned = app.cli(&["audit", "prune", &format!("--older-than={days}d")]).await;
    assert!(pruned.printed().contains(&format!("removed {old} events")), "{pruned:?}");

    app.app.seal_audit().await.unwrap();
    let left = verify(&app).await;
    assert_eq!(left["links"].as_i64(), Some(3), "two of dave's and the prune itself");
    assert_eq!(
        app.count("audit_events WHERE kind = 'AUDIT_PRUNED' AND actor_kind = 'CLI'").await,
        1
    );
    assert!(app.cli(&["audit", "prune", "--older-than=soon"]).await.status == 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_that_seal_at_once_make_one_chain() {
    let app = TestApp::start().await;
    let other = app.second_instance().await;
    for round in 0..5 {
        app.register(&format!("user{round}")).await;
        // To neither the other's time is over: whoever comes second leaves it to the first.
        let (first, second) = tokio::join!(app.app.seal_audit(), other.seal_audit());
        first.unwrap();
        second.unwrap();
        app.clock.advance(Duration::from_secs(3));
    }
    other.seal_audit().await.unwrap();
    let verified = verify(&app).await;
    assert_eq!(verified["links"].as_i64(), Some(app.count("audit_events").await));
}

#[tokio::test]
async fn addresses_are_erased_after_ninety_days_and_the_chain_stays_whole() {
    let app = Box::pin(sealed()).await;
    app.sql("UPDATE audit_events SET ip = '203.0.113.7', user_agent = 'test'").await;
    let all = app.count("audit_events WHERE ip IS NOT NULL").await;
    assert!(all > 0);
    app.clock.advance(Duration::from_hours(24 * 90 - 1));
    app.app.erase_origins().await.unwrap();
    assert_eq!(
        app.count("audit_events WHERE ip IS NOT NULL AND user_agent IS NOT NULL").await,
        all
    );

    app.clock.advance(Duration::from_hours(2));
    app.app.erase_origins().await.unwrap();
    assert_eq!(app.count("audit_events WHERE ip IS NOT NULL OR user_agent IS NOT NULL").await, 0);
    verify(&app).await;
}

#[tokio::test]
async fn the_doctor_notes_a_log_that_nobody_seals() {
    let app = TestApp::start().await;
    let behind = "events are not sealed since 2026-01-01";
    // Its other findings are not the point here, nor whether they let it succeed.
    assert!(app.cli(&["doctor"]).await.stdout.contains(behind));
    app.app.seal_audit().await.unwrap();
    assert!(!app.cli(&["doctor"]).await.stdout.contains("not sealed"));
}

/// Waits until every event is sealed, which a running server does within two seconds.
async fn until_sealed(app: &TestApp) {
    let sealed = async {
        while app.count("audit_events WHERE sealed_at IS NULL").await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), sealed).await.unwrap();
}

#[tokio::test]
async fn another_server_seals_on_when_one_is_killed_and_an_orderly_stop_is_told() {
    let app = TestApp::start_now(&[]).await;
    let [killed, mut stopped] = [(); 2].map(|()| Server::start(&app.database));
    killed.register("alice").await;
    until_sealed(&app).await;
    killed.kill();
    stopped.register("bob").await;
    until_sealed(&app).await;
    let head = verify(&app).await["head"].as_str().unwrap().to_owned();
    assert!(!stopped.logged("the audit log's head").is_empty());

    stopped.terminate();
    assert!(stopped.wait().success());
    assert_eq!(app.count("audit_events WHERE kind = 'SERVER_STARTED'").await, 2);
    assert_eq!(app.count("audit_events WHERE kind = 'SERVER_STOPPED'").await, 1);
    app.app.seal_audit().await.unwrap();
    assert!(app.cli(&["audit", "verify", &format!("--head={head}")]).await.printed().len() > 64);
}
