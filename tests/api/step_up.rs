//! Proofs of who somebody is, anew and with two factors: what asks for one, what it is worth, and for how long (MF-10).

use std::time::Duration;

use portcullis_testing::policy::Rule;
use serde_json::{Value, json};

use crate::authorization::root_fields;
use crate::cookies::{browse, kept, sign_in as sign_in_by_cookie};
use crate::support::organizations::{act_in, found_organization};
use crate::support::totp::{
    Guarded, LED_TO, STEP, challenge_of, claims, codes_left, guarded, in_app, prove, proven,
    sign_in_with, texts,
};
use crate::support::{GRACE, PASSWORD, Reply, SECOND, SignedIn, TestApp};

const FRESH: &str = "exportMyData { export { expiresIn } }";
const ME: &str = "{ me { id } }";
const BOTH: [&str; 2] = ["TOTP", "RECOVERY_CODE"];

/// What a call is refused with, and by what it would not be.
fn told(reply: &Reply) -> (String, Value) {
    (reply.code(), reply.extension("factors"))
}

fn step_up() -> (String, Value) {
    ("STEP_UP_REQUIRED".to_owned(), json!(BOTH))
}

/// What `viewer` says of fields to whoever has this access token.
async fn access(app: &TestApp, user: &SignedIn, fields: &[String]) -> Vec<Value> {
    let query =
        "query($fields: [String!]!) { viewer { access(fields: $fields) { field code factors } } }";
    let reply = app.call(query, json!({ "fields": fields }), Some(&user.access)).await;
    reply.data()["viewer"]["access"].as_array().unwrap().clone()
}

/// The proofs that a token tells of.
fn level(access: &str) -> (Value, Value, Value) {
    let claims = claims(access);
    (claims["amr"].clone(), claims["acr"].clone(), claims["auth_time"].clone())
}

/// What it tells of a password and a code that were shown at a time.
fn both_at(time: i64) -> (Value, Value, Value) {
    (json!(["pwd", "otp", "mfa"]), json!("aal2"), json!(time))
}

#[tokio::test]
async fn a_password_is_no_proof_enough_where_there_is_a_second_factor() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    // The session is thirty seconds old.
    assert_eq!(told(&app.mutate(&alice.user, FRESH).await), step_up());
    let asked = "{ viewer { can(field: \"Mutation.exportMyData\") { allowed code factors } } }";
    let can = app.query(asked, &alice.user.access).await.data()["viewer"]["can"].take();
    assert_eq!(can, json!({ "allowed": false, "code": "STEP_UP_REQUIRED", "factors": BOTH }));
    let password = json!({ "password": PASSWORD });
    assert_eq!(told(&prove(&app, &alice.user, &password).await), step_up());
    app.query(ME, &alice.user.access).await.data();
    let provider = "startReauthentication(input: { providerId: \"acme\" }) { flow }";
    assert_ne!(app.mutate(&alice.user, provider).await.code(), "NONE");

    let user = proven(&app, &alice.user, &alice.totp(&app)).await;
    app.mutate(&user, FRESH).await.data();
    let can = app.query(asked, &user.access).await.data()["viewer"]["can"].take();
    assert_eq!(can, json!({ "allowed": true, "code": null, "factors": [] }));
    assert_eq!(told(&prove(&app, &user, &password).await), step_up(), "and takes nothing away");
    app.clock.advance(SECOND * 301);
    assert_eq!(told(&app.mutate(&user, FRESH).await), step_up());
}

#[tokio::test]
async fn every_field_that_asks_for_a_recent_proof_asks_for_both_factors() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let fields = root_fields();
    let fresh = fields.iter().filter(|field| {
        field.is_fresh && field.rules == [Rule::SignedIn] && field.member().is_none()
    });
    let fresh: Vec<String> = fresh
        .filter(|field| field.operation == "mutation")
        .map(|field| format!("Mutation.{}", field.name))
        .collect();
    for name in ["disableTotp", "disableSecondFactor", "startTotpEnrollment", "changeEmail"] {
        assert!(fresh.contains(&format!("Mutation.{name}")), "{name}: {fresh:?}");
    }
    for told in access(&app, &alice.user, &fresh).await {
        assert_eq!((&told["code"], &told["factors"]), (&json!("STEP_UP_REQUIRED"), &json!(BOTH)));
    }
    let user = proven(&app, &alice.user, &alice.totp(&app)).await;
    for told in access(&app, &user, &fresh).await {
        assert_ne!(told["code"], "STEP_UP_REQUIRED", "{told}");
    }
    // Nor does the call itself let through what is told here.
    for call in ["disableTotp", "disableSecondFactor", "deleteAccount", "startTotpEnrollment"] {
        let app = TestApp::start().await;
        let alice = guarded(&app, "alice").await;
        let refused = app.mutate(&alice.user, &format!("{call} {{ __typename }}")).await;
        assert_eq!(told(&refused), step_up(), "{call}");
    }
}

