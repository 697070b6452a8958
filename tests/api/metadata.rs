//! What other programs keep with users: who reads and who writes it, how much it may be, and what becomes of it.

use serde_json::{Value, json};

use crate::support::organizations::{found_organization, join_organization};
use crate::support::{Reply, SECOND, SignedIn, TestApp, dump, holding};

const UPDATE: &str = "mutation($input: UpdateUserMetadataInput!) { updateUserMetadata(input: $input) { \
                      user { id publicMetadata updatedAt } } }";

async fn update(app: &TestApp, by: &SignedIn, of: &SignedIn, change: Value) -> Reply {
    let mut input = change;
    input["id"] = json!(of.id);
    app.call(UPDATE, json!({ "input": input }), Some(&by.access)).await
}

/// What an admin reads of a user.
async fn kept(app: &TestApp, admin: &SignedIn, of: &SignedIn) -> (Value, Value) {
    let query = format!("{{ user(id: \"{}\") {{ publicMetadata privateMetadata }} }}", of.id);
    let mut user = app.query(&query, &admin.access).await.data()["user"].take();
    (user["publicMetadata"].take(), user["privateMetadata"].take())
}

#[tokio::test]
async fn metadata_is_written_by_who_may_change_a_user_and_by_nobody_else() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let (alice, fellow) = (app.register("alice").await, app.register("fellow").await);
    let organization = found_organization(&app, &alice).await;
    join_organization(&app, &alice, &organization, &fellow, "ADMIN").await;
    let reader = app.granted("reader", "USERS_READ").await;
    let writer = app.granted("writer", "USERS_WRITE").await;
    let change =
        || json!({ "publicMetadata": { "plan": "free" }, "privateMetadata": { "risk": 1 } });
    for (by, code) in [
        (&alice, "FORBIDDEN"),
        (&fellow, "FORBIDDEN"),
        (&reader, "FORBIDDEN"),
        (&writer, "NONE"),
        (&boss, "NONE"),
    ] {
        assert_eq!(update(&app, by, &alice, change()).await.code(), code, "{}", by.username);
    }
    assert_eq!(update(&app, &writer, &boss, change()).await.code(), "FORBIDDEN", "may do more");
    let input = json!({ "input": { "id": alice.id, "publicMetadata": null } });
    assert_eq!(app.call(UPDATE, input, None).await.code(), "UNAUTHENTICATED");
    for id in ["user_0198f5c1-0000-7000-8000-000000000000", &organization, "x"] {
        let input = json!({ "input": { "id": id, "publicMetadata": null } });
        assert_eq!(app.call(UPDATE, input, Some(&boss.access)).await.code(), "NOT_FOUND", "{id}");
    }
    assert_eq!(kept(&app, &boss, &alice).await, (json!({ "plan": "free" }), json!({ "risk": 1 })));
    assert_eq!(kept(&app, &boss, &boss).await, (Value::Null, Value::Null));
    let own = "updateProfile(input: { publicMetadata: { plan: \"pro\" } }) { user { id } }";
    assert_eq!(app.mutate(&alice, own).await.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn public_metadata_is_shown_with_a_user_and_private_metadata_takes_a_permission() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let (alice, fellow) = (app.register("alice").await, app.register("fellow").await);
    let stranger = app.register("stranger").await;
    let organization = found_organization(&app, &alice).await;
    // Who joins later has the greater id.
    app.clock.advance(SECOND);
    join_organization(&app, &alice, &organization, &fellow, "MEMBER").await;
    let reader = app.granted("reader", "USERS_READ").await;
    let writer = app.granted("writer", "USERS_WRITE").await;
    let change = json!({ "publicMetadata": { "plan": "pro" }, "privateMetadata": { "risk": 1 } });
    update(&app, &boss, &alice, change).await.data();

    let of =
        |field: &str| format!("{{ node(id: \"{}\") {{ ... on User {{ {field} }} }} }}", alice.id);
    for (by, sees_private) in [(&alice, false), (&fellow, false), (&reader, true), (&boss, true)] {
        let name = &by.username;
        let seen = app.query(&of("publicMetadata"), &by.access).await.data();
        assert_eq!(seen["node"], json!({ "publicMetadata": { "plan": "pro" } }), "{name}");
        let seen = app.query(&of("username privateMetadata"), &by.access).await;
        let (code, private) = match sees_private {
            true => ("NONE", json!({ "risk": 1 })),
            false => ("FORBIDDEN", Value::Null),
        };
        assert_eq!(seen.code(), code, "{name}");
        let node = json!({ "username": "alice", "privateMetadata": private });
        assert_eq!(seen.json()["data"]["node"], node, "{name}");
        let can = "{ viewer { can(field: \"User.privateMetadata\") { allowed } } }";
        let can = app.query(can, &by.access).await.data();
        assert_eq!(can["viewer"]["can"]["allowed"], sees_private, "{name}");
    }
    let unseen = app.query(&of("publicMetadata"), &stranger.access).await.data();
    assert_eq!(unseen["node"], Value::Null);
    let members = format!(
        "{{ organization(id: \"{organization}\") {{ members {{ nodes {{ user {{ username \
         publicMetadata }} }} }} }} }}"
    );
    let members = app.query(&members, &fellow.access).await.data();
    assert_eq!(
        members["organization"]["members"]["nodes"],
        json!([
            { "user": { "username": "alice", "publicMetadata": { "plan": "pro" } } },
            { "user": { "username": "fellow", "publicMetadata": null } },
        ])
    );
    // Who changes a user sees what is private to them, and no more than that.
    let call = format!(
        "updateUserMetadata(input: {{ id: \"{}\", publicMetadata: {{ plan: \"pro\" }} }}) {{ user {{ \
         email publicMetadata privateMetadata }} }}",
        alice.id
    );
    let written = app.mutate(&writer, &call).await;
    assert_eq!(written.code(), "FORBIDDEN");
    assert_eq!(
        written.json()["data"]["updateUserMetadata"]["user"],
        json!({ "email": "alice@example.com", "publicMetadata": { "plan": "pro" },
                "privateMetadata": null })
    );
}

