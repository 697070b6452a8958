//! A mailbox proves an address, and not who chose the password: what somebody began with another's address is
//! theirs only if its owner says so (RS-09, RS-11).

use serde_json::{Value, json};

use crate::support::organizations::{found_organization, join_organization};
use crate::support::{PASSWORD, REGISTER, Reply, SECOND, SignedIn, TestApp};

const ALICES: &str = "another horse battery";
const VERIFY: &str = "mutation($token: String!, $password: String, $newPassword: String, \
                      $username: String) { verifyEmail(input: { token: $token, password: $password, \
                      newPassword: $newPassword, username: $username }) { outcome } }";
const ME: &str = "{ me { username email emailVerified fullName } }";

async fn proving() -> TestApp {
    TestApp::start_with(&["--require-email-verification=true"]).await
}

/// Registers with alice's address, and returns the link that was mailed to it.
async fn register(app: &TestApp, username: &str, password: &str) -> String {
    let input = json!({ "username": username, "email": "alice@example.com", "password": password,
                        "fullName": "Somebody" });
    app.call(REGISTER, json!({ "input": input }), None).await.data();
    app.mail("verify-email", "alice@example.com").await.token()
}

/// Clicks on a link, with what else is given.
async fn click(app: &TestApp, token: &str, mut given: Value, bearer: Option<&SignedIn>) -> Reply {
    given["token"] = json!(token);
    app.call(VERIFY, given, bearer.map(|user| user.access.as_str())).await
}

/// The first field that an answer complains about.
fn refused(reply: &Reply) -> (Value, Value) {
    let field = reply.extension("fields")[0].clone();
    (field["path"].clone(), field["code"].clone())
}

#[tokio::test]
async fn registrations_for_one_address_live_side_by_side() {
    let app = proving().await;
    let alices = register(&app, "alice", ALICES).await;
    let mallorys = register(&app, "mallory", PASSWORD).await;
    // The newest mail is the stranger's. Without the password that they chose it gives them nothing.
    let bare = click(&app, &mallorys, json!({}), None).await;
    assert_eq!(refused(&bare), (json!("input.password"), json!("REQUIRED")));
    let wrong = click(&app, &mallorys, json!({ "password": ALICES }), None).await;
    assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
    assert_eq!(app.count("users").await, 0);

    // The first link lives, and makes the account that its owner began.
    click(&app, &alices, json!({ "password": ALICES }), None).await.data();
    let alice = app.login("alice", ALICES).await.signed_in("login");
    let me = app.query(ME, &alice.access).await.data()["me"].clone();
    assert_eq!((&me["username"], &me["fullName"]), (&json!("alice"), &json!("Somebody")));
    // Then the other has nothing left to do: the address is verified.
    let late = click(&app, &mallorys, json!({ "password": PASSWORD }), None).await;
    assert_eq!(late.data()["verifyEmail"]["outcome"], "DONE_BEFORE");
    assert_eq!(app.login("mallory", PASSWORD).await.code(), "INVALID_CREDENTIALS");
}

/// Whoever asks for another mail need not be who reads it.
#[tokio::test]
async fn a_link_goes_on_working_when_somebody_has_another_mailed() {
    let app = proving().await;
    let first = register(&app, "alice", ALICES).await;
    for _ in 0..3 {
        app.clock.advance(std::time::Duration::from_mins(1));
        let call = "mutation { requestEmailVerification(input: { email: \"alice@example.com\" }) { linkExpiresIn } }";
        app.call(call, json!({}), None).await.data();
        assert_ne!(app.mail("verify-email", "alice@example.com").await.token(), first);
    }
    let newest = app.mail("verify-email", "alice@example.com").await.token();
    let verified = click(&app, &first, json!({ "password": ALICES }), None).await.data();
    assert_eq!(verified["verifyEmail"]["outcome"], "DONE");
    for link in [&first, &newest] {
        let again = click(&app, link, json!({ "password": ALICES }), None).await.data();
        assert_eq!(again["verifyEmail"]["outcome"], "DONE_BEFORE");
    }
    assert_eq!(app.count("users").await, 1);
}

