use std::sync::Arc;

use serde_json::json;

use crate::support::{PASSWORD, SignedIn, TestApp, call};

const ME: &str = "{ me { role } }";

fn set_role(user: &SignedIn, role: &str) -> String {
    format!(
        "mutation {{ setUserRole(input: {{ id: \"{}\", role: {role} }}) {{ user {{ role }} }} }}",
        user.id
    )
}

fn about(mutation: &str, user: &SignedIn) -> String {
    let selection = if mutation == "deleteUser" { "deletedUserId" } else { "user { isActive }" };
    format!("mutation {{ {mutation}(input: {{ id: \"{}\" }}) {{ {selection} }} }}", user.id)
}

#[tokio::test]
async fn a_new_role_counts_on_the_next_request_of_an_old_token() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    let list = "{ users { totalCount } }";

    assert_eq!(app.query(list, &alice.access).await.code(), "FORBIDDEN");
    assert_eq!(app.query(&set_role(&alice, "ADMIN"), &boss.access).await.code(), "NONE");
    assert_eq!(app.query(list, &alice.access).await.data()["users"]["totalCount"], 2);
    assert_eq!(app.query(&set_role(&boss, "USER"), &alice.access).await.code(), "NONE");
    assert_eq!(app.query(list, &boss.access).await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn a_deactivated_user_is_out_at_once_and_comes_back_by_signing_in() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    app.query(ME, &alice.access).await.data();

    app.query(&about("deactivateUser", &alice), &boss.access).await.data();
    assert_eq!(app.query(ME, &alice.access).await.extension("reason"), "SESSION_ENDED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");

    app.query(&about("reactivateUser", &alice), &boss.access).await.data();
    assert_eq!(app.query(ME, &alice.access).await.extension("reason"), "SESSION_ENDED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "NONE");
}

#[tokio::test]
async fn a_deleted_user_is_gone_with_their_sessions_and_their_name_is_free() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);

    let deleted = app.query(&about("deleteUser", &alice), &boss.access).await.data();
    assert_eq!(deleted["deleteUser"]["deletedUserId"], alice.id.as_str());
    let again = app.query(&about("deleteUser", &alice), &boss.access).await;
    assert_eq!(again.code(), "NOT_FOUND");
    assert_eq!(app.query(ME, &alice.access).await.extension("reason"), "SESSION_ENDED");

    app.register("alice").await;
    assert_eq!(app.query(ME, &alice.access).await.extension("reason"), "SESSION_ENDED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn doing_it_twice_changes_nothing_and_is_no_error() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    for _ in 0..2 {
        app.query(&about("deactivateUser", &alice), &boss.access).await.data();
    }
    let events = app.audit_events().await;
    assert_eq!(events.iter().filter(|kind| *kind == "USER_DEACTIVATED").count(), 1);
}

#[tokio::test]
async fn the_last_active_admin_stays() {
    let app = TestApp::start().await;
    let (boss, second) = (app.admin("boss").await, app.admin("second").await);
    app.query(&about("deactivateUser", &second), &boss.access).await.data();

    for last in
        [set_role(&boss, "USER"), about("deactivateUser", &boss), about("deleteUser", &boss)]
    {
        assert_eq!(app.query(&last, &boss.access).await.code(), "CONFLICT", "{last}");
    }
    assert_eq!(app.query(ME, &boss.access).await.data()["me"]["role"], "ADMIN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_admins_who_demote_each_other_leave_one() {
    let app = Arc::new(TestApp::start().await);
    let second = app.second_instance().await;
    for round in 0..15 {
        let one = app.admin(&format!("one{round}")).await;
        let two = app.admin(&format!("two{round}")).await;
        let (a, b) = (set_role(&two, "USER"), set_role(&one, "USER"));
        let first = {
            let app = Arc::clone(&app);
            tokio::spawn(async move { app.query(&a, &one.access).await.code() })
        };
        let other = {
            let second = second.clone();
            tokio::spawn(
                async move { call(&second, &b, json!({}), Some(&two.access)).await.code() },
            )
        };
        let mut codes = [first.await.unwrap(), other.await.unwrap()];
        codes.sort();

        let admins = app.count("users WHERE role = 'ADMIN' AND is_active").await;
        assert_eq!(admins, 1, "{codes:?}");
        assert!(codes.contains(&"NONE".to_owned()), "{codes:?}");
        app.sql("DELETE FROM users").await;
    }
}

#[tokio::test]
async fn ids_that_name_nobody_are_not_found_or_null() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let unknown = "user_01890000-0000-7000-8000-000000000000";
    for id in [unknown, "", "1", "nonsense", &boss.id.to_uppercase(), &boss.id.replace('-', "")] {
        let user = app.query(&format!("{{ user(id: \"{id}\") {{ id }} }}"), &boss.access).await;
        assert_eq!(user.data()["user"], json!(null), "{id}");
        let gone =
            format!("mutation {{ deactivateUser(input: {{ id: \"{id}\" }}) {{ user {{ id }} }} }}");
        assert_eq!(app.query(&gone, &boss.access).await.code(), "NOT_FOUND", "{id}");
    }
    let own = format!("{{ user(id: \"{}\") {{ username }} }}", boss.id);
    assert_eq!(app.query(&own, &boss.access).await.data()["user"]["username"], "boss");
}

