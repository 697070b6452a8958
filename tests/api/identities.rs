//! What people without a password, and with identities, do with their accounts.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::issuer::fault::{Endpoint, Fault, Wire};
use crate::support::issuer::{AuthTime, Person};
use crate::support::sign_in::{Browser, World};
use crate::support::{PASSWORD, SignedIn};

const NEW: &str = "another horse battery";

/// Somebody whom the issuer vouches for, with an account that has no password.
async fn newcomer(world: &World, name: &str) -> SignedIn {
    world.issuer.has(Person::named(name));
    world.sign_in().await.signed_in("finishSignIn")
}

async fn me(world: &World, user: &SignedIn) -> Value {
    let query = "{ me { username fullName avatarUrl hasPassword mayChooseUsername identities { \
                 id provider { id kind name } email } } }";
    world.app.query(query, &user.access).await.data()["me"].take()
}

#[tokio::test]
async fn a_first_sign_in_makes_an_account_of_what_is_acceptable() {
    let world = World::trusting().await;
    let picture = Some("https://pictures.example.com/alice.png".to_owned());
    world.issuer.has(Person { picture, ..Person::named("alice") });
    let alice = world.sign_in().await.signed_in("finishSignIn");
    let seen = me(&world, &alice).await;
    let provider = json!({ "id": "acme", "kind": "OIDC", "name": "The acme" });
    assert_eq!(seen["identities"][0]["provider"], provider);
    assert_eq!(seen["identities"][0]["email"], "alice@example.com");
    assert_eq!(
        (&seen["username"], &seen["fullName"]),
        (&json!("alice"), &json!("alice of the issuer"))
    );
    assert_eq!(seen["avatarUrl"], "https://pictures.example.com/alice.png");
    assert_eq!((&seen["hasPassword"], &seen["mayChooseUsername"]), (&json!(false), &json!(true)));

    // A name that is taken, reserved or none at all gives way.
    for (name, stem) in [
        (Some("alice"), "alice-"),
        (Some("admin"), "other.of.the.issuer"),
        (None, "another.of.the.issuer"),
    ] {
        let person = name.map_or("another", |name| if name == "admin" { "other" } else { "third" });
        let picture = Some("javascript:alert(1)".to_owned());
        world.issuer.has(Person {
            preferred_username: name.map(str::to_owned),
            picture,
            ..Person::named(person)
        });
        let user = world.sign_in().await.signed_in("finishSignIn");
        assert!(user.username.starts_with(stem), "{name:?}: {}", user.username);
        assert_eq!(me(&world, &user).await["avatarUrl"], Value::Null);
    }
}

#[tokio::test]
async fn a_proposed_username_is_chosen_anew_once() {
    let world = World::trusting().await;
    let (alice, bob) = (newcomer(&world, "alice").await, world.app.register("bob").await);
    let choose = |name: &str| {
        format!("chooseUsername(input: {{ username: \"{name}\" }}) {{ user {{ username }} }}")
    };
    let app = &world.app;
    for (name, code) in [("x", "BAD_USER_INPUT"), ("admin", "BAD_USER_INPUT"), ("Bob", "CONFLICT")]
    {
        assert_eq!(app.mutate(&alice, &choose(name)).await.code(), code, "{name}");
    }
    let chosen = app.mutate(&alice, &choose("wonderland")).await.data();
    assert_eq!(chosen["chooseUsername"]["user"]["username"], "wonderland");
    assert_eq!(me(&world, &alice).await["mayChooseUsername"], false);
    let again = app.mutate(&alice, &choose("other")).await;
    assert_eq!(again.code(), "CONFLICT");
    assert_eq!(app.mutate(&bob, &choose("robert")).await.code(), "CONFLICT", "a name of one's own");
}

#[tokio::test]
async fn no_password_opens_an_account_that_has_none() {
    let world = World::trusting().await;
    newcomer(&world, "alice").await;
    for password in ["", " ", PASSWORD] {
        let reply = world.app.login("alice", password).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{password:?}");
    }
    let wrong = world.app.login("alice", "not the password").await;
    let unknown = world.app.login("nobody", "not the password").await;
    assert_eq!(wrong.text, unknown.text);
}

