use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use crate::support::{GRACE, PASSWORD, Reply, SECOND, SignedIn, TestApp, call, refresh};

const ME: &str = "{ me { id } }";
const DAY: Duration = Duration::from_hours(24);

/// The next pair, once it is there to be had.
async fn rotated(app: &TestApp, user: &SignedIn) -> SignedIn {
    app.clock.advance(GRACE + SECOND);
    app.refresh(&user.refresh).await.signed_in("refreshToken")
}

async fn refresh_with(app: &TestApp, token: &str, attempt: &str) -> Reply {
    let query = "mutation($token: String, $attempt: String) { \
                 refreshToken(input: { refreshToken: $token, attempt: $attempt }) { \
                 accessToken refreshToken user { id username } } }";
    app.call(query, json!({ "token": token, "attempt": attempt }), None).await
}

#[tokio::test]
async fn every_use_rotates_the_refresh_token_and_makes_no_row() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;

    let second = rotated(&app, &alice).await;
    let third = rotated(&app, &second).await;

    assert_ne!(alice.refresh, second.refresh);
    assert_ne!(second.refresh, third.refresh);
    assert_eq!(app.query(ME, &third.access).await.code(), "NONE");
    assert_eq!(app.count("sessions WHERE generation = 3").await, 1);
    assert_eq!(app.count("sessions").await, 1);
    assert_eq!(app.audit_events().await, ["REGISTERED", "SIGNED_IN"]);
}

#[tokio::test]
async fn a_token_is_replaced_once_a_grace() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.clock.advance(GRACE);
    let same = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    assert_eq!(same.refresh, alice.refresh);
    assert_ne!(same.access, alice.access);
    let next = rotated(&app, &alice).await;
    app.clock.advance(GRACE);
    for token in [&next.refresh, &alice.refresh] {
        let live = app.refresh(token).await.signed_in("refreshToken");
        assert_eq!(live.refresh, next.refresh);
        assert_eq!(app.query(ME, &live.access).await.code(), "NONE");
    }
    assert_ne!(rotated(&app, &next).await.refresh, next.refresh);
}

#[tokio::test]
async fn a_replay_after_the_grace_ends_the_session() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;

    let fresh = rotated(&app, &alice).await;
    app.clock.advance(GRACE + SECOND * 5);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.query(ME, &fresh.access).await.code(), "NONE", "a clock may be to blame");
    app.clock.advance(SECOND);
    let replay = app.refresh(&alice.refresh).await;
    let after = app.refresh(&fresh.refresh).await;

    assert_eq!(replay.code(), "INVALID_TOKEN");
    assert_eq!(after.code(), "INVALID_TOKEN"); // The thief's copy and the owner's die together.
    assert_eq!(after.text, replay.text);
    let me = app.query(ME, &fresh.access).await;
    assert_eq!(
        (me.code(), me.extension("reason")),
        ("UNAUTHENTICATED".into(), "SESSION_ENDED".into())
    );
    assert_eq!(app.audit_events().await, ["REFRESH_REUSED", "REGISTERED", "SIGNED_IN"]);
    assert_eq!(app.mail("refresh-token-reused", "alice@example.com").await.to, "alice@example.com");
}

#[tokio::test]
async fn a_token_that_is_two_behind_ends_the_session_within_the_grace_of_the_last() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let second = rotated(&app, &alice).await;
    let third = rotated(&app, &second).await;
    app.clock.advance(SECOND * 5);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.refresh(&second.refresh).await.signed_in("refreshToken").refresh, third.refresh);
    app.clock.advance(SECOND);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.refresh(&third.refresh).await.code(), "INVALID_TOKEN");
    assert!(app.audit_events().await.contains(&"REFRESH_REUSED".to_owned()));
}

