//! What a passkey opens, and whom it does not let in.

use portcullis_webauthn::authenticator::{SoftwareAuthenticator, USER_VERIFIED};
use serde_json::json;

use crate::support::passkey::{
    Ceremony, FRESH, ORIGIN, add, delete, forgery_of, from_base64url, me, proofs, refusal, sign_in,
    verifying, with_second_factor, without_pin,
};
use crate::support::{PASSWORD, Reply, TestApp};

#[tokio::test]
async fn a_passkey_signs_in_without_a_name_and_counts_as_two_factors() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = verifying();
    add(&app.app, &alice, &mut authenticator).await;
    let begun = Ceremony::of_sign_in(&app.app).await;
    assert_eq!(begun.options["allowCredentials"], json!([]), "nobody is told who has one");
    assert_eq!(begun.options["userVerification"], "required");

    let shown = authenticator.get(&begun.options, ORIGIN).to_json();
    let reply = begun.finish_sign_in(&app.app, &shown).await;
    let signed_in = reply.signed_in("finishPasskeySignIn");
    assert_eq!(signed_in.id, alice.id);
    assert_eq!(proofs(&signed_in.access), (json!(["pop", "user", "mfa"]), json!("aal2")));
    assert_eq!(proofs(&alice.access), (json!(["pwd"]), json!("aal1")));
    let refreshed = app.refresh(&signed_in.refresh).await.signed_in("refreshToken");
    assert_eq!(proofs(&refreshed.access), proofs(&signed_in.access));
    let events = "audit_events WHERE kind = 'SIGNED_IN' AND detail = 'passkey'";
    assert_eq!(app.count(events).await, 1);
}

#[tokio::test]
async fn a_passkey_whose_user_was_not_verified_signs_nobody_in() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = verifying();
    add(&app.app, &alice, &mut authenticator).await;
    let sessions = app.count("sessions").await;
    authenticator.flags &= !USER_VERIFIED;
    assert_eq!(refusal(&sign_in(&app.app, &mut authenticator).await), "INVALID_CREDENTIALS");
    assert_eq!(app.count("sessions").await, sessions);
    authenticator.flags |= USER_VERIFIED;
    sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
}

/// Whoever finds a security key that has no PIN sets one, and is verified from then on: what verifies them is not what its
/// owner has registered (WebAuthn Level 3, section 4, `uvInitialized`).
#[tokio::test]
async fn a_passkey_registered_without_verification_never_opens_an_account_alone() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = without_pin();
    add(&app.app, &alice, &mut authenticator).await;
    let sessions = app.count("sessions").await;
    assert_eq!(refusal(&sign_in(&app.app, &mut authenticator).await), "INVALID_CREDENTIALS");
    authenticator.flags |= USER_VERIFIED;
    let found = sign_in(&app.app, &mut authenticator).await;
    assert_eq!(refusal(&found), "INVALID_CREDENTIALS", "{}", found.text);
    assert_eq!(app.count("sessions").await, sessions);
}

#[tokio::test]
async fn a_deactivated_account_is_refused_like_a_wrong_passkey() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = verifying();
    add(&app.app, &alice, &mut authenticator).await;
    let wrong = sign_in(&app.app, &mut forgery_of(&authenticator)).await;
    assert_eq!(refusal(&wrong), "INVALID_CREDENTIALS");
    app.sql("UPDATE users SET is_active = false").await;
    let refused = sign_in(&app.app, &mut authenticator).await;
    assert_eq!(refused.text, wrong.text);
    app.sql("UPDATE users SET is_active = true").await;
    sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
}

#[tokio::test]
async fn the_browser_is_told_of_a_passkey_that_nobody_has() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = verifying();
    let passkey = add(&app.app, &alice, &mut authenticator).await;
    let mut unknown = verifying();
    unknown.user_handle.clone_from(&authenticator.user_handle);
    let reply = sign_in(&app.app, &mut unknown).await;
    assert_eq!(refusal(&reply), "INVALID_CREDENTIALS UNKNOWN_PASSKEY");
    sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");

    delete(&app.app, &alice, &passkey).await.data();
    let reply = sign_in(&app.app, &mut authenticator).await;
    assert_eq!(refusal(&reply), "INVALID_CREDENTIALS UNKNOWN_PASSKEY");
}

/// What comes of a passkey that says it is of this user.
async fn sign_in_as(
    app: &TestApp,
    authenticator: &SoftwareAuthenticator,
    handle: Option<Vec<u8>>,
) -> Reply {
    let mut claiming = authenticator.clone();
    claiming.user_handle = handle;
    sign_in(&app.app, &mut claiming).await
}

#[tokio::test]
async fn a_passkey_has_to_say_whose_it_is_and_rightly() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let (mut of_alice, mut of_bob) = (verifying(), verifying());
    add(&app.app, &alice, &mut of_alice).await;
    add(&app.app, &bob, &mut of_bob).await;
    let wrong = sign_in(&app.app, &mut forgery_of(&of_alice)).await.text;
    let handle = from_base64url(me(&app.app, &alice).await["passkeyUserHandle"].as_str().unwrap());
    assert_eq!(of_alice.user_handle.as_ref(), Some(&handle));
    let strangers = [None, Some(Vec::new()), Some(vec![1; 32]), of_bob.user_handle.clone()];
    let cut_off = Some(handle[..31].to_vec());
    for claimed in strangers.into_iter().chain([cut_off, Some(alice.id.clone().into_bytes())]) {
        let reply = sign_in_as(&app, &of_alice, claimed.clone()).await;
        assert_eq!(reply.text, wrong, "{claimed:?}");
    }
    let reply = sign_in_as(&app, &of_alice, Some(handle)).await;
    assert_eq!(reply.signed_in("finishPasskeySignIn").id, alice.id);
    let reply = sign_in(&app.app, &mut of_bob).await;
    assert_eq!(reply.signed_in("finishPasskeySignIn").id, bob.id);
}

#[tokio::test]
async fn a_passkey_is_asked_for_no_second_factor_beside() {
    let app = TestApp::start().await;
    let (alice, mut authenticator) = with_second_factor(&app, "alice", verifying()).await;
    let signed_in = sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    assert_eq!(signed_in.id, alice.id);
    app.query(FRESH, &signed_in.access).await.data();
    // A password alone is.
    assert_eq!(app.login("alice", PASSWORD).await.data(), json!({ "login": {} }));
}
