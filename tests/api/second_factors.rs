//! An authenticator app as second factor: how it is set up, and what its codes are good for (MF-01 to MF-04).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::totp::{
    Authenticator, STEP, begun, challenge, complete, confirm, guarded, in_app, proven,
    second_factors, sign_in, sign_in_with, start, texts,
};
use crate::support::{PASSWORD, Reply, SECOND, TestApp, dump, holding};

const ME: &str = "{ me { id } }";
const FIELD: &str = "confirmTotpEnrollment";

fn refusal(reply: &Reply) -> (String, Value) {
    (reply.code(), reply.extension("reason"))
}

#[tokio::test]
async fn a_seed_counts_once_a_code_of_it_is_confirmed() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let without = json!({ "isOn": false, "recoveryCodesLeft": 0, "totp": null });
    let early = confirm(&app, &alice.access, "123456").await;
    assert_eq!(refusal(&early), ("CONFLICT".to_owned(), json!("NOT_ENROLLING")));
    let authenticator = begun(&app, &alice.access).await;
    let other = Authenticator::of("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
    for wrong in [other.code(&app), authenticator.wrong_code(&app)] {
        let refused = confirm(&app, &alice.access, &wrong).await;
        assert_eq!(refused.code(), "INVALID_CREDENTIALS");
    }
    let malformed = confirm(&app, &alice.access, "12345").await;
    assert_eq!(malformed.refused_field(), ("input.code".into(), "INVALID_FORMAT".into()));
    assert_eq!(second_factors(&app, &alice).await, without);
    app.again("alice").await;

    let confirmed = confirm(&app, &alice.access, &authenticator.code(&app)).await.data();
    assert_eq!(confirmed[FIELD]["signedIn"], Value::Null);
    assert_eq!(confirmed[FIELD]["user"]["id"], alice.id.as_str());
    let told = second_factors(&app, &alice).await;
    assert_eq!(
        (&told["isOn"], &told["recoveryCodesLeft"], &told["totp"]["isLocked"]),
        (&json!(true), &json!(10), &json!(false))
    );
    challenge(&app, "alice").await;
}

#[tokio::test]
async fn the_code_that_confirms_a_seed_signs_nobody_in() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let authenticator = begun(&app, &alice.access).await;
    let code = authenticator.code(&app);
    confirm(&app, &alice.access, &code).await.data();
    let reply = sign_in_with(&app, "alice", &json!({ "totp": code })).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS");
    app.clock.advance(STEP);
    let next = json!({ "totp": authenticator.code(&app) });
    sign_in_with(&app, "alice", &next).await.signed_in("completeSignIn");
}

#[tokio::test]
async fn the_app_that_an_account_has_goes_on_until_another_is_confirmed() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let user = proven(&app, &alice.user, &alice.totp(&app)).await;
    app.clock.advance(STEP);
    let other = begun(&app, &user.access).await;
    let shown = json!({ "totp": other.code(&app) });
    assert_eq!(sign_in_with(&app, "alice", &shown).await.code(), "INVALID_CREDENTIALS");
    sign_in_with(&app, "alice", &alice.totp(&app)).await.signed_in("completeSignIn");
    app.clock.advance(STEP);
    let not_it = confirm(&app, &user.access, &alice.authenticator.code(&app)).await;
    assert_eq!(not_it.code(), "INVALID_CREDENTIALS");

    let confirmed = confirm(&app, &user.access, &other.code(&app)).await.data();
    assert_eq!(confirmed[FIELD]["recoveryCodes"], Value::Null, "those from before stay");
    app.clock.advance(STEP);
    let before = sign_in_with(&app, "alice", &alice.totp(&app)).await;
    assert_eq!(before.code(), "INVALID_CREDENTIALS");
    let shown = json!({ "totp": other.code(&app) });
    sign_in_with(&app, "alice", &shown).await.signed_in("completeSignIn");
    sign_in_with(&app, "alice", &alice.recovery_code(0)).await.signed_in("completeSignIn");
    app.mail("second-factor-changed", "alice@example.com").await;
}