#[tokio::test]
async fn a_client_that_lost_the_answer_asks_again_with_what_it_noted() {
    let app = TestApp::start().await;
    let (noted, other) = ("AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBA");
    for (again, is_answered) in [(Some(noted), true), (Some(other), false), (None, false)] {
        let username = format!("user{is_answered}{}", again.is_some());
        let user = app.register(&username).await;
        app.clock.advance(GRACE + SECOND);
        let lost = refresh_with(&app, &user.refresh, noted).await.signed_in("refreshToken");
        app.clock.advance(DAY);
        let second = match again {
            Some(attempt) => refresh_with(&app, &user.refresh, attempt).await,
            None => app.refresh(&user.refresh).await,
        };
        if is_answered {
            assert_eq!(second.signed_in("refreshToken").refresh, lost.refresh);
            // Once it is used, what came before is a replay.
            let next = app.refresh(&lost.refresh).await.signed_in("refreshToken");
            app.clock.advance(GRACE + SECOND * 6);
            assert_eq!(refresh_with(&app, &user.refresh, noted).await.code(), "INVALID_TOKEN");
            assert_eq!(app.refresh(&next.refresh).await.code(), "INVALID_TOKEN");
        } else {
            assert_eq!(second.code(), "INVALID_TOKEN");
            assert_eq!(app.refresh(&lost.refresh).await.code(), "INVALID_TOKEN");
        }
    }
    let user = app.register("last").await;
    for bad in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAAAA", "?"] {
        let refused = refresh_with(&app, &user.refresh, bad).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT", "{bad}");
        assert_eq!(refused.extension("fields")[0]["path"], "input.attempt");
    }
}

#[tokio::test]
async fn to_a_clock_that_was_set_back_an_old_token_is_no_fresh_one() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let fresh = rotated(&app, &alice).await;
    let behind = app.second_instance_at(app.clock.now() - SECOND * 2).await;
    let set_back = app.second_instance_at(app.clock.now() - Duration::from_hours(1)).await;

    let other_tab = refresh(&behind, &alice.refresh).await.signed_in("refreshToken");
    assert_eq!(other_tab.refresh, fresh.refresh, "clocks stand apart");
    assert_eq!(refresh(&set_back, &alice.refresh).await.code(), "INVALID_TOKEN");
    // What was replaced in the future keeps nobody from going on.
    let next = refresh(&set_back, &fresh.refresh).await.signed_in("refreshToken");
    assert_ne!(next.refresh, fresh.refresh);
}

#[tokio::test]
async fn without_a_grace_every_second_use_ends_the_session() {
    let app = TestApp::start_with(&["--refresh-grace-seconds=0"]).await;
    let alice = app.register("alice").await;
    app.clock.advance(Duration::from_micros(1));
    let fresh = app.refresh(&alice.refresh).await.signed_in("refreshToken");

    assert_ne!(fresh.refresh, alice.refresh);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    app.clock.advance(SECOND * 6);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.refresh(&fresh.refresh).await.code(), "INVALID_TOKEN");
    assert!(app.audit_events().await.contains(&"REFRESH_REUSED".to_owned()));
}

#[tokio::test]
async fn a_token_that_is_newer_than_the_database_ends_the_session_and_accuses_nobody() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let second = rotated(&app, &alice).await;
    app.sql("UPDATE sessions SET generation = 1").await;
    assert_eq!(app.refresh(&second.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.count("sessions WHERE end_reason = 'RESTORED'").await, 1);
    assert_eq!(app.audit_events().await, ["REFRESH_AHEAD", "REGISTERED", "SIGNED_IN"]);
    assert!(app.mails().await.iter().all(|mail| mail.kind != "refresh-token-reused"));
}

#[tokio::test]
async fn a_genuine_seal_without_the_secret_is_told_and_ends_nothing() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let digest = "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'";
    app.sql(&format!("UPDATE sessions SET secret_digest = {digest}, generation = 5")).await;
    app.clock.advance(GRACE + SECOND);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.query(ME, &alice.access).await.code(), "NONE");
    let out = format!(
        "mutation {{ logout(input: {{ refreshToken: \"{}\" }}) {{ sessionId }} }}",
        bob.refresh
    );
    assert_eq!(app.call(&out, json!({}), None).await.data()["logout"]["sessionId"], json!(null));
    assert_eq!(app.count("sessions WHERE ended_at IS NULL").await, 2);
    assert_eq!(
        app.audit_events().await,
        ["REFRESH_FORGED", "REGISTERED", "REGISTERED", "SIGNED_IN", "SIGNED_IN"]
    );
}

