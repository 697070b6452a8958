//! The chain over the audit log: what is tampered with shows.

use std::time::Duration;

use migration::Migrations;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::Value;

use crate::support::process::Server;
use crate::support::{SECOND, TestApp, start_of_time};

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
        Some("postgres") => &[
            "DROP FUNCTION portcullis_sealed() CASCADE",
            "DROP FUNCTION portcullis_audit_kept() CASCADE",
        ],
        Some("mysql") => &[
            "DROP TRIGGER audit_events_sealed_update",
            "DROP TRIGGER audit_events_sealed_delete",
            "DROP TRIGGER audit_seal_kept_row",
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
    let printed = grown.printed();
    assert!(printed.contains("0 events are not sealed yet"), "{printed}");
    assert!(printed.contains(&format!("the noted head is link {count} of the chain")), "{printed}");
    let other = format!("--head=2:{}", "0".repeat(63) + "1");
    assert!(app.cli(&["audit", "verify", &other]).await.complaint().contains("rebuilt the chain"));
    let digest = before["head"].as_str().unwrap().split_once(':').unwrap().1;
    assert_eq!(app.cli(&["audit", "verify", "--head", digest]).await.status, 2, "no number");
}

/// The link of an event in which nothing is absent.
async fn complete(app: &TestApp) -> i64 {
    let db = app.database.connection().await;
    let sql = "SELECT MAX(seq) AS seq FROM audit_events WHERE kind = 'SIGNED_IN'";
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
        (
            "UPDATE audit_events SET created_at = '2026-01-02 03:04:05' WHERE id = {event}",
            "was changed",
        ),
        ("UPDATE audit_events SET id = target_id WHERE id = {event}", "was changed"),
        ("DELETE FROM audit_events WHERE id = {event}", "is missing"),
        ("UPDATE audit_events SET seq = NULL WHERE seq = 4", "link 4 is missing"),
        ("UPDATE audit_events SET seq = NULL WHERE seq > 4", "its signed end, is missing"),
        ("UPDATE audit_events SET seq = NULL", "its signed end, is missing"),
        ("UPDATE audit_events SET digest = NULL WHERE seq = 4", "at link 4"),
        (
            "UPDATE audit_events SET digest = (SELECT digest FROM audit_seal) WHERE seq = 4",
            "at link 4",
        ),
        (
            "UPDATE audit_events SET seq = CASE seq WHEN 4 THEN 1005 ELSE 1004 END \
             WHERE seq IN (4, 5)",
            "link 4 is missing",
        ),
        (
            "INSERT INTO audit_events (id, created_at, kind, outcome, actor_kind, occurrences, seq, digest) \
             SELECT target_id, created_at, kind, outcome, actor_kind, 1, -1, digest \
             FROM audit_events WHERE id = {event}",
            "are not part of it",
        ),
        (
            "INSERT INTO audit_events (id, created_at, kind, outcome, actor_kind, occurrences, seq, digest) \
             SELECT target_id, created_at, kind, outcome, actor_kind, 1, 1000000, digest \
             FROM audit_events WHERE id = {event}",
            "is missing",
        ),
    ];
    for (sql, expected) in tampered {
        let app = Box::pin(sealed()).await;
        without_triggers(&app).await;
        // MariaDB does not update a table that the same statement reads, unless it is another by name.
        let event = format!(
            "(SELECT id FROM (SELECT id FROM audit_events WHERE seq = {}) AS complete)",
            complete(&app).await
        );
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

/// Removes the links after `seq` with their events.
async fn cut_off_after(app: &TestApp, seq: i64) {
    app.sql(&format!("DELETE FROM audit_events WHERE seq > {seq}")).await;
}

/// The third link becomes the one that the chain begins after, as after a prune.
const AS_IF_PRUNED: [&str; 3] = [
    "UPDATE audit_seal SET seq = 3, digest = (SELECT digest FROM audit_events WHERE seq = 3)",
    "DELETE FROM audit_events WHERE seq <= 3",
    "INSERT INTO audit_events (id, created_at, kind, outcome, actor_kind) \
     SELECT target_id, created_at, 'AUDIT_PRUNED', outcome, 'CLI' FROM audit_events \
     WHERE kind = 'REGISTERED' LIMIT 1",
];

#[tokio::test]
async fn who_writes_the_database_cannot_prune_cut_off_or_empty_the_log_unseen() {
    const END: &str = "its signed end, is missing";
    let all_gone = "DELETE FROM audit_events";
    let at_the_end = "UPDATE audit_seal SET seq = head_seq, digest = head_digest";
    let attacks: &[(&[&str], &str)] = &[
        (&[all_gone], END),
        (&[at_the_end, all_gone], "no signed prune removed them"),
        (
            &[
                at_the_end,
                "UPDATE audit_seal SET pruned_seq = head_seq, pruned_digest = head_digest",
                all_gone,
            ],
            "the signature does not match",
        ),
        (
            &["UPDATE audit_seal SET head_seq = 0, head_digest = digest", all_gone],
            "the signature does not match",
        ),
        (&["UPDATE audit_seal SET signature = NULL"], "are not signed"),
        (&["UPDATE audit_seal SET signature = digest"], "the signature does not match"),
        (
            &[
                "UPDATE audit_seal SET signature = NULL, head_seq = NULL, pruned_seq = NULL",
                all_gone,
            ],
            "are not signed",
        ),
        (&["DELETE FROM audit_seal"], "has lost its row"),
        (&AS_IF_PRUNED, "links up to 3 are gone"),
        (
            &[
                "UPDATE audit_events SET seq = -seq",
                "UPDATE audit_events SET seq = 1000 - seq",
                "UPDATE audit_seal SET seq = 1000",
            ],
            "links up to 1000 are gone",
        ),
        (&["UPDATE audit_events SET seq = NULL WHERE kind = 'REGISTERED'"], "is missing"),
    ];
    for (statements, expected) in attacks {
        let app = Box::pin(sealed()).await;
        without_triggers(&app).await;
        let head = format!("--head={}", verify(&app).await["head"].as_str().unwrap());
        for sql in *statements {
            app.sql(sql).await;
        }
        for arguments in [&["audit", "verify"][..], &["audit", "verify", &head]] {
            let told = app.cli(arguments).await;
            assert!(told.complaint().contains(expected), "{statements:?}: {told:?}");
        }
        // The end of the chain is as it was signed.
        if *expected == "is missing" {
            continue;
        }
        Box::pin(assert_sealed_on_and_not_vouched_for(&app, &format!("{statements:?}"))).await;
    }
}

/// Events are sealed on, by this instance and by one that starts, and nobody makes the chain good.
async fn assert_sealed_on_and_not_vouched_for(app: &TestApp, attack: &str) {
    let unsealed = "audit_events WHERE seq IS NULL";
    app.register("dave").await;
    app.app.seal_audit().await.unwrap();
    assert_eq!(app.count(unsealed).await, 0, "{attack}");
    let other = app.second_instance().await;
    app.register("erin").await;
    app.clock.advance(Duration::from_secs(3));
    other.seal_audit().await.unwrap();
    assert_eq!(app.count(unsealed).await, 0, "{attack}");
    assert_eq!(app.cli(&["audit", "verify"]).await.status, 1, "{attack}");
    assert_eq!(app.cli(&["audit", "prune", "--older-than=1d"]).await.status, 1, "{attack}");
    let doctor = app.cli(&["doctor"]).await.stdout;
    assert!(doctor.contains("portcullis audit sign"), "{attack}: {doctor}");
}

#[tokio::test]
async fn the_operator_signs_the_log_as_it_stands_and_that_is_told() {
    let app = Box::pin(sealed()).await;
    without_triggers(&app).await;
    let end = verify(&app).await["seq"].as_i64().unwrap();
    cut_off_after(&app, end - 1).await;
    assert_eq!(app.cli(&["audit", "verify"]).await.status, 1);
    let signed = app.cli(&["audit", "sign"]).await.printed().to_owned();
    let told = verify(&app).await;
    assert_eq!(signed.trim(), format!("signed the log: head {}", told["head"].as_str().unwrap()));
    let event = format!(
        "kind = 'AUDIT_SIGNED' AND actor_kind = 'CLI' AND detail LIKE '1 to {}:%'",
        end - 1
    );
    assert_eq!(app.count(&format!("audit_events WHERE {event}")).await, 1);
    // From now on it is sealed and signed as before.
    app.register("dave").await;
    app.app.seal_audit().await.unwrap();
    assert_eq!(verify(&app).await["seq"], end + 2);
    cut_off_after(&app, end + 1).await;
    assert_eq!(app.cli(&["audit", "verify"]).await.status, 1);
}

#[tokio::test]
async fn the_newest_links_cannot_be_cut_off_unseen_and_a_chain_made_anew_shows() {
    let app = Box::pin(sealed()).await;
    without_triggers(&app).await;
    let end = verify(&app).await["seq"].as_i64().unwrap();
    cut_off_after(&app, end - 1).await;
    let told = app.cli(&["audit", "verify"]).await;
    assert!(told.complaint().contains(&format!("link {end}, its signed end,")), "{told:?}");
    // Another event takes the number of the one that is gone.
    app.register("dave").await;
    app.app.seal_audit().await.unwrap();
    let told = app.cli(&["audit", "verify"]).await;
    assert!(told.complaint().contains(&format!("link {end}, its signed end,")), "{told:?}");
}

#[tokio::test]
async fn an_older_copy_of_the_database_shows_by_a_noted_head_and_to_a_server_that_runs() {
    let app = Box::pin(sealed()).await;
    without_triggers(&app).await;
    app.sql("CREATE TABLE older AS SELECT * FROM audit_seal").await;
    let end = verify(&app).await["seq"].as_i64().unwrap();
    let server = Server::start(&app.database);
    server.register("dave").await;
    until_sealed(&app).await;
    let noted = verify(&app).await;

    cut_off_after(&app, end).await;
    let restored = ["head_seq", "head_digest", "signature"]
        .map(|column| format!("{column} = (SELECT {column} FROM older)"));
    app.sql(&format!("UPDATE audit_seal SET {}", restored.join(", "))).await;
    assert_eq!(verify(&app).await["seq"], end, "as it was");
    let head = format!("--head={}", noted["head"].as_str().unwrap());
    let told = app.cli(&["audit", "verify", &head]).await;
    assert!(told.complaint().contains("this database is an older copy"), "{told:?}");
    server.register("erin").await;
    until_sealed(&app).await;
    until_logged(&server, "ends before a link that this instance has seen").await;
}

async fn until_logged(server: &Server, text: &str) {
    let logged = async {
        while server.logged(text).is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), logged).await;
    assert!(waited.is_ok(), "nobody logs {text:?}");
}