/// On SQLite one of them waits for the other anyway; the databases where they meet are tried in CI.
#[tokio::test]
async fn two_links_for_one_address_that_are_used_at_once_make_one_account() {
    for round in 0..5 {
        let app = proving().await;
        let alices = register(&app, "alice", ALICES).await;
        let others = register(&app, "alicia", ALICES).await;
        let links = if round % 2 == 0 { [&alices, &others] } else { [&others, &alices] };
        let [one, other] = links.map(|link| click(&app, link, json!({ "password": ALICES }), None));
        let (one, other) = tokio::join!(one, other);
        let mut outcomes = [
            one.data()["verifyEmail"]["outcome"].clone(),
            other.data()["verifyEmail"]["outcome"].clone(),
        ];
        outcomes.sort_by_key(ToString::to_string);
        assert_eq!(outcomes, ["DONE", "DONE_BEFORE"]);
        assert_eq!(app.count("users").await, 1);
    }
}

#[tokio::test]
async fn registrations_at_the_same_moment_are_mailed_each() {
    let app = proving().await;
    for username in ["alice", "mallory"] {
        let input = json!({ "username": username, "email": "alice@example.com",
                            "password": PASSWORD });
        app.call(REGISTER, json!({ "input": input }), None).await.data();
    }
    let mails = app.mails().await;
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert_ne!(mails[0].token(), mails[1].token());
}

#[tokio::test]
async fn whatever_link_was_mailed_serves_the_owner_of_the_address() {
    let app = proving().await;
    register(&app, "alice", ALICES).await;
    register(&app, "mallory", PASSWORD).await;
    let call = "mutation { requestEmailVerification(input: { email: \"alice@example.com\" }) { linkExpiresIn } }";
    app.call(call, json!({}), None).await.data();
    let link = app.mail("verify-email", "alice@example.com").await.token();

    let alone = click(&app, &link, json!({ "newPassword": ALICES }), None).await;
    assert_eq!(refused(&alone), (json!("input.username"), json!("REQUIRED")));
    for (given, field) in [
        (json!({ "newPassword": "short", "username": "alice" }), "input.newPassword"),
        (json!({ "newPassword": "alice@example.com", "username": "alice" }), "input.newPassword"),
        (json!({ "newPassword": ALICES, "username": "admin" }), "input.username"),
        (json!({ "newPassword": ALICES, "password": ALICES }), "input.newPassword"),
    ] {
        let reply = click(&app, &link, given, None).await;
        assert_eq!(reply.extension("fields")[0]["path"], field, "{}", reply.text);
    }
    click(&app, &link, json!({ "newPassword": ALICES, "username": "alice" }), None).await.data();
    let alice = app.login("alice@example.com", ALICES).await.signed_in("login");
    let me = app.query(ME, &alice.access).await.data()["me"].clone();
    let expected = json!({ "username": "alice", "email": "alice@example.com",
                           "emailVerified": true, "fullName": null });
    assert_eq!(me, expected);
    for name in ["mallory", "alice", "alice@example.com"] {
        assert_eq!(app.login(name, PASSWORD).await.code(), "INVALID_CREDENTIALS");
    }
}

