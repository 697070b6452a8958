//! What a million users and ten million sessions change.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::client::{Client, request};
use super::process::Server;
use super::scenario::{self, CONNECTIONS, Measured, Scenario};
use super::seed::World;
use super::{Options, header, row};

const PAGE: &str = "query($after: String, $last: Int, $first: Int, $filter: UserFilter, \
    $orderBy: UserOrder) { users(first: $first, last: $last, after: $after, filter: $filter, \
    orderBy: $orderBy) { edges { cursor node { id username email emailVerified role createdAt } } } }";
const USER: &str = "query($id: ID!) { user(id: $id) { id username email role createdAt } }";

/// Who asks, for how long.
struct Bench<'a> {
    server: &'a Server,
    admin: &'a str,
    time: Duration,
}

pub(super) async fn run(options: &Options) -> Result<()> {
    let users = options.users.unwrap_or(1_000_000);
    let time = Duration::from_secs(options.seconds);
    let mut world = World::new(options.database_url.as_deref(), users)?;
    let (server, _) = world.start().await?;
    println!("{}\n", world.description());
    header();
    let admin = world.admin.clone();
    Bench { server: &server, admin: &admin, time }.pages(users).await?;
    let before = Scenario::Refresh.measure(&server, &mut world, time).await?;
    row(&before);
    let of_login = bytes_of_login(&server, &mut world, time).await?;

    let sessions = i64::from(options.sessions);
    let bytes = world.bytes(&["sessions"]).await?;
    let server = world.restart_with_sessions(server, options.sessions).await?;
    let of_session = (world.bytes(&["sessions"]).await? - bytes) / sessions;
    println!("\nWith {sessions} sessions more, a tenth of them expired:\n");
    header();
    let (began, living) = (Instant::now(), sessions / 10 * 9);
    let during = Scenario::Refresh.measure(&server, &mut world, time).await?;
    row(&Measured { name: "refreshToken, while what has expired is removed", ..during });
    // Those who have signed in here are a few thousand.
    while world.count("sessions").await? > living + 10_000 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let took = began.elapsed().as_secs();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = Scenario::Refresh.measure(&server, &mut world, time).await?;
    row(&after);
    let p99 = |measured: &Measured| measured.p99.as_secs_f64();
    println!(
        "\n- `refreshToken`: {:.2} × the CPU without them",
        after.cpu_micros / before.cpu_micros
    );
    println!("- its p99 while they are removed: {:.2} × the one after", p99(&during) / p99(&after));
    println!("- what had expired was removed in {took} s");
    println!(
        "- {} bytes a user, {of_session} a session, {of_login} an audited login with its session",
        world.bytes_of_user
    );
    world.end(server).await
}

/// What stays of a login: its session and its sealed event.
async fn bytes_of_login(server: &Server, world: &mut World, time: Duration) -> Result<i64> {
    let tables = ["sessions", "audit_events"];
    let (events, bytes) = (world.count("audit_events").await?, world.bytes(&tables).await?);
    row(&Scenario::Login.measure(server, world, time).await?);
    // Events are sealed every second.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let logins = world.count("audit_events").await? - events;
    Ok((world.bytes(&tables).await? - bytes) / logins.max(1))
}

impl Bench<'_> {
    async fn pages(&self, users: u32) -> Result<()> {
        let by_name = json!({ "field": "USERNAME", "direction": "ASC" });
        let (place, id) = self.middle(users, &Value::Null).await?;
        let (place_by_name, _) = self.middle(users, &by_name).await?;
        for (name, deep_name, mut variables, place) in [
            ("page", "page in the middle", json!({}), &place),
            ("by name", "by name, in the middle", json!({ "orderBy": by_name }), &place_by_name),
            ("admins", "admins, in the middle", json!({ "filter": { "role": "ADMIN" } }), &place),
            (
                "deactivated",
                "deactivated, in the middle",
                json!({ "filter": { "isActive": false } }),
                &place,
            ),
            (
                "active users by name",
                "active users by name, in the middle",
                json!({ "filter": { "role": "USER", "isActive": true }, "orderBy": by_name }),
                &place_by_name,
            ),
        ] {
            variables["first"] = json!(50);
            let first = self.call(name, PAGE, &variables, CONNECTIONS).await?;
            variables["after"] = place.clone();
            let deep = self.call(deep_name, PAGE, &variables, CONNECTIONS).await?;
            println!("| ↳ {:.2} × the first | | | | | |", deep.cpu_micros / first.cpu_micros);
        }
        self.call("last page", PAGE, &json!({ "last": 50 }), CONNECTIONS).await?;
        // Each is a tenth of the one after it.
        for (name, prefix) in [
            ("search for `user8100`", "user8100"),
            ("search for `user810`", "user810"),
            ("search for `user42`", "user42"),
            ("search for `user4`", "user4"),
            ("search for `user`", "user"),
        ] {
            let variables = json!({ "first": 50, "filter": { "search": prefix } });
            self.call(name, PAGE, &variables, 1).await?;
        }
        self.call("user(id)", USER, &json!({ "id": id }), CONNECTIONS).await?;
        Ok(())
    }

    /// The cursor and the id of a user in the middle.
    async fn middle(&self, users: u32, order: &Value) -> Result<(Value, Value)> {
        let filter = json!({ "search": format!("user{}", users / 2) });
        let variables = json!({ "first": 1, "filter": filter, "orderBy": order });
        let mut client = Client::connect(self.server.port).await?;
        let body = client.send(&request(PAGE, &variables, Some(self.admin))).await?;
        let answer: Value = serde_json::from_slice(body)?;
        let edge = &answer["data"]["users"]["edges"][0];
        edge.is_object().then_some(()).context("a user in the middle")?;
        Ok((edge["cursor"].clone(), edge["node"]["id"].clone()))
    }

    async fn call(
        &self,
        name: &'static str,
        query: &str,
        variables: &Value,
        connections: usize,
    ) -> Result<Measured> {
        let request = request(query, variables, Some(self.admin));
        let measured =
            scenario::constant(self.server, name, request, connections, self.time).await?;
        row(&measured);
        Ok(measured)
    }
}