#[tokio::test]
async fn a_change_is_merged_into_what_is_kept_and_null_removes_it() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    let nothing = || (Value::Null, Value::Null);
    for (change, public) in [
        (
            json!({ "publicMetadata": { "plan": "free", "flags": { "beta": true } } }),
            json!({ "plan": "free", "flags": { "beta": true } }),
        ),
        (
            json!({ "publicMetadata": { "flags": { "new": 1.5 }, "tags": ["a", null, "\u{0}Ä"] } }),
            json!({ "plan": "free", "flags": { "beta": true, "new": 1.5 },
                 "tags": ["a", null, "\u{0}Ä"] }),
        ),
        (
            json!({ "publicMetadata": { "plan": null, "flags": { "beta": null }, "tags": [] } }),
            json!({ "flags": { "new": 1.5 }, "tags": [] }),
        ),
        (json!({ "publicMetadata": {} }), json!({ "flags": { "new": 1.5 }, "tags": [] })),
        (json!({}), json!({ "flags": { "new": 1.5 }, "tags": [] })),
        (json!({ "publicMetadata": { "flags": null, "tags": null } }), Value::Null),
    ] {
        let answer = update(&app, &boss, &alice, change.clone()).await.data();
        assert_eq!(answer["updateUserMetadata"]["user"]["publicMetadata"], public, "{change}");
        assert_eq!(kept(&app, &boss, &alice).await, (public, Value::Null), "{change}");
    }
    assert_eq!(app.count("user_metadata").await, 0);
    let both = json!({ "publicMetadata": { "a": 1 }, "privateMetadata": { "b": { "c": [2] } } });
    update(&app, &boss, &alice, both).await.data();
    update(&app, &boss, &alice, json!({ "publicMetadata": null })).await.data();
    assert_eq!(kept(&app, &boss, &alice).await, (Value::Null, json!({ "b": { "c": [2] } })));
    update(&app, &boss, &alice, json!({ "privateMetadata": null })).await.data();
    assert_eq!(kept(&app, &boss, &alice).await, nothing());
    // As a literal, with a variable inside.
    let call = format!(
        "mutation($seats: Int) {{ updateUserMetadata(input: {{ id: \"{}\", publicMetadata: {{ \
         plan: \"pro\", limits: {{ seats: $seats, until: null }}, list: [1, {{ a: true }}] }} }}) {{ user {{ \
         publicMetadata }} }} }}",
        alice.id
    );
    let answer = app.call(&call, json!({ "seats": 3 }), Some(&boss.access)).await.data();
    assert_eq!(
        answer["updateUserMetadata"]["user"]["publicMetadata"],
        json!({ "plan": "pro", "limits": { "seats": 3 }, "list": [1, { "a": true }] })
    );
}

