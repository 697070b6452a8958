//! What a sign-in that waits for a second factor is good for: that, once, for five minutes (MF-06).

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use portcullis_testing::policy::Rule;
use serde_json::json;

use crate::authorization::root_fields;
use crate::support::totp::{
    STEP, begun, challenge, codes_left, complete, confirm, guarded, proven, reset_password,
    sign_in, verify_address,
};
use crate::support::{PASSWORD, SECOND, SignedIn, TestApp, sdl, send};

const OTHER: &str = "another horse battery";

#[tokio::test]
async fn a_challenge_is_void_after_five_wrong_answers() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    for (failures, code) in [(4, "NONE"), (5, "INVALID_TOKEN")] {
        let challenge = challenge(&app, "alice").await;
        for _ in 0..failures {
            let wrong = complete(&app.app, &challenge, &alice.guess(&app)).await;
            assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
        }
        let right = complete(&app.app, &challenge, &alice.totp(&app)).await;
        assert_eq!(right.code(), code, "after {failures}");
        app.clock.advance(STEP);
    }
}

#[tokio::test]
async fn a_challenge_is_good_for_five_minutes_and_for_one_session() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    for (seconds, code) in [(299, "NONE"), (300, "INVALID_TOKEN")] {
        let challenge = challenge(&app, "alice").await;
        app.clock.advance(SECOND * seconds);
        let answer = complete(&app.app, &challenge, &alice.totp(&app)).await;
        assert_eq!(answer.code(), code, "after {seconds} seconds");
        app.clock.advance(STEP);
        let again = complete(&app.app, &challenge, &alice.totp(&app)).await;
        assert_eq!(again.code(), "INVALID_TOKEN");
    }
    assert_eq!(app.count("sessions").await, 2);
}

#[tokio::test]
async fn the_oldest_of_more_than_ten_challenges_is_void() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let mut challenges = Vec::new();
    for _ in 0..11 {
        challenges.push(challenge(&app, "alice").await);
        app.clock.advance(SECOND);
    }
    let oldest = complete(&app.app, &challenges[0], &alice.totp(&app)).await;
    assert_eq!(oldest.code(), "INVALID_TOKEN");
    let second = complete(&app.app, &challenges[1], &alice.totp(&app)).await;
    second.signed_in("completeSignIn");
}

#[tokio::test]
async fn a_challenge_is_answered_with_a_factor_of_its_own_user() {
    let app = TestApp::start().await;
    let (alice, bob) = (guarded(&app, "alice").await, guarded(&app, "bob").await);
    let challenge = challenge(&app, "alice").await;
    for proof in [bob.totp(&app), bob.recovery_code(0)] {
        let refused = complete(&app.app, &challenge, &proof).await;
        assert_eq!(refused.code(), "INVALID_CREDENTIALS", "{proof}");
    }
    assert_eq!(codes_left(&app, &bob.user).await, 10);
    let answered = complete(&app.app, &challenge, &alice.totp(&app)).await;
    assert_eq!(answered.signed_in("completeSignIn").id, alice.user.id);
}

/// What happens while a sign-in waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Password,
    PasswordByMail,
    AllSessionsEnd,
    OtherSessionsEnd,
    Deactivation,
    OtherApp,
    AppRemoved,
    TurnedOff,
    Reset,
}

/// Has it happen, by alice's session or by an admin.
async fn make(app: &TestApp, change: Change, alice: &SignedIn, boss: &SignedIn) {
    let by_owner = match change {
        Change::Nothing => return,
        Change::Password => format!(
            "changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"{OTHER}\" }}) \
             {{ user {{ id }} }}"
        ),
        Change::AllSessionsEnd => "revokeAllSessions { __typename }".to_owned(),
        Change::OtherSessionsEnd => "revokeOtherSessions { __typename }".to_owned(),
        Change::AppRemoved => "disableTotp { user { id } }".to_owned(),
        Change::TurnedOff => "disableSecondFactor { user { id } }".to_owned(),
        Change::PasswordByMail => return reset_password(app, "alice", OTHER).await,
        Change::OtherApp => {
            let other = begun(app, &alice.access).await;
            confirm(app, &alice.access, &other.code(app)).await.data();
            return;
        }
        Change::Deactivation | Change::Reset => {
            let fields: &[&str] = match change {
                Change::Reset => &["resetSecondFactors"],
                _ => &["deactivateUser", "reactivateUser"],
            };
            for field in fields {
                let call =
                    format!("{field}(input: {{ id: \"{}\" }}) {{ user {{ id }} }}", alice.id);
                app.mutate(boss, &call).await.data();
            }
            return;
        }
    };
    app.mutate(alice, &by_owner).await.data();
}

