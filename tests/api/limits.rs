//! The limits, as clients meet them.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use serde_json::json;

use crate::support::sdl;
use crate::support::{LOGIN, PASSWORD, REGISTER, Reply, TestApp, send};

const WRONG: &str = "not the password";

/// The server with its limits on, as it is outside tests.
pub(crate) async fn limited() -> TestApp {
    TestApp::start_with(&["--rate-limits=on"]).await
}

pub(crate) async fn send_from(
    app: &TestApp,
    ip: &str,
    query: &str,
    variables: serde_json::Value,
) -> Reply {
    send_as(app, ip, query, variables, None).await
}

pub(crate) async fn send_as(
    app: &TestApp,
    ip: &str,
    query: &str,
    variables: serde_json::Value,
    bearer: Option<&str>,
) -> Reply {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let mut request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json");
    if let Some(bearer) = bearer {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    let mut request = request.body(Body::from(body)).unwrap();
    let peer = SocketAddr::new(ip.parse().unwrap(), 50_000);
    request.extensions_mut().insert(ConnectInfo(peer));
    send(&app.app, request).await
}

pub(crate) async fn login_from(app: &TestApp, ip: &str, identifier: &str, password: &str) -> Reply {
    let input = json!({ "identifier": identifier, "password": password });
    send_from(app, ip, LOGIN, json!({ "input": input })).await
}

#[tokio::test]
async fn guessing_is_slowed_down_alike_for_known_and_unknown_names_and_for_the_right_password() {
    let app = limited().await;
    app.register("alice").await;
    for name in ["alice", "nobody", "no such@name"] {
        for number in 0..5 {
            let reply = login_from(&app, &format!("192.0.2.{number}"), name, WRONG).await;
            assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{name}");
        }
        let reply = login_from(&app, "192.0.2.77", name, PASSWORD).await;
        assert_eq!(reply.code(), "RATE_LIMITED", "{name}");
        assert_eq!(reply.extension("retryAfter"), 30);
        assert_eq!(reply.headers["retry-after"], "30");
    }
    app.clock.advance(Duration::from_secs(30));
    login_from(&app, "192.0.2.77", "ALICE", PASSWORD).await.signed_in("login");
    // The success has cleared what was counted.
    for _ in 0..5 {
        let reply = login_from(&app, "192.0.2.99", "alice", WRONG).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS");
    }
}

#[tokio::test]
async fn one_address_signs_in_ten_times_at_once_whoever_it_is() {
    let app = limited().await;
    app.register("alice").await;
    for _ in 0..10 {
        login_from(&app, "192.0.2.1", "alice", PASSWORD).await.signed_in("login");
    }
    let reply = login_from(&app, "192.0.2.1", "alice", PASSWORD).await;
    assert_eq!(
        (reply.code(), reply.extension("retryAfter")),
        ("RATE_LIMITED".to_owned(), json!(3))
    );
    login_from(&app, "192.0.2.2", "alice", PASSWORD).await.signed_in("login");
}

#[tokio::test]
async fn one_password_tried_on_many_accounts_gets_no_further_than_twenty() {
    let app = limited().await;
    let mut codes = Vec::new();
    for number in 0..50 {
        codes.push(login_from(&app, "192.0.2.1", &format!("user{number}"), WRONG).await.code());
        app.clock.advance(Duration::from_secs(6));
    }
    let refused = codes.iter().filter(|code| *code == "RATE_LIMITED").count();
    assert_eq!(refused, 30, "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_wrong_logins_at_once_cost_no_more_hashes_than_five_do() {
    let app = std::sync::Arc::new(limited().await);
    app.register("alice").await;
    let attempts: Vec<_> = (0..200)
        .map(|number: u32| {
            let app = std::sync::Arc::clone(&app);
            tokio::spawn(async move {
                let ip = format!("198.51.100.{}", number % 250);
                login_from(&app, &ip, "alice", WRONG).await.code()
            })
        })
        .collect();
    let mut wrong = 0;
    for attempt in attempts {
        wrong += u32::from(attempt.await.unwrap() == "INVALID_CREDENTIALS");
    }
    assert_eq!(wrong, 5);
}

#[tokio::test]
async fn aliases_and_fragments_try_no_more_than_one_password_a_document() {
    let app = limited().await;
    let one = |alias: u32| {
        format!(
            "a{alias}: login(input: {{ identifier: \"alice\", password: \"x\" }}) {{ __typename }}"
        )
    };
    let aliased: String = (0..10).map(|alias| one(alias) + " ").collect();
    for document in [
        format!("mutation {{ {aliased} }}"),
        format!(
            "mutation {{ ...A ...B }} fragment A on Mutation {{ {} }} fragment B on Mutation \
                 {{ {} }}",
            one(0),
            one(1)
        ),
    ] {
        let reply = send_from(&app, "192.0.2.1", &document, json!({})).await;
        assert_eq!(reply.code(), "DOCUMENT_LIMIT", "{document}");
    }
}

#[tokio::test]
async fn a_hundred_failures_shut_the_password_until_the_operator_opens_it() {
    // Without the pauses, which would make this last for days.
    let app = TestApp::start_now(&[]).await;
    app.register("alice").await;
    let session = app.login("alice", PASSWORD).await.signed_in("login");
    for _ in 0..100 {
        assert_eq!(app.login("alice", WRONG).await.code(), "INVALID_CREDENTIALS");
    }
    // Counted beside the answer.
    let counted = async {
        while app.count("audit_events WHERE kind = 'ACCOUNT_LOCKED'").await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.unwrap();
    app.clock.advance(Duration::from_hours(72));
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    assert_eq!(app.login("alice@example.com", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    // Who is signed in stays so (BF-08).
    app.refresh(&session.refresh).await.data();

    app.cli(&["admin", "unlock", "alice"]).await.printed();
    app.login("alice", PASSWORD).await.signed_in("login");
}

#[tokio::test]
async fn the_server_learns_from_the_database_who_was_unlocked() {
    let app = TestApp::start_now(&["--rate-limits=on"]).await;
    app.register("alice").await;
    for _ in 0..6 {
        login_from(&app, "192.0.2.1", "alice", WRONG).await;
    }
    assert_eq!(login_from(&app, "192.0.2.2", "alice", PASSWORD).await.code(), "RATE_LIMITED");
    app.cli(&["admin", "unlock", "alice"]).await.printed();
    app.app.follow_unlocks().await.unwrap();
    login_from(&app, "192.0.2.2", "alice", PASSWORD).await.signed_in("login");
}

#[tokio::test]
async fn a_session_refreshes_so_often_whether_that_gives_anything_or_not() {
    let app = limited().await;
    let (alive, over) = (app.register("alice").await, app.register("bob").await);
    app.mutate(&over, "logout { sessionId }").await.data();
    // What gives nothing counts for the address as well.
    for (user, code, max) in [(&alive, "NONE", 100), (&over, "INVALID_TOKEN", 60)] {
        let mut calls = 0;
        while calls < 200 {
            let reply = app.refresh(&user.refresh).await;
            if reply.code() == "RATE_LIMITED" {
                break;
            }
            assert_eq!(reply.code(), code);
            calls += 1;
        }
        assert_eq!(calls, max);
    }
    assert_eq!(app.again("alice").await.username, "alice", "another session is another");
}

/// A call of each limited field, and how often one address may make it; USER is another one each time.
const LIMITED: [(&str, &str, u32); 36] = [
    (
        "register",
        "register(input: { username: \"USER\", email: \"USER@example.com\", \
          password: \"correct horse battery\" }) { __typename }",
        5,
    ),
    ("exportMyData", "exportMyData { export { ticket } }", 10),
    (
        "inviteUser",
        "inviteUser(input: { email: \"USER@example.com\", role: ADMIN }) { linkExpiresIn }",
        60,
    ),
    (
        "inviteMember",
        "inviteMember(input: { organizationId: \"organization_01890000-0000-7000-8000-000000000000\", email: \"USER@example.com\", role: ADMIN }) { invitation { id } }",
        60,
    ),
    (
        "acceptInvitation",
        "acceptInvitation(input: { token: \"USER\" }) { organization { id } }",
        30,
    ),
    ("login", "login(input: { identifier: \"USER\", password: \"x\" }) { __typename }", 10),
    ("refreshToken", "refreshToken(input: { refreshToken: \"USER\" }) { expiresIn }", 60),
    (
        "reauthenticate",
        "reauthenticate(input: { proof: { password: \"USER\" } }) { expiresIn }",
        10,
    ),
    (
        "changePassword",
        "changePassword(input: { currentPassword: \"USER\", newPassword: \"another horse battery\" }) { user { id } }",
        10,
    ),
    ("changeEmail", "changeEmail(input: { newEmail: \"USER@example.com\" }) { linkExpiresIn }", 5),
    (
        "requestPasswordReset",
        "requestPasswordReset(input: { identifier: \"USER\" }) { linkExpiresIn }",
        20,
    ),
    (
        "requestPasswordReset",
        "requestPasswordReset(input: { identifier: \"nobody\" }) { linkExpiresIn }",
        3,
    ),
    (
        "requestPasswordReset",
        "requestPasswordReset(input: { identifier: \"somebody\" }) { linkExpiresIn }",
        3,
    ),
    (
        "requestEmailVerification",
        "requestEmailVerification(input: { email: \"USER@example.com\" }) { linkExpiresIn }",
        20,
    ),
    (
        "requestEmailVerification",
        "requestEmailVerification(input: { email: \"a@example.com\" }) { linkExpiresIn }",
        3,
    ),
    ("verifyEmail", "verifyEmail(input: { token: \"USER\" }) { outcome }", 30),
    ("undoEmailChange", "undoEmailChange(input: { token: \"USER\" }) { outcome }", 30),
    (
        "resetPassword",
        "resetPassword(input: { token: \"USER\", newPassword: \"another horse\" }) { username }",
        30,
    ),
    (
        "acceptUserInvitation",
        "acceptUserInvitation(input: { token: \"USER\", username: \"USER\", password: \
             \"correct horse battery\" }) { __typename }",
        30,
    ),
    (
        "completeSignIn",
        "completeSignIn(input: { challenge: \"USER\", proof: { totp: \"000000\" } }) { expiresIn }",
        30,
    ),
    ("startTotpEnrollment", "startTotpEnrollment(input: { enrollment: \"USER\" }) { secret }", 30),
    (
        "confirmTotpEnrollment",
        "confirmTotpEnrollment(input: { enrollment: \"USER\", code: \"000000\" }) { user { id } }",
        30,
    ),
    (
        "startPasskeyRegistration",
        "startPasskeyRegistration(input: { enrollment: \"USER\" }) { ceremony }",
        // What everybody may change comes first.
        100,
    ),
    ("startPasskeySignIn", "startPasskeySignIn { ceremony }", 120),
    ("startPasskeyProof", "startPasskeyProof(input: { challenge: \"USER\" }) { ceremony }", 120),
    (
        "finishPasskeySignIn",
        "finishPasskeySignIn(input: { ceremony: \"USER\", credential: {} }) { __typename }",
        30,
    ),
    (
        "finishPasskeyRegistration",
        "finishPasskeyRegistration(input: { ceremony: \"USER\", credential: {} }) { user { id } }",
        30,
    ),
    ("startSignIn", "startSignIn(input: { providerId: \"USER\" }) { flow }", 60),
    ("startLink", "startLink(input: { providerId: \"USER\" }) { flow }", 60),
    (
        "startReauthentication",
        "startReauthentication(input: { providerId: \"USER\" }) { flow }",
        60,
    ),
    ("startIdTokenSignIn", "startIdTokenSignIn { flow }", 60),
    (
        "finishSignIn",
        "finishSignIn(input: { flow: \"USER\", code: \"USER\", state: \"USER\" }) { __typename }",
        30,
    ),
    (
        "signInWithIdToken",
        "signInWithIdToken(input: { providerId: \"acme\", idToken: \"USER\", flow: \"USER\" }) { __typename }",
        30,
    ),
    (
        "finishLink",
        "finishLink(input: { flow: \"USER\", code: \"USER\", state: \"USER\" }) { identity { id } }",
        20,
    ),
    (
        "finishReauthentication",
        "finishReauthentication(input: { flow: \"USER\", code: \"USER\", state: \"USER\" }) { expiresIn }",
        20,
    ),
    ("chooseUsername", "chooseUsername(input: { username: \"USER\" }) { user { id } }", 20),
];

#[tokio::test]
async fn every_credential_mutation_is_limited_as_the_schema_says() {
    let sdl = sdl();
    // What everybody may change is tried in `budgets.rs`.
    let own = |line: &&str| {
        let limits = line.split("@rateLimit(name: \"").skip(1);
        limits.filter(|limit| !limit.starts_with("changes.user\"")).count() > 0
    };
    let mutations = sdl.split("\ntype Mutation {").nth(1).unwrap().split("\n}").next().unwrap();
    assert_eq!(mutations.lines().filter(own).count(), 34, "try every limited field here");
    for (field, call, max) in LIMITED {
        let defined = mutations.split(&format!("\n\t{field}")).nth(1).unwrap();
        let is_ruled = |line: &&str| [" @public", " @auth"].iter().any(|rule| line.contains(rule));
        let line = defined.lines().find(is_ruled).unwrap();
        assert!(line.contains("@rateLimit(name: "), "{line}");
        let app = limited().await;
        let somebody = app.admin("somebody").await;
        let mut admitted = 0;
        while admitted < 300 {
            let query =
                format!("mutation {{ {} }}", call.replace("USER", &format!("user{admitted}")));
            let bearer = Some(somebody.access.as_str());
            let reply = send_as(&app, "192.0.2.1", &query, json!({}), bearer).await;
            // Ten wrong passwords end the session that they come from.
            if ["RATE_LIMITED", "UNAUTHENTICATED"].contains(&reply.code().as_str()) {
                break;
            }
            admitted += 1;
        }
        assert_eq!(admitted, max, "{field}");
    }
}

#[tokio::test]
async fn limits_have_the_numbers_that_are_set_and_show_them() {
    const ADMITTED: u32 = 3;
    let set = "register.ip=3/60, login.identifier=2/900,changes.user=6/60";
    let app = TestApp::start_with(&[&format!("--rate-limits={set}")]).await;
    for (client, ip) in ["192.0.2.1", "192.0.2.2"].into_iter().enumerate() {
        for number in 0..=ADMITTED {
            let name = format!("user{number}of{client}");
            let input = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
            let code = send_from(&app, ip, REGISTER, json!({ "input": input })).await.code();
            assert_eq!(code == "RATE_LIMITED", number == ADMITTED, "{ip} {number}: {code}");
        }
    }
    // One every twenty seconds.
    app.clock.advance(Duration::from_secs(21));
    let input = json!({ "username": "later", "email": "later@example.com", "password": PASSWORD });
    let later = send_from(&app, "192.0.2.1", REGISTER, json!({ "input": input })).await;
    let later = later.signed_in("register");

    // A third of the changes may come at once, as by default. By username or address, guesses are counted alike.
    for (number, code) in ["NONE", "NONE", "RATE_LIMITED"].into_iter().enumerate() {
        let call = format!("createTask(input: {{ title: \"{number}\" }}) {{ task {{ id }} }}");
        assert_eq!(app.mutate(&later, &call).await.code(), code, "{number}");
    }
    for (ip, name) in [("192.0.2.3", "later"), ("192.0.2.4", "later@example.com")] {
        assert_eq!(login_from(&app, ip, name, WRONG).await.code(), "INVALID_CREDENTIALS");
    }
    assert_eq!(
        login_from(&app, "192.0.2.5", "later", PASSWORD).await.code(),
        "INVALID_CREDENTIALS"
    );
    for ip in ["192.0.2.6", "192.0.2.7"] {
        login_from(&app, ip, "later", WRONG).await;
    }
    assert_eq!(login_from(&app, "192.0.2.8", "later", PASSWORD).await.code(), "RATE_LIMITED");

    let shown = Request::get("/schema.graphql").body(Body::empty()).unwrap();
    let sdl = send(&app.app, shown).await.text;
    let refresh =
        "@rateLimit(name: \"refreshToken.ip\", max: 60, windowSeconds: 60, by: [IP], failed: true)";
    for (limit, set) in [
        ("\"register.ip\"", "max: 3, windowSeconds: 60, by: [IP])"),
        ("\"login.identifier\"", "max: 2, windowSeconds: 900, by: [IDENTIFIER], failed: true)"),
        ("\"changes.user\"", "max: 6, windowSeconds: 60, by: [USER])"),
    ] {
        let shown = sdl.matches(&format!("(name: {limit}, {set}")).count();
        assert!(shown > 0 && shown == sdl.matches(&format!("name: {limit}")).count(), "{limit}");
    }
    assert!(sdl.contains(refresh));
}

#[tokio::test]
async fn instances_that_share_a_database_and_no_redis_are_told_apart() {
    let app = TestApp::start_now(&["--rate-limits=on"]).await;
    assert_eq!(app.app.show().await.unwrap(), 0);
    let other = app.second_instance().await;
    assert_eq!(other.show().await.unwrap(), 1);
    let told = app.cli(&["doctor"]).await;
    assert!(told.stdout.contains("2 instances run"), "{told:?}");
}
