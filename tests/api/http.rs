//! GraphQL over HTTP, with clients that are not friendly.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use portcullis::http;
use serde_json::json;
use tower::ServiceExt;

use crate::support::{Reply, TestApp, send, send_as_it_is, skip};

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

async fn post(app: &TestApp, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let mut request = Request::post("/graphql");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(&app.app, request.body(body.into()).unwrap()).await
}

async fn ask(app: &TestApp, accept: &str, query: &str) -> Reply {
    let body = json!({ "query": query }).to_string();
    post(app, &[("content-type", JSON), ("accept", accept)], body).await
}

#[tokio::test]
async fn the_status_follows_the_media_type() {
    let app = TestApp::start().await;
    for (query, code, status) in [
        ("{ __typename }", "NONE", 200),
        ("{", "GRAPHQL_PARSE_FAILED", 400),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED", 400),
        ("{ user { id } }", "GRAPHQL_VALIDATION_FAILED", 400),
        ("query($v: Int!) { users(first: $v) { totalCount } }", "GRAPHQL_VALIDATION_FAILED", 400),
        // A refused field is null, and the answer has data.
        ("{ me { id } }", "UNAUTHENTICATED", 200),
        ("mutation { refreshToken { expiresIn } }", "INVALID_TOKEN", 200),
        (
            "{ a { a { a { a { a { a { a { a { a { a { a } } } } } } } } } } }",
            "DOCUMENT_LIMIT",
            400,
        ),
    ] {
        let as_json = ask(&app, JSON, query).await;
        let as_graphql = ask(&app, GRAPHQL, query).await;
        assert_eq!(as_json.code(), code, "{query}");
        assert_eq!(as_json.status, StatusCode::OK, "{query}");
        assert_eq!(as_graphql.status.as_u16(), status, "{query}: {}", as_graphql.text);
        assert_eq!(as_json.headers["content-type"], format!("{JSON}; charset=utf-8"));
        assert_eq!(as_graphql.headers["content-type"], format!("{GRAPHQL}; charset=utf-8"));
    }
}

#[tokio::test]
async fn what_is_no_graphql_request_is_refused_in_the_shape_of_an_error() {
    let app = TestApp::start().await;
    let good = json!({ "query": "{ __typename }" }).to_string();
    for (headers, body, status) in [
        (vec![], good.as_str(), 415),
        (vec![("content-type", "text/plain")], &good, 415),
        (vec![("content-type", "application/json; charset=utf-7")], &good, 415),
        (vec![("content-type", JSON), ("content-encoding", "gzip")], &good, 415),
        (vec![("content-type", "application/x-www-form-urlencoded")], "query={__typename}", 415),
        (vec![("content-type", "multipart/form-data; boundary=x")], &good, 415),
        (vec![("content-type", JSON), ("accept", "text/html")], &good, 406),
        (vec![("content-type", JSON)], "", 400),
        (vec![("content-type", JSON)], "{", 400),
        (vec![("content-type", JSON), ("accept", GRAPHQL)], "{", 400),
        (vec![("content-type", "text/plain"), ("accept", GRAPHQL)], "{", 415),
        (vec![("content-type", JSON)], "[{\"query\":\"{__typename}\"}]", 400),
        (vec![("content-type", JSON)], "{\"query\":1}", 400),
        (vec![("content-type", JSON)], "{\"query\":\"{a}\",\"variables\":[]}", 400),
        (vec![("content-type", JSON)], "{\"query\":\"{a}\",\"query\":\"{b}\"}", 400),
        (vec![("content-type", JSON), ("authorization", "Bearer")], &good, 400),
        (vec![("content-type", JSON), ("authorization", "Bearer ")], &good, 400),
        (
            vec![
                ("content-type", JSON),
                ("authorization", "Bearer a"),
                ("authorization", "Bearer b"),
            ],
            &good,
            400,
        ),
    ] {
        let reply = post(&app, &headers, body.to_owned()).await;
        assert_eq!(reply.status.as_u16(), status, "{headers:?} {body}");
        assert_eq!(reply.code(), "BAD_REQUEST", "{headers:?} {body}");
        let media = if headers.contains(&("accept", GRAPHQL)) { GRAPHQL } else { JSON };
        assert!(reply.headers["content-type"].to_str().unwrap().starts_with(media), "{headers:?}");
        assert!(!reply.text.contains("Error("), "{}", reply.text);
    }
    let long = format!("Bearer {}", "a".repeat(9000));
    let reply = post(&app, &[("content-type", JSON), ("authorization", &long)], good.clone()).await;
    assert_eq!(reply.status.as_u16(), 431);
    let huge = json!({ "query": "{ __typename }", "x": "a".repeat(101 * 1024) }).to_string();
    assert_eq!(post(&app, &[("content-type", JSON)], huge).await.status.as_u16(), 413);
    let basic = [("content-type", "Application/JSON; charset=UTF-8"), ("authorization", "Basic x")];
    assert_eq!(post(&app, &basic, good).await.data()["__typename"], "Query");
}

