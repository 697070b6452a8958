//! Recovery codes, and what stops whoever guesses at second factors (MF-05, MF-07).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::limits::{send_as, send_from};
use crate::support::totp::{
    Guarded, LED_TO, STEP, challenge, challenge_of, codes_left, complete, guarded, proven,
    second_factors, sign_in, sign_in_with, texts,
};
use crate::support::{PASSWORD, SECOND, TestApp};

const WRONG: &str = "0000-0000-0000-0000-0000-0000";
const REPLACE: &str = "regenerateRecoveryCodes { recoveryCodes }";

/// How often a mail of this kind was sent.
async fn sent(app: &TestApp, kind: &str) -> usize {
    app.mails().await.iter().filter(|mail| mail.kind == kind).count()
}

#[tokio::test]
async fn ten_codes_of_a_hundred_and_twenty_bits_come_with_the_second_factor() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let codes: BTreeSet<&String> = alice.recovery_codes.iter().collect();
    assert_eq!(codes.len(), 10);
    for code in codes {
        let groups: Vec<&str> = code.split('-').collect();
        assert_eq!(groups.len(), 6, "{code}");
        for group in groups {
            // The letters that people take for digits are left out, and U.
            let is_of = |letter: char| "0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(letter);
            assert!(group.len() == 4 && group.chars().all(is_of), "{code}");
        }
    }
    assert_eq!(codes_left(&app, &alice.user).await, 10);
}

#[tokio::test]
async fn each_code_is_good_for_once_and_its_owner_is_told_of_each_use() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    for (index, left) in (0..8).map(|index| (index, 9 - index)) {
        let code = alice.recovery_code(index);
        sign_in_with(&app, "alice", &code).await.signed_in("completeSignIn");
        assert_eq!(codes_left(&app, &alice.user).await, u64::try_from(left).unwrap());
        assert_eq!(sign_in_with(&app, "alice", &code).await.code(), "INVALID_CREDENTIALS");
    }
    // Of the last, five, four and so on: three are few.
    assert_eq!(sent(&app, "recovery-code-used").await, 6);
    assert_eq!(sent(&app, "recovery-codes-low").await, 2);
    assert_eq!(app.count("audit_events WHERE kind = 'RECOVERY_CODE_USED'").await, 8);
    // Other proofs bring none back.
    sign_in_with(&app, "alice", &alice.totp(&app)).await.signed_in("completeSignIn");
    let again = sign_in_with(&app, "alice", &alice.recovery_code(0)).await;
    assert_eq!(again.code(), "INVALID_CREDENTIALS");

    for index in [8, 9] {
        sign_in_with(&app, "alice", &alice.recovery_code(index)).await.data();
    }
    let asked = sign_in(&app, "alice", PASSWORD).await.data();
    assert_eq!(asked["login"]["factors"], json!(["TOTP"]), "none is left");
}

