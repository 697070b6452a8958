//! A passkey beside a password: how sign-ins come to ask for it, what it adds, and how that ends.

use serde_json::json;

use crate::support::TestApp;
use crate::support::passkey::{
    Ceremony, ORIGIN, add, challenge, complete, delete, forgery_of, login, me, proofs, prove,
    refusal, sign_in, verifying, with_second_factor, without_pin,
};

const ENABLE: &str = "enableSecondFactor { recoveryCodes \
                      user { secondFactors { isOn recoveryCodesLeft } } }";
const WHO: &str = "{ me { id } }";

#[tokio::test]
async fn sign_ins_ask_for_a_passkey_once_its_owner_wants_that() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    assert_eq!(refusal(&app.mutate(&alice, ENABLE).await), "CONFLICT NO_FACTOR");
    let mut authenticator = without_pin();
    add(&app.app, &alice, &mut authenticator).await;
    // To have one is not to be asked for it.
    let elsewhere = app.again("alice").await;

    let enabled = app.mutate(&alice, ENABLE).await.data()["enableSecondFactor"].take();
    let codes = enabled["recoveryCodes"].as_array().unwrap();
    assert_eq!(codes.len(), 10);
    assert_eq!(app.query(WHO, &elsewhere.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.query(WHO, &alice.access).await.code(), "NONE");
    let held = me(&app.app, &alice).await["secondFactors"].take();
    assert_eq!(held, json!({ "isOn": true, "recoveryCodesLeft": 10 }));
    assert_eq!(login(&app.app, "alice").await["__typename"], "SecondFactorRequired");
    app.mail("second-factor-on", "alice@example.com").await;
    assert_eq!(app.count("audit_events WHERE kind = 'SECOND_FACTOR_TURNED_ON'").await, 1);

    // The session began with the password alone.
    assert_eq!(app.mutate(&alice, ENABLE).await.code(), "STEP_UP_REQUIRED");
    let alice = prove(&app.app, &alice, &mut authenticator).await.signed_in("reauthenticate");
    assert_eq!(refusal(&app.mutate(&alice, ENABLE).await), "CONFLICT SECOND_FACTOR_ON");
}

#[tokio::test]
async fn the_answers_say_whether_the_second_factor_is_on_by_now() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = verifying();
    let passkey = add(&app.app, &alice, &mut authenticator).await;
    let enabled = app.mutate(&alice, ENABLE).await.data()["enableSecondFactor"].take();
    let told = &enabled["user"]["secondFactors"];
    assert_eq!(*told, json!({ "isOn": true, "recoveryCodesLeft": 10 }));

    let alice = sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    let delete = format!(
        "deletePasskey(input: {{ id: {} }}) {{ user {{ secondFactors {{ isOn recoveryCodesLeft }} }} }}",
        passkey["id"]
    );
    let deleted = app.mutate(&alice, &delete).await.data()["deletePasskey"].take();
    let told = &deleted["user"]["secondFactors"];
    assert_eq!(*told, json!({ "isOn": false, "recoveryCodesLeft": 0 }));
}

