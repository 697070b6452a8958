use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::support::{GRACE, PASSWORD, SECOND, TestApp, call, refresh};

const ME: &str = "{ me { id } }";
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn every_use_rotates_the_refresh_token() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;

    let second = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    let third = app.refresh(&second.refresh).await.signed_in("refreshToken");

    assert_ne!(alice.refresh, second.refresh);
    assert_ne!(second.refresh, third.refresh);
    assert_eq!(app.query(ME, &third.access).await.code(), "NONE");
    assert_eq!(app.count("refresh_tokens WHERE consumed_at IS NULL").await, 1);
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_get_the_same_token() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;

    let first = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    app.clock.advance(GRACE);
    let second = app.refresh(&alice.refresh).await.signed_in("refreshToken");

    assert_eq!(first.refresh, second.refresh);
    assert_eq!(app.query(ME, &second.access).await.code(), "NONE");
}

#[tokio::test]
async fn a_late_tab_is_led_to_the_live_token_over_several_rotations() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut live = alice.clone();
    for _ in 0..8 {
        app.clock.advance(SECOND);
        live = app.refresh(&live.refresh).await.signed_in("refreshToken");
    }

    assert_eq!(app.refresh(&alice.refresh).await.signed_in("refreshToken").refresh, live.refresh);
    app.clock.advance(SECOND);
    app.refresh(&live.refresh).await.data();
    assert_eq!(app.refresh(&alice.refresh).await.code(), "SERVICE_UNAVAILABLE");
}

#[tokio::test]
async fn a_replay_after_the_grace_ends_the_session() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;

    let fresh = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    app.clock.advance(GRACE + SECOND);
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
}

#[tokio::test]
async fn to_a_clock_that_was_set_back_an_old_token_is_no_fresh_one() {
    let app = TestApp::start().await;
    let behind = app.second_instance_at(app.clock.now() - SECOND * 2).await;
    let set_back = app.second_instance_at(app.clock.now() - Duration::from_hours(1)).await;
    let alice = app.register("alice").await;
    let fresh = app.refresh(&alice.refresh).await.signed_in("refreshToken");

    let other_tab = refresh(&behind, &alice.refresh).await.signed_in("refreshToken");
    assert_eq!(other_tab.refresh, fresh.refresh, "clocks stand apart");
    assert_eq!(refresh(&set_back, &alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.refresh(&fresh.refresh).await.code(), "INVALID_TOKEN", "taken for a reuse");
}

#[tokio::test]
async fn without_a_grace_every_second_use_ends_the_session() {
    let app = TestApp::start_with(&["--refresh-grace-seconds=0"]).await;
    let alice = app.register("alice").await;
    let fresh = app.refresh(&alice.refresh).await.signed_in("refreshToken");

    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.refresh(&fresh.refresh).await.code(), "INVALID_TOKEN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_parallel_refreshes_on_two_instances_leave_one_live_token() {
    let app = Arc::new(TestApp::start().await);
    let second = app.second_instance().await;
    let alice = app.register("alice").await;
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
    assert_eq!(app.count("refresh_tokens").await, 2);
    assert_eq!(app.count("refresh_tokens WHERE consumed_at IS NULL").await, 1);
    assert_eq!(app.refresh(&live[0]).await.code(), "NONE");
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
    let unknown = format!("pcr_{}", "A".repeat(43));
    for token in ["", "pcr_", "nonsense", &unknown, &"x".repeat(5000)] {
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
    let out = "mutation { logout }";

    assert_eq!(app.query(ME, &alice.access).await.code(), "NONE");
    assert_eq!(app.query(out, &alice.access).await.data()["logout"], true);
    assert_eq!(app.query(ME, &alice.access).await.extension("reason"), "SESSION_ENDED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.query(out, &alice.access).await.data()["logout"], true);
    assert_eq!(app.query(ME, &other.access).await.code(), "NONE");
    assert_eq!(app.audit_events().await.iter().filter(|kind| *kind == "SIGNED_OUT").count(), 1);
}

#[tokio::test]
async fn signing_out_works_late_and_by_refresh_token() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let bob = app.register("bob").await;
    let by_token = "mutation($token: String) { logout(refreshToken: $token) }";
    let out = |token: String, bearer: Option<String>| {
        let app = &app;
        async move {
            let variables = json!({ "token": token });
            app.call(by_token, variables, bearer.as_deref()).await.data()["logout"].clone()
        }
    };

    app.clock.advance(Duration::from_hours(1));
    assert_eq!(app.query(ME, &alice.access).await.extension("reason"), "TOKEN_EXPIRED");
    assert_eq!(app.query("mutation { logout }", &alice.access).await.data()["logout"], true);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");

    let rotated = app.refresh(&bob.refresh).await.signed_in("refreshToken");
    assert_eq!(out(bob.refresh.clone(), None).await, true); // Consumed, and still it names its session.
    assert_eq!(app.refresh(&rotated.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(out("nonsense".to_owned(), None).await, false);
    assert_eq!(out(String::new(), Some("nonsense".to_owned())).await, false);
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

    app.query("mutation { logout }", &alice.access).await.data();
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
async fn housekeeping_erases_old_salts_and_expired_sessions() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let fresh = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    app.app.purge().await.unwrap();
    assert_eq!(app.count("refresh_tokens WHERE salt IS NOT NULL").await, 1);

    app.clock.advance(GRACE + SECOND);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("refresh_tokens WHERE salt IS NOT NULL").await, 0);
    assert_eq!(app.refresh(&fresh.refresh).await.code(), "NONE");

    app.clock.advance(DAY * 30);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("sessions").await, 0);
    assert_eq!(app.count("refresh_tokens").await, 0);
}

#[tokio::test]
async fn housekeeping_removes_more_than_one_statement_does() {
    let app = TestApp::start().await;
    let mut alice = app.register("alice").await;
    for _ in 0..250 {
        alice = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    }
    assert_eq!(app.count("refresh_tokens WHERE salt IS NOT NULL").await, 250);
    app.clock.advance(GRACE + SECOND);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("refresh_tokens WHERE salt IS NOT NULL").await, 0);
    assert_eq!(app.count("refresh_tokens").await, 251);

    app.clock.advance(DAY * 30);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("refresh_tokens").await, 0);
}

#[tokio::test]
async fn no_token_is_stored_as_it_is() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.refresh(&alice.refresh).await.data();
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
async fn a_rotation_that_fails_half_way_consumes_nothing() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    // The token can be read and consumed, but its successor cannot be inserted.
    app.sql("ALTER TABLE refresh_tokens RENAME COLUMN parent_id TO parent_away").await;
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INTERNAL_SERVER_ERROR");
    assert_eq!(app.count("refresh_tokens WHERE consumed_at IS NULL").await, 1);

    app.sql("ALTER TABLE refresh_tokens RENAME COLUMN parent_away TO parent_id").await;
    app.clock.advance(GRACE + SECOND);
    assert_eq!(app.refresh(&alice.refresh).await.code(), "NONE");
}
