//! Queries by GET: what they answer, and to whom.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::support::{PASSWORD, Reply, TestApp, send};

const FRIEND: &str = "https://app.example.com";
const FRIENDS: &str = "--allowed-origins=https://app.example.com";
const STRANGER: &str = "https://elsewhere.example.net";
const NAME: &str = "{ viewer { user { username } reason } }";

type Headers<'a> = &'a [(&'a str, &'a str)];

async fn get_address(app: &TestApp, address: &str, headers: Headers<'_>) -> Reply {
    let mut request = Request::get(format!("/graphql?{address}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(&app.app, request.body(Body::empty()).unwrap()).await
}

async fn get(app: &TestApp, parts: &[(&str, &str)], headers: Headers<'_>) -> Reply {
    let address = Serializer::new(String::new()).extend_pairs(parts).finish();
    get_address(app, &address, headers).await
}

#[tokio::test]
async fn a_query_is_answered_as_by_post() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.register("alice").await.access);
    let by_bearer = ("authorization", &*bearer);
    let two = "query A { viewer { reason } } query B($with: Boolean!) { me { username @include(if: $with) } }";
    let parts = [
        ("query", two),
        ("operationName", "B"),
        ("variables", r#"{"with":true}"#),
        ("extensions", r#"{"persistedQuery":{"version":1}}"#),
    ];
    let reply = get(&app, &parts, &[by_bearer]).await;
    assert_eq!(reply.data(), json!({ "me": { "username": "alice" } }));
    assert_eq!(reply.headers["content-type"], "application/json; charset=utf-8");
    let graphql = ("accept", "application/graphql-response+json");
    let empty = [("query", NAME), ("operationName", ""), ("variables", ""), ("extensions", "")];
    let reply = get(&app, &empty, &[by_bearer, graphql]).await;
    assert_eq!(reply.data()["viewer"]["user"]["username"], "alice");
    assert_eq!(reply.headers["content-type"], "application/graphql-response+json; charset=utf-8");
    let dead = get(&app, &[("query", "{ me { id } }")], &[("authorization", "Bearer x")]).await;
    assert_eq!(
        (dead.code(), dead.extension("reason")),
        ("UNAUTHENTICATED".into(), json!("INVALID_TOKEN"))
    );
    let missing = get(&app, &[("query", "{ nothing }")], &[graphql]).await;
    assert_eq!(
        (missing.status.as_u16(), missing.code()),
        (400, "GRAPHQL_VALIDATION_FAILED".into())
    );
}

#[tokio::test]
async fn no_answer_to_a_get_is_kept_by_a_cache() {
    let app = TestApp::start().await;
    for parts in [[("query", NAME)], [("query", "{")], [("query", "mutation { a }")], [("x", "")]] {
        let reply = get(&app, &parts, &[]).await;
        assert_eq!(reply.headers["cache-control"], "private, no-store");
        let vary = reply.headers.get_all("vary").iter().map(|value| value.to_str().unwrap());
        let vary = vary.collect::<Vec<_>>().join(", ");
        for name in ["Accept", "Authorization", "Cookie", "Portcullis-Token-Mode", "Origin"] {
            assert!(vary.split(", ").any(|varied| varied == name), "{vary}");
        }
    }
}

/// Requirement GQ-15.
#[tokio::test]
async fn no_mutation_runs_by_get() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let bearer = format!("Bearer {}", alice.access);
    let graphql = ("accept", "application/graphql-response+json");
    let both = "query Q { viewer { reason } } mutation M { logout { sessionId } }";
    for parts in [
        &[("query", "mutation { logout { sessionId } }")][..],
        &[("query", "mutation { logout { sessionId } }"), ("operationName", "")],
        &[("query", both), ("operationName", "M")],
    ] {
        let reply = get(&app, parts, &[("authorization", &bearer), graphql]).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (405, "BAD_REQUEST".into()));
        assert_eq!(reply.headers["allow"], "POST");
        assert_eq!(
            reply.headers["content-type"],
            "application/graphql-response+json; charset=utf-8"
        );
    }
    let query = [("query", both), ("operationName", "Q")];
    let reply = get(&app, &query, &[("authorization", &bearer)]).await;
    assert_eq!(reply.data()["viewer"]["reason"], Value::Null, "alice is signed in");
}