#[tokio::test]
async fn what_real_clients_send_is_taken() {
    let app = TestApp::start().await;
    let good = json!({ "query": "{ __typename }", "operationName": "", "variables": null });
    for value in [
        "application/json;",
        "application/json; charset=utf8",
        "application/json;charset=\"UTF-8\"; boundary=x",
        "application/json; profile=\"a; charset=latin1\"",
    ] {
        let reply = post(&app, &[("content-type", value)], good.to_string()).await;
        assert_eq!(reply.data()["__typename"], "Query", "{value}");
    }
    let plain = [("content-type", JSON), ("content-encoding", "identity")];
    assert_eq!(post(&app, &plain, good.to_string()).await.data()["__typename"], "Query");
    let packed = [("content-type", JSON), ("content-encoding", "br")];
    let refused = post(&app, &packed, good.to_string()).await;
    assert_eq!(refused.headers["accept-encoding"], "identity");
}

/// As Apollo's link for persisted queries asks: it compares the message and the code, and sends the
/// whole document then.
#[tokio::test]
async fn a_hash_without_its_document_is_answered_so_that_the_document_is_sent() {
    let app = TestApp::start().await;
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": "ab".repeat(32) } });
    let probe = json!({ "operationName": "Q", "variables": {}, "extensions": extensions });
    let whole = json!({ "query": "query Q { __typename }", "extensions": extensions });
    for accept in [JSON, GRAPHQL] {
        let headers = [("content-type", JSON), ("accept", accept)];
        let reply = post(&app, &headers, probe.to_string()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        assert_eq!(reply.code(), "PERSISTED_QUERY_NOT_SUPPORTED");
        assert_eq!(reply.json()["errors"][0]["message"], "PersistedQueryNotSupported");
        let reply = post(&app, &headers, whole.to_string()).await;
        assert_eq!(reply.data()["__typename"], "Query");
    }
    // "{"persistedQuery":{}}", as a link writes it that asks by GET.
    let by_get =
        "/graphql?operationName=Q&variables=%7B%7D&extensions=%7B%22persistedQuery%22%3A%7B%7D%7D";
    for (uri, status) in [
        (by_get, 200),
        (&format!("{by_get}&query="), 200),
        (&format!("{by_get}&subquery=a"), 200),
        ("/graphql?x=persistedQuery", 400),
    ] {
        let request = Request::get(uri).header("accept", JSON).body(Body::empty()).unwrap();
        let reply = send(&app.app, request).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
        assert_eq!(reply.code() == "PERSISTED_QUERY_NOT_SUPPORTED", status == 200);
    }
    let neither = json!({ "extensions": {} }).to_string();
    let reply = post(&app, &[("content-type", JSON)], neither).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (400, "BAD_REQUEST".into()));
}

#[tokio::test]
async fn more_values_than_a_request_may_hold_are_refused_with_the_limit() {
    let app = TestApp::start().await;
    for part in ["variables", "extensions"] {
        let body = json!({ "query": "{ __typename }", part: { "a": vec![1; 2_000] } }).to_string();
        let reply = post(&app, &[("content-type", JSON)], body).await;
        assert_eq!(reply.code(), "DOCUMENT_LIMIT", "{part}");
        assert_eq!(
            (reply.extension("limit"), reply.extension("max")),
            (json!("values"), json!(1_000))
        );
    }
}

