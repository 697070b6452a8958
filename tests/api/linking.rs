//! Whose account an identity opens: every cell of the table in `docs/how-to/providers.md`.

use serde_json::{Value, json};

use crate::support::issuer::Person;
use crate::support::sign_in::{Browser, Instance, Started, World};
use crate::support::{Reply, SignedIn};

/// What the account with the victim's address is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Local {
    None,
    Unverified,
    Verified,
    Deactivated,
    OfAnotherIdentity,
    Unlinked,
}

const LOCALS: [Local; 6] = [
    Local::None,
    Local::Unverified,
    Local::Verified,
    Local::Deactivated,
    Local::OfAnotherIdentity,
    Local::Unlinked,
];

/// What the sign-in of somebody with the victim's address leads to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Into the account that was there.
    Opens,
    /// Into another account, which has the address now.
    Makes,
    Exists,
    Refused,
    Mailed,
}

/// What is in the table.
fn expected(is_trusted: bool, email_verified: Option<&Value>, local: Local) -> Outcome {
    if !is_trusted || email_verified != Some(&json!(true)) {
        return Outcome::Mailed;
    }
    match local {
        Local::None | Local::Unverified => Outcome::Makes,
        Local::Verified => Outcome::Opens,
        Local::Deactivated => Outcome::Refused,
        Local::OfAnotherIdentity | Local::Unlinked => Outcome::Exists,
    }
}

/// The account with the victim's address, if there is to be one.
async fn account(world: &World, local: Local) -> Option<SignedIn> {
    let app = &world.app;
    match local {
        Local::None => None,
        Local::Unverified => Some(app.register("victim").await),
        Local::Verified | Local::Deactivated => {
            let victim = app.register("victim").await;
            verify(world, &victim).await;
            if local == Local::Deactivated {
                app.sql("UPDATE users SET is_active = false").await;
            }
            Some(victim)
        }
        Local::OfAnotherIdentity | Local::Unlinked => {
            let victim = app.register("victim").await;
            verify(world, &victim).await;
            let other = Person { sub: "another".to_owned(), ..Person::named("victim") };
            world.issuer.has(other);
            let identity = link(world, &victim).await;
            if local == Local::Unlinked {
                unlink(world, &victim, &identity).await.data();
            }
            Some(victim)
        }
    }
}

async fn verify(world: &World, user: &SignedIn) {
    let address = format!("{}@example.com", user.username);
    let token = world.app.mail("verify-email", &address).await.token();
    let verify = format!("verifyEmail(input: {{ token: \"{token}\" }}) {{ outcome }}");
    world.app.mutate(user, &verify).await.data();
}

/// Links whoever is at the issuer to a user; returns the identity's id.
async fn link(world: &World, user: &SignedIn) -> String {
    let reply = try_link(world, user).await;
    let linked = reply.data()["finishLink"].take();
    assert_eq!(linked["user"]["id"], user.id);
    assert!(linked["user"]["identities"].as_array().unwrap().contains(&linked["identity"]));
    linked["identity"]["id"].as_str().unwrap().to_owned()
}

async fn try_link(world: &World, user: &SignedIn) -> Reply {
    let mut browser = Browser::with(&user.access);
    let started = browser.start(world.at(), "startLink", "acme").await;
    let back = browser.travel(world.at(), &started).await;
    browser.finish(world.at(), "finishLink", &started, &back).await
}

async fn unlink(world: &World, user: &SignedIn, identity: &str) -> Reply {
    let unlink = format!(
        "unlinkIdentity(input: {{ id: \"{identity}\" }}) {{ deletedIdentityId user {{ id identities {{ id }} }} }}"
    );
    world.app.mutate(user, &unlink).await
}

fn outcome(reply: &Reply, before: Option<&SignedIn>) -> Outcome {
    let answer = reply.json();
    let result = &answer["data"]["finishSignIn"];
    match (reply.code().as_str(), result["user"]["id"].as_str()) {
        ("NONE", Some(id)) if before.is_some_and(|user| user.id == id) => Outcome::Opens,
        ("NONE", Some(_)) => Outcome::Makes,
        ("NONE", None) if result["__typename"] == "VerificationRequired" => Outcome::Mailed,
        ("CONFLICT", None) if reply.extension("reason") == "ACCOUNT_EXISTS" => Outcome::Exists,
        ("INVALID_CREDENTIALS", None) => Outcome::Refused,
        _ => panic!("{}", reply.text),
    }
}

