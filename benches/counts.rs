//! `cargo bench --bench counts`: the SQL statements of a request, and how often it allocates on the
//! thread that serves it.
//!
//! The server runs in this process, on one thread, over a SQLite file. What other threads allocate
//! (the hash, the writer of SQLite) is not counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use axum::body::Body;
use axum::http::Request;
use axum::{Router, http::HeaderValue};
use http_body_util::BodyExt;
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use portcullis::app::App;
use portcullis::{Clock, cli, http};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// Fewer than the sessions that one user may have: then each sign-in ends an old one.
const ROUNDS: u64 = 90;
const REGISTER: &str = "mutation { register(input: { username: \"boss\", email: \"boss@example.com\", \
    password: \"correct horse battery\" }) { ... on AuthPayload { accessToken refreshToken } } }";
const LOGIN: &str = "mutation { login(input: { identifier: \"boss\", \
    password: \"correct horse battery\" }) { ... on AuthPayload { accessToken } } }";
const REFRESH: &str = "mutation($token: String) { refreshToken(input: { refreshToken: $token }) { \
    accessToken refreshToken } }";
const ROWS: [(&str, &str); 6] = [
    ("static field", "{ __typename }"),
    ("me", "{ me { id username email emailVerified role createdAt } }"),
    (
        "users",
        "{ users(first: 50) { edges { node { id username email emailVerified role createdAt } } } }",
    ),
    ("users with totalCount", "{ users(first: 50) { totalCount edges { node { id } } } }"),
    ("login", LOGIN),
    ("refreshToken", REFRESH),
];

/// How many statements have been measured.
static STATEMENTS: LazyLock<Arc<Statements>> = LazyLock::new(Arc::default);

#[derive(Default)]
struct Statements(AtomicU64);

struct Recorder;

/// The server in this process.
struct Server {
    runtime: Runtime,
    router: Router,
    bearer: String,
}

struct Answer {
    body: Value,
    allocations: u64,
    statements: u64,
}

fn main() -> Result<()> {
    ensure!(metrics::set_global_recorder(Recorder).is_ok(), "there is a recorder already");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}/bench.db", folder.path().display());
    let flags = [
        format!("--data-dir={}", folder.path().display()),
        format!("--database-url={url}"),
        "--rate-limits=off".to_owned(),
        // So that every refresh replaces its token.
        "--refresh-grace-seconds=0".to_owned(),
    ];
    // With tasks, which documents of the most that is accepted ask for too.
    let config = task_manager::server().config(&cli::settings(&flags)?)?;
    let app = runtime.block_on(App::build(config, Clock::system()))?;
    let mut server = Server { router: http::router(&app), runtime, bearer: String::new() };

    let made = server.send(REGISTER, &Value::Null)?.body;
    let token = |name: &str| made["data"]["register"][name].as_str().map(str::to_owned);
    server.bearer = token("accessToken").context("a token")?;
    let mut refresh = token("refreshToken").context("a token")?;
    server.runtime.block_on(seed(&url))?;
    println!("| | SQL statements | allocations |\n|---|---|---|");
    for (name, query) in ROWS {
        let (mut allocations, mut statements) = (0, 0);
        for round in 0..=ROUNDS {
            // As the housekeeping does, which does not run here.
            server.runtime.block_on(app.reload_keys())?;
            let answer = server.send(query, &json!({ "token": refresh }))?;
            ensure!(answer.body.get("errors").is_none(), "{}", answer.body);
            if let Some(token) = answer.body["data"]["refreshToken"]["refreshToken"].as_str() {
                token.clone_into(&mut refresh);
            }
            // The first fills the caches.
            if round > 0 {
                allocations += answer.allocations;
                statements += answer.statements;
            }
        }
        println!("| {name} | {} | {} |", (statements + ROUNDS / 2) / ROUNDS, allocations / ROUNDS);
    }
    server.measure_hostile(&app)
}