#[tokio::test]
async fn a_seed_is_confirmed_where_it_was_drawn_and_within_ten_minutes() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let phone = app.again("alice").await;
    let not_enrolling = ("CONFLICT".to_owned(), json!("NOT_ENROLLING"));
    let authenticator = begun(&app, &alice.access).await;
    let elsewhere = confirm(&app, &phone.access, &authenticator.code(&app)).await;
    assert_eq!(refusal(&elsewhere), not_enrolling);
    app.clock.advance(SECOND * 600);
    let late = confirm(&app, &alice.access, &authenticator.code(&app)).await;
    assert_eq!(refusal(&late), not_enrolling);

    let again = app.again("alice").await;
    let first = begun(&app, &again.access).await;
    let second = begun(&app, &again.access).await;
    app.clock.advance(SECOND * 599);
    let replaced = confirm(&app, &again.access, &first.code(&app)).await;
    assert_eq!(replaced.code(), "INVALID_CREDENTIALS");
    confirm(&app, &again.access, &second.code(&app)).await.data();
    // The session has shown one factor, and there are two now.
    let twice = confirm(&app, &again.access, &second.code(&app)).await;
    assert_eq!(twice.code(), "STEP_UP_REQUIRED");
}

#[tokio::test]
async fn a_seed_is_shown_once_and_nothing_that_is_stored_tells_it() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let started = start(&app, Some(&alice.access), None).await;
    let payload = started.data()["startTotpEnrollment"].take();
    let secret = payload["secret"].as_str().unwrap();
    assert_eq!((secret.len(), &payload["expiresIn"]), (32, &json!(600)), "160 bits");
    let url = payload["otpauthUrl"].as_str().unwrap();
    assert!(url.starts_with("otpauth://totp/"), "{url}");
    assert!(url.contains(&format!(":alice?secret={secret}&")), "{url}");

    let authenticator = in_app(&started);
    let db = app.database.connection().await;
    let pending = dump(&db).await;
    let confirmed = confirm(&app, &alice.access, &authenticator.code(&app)).await.data();
    let codes = texts(&confirmed[FIELD]["recoveryCodes"]);
    let stored = dump(&db).await;
    assert!(!holding(&stored, "alice").is_empty());
    for dump in [&pending, &stored] {
        for text in [secret, &authenticator.hex()] {
            assert_eq!(holding(dump, text), [""; 0]);
        }
    }
    for code in &codes {
        for text in [code.clone(), code.replace('-', "")] {
            assert_eq!(holding(&stored, &text), [""; 0]);
        }
    }
    app.clock.advance(STEP);
    let code = json!({ "totp": authenticator.code(&app) });
    let exported = app.export(&proven(&app, &alice, &code).await).await.to_string();
    assert!(!exported.contains(secret) && !exported.contains(&codes[0]), "{exported}");
}

#[tokio::test]
async fn setting_an_app_up_takes_a_recent_proof() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    assert_eq!(start(&app, None, None).await.code(), "UNAUTHENTICATED");
    app.clock.advance(SECOND * 301);
    let stale = start(&app, Some(&alice.access), None).await;
    assert_eq!(stale.code(), "STEP_UP_REQUIRED");
    assert_eq!(stale.extension("factors"), json!(["PASSWORD"]));
    assert_eq!(app.count("totp_secrets").await, 0);
    let alice = proven(&app, &alice, &json!({ "password": PASSWORD })).await;
    begun(&app, &alice.access).await;
}

#[tokio::test]
async fn turning_a_second_factor_on_ends_all_other_sessions() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let (bob, phone) = (app.register("bob").await, app.again("alice").await);
    let authenticator = begun(&app, &alice.access).await;
    app.query(ME, &phone.access).await.data();
    confirm(&app, &alice.access, &authenticator.code(&app)).await.data();
    assert_eq!(app.query(ME, &phone.access).await.extension("reason"), "SESSION_ENDED");
    assert_eq!(app.refresh(&phone.refresh).await.code(), "INVALID_TOKEN");
    for kept in [&alice, &bob] {
        app.query(ME, &kept.access).await.data();
        app.refresh(&kept.refresh).await.signed_in("refreshToken");
    }
    app.mail("second-factor-on", "alice@example.com").await;
    let events = app.audit_events().await;
    for kind in ["SECOND_FACTOR_TURNED_ON", "TOTP_CONFIRMED"] {
        assert!(events.contains(&kind.to_owned()), "{kind}: {events:?}");
    }
}