#[tokio::test]
async fn whatever_is_done_to_the_seal_the_sealer_goes_on_and_says_so_once() {
    let app = Box::pin(sealed()).await;
    without_triggers(&app).await;
    let server = Server::start(&app.database);
    until_sealed(&app).await;
    app.sql(
        "UPDATE audit_seal SET holder = (SELECT id FROM audit_events LIMIT 1), \
         held_until = '9000-01-01 00:00:00'",
    )
    .await;
    server.register("dave").await;
    until_sealed(&app).await;
    verify(&app).await;

    app.sql("DELETE FROM audit_seal").await;
    for name in ["erin", "frank", "grace"] {
        server.register(name).await;
        until_sealed(&app).await;
    }
    until_logged(&server, "the audit log was changed; the server continues to seal it").await;
    assert_eq!(server.logged("created it again").len(), 1);
    assert_eq!(server.logged("the audit log was changed").len(), 1);
    let told = app.cli(&["audit", "verify"]).await;
    assert!(told.complaint().contains("are not signed"), "{told:?}");
}

/// The secret that the first start has made.
fn generated_secret(app: &TestApp) -> String {
    let files = std::fs::read_dir(app.database.folder.path()).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    let key = paths.find(|path| path.extension().is_some_and(|extension| extension == "key"));
    std::fs::read_to_string(key.unwrap()).unwrap()
}