#[tokio::test]
async fn a_click_keeps_an_account_for_its_session_or_its_password_alone() {
    for keep in ["session", "password"] {
        let app = TestApp::start().await;
        let alice = app.register("alice").await;
        let bob = app.register("bob").await;
        let link = app.mail("verify-email", "alice@example.com").await.token();
        for (given, bearer) in [(json!({}), None), (json!({}), Some(&bob))] {
            let bare = click(&app, &link, given, bearer).await;
            assert_eq!(refused(&bare), (json!("input.password"), json!("REQUIRED")));
        }
        let wrong = click(&app, &link, json!({ "password": ALICES }), None).await;
        assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
        assert_eq!(app.count("users WHERE email_verified = TRUE").await, 0);
        let kept = match keep {
            "session" => click(&app, &link, json!({}), Some(&alice)).await,
            _ => click(&app, &link, json!({ "password": PASSWORD }), None).await,
        };
        assert_eq!(kept.data()["verifyEmail"]["outcome"], "DONE");
        let me = app.query(ME, &alice.access).await.data();
        assert_eq!(me["me"]["emailVerified"], true);
        app.login("alice", PASSWORD).await.signed_in("login");
    }
}

#[tokio::test]
async fn a_click_of_anybody_else_voids_what_opened_the_account() {
    let app = TestApp::start().await;
    let squatter = app.register("alice").await;
    let other = app.login("alice", PASSWORD).await.signed_in("login");
    let link = app.mail("verify-email", "alice@example.com").await.token();
    app.mutate(
        &squatter,
        "changeEmail(input: { newEmail: \"squatter@example.net\" }) { linkExpiresIn }",
    )
    .await
    .data();
    let change = app.mail("confirm-email-change", "squatter@example.net").await.token();

    let weak = click(&app, &link, json!({ "newPassword": "short" }), None).await;
    assert_eq!(refused(&weak), (json!("input.newPassword"), json!("TOO_SHORT")));
    click(&app, &link, json!({ "newPassword": ALICES }), None).await.data();
    for session in [&squatter, &other] {
        assert_eq!(app.query(ME, &session.access).await.code(), "UNAUTHENTICATED");
        assert_eq!(app.refresh(&session.refresh).await.code(), "INVALID_TOKEN");
    }
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    let late = click(&app, &change, json!({ "password": PASSWORD }), None).await;
    assert_eq!(late.code(), "INVALID_TOKEN");
    app.login("alice", ALICES).await.signed_in("login");
    assert_eq!(app.count("users WHERE email_verified = TRUE").await, 1);
    app.mail("password-changed", "alice@example.com").await;
}

/// As long as nobody has shown that the address is theirs, whoever reads its mail is stronger than a session.
#[tokio::test]
async fn whoever_holds_a_session_does_not_void_what_was_mailed_to_an_address_that_is_not_verified()
{
    for call in [
        format!(
            "changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"{ALICES} x\" }}) {{ user {{ id }} }}"
        ),
        "revokeAllSessions { endedSessions }".to_owned(),
    ] {
        let app = TestApp::start().await;
        let squatter = app.register("alice").await;
        let link = app.mail("verify-email", "alice@example.com").await.token();
        let reset = "mutation { requestPasswordReset(input: { identifier: \"alice@example.com\" }) { linkExpiresIn } }";
        app.call(reset, json!({}), None).await.data();
        app.mutate(&squatter, &call).await.data();
        let reset = app.mail("password-reset", "alice@example.com").await.token();
        let query = "mutation($token: String!, $new: String!) { resetPassword(input: { token: $token, newPassword: $new }) { username } }";
        app.call(query, json!({ "token": reset, "new": ALICES }), None).await.data();
        let click = click(&app, &link, json!({ "newPassword": ALICES }), None).await;
        assert_eq!(click.code(), "INVALID_TOKEN", "the account is hers since the reset: {call}");
        app.login("alice", ALICES).await.signed_in("login");
    }
}

#[tokio::test]
async fn an_account_does_not_get_an_address_by_a_click_of_its_reader_alone() {
    let app = TestApp::start().await;
    let mallory = app.register("mallory").await;
    let change = async || {
        app.mutate(
            &mallory,
            "changeEmail(input: { newEmail: \"victim@example.org\" }) { linkExpiresIn }",
        )
        .await
        .data();
        app.mail("confirm-email-change", "victim@example.org").await.token()
    };
    let link = change().await;
    for given in [json!({}), json!({ "newPassword": ALICES })] {
        let reply = click(&app, &link, given, None).await;
        assert_eq!(refused(&reply), (json!("input.password"), json!("REQUIRED")));
    }
    assert_eq!(app.count("users WHERE email_key = 'victim@example.org'").await, 0);
    click(&app, &link, json!({}), Some(&mallory)).await.data();
    assert_eq!(app.count("users WHERE email_key = 'victim@example.org'").await, 1);
}