#[tokio::test]
async fn what_has_no_seal_of_ours_never_gets_as_far_as_the_database() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.clock.advance(GRACE + SECOND);
    app.sql("ALTER TABLE sessions RENAME TO sessions_away").await;
    let (start, end) = alice.refresh.split_at(60);
    let other = if end.starts_with('A') { "B" } else { "A" };
    let forged = format!("{start}{other}{}", &end[1..]);
    assert_eq!(app.refresh(&forged).await.code(), "INVALID_TOKEN");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INTERNAL_SERVER_ERROR");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_tabs_on_two_instances_have_one_live_token() {
    let app = Arc::new(TestApp::start().await);
    let second = app.second_instance().await;
    let mut alice = app.register("alice").await;
    for round in 2..=12 {
        app.clock.advance(GRACE + SECOND);
        let calls: Vec<_> = (0..50)
            .map(|i| {
                let instance = if i % 2 == 0 { app.app.clone() } else { second.clone() };
                let token = alice.refresh.clone();
                tokio::spawn(async move { refresh(&instance, &token).await })
            })
            .collect();
        let mut live = Vec::new();
        for call in calls {
            live.push(call.await.unwrap().signed_in("refreshToken").refresh);
        }
        live.sort();
        live.dedup();
        assert_eq!(live.len(), 1);
        assert_eq!(app.count(&format!("sessions WHERE generation = {round}")).await, 1);
        alice.refresh = live.remove(0);
    }
}

