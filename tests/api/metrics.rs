//! What the server counts, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_webauthn::Algorithm;
use portcullis_webauthn::authenticator::SoftwareAuthenticator;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::passkey::ORIGIN;
use crate::support::process::{Server, code, exchange};
use crate::support::{LOGIN, PASSWORD, TestDatabase, named_server};

fn watched(database: &TestDatabase, flags: &[&str]) -> Server {
    let flags = [&["--metrics-listen=127.0.0.1:0"], flags].concat();
    Server::start_with(&database.url, database.folder.path(), &flags, &[])
}

async fn login(server: &Server, password: &str) -> Value {
    let input = json!({ "identifier": "alice", "password": password });
    server.call(LOGIN, json!({ "input": input }), "").await.unwrap()
}

async fn refresh(server: &Server, token: &Value) -> Value {
    let query = "mutation($token: String) { refreshToken(input: { refreshToken: $token }) { refreshToken } }";
    server.call(query, json!({ "token": token }), "").await.unwrap()
}

/// Waits until a metric has a value: connections end, and Redis is missed, beside the answers.
async fn until(server: &Server, name: &str, value: f64) {
    let reached = async {
        while server.metrics().await.get(name) != Some(&value) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(10), reached).await;
    assert!(reached.is_ok(), "{name} is not {value}: {:#?}", server.metrics().await);
}

#[tokio::test]
async fn what_happens_is_counted_under_its_name() {
    let database = TestDatabase::create().await;
    let server = watched(&database, &["--refresh-grace-seconds=0"]);
    let alice = server.register("alice").await;
    let token = &alice["data"]["register"]["refreshToken"];
    assert_eq!(code(&login(&server, PASSWORD).await), "NONE");
    assert_eq!(code(&login(&server, "nonsense").await), "INVALID_CREDENTIALS");
    assert_eq!(code(&refresh(&server, token).await), "NONE");
    // By less the clocks of two instances may stand apart.
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    assert_eq!(code(&refresh(&server, token).await), "INVALID_TOKEN");
    assert_eq!(code(&refresh(&server, &json!("nonsense")).await), "INVALID_TOKEN");
    let access = alice["data"]["register"]["accessToken"].as_str().unwrap();
    server.call("{ me { id } }", Value::Null, access).await.unwrap();
    server.call("{ me { id } ", Value::Null, "").await.unwrap();
    assert_eq!(server.get("/nowhere").await.0, 404);

    let metrics = server.metrics().await;
    for (name, value) in [
        ("portcullis_requests_total{operation=\"mutation\",code=\"OK\"}", 3.0),
        ("portcullis_requests_total{operation=\"mutation\",code=\"INVALID_CREDENTIALS\"}", 1.0),
        ("portcullis_requests_total{operation=\"mutation\",code=\"INVALID_TOKEN\"}", 2.0),
        ("portcullis_requests_total{operation=\"query\",code=\"UNAUTHENTICATED\"}", 1.0),
        ("portcullis_requests_total{operation=\"none\",code=\"GRAPHQL_PARSE_FAILED\"}", 1.0),
        ("portcullis_requests_total{operation=\"none\",code=\"BAD_REQUEST\"}", 1.0),
        ("portcullis_request_duration_seconds_count{operation=\"mutation\"}", 6.0),
        ("portcullis_logins_total{outcome=\"success\"}", 1.0),
        ("portcullis_logins_total{outcome=\"refused\"}", 1.0),
        ("portcullis_refreshes_total{outcome=\"success\"}", 1.0),
        ("portcullis_refreshes_total{outcome=\"reused\"}", 1.0),
        ("portcullis_refreshes_total{outcome=\"refused\"}", 1.0),
        ("portcullis_password_hash_seconds_count", 3.0),
        ("portcullis_password_hashes_waiting", 0.0),
        ("portcullis_session_cache_total{outcome=\"miss\"}", 1.0),
        ("portcullis_redis_away", 0.0),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name}: {metrics:#?}");
    }
    // The scraper's own.
    until(&server, "portcullis_connections", 1.0).await;
}

/// Nobody may write meanwhile, so there is no answer before the client leaves.
#[tokio::test]
async fn a_client_that_leaves_is_counted_as_one_that_abandoned_its_request() {
    if named_server().is_some() {
        eprintln!("skipped: this database is no file");
        return;
    }
    let database = TestDatabase::create().await;
    let server = watched(&database, &[]);
    let held = database.connection().await;
    held.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    tokio::select! {
        answer = server.register("alice") => panic!("{answer}"),
        () = until(&server, "portcullis_password_hash_seconds_count", 1.0) => {}
    }
    let abandoned = "portcullis_requests_total{operation=\"mutation\",code=\"ABANDONED\"}";
    until(&server, abandoned, 1.0).await;
    let metrics = server.metrics().await;
    let counted = metrics.keys().filter(|name| name.starts_with("portcullis_requests_total{"));
    assert_eq!(counted.count(), 1, "{metrics:#?}");
}

