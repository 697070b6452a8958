//! Tests of tasks: what their owners do with them, and what other callers see.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod policy;

use serde_json::{Value, json};

use std::path::Path;
use std::time::Duration;

use portcullis_testing::organizations::{act_in, found_organization, join_organization};
use portcullis_testing::{SECOND, SignedIn, TestApp};

const UNKNOWN: &str = "task_01890000-0000-7000-8000-000000000000";

async fn start() -> TestApp {
    TestApp::start(task_manager::server()).await
}

/// Creates a task and returns its id.
async fn create(app: &TestApp, user: &SignedIn, title: &str) -> String {
    let call = format!("createTask(input: {{ title: \"{title}\" }}) {{ task {{ id }} }}");
    let made = app.mutate(user, &call).await.data();
    made["createTask"]["task"]["id"].as_str().unwrap().to_owned()
}

fn titles(connection: &Value) -> Vec<&str> {
    let edges = connection["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"]["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn people_make_change_and_delete_their_own_tasks() {
    let app = start().await;
    let alice = app.register("alice").await;
    let id = create(&app, &alice, "  Water the plants ").await;
    let task = format!("{{ task(id: \"{id}\") {{ title isDone createdAt updatedAt }} }}");
    let task = app.query(&task, &alice.access).await.data()["task"].clone();
    assert_eq!((&task["title"], &task["isDone"]), (&json!("Water the plants"), &json!(false)));
    assert_eq!(task["createdAt"], task["updatedAt"]);
    let exported = app.export(&alice).await;
    let exported = &exported["tasks"];
    assert_eq!((&exported[0]["id"], &exported[1]), (&json!(id), &Value::Null));

    app.clock.advance(SECOND);
    let done = format!(
        "updateTask(input: {{ id: \"{id}\", isDone: true }}) {{ task {{ title isDone }} }}"
    );
    let done = app.mutate(&alice, &done).await.data()["updateTask"]["task"].clone();
    assert_eq!(done, json!({ "title": "Water the plants", "isDone": true }));
    let deleted = app
        .mutate(&alice, &format!("deleteTask(input: {{ id: \"{id}\" }}) {{ deletedTaskId }}"))
        .await
        .data();
    assert_eq!(deleted["deleteTask"]["deletedTaskId"], id.as_str());
    assert_eq!(
        app.mutate(&alice, &format!("deleteTask(input: {{ id: \"{id}\" }}) {{ deletedTaskId }}"))
            .await
            .code(),
        "NOT_FOUND"
    );
    let events = app.audit_events().await;
    for kind in ["TASK_CREATED", "TASK_UPDATED", "TASK_DELETED"] {
        assert_eq!(events.iter().filter(|event| *event == kind).count(), 1, "{kind}");
    }
}

#[tokio::test]
async fn the_task_of_another_is_as_one_that_does_not_exist() {
    let app = start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let id = create(&app, &alice, "Hers").await;
    for id in [id.as_str(), UNKNOWN, "", "nonsense", &id.to_uppercase(), &bob.id] {
        let task = app.query(&format!("{{ task(id: \"{id}\") {{ title }} }}"), &bob.access).await;
        assert_eq!(task.data()["task"], json!(null), "{id}");
        for call in [
            format!("updateTask(input: {{ id: \"{id}\", title: \"His\" }}) {{ task {{ id }} }}"),
            format!("deleteTask(input: {{ id: \"{id}\" }}) {{ deletedTaskId }}"),
        ] {
            let reply = app.mutate(&bob, &call).await;
            assert_eq!(reply.code(), "NOT_FOUND", "{call}");
            assert_eq!(reply.json()["errors"][0]["message"], "This task does not exist.");
        }
    }
    let mine = "{ myTasks { totalCount edges { node { title } } } }";
    assert_eq!(app.query(mine, &bob.access).await.data()["myTasks"]["totalCount"], 0);
    let mine = app.query(mine, &alice.access).await.data();
    assert_eq!(titles(&mine["myTasks"]), ["Hers"]);
}

#[tokio::test]
async fn permissions_open_the_tasks_of_others_to_read_and_to_change() {
    let app = start().await;
    let alice = app.register("alice").await;
    let (reader, writer) = (
        app.granted("reader", "TASKS_READ_ALL").await,
        app.granted("writer", "TASKS_WRITE_ALL").await,
    );
    let id = create(&app, &alice, "Hers").await;
    let all = "{ tasks { totalCount } }";
    assert_eq!(app.query(all, &alice.access).await.code(), "FORBIDDEN");
    assert_eq!(app.query(all, &writer.access).await.code(), "FORBIDDEN");
    assert_eq!(app.query(all, &reader.access).await.data()["tasks"]["totalCount"], 1);
    let task = format!("{{ task(id: \"{id}\") {{ title }} }}");
    assert_eq!(app.query(&task, &reader.access).await.data()["task"]["title"], "Hers");

    let change =
        format!("updateTask(input: {{ id: \"{id}\", title: \"Ours\" }}) {{ task {{ title }} }}");
    assert_eq!(app.mutate(&reader, &change).await.code(), "NOT_FOUND");
    assert_eq!(app.mutate(&writer, &change).await.data()["updateTask"]["task"]["title"], "Ours");
}

#[tokio::test]
async fn a_title_is_one_line_of_200_characters() {
    let app = start().await;
    let alice = app.register("alice").await;
    for (title, code) in [
        (String::new(), "TOO_SHORT"),
        (" \\n ".to_owned(), "TOO_SHORT"),
        ("é".repeat(201), "TOO_LONG"),
        ("two\\nlines".to_owned(), "INVALID_FORMAT"),
        ("nul\\u0000".to_owned(), "INVALID_FORMAT"),
    ] {
        let call = format!("createTask(input: {{ title: \"{title}\" }}) {{ task {{ id }} }}");
        let reply = app.mutate(&alice, &call).await;
        assert_eq!(reply.extension("fields")[0]["path"], "input.title", "{title}");
        assert_eq!(reply.extension("fields")[0]["code"], code, "{title}");
    }
    create(&app, &alice, &"é".repeat(200)).await;
}

#[tokio::test]
async fn pages_of_tasks_meet_in_both_directions() {
    let app = start().await;
    let alice = app.register("alice").await;
    for number in 0..5 {
        app.clock.advance(std::time::Duration::from_millis(2));
        create(&app, &alice, &number.to_string()).await;
    }
    for (size, cursor, edge, more, less) in [
        ("first", "after", "endCursor", "hasNextPage", "hasPreviousPage"),
        ("last", "before", "startCursor", "hasPreviousPage", "hasNextPage"),
    ] {
        let (mut seen, mut at) = (Vec::<String>::new(), String::new());
        loop {
            let query = format!(
                "{{ myTasks({size}: 2{at}) {{ totalCount edges {{ node {{ title }} }} pageInfo {{ \
                 hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
            );
            let page = app.query(&query, &alice.access).await.data()["myTasks"].clone();
            assert_eq!(page["totalCount"], 5);
            assert_eq!(page["pageInfo"][less], !at.is_empty(), "{query}");
            let titles = titles(&page).into_iter().map(str::to_owned);
            match size {
                "first" => seen.extend(titles),
                _ => drop(seen.splice(0..0, titles)),
            }
            if page["pageInfo"][more] == false {
                break;
            }
            at = format!(", {cursor}: {}", page["pageInfo"][edge]);
        }
        assert_eq!(seen, ["4", "3", "2", "1", "0"], "{size}");
    }
    // No task follows the last one, but others precede it.
    let last = "{ myTasks(last: 1) { pageInfo { endCursor } } }";
    let last =
        app.query(last, &alice.access).await.data()["myTasks"]["pageInfo"]["endCursor"].clone();
    let behind = format!(
        "{{ myTasks(after: {last}) {{ edges {{ cursor }} pageInfo {{ hasPreviousPage hasNextPage }} }} }}"
    );
    let behind = app.query(&behind, &alice.access).await.data()["myTasks"].clone();
    assert_eq!(behind["edges"], json!([]));
    assert_eq!(behind["pageInfo"], json!({ "hasPreviousPage": true, "hasNextPage": false }));
    let wrong = app.query("{ myTasks(after: \"x\") { totalCount } }", &alice.access).await;
    assert_eq!(wrong.extension("fields")[0]["path"], "after");
}

#[tokio::test]
async fn nodes_are_what_the_caller_sees_of_all_types_and_nothing_else() {
    let app = start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let made = create(&app, &alice, "Hers").await;
    let mine = "{ me { sessions { edges { node { id } } } securityEvents(first: 1) { edges { node { id } } } } }";
    let mine = app.query(mine, &alice.access).await.data()["me"].clone();
    let session = mine["sessions"]["edges"][0]["node"]["id"].as_str().unwrap();
    let event = mine["securityEvents"]["edges"][0]["node"]["id"].as_str().unwrap();
    let ids = [&alice.id, made.as_str(), session, event, UNKNOWN, "nonsense", &alice.id];
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
    let nodes = async |user: &SignedIn| {
        let reply = app.call(query, json!({ "ids": ids }), Some(&user.access)).await;
        reply.data()["nodes"].as_array().unwrap().clone()
    };
    let seen = nodes(&alice).await;
    let types: Vec<_> = seen.iter().map(|node| node["__typename"].as_str().unwrap_or("")).collect();
    assert_eq!(types, ["User", "Task", "Session", "AuditEvent", "", "", "User"]);
    for (node, id) in seen.iter().zip(ids) {
        assert!(node.is_null() || node["id"] == id, "{node}");
    }
    assert!(nodes(&bob).await.iter().all(Value::is_null));
    for id in ids {
        let node = format!("{{ node(id: \"{id}\") {{ ... on User {{ email }} id }} }}");
        assert_eq!(app.query(&node, &bob.access).await.data()["node"], json!(null), "{id}");
    }
    let support = app.granted("clerk", "USERS_READ").await;
    let types: Vec<_> =
        nodes(&support).await.iter().map(|node| node["__typename"].clone()).collect();
    assert_eq!(types[0], "User");
    assert!(types[1..6].iter().all(Value::is_null), "{types:?}");
    let many = app.call(query, json!({ "ids": vec![UNKNOWN; 101] }), Some(&bob.access)).await;
    assert_eq!(many.extension("fields")[0]["path"], "ids");
}

#[tokio::test]
async fn nothing_is_decided_by_what_was_so_before_the_operation_changed_it() {
    let app = start().await;
    let (olga, alice) = (app.register("olga").await, app.register("alice").await);
    let organization = found_organization(&app, &olga).await;
    join_organization(&app, &olga, &organization, &alice, "MEMBER").await;
    let alice = act_in(&app, &alice, &organization).await;
    let create = "createTask(input: { title: \"Mine\" }) { task { organization { id } } }";
    let inside = app.mutate(&alice, create).await.data();
    assert_eq!(inside["createTask"]["task"]["organization"]["id"], organization.as_str());

    let leave = format!(
        "leaveOrganization(input: {{ id: \"{organization}\" }}) {{ deletedMembershipId }} {create}"
    );
    let late = app.mutate(&alice, &leave).await;
    assert_eq!(
        (late.code(), late.extension("reason")),
        ("FORBIDDEN".into(), "NOT_A_MEMBER".into())
    );
    assert!(late.json()["data"]["leaveOrganization"]["deletedMembershipId"].is_string());
    let olga = act_in(&app, &olga, &organization).await;
    let seen = app.query("{ visibleTasks { totalCount } }", &olga.access).await.data();
    assert_eq!(seen["visibleTasks"]["totalCount"], 1, "the task from before the caller left");
}

#[tokio::test]
async fn a_field_that_is_written_thousands_of_times_is_resolved_once_a_row() {
    let app = start().await;
    let alice = app.register("alice").await;
    app.mutate(&alice, "createTask(input: { title: \"Mine\" }) { task { id } }").await.data();
    let (spreads, owners) = ("...G ".repeat(40), "owner { id } ".repeat(40));
    let query = format!(
        "{{ myTasks(first: 100) {{ edges {{ node {{ ...F }} }} }} }} fragment F on Task {{ {spreads} }} \
         fragment G on Task {{ {owners} }}"
    );
    let tasks = app.query(&query, &alice.access).await.data();
    let owned = json!({ "owner": { "id": alice.id } });
    assert_eq!(tasks["myTasks"]["edges"], json!([{ "node": owned }]));
}

#[tokio::test]
async fn migrations_of_the_crate_run_after_those_of_the_server_and_are_taken_back_first() {
    let app = start().await;
    let program = Path::new(env!("CARGO_BIN_EXE_task-manager"));
    let run = async |arguments: &[&str]| app.run(program, arguments).await.printed().to_owned();
    let newest = "applied  m20261128_000001_create_tasks\n";
    let status = run(&["migrate", "status"]).await;
    assert!(status.ends_with(newest), "{status}");

    let servers = status.strip_suffix(newest).unwrap().lines().last().unwrap();
    let pending = newest.replace("applied", "pending");
    let down = run(&["migrate", "down"]).await;
    assert!(down.ends_with(&format!("{servers}\n{pending}")), "{down}");
    let servers = servers.replace("applied", "pending");
    let more = run(&["migrate", "down"]).await;
    assert!(more.ends_with(&format!("{servers}\n{pending}")), "{more}");
    assert_eq!(run(&["migrate", "up"]).await, status);

    let alice = app.register("alice").await;
    create(&app, &alice, "Something").await;
}

#[tokio::test]
async fn a_table_without_a_column_of_its_entity_stops_the_start() {
    let app = start().await;
    app.sql("ALTER TABLE tasks RENAME COLUMN is_done TO was_done").await;
    let program = Path::new(env!("CARGO_BIN_EXE_task-manager"));
    let start = app.run(program, &["--listen=127.0.0.1:0"]);
    let outcome = tokio::time::timeout(Duration::from_mins(1), start).await.unwrap();
    assert_ne!(outcome.status, 0);
    let told = "the table of tasks does not match its entity";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
}