#[tokio::test]
async fn variables_that_are_ambiguous_or_out_of_range_are_refused() {
    let app = TestApp::start().await;
    let query = "query($n: Int) { users(first: $n) { totalCount } }";
    let admin = app.admin("alice").await;
    let bearer = format!("Bearer {}", admin.access);
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for (variables, code) in [
        ("{\"n\":1}", "NONE"),
        ("null", "NONE"),
        ("{\"n\":1,\"n\":2}", "BAD_REQUEST"),
        ("{\"n\":{\"a\":[{\"b\":1,\"b\":2}]}}", "BAD_REQUEST"),
        ("{\"n\":NaN}", "BAD_REQUEST"),
        ("{\"n\":1e999}", "BAD_REQUEST"),
        ("{\"n\":\"\\ud800\"}", "BAD_REQUEST"),
        (&format!("{{\"n\":{deep}}}"), "BAD_REQUEST"),
        ("{\"n\":9223372036854775808}", "GRAPHQL_VALIDATION_FAILED"),
        ("{\"n\":4294967297}", "GRAPHQL_VALIDATION_FAILED"),
        ("{\"n\":1.0}", "NONE"),
        ("{\"n\":1.5}", "GRAPHQL_VALIDATION_FAILED"),
        ("{\"n\":\"1\"}", "GRAPHQL_VALIDATION_FAILED"),
        (&format!("{{\"n\":\"{}\"}}", "x".repeat(10_241)), "DOCUMENT_LIMIT"),
    ] {
        let body = format!("{{\"query\":{},\"variables\":{variables}}}", json!(query));
        let reply = post(&app, &[("content-type", JSON), ("authorization", &bearer)], body).await;
        assert_eq!(reply.code(), code, "{variables}: {}", reply.text);
    }
}

#[tokio::test]
async fn what_is_written_five_hundred_times_is_resolved_once_and_unused_fragments_are_refused() {
    let app = TestApp::start().await;
    for (query, code) in [
        (format!("{{ {} }}", "users { totalCount } ".repeat(190)), "UNAUTHENTICATED"),
        (format!("{{ {} }}", "__typename ".repeat(500)), "NONE"),
        ("{ __typename } fragment F on Query { __typename }".into(), "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...F } fragment F on Query { ...F }".into(), "GRAPHQL_VALIDATION_FAILED"),
        (
            (0..21).fold(String::new(), |all, i| all + &format!("query Q{i} {{ __typename }} ")),
            "DOCUMENT_LIMIT",
        ),
    ] {
        assert_eq!(ask(&app, JSON, &query).await.code(), code, "{query}");
    }
    let wrong = (0..9).fold(String::new(), |all, i| all + &format!("wrong{i} "));
    let reply = ask(&app, JSON, &format!("{{ {wrong} }}")).await;
    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_bad_bearer_is_told_and_public_fields_still_resolve() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let reply = app.query("{ me { id } }", "not.a.token").await;
    assert_eq!(reply.extension("reason"), "INVALID_TOKEN");
    assert_eq!(reply.headers["www-authenticate"], "Bearer error=\"invalid_token\"");

    let query = format!(
        "mutation {{ refreshToken(input: {{ refreshToken: \"{}\" }}) {{ expiresIn }} }}",
        alice.refresh
    );
    let refreshed = app.query(&query, "not.a.token").await;
    assert_eq!(refreshed.code(), "NONE");
    assert_eq!(refreshed.headers["www-authenticate"], "Bearer error=\"invalid_token\"");
}

#[tokio::test]
async fn tokens_outside_the_header_are_ignored() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let body = json!({ "query": "{ me { id } }" }).to_string();
    let request = Request::post(format!("/graphql?access_token={}", alice.access))
        .header("content-type", JSON)
        .body(Body::from(body))
        .unwrap();
    assert_eq!(send(&app.app, request).await.extension("reason"), "MISSING_TOKEN");
}

#[tokio::test]
async fn a_browser_that_opens_the_endpoint_is_sent_to_the_playground() {
    let app = TestApp::start().await;
    let get = |uri: &str, accept: &str| {
        let request = Request::get(uri).header("accept", accept).body(Body::empty()).unwrap();
        send(&app.app, request)
    };
    let sent = get("/graphql", "text/html").await;
    assert_eq!(
        (sent.status.as_u16(), &sent.headers["location"]),
        (307, &"playground/".parse().unwrap())
    );
    assert_eq!(get("/nowhere", JSON).await.status.as_u16(), 404);
    assert!(get("/schema.graphql", "*/*").await.text.contains("@auth(role: ADMIN)"));
    assert_eq!(get("/healthz", "*/*").await.status.as_u16(), 200);
    assert_eq!(get("/readyz", "*/*").await.status.as_u16(), 200);
}