#[tokio::test]
async fn pages_of_users_meet_without_gap_or_overlap_in_every_order() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    for name in ["Delta", "alpha", "charlie", "Bravo", "echo"] {
        // Times of no, three and six decimals, which must order alike.
        app.clock.advance(std::time::Duration::from_micros(250_125));
        app.clock.advance(std::time::Duration::from_micros(250_125 * (name.len() as u64 % 2)));
        app.register(name).await;
    }
    for (order, expected) in [
        (
            "{ field: USERNAME, direction: ASC }",
            ["alpha", "boss", "Bravo", "charlie", "Delta", "echo"],
        ),
        (
            "{ field: USERNAME, direction: DESC }",
            ["echo", "Delta", "charlie", "Bravo", "boss", "alpha"],
        ),
        (
            "{ field: CREATED_AT, direction: ASC }",
            ["boss", "Delta", "alpha", "charlie", "Bravo", "echo"],
        ),
        (
            "{ field: CREATED_AT, direction: DESC }",
            ["echo", "Bravo", "charlie", "alpha", "Delta", "boss"],
        ),
    ] {
        for (size, cursor, edge, more) in [
            ("first", "after", "endCursor", "hasNextPage"),
            ("last", "before", "startCursor", "hasPreviousPage"),
        ] {
            let (mut seen, mut at) = (Vec::new(), String::new());
            loop {
                let query = format!(
                    "{{ users({size}: 4{at}, orderBy: {order}) {{ totalCount edges {{ node {{ \
                     username }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor \
                     endCursor }} }} }}"
                );
                let page = app.query(&query, &boss.access).await.data()["users"].clone();
                let names = page["edges"].as_array().unwrap().iter();
                let mut names: Vec<String> = names
                    .map(|edge| edge["node"]["username"].as_str().unwrap().to_owned())
                    .collect();
                let is_first_page = at.is_empty();
                let info = &page["pageInfo"];
                let before_us = if size == "first" { "hasPreviousPage" } else { "hasNextPage" };
                assert_eq!(info[before_us], !is_first_page, "{query}");
                assert_eq!(page["totalCount"], 6);
                if size == "first" {
                    seen.append(&mut names);
                } else {
                    seen.splice(0..0, names);
                }
                if info[more] == false {
                    break;
                }
                at = format!(", {cursor}: {}", info[edge]);
            }
            assert_eq!(seen, expected, "{order} {size}");
        }
    }
}

#[tokio::test]
async fn bad_page_arguments_are_named_and_never_clamped() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let cursor = "{ users(first: 1, orderBy: { field: USERNAME, direction: ASC }) { pageInfo { endCursor } } }";
    let cursor = app.query(cursor, &boss.access).await.data()["users"]["pageInfo"]["endCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    for (arguments, path) in [
        ("first: 101".to_owned(), "first"),
        ("first: -1".to_owned(), "first"),
        ("last: 101".to_owned(), "last"),
        ("first: 1, last: 1".to_owned(), "last"),
        ("after: \"nonsense\"".to_owned(), "after"),
        (format!("after: \"{cursor}\""), "after"),
        (format!("before: \"{cursor}\""), "before"),
        ("filter: { search: \"a\" }".to_owned(), "filter.search"),
        (format!("filter: {{ search: \"{}\" }}", "a".repeat(65)), "filter.search"),
    ] {
        let query = format!("{{ users({arguments}) {{ edges {{ cursor }} }} }}");
        let reply = app.query(&query, &boss.access).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{arguments}");
        assert_eq!(reply.extension("fields")[0]["path"], path, "{arguments}");
    }
    let none = app.query("{ users(first: 0) { edges { cursor } } }", &boss.access).await.data();
    assert_eq!(none["users"]["edges"], json!([]));
}

#[tokio::test]
async fn a_search_is_a_prefix_whose_wildcards_are_literal() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    app.register("al_ice").await;
    app.register("alxice").await;
    app.try_register("bob", "alfred@example.com", PASSWORD).await.data();
    for (search, found) in
        [("AL", 3), ("al_", 1), ("al%", 0), ("lice", 0), ("alfred@ex", 1), ("' OR 1=1", 0)]
    {
        let query = "query($s: String) { users(filter: { search: $s }) { totalCount } }";
        let reply = app.call(query, json!({ "s": search }), Some(&boss.access)).await;
        assert_eq!(reply.data()["users"]["totalCount"], found, "{search}");
    }
    let admins = "{ users(filter: { role: ADMIN, isActive: true }) { totalCount } }";
    assert_eq!(app.query(admins, &boss.access).await.data()["users"]["totalCount"], 1);
}
