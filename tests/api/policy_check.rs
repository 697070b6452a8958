//! `portcullis policy check`: the real binary, over the SDL of other subgraphs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

const ORDERS: &str = r#"extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.6", import: ["@authenticated", "@requiresScopes"])

type Query {
  orders: [String!] @authenticated
  "Of everybody"
  allOrders: [String!] @requiresScopes(scopes: [["users:read"]])
}
"#;

/// Status, stdout and stderr.
fn check(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["policy", "check"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_graph_is_printed_with_the_rule_of_each_root_field_and_needs_no_database() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("orders.graphql"), ORDERS).unwrap();
    let (status, printed, complaint) = check(folder.path(), &["orders.graphql"]);
    assert_eq!((status, &*complaint), (0, ""), "{printed}");
    let rows: Vec<Vec<&str>> = printed
        .lines()
        .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect())
        .collect();
    for row in [
        ["FIELD", "SUBGRAPH", "RULE"],
        ["Query.orders", "orders.graphql", "a signed-in caller"],
        ["Query.allOrders", "orders.graphql", "the scope users:read"],
        ["Query.me", "portcullis", "a signed-in caller"],
        ["Query.users", "portcullis", "the scope users:read"],
        ["Mutation.login", "portcullis", "anybody"],
    ] {
        assert!(rows.contains(&row.to_vec()), "{row:?} in {printed}");
    }
    assert!(printed.ends_with("every root field states who may use it\n"));
    // Of the folder nothing is used but the file.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_field_without_a_rule_fails_the_check_with_its_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("orders.graphql"), ORDERS).unwrap();
    let bare = "extend type Query {\n  prices: Int\n}\n";
    fs::write(folder.path().join("prices.graphql"), bare).unwrap();
    let files = ["orders.graphql", "prices.graphql"];
    let (status, printed, complaint) = check(folder.path(), &files);
    assert_eq!((status, &*complaint), (1, "error: the check found a problem\n"));
    assert!(
        printed.contains("problem  prices.graphql:2: Query.prices states no rule\n"),
        "{printed}"
    );

    let (status, printed, _) = check(folder.path(), &["--json", files[0], files[1]]);
    let told: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((status, &told["ok"]), (1, &Value::Bool(false)));
    assert_eq!(told["findings"][0]["file"], "prices.graphql");
    assert_eq!(told["findings"][0]["line"], 2);
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wrong.graphql"), "type Query {\n  a Int\n}\n").unwrap();
    fs::write(folder.path().join("deep.graphql"), "type Query ".to_owned() + &"{".repeat(10_000))
        .unwrap();
    fs::write(folder.path().join("large.graphql"), "#".repeat(10_000_000)).unwrap();
    for (file, told) in [
        ("wrong.graphql", "error: wrong.graphql:2:5: expected a type\n"),
        ("deep.graphql", "error: deep.graphql:1:13: "),
        ("large.graphql", "error: large.graphql is larger than 4 MiB"),
        ("missing.graphql", "error: missing.graphql cannot be read: No such file"),
        (".", "error: . cannot be read: "),
    ] {
        let begun = Instant::now();
        let (status, printed, complaint) = check(folder.path(), &[file]);
        assert_eq!((status, &*printed), (1, ""), "{file}");
        assert!(complaint.starts_with(told), "{file}: {complaint}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{file}");
    }
    assert_eq!(check(folder.path(), &[]).0, 2);
}