#[tokio::test]
async fn of_ten_clicks_at_once_one_does_the_work_and_all_say_that_it_is_done() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let link = app.mail("verify-email", "alice@example.com").await.token();
    let clicks = (0..10).map(|_| {
        let (app, variables) = (app.app.clone(), json!({ "token": link, "password": PASSWORD }));
        tokio::spawn(async move {
            crate::support::call(&app, VERIFY, variables, None).await.data()["verifyEmail"]["outcome"].clone()
        })
    });
    let mut outcomes = Vec::new();
    for click in clicks.collect::<Vec<_>>() {
        outcomes.push(click.await.unwrap().as_str().unwrap().to_owned());
    }
    outcomes.sort();
    assert_eq!(outcomes[0], "DONE");
    assert!(outcomes[1..].iter().all(|outcome| outcome == "DONE_BEFORE"), "{outcomes:?}");
}

/// What the caller is shown of what another had in their account.
async fn leftovers(app: &TestApp, user: &SignedIn) -> Value {
    let query = "{ me { leftovers { kinds { kind names } } } }";
    app.query(query, &user.access).await.data()["me"]["leftovers"].clone()
}

async fn make_task(app: &TestApp, user: &SignedIn, title: &str) {
    let call = format!("createTask(input: {{ title: \"{title}\" }}) {{ task {{ id }} }}");
    app.mutate(user, &call).await.data();
}

/// Has a stranger build something in an account with alice's address, who then takes it back.
async fn taken_back(app: &TestApp) -> (SignedIn, String) {
    let (squatter, bob) = (app.register("alice").await, app.register("bob").await);
    let bobs = found_organization(app, &bob).await;
    join_organization(app, &bob, &bobs, &squatter, "MEMBER").await;
    let theirs = found_organization(app, &squatter).await;
    join_organization(app, &squatter, &theirs, &bob, "MEMBER").await;
    found_organization(app, &squatter).await;
    make_task(app, &squatter, "Theirs").await;
    assert_eq!(leftovers(app, &squatter).await, json!(null));
    let reset =
        "mutation { requestPasswordReset(input: { identifier: \"alice\" }) { linkExpiresIn } }";
    app.call(reset, json!({}), None).await.data();
    let token = app.mail("password-reset", "alice@example.com").await.token();
    let reset = format!(
        "mutation {{ resetPassword(input: {{ token: \"{token}\", newPassword: \"{ALICES}\" }}) {{ username }} }}"
    );
    app.call(&reset, json!({}), None).await.data();
    app.clock.advance(SECOND);
    let alice = app.login("alice", ALICES).await.signed_in("login");
    found_organization(app, &alice).await;
    make_task(app, &alice, "Hers").await;
    (alice, theirs)
}

