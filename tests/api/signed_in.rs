//! What a sign-in answers about the account: it is read as whoever has just signed in, and nothing beside it is.

use serde_json::{Value, json};

use crate::cookies::browse;
use crate::support::totp::{enrollment_of, in_app, mailed_code, sign_in, start};
use crate::support::{PASSWORD, SECOND, TestApp};

const OWN: &str = "... on AuthPayload { user { username hasPassword secondFactors { isOn } \
    sessions { nodes { current } } viewerCan(fields: [\"User.sessions\"]) { allowed } } }";

fn login(name: &str) -> String {
    format!(
        "login(input: {{ identifier: \"{name}\", password: \"{PASSWORD}\" }}) {{ __typename {OWN} }}"
    )
}

#[tokio::test]
async fn whoever_signs_in_reads_what_is_theirs_in_the_answer() {
    let app = TestApp::start().await;
    app.register("alice").await;
    // Sessions of one moment stand in no order.
    app.clock.advance(SECOND);
    let expected = json!({
        "username": "alice", "hasPassword": true, "secondFactors": { "isOn": false },
        "sessions": { "nodes": [{ "current": true }, { "current": false }] },
        "viewerCan": [{ "allowed": true }],
    });
    let query = format!("mutation {{ {} }}", login("alice"));
    let signed_in = app.call(&query, json!({}), None).await.data();
    assert_eq!(signed_in["login"]["user"], expected);
    // In cookie mode too. Its session is the newest of three.
    app.clock.advance(SECOND);
    let signed_in = browse(&app.app, "", &query, json!({})).await.data();
    let sessions = signed_in["login"]["user"]["sessions"]["nodes"].as_array().unwrap().clone();
    assert_eq!(sessions[0]["current"], true);
    assert_eq!(sessions.len(), 3);
}

/// Only what the sign-in answers: the fields beside it keep their caller, before and after.
#[tokio::test]
async fn the_fields_beside_a_sign_in_keep_their_caller() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let bob = app.register("bob").await;
    app.clock.advance(SECOND);
    let task = |name: &str| {
        format!(
            "{name}: createTask(input: {{ title: \"{name}\" }}) {{ task {{ owner {{ username }} }} }}"
        )
    };
    let query = format!("mutation {{ {} {} {} }}", task("before"), login("alice"), task("after"));

    let reply = app.call(&query, json!({}), None).await;
    let data = &reply.json()["data"];
    assert_eq!(data["login"]["user"]["username"], "alice");
    assert_eq!((&data["before"], &data["after"]), (&Value::Null, &Value::Null));
    let errors = reply.json()["errors"].as_array().unwrap().clone();
    let codes: Vec<_> = errors.iter().map(|error| error["extensions"]["code"].clone()).collect();
    assert_eq!(codes, ["UNAUTHENTICATED", "UNAUTHENTICATED"]);

    app.clock.advance(SECOND);
    let reply = app.call(&query, json!({}), Some(&bob.access)).await.data();
    assert_eq!(reply["login"]["user"]["sessions"]["nodes"][0]["current"], true);
    for name in ["before", "after"] {
        assert_eq!(reply[name]["task"]["owner"]["username"], "bob", "{name}");
    }
}

/// What fails signs nobody in, and what asks for another factor neither.
#[tokio::test]
async fn a_sign_in_that_is_not_complete_shows_nothing() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let query = format!("mutation {{ {} }}", login("alice").replace(PASSWORD, "another password"));
    let reply = app.call(&query, json!({}), None).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS");
    assert_eq!(reply.json()["data"]["login"], Value::Null);
}

/// So does who had no session, and has set up the second factor that the sign-in asked for.
#[tokio::test]
async fn an_enrollment_that_signs_in_shows_the_factor_that_it_has_set_up() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let app = app.restarted_with(&["--require-second-factor=all"]).await;
    let (enrollment, _) = enrollment_of(&sign_in(&app, "alice", PASSWORD).await, "login");
    let authenticator = in_app(&start(&app, None, Some(&enrollment)).await);
    let mailed = mailed_code(&app, "alice@example.com").await;
    let code = authenticator.code(&app);
    let input = json!({ "code": code, "enrollment": enrollment, "mailedCode": mailed });
    let query = "mutation($input: ConfirmTotpEnrollmentInput!) { confirmTotpEnrollment(input: $input) { \
        user { secondFactors { isOn } sessions { totalCount } } signedIn { user { hasPassword } } } }";
    let confirmed = app.call(query, json!({ "input": input }), None).await.data();
    let confirmed = &confirmed["confirmTotpEnrollment"];
    assert_eq!(confirmed["user"]["secondFactors"]["isOn"], true);
    assert_eq!(confirmed["user"]["sessions"]["totalCount"], 1);
    assert_eq!(confirmed["signedIn"]["user"]["hasPassword"], true);
}
