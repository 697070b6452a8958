//! Providers differ, within what the specifications let them.

use serde_json::json;

use crate::support::github::{CLIENT_ID, Github, GithubPerson};
use crate::support::http_client::visit;
use crate::support::issuer::{ClientAuth, Issuer};
use crate::support::sign_in::{Back, Browser, Instance, World, server_with};

#[tokio::test]
async fn an_issuer_has_its_client_show_a_secret_in_the_way_it_says() {
    for client_auth in [ClientAuth::Basic, ClientAuth::Post] {
        let world = World::trusting().await;
        world.issuer.set(|conduct| conduct.client_auth = client_auth);
        let reply = world.sign_in().await;
        assert_eq!(reply.code(), "NONE", "{client_auth:?}: {:?}", world.issuer.violations());
    }
    // What the operator says counts, whatever the issuer says.
    let world = World::with("trusted = true\ntoken_auth = \"client_secret_post\"", &[]).await;
    assert_eq!(world.sign_in().await.code(), "SERVICE_UNAVAILABLE");
    assert_eq!(world.issuer.violations(), ["the client's authentication"]);
}

#[tokio::test]
async fn a_client_without_a_secret_shows_none() {
    let issuer = Issuer::start("acme").await;
    issuer.set(|conduct| conduct.client_auth = ClientAuth::None);
    let table = issuer.table("acme", "trusted = true");
    let table = table.replace("client_secret_file = \"secret\"\n", "");
    let (app, _file) = server_with(&[table], &[]).await;
    let reply = Browser::in_body_mode().sign_in(Instance::App(&app.app), "acme").await;
    assert_eq!(reply.signed_in("finishSignIn").username, "alice");
    assert_eq!(issuer.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn an_issuer_need_not_say_in_its_answers_who_it_is() {
    let world = World::trusting().await;
    world.issuer.set(|conduct| conduct.names_itself = false);
    assert_eq!(world.sign_in().await.signed_in("finishSignIn").username, "alice");
    // What it says counts all the same.
    let mut browser = Browser::in_body_mode();
    let started = browser.start(world.at(), "startSignIn", "acme").await;
    let back = browser.travel(world.at(), &started).await;
    assert_eq!(back.iss, None);
    let mixed = Back { iss: Some("https://accounts.example.com".to_owned()), ..back };
    let reply = browser.finish(world.at(), "finishSignIn", &started, &mixed).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{}", reply.text);
    assert_eq!(world.issuer.hits("/token"), 1, "no code went anywhere");
}

#[tokio::test]
async fn an_issuer_may_have_a_path() {
    let one = Issuer::start_at("one", "/realms/one").await;
    let (app, _file) = server_with(&[one.table("one", "trusted = true")], &[]).await;
    one.set(|conduct| conduct.clock = app.clock.clone());
    let reply = Browser::in_body_mode().sign_in(Instance::App(&app.app), "one").await;
    assert_eq!(reply.signed_in("finishSignIn").username, "alice");
}

/// GitHub by its endpoints, as an operator would name those of a provider that is no OpenID provider.
fn by_endpoints(github: &Github, lines: &str) -> String {
    let url = github.url();
    format!(
        "[plain]\nkind = \"oauth2\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret_file = \"github-secret\"\n\
         token_auth = \"client_secret_post\"\nallow_private_addresses = true\n\
         authorization_endpoint = \"{url}/login/oauth/authorize\"\n\
         token_endpoint = \"{url}/login/oauth/access_token\"\n\
         userinfo_endpoint = \"{url}/api/v3/user\"\nscopes = [\"read:user\"]\n{lines}\n"
    )
}

#[tokio::test]
async fn a_provider_of_oauth_alone_signs_in_by_the_claim_that_the_operator_names() {
    let github = Github::start("plain").await;
    let claims = "claims = { subject = \"id\", username = \"login\" }";
    let (app, _file) = server_with(&[by_endpoints(&github, claims)], &[]).await;
    let at = Instance::App(&app.app);
    // It says no word on whether the address is proven, which no trust makes a proof of.
    let reply = Browser::in_body_mode().sign_in(at, "plain").await;
    assert!(reply.text.contains("VerificationRequired"), "{}", reply.text);
    assert_eq!(github.violations(), Vec::<String>::new());
    assert_eq!((app.count("users").await, app.count("identities").await), (0, 0));
    let mails = app.mails().await;
    assert_eq!(
        mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(),
        ["public@example.com"]
    );
    // Holders of an account link it, and are found by it.
    let alice = app.register("alice").await;
    let mut browser = Browser::with(&alice.access);
    let started = browser.start(at, "startLink", "plain").await;
    let back = browser.travel(at, &started).await;
    assert_eq!(browser.finish(at, "finishLink", &started, &back).await.code(), "NONE");
    github.set(|conduct| conduct.person = GithubPerson::named("renamed"));
    let again = Browser::in_body_mode().sign_in(at, "plain").await;
    assert_eq!(again.signed_in("finishSignIn").id, alice.id);
}

#[tokio::test]
async fn a_provider_without_the_claim_of_the_subject_signs_nobody_in() {
    let github = Github::start("plain").await;
    for claims in ["", "claims = { subject = \"nothing\" }", "claims = { subject = \"/id/more\" }"]
    {
        let (app, _file) = server_with(&[by_endpoints(&github, claims)], &[]).await;
        let reply = Browser::in_body_mode().sign_in(Instance::App(&app.app), "plain").await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{claims}: {}", reply.text);
    }
}

#[tokio::test]
async fn what_cannot_ask_again_is_no_proof() {
    let github = Github::start("github").await;
    let (app, _file) = server_with(&[github.table("github", "trusted = true")], &[]).await;
    let at = Instance::App(&app.app);
    let alice = Browser::in_body_mode().sign_in(at, "github").await.signed_in("finishSignIn");
    let input = json!({ "providerId": "github" });
    let mut browser = Browser::with(&alice.access);
    let reply = browser.try_start(at, "startReauthentication", input).await;
    assert_eq!(reply.refused_field(), ("input.providerId".into(), "NOT_ALLOWED".into()));
    let begun = browser.start(at, "startSignIn", "github").await;
    let landed = visit(&begun.url).await;
    let back = browser.land(at, landed.headers["location"].to_str().unwrap()).await;
    let reply = browser.finish(at, "finishReauthentication", &begun, &back).await;
    assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
}
