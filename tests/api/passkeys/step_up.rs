//! Passkeys that prove anew who a caller is.

use portcullis_webauthn::authenticator::USER_VERIFIED;
use serde_json::{Value, json};

use crate::support::passkey::{
    Ceremony, FRESH, ORIGIN, add, ask, forgery_of, me, proofs, prove, refusal, sign_in, verifying,
    with_second_factor, without_pin,
};
use crate::support::{PASSWORD, Reply, SECOND, SignedIn, TestApp};

async fn prove_by_password(app: &TestApp, user: &SignedIn) -> Reply {
    let input = json!({ "proof": { "password": PASSWORD } });
    ask(&app.app, "reauthenticate", input, Some(&user.access)).await
}

/// That something fresh is refused, and says of these that they would do.
async fn assert_is_asked_for(app: &TestApp, user: &SignedIn, factors: Value) {
    let refused = app.query(FRESH, &user.access).await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED", "{}", refused.text);
    assert_eq!(refused.extension("factors"), factors);
    let query = "{ viewer { can(field: \"Mutation.exportMyData\") { code factors } } }";
    let told = app.query(query, &user.access).await.data()["viewer"]["can"].take();
    assert_eq!(told, json!({ "code": "STEP_UP_REQUIRED", "factors": factors }));
}

#[tokio::test]
async fn a_touch_is_enough_in_a_session_that_began_with_a_password() {
    let app = TestApp::start().await;
    let (alice, mut authenticator) = with_second_factor(&app, "alice", without_pin()).await;
    app.query(FRESH, &alice.access).await.data();
    app.clock.advance(SECOND * 301);
    assert_is_asked_for(&app, &alice, json!(["PASSKEY", "RECOVERY_CODE"])).await;

    let password = prove_by_password(&app, &alice).await;
    assert_eq!(password.code(), "STEP_UP_REQUIRED", "one factor of two");
    assert_eq!(password.extension("factors"), json!(["PASSKEY", "RECOVERY_CODE"]));
    let wrong = prove(&app.app, &alice, &mut forgery_of(&authenticator)).await;
    assert_eq!(refusal(&wrong), "INVALID_CREDENTIALS");
    let proven = prove(&app.app, &alice, &mut authenticator).await.signed_in("reauthenticate");
    assert_eq!(proofs(&proven.access), (json!(["pwd", "pop", "mfa"]), json!("aal2")));
    app.query(FRESH, &proven.access).await.data();
    assert_eq!(app.query("{ me { id } }", &alice.access).await.code(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_session_that_began_with_a_passkey_takes_a_verified_one() {
    let app = TestApp::start().await;
    let (_, mut authenticator) = with_second_factor(&app, "alice", verifying()).await;
    let alice = sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    app.clock.advance(SECOND * 301);
    assert_is_asked_for(&app, &alice, json!(["PASSKEY"])).await;

    authenticator.flags &= !USER_VERIFIED;
    let touched = prove(&app.app, &alice, &mut authenticator).await;
    assert_eq!(touched.code(), "STEP_UP_REQUIRED", "two possessions are one factor");
    assert_eq!(touched.extension("factors"), json!(["PASSKEY"]));
    assert_eq!(app.query(FRESH, &alice.access).await.code(), "STEP_UP_REQUIRED");
    authenticator.flags |= USER_VERIFIED;
    let proven = prove(&app.app, &alice, &mut authenticator).await.signed_in("reauthenticate");
    assert_eq!(proofs(&proven.access), (json!(["pop", "user", "mfa"]), json!("aal2")));
    app.query(FRESH, &proven.access).await.data();
}

#[tokio::test]
async fn a_recovery_code_adds_nothing_to_a_passkey_and_stays_unused() {
    let app = TestApp::start().await;
    let (alice, mut authenticator) = (app.register("alice").await, verifying());
    add(&app.app, &alice, &mut authenticator).await;
    let enable = "enableSecondFactor { recoveryCodes }";
    let enabled = app.mutate(&alice, enable).await.data()["enableSecondFactor"].take();
    let code = &enabled["recoveryCodes"][0];
    let signed_in = sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    let input = json!({ "proof": { "recoveryCode": code } });
    let refused = ask(&app.app, "reauthenticate", input.clone(), Some(&signed_in.access)).await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED");
    let left = me(&app.app, &signed_in).await["secondFactors"]["recoveryCodesLeft"].take();
    assert_eq!(left, 10);
    // To a password it does.
    let proven = ask(&app.app, "reauthenticate", input, Some(&alice.access)).await;
    let proven = proven.signed_in("reauthenticate");
    assert_eq!(proofs(&proven.access), (json!(["pwd", "otp", "mfa"]), json!("aal2")));
}

#[tokio::test]
async fn a_passkey_of_somebody_else_proves_nothing_and_the_tenth_ends_the_session() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let (mut of_alice, mut of_bob) = (verifying(), verifying());
    add(&app.app, &alice, &mut of_alice).await;
    add(&app.app, &bob, &mut of_bob).await;
    let other = app.again("alice").await;
    for _ in 0..10 {
        let reply = prove(&app.app, &alice, &mut of_bob).await;
        assert_eq!(refusal(&reply), "INVALID_CREDENTIALS");
    }
    assert_eq!(app.query("{ me { id } }", &alice.access).await.code(), "UNAUTHENTICATED");
    prove(&app.app, &other, &mut of_alice).await.signed_in("reauthenticate");
}

#[tokio::test]
async fn who_has_no_passkey_cannot_begin_to_prove_with_one() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    add(&app.app, &alice, &mut verifying()).await;
    let field = "startPasskeyProof";
    assert_eq!(ask(&app.app, field, json!({}), Some(&bob.access)).await.code(), "NOT_FOUND");
    assert_eq!(ask(&app.app, field, json!({}), None).await.code(), "UNAUTHENTICATED");
    for challenge in ["", "pcc_", "pcc_AAAA", &alice.access, &"x".repeat(5_000)] {
        let input = json!({ "challenge": challenge });
        let reply = ask(&app.app, field, input, Some(&alice.access)).await;
        assert_eq!(reply.code(), "INVALID_TOKEN", "{challenge}");
    }
    let begun = Ceremony::of_proof(&app.app, &alice.access).await;
    assert_eq!(begun.options["allowCredentials"].as_array().unwrap().len(), 1);
    // No answer tells how far a wrong one got.
    let nothing = begun.reauthenticate(&app.app, &json!({}), &alice.access).await;
    let mut stranger = verifying();
    let begun = Ceremony::of_proof(&app.app, &alice.access).await;
    let shown = stranger.get(&begun.options, ORIGIN).to_json();
    let wrong = begun.reauthenticate(&app.app, &shown, &alice.access).await;
    assert_eq!((refusal(&nothing), &nothing.text), ("INVALID_CREDENTIALS".into(), &wrong.text));
}
