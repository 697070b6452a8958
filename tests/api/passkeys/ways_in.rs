//! Passkeys as the ways into an account, of which the last one stays (MF-08).

use serde_json::json;

use crate::support::passkey::{
    Ceremony, ORIGIN, add, ask, delete, me, refusal, sign_in, verifying, without_pin,
};
use crate::support::sign_in::World;
use crate::support::{PASSWORD, Reply, SECOND, SignedIn, TestApp, call};

/// Somebody who comes from the issuer, with an account that has no password.
async fn newcomer(world: &World) -> SignedIn {
    world.sign_in().await.signed_in("finishSignIn")
}

/// What takes the one identity of a user from them.
async fn unlinking(app: &TestApp, user: &SignedIn) -> String {
    let query = "{ me { identities { id } } }";
    let id = app.query(query, &user.access).await.data()["me"]["identities"][0]["id"].take();
    format!("unlinkIdentity(input: {{ id: {id} }}) {{ deletedIdentityId }}")
}

async fn unlink(app: &TestApp, user: &SignedIn) -> Reply {
    let unlink = unlinking(app, user).await;
    app.mutate(user, &unlink).await
}

#[tokio::test]
async fn a_verified_passkey_is_a_way_in_and_the_last_one_stays() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world).await);
    assert_eq!(refusal(&unlink(app, &alice).await), "CONFLICT LAST_WAY_IN");
    let mut authenticator = verifying();
    let passkey = add(&app.app, &alice, &mut authenticator).await;
    unlink(app, &alice).await.data();

    assert_eq!(refusal(&delete(&app.app, &alice, &passkey).await), "CONFLICT LAST_WAY_IN");
    assert_eq!(app.count("passkeys").await, 1);
    assert_eq!(app.count("audit_events WHERE kind = 'PASSKEY_REMOVED'").await, 0);
    let signed_in = sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    assert_eq!(signed_in.id, alice.id);

    let mut other = verifying();
    add(&app.app, &alice, &mut other).await;
    delete(&app.app, &alice, &passkey).await.data();
    sign_in(&app.app, &mut other).await.signed_in("finishPasskeySignIn");
}

/// What a browser has made without asking may be in a password manager that can verify nobody.
#[tokio::test]
async fn a_conditional_passkey_is_a_way_in_once_it_has_verified_its_user() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world).await);
    let field = "startPasskeyRegistration";
    let input = json!({ "conditional": true });
    let begun = Ceremony::of(&ask(&app.app, field, input, Some(&alice.access)).await, field);
    let mut authenticator = verifying();
    let able = std::mem::take(&mut authenticator.flags);
    let made = authenticator.create(&begun.options, ORIGIN).to_json();
    begun.finish_registration(&app.app, &made, &alice.access).await.data();
    assert_eq!(refusal(&unlink(app, &alice).await), "CONFLICT LAST_WAY_IN");
    authenticator.flags = able;
    sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    unlink(app, &alice).await.data();
}

#[tokio::test]
async fn a_passkey_without_verification_is_no_way_in() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world).await);
    let touched = add(&app.app, &alice, &mut without_pin()).await;
    assert_eq!(refusal(&unlink(app, &alice).await), "CONFLICT LAST_WAY_IN");
    let verified = add(&app.app, &alice, &mut verifying()).await;
    unlink(app, &alice).await.data();
    assert_eq!(refusal(&delete(&app.app, &alice, &verified).await), "CONFLICT LAST_WAY_IN");
    // It may go itself, since it opens nothing.
    delete(&app.app, &alice, &touched).await.data();
    assert_eq!(app.count("passkeys").await, 1);
}

#[tokio::test]
async fn of_two_ways_in_that_are_given_up_at_once_one_stays() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world).await);
    let other = app.second_instance().await;
    let passkey = add(&app.app, &alice, &mut verifying()).await;
    let unlink = format!("mutation {{ {} }}", unlinking(app, &alice).await);
    let (unlinked, deleted) = tokio::join!(
        call(&app.app, &unlink, json!({}), Some(&alice.access)),
        delete(&other, &alice, &passkey),
    );
    let mut outcomes = [refusal(&unlinked), refusal(&deleted)];
    outcomes.sort();
    assert_eq!(outcomes, ["CONFLICT LAST_WAY_IN", "NONE"]);
    assert_eq!(app.count("passkeys").await + app.count("identities").await, 1);
}

#[tokio::test]
async fn a_password_and_an_identity_of_a_known_provider_let_a_passkey_go() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world).await);
    let passkey = add(&app.app, &alice, &mut verifying()).await;
    delete(&app.app, &alice, &passkey).await.data();

    let passkey = add(&app.app, &alice, &mut verifying()).await;
    app.sql("UPDATE identities SET issuer = 'https://gone.example.com'").await;
    let refused = delete(&app.app, &alice, &passkey).await;
    assert_eq!(refusal(&refused), "CONFLICT LAST_WAY_IN", "that provider opens nothing here");
    let set = format!("setPassword(input: {{ newPassword: \"{PASSWORD}\" }}) {{ user {{ id }} }}");
    app.mutate(&alice, &set).await.data();
    delete(&app.app, &alice, &passkey).await.data();
    assert_eq!(me(&app.app, &alice).await["passkeys"], json!([]));
    app.login("alice", PASSWORD).await.signed_in("login");
}

#[tokio::test]
async fn giving_a_passkey_up_takes_a_recent_proof() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let passkey = add(&app.app, &alice, &mut verifying()).await;
    app.clock.advance(SECOND * 301);
    assert_eq!(delete(&app.app, &alice, &passkey).await.code(), "STEP_UP_REQUIRED");
    assert_eq!(app.count("passkeys").await, 1);
}