#[tokio::test]
async fn the_playground_comes_from_the_binary_and_loads_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    let get = async |uri: &str, encoding: &str| {
        let request = Request::get(uri).header("host", "a").header("accept-encoding", encoding);
        http::router(&app.app).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let page = get("/playground/", "br, gzip").await;
    assert_eq!(page.status().as_u16(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let page = page.into_body().collect().await.unwrap().to_bytes();
    let page = String::from_utf8(page.to_vec()).unwrap();
    let Some((_, rest)) = page.split_once("src=\"../") else {
        skip("the playground is not in this build, which needs Node");
        return;
    };
    let script = format!("/{}", rest.split('"').next().unwrap());
    let loaded = get(&script, "br, gzip").await;
    assert_eq!(loaded.headers()["content-encoding"], "gzip");
    assert_eq!(loaded.headers()["cache-control"], "public, max-age=31536000, immutable");
    let policy = get("/playground/", "gzip").await.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("http") && !policy.contains("unsafe-eval"), "{policy}");
    assert_eq!(get(&script, "identity").await.status().as_u16(), 406);
    for uri in ["/playground/nothing.js", "/assets/../Cargo.toml", "/assets/", "/assets/nothing.js"]
    {
        assert_eq!(get(uri, "gzip").await.status().as_u16(), 404, "{uri}");
    }
}

#[tokio::test]
async fn introspection_and_playground_can_be_off() {
    let app = TestApp::start_with(&["--introspection=off", "--playground=off"]).await;
    let reply = ask(&app, JSON, "{ __schema { queryType { name } } }").await;
    assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED");
    assert!(reply.text.contains("Introspection is off on this server."));
    assert_eq!(ask(&app, JSON, "{ __typename }").await.code(), "NONE");
    assert!(!ask(&app, JSON, "{ userss { totalCount } }").await.text.contains("Did you mean"));
    let open = TestApp::start().await;
    assert!(ask(&open, JSON, "{ userss { totalCount } }").await.text.contains("Did you mean"));
    for uri in ["/schema.graphql", "/graphql", "/playground/", "/playground"] {
        let request = Request::get(uri).header("accept", "text/html").body(Body::empty()).unwrap();
        assert!(send(&app.app, request).await.status.is_client_error(), "{uri}");
    }
}

#[tokio::test]
async fn the_standard_introspection_query_passes_with_all_options() {
    let app = TestApp::start().await;
    let type_ref = "kind name ofType { ".repeat(9) + "kind name" + &" }".repeat(9);
    let query = format!(
        "query IntrospectionQuery {{ __schema {{ description queryType {{ name kind }} \
         mutationType {{ name kind }} subscriptionType {{ name kind }} types {{ ...FullType }} \
         directives {{ name description isRepeatable locations args(includeDeprecated: true) {{ \
         ...InputValue }} }} }} }} \
         fragment FullType on __Type {{ kind name description specifiedByURL isOneOf \
         fields(includeDeprecated: true) {{ name description args(includeDeprecated: true) {{ \
         ...InputValue }} type {{ ...TypeRef }} isDeprecated deprecationReason }} \
         inputFields(includeDeprecated: true) {{ ...InputValue }} interfaces {{ ...TypeRef }} \
         enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} \
         possibleTypes {{ ...TypeRef }} }} \
         fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} \
         defaultValue isDeprecated deprecationReason }} \
         fragment TypeRef on __Type {{ {type_ref} }}"
    );
    let data = ask(&app, JSON, &query).await.data();
    assert_eq!(data["__schema"]["queryType"]["name"], "Query");
}

/// A chain of fragments, each of which spreads the next `fan` times.
fn bomb(fragments: usize, fan: usize, end: &str) -> String {
    let mut bomb = "query{...f0}".to_owned();
    for i in 0..fragments {
        let spreads = format!("...f{} ", i + 1).repeat(fan);
        let _ = write!(bomb, "fragment f{i} on Query{{{spreads}}}");
    }
    bomb + end
}

#[tokio::test]
async fn a_bomb_of_fragments_never_reaches_the_library() {
    let app = TestApp::start().await;
    let end = "fragment f24 on Query{__typename}";
    for (document, code) in [
        // The last one names a fragment that there is none of, or is of no type, or is not used.
        (bomb(29, 3, ""), "GRAPHQL_VALIDATION_FAILED"),
        (bomb(24, 2, "fragment f24 on Nothing{a}"), "DOCUMENT_LIMIT"),
        (bomb(24, 2, end), "DOCUMENT_LIMIT"),
        (bomb(24, 2, end).replacen("...f0", "__typename", 1), "GRAPHQL_VALIDATION_FAILED"),
        (bomb(24, 2, "fragment f24 on Query{...f0}"), "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let reply = ask(&app, JSON, &document).await;
        assert_eq!(reply.code(), code, "{document}: {}", reply.text);
    }
    let many = (0..20).fold(String::new(), |all, i| all + &format!("query q{i}{{...f0}}"));
    let fields = format!(
        "fragment f26 on Query{{{}}} fragment g on Query{{{}}}",
        "...g ".repeat(99),
        "me{id}".repeat(49)
    );
    let many = bomb(26, 1, &fields).replacen("query{...f0}", &many, 1);
    let body = json!({ "query": many, "operationName": "q0" }).to_string();
    let reply = post(&app, &[("content-type", JSON)], body).await;
    assert_eq!((reply.code(), reply.extension("limit")), ("DOCUMENT_LIMIT".into(), "cost".into()));
}

#[tokio::test]
async fn nothing_has_happened_when_a_later_value_is_wrong() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let create = "createTask(input: { title: \"First\" }) { task { id } }";
    let title = "b: createTask(input: { title: $t }) { task { id } }";
    for (document, variables) in [
        (format!("mutation($t: String!) {{ {create} {title} }}"), json!({})),
        (format!("mutation($t: String!) {{ {create} {title} }}"), json!({ "t": null })),
        (format!("mutation($t: String!) {{ {create} {title} }}"), json!({ "t": 1 })),
        (
            format!(
                "mutation($i: CreateTaskInput!) {{ {create} b: createTask(input: $i) {{ task {{ id }} }} }}"
            ),
            json!({ "i": { "title": "Second", "other": 1 } }),
        ),
        (
            format!(
                "mutation {{ {create} b: createTask(input: {{ title: RED }}) {{ task {{ id }} }} }}"
            ),
            json!({}),
        ),
        (
            format!("mutation {{ {create} b: createTask(input: {{}}) {{ task {{ id }} }} }}"),
            json!({}),
        ),
        (
            format!(
                "mutation {{ {create} b: createTask(input: {{ title: \"a\" }}) {{ task {{ owner {{ sessions(first: 2147483648) {{ totalCount }} }} }} }} }}"
            ),
            json!({}),
        ),
        (format!("mutation {{ {create} b: createTask(input: 5) {{ task {{ id }} }} }}"), json!({})),
        (
            format!(
                "mutation($i: CreateTaskInput! = []) {{ {create} b: createTask(input: $i) {{ task {{ id }} }} }}"
            ),
            json!({}),
        ),
    ] {
        let reply = app.call(&document, variables, Some(&alice.access)).await;
        assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED", "{document}: {}", reply.text);
        assert!(reply.json().get("data").is_none(), "{document}");
    }
    let tasks = app.query("{ myTasks { totalCount } }", &alice.access).await.data();
    assert_eq!(tasks["myTasks"]["totalCount"], 0);
}

#[tokio::test]
async fn an_instance_is_ready_while_it_knows_the_keys_and_the_schema() {
    let app = TestApp::start().await;
    let ready = || async {
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        send_as_it_is(&app.app, request).await.status.as_u16()
    };
    assert_eq!(ready().await, 200);
    app.clock.advance(std::time::Duration::from_secs(11));
    assert_eq!(ready().await, 503, "the keys were read too long ago");
    app.app.reload_keys().await.unwrap();
    assert_eq!(ready().await, 200);
    app.sql("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2999_later', 0)").await;
    app.sql("UPDATE schema_levels SET oldest_level_allowed = 999").await;
    assert_eq!(ready().await, 503, "the schema is newer than the program");
}

#[tokio::test]
async fn by_keys_that_may_have_been_dropped_nothing_is_decided() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let me = || async {
        let body = json!({ "query": "{ me { id } }" }).to_string();
        let request = Request::post("/graphql")
            .header("content-type", JSON)
            .header("authorization", format!("Bearer {}", alice.access));
        send_as_it_is(&app.app, request.body(Body::from(body)).unwrap()).await
    };
    assert_eq!(me().await.code(), "NONE");
    app.clock.advance(std::time::Duration::from_secs(11));
    let refused = me().await;
    assert_eq!(
        (refused.code(), &refused.extension("retryAfter")),
        ("SERVICE_UNAVAILABLE".into(), &json!(1))
    );
    app.app.reload_keys().await.unwrap();
    assert_eq!(me().await.code(), "NONE");
}

#[tokio::test]
async fn every_response_has_an_id_and_is_not_cached() {
    let app = TestApp::start().await;
    let reply = ask(&app, JSON, "{ me { id } }").await;
    assert!(reply.headers.contains_key("x-request-id"));
    assert_eq!(reply.headers["cache-control"], "no-store");
    let request = Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap();
    let jwks = send(&app.app, request).await;
    assert_eq!(jwks.headers["cache-control"], "public, max-age=300");
    let key = &jwks.json()["keys"][0];
    assert_eq!((&key["alg"], &key["use"]), (&json!("EdDSA"), &json!("sig")));
    for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        assert!(key.get(private).is_none(), "{private}");
    }
}