#[tokio::test]
async fn an_address_that_says_too_little_or_two_things_is_refused() {
    let app = TestApp::start().await;
    for (address, code) in [
        ("", "BAD_REQUEST"),
        ("query=", "BAD_REQUEST"),
        ("operationName=A&variables=%7B%7D", "BAD_REQUEST"),
        ("query=%7B__typename%7D&query=%7B__typename%7D", "BAD_REQUEST"),
        ("query=%7B__typename%7D&operationName=&operationName=A", "BAD_REQUEST"),
        ("query=%7B__typename%7D&variables=%7B", "BAD_REQUEST"),
        ("query=%7B__typename%7D&variables=%7B%7D%7B%7D", "BAD_REQUEST"),
        ("query=%7B__typename%7D&variables=%5B%5D", "BAD_REQUEST"),
        ("query=%7B__typename%7D&variables=%7B%22a%22%3A1%2C%22a%22%3A2%7D", "BAD_REQUEST"),
        ("query=%7B__typename%7D&extensions=1", "BAD_REQUEST"),
        ("query=%7B__typename%7D%FF", "BAD_REQUEST"),
        ("query=%7B__typename%7D%C3", "BAD_REQUEST"),
        ("query=%7B__typename%7D&x=1&x=2", "NONE"),
        ("query=%7B__typename%7D&variables=null", "NONE"),
        ("query=%7B+__typename+%23+%C3%A4%0A%7D", "NONE"),
    ] {
        let reply = get_address(&app, address, &[]).await;
        assert_eq!(reply.code(), code, "{address}: {}", reply.text);
        assert_eq!(reply.status.is_success(), code == "NONE", "{address}");
    }
    let many = format!("query=%7B__typename%7D&variables=%7B%22a%22:[{}1]%7D", "1,".repeat(1_000));
    let reply = get_address(&app, &many, &[]).await;
    assert_eq!(
        (reply.code(), reply.extension("limit")),
        ("DOCUMENT_LIMIT".into(), json!("values"))
    );
    let long = format!("query=%7B__typename%7D&x={}", "x".repeat(8 * 1024));
    assert_eq!(get_address(&app, &long, &[]).await.status.as_u16(), 414);
}

#[tokio::test]
async fn the_cookie_opens_queries_by_get_under_the_rules_of_post() {
    let app = TestApp::start_with(&[FRIENDS]).await;
    app.register("alice").await;
    let mode = ("portcullis-token-mode", "cookie");
    let body = json!({
        "query": "mutation($input: LoginInput!) { login(input: $input) { __typename } }",
        "variables": { "input": { "identifier": "alice", "password": PASSWORD } },
    });
    let request = Request::post("/graphql").header("content-type", "application/json");
    let request = request.header(mode.0, mode.1).header("origin", FRIEND);
    let reply = send(&app.app, request.body(Body::from(body.to_string())).unwrap()).await;
    let set = reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = set.into_iter().find(|set| set.contains("_session=")).unwrap();
    let cookie = ("cookie", cookie.split_once(';').unwrap().0);
    for (headers, answer) in [
        (&[mode, cookie][..], Ok("alice")),
        (&[mode, cookie, ("origin", FRIEND)], Ok("alice")),
        (&[mode, cookie, ("sec-fetch-site", "same-origin")], Ok("alice")),
        // Without the header the cookie says nothing.
        (&[cookie], Ok("")),
        (&[mode, cookie, ("origin", STRANGER)], Err(403)),
        (&[mode, cookie, ("origin", "null")], Err(403)),
        (&[mode, cookie, ("sec-fetch-site", "same-site")], Err(403)),
        (&[mode, cookie, ("sec-fetch-site", "cross-site"), ("origin", FRIEND)], Err(403)),
        (&[mode, cookie, cookie], Err(400)),
        (&[mode, cookie, ("authorization", "Bearer x")], Err(400)),
    ] {
        let reply = get(&app, &[("query", NAME)], headers).await;
        assert!(!reply.headers.contains_key("set-cookie"), "{headers:?}");
        match answer {
            Ok(name) => {
                let user = &reply.data()["viewer"]["user"]["username"];
                assert_eq!(user.as_str().unwrap_or_default(), name, "{headers:?}");
            }
            Err(status) => assert_eq!(reply.status.as_u16(), status, "{headers:?}"),
        }
    }
}

/// A browser sends a GET without asking first, from an image of any page.
#[tokio::test]
async fn pages_that_may_not_call_have_no_browser_ask() {
    let app = TestApp::start_with(&[FRIENDS]).await;
    for (headers, status) in [
        (&[][..], 200),
        (&[("origin", FRIEND)], 200),
        (&[("origin", FRIEND), ("sec-fetch-site", "cross-site")], 200),
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("origin", STRANGER)], 403),
        (&[("origin", "null")], 403),
        (&[("origin", FRIEND), ("origin", FRIEND)], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")], 403),
    ] {
        let reply = get(&app, &[("query", "{ __typename }")], headers).await;
        assert_eq!(reply.status.as_u16(), status, "{headers:?}");
        assert_eq!(reply.code() == "FORBIDDEN", status == 403, "{headers:?}");
    }
}