/// The statements that docs/how-to/databases.md gives for a role of the servers.
fn statements_for_a_role(role: &str, schema: &str) -> Vec<String> {
    let page = include_str!("../../docs/how-to/databases.md");
    let block = page.split("```sql\n").find(|block| block.starts_with("CREATE ROLE")).unwrap();
    let block = block.split("```").next().unwrap();
    let block = block.replace("portcullis_run", role).replace("public", schema);
    block.split(';').map(str::trim).filter(|sql| !sql.is_empty()).map(str::to_owned).collect()
}

#[tokio::test]
async fn servers_run_with_a_role_that_can_neither_change_nor_empty_the_log() {
    let app = Box::pin(sealed()).await;
    let Some((server, schema)) = app.database.url.split_once("search_path%3D") else {
        eprintln!("skipped: PostgreSQL has such roles");
        return;
    };
    let role = format!("run_{schema}");
    let statements = statements_for_a_role(&role, schema);
    assert!(statements.len() > 5);
    for sql in &statements {
        app.sql(sql).await;
    }
    let (_, place) = server.split_once('@').unwrap();
    let url = format!("postgres://{role}:change-me@{place}search_path%3D{schema}");
    // A generated secret is named after the address.
    let secret = format!("--secret-key={}", generated_secret(&app));
    doctor_sees_the_rights_of(&app, &url, &secret, &role).await;
    let running = Server::start_with(&url, app.database.folder.path(), &[&secret], &[]);
    running.register("dave").await["data"]["register"].as_object().unwrap();
    until_sealed(&app).await;
    verify(&app).await;

    let db = Database::connect(&url).await.unwrap();
    for sql in [
        "TRUNCATE audit_events",
        "SELECT set_config('portcullis.prune', 'on', false); DELETE FROM audit_events",
        "SELECT set_config('portcullis.prune', 'on', false); UPDATE audit_events SET kind = 'X'",
        "SELECT set_config('portcullis.prune', 'on', false); UPDATE audit_events SET seq = seq + 100",
        "SELECT set_config('portcullis.prune', 'on', false); DELETE FROM audit_seal",
        "DELETE FROM audit_seal",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DROP FUNCTION portcullis_sealed() CASCADE",
        "DROP TABLE audit_events",
        "DELETE FROM seaql_migrations",
    ] {
        let refused = db.execute_unprepared(sql).await.unwrap_err().to_string();
        assert!(
            ["permission denied", "must be owner", "do not change"]
                .iter()
                .any(|word| refused.contains(word)),
            "{refused}"
        );
    }
    db.execute_unprepared("UPDATE audit_events SET ip = NULL, user_agent = NULL").await.unwrap();
    db.close().await.unwrap();
    verify(&app).await;
    assert_eq!(running.logged("ERROR"), Vec::<String>::new());
    drop(running);
    app.sql(&format!("DROP OWNED BY {role}")).await;
    app.sql(&format!("DROP ROLE {role}")).await;
}

