//! What a million users and five million refresh tokens change.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::client::{Client, request};
use super::process::Server;
use super::scenario::{self, Measured, Scenario};
use super::seed::World;
use super::{Options, header, row};

const PAGE: &str = "query($after: String, $last: Int, $first: Int, $filter: UserFilter, \
    $orderBy: UserOrder) { users(first: $first, last: $last, after: $after, filter: $filter, \
    orderBy: $orderBy) { edges { cursor node { id username email emailVerified role createdAt } } } }";
const USER: &str = "query($id: ID!) { user(id: $id) { id username email role createdAt } }";

pub(super) async fn run(options: &Options) -> Result<()> {
    let users = options.users.unwrap_or(1_000_000);
    let time = Duration::from_secs(options.seconds);
    let mut world = World::new(options.database_url.as_deref(), users)?;
    let (server, _) = world.start().await?;
    println!("{}\n", world.description());
    header();
    let admin = world.admin.clone();
    let first = page(&server, &admin, "first page", json!({}), time).await?;
    pages(&server, &admin, users, &first, time).await?;
    row(&Scenario::Login.measure(&server, &mut world, time).await?);
    row(&Scenario::Refresh.measure(&server, &mut world, time).await?);

    println!("\nwith {} refresh tokens more, a tenth of them expired\n", options.tokens);
    let server = world.restart_with_tokens(server, options.tokens).await?;
    header();
    for _ in 0..100 {
        // The first of these run while what has expired is removed.
        row(&Scenario::Refresh.measure(&server, &mut world, time).await?);
        if world.count("sessions").await? <= i64::from(options.tokens / 5 / 10 * 9 + 1_000) {
            break;
        }
    }
    row(&Scenario::Refresh.measure(&server, &mut world, time).await?);
    world.end(server).await
}

async fn pages(
    server: &Server,
    admin: &str,
    users: u32,
    first: &Measured,
    time: Duration,
) -> Result<()> {
    let middle = format!("user{}", users / 2);
    let by_name = json!({ "field": "USERNAME", "direction": "ASC" });
    let cursor = async |order: &Value| -> Result<(Value, Value)> {
        let variables = json!({ "first": 1, "filter": { "search": middle }, "orderBy": order });
        let mut client = Client::connect(server.port).await?;
        let body = client.send(&request(PAGE, &variables, Some(admin))).await?;
        let edge = serde_json::from_slice::<Value>(body)?["data"]["users"]["edges"][0].clone();
        Ok((edge["cursor"].clone(), edge["node"]["id"].clone()))
    };
    let (after, id) = cursor(&Value::Null).await?;
    let (after_name, _) = cursor(&by_name).await?;
    let search = |prefix: &str| json!({ "filter": { "search": prefix } });
    let rows = [
        ("page in the middle", json!({ "after": after })),
        ("last page", json!({ "first": null, "last": 50 })),
        ("by name", json!({ "orderBy": by_name })),
        ("by name, in the middle", json!({ "orderBy": by_name, "after": after_name })),
        ("admins", json!({ "filter": { "role": "ADMIN" } })),
        ("admins, in the middle", json!({ "filter": { "role": "ADMIN" }, "after": after })),
        ("deactivated", json!({ "filter": { "isActive": false } })),
        (
            "active users by name, in the middle",
            json!({ "filter": { "role": "USER", "isActive": true }, "orderBy": by_name,
                "after": after_name }),
        ),
        ("search user8100", search("user8100")),
        ("search user810", search("user810")),
        ("search user42", search("user42")),
        ("search user4", search("user4")),
        ("search user", search("user")),
    ];
    for (name, variables) in rows {
        let measured = page(server, admin, name, variables, time).await?;
        if name.contains("middle") {
            println!("|  ↳ {:.2} × the first | | | | | |", measured.cpu_micros / first.cpu_micros);
        }
    }
    let id = json!({ "id": id.as_str().context("an id")? });
    row(&scenario::constant(server, "user(id)", (USER, &id), Some(admin), time).await?);
    Ok(())
}

async fn page(
    server: &Server,
    admin: &str,
    name: &'static str,
    mut variables: Value,
    time: Duration,
) -> Result<Measured> {
    let map = variables.as_object_mut().context("variables")?;
    map.entry("first").or_insert(json!(50));
    let measured = scenario::constant(server, name, (PAGE, &variables), Some(admin), time).await?;
    row(&measured);
    Ok(measured)
}