#[tokio::test]
async fn a_password_is_chosen_by_mail_or_after_a_recent_proof() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world, "alice").await);
    let change = format!(
        "changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"{NEW}\" }}) {{ user {{ id }} }}"
    );
    assert_eq!(app.mutate(&alice, &change).await.code(), "INVALID_CREDENTIALS");
    let set = format!("setPassword(input: {{ newPassword: \"{NEW}\" }}) {{ user {{ id }} }}");
    app.clock.advance(Duration::from_secs(301));
    assert_eq!(app.mutate(&alice, &set).await.code(), "STEP_UP_REQUIRED");

    let alice = newcomer(&world, "alice").await;
    let other = newcomer(&world, "alice").await;
    app.mutate(&alice, &set).await.data();
    assert_eq!(me(&world, &alice).await["hasPassword"], true);
    assert_eq!(app.query("{ me { id } }", &other.access).await.code(), "UNAUTHENTICATED");
    app.login("alice", NEW).await.signed_in("login");
    app.mail("password-changed", "alice@example.com").await;
    assert_eq!(app.mutate(&alice, &set).await.code(), "CONFLICT", "now there is one");

    newcomer(&world, "bob").await;
    request_reset(app, "bob").await;
    let token = app.mail("password-reset", "bob@example.com").await.token();
    reset(app, &token).await;
    let bob = newcomer(&world, "bob").await;
    assert_eq!(me(&world, &bob).await["hasPassword"], true);
}

#[tokio::test]
async fn the_last_way_in_stays() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world, "alice").await);
    let first = me(&world, &alice).await["identities"][0]["id"].as_str().unwrap().to_owned();
    let unlink =
        |id: &str| format!("unlinkIdentity(input: {{ id: \"{id}\" }}) {{ deletedIdentityId }}");
    let reply = app.mutate(&alice, &unlink(&first)).await;
    assert_eq!(
        (reply.code(), reply.extension("reason")),
        ("CONFLICT".into(), "LAST_WAY_IN".into())
    );

    // With two of them, one of two removals at once does it.
    app.sql(
        "INSERT INTO identities (id, user_id, provider, issuer, subject, created_at, last_used_at) \
         SELECT user_id, user_id, provider, issuer, 'second', created_at, last_used_at FROM identities",
    ).await;
    let ids = me(&world, &alice).await["identities"].clone();
    let ids: Vec<String> =
        ids.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    let calls = [unlink(&ids[0]), unlink(&ids[1])];
    let (one, other) = tokio::join!(app.mutate(&alice, &calls[0]), app.mutate(&alice, &calls[1]));
    let codes = [one.code(), other.code()];
    assert!(
        codes.contains(&"NONE".to_owned()) && codes.contains(&"CONFLICT".to_owned()),
        "{codes:?}"
    );
    assert_eq!(app.count("identities").await, 1);

    // An identity of an issuer that is configured no more opens nothing, so it does not count.
    app.register("spare").await;
    app.sql(
        "INSERT INTO identities (id, user_id, provider, issuer, subject, created_at, last_used_at) \
         SELECT users.id, user_id, provider, 'https://gone.example.com', 'third', identities.created_at, last_used_at \
         FROM identities, users WHERE username_key = 'spare'",
    )
    .await;
    let left = me(&world, &alice).await["identities"].take();
    let of = |provider: Value| {
        let identities = left.as_array().unwrap().iter();
        let mut of = identities.filter(move |one| one["provider"]["id"] == provider);
        of.next().unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(app.mutate(&alice, &unlink(&of(json!("acme")))).await.code(), "CONFLICT");
    app.mutate(&alice, &unlink(&of(Value::Null))).await.data();
}

#[tokio::test]
async fn unlinking_takes_a_recent_proof() {
    let world = World::trusting().await;
    let alice = newcomer(&world, "alice").await;
    world.app.clock.advance(Duration::from_secs(301));
    for call in [
        format!("unlinkIdentity(input: {{ id: \"{}\" }}) {{ deletedIdentityId }}", alice.id),
        "startLink(input: { providerId: \"acme\" }) { flow }".to_owned(),
    ] {
        assert_eq!(world.app.mutate(&alice, &call).await.code(), "STEP_UP_REQUIRED", "{call}");
    }
}

