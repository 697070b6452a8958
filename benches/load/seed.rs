//! The database that is measured: users, of whom one is an admin, all with the same password.

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Alias, Expr, Order, Query};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, ExprTrait, Statement,
    TransactionTrait,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::client::{Client, request};
use super::process::Server;

const PASSWORD: &str = "correct horse battery";
const BATCH: u32 = 200;
const REGISTER: &str =
    "mutation($input: RegisterInput!) { register(input: $input) { __typename } }";
pub(super) const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) { \
    ... on AuthPayload { accessToken refreshToken } } }";
const COLUMNS: [&str; 13] = [
    "id",
    "username",
    "username_key",
    "email",
    "email_key",
    "email_verified",
    "password_hash",
    "role",
    "is_active",
    "created_at",
    "updated_at",
    "last_login_at",
    "failed_logins",
];

const SESSION_COLUMNS: [&str; 8] = [
    "id",
    "user_id",
    "created_at",
    "expires_at",
    "secret_digest",
    "generation",
    "generation_at",
    "last_used_at",
];

/// A database and who is in it.
pub(super) struct World {
    folder: TempDir,
    url: String,
    users: u32,
    /// The admin's access token.
    pub(super) admin: String,
    next: u32,
    /// What a user takes.
    pub(super) bytes_of_user: i64,
}

impl World {
    pub(super) fn new(url: Option<&str>, users: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = || format!("sqlite://{}/bench.db", folder.path().display());
        let url = url.map_or_else(file, str::to_owned);
        Ok(Self { folder, url, users, admin: String::new(), next: 0, bytes_of_user: 0 })
    }

    pub(super) fn description(&self) -> String {
        let kind = self.url.split(':').next().unwrap_or_default();
        format!("Portcullis on {kind}, {} users", self.users)
    }

    /// Starts the server and fills its database. With the memory it takes before any request.
    pub(super) async fn start(&mut self) -> Result<(Server, u64)> {
        // The first run makes the tables; the second finds them full, as after any restart.
        let server = Server::portcullis(&self.url, self.folder.path())?;
        let input =
            json!({ "username": "boss", "email": "boss@example.com", "password": PASSWORD });
        let register = request(REGISTER, &json!({ "input": input }), None);
        Client::connect(server.port).await?.send(&register).await?;
        drop(server);
        let db = connect(&self.url).await?;
        db.execute_unprepared("UPDATE users SET role = 'ADMIN'").await?;
        let empty = self.bytes(&["users"]).await?;
        fill(&db, self.users).await?;
        analyze(&db).await?;
        db.close().await?;
        self.bytes_of_user = (self.bytes(&["users"]).await? - empty) / i64::from(self.users);

        let server = Server::portcullis(&self.url, self.folder.path())?;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let idle = server.memory_kib()?;
        let (admin, _) = sign_in(server.port, "boss").await?;
        self.admin = admin;
        Ok((server, idle))
    }

    /// Another user who has not signed in yet, and who may.
    pub(super) fn somebody(&mut self) -> String {
        self.next = (self.next + 1) % self.users;
        if !is_active(self.next) {
            self.next = (self.next + 1) % self.users;
        }
        format!("user{}", self.next)
    }

    /// Adds sessions, and of every ten one that has expired; starts the server again.
    pub(super) async fn restart_with_sessions(&self, server: Server, count: u32) -> Result<Server> {
        drop(server);
        let db = connect(&self.url).await?;
        fill_sessions(&db, self.users, count).await?;
        analyze(&db).await?;
        db.close().await?;
        Server::portcullis(&self.url, self.folder.path())
    }

    /// How many rows a table has.
    pub(super) async fn count(&self, table: &'static str) -> Result<i64> {
        let db = connect(&self.url).await?;
        let found = count(&db, table).await?;
        db.close().await?;
        Ok(found)
    }

    /// What these tables take with their indexes, in bytes; on SQLite the whole file, of which nothing else grows.
    pub(super) async fn bytes(&self, tables: &[&str]) -> Result<i64> {
        let db = connect(&self.url).await?;
        let asked = match db.get_database_backend() {
            DbBackend::Sqlite => "SELECT (page_count - freelist_count) * page_size \
                FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
                .to_owned(),
            _ => format!(
                "SELECT CAST(SUM(pg_total_relation_size(relid)) AS BIGINT) FROM pg_stat_user_tables \
                 WHERE relname IN ('{}')",
                tables.join("', '")
            ),
        };
        let row =
            db.query_one_raw(Statement::from_string(db.get_database_backend(), asked)).await?;
        let bytes = row.context("a size")?.try_get_by_index(0)?;
        db.close().await?;
        Ok(bytes)
    }