#[tokio::test]
async fn each_cell_of_the_table_is_as_it_says() {
    for is_trusted in [true, false] {
        for email_verified in [Some(json!(true)), Some(json!(false)), Some(json!("true")), None] {
            for local in LOCALS {
                let cell = format!("trusted {is_trusted}, {email_verified:?}, {local:?}");
                let lines = if is_trusted { "trusted = true" } else { "trusted = false" };
                let world = World::with(lines, &[]).await;
                let before = account(&world, local).await;
                let sessions = world.app.count("sessions").await;
                world.issuer.has(Person {
                    sub: "somebody".to_owned(),
                    email_verified: email_verified.clone(),
                    ..Person::named("victim")
                });
                let reply = world.sign_in().await;
                let expected = expected(is_trusted, email_verified.as_ref(), local);
                assert_eq!(outcome(&reply, before.as_ref()), expected, "{cell}");
                let is_signed_in = matches!(expected, Outcome::Opens | Outcome::Makes);
                let begun = world.app.count("sessions").await - sessions;
                assert_eq!(begun, i64::from(is_signed_in), "{cell}");
            }
        }
    }
}

#[tokio::test]
async fn an_unverified_account_loses_its_address_and_all_that_opened_it() {
    let world = World::trusting().await;
    let app = &world.app;
    let attacker = app.register("victim").await;
    world.issuer.has(Person { email: None, ..Person::named("attacker") });
    link(&world, &attacker).await;

    world.issuer.has(Person::named("victim"));
    let victim = world.sign_in().await.data();
    let victim = &victim["finishSignIn"]["user"];
    assert_ne!(victim["id"], attacker.id.as_str());
    assert_ne!(victim["username"], "victim", "the name is still the other account's");

    assert_eq!(app.query("{ me { id } }", &attacker.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&attacker.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.login("victim", crate::support::PASSWORD).await.code(), "INVALID_CREDENTIALS");
    world.issuer.has(Person { email: None, ..Person::named("attacker") });
    let reply = world.sign_in().await;
    assert_eq!(reply.code(), "CONFLICT", "it is nobody's any more: {}", reply.text);
    assert_eq!(app.count("identities").await, 1);
    let address = app.count("users WHERE email_key = 'victim@example.com'").await;
    assert_eq!(address, 1);
    assert!(app.audit_events().await.iter().any(|event| event.contains("ADDRESS_RELEASED")));
}

#[tokio::test]
async fn an_account_that_the_operator_gave_rights_is_never_given_away() {
    let world = World::trusting().await;
    let boss = world.app.admin("victim").await;
    world.issuer.has(Person::named("victim"));
    let reply = world.sign_in().await;
    assert_eq!(outcome(&reply, None), Outcome::Exists);
    world.app.query("{ me { id } }", &boss.access).await.data();
}

#[tokio::test]
async fn an_address_that_changes_at_the_provider_moves_nobody() {
    let world = World::trusting().await;
    let victim = world.app.register("victim").await;
    verify(&world, &victim).await;
    world.issuer.has(Person::named("attacker"));
    let attacker = world.sign_in().await.data()["finishSignIn"]["user"]["id"].take();
    world.issuer.has(Person { sub: "sub-of-attacker".to_owned(), ..Person::named("victim") });
    let again = world.sign_in().await.data()["finishSignIn"]["user"]["id"].take();
    assert_eq!((&again, again == victim.id.as_str()), (&attacker, false));
    let kept = world.app.count("users WHERE email_key = 'attacker@example.com'").await;
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn a_mailed_registration_takes_the_mail_and_the_same_identity_in_one_flow() {
    let world = World::with("", &[]).await;
    let app = &world.app;
    world.issuer.has(Person::named("alice"));
    assert_eq!(outcome(&world.sign_in().await, None), Outcome::Mailed);
    let token = app.mail("finish-registration", "alice@example.com").await.token();

    // Opening the link links nothing, nor does signing in again without it.
    assert_eq!(app.use_link("verifyEmail", &token).await.code(), "INVALID_TOKEN");
    assert_eq!(outcome(&world.sign_in().await, None), Outcome::Mailed);
    // Somebody else who opens it has another identity.
    world.issuer.has(Person::named("mallory"));
    let reply = finish_registration(&world, &token).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{}", reply.text);
    assert_eq!(app.count("users").await, 0);

    world.issuer.has(Person::named("alice"));
    let reply = finish_registration(&world, &token).await;
    let alice = reply.data()["finishSignIn"].take();
    assert_eq!(alice["user"]["username"], "alice");
    let verified =
        app.count("users WHERE email_verified AND email_key = 'alice@example.com'").await;
    assert_eq!(verified, 1);
    // Once, and from now on without it.
    let again = start_with(&world, &token).await;
    assert_eq!(again.code(), "INVALID_TOKEN", "{}", again.text);
    assert!(world.sign_in().await.data()["finishSignIn"]["accessToken"].is_string());
}

async fn start_with(world: &World, token: &str) -> Reply {
    let input = json!({ "providerId": "acme", "verificationToken": token });
    Browser::in_body_mode().try_start(world.at(), "startSignIn", input).await
}

async fn finish_registration(world: &World, token: &str) -> Reply {
    let mut browser = Browser::in_body_mode();
    let started = start_with(world, token).await.data()["startSignIn"].take();
    let text = |name: &str| started[name].as_str().unwrap().to_owned();
    let started = Started { flow: text("flow"), url: text("authorizationUrl") };
    let back = browser.travel(world.at(), &started).await;
    browser.finish(world.at(), "finishSignIn", &started, &back).await
}

#[tokio::test]
async fn nobody_learns_by_an_unproven_address_whether_there_is_an_account() {
    let world = World::with("", &[]).await;
    let app = &world.app;
    let victim = app.register("victim").await;
    verify(&world, &victim).await;
    let (mut answers, mut rows) = (Vec::new(), Vec::new());
    for name in ["victim", "nobody"] {
        let before = app.count("one_time_tokens").await + app.count("outbox").await;
        world.issuer.has(Person { sub: name.to_owned(), ..Person::named(name) });
        answers.push(world.sign_in().await.text);
        rows.push(app.count("one_time_tokens").await + app.count("outbox").await - before);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(rows[0], rows[1]);
    app.mail("already-registered", "victim@example.com").await;
    app.mail("finish-registration", "nobody@example.com").await;
}

#[tokio::test]
async fn where_registration_is_closed_only_known_people_sign_in() {
    let world = World::trusting().await;
    let boss = world.app.admin("boss").await;
    world.app.sql("UPDATE users SET email_verified = true").await;
    for registration in ["closed", "invite"] {
        let flag = format!("--registration={registration}");
        let app = world.app.second_instance_with(&[&flag]).await;
        let mut browser = Browser::in_body_mode();
        world.issuer.has(Person::named("alice"));
        let reply = browser.sign_in(Instance::App(&app), "acme").await;
        let refused = (reply.code(), reply.extension("feature"));
        assert_eq!(refused, ("FORBIDDEN".into(), "OPEN_REGISTRATION".into()));
        assert_eq!(world.app.count("users").await, 1);

        world.issuer.has(Person::named("boss"));
        let reply = browser.sign_in(Instance::App(&app), "acme").await;
        assert_eq!(outcome(&reply, Some(&boss)), Outcome::Opens);
    }
}

#[tokio::test]
async fn an_identity_is_one_accounts() {
    let world = World::trusting().await;
    let (alice, bob) = (world.app.register("alice").await, world.app.register("bob").await);
    world.issuer.has(Person { email: None, ..Person::named("somebody") });
    let identity = link(&world, &alice).await;
    assert_eq!(link(&world, &alice).await, identity, "once more is no harm");
    let reply = try_link(&world, &bob).await;
    assert_eq!(
        (reply.code(), reply.extension("reason")),
        ("CONFLICT".into(), "IDENTITY_TAKEN".into())
    );
    assert_eq!(unlink(&world, &bob, &identity).await.code(), "NOT_FOUND");
    let reply = world.sign_in().await;
    assert_eq!(outcome(&reply, Some(&alice)), Outcome::Opens, "a provider that tells no address");
    world.app.mail("identity-linked", "alice@example.com").await;

    let unlinked = unlink(&world, &alice, &identity).await.data();
    let left = json!({ "id": alice.id, "identities": [] });
    let told = json!({ "deletedIdentityId": identity, "user": left });
    assert_eq!(unlinked["unlinkIdentity"], told);
    world.app.mail("identity-unlinked", "alice@example.com").await;
    assert_eq!(world.sign_in().await.extension("reason"), "NO_EMAIL");
    assert_ne!(link(&world, &bob).await, identity, "it is free for another");
}
