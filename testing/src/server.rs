//! A whole server for each test: its own database, a clock that stands still, and callers.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, Request};
use axum::response::Response;
use chrono::{DateTime, Utc};
use http_body_util::BodyExt;
use portcullis::app::App;
use portcullis::{Clock, Server, cli, http};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::process::Command;
use tower::ServiceExt;

use crate::answered::Sent;
use crate::{Mail, Outcome, Reply, SignedIn, TestDatabase};

/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery";
/// How long a refresh token that was used is accepted again.
pub const GRACE: Duration = Duration::from_secs(10);
/// A second.
pub const SECOND: Duration = Duration::from_secs(1);

/// What a whole server does: the future of a test does not hold that of all of its code.
type Whole<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One instance over a database of its own.
pub struct TestApp {
    /// The instance.
    pub app: App,
    /// Its clock, which only the test advances.
    pub clock: Clock,
    /// Its database, and the folder of its files.
    pub database: TestDatabase,
    server: Server,
    flags: Vec<String>,
}

/// When the clocks of tests start.
pub fn start_of_time() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Says why a test does nothing here; where everything must be tested it fails instead.
#[expect(clippy::disallowed_methods, reason = "the tests' own setting, not the program's")]
pub fn skip(why: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "this test must not be skipped in CI: {why}"
    );
    eprintln!("skipped: {why}");
}

impl TestApp {
    /// Starts an instance of a server over a new database.
    pub async fn start(server: Server) -> Self {
        Self::start_over(server, TestDatabase::migrated().await, start_of_time(), &[]).await
    }

    /// Starts one over this database, at this time, with further flags, as on the command line.
    pub async fn start_over(
        server: Server,
        database: TestDatabase,
        start: DateTime<Utc>,
        flags: &[&str],
    ) -> Self {
        let defaults = [
            "--env=development",
            "--listen=127.0.0.1:8000",
            "--argon2-memory-kib=64",
            "--argon2-iterations=1",
            "--database-connections=8",
            // Tests of the limits turn them on.
            "--rate-limits=off",
        ];
        let url = format!("--database-url={}", database.url);
        let folder = format!("--data-dir={}", database.folder.path().display());
        let defaults = [&defaults[..], &[&url, &folder]].concat();
        let all = over(flags, defaults.iter().map(|flag| (*flag).to_owned()));
        let clock = Clock::manual(start);
        let app = build(&server, &all, &clock).await;
        Self { app, clock, database, server, flags: all }
    }

    /// Another instance over the same database, with the same secret and the same clock.
    pub async fn second_instance(&self) -> App {
        self.second_instance_with(&[]).await
    }

    /// The same with further flags.
    pub async fn second_instance_with(&self, flags: &[&str]) -> App {
        build(&self.server, &self.with(flags), &self.clock).await
    }

    /// The same server, started again with further flags.
    pub async fn restarted_with(self, flags: &[&str]) -> Self {
        let app = self.second_instance_with(flags).await;
        Self { app, ..self }
    }

    /// Another instance whose clock stands at another time.
    pub async fn second_instance_at(&self, time: DateTime<Utc>) -> App {
        build(&self.server, &self.flags, &Clock::manual(time)).await
    }