#[tokio::test]
async fn metadata_is_an_object_of_a_bounded_size_and_depth() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    for wrong in [json!("text"), json!(1), json!([{ "a": 1 }]), json!(true)] {
        let refused = update(&app, &boss, &alice, json!({ "publicMetadata": wrong })).await;
        assert_eq!(refused.code(), "GRAPHQL_VALIDATION_FAILED", "{wrong}");
        let id = &alice.id;
        let call = format!(
            "updateUserMetadata(input: {{ id: \"{id}\", publicMetadata: {wrong} }}) {{ user {{ id }} }}"
        )
        .replace("\"a\"", "a");
        let refused = app.mutate(&boss, &call).await;
        assert_eq!(refused.code(), "GRAPHQL_VALIDATION_FAILED", "{wrong}");
    }
    for forgotten in ["{ a: QUOTES }", "{ a: [{ b: QUOTES }] }"] {
        let call = format!(
            "updateUserMetadata(input: {{ id: \"{}\", publicMetadata: {forgotten} }}) {{ user {{ id }} }}",
            alice.id
        );
        let refused = app.mutate(&boss, &call).await;
        assert_eq!(refused.code(), "GRAPHQL_VALIDATION_FAILED", "{forgotten}");
    }
    let long = |length: usize| json!({ "a": "x".repeat(length - 8) });
    let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    for field in ["publicMetadata", "privateMetadata"] {
        for (value, refused) in [
            (long(4_096), None),
            (long(4_097), Some("TOO_LONG")),
            (json!({ "b": 1 }), Some("TOO_LONG")),
            (json!({ "a": null, "b": 1 }), None),
            (deep(8), None),
            (deep(9), Some("INVALID_FORMAT")),
        ] {
            let reply = update(&app, &boss, &alice, json!({ field: value })).await;
            match refused {
                None => assert_eq!(reply.code(), "NONE", "{field}"),
                Some(reason) => {
                    assert_eq!(reply.code(), "BAD_USER_INPUT", "{field}");
                    let path = format!("input.{field}");
                    assert_eq!(reply.refused_field(), (path, reason.to_owned()));
                }
            }
        }
    }
    let (public, private) = kept(&app, &boss, &alice).await;
    assert_eq!(public["b"], 1);
    assert_eq!(public, private);
}

#[tokio::test]
async fn metadata_costs_what_it_may_be_long() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let aliased = |fields: usize| {
        let fields: Vec<_> = (0..fields).map(|n| format!("a{n}: publicMetadata")).collect();
        let fields = fields.join(" ");
        format!("{{ users(first: 100) {{ nodes {{ {fields} }} }} }}")
    };
    app.query(&aliased(11), &boss.access).await.data();
    let refused = app.query(&aliased(12), &boss.access).await;
    assert_eq!(
        (refused.code().as_str(), &refused.extension("limit")),
        ("DOCUMENT_LIMIT", &json!("cost"))
    );
    let aliased = aliased(15).replace("publicMetadata", "avatarUrl");
    app.query(&aliased, &boss.access).await.data();
}