#[tokio::test]
async fn an_operation_is_measured_by_its_root_field() {
    let database = TestDatabase::create().await;
    let server = watched(&database, &[]);
    for query in [
        "query A { viewer { __typename } }",
        "{ __typename other: viewer { __typename } }",
        "query($v: Boolean = true) { ...on Query @include(if: $v) { viewer { __typename } } }",
        "{ me { id } viewer { __typename } }",
        "{ __typename }",
        "{ __schema { __typename } }",
        "{ nonsense }",
    ] {
        server.call(query, Value::Null, "").await.unwrap();
    }
    let metrics = server.metrics().await;
    let counted = |field: &str, le: &str| {
        let name = "portcullis_root_field_duration_seconds_bucket";
        let labels = format!("{{operation=\"query\",field=\"{field}\",le=\"{le}\"}}");
        metrics.get(&format!("{name}{labels}")).copied()
    };
    for (field, times) in
        [("viewer", 3.0), ("(several)", 1.0), ("__typename", 1.0), ("__schema", 1.0)]
    {
        for edge in ["0.1", "0.25", "0.5", "1", "+Inf"] {
            assert!(counted(field, edge).is_some(), "{field} {edge}: {metrics:#?}");
        }
        assert_eq!(counted(field, "+Inf"), Some(times), "{field}: {metrics:#?}");
    }
    assert_eq!(counted("nonsense", "+Inf"), None);
}