#[tokio::test]
async fn a_password_is_changed_at_any_time_where_it_is_the_only_factor() {
    let app = TestApp::start().await;
    let (alice, bob) = (guarded(&app, "alice").await, app.register("bob").await);
    app.clock.advance(SECOND * 301);
    let (field, other) = (["Mutation.changePassword".to_owned()], "another horse battery");
    let change = format!(
        "changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"{other}\" }}) \
         {{ user {{ id }} }}"
    );
    let asked = access(&app, &alice.user, &field).await;
    assert_eq!(
        (&asked[0]["code"], &asked[0]["factors"]),
        (&json!("STEP_UP_REQUIRED"), &json!(BOTH))
    );
    assert_eq!(told(&app.mutate(&alice.user, &change).await), step_up());
    assert_eq!(access(&app, &bob, &field).await[0]["code"], Value::Null);
    app.mutate(&bob, &change).await.data();

    let user = proven(&app, &alice.user, &alice.totp(&app)).await;
    assert_eq!(access(&app, &user, &field).await[0]["code"], Value::Null);
    app.mutate(&user, &change).await.data();
}

#[tokio::test]
async fn a_code_in_a_session_that_began_with_a_password_makes_two_factors_of_it() {
    for by_recovery_code in [false, true] {
        let app = TestApp::start().await;
        let alice = guarded(&app, "alice").await;
        let began = claims(&alice.user.access);
        assert_eq!((&began["amr"], &began["acr"]), (&json!(["pwd"]), &json!("aal1")));
        let proof = match by_recovery_code {
            true => alice.recovery_code(0),
            false => alice.totp(&app),
        };
        let user = proven(&app, &alice.user, &proof).await;
        assert_eq!(level(&user.access), both_at(app.clock.now().timestamp()));
        let row = "sessions WHERE amr = 'pwd otp mfa' AND acr = 'aal2' AND ended_at IS NULL";
        assert_eq!(app.count(row).await, 1);
        // The session that it was shown in is over.
        let ended = app.query(ME, &alice.user.access).await;
        assert_eq!(ended.extension("reason"), "SESSION_ENDED");
        assert_eq!(app.refresh(&alice.user.refresh).await.code(), "INVALID_TOKEN");
        let left = if by_recovery_code { 9 } else { 10 };
        assert_eq!(codes_left(&app, &user).await, left);
        assert_eq!(prove(&app, &user, &proof).await.code(), "INVALID_CREDENTIALS", "once");
        assert_eq!(app.count("audit_events WHERE kind = 'REAUTHENTICATED'").await, 1);
    }
}

#[tokio::test]
async fn a_refresh_keeps_what_was_shown_and_two_factors_count_for_a_day() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let session = sign_in_with(&app, "alice", &alice.totp(&app)).await.signed_in("completeSignIn");
    let shown = app.clock.now().timestamp();
    assert_eq!(level(&session.access), both_at(shown));
    app.clock.advance(GRACE + SECOND);
    let next = app.refresh(&session.refresh).await.signed_in("refreshToken");
    assert_eq!(level(&next.access), both_at(shown));
    app.mutate(&next, FRESH).await.data();

    app.clock.advance(Duration::from_hours(24).saturating_sub(GRACE + SECOND * 2));
    let late = app.refresh(&next.refresh).await.signed_in("refreshToken");
    assert_eq!(level(&late.access), both_at(shown));
    assert_eq!(told(&app.mutate(&late, FRESH).await), step_up());
    app.clock.advance(SECOND);
    let later = app.refresh(&late.refresh).await.signed_in("refreshToken");
    let (amr, _, time) = both_at(shown);
    assert_eq!(level(&later.access), (amr, json!("aal1"), time));
    let again = proven(&app, &later, &alice.totp(&app)).await;
    assert_eq!(level(&again.access), both_at(app.clock.now().timestamp()));
}

#[tokio::test]
async fn a_token_for_an_organization_is_as_strong_as_the_one_it_was_asked_with() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let organization = found_organization(&app, &alice.user).await;
    let weak = act_in(&app, &alice.user, &organization).await;
    assert_eq!(level(&weak.access), level(&alice.user.access));
    assert_eq!(told(&app.mutate(&weak, FRESH).await), step_up());
    let user = proven(&app, &alice.user, &alice.totp(&app)).await;
    let shown = app.clock.now().timestamp();
    app.clock.advance(SECOND * 100);
    let strong = act_in(&app, &user, &organization).await;
    assert_eq!(level(&strong.access), both_at(shown));
    app.mutate(&strong, FRESH).await.data();
}