#[tokio::test]
async fn a_challenge_is_void_once_what_was_shown_or_is_asked_for_has_changed() {
    for change in [
        Change::Nothing,
        Change::Password,
        Change::PasswordByMail,
        Change::AllSessionsEnd,
        Change::OtherSessionsEnd,
        Change::Deactivation,
        Change::OtherApp,
        Change::AppRemoved,
        Change::TurnedOff,
        Change::Reset,
    ] {
        let app = TestApp::start().await;
        let boss = app.admin("boss").await;
        let alice = guarded(&app, "alice").await;
        verify_address(&app, "alice").await;
        let user = proven(&app, &alice.user, &alice.recovery_code(0)).await;
        let challenge = challenge(&app, "alice").await;
        make(&app, change, &user, &boss).await;
        for proof in [alice.totp(&app), alice.recovery_code(1)] {
            let answer = complete(&app.app, &challenge, &proof).await;
            let is_first = proof.get("totp").is_some();
            let code = if change == Change::Nothing && is_first { "NONE" } else { "INVALID_TOKEN" };
            assert_eq!(answer.code(), code, "{change:?} {proof}");
        }
    }
}

/// The arguments that take something of ours: the input types of the schema with such a field.
fn places() -> BTreeSet<String> {
    let names = ["token", "refreshToken", "deviceToken", "flow", "state", "ceremony", "enrollment"];
    let mut places = BTreeSet::new();
    let mut input = None;
    for line in sdl().lines() {
        if let Some(name) = line.strip_prefix("input ") {
            input = name.split(' ').next();
        } else if line == "}" {
            input = None;
        }
        let field = line.trim().split(':').next().unwrap_or_default();
        if let Some(input) = input.filter(|_| names.contains(&field)) {
            places.insert(format!("{input}.{field}"));
        }
    }
    places
}

/// A call that gives it there.
fn call_with(place: &str, token: &str) -> String {
    let credential = "{ id: \"AA\", rawId: \"AA\", type: \"public-key\", response: {} }";
    match place {
        "AcceptInvitationInput.token" => {
            format!("acceptInvitation(input: {{ token: \"{token}\" }}) {{ __typename }}")
        }
        "AcceptUserInvitationInput.token" => format!(
            "acceptUserInvitation(input: {{ token: \"{token}\", username: \"guest\", password: \
             \"{PASSWORD}\" }}) {{ __typename }}"
        ),
        "ConfirmTotpEnrollmentInput.enrollment" => format!(
            "confirmTotpEnrollment(input: {{ enrollment: \"{token}\", code: \"123456\" }}) \
             {{ __typename }}"
        ),
        "FinishPasskeyRegistrationInput.ceremony" | "FinishPasskeyRegistrationInput.enrollment" => {
            format!(
                "finishPasskeyRegistration(input: {{ ceremony: \"{token}\", enrollment: \"{token}\", \
                 credential: {credential} }}) {{ __typename }}"
            )
        }
        "FinishPasskeySignInInput.ceremony" => format!(
            "finishPasskeySignIn(input: {{ ceremony: \"{token}\", credential: {credential} }}) \
             {{ __typename }}"
        ),
        "LogoutInput.refreshToken" => {
            format!("logout(input: {{ refreshToken: \"{token}\" }}) {{ sessionId }}")
        }
        "PasskeyAssertion.ceremony" => format!(
            "reauthenticate(input: {{ proof: {{ passkey: {{ ceremony: \"{token}\", credential: \
             {credential} }} }} }}) {{ __typename }}"
        ),
        "RefreshTokenInput.refreshToken" => {
            format!("refreshToken(input: {{ refreshToken: \"{token}\" }}) {{ __typename }}")
        }
        "ResetPasswordInput.token" => format!(
            "resetPassword(input: {{ token: \"{token}\", newPassword: \"{OTHER}\" }}) \
             {{ __typename }}"
        ),
        "SignInWithIdTokenInput.flow" => format!(
            "signInWithIdToken(input: {{ providerId: \"acme\", idToken: \"a.b.c\", flow: \"{token}\" }}) \
             {{ __typename }}"
        ),
        "StartPasskeyRegistrationInput.enrollment" | "StartTotpEnrollmentInput.enrollment" => {
            let name = place.strip_prefix("Start").unwrap_or_default();
            let name = name.strip_suffix("Input.enrollment").unwrap_or_default();
            format!("start{name}(input: {{ enrollment: \"{token}\" }}) {{ __typename }}")
        }
        "UndoEmailChangeInput.token" => {
            format!("undoEmailChange(input: {{ token: \"{token}\" }}) {{ __typename }}")
        }
        "VerifyEmailInput.token" => format!(
            "verifyEmail(input: {{ token: \"{token}\", password: \"{PASSWORD}\" }}) {{ __typename }}"
        ),
        finish if finish.starts_with("Finish") => {
            let name = finish.split("Input").next().unwrap_or_default().replace("Finish", "finish");
            format!(
                "{name}(input: {{ flow: \"{token}\", code: \"code\", state: \"{token}\" }}) \
                 {{ __typename }}"
            )
        }
        other => panic!("{other}: write a call that gives a token there"),
    }
}

