//! What must mean the same on every database, where their own defaults differ.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};
use serde_json::json;

use crate::support::{PASSWORD, TestApp, call};

#[tokio::test]
async fn times_are_kept_to_the_microsecond() {
    let app = TestApp::start().await;
    app.clock.advance(Duration::from_micros(123_456));
    let alice = app.register("alice").await;
    app.clock.advance(Duration::from_mins(1)); // What the instance remembers is not asked.

    let me = app.query("{ me { createdAt } }", &alice.access).await.data();
    assert_eq!(me["me"]["createdAt"], "2026-01-01T00:00:00.123456Z");
}

#[tokio::test]
async fn names_are_compared_and_ordered_by_their_bytes() {
    let app = TestApp::start().await;
    let boss = app.admin("m.boss").await;
    let names = ["zz_z", "zz-z", "zz.z", "zzaz", "zz0z"];
    for name in names {
        app.register(name).await;
    }
    // Each differs from the one before in what a collation for people would pass over.
    let emails = ["stra\u{df}e@example.com", "strasse@example.com", "\u{e9}@example.com"];
    for (i, email) in emails.into_iter().chain(["e@example.com"]).enumerate() {
        app.try_register(&format!("aa{i}x"), email, PASSWORD).await.data();
    }

    let query = "{ users(first: 5, orderBy: { field: USERNAME, direction: DESC }) \
                 { edges { node { username } } } }";
    let users = app.query(query, &boss.access).await.data();
    let listed: Vec<_> = users["users"]["edges"].as_array().unwrap().iter().collect();
    let listed: Vec<_> = listed.iter().map(|edge| edge["node"]["username"].clone()).collect();
    assert_eq!(json!(listed), json!(["zzaz", "zz_z", "zz0z", "zz.z", "zz-z"]));
    assert_eq!(app.count("users WHERE username_key = 'zz_z '").await, 0, "no padding");
    assert_eq!(app.count("users WHERE username_key = 'ZZ_Z'").await, 0, "no folding");
}

#[tokio::test]
async fn postgresql_is_spoken_to_over_tls_where_the_url_asks_for_it() {
    let secret = format!("--secret-key={}", "correct horse battery staple ".repeat(2));
    let app = TestApp::start_with(&[&secret]).await;
    let db = app.database.connection().await;
    if db.get_database_backend() != DbBackend::Postgres {
        eprintln!("skipped: this database is not PostgreSQL");
        return;
    }
    let asked = Statement::from_string(DbBackend::Postgres, "SHOW ssl");
    let told: String = db.query_one_raw(asked).await.unwrap().unwrap().try_get("", "ssl").unwrap();
    if told != "on" {
        eprintln!("skipped: this server speaks no TLS");
        return;
    }
    let alice = app.register("alice").await;
    let plain = app.database.url.replace("sslmode=disable", "");
    let flag = format!("--database-url={plain}&sslmode=require");
    let secured = app.second_instance_with(&[&flag]).await;
    call(&secured, "{ me { id } }", json!({}), Some(&alice.access)).await.data();
}

#[tokio::test]
async fn on_mysql_times_have_microseconds_and_keys_a_binary_collation() {
    let app = TestApp::start().await;
    let db = app.database.connection().await;
    if db.get_database_backend() != DbBackend::MySql {
        eprintln!("skipped: the columns of this database need no such care");
        return;
    }
    let columns = "SELECT CONCAT(TABLE_NAME, '.', COLUMN_NAME, ' ', COLUMN_TYPE, ' ', \
                   COALESCE(COLLATION_NAME, '')) AS told FROM information_schema.COLUMNS \
                   WHERE TABLE_SCHEMA = database() AND TABLE_NAME NOT LIKE '%_migrations'";
    let rows = db.query_all_raw(Statement::from_string(DbBackend::MySql, columns)).await.unwrap();
    let told: Vec<String> = rows.iter().map(|row| row.try_get("", "told").unwrap()).collect();

    let times: Vec<_> = told.iter().filter(|column| column.contains("_at ")).collect();
    assert!(times.len() > 10 && times.iter().all(|column| column.contains("datetime(6)")));
    for key in ["users.username_key", "users.email_key", "users.role", "keys.id", "keys.purpose"] {
        let column = told.iter().find(|column| column.starts_with(&format!("{key} "))).unwrap();
        let is_binary =
            ["utf8mb4_nopad_bin", "utf8mb4_0900_bin"].iter().any(|c| column.ends_with(c));
        assert!(is_binary, "{column}");
    }
    assert!(told.iter().any(|column| column.starts_with("users.id binary(16)")), "{told:?}");
}

/// Begins a transaction that holds `first` and has written more than the server will have.
async fn hold(db: &DatabaseConnection, first: &str) -> sea_orm::DatabaseTransaction {
    let txn = db.begin().await.unwrap();
    lock(&txn, first).await;
    // InnoDB gives way to whoever has written more.
    txn.execute_unprepared("UPDATE audit_events SET outcome = outcome").await.unwrap();
    txn
}

async fn lock(txn: &sea_orm::DatabaseTransaction, username: &str) {
    let sql = format!("SELECT id FROM users WHERE username_key = '{username}' FOR UPDATE");
    txn.execute_unprepared(&sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_victim_of_a_deadlock_tries_again_and_its_caller_does_not_notice() {
    let app = TestApp::start().await;
    let db = app.database.connection().await;
    if db.get_database_backend() == DbBackend::Sqlite {
        eprintln!("skipped: SQLite has one writer at a time, and so no deadlocks");
        return;
    }
    // Their ids rise, and the server locks them in that order.
    let boss = app.admin("boss").await;
    let alice = app.register("alice").await;
    for i in 0..20 {
        app.register(&format!("other{i}")).await;
    }

    let txn = hold(&db, "alice").await;
    let query = format!(
        "mutation {{ deactivateUser(input: {{ id: \"{}\" }}) {{ user {{ isActive }} }} }}",
        alice.id
    );
    let bearer = boss.access.clone();
    let server = app.app.clone();
    let change = tokio::spawn(async move {
        crate::support::call(&server, &query, json!({}), Some(&bearer)).await
    });
    // The server holds the boss's row and waits for Alice's.
    let waiting = match db.get_database_backend() {
        DbBackend::Postgres => "pg_stat_activity WHERE wait_event_type = 'Lock'",
        _ => "information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'",
    };
    let began = Instant::now();
    while app.count(waiting).await == 0 {
        assert!(began.elapsed() < Duration::from_mins(1), "the server does not wait");
        // InnoDB tells what it told last time to whoever asks again within a tenth of a second.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    lock(&txn, "boss").await; // The circle is closed, and it is the server that gives way.
    txn.rollback().await.unwrap();

    assert_eq!(change.await.unwrap().data()["deactivateUser"]["user"]["isActive"], false);
}
