//! Every way into an account with a second factor, and what somebody gets who has stolen some of what it takes (MF-08, MF-09).

use portcullis_testing::conformance::schema::{Schema, innermost};
use serde_json::{Value, json};

use crate::support::issuer::Person;
use crate::support::sign_in::{Browser, RETURN, World};
use crate::support::totp::{
    Guarded, LED_TO, by_provider, challenge, challenge_of, claims, codes_left, complete,
    enrollment_of, guard, guarded, prove, reset_password, second_factors, sign_in, sign_in_with,
    start, verify_address,
};
use crate::support::{PASSWORD, Reply, SECOND, SignedIn, TestApp, sdl};

const OTHER: &str = "another horse battery";
const ME: &str = "{ me { id } }";
/// What a thief would do, without its selection.
const SENSITIVE: [&str; 9] = [
    "disableTotp",
    "disableSecondFactor",
    "regenerateRecoveryCodes",
    "startTotpEnrollment",
    "startPasskeyRegistration",
    "enableSecondFactor",
    "exportMyData",
    "deleteAccount",
    "changeEmail(input: { newEmail: \"thief@example.com\" })",
];

fn refusal(reply: &Reply) -> (String, Value) {
    (reply.code(), reply.extension("reason"))
}

/// Alice, whose address is shown to be hers.
async fn alice() -> (TestApp, Guarded) {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    verify_address(&app, "alice").await;
    (app, alice)
}

#[test]
fn no_other_field_gives_anybody_a_session() {
    let schema = Schema::cached(sdl());
    let admits = |name: &&String| {
        let ty = schema.field("Mutation", name);
        let given = ty.as_ref().map(innermost).unwrap_or_default();
        let fields = schema.fields(given).into_iter().flatten();
        let mut inner = fields.map(|(_, ty)| innermost(ty));
        ["AuthPayload", "LoginResult"].contains(&given) || inner.any(|ty| ty == "AuthPayload")
    };
    let given: Vec<&String> = schema.fields("Mutation").unwrap().keys().filter(admits).collect();
    let known = [
        "acceptUserInvitation",
        "completeSignIn",
        "confirmTotpEnrollment",
        "finishPasskeyRegistration",
        "finishPasskeySignIn",
        "finishReauthentication",
        "finishSignIn",
        "login",
        "reauthenticate",
        "refreshToken",
        "register",
        "signInWithIdToken",
        "switchOrganization",
    ];
    assert!(given.len() > 8, "{given:?}");
    assert!(given.iter().all(|name| known.contains(&name.as_str())), "test this way: {given:?}");
}

#[tokio::test]
async fn a_known_device_is_asked_for_the_second_factor_too() {
    let (app, alice) = alice().await;
    let completed = sign_in_with(&app, "alice", &alice.totp(&app)).await.data();
    let device = &completed["completeSignIn"]["deviceToken"];
    assert!(device.as_str().unwrap().starts_with("pcd_"));
    for name in ["alice", "alice@example.com"] {
        let query =
            format!("mutation($input: LoginInput!) {{ login(input: $input) {{ {LED_TO} }} }}");
        let input = json!({ "identifier": name, "password": PASSWORD, "deviceToken": device });
        let asked = app.call(&query, json!({ "input": input }), None).await;
        challenge_of(&asked, "login");
    }
    assert_eq!(app.count("sessions").await, 2);
}

