//! Passkeys of people who may not be without a second factor: each of them can have one that no fake page gets (MF-12).

use portcullis::app::App;
use portcullis_webauthn::authenticator::SoftwareAuthenticator;
use serde_json::{Value, json};

use crate::support::passkey::{
    Ceremony, ORIGIN, add, ask, challenge, complete, delete, login, me, proofs, refusal, sign_in,
    verifying, with_second_factor, without_pin,
};
use crate::support::{PASSWORD, Reply, SignedIn, TestApp, totp};

const ALL: &str = "--require-second-factor=all";
const START: &str = "startPasskeyRegistration";
const FINISH: &str = "finishPasskeyRegistration";

/// Registers an account; answers what it takes to set its second factor up.
async fn newcomer(app: &TestApp, name: &str) -> String {
    let email = format!("{name}@example.com");
    let input = json!({ "username": name, "email": email, "password": PASSWORD });
    let reply = ask(&app.app, "register", input, None).await;
    let required = reply.data()["register"].take();
    assert_eq!(required["__typename"], "EnrollmentRequired", "{required}");
    assert_eq!((&required["codeMailed"], &required["expiresIn"]), (&json!(true), &json!(900)));
    required["enrollment"].as_str().unwrap().to_owned()
}

/// The code that was mailed last to somebody.
async fn mailed_code(app: &TestApp, name: &str) -> String {
    totp::mailed_code(app, &format!("{name}@example.com")).await
}

async fn begin(app: &App, enrollment: &str) -> Ceremony {
    let reply = ask(app, START, json!({ "enrollment": enrollment }), None).await;
    Ceremony::of(&reply, START)
}

/// Sets a passkey up, from the beginning to the end.
async fn enrol(
    app: &App,
    enrollment: &str,
    code: Value,
    authenticator: &mut SoftwareAuthenticator,
) -> Reply {
    let begun = begin(app, enrollment).await;
    let made = authenticator.create(&begun.options, ORIGIN).to_json();
    let input = json!({
        "ceremony": begun.text, "credential": made, "enrollment": enrollment, "mailedCode": code,
    });
    ask(app, FINISH, input, None).await
}

fn signed_in(reply: &Reply) -> SignedIn {
    let payload = reply.data()[FINISH]["signedIn"].take();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    SignedIn {
        id: text(&payload["user"]["id"]),
        username: text(&payload["user"]["username"]),
        access: text(&payload["accessToken"]),
        refresh: text(&payload["refreshToken"]),
    }
}

#[tokio::test]
async fn whoever_needs_a_second_factor_sets_a_passkey_up_and_is_in() {
    let app = TestApp::start_with(&[ALL]).await;
    for (name, mut authenticator, amr) in [
        ("alice", verifying(), json!(["pwd", "pop", "user", "mfa"])),
        ("bob", without_pin(), json!(["pwd", "pop", "mfa"])),
    ] {
        let enrollment = newcomer(&app, name).await;
        let sessions = app.count("sessions").await;
        let code = json!(mailed_code(&app, name).await);
        let reply = enrol(&app.app, &enrollment, code, &mut authenticator).await;
        let answer = reply.data()[FINISH].take();
        assert_eq!(answer["recoveryCodes"].as_array().unwrap().len(), 10, "{name}");
        let user = signed_in(&reply);
        assert_eq!((user.username.as_str(), app.count("sessions").await), (name, sessions + 1));
        assert_eq!(proofs(&user.access), (amr, json!("aal2")), "{name}");
        let seen = me(&app.app, &user).await;
        assert_eq!(seen["secondFactors"], json!({ "isOn": true, "recoveryCodesLeft": 10 }));
        assert_eq!(seen["passkeys"].as_array().unwrap().len(), 1);

        // It was good for one sign-in.
        let again = ask(&app.app, START, json!({ "enrollment": enrollment }), None).await;
        assert_eq!(again.code(), "INVALID_TOKEN", "{name}");
        let challenge = challenge(&app.app, name).await;
        complete(&app.app, &challenge, &mut authenticator).await.signed_in("completeSignIn");
    }
}

