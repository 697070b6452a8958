//! `cargo bench --bench allocations`: how often a request allocates, on the thread that serves it.
//!
//! The server runs in this process, on one thread, over a SQLite file. What other threads allocate
//! (the hash, the writer of SQLite) is not counted.

use anyhow::{Context, Result};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use portcullis::app::App;
use portcullis::config::Config;
use portcullis::{Clock, cli, http};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tower::ServiceExt;

const ROUNDS: u64 = 200;
const REGISTER: &str = "mutation { register(input: { username: \"boss\", email: \"boss@example.com\", \
    password: \"correct horse battery\" }) { ... on AuthPayload { accessToken } } }";
const ROWS: [(&str, &str); 3] = [
    ("static field", "{ __typename }"),
    ("me", "{ me { id username email emailVerified role createdAt } }"),
    (
        "users",
        "{ users(first: 50) { edges { node { id username email emailVerified role createdAt } } } }",
    ),
];

fn main() -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let flags = [
        format!("--data-dir={}", folder.path().display()),
        format!("--database-url=sqlite://{}/bench.db", folder.path().display()),
        "--rate-limits=off".to_owned(),
    ];
    let config = Config::new(&cli::settings(&flags)?)?;
    let app = runtime.block_on(App::build(config, Clock::system()))?;
    let router = http::router(&app);
    let send = |query: &str, bearer: &str| -> Result<(u64, Value)> {
        let body = json!({ "query": query }).to_string();
        let mut request = Request::post("/graphql").header("content-type", "application/json");
        if !bearer.is_empty() {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        let (request, service) = (request.body(Body::from(body))?, router.clone());
        let mut answer = None;
        let counted = allocation_counter::measure(|| {
            answer = Some(runtime.block_on(async {
                let response = service.oneshot(request).await?;
                anyhow::Ok(response.into_body().collect().await?.to_bytes())
            }));
        });
        let answer = serde_json::from_slice(&answer.context("an answer")??)?;
        Ok((counted.count_total, answer))
    };

    let (_, made) = send(REGISTER, "")?;
    let token = made["data"]["register"]["accessToken"].as_str().context("a token")?;
    seed(&runtime, &flags[1])?;
    println!("| | allocations a request |\n|---|---|");
    for (name, query) in ROWS {
        let mut count = 0;
        for round in 0..=ROUNDS {
            let (counted, answer) = send(query, token)?;
            anyhow::ensure!(answer.get("errors").is_none(), "{answer}");
            // The first fills the caches.
            count += if round == 0 { 0 } else { counted };
        }
        println!("| {name} | {} |", count / ROUNDS);
    }
    Ok(())
}

/// Makes the one user an admin, beside whom there are 60 more.
fn seed(runtime: &tokio::runtime::Runtime, flag: &str) -> Result<()> {
    use sea_orm::ConnectionTrait;
    let url = flag.split_once('=').context("a flag")?.1;
    runtime.block_on(async {
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
    })
}