/// The rights that the page gives are all that servers need, and one that is missing is named.
async fn doctor_sees_the_rights_of(app: &TestApp, url: &str, secret: &str, role: &str) {
    let url = format!("--database-url={url}");
    let looked = |flags: &[&str]| {
        let flags = [&["doctor", &url, secret], flags].concat().join("\n");
        async move { app.cli(&flags.lines().collect::<Vec<_>>()).await.stdout }
    };
    let whole = looked(&[]).await;
    assert!(!whole.contains("lacks") && whole.contains("accepts writes"), "{whole}");
    let pruning = looked(&["--audit-retention-days=30"]).await;
    assert!(pruning.contains("lacks the rights DELETE on audit_events"), "{pruning}");
    app.sql(&format!("REVOKE UPDATE ON sessions FROM {role}")).await;
    let lacking = looked(&[]).await;
    assert!(lacking.contains("lacks the rights UPDATE on sessions"), "{lacking}");
    app.sql(&format!("GRANT UPDATE ON sessions TO {role}")).await;
}

#[tokio::test]
async fn the_log_cannot_be_truncated_on_postgresql_and_shows_that_elsewhere() {
    let app = Box::pin(sealed()).await;
    let db = app.database.connection().await;
    for table in ["audit_events", "audit_seal"] {
        if app.database.url.starts_with("sqlite") {
            app.sql(&format!("DELETE FROM {table}")).await;
        } else if app.database.url.starts_with("postgres") {
            let refused = db.execute_unprepared(&format!("TRUNCATE {table}")).await;
            assert!(refused.unwrap_err().to_string().contains("never emptied"), "{table}");
            verify(&app).await;
            continue;
        } else {
            app.sql(&format!("TRUNCATE {table}")).await;
        }
        assert_eq!(app.cli(&["audit", "verify"]).await.status, 1, "{table}");
    }
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
        "UPDATE audit_events SET seq = NULL",
        "UPDATE audit_events SET seq = seq + 100",
        "UPDATE audit_events SET digest = NULL",
        "UPDATE audit_events SET detail = 'ADMIN'",
        "UPDATE audit_events SET organization_id = target_id WHERE target_id IS NOT NULL",
        "DELETE FROM audit_events",
        "DELETE FROM audit_seal",
    ] {
        assert!(db.execute_unprepared(sql).await.is_err(), "{sql}");
    }
    app.sql("UPDATE audit_events SET ip = NULL, user_agent = NULL").await;
    app.register("dave").await;
    app.sql("UPDATE audit_events SET outcome = 'OTHER' WHERE seq IS NULL").await;
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
    app.app.seal_audit().await.unwrap();
    let noted = verify(&app).await["head"].as_str().unwrap().to_owned();
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
    let event =
        format!("kind = 'AUDIT_PRUNED' AND detail = '1 to {noted}' AND occurrences = {old}");
    assert_eq!(app.count(&format!("audit_events WHERE {event}")).await, 1);
    assert!(app.cli(&["audit", "prune", "--older-than=soon"]).await.status == 2);

    // The head of before is the last link that was pruned, others of then are before it.
    let earlier = format!("3:{}", noted.split_once(':').unwrap().1);
    for head in [&noted, &earlier] {
        let told = app.cli(&["audit", "verify", "--head", head]).await;
        assert!(told.printed().contains("was pruned"), "{told:?}");
        let told = app.cli(&["audit", "verify", "--json", "--head", head]).await.json();
        assert_eq!(told["noted"], "pruned");
    }
    let mut other = noted.clone();
    let digit = if other.pop() == Some('0') { '1' } else { '0' };
    other.push(digit);
    let told = app.cli(&["audit", "verify", "--head", &other]).await;
    assert!(told.complaint().contains("rebuilt the chain"), "{told:?}");
}