#[tokio::test]
async fn identities_are_in_the_export_and_go_with_the_account() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world, "alice").await);
    let export = app.export(&alice).await;
    let identity = &export["identities"][0];
    assert_eq!(
        (&identity["provider"], &identity["subject"]),
        (&json!("acme"), &json!("sub-of-alice"))
    );
    assert_eq!(identity["issuer"], world.issuer.url());
    app.mutate(&alice, "deleteAccount { deletedUserId }").await.data();
    assert_eq!(app.count("identities").await, 0);
    // The next sign-in is a first one.
    let again = world.sign_in().await.signed_in("finishSignIn");
    assert_ne!(again.id, alice.id);
}

#[tokio::test]
async fn whoever_takes_an_account_back_leaves_no_identity_of_others_in_it() {
    let world = World::trusting().await;
    let app = &world.app;
    let attacker = app.register("victim").await;
    world.issuer.has(Person { email: None, ..Person::named("attacker") });
    let mut browser = Browser::with(&attacker.access);
    let started = browser.start(world.at(), "startLink", "acme").await;
    let back = browser.travel(world.at(), &started).await;
    browser.finish(world.at(), "finishLink", &started, &back).await.data();

    request_reset(app, "victim").await;
    let token = app.mail("password-reset", "victim@example.com").await.token();
    reset(app, &token).await;
    assert_eq!(app.count("identities").await, 0);
    assert_eq!(world.sign_in().await.code(), "CONFLICT");
}

#[tokio::test]
async fn sign_ins_are_recorded_with_their_provider() {
    let world = World::trusting().await;
    newcomer(&world, "alice").await;
    let events = world.app.count("audit_events WHERE detail = 'acme'").await;
    assert_eq!(events, 2, "that they registered, and that they signed in");
}

async fn reset(app: &crate::support::TestApp, token: &str) {
    let reset = format!(
        "mutation {{ resetPassword(input: {{ token: \"{token}\", newPassword: \"yet another horse\" }}) {{ username }} }}"
    );
    app.call(&reset, json!({}), None).await.data();
}

#[tokio::test]
async fn a_sign_in_whose_event_cannot_be_written_is_taken_back() {
    let world = World::trusting().await;
    let app = &world.app;
    let alice = newcomer(&world, "alice").await;
    let counts = async || {
        [app.count("users").await, app.count("sessions").await, app.count("identities").await]
    };
    let before = counts().await;
    for (start, finish, person) in [
        ("startSignIn", "finishSignIn", "alice"),
        ("startSignIn", "finishSignIn", "bob"),
        ("startLink", "finishLink", "carol"),
        ("startReauthentication", "finishReauthentication", "alice"),
    ] {
        world.issuer.has(Person::named(person));
        let mut browser = match start {
            "startSignIn" => Browser::in_body_mode(),
            _ => Browser::with(&alice.access),
        };
        let started = browser.start(world.at(), start, "acme").await;
        let back = browser.travel(world.at(), &started).await;
        app.sql("ALTER TABLE audit_events RENAME TO audit_away").await;
        let reply = browser.finish(world.at(), finish, &started, &back).await;
        app.sql("ALTER TABLE audit_away RENAME TO audit_events").await;
        assert_eq!(reply.code(), "INTERNAL_SERVER_ERROR", "{finish}: {}", reply.text);
        assert_eq!(counts().await, before, "{finish} of {person}");
    }
    app.query("{ me { id } }", &alice.access).await.data();
}

async fn request_reset(app: &crate::support::TestApp, name: &str) {
    let request = format!(
        "mutation {{ requestPasswordReset(input: {{ identifier: \"{name}\" }}) {{ linkExpiresIn }} }}"
    );
    app.call(&request, json!({}), None).await.data();
}