#[tokio::test]
async fn a_providers_word_is_one_factor() {
    let world = World::trusting().await;
    let app = &world.app;
    let user = world.sign_in().await.signed_in("finishSignIn");
    let alice = guard(app, user).await;
    let asked = by_provider(&world).await;
    assert_eq!(asked.data()["finishSignIn"]["factors"], json!(["TOTP", "RECOVERY_CODE"]));
    assert_eq!(app.count("sessions").await, 1);
    let challenge = challenge_of(&asked, "finishSignIn");
    let guess = complete(&app.app, &challenge, &alice.guess(app)).await;
    assert_eq!(guess.code(), "INVALID_CREDENTIALS");
    let completed = complete(&app.app, &challenge, &alice.totp(app)).await;
    let session = completed.signed_in("completeSignIn");
    let told = claims(&session.access);
    assert_eq!((&told["amr"], &told["acr"]), (&json!(["fed", "otp", "mfa"]), &json!("aal2")));
    app.mutate(&session, "exportMyData { export { expiresIn } }").await.data();

    // Nor is it enough to prove anew who somebody is.
    let mut browser = Browser::with(&alice.user.access);
    let input = json!({ "providerId": "acme", "returnTo": RETURN });
    let refused = browser.try_start(world.at(), "startReauthentication", input).await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED", "{}", refused.text);
    assert_eq!(refused.extension("factors"), json!(["TOTP", "RECOVERY_CODE"]));
    world.issuer.has(Person::named("bob"));
    assert_eq!(by_provider(&world).await.data()["finishSignIn"]["__typename"], "AuthPayload");
}

#[tokio::test]
async fn an_id_token_is_one_factor() {
    let world = World::trusting().await;
    let user = world.sign_in().await.signed_in("finishSignIn");
    let alice = guard(&world.app, user).await;
    let start = "mutation { startIdTokenSignIn { flow nonce } }";
    let begun = world.app.call(start, json!({}), None).await.data()["startIdTokenSignIn"].take();
    let token = world.issuer.id_token(begun["nonce"].as_str().unwrap());
    let query = format!(
        "mutation($input: SignInWithIdTokenInput!) {{ signInWithIdToken(input: $input) {{ {LED_TO} }} }}"
    );
    let input = json!({ "providerId": "acme", "idToken": token, "flow": begun["flow"] });
    let asked = world.app.call(&query, json!({ "input": input }), None).await;
    let challenge = challenge_of(&asked, "signInWithIdToken");
    let completed = complete(&world.app.app, &challenge, &alice.totp(&world.app)).await;
    assert_eq!(completed.signed_in("completeSignIn").id, alice.user.id);
}

