//! Times that clients send: read strictly, before anything runs, and held alike by every database.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{Reply, SignedIn, TestApp};

const REFUSED: &str = "GRAPHQL_VALIDATION_FAILED";
const FIRST: &str = "0001-01-01T00:00:00Z";
const LAST: &str = "9999-12-31T23:59:59.999999Z";
/// No times that all databases hold, whatever they are else.
const WRONG: [&str; 9] = [
    "2030-02-30T00:00:00Z",
    "2030-01-01 00:00:00Z",
    "2030-01-01T00:00:00",
    "2030-12-31T23:59:60Z",
    "0000-12-31T23:59:59Z",
    "0001-01-01T00:00:00+00:01",
    "+12345-01-01T00:00:00Z",
    "-262143-01-01T00:00:00Z",
    "9999-12-31T23:59:59-00:01",
];
const TASK: &str = "createTask(input: { title: \"Water the plants\" }) { task { id } }";

/// A document whose first field makes a task, and whose second grants a permission until `expires_at`.
fn document(user: &SignedIn, variables: &str, expires_at: &str) -> String {
    format!(
        "mutation{variables} {{ {TASK} grantPermission(input: {{ id: \"{}\", permission: USERS_READ, \
         expiresAt: {expires_at} }}) {{ user {{ permissionGrants {{ expiresAt }} }} }} }}",
        user.id
    )
}

async fn events(app: &TestApp, boss: &SignedIn, arguments: &str) -> Reply {
    let query = format!("{{ auditEvents({arguments}) {{ edges {{ node {{ createdAt }} }} }} }}");
    app.query(&query, &boss.access).await
}

/// How many events there are between two times, in both directions of their list.
async fn count(app: &TestApp, boss: &SignedIn, filter: &str) -> usize {
    let mut counts = [0; 2];
    for (count, size) in counts.iter_mut().zip(["first", "last"]) {
        let found = events(app, boss, &format!("{size}: 100, filter: {{ {filter} }}")).await.data();
        *count = found["auditEvents"]["edges"].as_array().unwrap().len();
    }
    assert_eq!(counts[0], counts[1], "{filter}");
    counts[0]
}

#[tokio::test]
async fn a_wrong_time_is_refused_before_anything_of_its_operation_runs() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    let refused = |reply: Reply, wrong: &str| {
        assert_eq!(reply.code(), REFUSED, "{wrong}: {}", reply.text);
        assert!(reply.json()["data"].is_null(), "{wrong}: {}", reply.text);
    };
    for literal in ["1893456000", "true", "SOON", "[\"2030-02-30T00:00:00Z\"]", "{ year: 2030 }"] {
        refused(app.query(&document(&alice, "", literal), &boss.access).await, literal);
    }
    for wrong in WRONG {
        let literal = format!("\"{wrong}\"");
        refused(app.query(&document(&alice, "", &literal), &boss.access).await, wrong);
        let default = format!("($until: DateTime = {literal})");
        refused(app.query(&document(&alice, &default, "$until"), &boss.access).await, wrong);
        let query = document(&alice, "($until: DateTime)", "$until");
        let given = json!({ "until": wrong });
        refused(app.call(&query, given, Some(&boss.access)).await, wrong);
    }
    assert_eq!(app.count("tasks").await, 0);

    let right = app.query(&document(&alice, "", "\"2030-01-01T00:00:00Z\""), &boss.access).await;
    right.data();
    assert_eq!(app.count("tasks").await, 1);
}

#[tokio::test]
async fn a_time_comes_back_in_one_form_whatever_form_it_came_in() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    for (given, expected) in [
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00.000000Z"),
        ("2030-01-01t05:45:00.5+05:45", "2030-01-01T00:00:00.500000Z"),
        ("2030-01-01T00:00:00.123456789z", "2030-01-01T00:00:00.123456Z"),
        (LAST, LAST),
    ] {
        let query = document(&alice, "($until: DateTime)", "$until");
        let granted = app.call(&query, json!({ "until": given }), Some(&boss.access)).await.data();
        assert_eq!(
            granted["grantPermission"]["user"]["permissionGrants"],
            json!([{ "expiresAt": expected }]),
            "{given}"
        );
        let me = app.query("{ me { permissionGrants { expiresAt } } }", &alice.access).await.data();
        assert_eq!(me["me"]["permissionGrants"], json!([{ "expiresAt": expected }]), "{given}");
    }
}