#[tokio::test]
async fn what_another_built_in_an_account_is_shown_and_dropped() {
    let app = TestApp::start().await;
    let (alice, theirs) = taken_back(&app).await;
    let shown = json!({ "kinds": [
        { "kind": "organizations", "names": ["Acme", "Acme", "Acme"] },
        { "kind": "tasks", "names": ["Theirs"] },
    ] });
    assert_eq!(leftovers(&app, &alice).await, shown);
    let bob = app.login("bob", PASSWORD).await.signed_in("login");
    let foreign = format!(
        "{{ node(id: \"{}\") {{ ... on User {{ leftovers {{ takenBackAt }} }} }} }}",
        alice.id
    );
    app.sql("UPDATE users SET role = 'ADMIN' WHERE username_key = 'bob'").await;
    assert_eq!(app.query(&foreign, &bob.access).await.code(), "FORBIDDEN");

    app.clock.advance(SECOND * 301);
    assert_eq!(
        app.mutate(&alice, "dropLeftovers { hadLeftovers }").await.code(),
        "STEP_UP_REQUIRED"
    );
    let alice = app.login("alice", ALICES).await.signed_in("login");
    assert_eq!(
        app.mutate(&alice, "dropLeftovers { hadLeftovers }").await.data()["dropLeftovers"]["hadLeftovers"],
        true
    );
    assert_eq!(leftovers(&app, &alice).await, json!(null));
    assert_eq!(
        app.mutate(&alice, "dropLeftovers { hadLeftovers }").await.data()["dropLeftovers"]["hadLeftovers"],
        false
    );
    let left = "{ myOrganizations { totalCount } myTasks { edges { node { title } } } }";
    let left = app.query(left, &alice.access).await.data();
    assert_eq!(left["myOrganizations"]["totalCount"], 1);
    assert_eq!(left["myTasks"]["edges"], json!([{ "node": { "title": "Hers" } }]));
    // What others have a part in is theirs now.
    let bob = app.login("bob", PASSWORD).await.signed_in("login");
    let role = format!("{{ organization(id: \"{theirs}\") {{ myRole }} }}");
    let role = app.query(&role, &bob.access).await.data();
    assert_eq!(role["organization"]["myRole"], "OWNER");
    assert_eq!(app.count("organizations").await, 3);
}

#[tokio::test]
async fn what_another_built_in_an_account_may_be_kept() {
    let app = TestApp::start().await;
    let (alice, _) = taken_back(&app).await;
    assert_eq!(
        app.mutate(&alice, "keepLeftovers { hadLeftovers }").await.data()["keepLeftovers"]["hadLeftovers"],
        true
    );
    assert_eq!(leftovers(&app, &alice).await, json!(null));
    assert_eq!(app.count("organizations").await, 4);
    assert_eq!(app.count("tasks").await, 2);
    // A reset of an account whose address was verified before takes nothing back.
    let reset =
        "mutation { requestPasswordReset(input: { identifier: \"alice\" }) { linkExpiresIn } }";
    app.call(reset, json!({}), None).await.data();
    let token = app.mail("password-reset", "alice@example.com").await.token();
    let reset = format!(
        "mutation {{ resetPassword(input: {{ token: \"{token}\", newPassword: \"{PASSWORD}\" }}) {{ username }} }}"
    );
    app.call(&reset, json!({}), None).await.data();
    let alice = app.login("alice", PASSWORD).await.signed_in("login");
    assert_eq!(leftovers(&app, &alice).await, json!(null));
}

#[tokio::test]
async fn a_link_tries_ten_passwords_an_hour_however_long_it_lives() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let link = app.mail("verify-email", "alice@example.com").await.token();
    let app = app.restarted_with(&["--rate-limits=on"]).await;
    for _ in 0..10 {
        let wrong = click(&app, &link, json!({ "password": ALICES }), None).await;
        assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
    }
    for given in [json!({ "password": PASSWORD }), json!({ "newPassword": ALICES })] {
        assert_eq!(click(&app, &link, given, None).await.code(), "RATE_LIMITED");
    }
    app.clock.advance(SECOND * 360);
    click(&app, &link, json!({ "password": PASSWORD }), None).await.data();
}

#[tokio::test]
async fn a_link_that_verifies_gives_an_account_another_password_for_an_hour() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let link = app.mail("verify-email", "alice@example.com").await.token();
    app.clock.advance(SECOND * 3_600);
    let late = click(&app, &link, json!({ "newPassword": ALICES }), None).await;
    assert_eq!(refused(&late), (json!("input.newPassword"), json!("EXPIRED")));
    click(&app, &link, json!({ "password": PASSWORD }), None).await.data();
}
