//! Signing in with GitHub, which has no ID tokens.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::github::{Github, GithubPerson};
use crate::support::sign_in::{Browser, Instance, ProvidersFile, server_with};

const ME: &str = "{ me { username email emailVerified fullName } }";

struct World {
    app: TestApp,
    github: Github,
    _file: ProvidersFile,
}

impl World {
    async fn new() -> Self {
        let github = Github::start("github").await;
        let (app, file) = server_with(&[github.table("github", "trusted = true")], &[]).await;
        Self { app, github, _file: file }
    }

    async fn sign_in(&self) -> crate::support::Reply {
        Browser::in_body_mode().sign_in(Instance::App(&self.app.app), "github").await
    }
}

#[tokio::test]
async fn github_signs_in_by_the_number_of_the_account() {
    let world = World::new().await;
    let alice = world.sign_in().await.signed_in("finishSignIn");
    let me = world.app.query(ME, &alice.access).await.data();
    let expected = json!({
        "username": "alice", "email": "alice@example.com", "emailVerified": true,
        "fullName": "alice of GitHub",
    });
    assert_eq!(me["me"], expected);
    // Names change hands there; numbers do not.
    let renamed = GithubPerson { id: 583_231.into(), ..GithubPerson::named("renamed") };
    world.github.set(|conduct| conduct.person = renamed);
    assert_eq!(world.sign_in().await.signed_in("finishSignIn").id, alice.id);
    let mut taken_over = GithubPerson::named("alice");
    taken_over.id = 583_232.into();
    taken_over.emails =
        json!([{ "email": "mallory@example.com", "primary": true, "verified": true }]);
    world.github.set(|conduct| conduct.person = taken_over);
    assert_ne!(world.sign_in().await.signed_in("finishSignIn").id, alice.id);
    assert_eq!(world.github.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_code_that_github_refuses_is_refused_though_the_status_says_ok() {
    let world = World::new().await;
    let errors = [
        "bad_verification_code",
        "incorrect_client_credentials",
        "redirect_uri_mismatch",
        "unverified_user_email",
        "<script>",
    ];
    for error in errors {
        world.github.set(|conduct| conduct.error = Some(error));
        let reply = world.sign_in().await;
        let codes = ["INVALID_CREDENTIALS", "SERVICE_UNAVAILABLE"];
        assert!(codes.contains(&reply.code().as_str()), "{error}: {}", reply.text);
        assert!(!reply.text.contains("script") && !reply.text.contains(error), "{}", reply.text);
    }
    assert_eq!(world.app.count("users").await, 0);
}

#[tokio::test]
async fn an_account_of_github_has_a_number() {
    let world = World::new().await;
    let ids = [
        Value::Null,
        json!("583231"),
        json!(""),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!([583_231]),
        json!(true),
    ];
    for id in ids {
        world.github.set(|conduct| conduct.person.id = id.clone());
        let reply = world.sign_in().await;
        let codes = ["INVALID_CREDENTIALS", "SERVICE_UNAVAILABLE"];
        assert!(codes.contains(&reply.code().as_str()), "{id}: {}", reply.text);
    }
    let answers = [
        (StatusCode::UNAUTHORIZED, json!({ "message": "Bad credentials" })),
        (StatusCode::INTERNAL_SERVER_ERROR, json!({})),
        (StatusCode::OK, json!({})),
        (StatusCode::OK, json!([])),
        (StatusCode::OK, json!(null)),
        (StatusCode::OK, json!({ "message": "Not Found" })),
    ];
    for answer in answers {
        world.github.set(|conduct| conduct.user = Some(answer.clone()));
        let reply = world.sign_in().await;
        let codes = ["INVALID_CREDENTIALS", "SERVICE_UNAVAILABLE"];
        assert!(codes.contains(&reply.code().as_str()), "{answer:?}: {}", reply.text);
    }
    assert_eq!((world.app.count("users").await, world.app.count("identities").await), (0, 0));
}

/// Nobody gets an account with an address at once of which GitHub does not say that it is the first one, and proven.
#[tokio::test]
async fn only_the_primary_address_that_is_proven_counts() {
    let world = World::new().await;
    let address = |primary: Value, verified: Value| {
        json!([
            { "email": "mallory@example.com", "primary": false, "verified": true },
            { "email": "alice@example.com", "primary": primary, "verified": verified },
        ])
    };
    let unproven = [
        json!([]),
        json!({ "message": "Not Found" }),
        address(true.into(), false.into()),
        address(true.into(), "true".into()),
        address(true.into(), 1.into()),
        address(true.into(), Value::Null),
        address(false.into(), true.into()),
        address("true".into(), true.into()),
    ];
    for emails in unproven {
        world.github.set(|conduct| conduct.person.emails = emails.clone());
        let reply = world.sign_in().await;
        let is_away = reply.code() == "SERVICE_UNAVAILABLE";
        assert!(is_away || reply.extension("reason") == "NO_EMAIL", "{emails}: {}", reply.text);
    }
    assert_eq!((world.app.count("users").await, world.app.count("sessions").await), (0, 0));
}