#[tokio::test]
async fn events_are_found_by_every_time_that_is_accepted() {
    let app = TestApp::start().await;
    app.clock.advance(std::time::Duration::from_micros(1_500_001));
    let boss = app.admin("boss").await;
    let all = usize::try_from(app.count("audit_events").await).unwrap();
    // The server has made its keys before.
    let own = app.audit_events().await.len();
    assert!(own < all);
    let newest = events(&app, &boss, "first: 1").await.data();
    let newest = newest["auditEvents"]["edges"][0]["node"]["createdAt"].clone();
    assert_eq!(newest, "2026-01-01T00:00:01.500001Z");
    for (filter, expected) in [
        (format!("from: \"{FIRST}\""), all),
        (format!("until: \"{FIRST}\""), 0),
        (format!("from: \"{LAST}\""), 0),
        (format!("until: \"{LAST}\""), all),
        ("from: \"1969-12-31T23:59:59.999999Z\", until: \"2106-02-07T06:28:16Z\"".to_owned(), all),
        // The same moment in several forms, and those next to it.
        (format!("from: {newest}"), own),
        (format!("until: {newest}"), all - own),
        ("from: \"2026-01-01T05:45:01.5000010009+05:45\"".to_owned(), own),
        ("from: \"2026-01-01T00:00:01.500002Z\"".to_owned(), 0),
        ("until: \"2026-01-01T00:00:01.500002Z\"".to_owned(), all),
        ("from: \"2026-01-01T00:00:01.5Z\", until: \"2026-01-01T00:00:01.51Z\"".to_owned(), own),
        ("from: \"2026-01-01T00:00:01Z\", until: \"2026-01-01T00:00:02Z\"".to_owned(), own),
    ] {
        assert_eq!(count(&app, &boss, &filter).await, expected, "{filter}");
    }
    for wrong in WRONG {
        let refused = events(&app, &boss, &format!("filter: {{ from: \"{wrong}\" }}")).await;
        assert_eq!(refused.code(), REFUSED, "{wrong}");
    }
}

/// A cursor that no list has given out. Users stand in the order of the key, events in that of the id.
fn forged(key: &str) -> String {
    let id = match key {
        LAST => "ffffffff-ffff-7fff-bfff-ffffffffffff",
        _ => "00000000-0000-7000-8000-000000000000",
    };
    let cursor = json!({ "o": "CREATED_AT DESC", "k": key, "i": id });
    BASE64_URL_SAFE_NO_PAD.encode(cursor.to_string())
}

#[tokio::test]
async fn a_cursor_holds_no_time_that_could_not_be_asked_for() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    for field in ["auditEvents", "users"] {
        let page = async |key: &str| {
            let after = forged(key);
            let query = format!("{{ {field}(after: \"{after}\") {{ edges {{ cursor }} }} }}");
            app.query(&query, &boss.access).await
        };
        for wrong in WRONG {
            let refused = page(wrong).await;
            let problem = &refused.extension("fields")[0];
            assert_eq!(
                (refused.code().as_str(), &problem["path"]),
                ("BAD_USER_INPUT", &json!("after"))
            );
        }
        assert_eq!(page(FIRST).await.data()[field]["edges"], json!([]), "{field}");
        let all = page(LAST).await.data()[field]["edges"].clone();
        assert!(all.as_array().is_some_and(|edges: &Vec<Value>| !edges.is_empty()), "{field}");
    }
}

/// Where the value stands is told for forms, whether it came as a literal or in a variable, and from the argument.
#[tokio::test]
async fn a_wrong_value_is_told_with_its_path_whichever_way_it_came() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    let grant = |variables: &str, expires_at: &str| document(&alice, variables, expires_at);
    let whole = "mutation($given: GrantPermissionInput!) { grantPermission(input: $given) { user { id } } }";
    let input = |expires_at: &str| json!({ "given": { "id": alice.id, "permission": "USERS_READ", "expiresAt": expires_at } });
    let paged = "query($size: Int!) { users(first: $size) { totalCount } }";
    for (query, variables, path, code) in [
        (grant("", "\"soon\""), json!({}), "input.expiresAt", "INVALID_FORMAT"),
        (
            grant("($until: DateTime = \"soon\")", "$until"),
            json!({}),
            "input.expiresAt",
            "INVALID_FORMAT",
        ),
        (
            grant("($until: DateTime)", "$until"),
            json!({ "until": "soon" }),
            "input.expiresAt",
            "INVALID_FORMAT",
        ),
        (whole.to_owned(), input("soon"), "input.expiresAt", "INVALID_FORMAT"),
        (whole.to_owned(), json!({ "given": { "id": alice.id } }), "input.permission", "REQUIRED"),
        (whole.to_owned(), json!({}), "input", "REQUIRED"),
        (
            "{ users(first: 2147483648) { totalCount } }".to_owned(),
            json!({}),
            "first",
            "INVALID_FORMAT",
        ),
        (paged.to_owned(), json!({ "size": 2_147_483_648_u64 }), "first", "INVALID_FORMAT"),
        (paged.to_owned(), json!({ "size": null }), "first", "REQUIRED"),
        ("{ user { id } }".to_owned(), json!({}), "id", "REQUIRED"),
        (
            "{ nodes(ids: [\"user_x\", true]) { id } }".to_owned(),
            json!({}),
            "ids[1]",
            "INVALID_FORMAT",
        ),
    ] {
        let refused = app.call(&query, variables, Some(&boss.access)).await;
        assert_eq!(refused.code(), REFUSED, "{query}: {}", refused.text);
        let field = &refused.extension("fields")[0];
        assert_eq!(
            (&field["path"], &field["code"]),
            (&json!(path), &json!(code)),
            "{}",
            refused.text
        );
        assert!(field["message"].as_str().is_some_and(|message| !message.is_empty()), "{field}");
    }
    // What is wrong with the document itself names no value.
    let refused = app.query("{ nothing }", &boss.access).await;
    assert_eq!(refused.extension("fields"), Value::Null);
}