#[tokio::test]
async fn codes_of_one_step_before_and_after_are_accepted_and_no_others() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    app.clock.advance(STEP * 4);
    // The earlier first: after one of a later step none of an earlier one is.
    for (steps, code) in [
        (-2, "INVALID_CREDENTIALS"),
        (-1, "NONE"),
        (0, "NONE"),
        (1, "NONE"),
        (2, "INVALID_CREDENTIALS"),
        (0, "INVALID_CREDENTIALS"),
        (-1, "INVALID_CREDENTIALS"),
    ] {
        let shown = json!({ "totp": alice.authenticator.code_in(&app, steps) });
        assert_eq!(sign_in_with(&app, "alice", &shown).await.code(), code, "{steps}");
    }
}

#[tokio::test]
async fn a_sign_in_asks_for_a_second_factor_and_says_which_would_do() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let seen = app.query("{ me { lastLoginAt } }", &alice.user.access).await;
    let before = seen.data()["me"].take();
    for name in ["alice", "ALICE@example.com"] {
        let asked = sign_in(&app, name, PASSWORD).await.data()["login"].take();
        assert_eq!(asked["__typename"], "SecondFactorRequired");
        assert_eq!(asked["factors"], json!(["TOTP", "RECOVERY_CODE"]));
        assert_eq!(asked["expiresIn"], 300);
        assert!(asked["challenge"].as_str().unwrap().starts_with("pcc_"));
    }
    assert_eq!(sign_in(&app, "alice", "not the password").await.code(), "INVALID_CREDENTIALS");
    let last_login =
        async || app.query("{ me { lastLoginAt } }", &alice.user.access).await.data()["me"].take();
    assert_eq!((app.count("sessions").await, last_login().await), (1, before.clone()));
    let signed_in = sign_in_with(&app, "alice", &alice.totp(&app)).await;
    assert_eq!(signed_in.signed_in("completeSignIn").id, alice.user.id);
    assert_eq!(app.count("sessions").await, 2);
    assert_ne!(last_login().await, before);
}

#[tokio::test]
async fn a_password_is_no_second_factor_and_a_code_has_its_form() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let challenge = challenge(&app, "alice").await;
    for (proof, field, reason) in [
        (json!({ "password": PASSWORD }), "input.proof.password", "NOT_ALLOWED"),
        (json!({ "totp": "12345" }), "input.proof.totp", "INVALID_FORMAT"),
        (json!({ "totp": "12345x" }), "input.proof.totp", "INVALID_FORMAT"),
        (json!({ "recoveryCode": "0000-0000" }), "input.proof.recoveryCode", "INVALID_FORMAT"),
    ] {
        let refused = complete(&app.app, &challenge, &proof).await;
        assert_eq!(refused.refused_field(), (field.into(), reason.into()), "{proof}");
    }
    // None of these was an answer that counts, and spaces are left out.
    let code = alice.authenticator.code(&app);
    let spaced = json!({ "totp": format!(" {} {}", &code[..3], &code[3..]) });
    complete(&app.app, &challenge, &spaced).await.signed_in("completeSignIn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_answers_with_one_code_on_two_instances_begin_one_session() {
    let app = Arc::new(TestApp::start().await);
    let second = app.second_instance().await;
    let alice = guarded(&app, "alice").await;
    let proof = alice.totp(&app);
    let mut challenges = Vec::new();
    for _ in 0..10 {
        challenges.push(challenge(&app, "alice").await);
    }
    let mut answers = Vec::new();
    for number in 0..50 {
        let instance = if number % 2 == 0 { app.app.clone() } else { second.clone() };
        let (challenge, proof) = (challenges[number / 5].clone(), proof.clone());
        answers.push(tokio::spawn(
            async move { complete(&instance, &challenge, &proof).await.code() },
        ));
    }
    let mut codes = Vec::new();
    for answer in answers {
        codes.push(answer.await.unwrap());
    }
    let count = |code: &str| codes.iter().filter(|other| *other == code).count();
    assert_eq!(count("NONE"), 1, "{codes:?}");
    assert_eq!(count("INVALID_CREDENTIALS") + count("INVALID_TOKEN"), 49, "{codes:?}");
    assert_eq!(app.count("sessions").await, 2);
    let again = sign_in_with(&app, "alice", &proof).await;
    assert_eq!(again.code(), "INVALID_CREDENTIALS", "nor does it later");
}