#[tokio::test]
async fn a_prune_that_was_cut_off_leaves_a_whole_chain_and_the_next_goes_on() {
    let app = TestApp::start().await;
    if !app.database.url.starts_with("sqlite") {
        eprintln!("skipped: it is cut off with a trigger of another database");
        return;
    }
    app.register("alice").await;
    app.app.seal_audit().await.unwrap();
    let old = app.count("audit_events").await;
    app.sql(
        "CREATE TRIGGER cut_off BEFORE DELETE ON audit_events BEGIN SELECT RAISE(ABORT, 'cut'); END",
    )
    .await;
    let prune = ["audit", "prune", "--older-than=1d"];
    assert!(app.cli(&prune).await.complaint().contains("cut"));
    let cut_off = verify(&app).await;
    assert_eq!(cut_off["links"].as_i64(), Some(old + 1), "nothing is gone, and the prune is told");
    app.sql("DROP TRIGGER cut_off").await;
    assert!(app.cli(&prune).await.printed().contains(&format!("removed {old} events")));
    assert_eq!(
        (&verify(&app).await["head"], app.count("audit_events").await),
        (&cut_off["head"], 1)
    );
}

#[tokio::test]
async fn a_prune_removes_nothing_that_would_prove_a_change() {
    let app = TestApp::start().await;
    app.register("alice").await;
    app.app.seal_audit().await.unwrap();
    without_triggers(&app).await;
    app.sql("UPDATE audit_events SET occurrences = 7 WHERE kind = 'REGISTERED'").await;
    let before = app.count("audit_events").await;
    let told = app.cli(&["audit", "prune", "--older-than=1d"]).await;
    assert!(told.complaint().contains("was changed"), "{told:?}");
    assert_eq!(app.count("audit_events").await, before);
}

