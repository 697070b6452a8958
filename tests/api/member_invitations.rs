//! Invitations to organizations: for one address, once, and for as long as whoever invites may.

use std::time::Duration;

use serde_json::json;

use crate::support::organizations::{
    Cast, found_organization, invite, invite_member, remove, set_role,
};
use crate::support::{SignedIn, TestApp, call};

async fn token_of(it: &Cast, guest: &SignedIn) -> String {
    invite_member(&it.app, &it.admin, &it.organization, guest, "MEMBER").await;
    let address = format!("{}@example.com", guest.username);
    it.app.mail("organization-invitation", &address).await.token()
}

fn accept(token: &str) -> String {
    format!("acceptInvitation(input: {{ token: \"{token}\" }}) {{ organization {{ myRole }} }}")
}

#[tokio::test]
async fn an_invitation_is_for_one_address_and_for_a_day() {
    let it = Cast::meet().await;
    let other = it.app.register("other").await;
    let first = token_of(&it, &it.stranger).await;
    let mail = it.app.mail("organization-invitation", "stranger@example.com").await;
    assert!(mail.text.contains("adam") && !mail.text.contains("Acme"), "{}", mail.text);
    let second = token_of(&it, &it.stranger).await;
    assert_eq!(it.code(&it.stranger, &accept(&first)).await, "INVALID_TOKEN", "a newer one came");
    assert_eq!(it.code(&other, &accept(&second)).await, "INVALID_TOKEN", "another's");
    let elsewhere = found_organization(&it.app, &other).await;
    it.app.mutate(&other, &invite(&elsewhere, "stranger@example.com", "MEMBER")).await.data();
    assert_eq!(it.code(&it.stranger, &accept(&second)).await, "NONE", "of another organization");
    assert_eq!(it.code(&it.stranger, &accept(&second)).await, "INVALID_TOKEN", "used");

    let revoked = token_of(&it, &other).await;
    let pending = invite_member(&it.app, &it.admin, &it.organization, &other, "MEMBER").await;
    let revoke =
        format!("revokeInvitation(input: {{ id: \"{pending}\" }}) {{ deletedInvitationId }}");
    assert_eq!(it.code(&it.member, &revoke).await, "FORBIDDEN");
    it.app.mutate(&it.owner, &revoke).await.data();
    assert_eq!(it.code(&it.owner, &revoke).await, "NOT_FOUND");
    assert_eq!(it.code(&other, &accept(&revoked)).await, "INVALID_TOKEN", "taken back");

    let late = token_of(&it, &other).await;
    it.app.clock.advance(Duration::from_hours(24));
    let other = it.app.again("other").await;
    assert_eq!(it.code(&other, &accept(&late)).await, "INVALID_TOKEN", "expired");
    it.app.app.purge().await.unwrap();
    assert_eq!(it.app.count("invitations").await, 0);
}

#[tokio::test]
async fn who_may_not_invite_any_more_has_invited_nobody() {
    let it = Cast::meet().await;
    let token = token_of(&it, &it.stranger).await;
    let id = it.organization.as_str();
    it.app.mutate(&it.owner, &set_role(id, &it.admin, "MEMBER")).await.data();
    assert_eq!(it.code(&it.stranger, &accept(&token)).await, "INVALID_TOKEN");
    it.app.mutate(&it.owner, &set_role(id, &it.admin, "ADMIN")).await.data();
    assert_eq!(it.code(&it.stranger, &accept(&token)).await, "NONE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_invitation_that_is_accepted_ten_times_at_once_is_accepted_once() {
    let it = Cast::meet().await;
    let accept = format!("mutation {{ {} }}", accept(&token_of(&it, &it.stranger).await));
    let attempts: Vec<_> = (0..10)
        .map(|_| {
            let (app, accept) = (it.app.app.clone(), accept.clone());
            let bearer = it.stranger.access.clone();
            tokio::spawn(async move { call(&app, &accept, json!({}), Some(&bearer)).await.code() })
        })
        .collect();
    let mut codes = Vec::new();
    for attempt in attempts {
        codes.push(attempt.await.unwrap());
    }
    codes.sort();
    assert_eq!(codes[9], "NONE");
    assert!(codes[..9].iter().all(|code| code == "INVALID_TOKEN"), "{codes:?}");
    assert_eq!(it.app.count("memberships").await, 4);
}

#[tokio::test]
async fn who_is_taken_out_does_not_come_back_by_an_invitation_that_is_still_on_its_way() {
    let it = Cast::meet().await;
    let token = token_of(&it, &it.member).await;
    assert_eq!(it.code(&it.member, &accept(&token)).await, "CONFLICT", "a member already");
    it.app.mutate(&it.admin, &remove(&it.organization, &it.member)).await.data();
    assert_eq!(it.code(&it.member, &accept(&token)).await, "INVALID_TOKEN");
}

#[tokio::test]
async fn one_address_is_not_written_to_again_and_again() {
    let app = TestApp::start_with(&["--rate-limits=on"]).await;
    let owner = app.register("olivia").await;
    let organization = found_organization(&app, &owner).await;
    let invite =
        async |email: &str| app.mutate(&owner, &invite(&organization, email, "MEMBER")).await;
    for _ in 0..3 {
        assert_eq!(invite("guest@example.com").await.code(), "NONE");
    }
    assert_eq!(invite("Guest@Example.com").await.code(), "RATE_LIMITED");
    assert_eq!(invite("other@example.com").await.code(), "NONE");
}