#[tokio::test]
async fn a_session_ends_when_it_idles_and_at_its_absolute_end() {
    let app = TestApp::start().await;
    let idle = app.register("alice").await;
    let mut busy = app.register("bob").await;
    app.clock.advance(DAY * 7);
    assert_eq!(app.refresh(&idle.refresh).await.code(), "INVALID_TOKEN");

    busy = app.login(&busy.username, PASSWORD).await.signed_in("login");
    for _ in 0..5 {
        app.clock.advance(DAY * 5);
        busy = app.refresh(&busy.refresh).await.signed_in("refreshToken");
    }
    app.clock.advance(Duration::from_secs(5 * 24 * 60 * 60 - 1));
    let last = app.refresh(&busy.refresh).await.signed_in("refreshToken");
    app.clock.advance(SECOND);
    assert_eq!(app.refresh(&last.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.query(ME, &last.access).await.extension("reason"), "SESSION_ENDED");
}

#[tokio::test]
async fn an_idle_session_authenticates_nobody() {
    let app = TestApp::start_with(&["--refresh-token-idle-seconds=60"]).await;
    let idle = app.register("alice").await;
    app.clock.advance(GRACE + SECOND);
    let refreshed = app.refresh(&idle.refresh).await;
    assert_eq!(refreshed.data()["refreshToken"]["expiresIn"], 60);
    let refreshed = refreshed.signed_in("refreshToken");

    app.clock.advance(SECOND * 59);
    assert_eq!(app.query(ME, &refreshed.access).await.code(), "NONE");
    app.clock.advance(SECOND * 6); // The end, and the five seconds that clocks may differ by.
    for access in [&idle.access, &refreshed.access] {
        assert_eq!(app.query(ME, access).await.extension("reason"), "TOKEN_EXPIRED");
    }
    assert_eq!(app.refresh(&refreshed.refresh).await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn what_is_no_refresh_token_is_an_invalid_one() {
    let app = TestApp::start().await;
    let unknown = format!("pcr_{}", "A".repeat(104));
    let mut next = BASE64_URL_SAFE_NO_PAD
        .decode(app.register("bob").await.refresh.trim_start_matches("pcr_"))
        .unwrap();
    next[1] += 1; // The serial of its key, which nobody has made.
    let next = format!("pcr_{}", BASE64_URL_SAFE_NO_PAD.encode(next));
    let padded = format!("{}=", app.register("alice").await.refresh);
    for token in ["", "pcr_", "nonsense", &unknown, &padded, &next, &"x".repeat(5000)] {
        assert_eq!(app.refresh(token).await.code(), "INVALID_TOKEN", "{token}");
    }
    let missing = app.call("mutation { refreshToken { tokenType } }", json!({}), None).await;
    assert_eq!(missing.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once_and_may_be_repeated() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let other = app.login("alice", PASSWORD).await.signed_in("login");
    let out = "mutation { logout { sessionId } }";

    assert_eq!(app.query(ME, &alice.access).await.code(), "NONE");
    assert_ne!(app.query(out, &alice.access).await.data()["logout"]["sessionId"], json!(null));
    assert_eq!(app.query(ME, &alice.access).await.extension("reason"), "SESSION_ENDED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_ne!(app.query(out, &alice.access).await.data()["logout"]["sessionId"], json!(null));
    assert_eq!(app.query(ME, &other.access).await.code(), "NONE");
    assert_eq!(app.audit_events().await.iter().filter(|kind| *kind == "SIGNED_OUT").count(), 1);
}

#[tokio::test]
async fn signing_out_works_late_and_by_refresh_token() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let bob = app.register("bob").await;
    let by_token =
        "mutation($token: String) { logout(input: { refreshToken: $token }) { sessionId } }";
    let out = |token: String, bearer: Option<String>| {
        let app = &app;
        async move {
            let variables = json!({ "token": token });
            app.call(by_token, variables, bearer.as_deref()).await.data()["logout"]["sessionId"]
                .is_string()
        }
    };

    app.clock.advance(Duration::from_hours(1));
    assert_eq!(app.query(ME, &alice.access).await.extension("reason"), "TOKEN_EXPIRED");
    assert_ne!(
        app.query("mutation { logout { sessionId } }", &alice.access).await.data()["logout"]["sessionId"],
        json!(null)
    );
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");

    let rotated = rotated(&app, &bob).await;
    assert!(out(bob.refresh.clone(), None).await); // Replaced, and still it names its session.
    assert_eq!(app.refresh(&rotated.refresh).await.code(), "INVALID_TOKEN");
    assert!(!out("nonsense".to_owned(), None).await);
    assert!(!out(String::new(), Some("nonsense".to_owned())).await);
}

#[tokio::test]
async fn another_instance_learns_of_a_revocation_within_four_seconds() {
    let app = TestApp::start().await;
    let second = app.second_instance().await;
    let alice = app.register("alice").await;
    let me = |bearer: String| {
        let second = second.clone();
        async move { call(&second, ME, json!({}), Some(&bearer)).await.code() }
    };
    assert_eq!(me(alice.access.clone()).await, "NONE");

    app.query("mutation { logout { sessionId } }", &alice.access).await.data();
    app.clock.advance(Duration::from_secs(4));

    assert_eq!(me(alice.access.clone()).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn the_steady_state_reads_no_database() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    assert_eq!(app.query(ME, &alice.access).await.code(), "NONE");

    app.sql("ALTER TABLE sessions RENAME TO sessions_away").await;
    assert_eq!(app.query(ME, &alice.access).await.code(), "NONE");
    app.clock.advance(Duration::from_secs(4));
    let away = app.query(ME, &alice.access).await; // An outage is never anonymity.
    assert_eq!(away.code(), "INTERNAL_SERVER_ERROR");
    assert!(!away.text.contains("sessions"), "{}", away.text);
}

#[tokio::test]
async fn housekeeping_removes_expired_sessions() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let fresh = rotated(&app, &alice).await;
    app.app.purge().await.unwrap();
    assert_eq!(app.refresh(&fresh.refresh).await.code(), "NONE");

    app.clock.advance(DAY * 30);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("sessions").await, 0);
}

#[tokio::test]
async fn a_session_that_ended_early_is_kept_for_the_days_of_the_setting() {
    let app = TestApp::start_with(&["--session-retention-days=3"]).await;
    let alice = app.register("alice").await;
    let other = app.again("alice").await;
    app.mutate(&alice, "logout(input: {}) { __typename }").await.data();
    app.clock.advance(DAY * 3);
    assert_eq!(app.app.purge().await.unwrap().sessions, 0);
    app.clock.advance(SECOND);
    assert_eq!(app.app.purge().await.unwrap().sessions, 1);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.refresh(&other.refresh).await.code(), "NONE");
}

#[tokio::test]
async fn no_token_is_stored_as_it_is() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    rotated(&app, &alice).await;
    if app.database.url.starts_with("sqlite") {
        let folder = std::fs::read_dir(app.database.folder.path()).unwrap();
        for file in folder.map(|entry| entry.unwrap().path()) {
            let bytes = std::fs::read(&file).unwrap();
            let secret = alice.refresh.trim_start_matches("pcr_").as_bytes();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{file:?}");
        }
    }
}

#[tokio::test]
async fn a_rotation_that_fails_half_way_replaces_nothing() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.clock.advance(GRACE + SECOND);
    // The generation can be raised, but the user cannot be read.
    app.sql("ALTER TABLE users RENAME COLUMN grants TO grants_away").await;
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INTERNAL_SERVER_ERROR");
    assert_eq!(app.count("sessions WHERE generation = 1").await, 1);

    app.sql("ALTER TABLE users RENAME COLUMN grants_away TO grants").await;
    app.clock.advance(GRACE + SECOND);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "NONE");
}