#[tokio::test]
async fn a_change_of_metadata_is_audited_and_moves_the_time_of_the_last_change() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    let writer = app.granted("writer", "USERS_WRITE").await;
    let updated_at = async || {
        app.query("{ me { updatedAt } }", &alice.access).await.data()["me"]["updatedAt"].clone()
    };
    let before = updated_at().await;
    app.clock.advance(SECOND);
    let change =
        || json!({ "publicMetadata": { "plan": "free" }, "privateMetadata": { "risk": 1 } });
    update(&app, &boss, &alice, change()).await.data();
    let after = updated_at().await;
    assert_ne!(before, after);
    app.clock.advance(SECOND);
    // What is so already is no second change; who does not see that changes it all the same, and is on record.
    update(&app, &boss, &alice, change()).await.data();
    assert_eq!(updated_at().await, after);
    for nothing in [json!({}), json!({ "publicMetadata": {} })] {
        assert_eq!(update(&app, &writer, &alice, nothing).await.code(), "CONFLICT");
    }
    assert_eq!(app.count("audit_events WHERE kind = 'METADATA_UPDATED'").await, 1);
    app.clock.advance(SECOND);
    update(&app, &writer, &alice, json!({ "privateMetadata": { "risk": 1 } })).await.data();
    let events = "{ auditEvents(filter: { types: [METADATA_UPDATED] }) { nodes { target detail \
                  actor { username } } } }";
    let events = app.query(events, &boss.access).await.data();
    let event = |detail: &str, by: &str| json!({ "target": alice.id, "detail": detail, "actor": { "username": by } });
    assert_eq!(
        events["auditEvents"]["nodes"],
        json!([
            event("privateMetadata", "writer"),
            event("publicMetadata, privateMetadata", "boss")
        ])
    );
}

#[tokio::test]
async fn an_export_has_the_metadata_and_the_picture_and_a_deletion_erases_them() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    let empty = app.export(&alice).await["account"].take();
    assert_eq!(empty["publicMetadata"], Value::Null);
    let picture =
        "updateProfile(input: { avatarUrl: \"https://quaint.example/a.png\" }) { user { id } }";
    app.mutate(&alice, picture).await.data();
    let change =
        json!({ "publicMetadata": { "a": "quaint" }, "privateMetadata": { "b": ["quaint"] } });
    update(&app, &boss, &alice, change).await.data();
    let exported = app.export(&alice).await["account"].take();
    assert_eq!(exported["avatarUrl"], "https://quaint.example/a.png");
    assert_eq!(exported["publicMetadata"], json!({ "a": "quaint" }));
    assert_eq!(exported["privateMetadata"], json!({ "b": ["quaint"] }));
    let db = app.database.connection().await;
    assert_eq!(holding(&dump(&db).await, "quaint"), ["user_metadata", "users"]);
    app.mutate(&alice, "deleteAccount { deletedUserId }").await.data();
    app.mails().await;
    assert_eq!(holding(&dump(&db).await, "quaint"), [""; 0]);
}

/// Two programs that keep different entries of one user.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_once_leave_each_others_entries_alone() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    let changes: Vec<_> = (0..8)
        .map(|number| {
            let (app, bearer, id) = (app.app.clone(), boss.access.clone(), alice.id.clone());
            tokio::spawn(async move {
                let entries = json!({ format!("e{number}"): number });
                let input = json!({ "input": { "id": id, "publicMetadata": entries } });
                crate::support::call(&app, UPDATE, input, Some(&bearer)).await.code()
            })
        })
        .collect();
    for change in changes {
        assert_eq!(change.await.unwrap(), "NONE");
    }
    assert_eq!(kept(&app, &boss, &alice).await.0.as_object().unwrap().len(), 8);
}
