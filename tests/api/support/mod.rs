//! A whole server for each test: its own database, a clock that stands still, and callers.

mod answered;
pub(crate) mod conformance;
mod database;
pub(crate) mod documents;
mod dump;
pub(crate) mod load;
mod mail;
pub(crate) mod organizations;
pub(crate) mod process;
#[cfg(target_os = "linux")]
pub(crate) mod redis;
#[cfg(target_os = "linux")]
pub(crate) mod relay;
#[cfg(target_os = "linux")]
pub(crate) mod servers;
pub(crate) mod untrusted;

use std::process::Stdio;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use chrono::{DateTime, Utc};
use http_body_util::BodyExt;
use portcullis::app::App;
use portcullis::config::Config;
use portcullis::{Clock, cli, http};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::process::Command;
use tower::ServiceExt;

use self::answered::Sent;
pub(crate) use self::database::{TestDatabase, server as named_server};
pub(crate) use self::dump::{dump, holding, tables};
pub(crate) use self::mail::Mail;

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const GRACE: Duration = Duration::from_secs(10);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// One instance over a database of its own.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) clock: Clock,
    pub(crate) database: TestDatabase,
    flags: Vec<String>,
}

/// How a run of the command line ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A signed-in user.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

pub(crate) fn start_of_time() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Says why a test does nothing here; where everything must be tested it fails instead.
#[expect(clippy::disallowed_methods, reason = "the tests' own setting, not the program's")]
pub(crate) fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot be skipped: {why}");
    eprintln!("skipped: {why}");
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with further flags, as on the command line.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::start_at(start_of_time(), flags).await
    }

    /// Starts now: for tests that use the command line beside the server, whose clock is the
    /// machine's.
    pub(crate) async fn start_now(flags: &[&str]) -> Self {
        Self::start_at(Clock::system().now(), flags).await
    }

    /// Starts over a server of databases that the test has.
    pub(crate) async fn start_on(server: String) -> Self {
        Self::start_over(TestDatabase::create_on(Some(server)).await, start_of_time(), &[]).await
    }

    async fn start_at(start: DateTime<Utc>, flags: &[&str]) -> Self {
        Self::start_over(TestDatabase::create().await, start, flags).await
    }

    async fn start_over(database: TestDatabase, start: DateTime<Utc>, flags: &[&str]) -> Self {
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
        let app = Self::build(&all, &clock).await;
        Self { app, clock, database, flags: all }
    }

    /// Another instance over the same database, with the same secret and the same clock.
    pub(crate) async fn second_instance(&self) -> App {
        self.second_instance_with(&[]).await
    }

    /// The same with further flags.
    pub(crate) async fn second_instance_with(&self, flags: &[&str]) -> App {
        Self::build(&self.with(flags), &self.clock).await
    }

    /// The same server, started again with further flags.
    pub(crate) async fn restarted_with(self, flags: &[&str]) -> Self {
        let app = self.second_instance_with(flags).await;
        Self { app, ..self }
    }

    /// Another instance whose clock stands at another time.
    pub(crate) async fn second_instance_at(&self, time: DateTime<Utc>) -> App {
        Self::build(&self.flags, &Clock::manual(time)).await
    }

    /// Runs the command line over the same database, with the same secret.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
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
    pub(crate) fn flags(&self) -> &[String] {
        &self.flags
    }

    fn with(&self, arguments: &[&str]) -> Vec<String> {
        over(arguments, self.flags.iter().cloned())
    }

    async fn build(flags: &[String], clock: &Clock) -> App {
        let settings = cli::settings(flags).unwrap();
        App::build(Config::new(&settings).unwrap(), clock.clone()).await.unwrap()
    }

    pub(crate) async fn call(&self, query: &str, variables: Value, bearer: Option<&str>) -> Reply {
        call(&self.app, query, variables, bearer).await
    }

    pub(crate) async fn query(&self, query: &str, bearer: &str) -> Reply {
        self.call(query, json!({}), Some(bearer)).await
    }

    pub(crate) async fn register(&self, username: &str) -> SignedIn {
        let reply = self.try_register(username, &format!("{username}@example.com"), PASSWORD).await;
        reply.signed_in("register")
    }

    pub(crate) async fn try_register(&self, username: &str, email: &str, password: &str) -> Reply {
        let input = json!({ "username": username, "email": email, "password": password });
        self.call(REGISTER, json!({ "input": input }), None).await
    }

    pub(crate) async fn login(&self, identifier: &str, password: &str) -> Reply {
        let input = json!({ "identifier": identifier, "password": password });
        self.call(LOGIN, json!({ "input": input }), None).await
    }

    /// A further session of a user.
    pub(crate) async fn again(&self, username: &str) -> SignedIn {
        self.login(username, PASSWORD).await.signed_in("login")
    }

    /// A mutation of a signed-in user.
    pub(crate) async fn mutate(&self, user: &SignedIn, call: &str) -> Reply {
        self.query(&format!("mutation {{ {call} }}"), &user.access).await
    }

    /// Posts what the link in a mail carries.
    pub(crate) async fn use_link(&self, field: &str, token: &str) -> Reply {
        // One that verifies an address asks for the password that was chosen with it.
        let password = match field {
            "verifyEmail" => format!(", password: \"{PASSWORD}\""),
            _ => String::new(),
        };
        let query = format!("mutation {{ {field}(token: \"{token}\"{password}) }}");
        self.call(&query, json!({}), None).await
    }

    /// All that is kept of a user, as they fetch it.
    pub(crate) async fn export(&self, user: &SignedIn) -> Value {
        let call = "exportMyData { url ticket expiresIn }";
        let issued = self.mutate(user, call).await.data()["exportMyData"].take();
        assert_eq!(
            (issued["expiresIn"].as_u64(), issued["url"].as_str().unwrap().ends_with("/export")),
            (Some(60), true)
        );
        let fetched = self.fetch_export(issued["ticket"].as_str().unwrap()).await;
        assert_eq!(fetched.status, 200, "{}", fetched.text);
        fetched.json()
    }

    pub(crate) async fn fetch_export(&self, ticket: &str) -> Reply {
        let request = Request::get("/export").header("authorization", format!("Bearer {ticket}"));
        send(&self.app, request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Reply {
        refresh(&self.app, token).await
    }

    /// A user who is an admin before they sign in.
    pub(crate) async fn admin(&self, username: &str) -> SignedIn {
        self.register(username).await;
        let promote = format!("UPDATE users SET role = 'ADMIN' WHERE username_key = '{username}'");
        self.sql(&promote).await;
        self.login(username, PASSWORD).await.signed_in("login")
    }

    /// An account that was granted a permission, by an admin.
    pub(crate) async fn granted(&self, username: &str, permission: &str) -> SignedIn {
        let user = self.register(username).await;
        let boss = self.admin(&format!("granter-of-{username}")).await;
        let grant = format!(
            "grantPermission(id: \"{}\", permission: {permission}) {{ permission }}",
            user.id
        );
        self.mutate(&boss, &grant).await.data();
        user
    }

    /// Sends what is due, and reads all mails that were ever sent, in the order they were sent.
    pub(crate) async fn mails(&self) -> Vec<Mail> {
        self.app.deliver_mail().await.unwrap();
        let Ok(files) = std::fs::read_dir(self.database.folder.path().join("mail")) else {
            return Vec::new();
        };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort_by_key(|file| std::fs::metadata(file).unwrap().modified().unwrap());
        files.iter().map(|file| Mail::read(file)).collect()
    }

    /// The newest mail of a kind to an address.
    pub(crate) async fn mail(&self, kind: &str, to: &str) -> Mail {
        let mails = self.mails().await;
        let found = mails.iter().rev().find(|mail| mail.kind == kind && mail.to == to);
        found.cloned().unwrap_or_else(|| panic!("no {kind} to {to} in {mails:?}"))
    }

    pub(crate) async fn sql(&self, sql: &str) {
        self.database.connection().await.execute_unprepared(sql).await.unwrap();
    }

    pub(crate) async fn count(&self, from: &str) -> i64 {
        count(&self.database.connection().await, from).await
    }

    /// The kinds of all audit events but those of the server's own start, in alphabetical order.
    pub(crate) async fn audit_events(&self) -> Vec<String> {
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

/// Flags that are given twice would be refused: the given ones win over the defaults.
fn over(given: &[&str], defaults: impl Iterator<Item = String>) -> Vec<String> {
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    let names: Vec<String> = given.iter().map(|flag| name(flag)).collect();
    let kept = defaults.filter(|flag| !names.contains(&name(flag)));
    given.iter().map(|flag| (*flag).to_owned()).chain(kept).collect()
}

pub(crate) async fn count(db: &DatabaseConnection, from: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) AS n FROM {from}");
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

/// Nothing is half there: each account has its session and its event, each session one live
/// token. Holds where nobody has signed in a second time.
pub(crate) async fn assert_whole(db: &DatabaseConnection) {
    let live = "SELECT COUNT(*) FROM refresh_tokens WHERE session_id = sessions.id \
                AND consumed_at IS NULL";
    assert_eq!(count(db, &format!("sessions WHERE ({live}) <> 1")).await, 0, "live tokens");
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

pub(crate) const SESSION: &str =
    "accessToken refreshToken tokenType expiresIn user { id username role lastLoginAt }";
pub(crate) const REGISTER: &str = "mutation($input: RegisterInput!) { register(input: $input) { \
     ... on AuthPayload { accessToken refreshToken user { id username } } } }";
pub(crate) const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) { \
     ... on AuthPayload { accessToken refreshToken user { id username } } } }";

pub(crate) async fn refresh(app: &App, token: &str) -> Reply {
    let query = format!(
        "mutation($token: String) {{ refreshToken(refreshToken: $token) {{ {SESSION} }} }}"
    );
    call(app, &query, json!({ "token": token }), None).await
}

pub(crate) async fn call(app: &App, query: &str, variables: Value, bearer: Option<&str>) -> Reply {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let mut request = Request::post("/graphql").header("content-type", "application/json");
    if let Some(bearer) = bearer {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    send(app, request.body(Body::from(body)).unwrap()).await
}

/// Sends a request to an instance whose housekeeping has just read the keys, as it does every two
/// seconds. (A database that a test has broken fails the request itself.)
pub(crate) async fn send(app: &App, request: Request<Body>) -> Reply {
    let _unread = app.reload_keys().await;
    send_as_it_is(app, request).await
}

/// Sends a request to an instance that knows what it knows.
pub(crate) async fn send_as_it_is(app: &App, mut request: Request<Body>) -> Reply {
    request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("localhost"));
    let (request, sent) = Sent::of(request);
    let response = http::router(app).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let reply = Reply { status: parts.status, headers: parts.headers, text };
    sent.assert_answered(&reply);
    reply
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// `data`, of a call that succeeded.
    pub(crate) fn data(&self) -> Value {
        let json = self.json();
        assert!(json.get("errors").is_none(), "{}", self.text);
        json["data"].clone()
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> String {
        self.extension("code").as_str().unwrap_or("NONE").to_owned()
    }

    pub(crate) fn extension(&self, name: &str) -> Value {
        self.json()["errors"][0]["extensions"][name].clone()
    }

    pub(crate) fn signed_in(&self, field: &str) -> SignedIn {
        let payload = &self.data()[field];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        SignedIn {
            id: text(&payload["user"]["id"]),
            username: text(&payload["user"]["username"]),
            access: text(&payload["accessToken"]),
            refresh: text(&payload["refreshToken"]),
        }
    }
}

impl Outcome {
    /// What a run printed that went well.
    pub(crate) fn printed(&self) -> &str {
        assert_eq!(self.status, 0, "{self:?}");
        &self.stdout
    }

    /// What a run complained of that did not, and printed nothing.
    pub(crate) fn complaint(&self) -> &str {
        assert_eq!((self.status, self.stdout.as_str()), (1, ""), "{self:?}");
        &self.stderr
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.printed()).unwrap()
    }
}