/// Takes the migration back that gave the chain its signatures, with those that followed.
async fn take_signatures_back(db: &DatabaseConnection) {
    while !Migrations::default().status(db).await.unwrap().lacks_signature() {
        Migrations::default().down(db, 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_that_was_pruned_before_prunes_were_signed_can_still_be_verified() {
    let app = Box::pin(sealed()).await;
    without_triggers(&app).await;
    let head = verify(&app).await["head"].as_str().unwrap().to_owned();
    let db = app.database.connection().await;
    // The server's own migrations are not taken back below those of an extension.
    let refused = Migrations::default().down(&db, 1).await.unwrap_err().to_string();
    assert!(refused.contains("m20261128_000001_create_tasks"), "{refused}");
    app.sql("DROP TABLE tasks").await;
    app.sql("DROP TABLE portcullis_extension_migrations").await;
    take_signatures_back(&db).await;
    // As it was done then, in the tables of then, which have their triggers again.
    let allow = match app.database.url.split(':').next() {
        Some("postgres") => "SELECT set_config('portcullis.prune', 'on', false); ",
        Some("mysql") => "SET @portcullis_prune = 1; ",
        _ => "",
    };
    for sql in [
        "UPDATE audit_seal SET seq = 3, digest = (SELECT digest FROM audit_chain WHERE seq = 3)",
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_chain WHERE seq <= 3)",
        "DELETE FROM audit_chain WHERE seq <= 3",
    ] {
        app.sql(&format!("{allow}{sql}")).await;
    }
    // Whoever migrates without the program signs nothing, and that shows.
    Migrations::default().up(&db, None).await.unwrap();
    assert!(app.cli(&["audit", "verify"]).await.complaint().contains("are not signed"));
    take_signatures_back(&db).await;

    let wrong = "--secret-key=Zx9Wq2Er7Ty4Ui1Op8As5Df3Gh6Jk0LmNb7Vc2Xz";
    let told = app.cli(&["migrate", "up", wrong]).await;
    assert!(told.complaint().contains("the audit log is not signed"), "{told:?}");
    take_signatures_back(&db).await;
    app.cli(&["migrate", "up"]).await.printed();
    let told = app.cli(&["audit", "verify", "--json", "--head", &head]).await.json();
    assert_eq!((&told["noted"], &told["head"]), (&"linked".into(), &head.into()));
    // Once: a signature that is gone later is not made again.
    app.sql("UPDATE audit_seal SET signature = NULL").await;
    app.cli(&["migrate", "up"]).await.printed();
    assert!(app.cli(&["audit", "verify"]).await.complaint().contains("are not signed"));
}

#[tokio::test]
async fn the_log_is_signed_under_the_secret_that_all_instances_have() {
    let app = Box::pin(sealed()).await;
    let previous = format!("--secret-key-previous={}", generated_secret(&app));
    let new = "--secret-key=Zx9Wq2Er7Ty4Ui1Op8As5Df3Gh6Jk0LmNb7Vc2Xz";

    let changed = app.second_instance_with(&[new, &previous]).await;
    app.register("dave").await;
    app.clock.advance(Duration::from_secs(3));
    changed.seal_audit().await.unwrap();
    verify(&app).await; // The instance with the old secret finds it good.
    app.cli(&["keys", "reseal", new, &previous]).await.printed();
    let told = app.cli(&["audit", "verify", new]).await;
    assert!(told.printed().contains("the chain is intact"), "{told:?}");
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
    app.app.purge().await.unwrap();
    assert_eq!(
        app.count("audit_events WHERE ip IS NOT NULL AND user_agent IS NOT NULL").await,
        all
    );

    app.clock.advance(Duration::from_hours(2));
    app.app.purge().await.unwrap();
    assert_eq!(app.count("audit_events WHERE ip IS NOT NULL OR user_agent IS NOT NULL").await, 0);
    verify(&app).await;
}

#[tokio::test]
async fn events_are_removed_at_the_age_of_the_setting_and_the_chain_stays_whole() {
    let app = Box::pin(sealed()).await.restarted_with(&["--audit-retention-days=30"]).await;
    let old = app.count("audit_events").await;
    app.clock.advance(Duration::from_hours(24 * 30));
    app.register("young").await;
    app.app.seal_audit().await.unwrap();
    // A day later, so that a prune is told of once a day and not once an hour.
    app.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(app.app.purge().await.unwrap().events, 0);
    app.clock.advance(2 * SECOND);
    assert_eq!(i64::try_from(app.app.purge().await.unwrap().events).unwrap(), old);
    assert_eq!(app.count("audit_events WHERE kind = 'AUDIT_PRUNED'").await, 1);
    assert_eq!(app.app.purge().await.unwrap().events, 0);
    let left = verify(&app).await;
    assert_eq!(left["links"].as_i64(), Some(app.count("audit_events").await));
}

#[tokio::test]
async fn the_doctor_notes_a_log_that_nobody_seals() {
    let app = TestApp::start().await;
    let behind = "the server has not sealed events since 2026-01-01";
    // Its other findings are not the point here, nor whether they let it succeed.
    assert!(app.cli(&["doctor"]).await.stdout.contains(behind));
    app.app.seal_audit().await.unwrap();
    assert!(!app.cli(&["doctor"]).await.stdout.contains("not sealed"));
}

/// Waits until every event is sealed, which a running server does within two seconds.
async fn until_sealed(app: &TestApp) {
    let sealed = async {
        while app.count("audit_events WHERE seq IS NULL").await > 0 {
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