#[tokio::test]
async fn ten_wrong_codes_end_the_session_that_they_come_from_and_no_other() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let other = sign_in_with(&app, "alice", &alice.totp(&app)).await.signed_in("completeSignIn");
    app.clock.advance(STEP);
    let wrong = json!({ "recoveryCode": "0000-0000-0000-0000-0000-0000" });
    for number in 0..10 {
        let proof = if number % 2 == 0 { alice.guess(&app) } else { wrong.clone() };
        let refused = prove(&app, &alice.user, &proof).await;
        assert_eq!(refused.code(), "INVALID_CREDENTIALS", "{number}");
    }
    let ended = prove(&app, &alice.user, &alice.totp(&app)).await;
    assert_eq!(ended.extension("reason"), "SESSION_ENDED");
    assert_eq!(app.count("audit_events WHERE kind = 'SESSION_ENDED_BY_FAILURES'").await, 1);
    proven(&app, &other, &alice.totp(&app)).await;
}

/// What a call in a browser is answered.
async fn page(app: &TestApp, cookie: &str, call: &str, variables: Value) -> Reply {
    browse(&app.app, cookie, call, variables).await
}

/// Alice in a browser: her cookie, with which she has set an app up.
async fn guarded_in_browser(app: &TestApp) -> (String, Guarded) {
    let cookie = sign_in_by_cookie(app).await;
    let start = "mutation { startTotpEnrollment { secret } }";
    let authenticator = in_app(&page(app, &cookie, start, json!({})).await);
    let confirm = "mutation($code: String!) { confirmTotpEnrollment(input: { code: $code }) { \
                   recoveryCodes user { id username } } }";
    let code = json!({ "code": authenticator.code(app) });
    let confirmed = page(app, &cookie, confirm, code).await.data()["confirmTotpEnrollment"].take();
    app.clock.advance(STEP);
    let nothing = String::new();
    let user = SignedIn {
        id: confirmed["user"]["id"].as_str().unwrap().to_owned(),
        username: "alice".to_owned(),
        access: nothing.clone(),
        refresh: nothing,
    };
    let recovery_codes = texts(&confirmed["recoveryCodes"]);
    (cookie, Guarded { user, authenticator, recovery_codes })
}

#[tokio::test]
async fn a_code_raises_the_cookie_and_the_one_before_keeps_its_level_for_its_minute() {
    let app = TestApp::start().await;
    let (cookie, alice) = guarded_in_browser(&app).await;
    let fresh = format!("mutation {{ {FRESH} }}");
    let by =
        "mutation($proof: Proof!) { reauthenticate(input: { proof: $proof }) { accessToken } }";
    assert_eq!(told(&page(&app, &cookie, &fresh, json!({})).await), step_up());
    let wrong = page(&app, &cookie, by, json!({ "proof": alice.guess(&app) })).await;
    assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
    let raised = page(&app, &cookie, by, json!({ "proof": alice.totp(&app) })).await;
    assert_eq!(raised.data()["reauthenticate"]["accessToken"], Value::Null);
    let next = kept(&raised).0;
    page(&app, &next, &fresh, json!({})).await.data();
    let row = "sessions WHERE amr = 'pwd otp mfa' AND acr = 'aal2' AND generation = 2";
    assert_eq!(app.count(row).await, 1);

    app.clock.advance(SECOND * 60);
    page(&app, &cookie, ME, json!({})).await.data();
    assert_eq!(told(&page(&app, &cookie, &fresh, json!({})).await), step_up());
    app.clock.advance(SECOND);
    let over = page(&app, &cookie, ME, json!({})).await;
    assert_eq!(over.extension("reason"), "SESSION_ENDED");
    page(&app, &next, &fresh, json!({})).await.data();
}

#[tokio::test]
async fn in_a_browser_a_sign_in_with_both_factors_makes_a_cookie_with_their_level() {
    let app = TestApp::start().await;
    let (_, alice) = guarded_in_browser(&app).await;
    let login = format!("mutation($input: LoginInput!) {{ login(input: $input) {{ {LED_TO} }} }}");
    let input = json!({ "identifier": "alice", "password": PASSWORD });
    let asked = page(&app, "", &login, json!({ "input": input })).await;
    assert!(asked.headers.get("set-cookie").is_none(), "nobody is signed in yet");
    let challenge = challenge_of(&asked, "login");
    let complete = "mutation($input: CompleteSignInInput!) { completeSignIn(input: $input) { \
                    accessToken refreshToken deviceToken } }";
    let input = json!({ "challenge": challenge, "proof": alice.totp(&app) });
    let completed = page(&app, "", complete, json!({ "input": input })).await;
    let payload = json!({ "accessToken": null, "refreshToken": null, "deviceToken": null });
    assert_eq!(completed.data()["completeSignIn"], payload);
    let cookie = kept(&completed).0;
    page(&app, &cookie, &format!("mutation {{ {FRESH} }}"), json!({})).await.data();
    let exchange = "mutation { refreshToken { accessToken } }";
    let exchanged = page(&app, &cookie, exchange, json!({})).await.data();
    let access = exchanged["refreshToken"]["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(level(&access), both_at(app.clock.now().timestamp()));
}