    /// Runs the command line of a program over the same database, with the same secret.
    pub async fn run(&self, program: &Path, arguments: &[&str]) -> Outcome {
        let output = Command::new(program)
            .args(self.with(arguments))
            .current_dir(self.database.folder.path())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Outcome {
            status: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// What the instance was started with.
    pub fn flags(&self) -> &[String] {
        &self.flags
    }

    fn with(&self, arguments: &[&str]) -> Vec<String> {
        over(arguments, self.flags.iter().cloned())
    }

    /// Posts a document. Of a subscription what comes back is the answer that it is refused with, or nothing at all.
    pub async fn call(&self, query: &str, variables: Value, bearer: Option<&str>) -> Reply {
        call(&self.app, query, variables, bearer).await
    }

    /// Posts a document of a signed-in user.
    pub async fn query(&self, query: &str, bearer: &str) -> Reply {
        self.call(query, json!({}), Some(bearer)).await
    }

    /// A new user.
    pub async fn register(&self, username: &str) -> SignedIn {
        let reply = self.try_register(username, &format!("{username}@example.com"), PASSWORD).await;
        reply.signed_in("register")
    }

    /// Asks for a new account, which may be refused.
    pub async fn try_register(&self, username: &str, email: &str, password: &str) -> Reply {
        let input = json!({ "username": username, "email": email, "password": password });
        self.call(REGISTER, json!({ "input": input }), None).await
    }

    /// Asks for a session, which may be refused.
    pub async fn login(&self, identifier: &str, password: &str) -> Reply {
        let input = json!({ "identifier": identifier, "password": password });
        self.call(LOGIN, json!({ "input": input }), None).await
    }

    /// A further session of a user.
    pub async fn again(&self, username: &str) -> SignedIn {
        self.login(username, PASSWORD).await.signed_in("login")
    }

    /// A mutation of a signed-in user.
    pub async fn mutate(&self, user: &SignedIn, call: &str) -> Reply {
        self.query(&format!("mutation {{ {call} }}"), &user.access).await
    }

    /// Posts what the link in a mail carries.
    pub async fn use_link(&self, field: &str, token: &str) -> Reply {
        // One that verifies an address asks for the password that was chosen with it.
        let password = match field {
            "verifyEmail" => format!(", password: \"{PASSWORD}\""),
            _ => String::new(),
        };
        let selection = match field {
            "verifyEmail" | "undoEmailChange" => "outcome",
            _ => "__typename",
        };
        let query = format!(
            "mutation {{ {field}(input: {{ token: \"{token}\"{password} }}) {{ {selection} }} }}"
        );
        self.call(&query, json!({}), None).await
    }

    /// All that is kept of a user, as they fetch it.
    pub async fn export(&self, user: &SignedIn) -> Value {
        let call = "exportMyData { export { url ticket expiresIn } }";
        let issued = self.mutate(user, call).await.data()["exportMyData"]["export"].take();
        assert_eq!(
            (issued["expiresIn"].as_u64(), issued["url"].as_str().unwrap().ends_with("/export")),
            (Some(60), true)
        );
        let fetched = self.fetch_export(issued["ticket"].as_str().unwrap()).await;
        assert_eq!(fetched.status, 200, "{}", fetched.text);
        fetched.json()
    }

    /// Fetches an export with its ticket.
    pub async fn fetch_export(&self, ticket: &str) -> Reply {
        let request = Request::get("/export").header("authorization", format!("Bearer {ticket}"));
        send(&self.app, request.body(Body::empty()).unwrap()).await
    }

    /// Uses a refresh token.
    pub async fn refresh(&self, token: &str) -> Reply {
        refresh(&self.app, token).await
    }

    /// A user who is an admin before they sign in.
    pub async fn admin(&self, username: &str) -> SignedIn {
        self.register(username).await;
        let promote = format!("UPDATE users SET role = 'ADMIN' WHERE username_key = '{username}'");
        self.sql(&promote).await;
        self.login(username, PASSWORD).await.signed_in("login")
    }

    /// An account that was granted a permission, by an admin.
    pub async fn granted(&self, username: &str, permission: &str) -> SignedIn {
        let user = self.register(username).await;
        let boss = self.admin(&format!("granter-of-{username}")).await;
        let grant = format!(
            "grantPermission(input: {{ id: \"{}\", permission: {permission} }}) {{ user {{ permissionGrants {{ permission }} }} }}",
            user.id
        );
        self.mutate(&boss, &grant).await.data();
        user
    }

    /// Sends what is due, and reads all mails that were ever sent, in the order they were sent.
    pub async fn mails(&self) -> Vec<Mail> {
        let delivered: Whole<'_, _> = Box::pin(self.app.deliver_mail());
        delivered.await.unwrap();
        let Ok(files) = std::fs::read_dir(self.database.folder.path().join("mail")) else {
            return Vec::new();
        };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort_by_key(|file| std::fs::metadata(file).unwrap().modified().unwrap());
        files.iter().map(|file| Mail::read(file)).collect()
    }

    /// The newest mail of a kind to an address.
    pub async fn mail(&self, kind: &str, to: &str) -> Mail {
        let mails = self.mails().await;
        let found = mails.iter().rev().find(|mail| mail.kind == kind && mail.to == to);
        found.cloned().unwrap_or_else(|| panic!("no {kind} to {to} in {mails:?}"))
    }

    /// Runs a statement beside the server.
    pub async fn sql(&self, sql: &str) {
        self.database.connection().await.execute_unprepared(sql).await.unwrap();
    }

    /// Counts the rows of a table, with a condition if one follows its name.
    pub async fn count(&self, from: &str) -> i64 {
        count(&self.database.connection().await, from).await
    }

    /// The kinds of all audit events but those of the server's own start, in alphabetical order.
    pub async fn audit_events(&self) -> Vec<String> {
        let db = self.database.connection().await;
        let sql = "SELECT kind FROM audit_events WHERE actor_kind <> 'SYSTEM'";
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let rows = db.query_all_raw(statement).await.unwrap();
        let mut kinds: Vec<String> =
            rows.iter().map(|row| row.try_get("", "kind").unwrap()).collect();
        kinds.sort();
        kinds
    }
}

async fn build(server: &Server, flags: &[String], clock: &Clock) -> App {
    let settings = cli::settings(flags).unwrap();
    let config = server.config(&settings).unwrap();
    let built: Whole<'_, _> = Box::pin(App::build(config, clock.clone()));
    built.await.unwrap()
}

/// The schema of an instance.
pub fn sdl_of(app: &App) -> String {
    app.sdl()
}

/// The schema of the core, without any extension.
pub fn core_sdl() -> &'static str {
    static CORE: LazyLock<String> = LazyLock::new(portcullis::schema::sdl);
    &CORE
}

/// Flags that are given twice would be refused: the given ones win over the defaults.
pub fn over(given: &[&str], defaults: impl Iterator<Item = String>) -> Vec<String> {
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    let names: Vec<String> = given.iter().map(|flag| name(flag)).collect();
    let kept = defaults.filter(|flag| !names.contains(&name(flag)));
    given.iter().map(|flag| (*flag).to_owned()).chain(kept).collect()
}

/// Counts the rows of a table, with a condition if one follows its name.
pub async fn count(db: &DatabaseConnection, from: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) AS n FROM {from}");
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

/// Nothing is half there: each account has its session and its event. Holds where nobody has signed in a second time.
pub async fn assert_whole(db: &DatabaseConnection) {
    let users = count(db, "users").await;
    assert_eq!(count(db, "sessions").await, users, "sessions");
    assert_eq!(count(db, "users WHERE id IN (SELECT user_id FROM sessions)").await, users);
    assert_eq!(count(db, "audit_events WHERE kind = 'REGISTERED'").await, users, "events");
    if db.get_database_backend() == DbBackend::Sqlite {
        let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA integrity_check");
        let checked = db.query_one_raw(check).await.unwrap().unwrap();
        assert_eq!(checked.try_get_by_index::<String>(0).unwrap(), "ok");
    }
}

/// What tests ask of a session.
pub const SESSION: &str =
    "accessToken refreshToken tokenType expiresIn user { id username role lastLoginAt }";
/// Registers, by the variable `input`.
pub const REGISTER: &str = "mutation($input: RegisterInput!) { register(input: $input) { \
     ... on AuthPayload { accessToken refreshToken user { id username } } } }";
/// Signs in, by the variable `input`.
pub const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) { \
     ... on AuthPayload { accessToken refreshToken user { id username } } } }";