#[tokio::test]
async fn a_code_is_read_however_it_is_typed() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let code = |index: usize| alice.recovery_codes[index].clone();
    for typed in [
        code(0).to_lowercase(),
        code(1).replace('-', ""),
        format!(" {} ", code(2).replace('-', " ")),
        code(3).replace('0', "o").replace('1', "l"),
    ] {
        let proof = json!({ "recoveryCode": typed });
        sign_in_with(&app, "alice", &proof).await.signed_in("completeSignIn");
    }
    let wrong = sign_in_with(&app, "alice", &json!({ "recoveryCode": WRONG })).await;
    assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
    assert_eq!(codes_left(&app, &alice.user).await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_who_use_one_code_at_once_on_two_instances_begin_one_session() {
    let app = Arc::new(TestApp::start().await);
    let second = app.second_instance().await;
    let alice = guarded(&app, "alice").await;
    let mut challenges = Vec::new();
    for _ in 0..10 {
        challenges.push(challenge(&app, "alice").await);
    }
    let mut answers = Vec::new();
    for number in 0..50 {
        let instance = if number % 2 == 0 { app.app.clone() } else { second.clone() };
        let (challenge, proof) = (challenges[number / 5].clone(), alice.recovery_code(0));
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
    assert_eq!((app.count("sessions").await, codes_left(&app, &alice.user).await), (2, 9));
    assert_eq!(sent(&app, "recovery-code-used").await, 1);
}

#[tokio::test]
async fn other_codes_void_those_before() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let refused = app.mutate(&alice.user, REPLACE).await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED", "a password alone");
    let user = proven(&app, &alice.user, &alice.recovery_code(0)).await;
    let replaced = app.mutate(&user, REPLACE).await.data();
    let codes = texts(&replaced["regenerateRecoveryCodes"]["recoveryCodes"]);
    assert_eq!((codes.len(), codes_left(&app, &user).await), (10, 10));
    for index in [0, 1, 9] {
        let before = sign_in_with(&app, "alice", &alice.recovery_code(index)).await;
        assert_eq!(before.code(), "INVALID_CREDENTIALS", "{index}");
    }
    let proof = json!({ "recoveryCode": codes[9] });
    sign_in_with(&app, "alice", &proof).await.signed_in("completeSignIn");
    assert_eq!(sent(&app, "recovery-codes-replaced").await, 1);
    assert_eq!(app.count("audit_events WHERE kind = 'RECOVERY_CODES_ISSUED'").await, 1);

    let bob = app.register("bob").await;
    let none = app.mutate(&bob, REPLACE).await;
    assert_eq!(
        (none.code(), none.extension("reason")),
        ("CONFLICT".to_owned(), json!("SECOND_FACTOR_OFF"))
    );
}

/// Whether the codes of an app are shut out.
async fn is_locked(app: &TestApp, alice: &Guarded) -> Value {
    second_factors(app, &alice.user).await["totp"]["isLocked"].take()
}

#[tokio::test]
async fn after_a_hundred_wrong_codes_in_a_row_none_is_accepted_until_a_recovery_code_is_used() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    for _ in 0..20 {
        let challenge = challenge(&app, "alice").await;
        for _ in 0..5 {
            assert_eq!(is_locked(&app, &alice).await, false);
            let wrong = complete(&app.app, &challenge, &alice.guess(&app)).await;
            assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
        }
    }
    assert_eq!(is_locked(&app, &alice).await, true);
    let asked = sign_in(&app, "alice", PASSWORD).await;
    assert_eq!(asked.data()["login"]["factors"], json!(["RECOVERY_CODE"]));
    let challenge = challenge_of(&asked, "login");
    for proof in [alice.totp(&app), alice.guess(&app)] {
        let shut = complete(&app.app, &challenge, &proof).await;
        assert_eq!(shut.code(), "INVALID_CREDENTIALS");
    }
    assert_eq!(sent(&app, "totp-locked").await, 1);
    assert_eq!(app.count("audit_events WHERE kind = 'TOTP_LOCKED'").await, 1);

    let code = alice.recovery_code(0);
    complete(&app.app, &challenge, &code).await.signed_in("completeSignIn");
    assert_eq!(is_locked(&app, &alice).await, false);
    sign_in_with(&app, "alice", &alice.totp(&app)).await.signed_in("completeSignIn");
}

#[tokio::test]
async fn a_right_code_forgets_the_wrong_ones_and_a_used_one_is_no_guess() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    app.sql("UPDATE totp_secrets SET failures = 98").await;
    let wrong = sign_in_with(&app, "alice", &alice.guess(&app)).await;
    assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
    assert_eq!(app.count("totp_secrets WHERE failures = 99").await, 1);
    sign_in_with(&app, "alice", &alice.totp(&app)).await.signed_in("completeSignIn");
    for proof in [alice.totp(&app), json!({ "recoveryCode": WRONG })] {
        let used = sign_in_with(&app, "alice", &proof).await;
        assert_eq!(used.code(), "INVALID_CREDENTIALS");
    }
    assert_eq!(app.count("totp_secrets WHERE failures = 0").await, 1);
}