#[tokio::test]
async fn a_password_and_a_touch_are_two_factors() {
    let app = TestApp::start().await;
    let (alice, mut authenticator) = with_second_factor(&app, "alice", without_pin()).await;
    let required = login(&app.app, "alice").await;
    assert_eq!(required["factors"], json!(["PASSKEY", "RECOVERY_CODE"]));
    assert_eq!(required["expiresIn"], 300);
    let challenge = required["challenge"].as_str().unwrap();

    let begun = Ceremony::of_challenge(&app.app, challenge).await;
    let id = &me(&app.app, &alice).await["passkeys"][0]["credentialId"];
    let known = json!([{ "type": "public-key", "id": id, "transports": ["internal"] }]);
    assert_eq!(begun.options["allowCredentials"], known);
    assert_eq!(begun.options["userVerification"], "preferred");
    let shown = authenticator.get(&begun.options, ORIGIN).to_json();
    let reply = begun.complete(&app.app, &shown, challenge).await;
    let signed_in = reply.signed_in("completeSignIn");
    assert_eq!(signed_in.id, alice.id);
    assert_eq!(proofs(&signed_in.access), (json!(["pwd", "pop", "mfa"]), json!("aal2")));
    // The challenge is used up.
    let again = begun.complete(&app.app, &shown, challenge).await;
    assert_eq!(again.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn the_passkey_of_somebody_else_completes_no_sign_in() {
    let app = TestApp::start().await;
    let (_alice, mut of_alice) = with_second_factor(&app, "alice", without_pin()).await;
    let (_bob, of_bob) = with_second_factor(&app, "bob", without_pin()).await;
    let mut claiming = of_bob.clone();
    claiming.user_handle.clone_from(&of_alice.user_handle);
    let challenge = challenge(&app.app, "alice").await;
    let sessions = app.count("sessions").await;
    for mut other in [of_bob, claiming, forgery_of(&of_alice), verifying()] {
        let reply = complete(&app.app, &challenge, &mut other).await;
        assert_eq!(refusal(&reply), "INVALID_CREDENTIALS", "{}", reply.text);
    }
    assert_eq!(app.count("sessions").await, sessions);
    complete(&app.app, &challenge, &mut of_alice).await.signed_in("completeSignIn");
}

#[tokio::test]
async fn five_wrong_passkeys_void_a_sign_in() {
    let app = TestApp::start().await;
    let (_alice, mut authenticator) = with_second_factor(&app, "alice", without_pin()).await;
    let challenge = challenge(&app.app, "alice").await;
    let last = Ceremony::of_challenge(&app.app, &challenge).await;
    for _ in 0..5 {
        let reply = complete(&app.app, &challenge, &mut forgery_of(&authenticator)).await;
        assert_eq!(refusal(&reply), "INVALID_CREDENTIALS");
    }
    let shown = authenticator.get(&last.options, ORIGIN).to_json();
    let reply = last.complete(&app.app, &shown, &challenge).await;
    assert_eq!(reply.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn deleting_a_passkey_ends_nothing_but_the_passkey() {
    let app = TestApp::start().await;
    let (alice, mut kept) = with_second_factor(&app, "alice", without_pin()).await;
    let mut lost = verifying();
    let passkey = add(&app.app, &alice, &mut lost).await;
    let elsewhere = sign_in(&app.app, &mut lost).await.signed_in("finishPasskeySignIn");
    let bob = app.register("bob").await;
    assert_eq!(delete(&app.app, &bob, &passkey).await.code(), "NOT_FOUND");

    let deleted = delete(&app.app, &alice, &passkey).await.data()["deletePasskey"].take();
    assert_eq!(deleted["deletedPasskeyId"], passkey["id"]);
    assert_eq!(deleted["user"]["passkeys"].as_array().unwrap().len(), 1);
    assert_eq!(delete(&app.app, &alice, &passkey).await.code(), "NOT_FOUND");
    app.mail("passkey-removed", "alice@example.com").await;
    assert_eq!(app.count("audit_events WHERE kind = 'PASSKEY_REMOVED'").await, 1);
    for session in [&alice, &elsewhere] {
        assert_eq!(app.query(WHO, &session.access).await.code(), "NONE");
    }
    let held = me(&app.app, &alice).await["secondFactors"].take();
    assert_eq!(held, json!({ "isOn": true, "recoveryCodesLeft": 10 }));
    let challenge = challenge(&app.app, "alice").await;
    complete(&app.app, &challenge, &mut kept).await.signed_in("completeSignIn");
}

#[tokio::test]
async fn deleting_the_last_factor_turns_the_second_factor_off() {
    let app = TestApp::start().await;
    let (alice, mut authenticator) = with_second_factor(&app, "alice", without_pin()).await;
    let passkey = me(&app.app, &alice).await["passkeys"][0].take();
    let waiting = challenge(&app.app, "alice").await;
    let begun = Ceremony::of_challenge(&app.app, &waiting).await;
    delete(&app.app, &alice, &passkey).await.data();

    let held = me(&app.app, &alice).await["secondFactors"].take();
    assert_eq!(held, json!({ "isOn": false, "recoveryCodesLeft": 0 }));
    app.mail("second-factor-off", "alice@example.com").await;
    assert_eq!(app.count("audit_events WHERE kind = 'SECOND_FACTOR_TURNED_OFF'").await, 1);
    let shown = authenticator.get(&begun.options, ORIGIN).to_json();
    let reply = begun.complete(&app.app, &shown, &waiting).await;
    assert_eq!(reply.code(), "INVALID_TOKEN", "what is asked for has changed");
    assert_eq!(app.query(WHO, &app.again("alice").await.access).await.code(), "NONE");
}