/// The check fails in the same way on each database.
#[tokio::test]
async fn the_operator_is_told_which_check_fails_and_nobody_else() {
    let database = TestDatabase::create().await;
    let server = watched(&database, &[]);
    until(&server, "portcullis_ready", 1.0).await;
    assert!(server.told_operator("/readyz").await.ends_with("\r\n\r\nok\n"));
    let db = database.connection().await;
    db.execute_unprepared("ALTER TABLE seaql_migrations RENAME TO away").await.unwrap();
    until(&server, "portcullis_ready", 0.0).await;
    let told = server.told_operator("/readyz").await;
    let (head, reason) = told.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(reason.starts_with("the schema of the database does not match"), "{reason}");
    let answer =
        exchange(server.port, "GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(answer.await.unwrap().ends_with("\r\n\r\nunavailable\n"));
    let lost = server.logged("this instance is not ready");
    assert!(lost.len() == 1 && lost[0].contains(reason.trim_end()), "{lost:?}");

    db.execute_unprepared("ALTER TABLE away RENAME TO seaql_migrations").await.unwrap();
    until(&server, "portcullis_ready", 1.0).await;
    assert_eq!(server.logged("this instance is ready again").len(), 1);
}

#[tokio::test]
async fn what_waits_is_measured_with_its_age() {
    let database = TestDatabase::create().await;
    let server = watched(&database, &["--smtp-url=smtp://127.0.0.1:1"]);
    server.register("alice").await;
    let measured = async {
        loop {
            let metrics = server.metrics().await;
            let mails = metrics["portcullis_outbox_mails{state=\"new\"}"]
                + metrics["portcullis_outbox_mails{state=\"postponed\"}"];
            if mails > 0.0 && metrics["portcullis_outbox_oldest_seconds"] > 0.0 {
                return metrics;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let metrics = tokio::time::timeout(Duration::from_mins(1), measured).await.unwrap();
    for purpose in ["signing", "refresh"] {
        let age = metrics[&format!("portcullis_key_age_seconds{{purpose=\"{purpose}\"}}")];
        assert!((0.0..600.0).contains(&age), "{purpose}: {age}");
    }
}

/// The statements of a call: the fewest of so many, since what runs beside adds to some, and on a slow machine to most.
async fn statements(server: &Server, calls: usize, mut call: impl AsyncFnMut()) -> u32 {
    let count = async || server.metrics().await["portcullis_database_statement_seconds_count"];
    let mut fewest = f64::INFINITY;
    for _ in 0..calls {
        let before = count().await;
        call().await;
        fewest = fewest.min(count().await - before);
    }
    format!("{fewest:.0}").parse().unwrap()
}

#[tokio::test]
async fn each_call_costs_as_many_statements_as_it_should() {
    let database = TestDatabase::create().await;
    let server = watched(&database, &["--refresh-grace-seconds=0"]);
    let alice = server.register("alice").await;
    let promote = "UPDATE users SET role = 'ADMIN'";
    database.connection().await.execute_unprepared(promote).await.unwrap();
    let access = alice["data"]["register"]["accessToken"].as_str().unwrap();
    let query = async |query: &str| {
        let answer = server.call(query, Value::Null, access).await.unwrap();
        assert_eq!(code(&answer), "NONE", "{answer}");
    };
    query("{ me { id } }").await;
    assert_eq!(statements(&server, 100, async || query("{ me { id } }").await).await, 0);
    let users = "{ users(first: 50) { edges { node { id } } } }";
    assert_eq!(statements(&server, 50, async || query(users).await).await, 1);
    let counted = "{ users(first: 50) { totalCount edges { node { id } } } }";
    assert_eq!(statements(&server, 50, async || query(counted).await).await, 2);

    let logins = async || assert_eq!(code(&login(&server, PASSWORD).await), "NONE");
    assert!(statements(&server, 30, logins).await <= 5);
    let mut token = alice["data"]["register"]["refreshToken"].clone();
    let refreshes = async || {
        let answer = refresh(&server, &token).await;
        token = answer["data"]["refreshToken"]["refreshToken"].clone();
        assert!(token.is_string(), "{answer}");
    };
    assert_eq!(statements(&server, 50, refreshes).await, 2);
}

/// Those of a password and four: the ceremony is used up, the passkey and the handle of its user are read, and its use is noted.
#[tokio::test]
async fn a_sign_in_with_a_passkey_costs_as_many_statements_as_it_should() {
    let database = TestDatabase::create().await;
    let server = watched(&database, &["--public-url=http://localhost:8000"]);
    let alice = server.register("alice").await;
    let access = alice["data"]["register"]["accessToken"].as_str().unwrap();
    let call = async |query: &str, input: Value, bearer: &str| {
        let answer = server.call(query, json!({ "input": input }), bearer).await.unwrap();
        assert_eq!(code(&answer), "NONE", "{answer}");
        let data = answer["data"].as_object().unwrap();
        data.values().next().unwrap().clone()
    };
    let start = "mutation { startPasskeyRegistration { ceremony options } }";
    let begun = call(start, json!({}), access).await;
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::Es256);
    let made = authenticator.create(&begun["options"], ORIGIN).to_json();
    let finish = "mutation($input: FinishPasskeyRegistrationInput!) { finishPasskeyRegistration(input: $input) { passkey { id } } }";
    call(finish, json!({ "ceremony": begun["ceremony"], "credential": made }), access).await;

    let sign_ins = async || {
        let begun =
            call("mutation { startPasskeySignIn { ceremony options } }", json!({}), "").await;
        let shown = authenticator.get(&begun["options"], ORIGIN).to_json();
        let finish = "mutation($input: FinishPasskeySignInInput!) { finishPasskeySignIn(input: $input) { __typename } }";
        let input = json!({ "ceremony": begun["ceremony"], "credential": shown });
        assert_eq!(call(finish, input, "").await["__typename"], "AuthPayload");
    };
    // PostgreSQL inserts the session and lists the user's devices in one.
    let expected = if database.url.starts_with("postgres") { 8 } else { 9 };
    assert_eq!(statements(&server, 30, sign_ins).await, expected);
}

/// Lists inside lists cost one statement a level, however long they are.
#[tokio::test]
async fn organizations_and_their_members_cost_one_statement_a_level() {
    let database = TestDatabase::create().await;
    let server = watched(&database, &[]);
    let alice = server.register("alice").await;
    let access = alice["data"]["register"]["accessToken"].as_str().unwrap();
    let query = async |query: &str| {
        let answer = server.call(query, Value::Null, access).await.unwrap();
        assert_eq!(code(&answer), "NONE", "{answer}");
        answer["data"].clone()
    };
    let create =
        "mutation { createOrganization(input: { name: \"Acme\" }) { organization { id } } }";
    let id = query(create).await["createOrganization"]["organization"]["id"].clone();
    let one = format!(
        "{{ organization(id: {id}) {{ myRole members {{ edges {{ node {{ role user {{ username }} }} }} }} }} }}"
    );
    query(&one).await;
    assert_eq!(statements(&server, 30, async || drop(query(&one).await)).await, 2);
    for _ in 0..4 {
        query(create).await;
    }
    let all = "{ myOrganizations { totalCount edges { node { myRole \
               members { totalCount edges { node { user { username } } } } \
               invitations { edges { node { email } } } } } } }";
    let seen = query(all).await;
    let edges = seen["myOrganizations"]["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 5);
    for edge in edges {
        let members = &edge["node"]["members"];
        assert_eq!(members["totalCount"], 1);
        assert_eq!(members["edges"][0]["node"]["user"]["username"], "alice");
    }
    // The organizations, a page of members of each, how many there are, and the invitations.
    assert_eq!(statements(&server, 30, async || drop(query(all).await)).await, 4);
}

/// Each type once, however many ids and fields there are.
#[tokio::test]
async fn objects_by_their_ids_cost_one_statement_a_type() {
    let database = TestDatabase::create().await;
    let server = watched(&database, &[]);
    server.register("alice").await;
    let alice = login(&server, PASSWORD).await;
    let access = alice["data"]["login"]["accessToken"].as_str().unwrap();
    let query = async |query: &str| {
        let answer = server.call(query, Value::Null, access).await.unwrap();
        assert_eq!(code(&answer), "NONE", "{answer}");
        answer["data"].clone()
    };
    let ids = query("{ me { id sessions { edges { node { id } } } } }").await;
    let (me, session) = (&ids["me"]["id"], &ids["me"]["sessions"]["edges"][0]["node"]["id"]);
    let nodes = format!(
        "{{ nodes(ids: [{me}, {session}]) {{ id }} a: node(id: {session}) {{ id }} b: node(id: {me}) {{ id }} }}"
    );
    assert_eq!(query(&nodes).await["a"]["id"], *session);
    assert_eq!(statements(&server, 30, async || drop(query(&nodes).await)).await, 2);
}

#[tokio::test]
async fn a_limit_that_refuses_and_a_redis_that_is_away_are_counted() {
    let database = TestDatabase::create().await;
    // Nobody listens on a port that has just been given back.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let redis = format!("--redis-url=redis://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = watched(&database, &["--rate-limits=on", &redis]);
    server.register("alice").await;
    for _ in 0..5 {
        assert_eq!(code(&login(&server, "nonsense").await), "INVALID_CREDENTIALS");
    }
    assert_eq!(code(&login(&server, PASSWORD).await), "RATE_LIMITED");

    let limited = "portcullis_rate_limited_total{limit=\"login.identifier\"}";
    until(&server, limited, 1.0).await;
    until(&server, "portcullis_redis_away", 1.0).await;
    until(&server, "portcullis_redis_outages_total", 1.0).await;
    // A name that is tried too often costs no hash.
    until(&server, "portcullis_password_hash_seconds_count", 6.0).await;
}

#[tokio::test]
async fn nothing_that_a_client_names_becomes_a_label() {
    let database = TestDatabase::create().await;
    let server = watched(&database, &[]);
    let send = |number: u32| {
        let query = format!("query Name{number} {{ alias{number}: me {{ id }} }}");
        let server = &server;
        async move { server.call(&query, Value::Null, "").await.unwrap() }
    };
    send(0).await;
    let names = |metrics: BTreeMap<String, f64>| metrics.into_keys().collect::<BTreeSet<_>>();
    let before = names(server.metrics().await);
    for number in 1..500 {
        send(number).await;
    }
    assert_eq!(names(server.metrics().await), before);
}

/// The names without labels, as the table in the reference has them.
#[tokio::test]
async fn every_metric_is_documented_and_no_other() {
    let database = TestDatabase::create().await;
    let file = database.folder.path().join("providers.toml");
    let provider = "[github]\nkind = \"github\"\nclient_id = \"a\"\nclient_secret = \"b\"\n";
    std::fs::write(&file, provider).unwrap();
    let providers = format!("--providers-file={}", file.display());
    let server = watched(&database, &["--rate-limits=on", &providers]);
    let alice = server.register("alice").await;
    let access = alice["data"]["register"]["accessToken"].as_str().unwrap();
    server.call("{ me { id } }", Value::Null, access).await.unwrap();
    for _ in 0..6 {
        login(&server, "nonsense").await;
    }
    let metrics = server.metrics().await;
    let plain = |name: &str| {
        let name = name.split('{').next().unwrap();
        let parts = ["_bucket", "_sum", "_count"];
        parts.iter().fold(name, |name, part| name.strip_suffix(part).unwrap_or(name)).to_owned()
    };
    let exposed: BTreeSet<String> = metrics.keys().map(|name| plain(name)).collect();
    assert_eq!(exposed, documented());
}

fn documented() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().split('{').next().unwrap().to_owned()).collect()
}