#[tokio::test]
async fn another_password_by_mail_signs_nobody_in_and_removes_no_factor() {
    let (app, alice) = alice().await;
    reset_password(&app, "alice", OTHER).await;
    assert_eq!(app.count("sessions WHERE ended_at IS NULL").await, 0);
    assert_eq!(sign_in(&app, "alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    let challenge = challenge_of(&sign_in(&app, "alice", OTHER).await, "login");
    let completed = complete(&app.app, &challenge, &alice.totp(&app)).await;
    let session = completed.signed_in("completeSignIn");
    let told = second_factors(&app, &session).await;
    assert_eq!((&told["isOn"], &told["recoveryCodesLeft"]), (&json!(true), &json!(10)));
}

/// Whoever registered the address of somebody else has put no factor between that person and their account (RS-09).
#[tokio::test]
async fn another_password_by_mail_removes_the_factors_of_an_account_never_verified() {
    let app = TestApp::start().await;
    guarded(&app, "alice").await;
    reset_password(&app, "alice", OTHER).await;
    let session = app.login("alice", OTHER).await.signed_in("login");
    let without = json!({ "isOn": false, "recoveryCodesLeft": 0, "totp": null });
    assert_eq!(second_factors(&app, &session).await, without);
}

/// A thief tries all that would take the account over, with a session.
async fn assert_nothing_sensitive(app: &TestApp, session: &SignedIn) {
    for call in SENSITIVE {
        let refused = app.mutate(session, &format!("{call} {{ __typename }}")).await;
        assert_eq!(refused.code(), "STEP_UP_REQUIRED", "{call}");
        assert_eq!(refused.extension("factors"), json!(["TOTP", "RECOVERY_CODE"]), "{call}");
    }
}

/// A thief tries what there is with the password, which they know: no session comes of it.
async fn assert_only_challenged(app: &TestApp, password: &str) {
    let before = app.count("sessions").await;
    let challenge = challenge_of(&sign_in(app, "alice", password).await, "login");
    let guess = json!({ "recoveryCode": "0".repeat(24) });
    assert_eq!(complete(&app.app, &challenge, &guess).await.code(), "INVALID_CREDENTIALS");
    for token in [&challenge, &challenge.replace("pcc_", "pcn_")] {
        assert_eq!(start(app, None, Some(token)).await.code(), "INVALID_TOKEN");
    }
    assert_eq!(app.count("sessions").await, before);
}

#[tokio::test]
async fn a_stolen_password_opens_nothing() {
    let (app, _) = alice().await;
    assert_only_challenged(&app, PASSWORD).await;
}

#[tokio::test]
async fn a_stolen_mailbox_gives_a_password_that_opens_nothing() {
    let (app, alice) = alice().await;
    reset_password(&app, "alice", OTHER).await;
    assert_only_challenged(&app, OTHER).await;
    // With the password from before it is no more; and the owner is told, and comes back with both factors.
    let challenge = challenge_of(&sign_in(&app, "alice", OTHER).await, "login");
    app.mail("password-changed", "alice@example.com").await;
    complete(&app.app, &challenge, &alice.totp(&app)).await.signed_in("completeSignIn");
}

#[tokio::test]
async fn a_stolen_session_reads_and_takes_nothing_over() {
    let (app, alice) = alice().await;
    app.query(ME, &alice.user.access).await.data();
    assert_nothing_sensitive(&app, &alice.user).await;
    let guesses = [json!({ "password": "not the password" }), json!({ "password": PASSWORD })];
    for guess in guesses {
        assert_eq!(prove(&app, &alice.user, &guess).await.code(), "STEP_UP_REQUIRED");
    }
    for password in ["not the password", PASSWORD] {
        let change = change_password(password);
        assert_eq!(app.mutate(&alice.user, &change).await.code(), "STEP_UP_REQUIRED");
    }
    assert_eq!(codes_left(&app, &alice.user).await, 10);
}

fn change_password(current: &str) -> String {
    format!(
        "changePassword(input: {{ currentPassword: \"{current}\", newPassword: \"{OTHER}\" }}) \
         {{ user {{ id }} }}"
    )
}

/// They cannot choose another password either; and the owner's mailbox ends what they have.
#[tokio::test]
async fn a_stolen_session_and_the_password_remove_no_factor() {
    let (app, alice) = alice().await;
    let refused = app.mutate(&alice.user, &change_password(PASSWORD)).await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED");
    assert_nothing_sensitive(&app, &alice.user).await;
    assert_only_challenged(&app, PASSWORD).await;
    reset_password(&app, "alice", PASSWORD).await;
    let ended = app.query(ME, &alice.user.access).await;
    assert_eq!(refusal(&ended), ("UNAUTHENTICATED".to_owned(), json!("SESSION_ENDED")));
    sign_in_with(&app, "alice", &alice.totp(&app)).await.signed_in("completeSignIn");
}

#[tokio::test]
async fn a_stolen_session_and_the_mailbox_remove_no_factor() {
    let (app, alice) = alice().await;
    assert_nothing_sensitive(&app, &alice.user).await;
    reset_password(&app, "alice", OTHER).await;
    let ended = app.query(ME, &alice.user.access).await;
    assert_eq!(refusal(&ended), ("UNAUTHENTICATED".to_owned(), json!("SESSION_ENDED")));
    assert_eq!(app.refresh(&alice.user.refresh).await.code(), "INVALID_TOKEN");
    assert_only_challenged(&app, OTHER).await;
}

#[tokio::test]
async fn a_second_factor_without_the_password_opens_nothing() {
    let (app, alice) = alice().await;
    assert_eq!(sign_in(&app, "alice", OTHER).await.code(), "INVALID_CREDENTIALS");
    for token in ["pcc_".to_owned(), format!("pcc_{}", "A".repeat(43))] {
        for proof in [alice.totp(&app), alice.recovery_code(0)] {
            assert_eq!(complete(&app.app, &token, &proof).await.code(), "INVALID_TOKEN");
        }
    }
    assert_eq!(codes_left(&app, &alice.user).await, 10);
}

fn reset(user: &SignedIn) -> String {
    format!("resetSecondFactors(input: {{ id: \"{}\" }}) {{ user {{ id }} }}", user.id)
}

#[tokio::test]
async fn an_admin_resets_the_factors_of_somebody_who_has_lost_them() {
    let (app, alice) = alice().await;
    let boss = app.admin("boss").await;
    let challenge = challenge(&app, "alice").await;
    let done = app.mutate(&boss, &reset(&alice.user)).await.data();
    assert_eq!(done["resetSecondFactors"]["user"]["id"], alice.user.id.as_str());
    let ended = app.query(ME, &alice.user.access).await;
    assert_eq!(ended.extension("reason"), "SESSION_ENDED");
    for proof in [alice.totp(&app), alice.recovery_code(0)] {
        assert_eq!(complete(&app.app, &challenge, &proof).await.code(), "INVALID_TOKEN");
    }
    for table in ["totp_secrets", "recovery_codes", "passkeys", "sign_in_challenges"] {
        assert_eq!(app.count(table).await, 0, "{table}");
    }
    app.mail("second-factors-reset", "alice@example.com").await;
    assert_eq!(app.count("audit_events WHERE kind = 'SECOND_FACTORS_RESET'").await, 1);

    let session = app.login("alice", PASSWORD).await.signed_in("login");
    assert_eq!(second_factors(&app, &session).await["isOn"], false);
    let again = app.restarted_with(&["--require-second-factor=all"]).await;
    enrollment_of(&sign_in(&again, "alice", PASSWORD).await, "login");
}

#[tokio::test]
async fn nobody_resets_their_own_factors_nor_those_of_somebody_with_more_permissions() {
    let (app, alice) = alice().await;
    let boss = app.admin("boss").await;
    let writer = app.granted("writer", "USERS_WRITE").await;
    for (caller, target, code) in [
        (&boss, &boss, "FORBIDDEN"),
        (&writer, &writer, "FORBIDDEN"),
        (&writer, &boss, "FORBIDDEN"),
        (&alice.user, &boss, "FORBIDDEN"),
        (&alice.user, &alice.user, "FORBIDDEN"),
    ] {
        let refused = app.mutate(caller, &reset(target)).await;
        assert_eq!(refused.code(), code, "{} of {}", caller.username, target.username);
    }
    let nobody = "user_01890000-0000-7000-8000-000000000000".to_owned();
    let unknown = app.mutate(&boss, &reset(&SignedIn { id: nobody, ..boss.clone() })).await;
    assert_eq!(unknown.code(), "NOT_FOUND");
    assert_eq!(app.count("audit_events WHERE kind = 'SECOND_FACTORS_RESET'").await, 0);
    assert_eq!(codes_left(&app, &alice.user).await, 10);
    app.clock.advance(SECOND * 301);
    for caller in [&boss, &writer] {
        let stale = app.mutate(caller, &reset(&alice.user)).await;
        assert_eq!(stale.code(), "STEP_UP_REQUIRED");
    }
    let writer = app.again("writer").await;
    app.mutate(&writer, &reset(&alice.user)).await.data();
}

#[tokio::test]
async fn an_admin_with_a_second_factor_shows_it_before_they_reset_those_of_others() {
    let (app, alice) = alice().await;
    let boss = app.admin("boss").await;
    let boss = guard(&app, boss).await;
    assert_eq!(app.mutate(&boss.user, &reset(&alice.user)).await.code(), "STEP_UP_REQUIRED");
    let session = sign_in_with(&app, "boss", &boss.totp(&app)).await.signed_in("completeSignIn");
    app.mutate(&session, &reset(&alice.user)).await.data();
}

#[tokio::test]
async fn the_operator_resets_factors_at_the_command_line() {
    let app = TestApp::start_now(&[]).await;
    let alice = guarded(&app, "alice").await;
    app.cli(&["admin", "reset-factors", "alice"]).await.printed();
    app.login("alice", PASSWORD).await.signed_in("login");
    assert_eq!(app.refresh(&alice.user.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.count("audit_events WHERE kind = 'SECOND_FACTORS_RESET'").await, 1);
    app.mail("second-factors-reset", "alice@example.com").await;
    app.cli(&["admin", "reset-factors", "nobody"]).await.complaint();
}
