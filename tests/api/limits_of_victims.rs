//! What belongs to somebody is not a stranger's to use up (BF-12).

use std::time::Duration;

use serde_json::json;

use crate::limits::{limited, login_from, send_as, send_from};
use crate::support::organizations::{found_organization, invite};
use crate::support::{REGISTER, Reply, SignedIn, TestApp};

async fn register_from(app: &TestApp, ip: &str, username: &str) -> Reply {
    let input = json!({
        "username": username,
        "email": "victim@example.com",
        "password": "correct horse battery",
    });
    send_from(app, ip, REGISTER, json!({ "input": input })).await
}

/// The answer to a mutation that somebody calls from an address.
async fn mutate_from(app: &TestApp, ip: &str, call: &str, caller: Option<&SignedIn>) -> String {
    let bearer = caller.map(|user| user.access.as_str());
    send_as(app, ip, &format!("mutation {{ {call} }}"), json!({}), bearer).await.code()
}

#[tokio::test]
async fn registrations_by_strangers_leave_the_owner_of_an_address_theirs() {
    let flags = ["--rate-limits=on", "--require-email-verification=true"];
    let app = TestApp::start_with(&flags).await;
    for stranger in 0..3 {
        let ip = format!("192.0.2.{stranger}");
        for number in 0..5 {
            let reply = register_from(&app, &ip, &format!("stranger-{stranger}-{number}")).await;
            assert_eq!(reply.code(), "NONE");
        }
        let more = register_from(&app, &ip, &format!("stranger-{stranger}")).await;
        assert_eq!(more.code(), "RATE_LIMITED");
    }
    assert_eq!(register_from(&app, "192.0.2.77", "victim").await.code(), "NONE");

    // An end there is, so that nobody is written to without one.
    let mut admitted = 16;
    while register_from(&app, &format!("198.51.100.{admitted}"), &format!("more{admitted}"))
        .await
        .code()
        == "NONE"
    {
        admitted += 1;
    }
    assert_eq!(admitted, 20);
}

#[tokio::test]
async fn mails_that_strangers_ask_for_leave_their_owner_something_to_ask_for() {
    let app = limited().await;
    app.register("victim").await;
    for call in [
        "requestPasswordReset(input: { identifier: \"victim@example.com\" }) { linkExpiresIn }",
        "requestEmailVerification(input: { email: \"victim@example.com\" }) { linkExpiresIn }",
    ] {
        for stranger in 0..6 {
            let ip = format!("192.0.2.{stranger}");
            for _ in 0..3 {
                assert_eq!(mutate_from(&app, &ip, call, None).await, "NONE");
            }
            assert_eq!(mutate_from(&app, &ip, call, None).await, "RATE_LIMITED");
        }
        for ip in ["192.0.2.77", "192.0.2.78"] {
            assert_eq!(mutate_from(&app, ip, call, None).await, "NONE");
        }
        assert_eq!(mutate_from(&app, "192.0.2.79", call, None).await, "RATE_LIMITED");
    }
}

#[tokio::test]
async fn who_may_not_invite_uses_up_nothing_of_whom_they_mean() {
    let app = TestApp::start().await;
    let owner = app.register("olivia").await;
    let stranger = app.register("stranger").await;
    let ours = found_organization(&app, &owner).await;
    let theirs = found_organization(&app, &stranger).await;
    let app = app.restarted_with(&["--rate-limits=on"]).await;
    let ask = async |user: &SignedIn, organization: &str, role: &str| {
        app.mutate(user, &invite(organization, "victim@example.com", role)).await.code()
    };
    for _ in 0..30 {
        assert_eq!(ask(&stranger, &ours, "MEMBER").await, "NOT_FOUND");
    }
    for _ in 0..3 {
        assert_eq!(ask(&stranger, &theirs, "MEMBER").await, "NONE");
    }
    assert_eq!(ask(&stranger, &theirs, "MEMBER").await, "RATE_LIMITED");
    assert_eq!(ask(&owner, &ours, "MEMBER").await, "NONE");
}