/// Some are for callers who are signed in.
fn bearer_for<'a>(place: &str, caller: &'a SignedIn) -> Option<&'a str> {
    let names = ["AcceptInvitation", "FinishLink", "FinishReauthentication", "PasskeyAssertion"];
    names.iter().any(|name| place.starts_with(name)).then_some(caller.access.as_str())
}

/// The challenge, and what it would be if one token could be taken for another.
fn disguises(challenge: &str) -> Vec<String> {
    let prefixes = ["pcc_", "pcn_", "pcr_", "pcs_", "pco_", "pcd_", "pcf_", "pcv_", "pcw_"];
    prefixes.iter().map(|prefix| challenge.replace("pcc_", prefix)).collect()
}

#[tokio::test]
async fn a_challenge_is_worth_nothing_wherever_else_a_token_is_taken() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let bob = app.register("bob").await;
    let challenge = challenge(&app, "alice").await;
    let places = places();
    assert!(places.len() > 12, "{places:?}");
    for place in places.iter().filter(|place| *place != "LoginInput.deviceToken") {
        for token in disguises(&challenge) {
            let query = format!("mutation {{ {} }}", call_with(place, &token));
            let reply = app.call(&query, json!({}), bearer_for(place, &bob)).await;
            if place == "LogoutInput.refreshToken" {
                assert_eq!(reply.data()["logout"]["sessionId"], json!(null), "{token}");
            } else {
                assert_eq!(reply.code(), "INVALID_TOKEN", "{place}: {}", reply.text);
            }
        }
    }
    assert_eq!(app.count("sessions").await, 2);
    complete(&app.app, &challenge, &alice.totp(&app)).await.signed_in("completeSignIn");
}

/// The fields that are for callers who are signed in, as `viewer.access` names them.
fn fields_of_callers() -> Vec<String> {
    let fields = root_fields();
    let guarded = fields.iter().filter(|field| !field.rules.contains(&Rule::Public));
    guarded
        .filter_map(|field| match field.operation {
            "query" => Some(format!("Query.{}", field.name)),
            "mutation" => Some(format!("Mutation.{}", field.name)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_challenge_is_neither_an_access_token_nor_a_cookie() {
    let app = TestApp::start().await;
    guarded(&app, "alice").await;
    let challenge = challenge(&app, "alice").await;
    let fields = fields_of_callers();
    assert!(fields.len() > 30, "{fields:?}");
    for token in disguises(&challenge) {
        let reply = app.query("{ me { id } }", &token).await;
        assert_eq!(reply.extension("reason"), "INVALID_TOKEN", "{token}");
        let query = "query($names: [String!]!) { viewer { access(fields: $names) { \
                     field allowed } } }";
        for names in fields.chunks(50) {
            let reply = app.call(query, json!({ "names": names }), Some(&token)).await.data();
            for access in reply["viewer"]["access"].as_array().unwrap() {
                assert_eq!(access["allowed"], false, "{access}");
            }
        }
        let cookie = format!("__Host-portcullis_session={token}");
        let read = json!({ "query": "{ me { id } }" }).to_string();
        let request = Request::post("/graphql")
            .header("content-type", "application/json")
            .header("portcullis-token-mode", "cookie")
            .header("origin", "http://localhost:8000")
            .header("cookie", cookie.as_str());
        let reply = send(&app.app, request.body(Body::from(read)).unwrap()).await;
        assert_eq!(reply.code(), "UNAUTHENTICATED", "{token}");
        assert_eq!(app.fetch_export(&token).await.code(), "UNAUTHENTICATED", "{token}");
    }
}

#[tokio::test]
async fn a_challenge_makes_no_device_known() {
    let app = TestApp::start().await;
    guarded(&app, "alice").await;
    let challenge = challenge(&app, "alice").await;
    app.sql("UPDATE users SET failed_logins = 100").await;
    assert_eq!(sign_in(&app, "alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    for token in disguises(&challenge) {
        let query = "mutation($input: LoginInput!) { login(input: $input) { __typename } }";
        let input = json!({ "identifier": "alice", "password": PASSWORD, "deviceToken": token });
        let reply = app.call(query, json!({ "input": input }), None).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{token}");
    }
}

#[tokio::test]
async fn a_challenge_of_a_deleted_user_is_over() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let alice = guarded(&app, "alice").await;
    let challenge = challenge(&app, "alice").await;
    let delete = format!("deleteUser(input: {{ id: \"{}\" }}) {{ deletedUserId }}", alice.user.id);
    app.mutate(&boss, &delete).await.data();
    let answer = complete(&app.app, &challenge, &alice.totp(&app)).await;
    assert_eq!(answer.code(), "INVALID_TOKEN");
    for table in ["sign_in_challenges", "totp_secrets", "recovery_codes"] {
        assert_eq!(app.count(table).await, 0, "{table}");
    }
}