/// Uses a refresh token.
pub async fn refresh(app: &App, token: &str) -> Reply {
    let query = format!(
        "mutation($token: String) {{ refreshToken(input: {{ refreshToken: $token }}) {{ {SESSION} }} }}"
    );
    call(app, &query, json!({ "token": token }), None).await
}

/// Posts a document.
pub async fn call(app: &App, query: &str, variables: Value, bearer: Option<&str>) -> Reply {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let mut request = Request::post("/graphql").header("content-type", "application/json");
    if let Some(bearer) = bearer {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    if query.starts_with("subscription") {
        request = request.header("accept", "text/event-stream");
    }
    send(app, request.body(Body::from(body)).unwrap()).await
}

/// Sends a request to an instance whose housekeeping has just read the keys, as it does every two
/// seconds. (A database that a test has broken fails the request itself.)
pub async fn send(app: &App, request: Request<Body>) -> Reply {
    let read: Whole<'_, _> = Box::pin(app.reload_keys());
    let _unread = read.await;
    send_as_it_is(app, request).await
}

/// Sends a request to an instance that knows what it knows.
pub async fn send_as_it_is(app: &App, mut request: Request<Body>) -> Reply {
    request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("localhost"));
    let (request, sent) = Sent::of(request);
    let answer: Whole<'_, Result<Response, Infallible>> =
        Box::pin(http::router(app).oneshot(request));
    let response = answer.await.unwrap();
    let (parts, body) = response.into_parts();
    if is_stream(&parts.headers) {
        let text = first_event(body).await;
        let reply = Reply { status: parts.status, headers: parts.headers, text };
        if reply.code() != "NONE" {
            sent.assert_answered(&sdl_of(app), &reply);
        }
        return reply;
    }
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let reply = Reply { status: parts.status, headers: parts.headers, text };
    sent.assert_answered(&sdl_of(app), &reply);
    reply
}

fn is_stream(headers: &HeaderMap) -> bool {
    let of = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    of.is_some_and(|of| of.starts_with("text/event-stream"))
}

/// The answer that a stream begins with; `{"data":null}` of one that is open, since it begins with a comment.
async fn first_event(mut body: Body) -> String {
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    match first.split_once("data: ") {
        Some((_, event)) => event.lines().next().unwrap().to_owned(),
        None => "{\"data\":null}".to_owned(),
    }
}