/// Documents that ask for as much as is accepted, each of something else. The edges have been found by
/// trying: one more of anything is `DOCUMENT_LIMIT`.
fn hostile() -> [(&'static str, String); 4] {
    let aliased = |count: usize, what: &str| {
        (0..count).fold(String::new(), |all, i| all + &format!("a{i}: {what} "))
    };
    let operations = (0..10).fold(String::new(), |all, i| all + &format!("query Q{i} {{ ...F }} "));
    let user =
        "id username email emailVerified role createdAt updatedAt isActive fullName lastLoginAt";
    let types = "__schema { types { name fields { name type { ofType { name fields { name args { name } } \
                 ofType { name fields { name } } } } } } }";
    [
        (
            "fragments, in ten operations",
            format!(
                "query A {{ ...F }} {operations} fragment F on Query {{ {} }} fragment G on Query {{ {} }}",
                "...G ".repeat(28),
                "__typename ".repeat(28)
            ),
        ),
        (
            "a page of users",
            format!(
                "{{ users(first: 100) {{ totalCount edges {{ cursor node {{ {user} }} }} }} }}"
            ),
        ),
        (
            "owners of tasks",
            format!(
                "{{ myTasks(first: 100) {{ edges {{ node {{ {} }} }} }} }}",
                aliased(15, "owner { id username fullName }")
            ),
        ),
        ("introspection", format!("{{ {} }}", aliased(4, types))),
    ]
}

impl Server {
    /// Prints the most that a request may take: memory of the whole process, and time with the database.
    fn measure_hostile(&self, app: &App) -> Result<()> {
        let create = "mutation { a: createTask(input: { title: \"A task\" }) { task { id } } }";
        for _ in 0..100 {
            let made = self.send(create, &Value::Null)?.body;
            ensure!(made.get("errors").is_none(), "{made}");
        }
        println!(
            "\n| the most of | bytes | memory, KB | ms, new | ms, known |\n|---|---|---|---|---|"
        );
        for (name, query) in hostile() {
            self.runtime.block_on(app.reload_keys())?;
            let before = Memory::now()?;
            let begun = Instant::now();
            let first = self.send(&query, &Value::Null)?;
            let new = begun.elapsed();
            let memory = Memory::now()?.highest.saturating_sub(before.held);
            let begun = Instant::now();
            self.send(&query, &Value::Null)?;
            let known = begun.elapsed();
            ensure!(first.body.get("errors").is_none(), "{name}: {}", first.body);
            let [new, known] = [new, known].map(|took| took.as_secs_f64() * 1e3);
            println!("| {name} | {} | {memory} | {new:.1} | {known:.1} |", query.len());
        }
        Ok(())
    }

    fn send(&self, query: &str, variables: &Value) -> Result<Answer> {
        // Of several operations the first one runs.
        let name = query.starts_with("query A ").then_some("A");
        let body =
            json!({ "query": query, "operationName": name, "variables": variables }).to_string();
        let mut request = Request::post("/graphql")
            .header("host", "localhost")
            .header("content-type", "application/json");
        // A sign-in makes the server forget what it knows of the user, whom it would look up again.
        if !self.bearer.is_empty() && ![LOGIN, REFRESH].contains(&query) {
            let bearer = HeaderValue::try_from(format!("Bearer {}", self.bearer))?;
            request = request.header("authorization", bearer);
        }
        let (request, service) = (request.body(Body::from(body))?, self.router.clone());
        let before = STATEMENTS.0.load(Ordering::Relaxed);
        let mut answer = None;
        let counted = allocation_counter::measure(|| {
            answer = Some(self.runtime.block_on(async {
                let response = service.oneshot(request).await?;
                anyhow::Ok(response.into_body().collect().await?.to_bytes())
            }));
        });
        let body = serde_json::from_slice(&answer.context("an answer")??)?;
        let statements = STATEMENTS.0.load(Ordering::Relaxed) - before;
        Ok(Answer { body, allocations: counted.count_total, statements })
    }
}

/// What the process holds, in KB. What it held at most counts from the last look on.
struct Memory {
    held: u64,
    highest: u64,
}

impl Memory {
    fn now() -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.context("the memory of this process")
        };
        let now = Self { held: kilobytes("VmRSS:")?, highest: kilobytes("VmHWM:")? };
        std::fs::write("/proc/self/clear_refs", "5")?;
        Ok(now)
    }
}

/// Makes the one user an admin, beside whom there are 60 more.
async fn seed(url: &str) -> Result<()> {
    use sea_orm::ConnectionTrait;
    let db = sea_orm::Database::connect(url).await?;
    db.execute_unprepared("UPDATE users SET role = 'ADMIN'").await?;
    db.execute_unprepared(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) \
         INSERT INTO users (id, username, username_key, email, email_key, email_verified, \
         password_hash, role, is_active, created_at, updated_at, failed_logins) \
         SELECT randomblob(16), 'user' || i, 'user' || i, 'user' || i || '@example.com', \
         'user' || i || '@example.com', 0, '', 'USER', 1, created_at, created_at, 0 FROM users, n",
    )
    .await?;
    Ok(db.close().await?)
}

impl HistogramFn for Statements {
    fn record(&self, _seconds: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match key.name() {
            "portcullis_database_statement_seconds" => Histogram::from_arc(Arc::clone(&STATEMENTS)),
            _ => Histogram::noop(),
        }
    }
}