#[tokio::test]
async fn tokens_that_are_none_hold_up_nobody_who_has_one() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let gone = app.register("gone").await;
    app.mutate(&gone, "logout { sessionId }").await.data();
    app.call(
        "mutation { requestPasswordReset(input: { identifier: \"alice\" }) { linkExpiresIn } }",
        json!({}),
        None,
    )
    .await;
    let link = app.mail("password-reset", "alice@example.com").await.token();
    let app = app.restarted_with(&["--rate-limits=on"]).await;

    // As all are behind a proxy that nobody told the server of.
    let ip = "192.0.2.1";
    let refresh = |token: &str| {
        format!("refreshToken(input: {{ refreshToken: \"{token}\" }}) {{ expiresIn }}")
    };
    let junk = format!("pcr_{}", "A".repeat(43));
    for _ in 0..60 {
        assert_eq!(mutate_from(&app, ip, &refresh(&junk), None).await, "INVALID_TOKEN");
    }
    for (token, code) in [
        (junk.as_str(), "RATE_LIMITED"),
        ("", "RATE_LIMITED"),
        (gone.refresh.as_str(), "RATE_LIMITED"),
        (alice.refresh.as_str(), "NONE"),
        // Consumed now, and within its grace.
        (alice.refresh.as_str(), "NONE"),
    ] {
        assert_eq!(mutate_from(&app, ip, &refresh(token), None).await, code, "{token}");
    }

    let reset = |token: &str| {
        format!(
            "resetPassword(input: {{ token: \"{token}\", newPassword: \"another horse battery\" }}) {{ username }}"
        )
    };
    let junk = format!("pco_{}", "A".repeat(43));
    for _ in 0..30 {
        assert_eq!(mutate_from(&app, ip, &reset(&junk), None).await, "INVALID_TOKEN");
    }
    for (token, code) in [(&junk, "RATE_LIMITED"), (&link, "NONE"), (&link, "INVALID_TOKEN")] {
        assert_eq!(mutate_from(&app, ip, &reset(token), None).await, code);
    }
}

#[tokio::test]
async fn whoever_chooses_another_password_by_mail_waits_for_no_stranger() {
    let app = limited().await;
    app.register("victim").await;
    for name in ["victim", "victim@example.com"] {
        for number in 0..6 {
            login_from(&app, &format!("192.0.2.{number}"), name, "not the password").await;
        }
    }
    let call = "requestPasswordReset(input: { identifier: \"victim\" }) { linkExpiresIn }";
    assert_eq!(mutate_from(&app, "192.0.2.77", call, None).await, "NONE");
    let token = app.mail("password-reset", "victim@example.com").await.token();
    let reset = format!(
        "resetPassword(input: {{ token: \"{token}\", newPassword: \"another horse battery\" }}) {{ username }}"
    );
    assert_eq!(mutate_from(&app, "192.0.2.77", &reset, None).await, "NONE");
    for name in ["victim", "victim@example.com"] {
        let reply = login_from(&app, "192.0.2.77", name, "another horse battery").await;
        reply.signed_in("login");
    }
}

/// Another link is to be had, and must not come with ten more guesses.
#[tokio::test]
async fn however_many_links_are_mailed_to_an_address_ten_passwords_are_tried_with_them() {
    let flags = ["--rate-limits=on", "--require-email-verification=true"];
    let app = TestApp::start_with(&flags).await;
    register_from(&app, "192.0.2.1", "alice").await.data();
    let mut tried = Vec::new();
    for round in 0..3 {
        let link = app.mail("verify-email", "victim@example.com").await.token();
        let call = format!(
            "verifyEmail(input: {{ token: \"{link}\", password: \"not hers at all\" }}) {{ outcome }}"
        );
        for number in 0..6 {
            let ip = format!("192.0.2.{}", 10 * round + number);
            tried.push(mutate_from(&app, &ip, &call, None).await);
        }
        app.clock.advance(Duration::from_secs(1));
        let again =
            "requestEmailVerification(input: { email: \"victim@example.com\" }) { linkExpiresIn }";
        assert_eq!(mutate_from(&app, "198.51.100.1", again, None).await, "NONE");
    }
    let checked = tried.iter().filter(|code| *code == "INVALID_CREDENTIALS").count();
    let refused = tried.iter().filter(|code| *code == "RATE_LIMITED").count();
    assert_eq!((checked, refused), (10, 8), "{tried:?}");
}