#[tokio::test]
async fn undoing_a_change_of_address_leaves_no_identity_and_no_password() {
    let world = World::trusting().await;
    let app = &world.app;
    let victim = newcomer(&world, "victim").await;
    // Somebody has a session of theirs, links an identity first, and takes the address then.
    world.issuer.has(Person { email: None, ..Person::named("attacker") });
    let mut browser = Browser::with(&victim.access);
    let started = browser.start(world.at(), "startLink", "acme").await;
    let back = browser.travel(world.at(), &started).await;
    browser.finish(world.at(), "finishLink", &started, &back).await.data();
    app.clock.advance(Duration::from_mins(1));
    let change = "changeEmail(input: { newEmail: \"attacker@example.org\" }) { linkExpiresIn }";
    app.mutate(&victim, change).await.data();
    let token = app.mail("confirm-email-change", "attacker@example.org").await.token();
    let verify = format!("verifyEmail(input: {{ token: \"{token}\" }}) {{ outcome }}");
    app.mutate(&victim, &verify).await.data();

    let token = app.mail("email-change-undo", "victim@example.com").await.token();
    app.use_link("undoEmailChange", &token).await.data();
    assert_eq!(app.count("identities").await, 0);
    assert_eq!(world.sign_in().await.code(), "CONFLICT", "it is nobody's");
    let opened = app.count("users WHERE password_hash <> ''").await;
    assert_eq!(opened, 0, "nobody knows a password, so there is none");
    // The owner comes back by the provider that vouches for the address.
    let again = newcomer(&world, "victim").await;
    assert_eq!(again.id, victim.id);
}

#[tokio::test]
async fn a_sign_in_is_as_fresh_as_the_provider_says() {
    let world = World::trusting().await;
    newcomer(&world, "alice").await;
    let hour_ago = (world.app.clock.now() - TimeDelta::hours(1)).timestamp();
    world.issuer.set(|conduct| conduct.auth_time = AuthTime::Is(hour_ago.into()));
    let alice = newcomer(&world, "alice").await;
    let link = "startLink(input: { providerId: \"acme\" }) { flow }";
    assert_eq!(world.app.mutate(&alice, link).await.code(), "STEP_UP_REQUIRED");
    world.issuer.set(|conduct| conduct.auth_time = AuthTime::Absent);
    let alice = newcomer(&world, "alice").await;
    world.app.mutate(&alice, link).await.data();
}

#[tokio::test]
async fn each_identity_that_is_linked_or_unlinked_is_told_by_a_mail_of_its_own() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world, "alice").await);
    for name in ["one", "two", "three"] {
        world.issuer.has(Person { email: None, ..Person::named(name) });
        let mut browser = Browser::with(&alice.access);
        let started = browser.start(world.at(), "startLink", "acme").await;
        let back = browser.travel(world.at(), &started).await;
        browser.finish(world.at(), "finishLink", &started, &back).await.data();
    }
    let ids = me(&world, &alice).await["identities"].take();
    for identity in ids.as_array().unwrap().iter().skip(1) {
        let id = identity["id"].as_str().unwrap();
        let unlink = format!("unlinkIdentity(input: {{ id: \"{id}\" }}) {{ deletedIdentityId }}");
        app.mutate(&alice, &unlink).await.data();
    }
    for kind in ["identity-linked", "identity-unlinked"] {
        app.mail(kind, "alice@example.com").await;
        let mails = app.mails().await;
        let count = mails.iter().filter(|mail| mail.kind == kind).count();
        assert_eq!(count, 3, "{kind}");
    }
}

#[tokio::test]
async fn whoever_signs_out_does_not_wait_for_a_provider() {
    let world = World::trusting().await;
    let (app, alice) = (&world.app, newcomer(&world, "alice").await);
    let mut browser = Browser::with(&alice.access);
    let started = browser.start(world.at(), "startReauthentication", "acme").await;
    let back = browser.travel(world.at(), &started).await;
    world.issuer.set(|conduct| conduct.fault = Some(Fault::Wire(Endpoint::Token, Wire::Hang)));
    let finish = browser.finish(world.at(), "finishReauthentication", &started, &back);
    let end = async {
        while world.issuer.hits("/token") < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        app.mutate(&alice, "revokeAllSessions { endedSessions }").await.data();
    };
    tokio::select! {
        reply = finish => panic!("the provider hangs: {}", reply.text),
        () = end => {}
    }
}
