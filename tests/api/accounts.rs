use serde_json::{Value, json};

use crate::support::{PASSWORD, REGISTER, TestApp, assert_whole, call};

#[tokio::test]
async fn who_registers_is_signed_in_and_is_a_user() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;

    let me = app.query("{ me { id username email role isActive emailVerified } }", &alice.access);
    let me = me.await.data()["me"].clone();

    assert_eq!(me["id"], alice.id.as_str());
    assert_eq!(me["email"], "alice@example.com");
    assert_eq!((&me["role"], &me["isActive"]), (&json!("USER"), &json!(true)));
    assert_eq!(me["emailVerified"], json!(false));
    assert_eq!(app.audit_events().await, ["REGISTERED", "SIGNED_IN"]);
}

#[tokio::test]
async fn every_refused_field_is_named_at_once() {
    let app = TestApp::start().await;
    let reply = app.try_register("a", "nowhere", "short").await;
    let fields: Vec<(String, String, Value)> = reply
        .extension("fields")
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (text(&field["path"]), text(&field["code"]), field["params"].clone()))
        .collect();

    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert_eq!(
        fields,
        [
            ("input.username".to_owned(), "TOO_SHORT".to_owned(), json!({ "min": 3 })),
            ("input.email".to_owned(), "INVALID_FORMAT".to_owned(), json!({})),
            ("input.password".to_owned(), "TOO_SHORT".to_owned(), json!({ "min": 8 })),
        ]
    );
    assert_eq!(app.count("users").await, 0);
}

#[tokio::test]
async fn a_taken_name_or_address_is_a_conflict_whatever_its_case() {
    let app = TestApp::start().await;
    app.register("alice").await;

    let name = app.try_register("ALICE", "other@example.com", PASSWORD).await;
    let address = app.try_register("other", "Alice@EXAMPLE.com", PASSWORD).await;

    assert_eq!(
        (name.code(), name.refused_field()),
        ("CONFLICT".into(), ("input.username".into(), "TAKEN".into()))
    );
    assert_eq!(
        (address.code(), address.refused_field()),
        ("CONFLICT".into(), ("input.email".into(), "TAKEN".into()))
    );
    assert_eq!(app.count("users").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_register_one_name_at_once_one_gets_it() {
    let app = std::sync::Arc::new(TestApp::start().await);
    let calls = (0..30).map(|i| {
        let app = std::sync::Arc::clone(&app);
        tokio::spawn(async move {
            app.try_register("alice", &format!("alice{i}@example.com"), PASSWORD).await.code()
        })
    });
    let mut codes = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        codes.push(call.await.unwrap());
    }
    codes.sort();

    assert_eq!(codes[..29], vec!["CONFLICT".to_owned(); 29]);
    assert_eq!(codes[29], "NONE");
    assert_eq!(app.count("users").await, 1);
    assert_eq!(app.count("sessions").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_who_register_one_address_on_two_instances_one_gets_it() {
    let app = TestApp::start().await;
    let instances = [app.app.clone(), app.second_instance().await];
    let calls: Vec<_> = (0..50)
        .map(|i| {
            let instance = instances[i % 2].clone();
            tokio::spawn(async move {
                let input = json!({ "username": format!("alice{i}"), "password": PASSWORD,
                                    "email": "alice@example.com" });
                call(&instance, REGISTER, json!({ "input": input }), None).await.code()
            })
        })
        .collect();
    let mut codes = Vec::new();
    for call in calls {
        codes.push(call.await.unwrap());
    }
    codes.sort();

    assert_eq!(codes[..49], vec!["CONFLICT".to_owned(); 49]);
    assert_eq!(codes[49], "NONE");
    assert_eq!(app.count("users").await, 1);
    assert_whole(&app.database.connection().await).await;
}

#[tokio::test]
async fn registration_cannot_carry_a_role() {
    let app = TestApp::start().await;
    for extra in ["role", "isActive", "emailVerified", "id"] {
        let mut input = json!({ "username": "mallory", "email": "m@example.com" });
        input["password"] = json!(PASSWORD);
        input[extra] = json!("ADMIN");
        let query = "mutation($input: RegisterInput!) { register(input: $input) { __typename } }";
        let reply = app.call(query, json!({ "input": input }), None).await;
        assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED", "{extra}");
    }
    assert_eq!(app.count("users").await, 0);
}

#[tokio::test]
async fn reserved_names_are_not_registered() {
    let app = TestApp::start().await;
    for name in [
        "Admin",
        "4dm1n-team",
        "acme.support",
        "S3curity",
        "port_cullis",
        "LocaIhost",
        "helpdesk1",
        "it-service",
        "it-support",
        "r00t2",
        "paypal.com",
    ] {
        let reply = app.try_register(name, "a@example.com", PASSWORD).await;
        let field = &reply.extension("fields")[0];
        assert_eq!(
            (reply.code(), &field["path"], &field["code"]),
            ("BAD_USER_INPUT".into(), &json!("input.username"), &json!("RESERVED")),
            "{name}"
        );
    }
    let file = app.database.folder.path().join("password");
    std::fs::write(&file, PASSWORD).unwrap();
    let file = format!("--password-file={}", file.display());
    let create = ["admin", "create", "--username=admin-team", "--email=a@example.com", &file];
    app.cli(&create).await.printed();
}

#[tokio::test]
async fn a_full_name_is_kept_trimmed_and_an_empty_one_is_null() {
    let app = TestApp::start().await;
    for (username, typed, kept) in
        [("alice", "  Alice Liddell ", json!("Alice Liddell")), ("bob", "   ", Value::Null)]
    {
        let query = "mutation($input: RegisterInput!) { register(input: $input) { \
                     ... on AuthPayload { user { fullName } } } }";
        let input = json!({ "username": username, "email": format!("{username}@example.com"),
                            "password": PASSWORD, "fullName": typed });
        let reply = app.call(query, json!({ "input": input }), None).await;
        assert_eq!(reply.data()["register"]["user"]["fullName"], kept);
    }
}

#[tokio::test]
async fn a_registration_whose_event_cannot_be_written_leaves_nothing_behind() {
    let app = TestApp::start().await;
    app.sql("ALTER TABLE audit_events RENAME TO audit_away").await;
    let failed = app.try_register("alice", "alice@example.com", PASSWORD).await;
    assert_eq!(failed.code(), "INTERNAL_SERVER_ERROR");
    assert_eq!(app.count("users").await + app.count("sessions").await, 0);

    app.sql("ALTER TABLE audit_away RENAME TO audit_events").await;
    app.register("alice").await;
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