/// Signs in anew from an address of its own, and says what comes of the answer.
async fn answer_from(app: &TestApp, number: usize, proof: &Value) -> String {
    let ip = format!("192.0.2.{number}");
    let query = format!("mutation($input: LoginInput!) {{ login(input: $input) {{ {LED_TO} }} }}");
    let input = json!({ "identifier": "alice", "password": PASSWORD });
    let asked = send_from(app, &ip, &query, json!({ "input": input })).await;
    let challenge = challenge_of(&asked, "login");
    let query = "mutation($input: CompleteSignInInput!) { completeSignIn(input: $input) { \
                 __typename } }";
    let input = json!({ "challenge": challenge, "proof": proof });
    send_from(app, &ip, query, json!({ "input": input })).await.code()
}

/// What comes of a proof in a session.
async fn prove_from(app: &TestApp, number: usize, alice: &Guarded, proof: &Value) -> String {
    let query = "mutation($proof: Proof!) { reauthenticate(input: { proof: $proof }) { \
                 __typename } }";
    let (ip, bearer) = (format!("192.0.2.{number}"), Some(alice.user.access.as_str()));
    send_as(app, &ip, query, json!({ "proof": proof }), bearer).await.code()
}

/// Alice on a server with limits.
async fn limited() -> (TestApp, Guarded) {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    (app.restarted_with(&["--rate-limits=on"]).await, alice)
}

#[tokio::test]
async fn five_wrong_codes_hold_up_the_right_one_from_wherever_they_come() {
    let (app, alice) = limited().await;
    for number in 0..2 {
        let guess = prove_from(&app, number, &alice, &alice.guess(&app)).await;
        assert_eq!(guess, "INVALID_CREDENTIALS");
    }
    for number in 2..5 {
        let guess = answer_from(&app, number, &alice.guess(&app)).await;
        assert_eq!(guess, "INVALID_CREDENTIALS");
    }
    assert_eq!(answer_from(&app, 5, &alice.totp(&app)).await, "RATE_LIMITED");
    assert_eq!(prove_from(&app, 6, &alice, &alice.totp(&app)).await, "RATE_LIMITED");
    // Recovery codes are counted apart, and clear nothing.
    assert_eq!(answer_from(&app, 7, &alice.recovery_code(0)).await, "NONE");
    assert_eq!(answer_from(&app, 8, &alice.totp(&app)).await, "RATE_LIMITED");
    app.clock.advance(SECOND * 179);
    assert_eq!(answer_from(&app, 9, &alice.totp(&app)).await, "RATE_LIMITED");
    app.clock.advance(SECOND * 2);
    assert_eq!(answer_from(&app, 10, &alice.totp(&app)).await, "NONE");
}

#[tokio::test]
async fn five_wrong_recovery_codes_hold_up_the_right_one_and_no_code_of_the_app() {
    let (app, alice) = limited().await;
    let wrong = json!({ "recoveryCode": WRONG });
    for number in 0..2 {
        assert_eq!(prove_from(&app, number, &alice, &wrong).await, "INVALID_CREDENTIALS");
    }
    for number in 2..5 {
        assert_eq!(answer_from(&app, number, &wrong).await, "INVALID_CREDENTIALS");
    }
    assert_eq!(answer_from(&app, 5, &alice.recovery_code(0)).await, "RATE_LIMITED");
    assert_eq!(answer_from(&app, 6, &alice.totp(&app)).await, "NONE");
    assert_eq!(answer_from(&app, 7, &alice.recovery_code(0)).await, "RATE_LIMITED");
    app.clock.advance(STEP * 30);
    assert_eq!(answer_from(&app, 8, &alice.recovery_code(0)).await, "NONE");
}

#[tokio::test]
async fn right_codes_do_not_count_against_their_owner() {
    let (app, alice) = limited().await;
    for number in 0..8 {
        assert_eq!(answer_from(&app, number, &alice.totp(&app)).await, "NONE", "{number}");
        assert_eq!(answer_from(&app, number, &alice.recovery_code(number)).await, "NONE");
        app.clock.advance(STEP);
    }
}