#[tokio::test]
async fn nobody_sets_a_passkey_up_without_the_code_that_was_mailed() {
    let app = TestApp::start_with(&[ALL]).await;
    let enrollment = newcomer(&app, "alice").await;
    let code = mailed_code(&app, "alice").await;
    let other = if code.starts_with('1') { "2" } else { "1" };
    let wrong = format!("{other}{}", &code[1..]);
    for wrong in [Value::Null, json!(""), json!(wrong)] {
        let reply = enrol(&app.app, &enrollment, wrong.clone(), &mut verifying()).await;
        assert_eq!(refusal(&reply), "INVALID_CREDENTIALS MAILED_CODE", "{wrong}");
    }
    assert_eq!((app.count("passkeys").await, app.count("sessions").await), (0, 0));
    // Five wrong ones void it, and then the right one is none.
    for wrong in [Value::Null, json!(wrong)] {
        enrol(&app.app, &enrollment, wrong, &mut verifying()).await;
    }
    let late = ask(&app.app, START, json!({ "enrollment": enrollment }), None).await;
    assert_eq!(late.code(), "INVALID_TOKEN");
    assert_eq!((app.count("passkeys").await, app.count("sessions").await), (0, 0));
}

#[tokio::test]
async fn a_ceremony_of_an_enrollment_is_of_that_sign_in() {
    let app = TestApp::start_with(&[ALL]).await;
    let one = newcomer(&app, "alice").await;
    let other = login(&app.app, "alice").await["enrollment"].as_str().unwrap().to_owned();
    let of_bob = newcomer(&app, "bob").await;
    for elsewhere in [&other, &of_bob] {
        let begun = begin(&app.app, &one).await;
        let made = verifying().create(&begun.options, ORIGIN).to_json();
        let input = json!({ "ceremony": begun.text, "credential": made, "enrollment": elsewhere });
        let reply = ask(&app.app, FINISH, input, None).await;
        assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
    }
    for none in ["", "pcn_", "pcc_AAAA", &one[..one.len() - 1], &one.replace("pcn_", "pcc_")] {
        let reply = ask(&app.app, START, json!({ "enrollment": none }), None).await;
        assert_eq!(reply.code(), "INVALID_TOKEN", "{none}");
    }
    // It sets a factor up, and proves nothing.
    let proof = ask(&app.app, "startPasskeyProof", json!({ "challenge": one }), None).await;
    assert_eq!(proof.code(), "INVALID_TOKEN");
    assert_eq!((app.count("passkeys").await, app.count("sessions").await), (0, 0));
}

#[tokio::test]
async fn the_last_factor_stays_where_everybody_needs_one() {
    let app = TestApp::start().await;
    let (_, mut authenticator) = with_second_factor(&app, "alice", verifying()).await;
    let app = app.restarted_with(&[ALL]).await;
    let alice = sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    let passkey = me(&app.app, &alice).await["passkeys"][0].take();
    let refused = delete(&app.app, &alice, &passkey).await;
    assert_eq!(refusal(&refused), "CONFLICT SECOND_FACTOR_REQUIRED");
    assert_eq!(app.count("passkeys").await, 1, "it is there as before");
    assert_eq!(app.count("audit_events WHERE kind = 'PASSKEY_REMOVED'").await, 0);

    add(&app.app, &alice, &mut without_pin()).await;
    delete(&app.app, &alice, &passkey).await.data();
    let held = me(&app.app, &alice).await["secondFactors"]["isOn"].take();
    assert_eq!(held, true);
}

#[tokio::test]
async fn a_verified_passkey_is_factor_enough_where_everybody_needs_two() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = verifying();
    add(&app.app, &alice, &mut authenticator).await;
    let app = app.restarted_with(&[ALL]).await;
    let old = app.query("{ me { id } }", &alice.access).await;
    assert_eq!(refusal(&old), "UNAUTHENTICATED SECOND_FACTOR_REQUIRED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    // It has a factor, which is asked for.
    assert_eq!(login(&app.app, "alice").await["__typename"], "SecondFactorRequired");
    let signed_in = sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    assert_eq!(me(&app.app, &signed_in).await["id"], alice.id.as_str());
    app.refresh(&signed_in.refresh).await.signed_in("refreshToken");
}
