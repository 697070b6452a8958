//! What is listed to callers, against what they may: `INTROSPECTION=own`.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::types::{ConstDirective, TypeKind, TypeSystemDefinition};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::sdl;
use crate::support::{LOGIN, PASSWORD, Reply, SignedIn, TestApp, send};

const OWN: &[&str] = &["--introspection=own"];
pub(crate) const CALLERS: [&str; 6] =
    ["anonymous", "forged", "user", "holder of USERS_READ", "admin", "stale admin"];
const ADMINS: [&str; 2] = ["admin", "stale admin"];
const LISTED: &str = "{ __schema { types { name kind fields { name } } } }";

/// Types with the names of their fields.
type Types = BTreeMap<String, BTreeSet<String>>;

pub(crate) async fn bearer(app: &TestApp, caller: &str) -> Option<String> {
    match caller {
        "anonymous" => None,
        "forged" => Some("e30.e30.AAAA".to_owned()),
        "user" => Some(app.register("caller").await.access),
        "holder of USERS_READ" => Some(app.granted("caller", "USERS_READ").await.access),
        "admin" => Some(app.admin("caller").await.access),
        "stale admin" => {
            let caller = app.admin("caller").await;
            app.clock.advance(std::time::Duration::from_secs(301));
            Some(caller.access)
        }
        other => panic!("{other}"),
    }
}

/// Whether one of `CALLERS` meets the rule that a field's directives say, however long ago they signed in.
fn meets(caller: &str, directives: &[ConstDirective]) -> bool {
    let auth = directives.iter().find(|directive| directive.name.node == "auth");
    let Some(auth) = auth else { return true };
    let arguments = auth.arguments.iter();
    let arguments: Vec<_> =
        arguments.map(|(name, value)| (name.node.as_str(), value.node.to_string())).collect();
    let is_signed_in = !["anonymous", "forged"].contains(&caller);
    match &arguments[..] {
        // Each may name an organization in a call.
        [] | [("orgRole", _)] => is_signed_in,
        [("permission", permission)] if caller.ends_with(permission.as_str()) => true,
        [("role" | "permission", _)] => ADMINS.contains(&caller),
        other => panic!("no test knows {other:?}"),
    }
}

/// The type that a type is made of: `User` of `[User!]!`.
fn named(of: &impl ToString) -> String {
    of.to_string().replace(['[', ']', '!'], "")
}

/// What one of `CALLERS` should see of the objects of the whole schema.
fn expected(caller: &str) -> Types {
    let mut objects = BTreeMap::new();
    // Of unions and of interfaces.
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for definition in portcullis::schema::parse_sdl(sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let name = definition.node.name.node.to_string();
        match definition.node.kind {
            TypeKind::Object(object) => {
                for interface in object.implements {
                    members.entry(interface.node.to_string()).or_default().push(name.clone());
                }
                let fields = object.fields.into_iter().map(|field| field.node);
                objects.insert(name, fields.collect::<Vec<_>>());
            }
            TypeKind::Union(union) => {
                let of = union.members.iter().map(|member| member.node.to_string());
                members.insert(name, of.collect());
            }
            _ => {}
        }
    }
    let mut open = vec!["Query".to_owned(), "Mutation".to_owned()];
    // It has nothing for who is not signed in.
    if !["anonymous", "forged"].contains(&caller) {
        open.push("Subscription".to_owned());
    }
    let mut seen = Types::new();
    while let Some(name) = open.pop() {
        if seen.contains_key(&name) {
            continue;
        }
        open.extend(members.get(&name).into_iter().flatten().cloned());
        let Some(fields) = objects.get(&name) else { continue };
        let own = fields.iter().filter(|field| {
            let directives: Vec<_> =
                field.directives.iter().map(|directive| directive.node.clone()).collect();
            meets(caller, &directives)
        });
        let own: Vec<_> = own.collect();
        open.extend(own.iter().map(|field| named(&field.ty.node)));
        seen.insert(name, own.iter().map(|field| field.name.node.to_string()).collect());
    }
    seen
}

/// The objects that an answer to `LISTED` lists.
fn listed(reply: &Reply) -> Types {
    let data = reply.data();
    let types = data["__schema"]["types"].as_array().unwrap().iter();
    let named = types.filter(|of| !text(&of["name"]).starts_with("__"));
    let objects = named.filter(|of| of["kind"] == "OBJECT");
    let fields = |of: &Value| of["fields"].as_array().unwrap().iter().map(name).collect();
    objects.map(|of| (name(of), fields(of))).collect()
}