    pub(super) async fn end(self, server: Server) -> Result<()> {
        drop(server);
        if !self.url.starts_with("sqlite") {
            println!("\nThe database is left as it is.");
        }
        Ok(())
    }
}

pub(super) fn credentials(username: &str) -> Value {
    json!({ "input": { "identifier": username, "password": PASSWORD } })
}

/// Signs somebody in: the access and the refresh token.
pub(super) async fn sign_in(port: u16, username: &str) -> Result<(String, String)> {
    let mut client = Client::connect(port).await?;
    let body = client.send(&request(LOGIN, &credentials(username), None)).await?;
    let answer: Value = serde_json::from_slice(body)?;
    let pair = &answer["data"]["login"];
    let token = |name: &str| pair[name].as_str().map(str::to_owned).context("a token");
    Ok((token("accessToken")?, token("refreshToken")?))
}

async fn connect(url: &str) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await?;
    if url.starts_with("sqlite") {
        // All of it in memory, until it is committed.
        db.execute_unprepared("PRAGMA cache_size = -4000000").await?;
    }
    Ok(db)
}

/// Has PostgreSQL count what there is, as its autovacuum does where that is on: without, it reads all
/// sessions to find those of a few users. The others need no telling.
async fn analyze(db: &DatabaseConnection) -> Result<()> {
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_unprepared("ANALYZE").await?;
    }
    Ok(())
}

/// Users with the admin's password, each a second younger than the one before. One in 50 is
/// deactivated, one in 1,000 an admin.
async fn fill(db: &DatabaseConnection, users: u32) -> Result<()> {
    let hash = Query::select().column("password_hash").from("users").limit(1).to_owned();
    let row = db.query_one(&hash).await?.context("the admin")?;
    let hash: String = row.try_get("", "password_hash")?;
    let began = portcullis::Clock::system().now() - TimeDelta::seconds(users.into());
    let txn = db.begin().await?;
    for first in (0..users).step_by(BATCH as usize) {
        let mut insert = Query::insert();
        insert.into_table("users").columns(COLUMNS.map(Alias::new));
        for number in first..Ord::min(users, first + BATCH) {
            let at = began + TimeDelta::seconds(number.into());
            let (name, email) = (format!("user{number}"), format!("user{number}@example.com"));
            let role = if number % 1_000 == 1 { "ADMIN" } else { "USER" };
            insert.values([
                id(at).into(),
                name.clone().into(),
                name.into(),
                email.clone().into(),
                email.into(),
                false.into(),
                hash.clone().into(),
                role.into(),
                is_active(number).into(),
                at.into(),
                at.into(),
                Option::<DateTime<Utc>>::None.into(),
                0.into(),
            ])?;
        }
        txn.execute(&insert).await?;
    }
    txn.commit().await?;
    ensure!(count(db, "users").await? == i64::from(users) + 1, "the database was not empty");
    Ok(())
}

fn is_active(number: u32) -> bool {
    number % 50 != 49
}

/// Sessions of all users in turn.
async fn fill_sessions(db: &DatabaseConnection, users: u32, sessions: u32) -> Result<()> {
    let now = portcullis::Clock::system().now();
    let ids = Query::select().column("id").from("users").order_by("id", Order::Asc).to_owned();
    let ids: Vec<Uuid> = db
        .query_all(&ids)
        .await?
        .iter()
        .map(|row| row.try_get("", "id"))
        .collect::<Result<_, _>>()?;
    ensure!(ids.len() > users as usize, "users are missing");
    let txn = db.begin().await?;
    for first in (0..sessions).step_by(BATCH as usize) {
        let mut insert = Query::insert();
        insert.into_table("sessions").columns(SESSION_COLUMNS.map(Alias::new));
        for number in first..Ord::min(sessions, first + BATCH) {
            let age = TimeDelta::seconds((sessions - number).into());
            // Those that have expired are the oldest, as they are in life.
            let expired =
                if number < sessions / 10 { TimeDelta::days(40) } else { TimeDelta::zero() };
            let at = now - age - expired;
            let session = id(at);
            let user = ids[number as usize % ids.len()];
            insert.values([
                session.into(),
                user.into(),
                at.into(),
                (at + TimeDelta::days(30)).into(),
                digest(&SHA256, session.as_bytes()).as_ref().to_vec().into(),
                5.into(),
                at.into(),
                at.into(),
            ])?;
        }
        txn.execute(&insert).await?;
    }
    txn.commit().await?;
    Ok(())
}

async fn count(db: &DatabaseConnection, table: &'static str) -> Result<i64> {
    let all = Query::select().expr(Expr::col("id").count()).from(table).to_owned();
    Ok(db.query_one(&all).await?.context("a count")?.try_get_by_index(0)?)
}

fn id(at: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, at.timestamp_subsec_nanos());
    Uuid::new_v7(time)
}