fn name(of: &Value) -> String {
    text(&of["name"]).to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The objects of a schema in the definition language.
pub(crate) fn defined(sdl: &str) -> Types {
    let mut types = Types::new();
    for definition in portcullis::schema::parse_sdl(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let TypeKind::Object(object) = definition.node.kind else { continue };
        let fields = object.fields.iter().map(|field| field.node.name.node.to_string());
        types.insert(definition.node.name.node.to_string(), fields.collect());
    }
    types
}

async fn schema_of(app: &TestApp, bearer: Option<&str>) -> Reply {
    let mut request = Request::get("/schema.graphql");
    if let Some(bearer) = bearer {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    send(&app.app, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn each_caller_is_listed_what_they_may_use_and_what_that_leads_to() {
    let mut sizes = BTreeSet::new();
    for caller in CALLERS {
        let app = TestApp::start_with(OWN).await;
        let bearer = bearer(&app, caller).await;
        let reply = app.call(LISTED, json!({}), bearer.as_deref()).await;
        let seen = listed(&reply);
        assert_eq!(seen, expected(caller), "{caller}");
        sizes.insert(seen["Mutation"].len() + seen["Query"].len());
        let has_events = seen.contains_key("AuditEvent");
        assert_eq!(has_events, !["anonymous", "forged"].contains(&caller), "{caller}");

        let schema = schema_of(&app, bearer.as_deref()).await;
        assert_eq!(defined(&schema.text), seen, "{caller}");
        assert_eq!(schema.headers["cache-control"], "private, no-store");
        let vary: Vec<_> = schema.headers.get_all("vary").iter().collect();
        assert!(vary.contains(&&"Authorization".parse().unwrap()), "{vary:?}");
        assert_eq!(schema.headers.contains_key("www-authenticate"), caller == "forged");
    }
    assert_eq!(sizes.len(), 4, "anonymous, a user, who may read users, and admins: {sizes:?}");
}

/// All names in a value.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| match (key.as_str(), value) {
            ("name", Value::String(name)) => drop(found.insert(name.clone())),
            (_, value) => names(value, found),
        }),
        Value::Array(list) => list.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

/// Whatever a listing names it also defines: arguments, inputs, enums, members and interfaces too.
#[tokio::test]
async fn a_listing_is_whole() {
    let query = "{ __schema { types { name kind fields { type { ...T } args { type { ...T } } } \
                 inputFields { type { ...T } } interfaces { name } possibleTypes { name } } \
                 directives { args { type { ...T } } } } } \
                 fragment T on __Type { name ofType { name ofType { name ofType { name } } } }";
    for caller in CALLERS {
        let app = TestApp::start_with(OWN).await;
        let bearer = bearer(&app, caller).await;
        let schema = app.call(query, json!({}), bearer.as_deref()).await.data()["__schema"].clone();
        let types = schema["types"].as_array().unwrap();
        let defined: BTreeSet<_> = types.iter().map(name).collect();
        let mut used = BTreeSet::new();
        names(&schema["directives"], &mut used);
        for of in types.iter().flat_map(|of| of.as_object().unwrap()) {
            if of.0 != "name" {
                names(of.1, &mut used);
            }
        }
        // What every schema has, used or not.
        let always = ["Float", "Mutation", "Query", "Subscription"];
        let mut unused = defined.difference(&used);
        assert!(
            unused.all(|one| one.starts_with("__") || always.contains(&one.as_str())),
            "{caller}"
        );
        assert!(used.is_subset(&defined), "{caller}: {:?}", used.difference(&defined));
        let sdl = schema_of(&app, bearer.as_deref()).await.text;
        for one in &defined {
            let is_own = !one.starts_with("__")
                && !["String", "Int", "Float", "ID", "Boolean"].contains(&one.as_str());
            let found =
                ["type", "input", "enum", "union", "scalar", "interface"].iter().any(|kind| {
                    sdl.contains(&format!("\n{kind} {one} "))
                        || sdl.contains(&format!("\n{kind} {one}\n"))
                });
            assert_eq!(found, is_own, "{one} as {caller}");
        }
        assert!(caller != "anonymous" || !sdl.contains(" Node"));
    }
}

#[tokio::test]
async fn what_is_not_listed_answers_what_its_guard_says_and_no_mistake_is_explained() {
    let app = TestApp::start_with(OWN).await;
    let user = app.register("alice").await;
    let users = "{ users { totalCount } }";
    assert_eq!(app.call(users, json!({}), None).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.query(users, &user.access).await.code(), "FORBIDDEN");
    let boss = app.admin("boss").await;
    assert_eq!(app.query(users, &boss.access).await.code(), "NONE");

    let mixed = "{ a: __type(name: \"UserConnection\") { name } b: __type(name: \"User\") { name } \
                 __schema { queryType { fields { name } } } me { username } users { totalCount } }";
    let reply = app.query(mixed, &user.access).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    let data = app.query(&mixed.replace("users { totalCount }", ""), &user.access).await.data();
    assert_eq!(data["a"], Value::Null);
    assert_eq!(data["b"]["name"], "User");
    assert_eq!(data["me"]["username"], "alice");
    let fields = data["__schema"]["queryType"]["fields"].as_array().unwrap();
    let fields: BTreeSet<_> = fields.iter().map(name).collect();
    assert!(fields.contains("me") && !fields.contains("users"), "{fields:?}");

    for wrong in
        ["{ userss { totalCount } }", "{ users(firs: 1) { totalCount } }", "{ me @_policy { id } }"]
    {
        let reply = app.query(wrong, &user.access).await;
        assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED", "{wrong}");
        assert!(!reply.text.contains("Did you mean"), "{}", reply.text);
    }
}

#[tokio::test]
async fn who_may_less_is_listed_less_at_once_and_nobody_is_answered_for_another() {
    let app = TestApp::start_with(OWN).await;
    let boss = app.admin("boss").await;
    let other = app.admin("other").await;
    let lists = async |user: Option<&SignedIn>, field: &str| {
        let bearer = user.map(|user| user.access.as_str());
        let listed = listed(&app.call(LISTED, json!({}), bearer).await);
        let defined = defined(&schema_of(&app, bearer).await.text);
        assert_eq!(listed, defined);
        listed["Query"].contains(field)
    };
    assert!(lists(Some(&other), "users").await);
    assert!(lists(Some(&boss), "users").await);
    let demote =
        format!("setUserRole(input: {{ id: \"{}\", role: USER }}) {{ user {{ id }} }}", other.id);
    app.mutate(&boss, &demote).await.data();
    // The same document, right after who may more has asked it, and before they ask it again.
    assert!(lists(Some(&boss), "users").await);
    assert!(!lists(Some(&other), "users").await);
    assert!(!lists(None, "me").await);
    assert!(lists(Some(&boss), "users").await);

    let grant = format!(
        "grantPermission(input: {{ id: \"{}\", permission: USERS_READ }}) {{ user {{ permissionGrants {{ permission }} }} }}",
        other.id
    );
    app.mutate(&boss, &grant).await.data();
    assert!(lists(Some(&other), "users").await);
    assert!(!lists(Some(&other), "auditEvents").await);
    let revoke = format!(
        "revokePermission(input: {{ id: \"{}\", permission: USERS_READ }}) {{ user {{ permissionGrants {{ permission }} }} }}",
        other.id
    );
    app.mutate(&boss, &revoke).await.data();
    assert!(!lists(Some(&other), "users").await);
}

#[tokio::test]
async fn a_browser_is_listed_what_its_cookie_may_use_where_it_asks_by_it() {
    let app = TestApp::start_with(OWN).await;
    app.register("alice").await;
    let mode = ("portcullis-token-mode", "cookie");
    let body = json!({ "query": LOGIN, "variables": { "input": { "identifier": "alice", "password": PASSWORD } } });
    let request = Request::post("/graphql").header("content-type", "application/json");
    let request = request.header(mode.0, mode.1).header("origin", "http://localhost:8000");
    let signed_in = send(&app.app, request.body(Body::from(body.to_string())).unwrap()).await;
    let mut set = signed_in.headers.get_all("set-cookie").iter().map(|set| set.to_str().unwrap());
    let set = set.find(|set| set.starts_with("__Host-portcullis_session=")).unwrap();
    let cookie = set.split(';').next().unwrap();

    let ask = || Request::get("/schema.graphql").header("cookie", cookie);
    let lists_me = |reply: &Reply| defined(&reply.text)["Query"].contains("me");
    let same_origin = ask().header(mode.0, mode.1).header("sec-fetch-site", "same-origin");
    let reply = send(&app.app, same_origin.body(Body::empty()).unwrap()).await;
    assert!(lists_me(&reply), "{}", reply.text);
    let vary: Vec<_> = reply.headers.get_all("vary").iter().collect();
    assert!(vary.contains(&&"Cookie".parse().unwrap()), "{vary:?}");
    let reply = send(&app.app, ask().body(Body::empty()).unwrap()).await;
    assert!(!lists_me(&reply));
    let other_site = ask().header(mode.0, mode.1).header("sec-fetch-site", "cross-site");
    let reply = send(&app.app, other_site.body(Body::empty()).unwrap()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "FORBIDDEN"));
}

#[tokio::test]
async fn a_header_that_the_endpoint_refuses_is_refused_for_the_schema_too() {
    let app = TestApp::start_with(OWN).await;
    for header in ["Bearer", "Bearer "] {
        let request = Request::get("/schema.graphql").header("authorization", header);
        let reply = send(&app.app, request.body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "BAD_REQUEST"));
    }
}

#[tokio::test]
async fn without_its_database_a_server_takes_nobody_for_anonymous() {
    let app = TestApp::start_with(OWN).await;
    let user = app.register("alice").await;
    app.sql("ALTER TABLE sessions RENAME TO elsewhere").await;
    let reply = schema_of(&app, Some(&user.access)).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (500, "INTERNAL_SERVER_ERROR"));
    assert_eq!(reply.extension("requestId"), reply.headers["x-request-id"].to_str().unwrap());
    assert!(!reply.text.contains("type "));
}

#[tokio::test]
async fn in_full_everybody_is_listed_everything() {
    let app = TestApp::start().await;
    let all = defined(sdl());
    assert_eq!(listed(&app.call(LISTED, json!({}), None).await), all);
    assert_eq!(schema_of(&app, None).await.text, sdl());
}
