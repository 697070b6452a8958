//! REQUIRE_SECOND_FACTOR: who gets in without a second factor, and how those set one up who do not (MF-09).

use serde_json::{Value, json};

use crate::configuration::GOOD_SECRET;
use crate::cookies::{browse, kept};
use crate::support::sign_in::World;
use crate::support::totp::{
    LED_TO, STEP, by_provider, challenge, claims, complete, confirm_with, enrollment_of, guard,
    guarded, in_app, mailed_code, prove, proven, second_factors, sign_in, sign_in_with, start,
    texts,
};
use crate::support::{PASSWORD, Reply, SECOND, SignedIn, TestApp};

const ALL: &str = "--require-second-factor=all";
const ADMINS: &str = "--require-second-factor=admins";
const ME: &str = "{ me { id } }";
const USERS: &str = "{ users { totalCount } }";
const ADDRESS: &str = "alice@example.com";

fn refusal(reply: &Reply) -> (String, Value) {
    (reply.code(), reply.extension("reason"))
}

/// What a sign-in with a password leads to.
async fn leads_to(app: &TestApp, username: &str) -> Value {
    sign_in(app, username, PASSWORD).await.data()["login"]["__typename"].take()
}

async fn register(app: &TestApp, username: &str) -> Reply {
    let query =
        format!("mutation($input: RegisterInput!) {{ register(input: $input) {{ {LED_TO} }} }}");
    let email = format!("{username}@example.com");
    let input = json!({ "username": username, "email": email, "password": PASSWORD });
    app.call(&query, json!({ "input": input }), None).await
}

/// Accepts the invitation that was mailed to somebody.
async fn accept(app: &TestApp, username: &str) -> Reply {
    let token = app.mail("invitation", &format!("{username}@example.com")).await.token();
    let query = format!(
        "mutation($input: AcceptUserInvitationInput!) {{ acceptUserInvitation(input: $input) \
         {{ {LED_TO} }} }}"
    );
    let input = json!({ "token": token, "username": username, "password": PASSWORD });
    app.call(&query, json!({ "input": input }), None).await
}

/// Alice, who has begun to sign in where everybody needs a second factor: the server and her enrollment.
async fn newcomer() -> (TestApp, String) {
    let app = TestApp::start().await;
    app.register("alice").await;
    let app = app.restarted_with(&[ALL]).await;
    let (enrollment, is_code_mailed) =
        enrollment_of(&sign_in(&app, "alice", PASSWORD).await, "login");
    assert!(is_code_mailed);
    (app, enrollment)
}

/// Sets an app up with an enrollment and the code that was mailed.
async fn enroll(app: &TestApp, enrollment: &str, address: &str) -> Reply {
    let authenticator = in_app(&start(app, None, Some(enrollment)).await);
    let mailed = mailed_code(app, address).await;
    let code = authenticator.code(app);
    let input = json!({ "code": code, "enrollment": enrollment, "mailedCode": mailed });
    confirm_with(app, None, input).await
}

/// The session that an enrollment has led to.
fn enrolled(reply: &Reply) -> SignedIn {
    let session = reply.data()["confirmTotpEnrollment"]["signedIn"].take();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    SignedIn {
        id: text(&session["user"]["id"]),
        username: text(&session["user"]["username"]),
        access: text(&session["accessToken"]),
        refresh: text(&session["refreshToken"]),
    }
}

#[tokio::test]
async fn where_everybody_needs_a_second_factor_no_way_in_is_without() {
    let app = TestApp::start_with(&[ALL]).await;
    enrollment_of(&register(&app, "alice").await, "register");
    assert_eq!(app.count("users").await, 1);
    for name in ["alice", ADDRESS] {
        let asked = sign_in(&app, name, PASSWORD).await;
        assert_eq!(asked.data()["login"]["expiresIn"], 900);
        enrollment_of(&asked, "login");
    }
    assert_eq!(sign_in(&app, "alice", "not the password").await.code(), "INVALID_CREDENTIALS");
    assert_eq!(app.count("sessions").await, 0);

    let world = World::with("trusted = true", &[ALL]).await;
    for _ in 0..2 {
        enrollment_of(&by_provider(&world).await, "finishSignIn");
    }
    assert_eq!((world.app.count("users").await, world.app.count("sessions").await), (1, 0));
    // Their mails go before that of the next.
    world.app.mails().await;
    let (enrollment, _) = enrollment_of(&by_provider(&world).await, "finishSignIn");
    let session = enrolled(&enroll(&world.app, &enrollment, ADDRESS).await);
    assert_eq!(claims(&session.access)["amr"], json!(["fed", "otp", "mfa"]));
    world.app.query(ME, &session.access).await.data();
}

#[tokio::test]
async fn where_admins_need_one_others_do_not() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let boss = guard(&app, boss).await;
    app.admin("carol").await;
    app.register("alice").await;
    let app = app.restarted_with(&[ADMINS]).await;
    assert_eq!(leads_to(&app, "alice").await, "AuthPayload");
    assert_eq!(leads_to(&app, "carol").await, "EnrollmentRequired");
    assert_eq!(leads_to(&app, "boss").await, "SecondFactorRequired", "never to set up another");
    assert_eq!(register(&app, "dave").await.data()["register"]["__typename"], "AuthPayload");

    let admin = sign_in_with(&app, "boss", &boss.totp(&app)).await.signed_in("completeSignIn");
    app.query(USERS, &admin.access).await.data();
    for (name, role, led_to) in
        [("erin", "USER", "AuthPayload"), ("frank", "ADMIN", "EnrollmentRequired")]
    {
        let invite = format!(
            "inviteUser(input: {{ email: \"{name}@example.com\", role: {role} }}) {{ linkExpiresIn }}"
        );
        app.mutate(&admin, &invite).await.data();
        let accepted = accept(&app, name).await.data();
        assert_eq!(accepted["acceptUserInvitation"]["__typename"], led_to, "{role}");
    }
    let frank = "sessions WHERE user_id IN (SELECT id FROM users WHERE username_key = 'frank')";
    assert_eq!((app.count("users").await, app.count(frank).await), (6, 0));
}

#[tokio::test]
async fn whoever_becomes_an_admin_goes_on_only_after_a_sign_in_with_two_factors() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let boss = guard(&app, boss).await;
    let alice = app.register("alice").await;
    let app = app.restarted_with(&[ADMINS]).await;
    let admin = sign_in_with(&app, "boss", &boss.totp(&app)).await.signed_in("completeSignIn");
    app.query(ME, &alice.access).await.data();
    let promote =
        format!("setUserRole(input: {{ id: \"{}\", role: ADMIN }}) {{ user {{ id }} }}", alice.id);
    app.mutate(&admin, &promote).await.data();

    for query in [ME, USERS] {
        let refused = app.query(query, &alice.access).await;
        let expected = ("UNAUTHENTICATED".to_owned(), json!("SECOND_FACTOR_REQUIRED"));
        assert_eq!(refusal(&refused), expected, "{query}");
    }
    let reason = app.query("{ viewer { reason } }", &alice.access).await.data();
    assert_eq!(reason["viewer"]["reason"], "SECOND_FACTOR_REQUIRED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    let (enrollment, _) = enrollment_of(&sign_in(&app, "alice", PASSWORD).await, "login");
    let session = enrolled(&enroll(&app, &enrollment, ADDRESS).await);
    app.query(USERS, &session.access).await.data();
    app.refresh(&session.refresh).await.signed_in("refreshToken");
}

#[tokio::test]
async fn sessions_from_before_go_on_only_if_they_began_with_two_factors() {
    let app = TestApp::start().await;
    let (alice, bob) = (guarded(&app, "alice").await, app.register("bob").await);
    let strong = sign_in_with(&app, "alice", &alice.totp(&app)).await.signed_in("completeSignIn");
    let app = app.restarted_with(&[ALL]).await;
    for weak in [&alice.user, &bob] {
        let refused = app.query(ME, &weak.access).await;
        assert_eq!(refused.extension("reason"), "SECOND_FACTOR_REQUIRED");
        assert_eq!(app.refresh(&weak.refresh).await.code(), "INVALID_TOKEN");
        let proof = json!({ "password": PASSWORD });
        assert_eq!(prove(&app, weak, &proof).await.code(), "UNAUTHENTICATED");
    }
    app.query(ME, &strong.access).await.data();
    app.refresh(&strong.refresh).await.signed_in("refreshToken");
    challenge(&app, "alice").await;
}

#[tokio::test]
async fn the_code_from_the_mail_is_asked_for_beside_that_of_the_app() {
    let (app, enrollment) = newcomer().await;
    let authenticator = in_app(&start(&app, None, Some(&enrollment)).await);
    let mailed = mailed_code(&app, ADDRESS).await;
    let confirm = async |code: String, mailed: Value| {
        let input = json!({ "code": code, "enrollment": enrollment, "mailedCode": mailed });
        confirm_with(&app, None, input).await
    };
    for other in [Value::Null, json!("0000 0000"), json!("1234567")] {
        let refused = confirm(authenticator.code(&app), other).await;
        assert_eq!(refusal(&refused), ("INVALID_CREDENTIALS".to_owned(), json!("MAILED_CODE")));
    }
    let wrong = confirm(authenticator.wrong_code(&app), json!(mailed)).await;
    assert_eq!(refusal(&wrong), ("INVALID_CREDENTIALS".to_owned(), Value::Null));
    assert_eq!(app.count("sessions WHERE ended_at IS NULL").await, 1);

    let confirmed = confirm(authenticator.code(&app), json!(mailed.replace(' ', ""))).await;
    let codes = texts(&confirmed.data()["confirmTotpEnrollment"]["recoveryCodes"]);
    let session = enrolled(&confirmed);
    let told = claims(&session.access);
    assert_eq!((&told["amr"], &told["acr"]), (&json!(["pwd", "otp", "mfa"]), &json!("aal2")));
    assert_eq!(
        (codes.len(), second_factors(&app, &session).await["isOn"].take()),
        (10, json!(true))
    );
    app.mutate(&session, "exportMyData { export { expiresIn } }").await.data();
    app.mail("second-factor-on", ADDRESS).await;
    let again = confirm(authenticator.code(&app), json!(mailed)).await;
    assert_eq!(again.code(), "INVALID_TOKEN", "it is used up");
    app.clock.advance(STEP);
    let code = json!({ "totp": authenticator.code(&app) });
    sign_in_with(&app, "alice", &code).await.signed_in("completeSignIn");
}

#[tokio::test]
async fn five_wrong_codes_void_an_enrollment() {
    for is_of_mail in [true, false] {
        let (app, enrollment) = newcomer().await;
        let authenticator = in_app(&start(&app, None, Some(&enrollment)).await);
        let mailed = mailed_code(&app, ADDRESS).await;
        let (code, guess) = (authenticator.code(&app), authenticator.wrong_code(&app));
        let input = |code: &str, mailed: &str| json!({ "code": code, "enrollment": enrollment, "mailedCode": mailed });
        let wrong = if is_of_mail { input(&code, "0000 0000") } else { input(&guess, &mailed) };
        for _ in 0..5 {
            let refused = confirm_with(&app, None, wrong.clone()).await;
            assert_eq!(refused.code(), "INVALID_CREDENTIALS");
        }
        let late = confirm_with(&app, None, input(&code, &mailed)).await;
        assert_eq!(late.code(), "INVALID_TOKEN");
        assert_eq!(start(&app, None, Some(&enrollment)).await.code(), "INVALID_TOKEN");
        assert_eq!(app.count("users WHERE second_factor").await, 0);
    }
}

/// A stranger with the password cannot keep the owner out for longer than it takes them to choose another.
#[tokio::test]
async fn another_password_ends_the_wait_after_wrong_mailed_codes() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let app = app.restarted_with(&[ALL, "--rate-limits=on"]).await;
    let confirm = async |password: &str, guess: Option<&str>| {
        let (enrollment, _) = enrollment_of(&sign_in(&app, "alice", password).await, "login");
        let authenticator = in_app(&start(&app, None, Some(&enrollment)).await);
        let mailed = mailed_code(&app, ADDRESS).await;
        let mailed = guess.unwrap_or(&mailed).to_owned();
        let code = authenticator.code(&app);
        let input = json!({ "code": code, "enrollment": enrollment, "mailedCode": mailed });
        let first = confirm_with(&app, None, input.clone()).await;
        (first, input)
    };
    let (_, guess) = confirm(PASSWORD, Some("0000 0000")).await;
    for _ in 1..5 {
        confirm_with(&app, None, guess.clone()).await;
    }
    assert_eq!(confirm(PASSWORD, None).await.0.code(), "RATE_LIMITED");
    let ask =
        "mutation { requestPasswordReset(input: { identifier: \"alice\" }) { linkExpiresIn } }";
    app.call(ask, json!({}), None).await.data();
    let token = app.mail("password-reset", ADDRESS).await.token();
    let other = "another horse battery";
    let reset = format!(
        "mutation {{ resetPassword(input: {{ token: \"{token}\", newPassword: \"{other}\" }}) {{ username }} }}"
    );
    app.call(&reset, json!({}), None).await.data();
    enrolled(&confirm(other, None).await.0);
}

#[tokio::test]
async fn whoever_knows_the_password_cannot_fill_the_mailbox() {
    let (app, _) = newcomer().await;
    app.clock.advance(SECOND * 60);
    for _ in 1..5 {
        enrollment_of(&sign_in(&app, "alice", PASSWORD).await, "login");
    }
    for _ in 0..3 {
        let refused = sign_in(&app, "alice", PASSWORD).await;
        assert_eq!(
            (refused.code(), refused.extension("retryAfter")),
            ("RATE_LIMITED".into(), json!(840))
        );
        assert_eq!(sign_in(&app, "alice", "not it").await.code(), "INVALID_CREDENTIALS");
    }
    assert_eq!(app.count("sign_in_challenges WHERE mailed_digest IS NOT NULL").await, 5);
    // Their mails go before that of the next.
    app.mails().await;
    app.clock.advance(SECOND * 840);
    let (enrollment, _) = enrollment_of(&sign_in(&app, "alice", PASSWORD).await, "login");
    enrolled(&enroll(&app, &enrollment, ADDRESS).await);
}

/// There is nothing then that a stranger with the password lacks: the owner of the server has chosen so.
#[tokio::test]
async fn without_mail_no_code_is_asked_for() {
    let app = TestApp::start_with(&[GOOD_SECRET]).await;
    app.register("alice").await;
    let production = [
        "--env=production",
        "--rate-limits=on",
        "--public-url=https://auth.example.org",
        "--argon2-memory-kib=47104",
    ];
    let app = app.restarted_with(&[&production[..], &[GOOD_SECRET, ALL]].concat()).await;
    let (enrollment, is_code_mailed) =
        enrollment_of(&sign_in(&app, "alice", PASSWORD).await, "login");
    assert!(!is_code_mailed);
    let shown = in_app(&start(&app, None, Some(&enrollment)).await).code(&app);
    let input = json!({ "code": shown, "enrollment": enrollment });
    let session = enrolled(&confirm_with(&app, None, input).await);
    assert_eq!(claims(&session.access)["amr"], json!(["pwd", "otp", "mfa"]));
    let me = app.query("{ me { emailVerified } }", &session.access).await.data();
    assert_eq!(me["me"]["emailVerified"], false, "nothing was shown of the mailbox");
}

#[tokio::test]
async fn an_enrollment_is_good_for_a_quarter_of_an_hour() {
    for (seconds, code) in [(299, "NONE"), (300, "INVALID_TOKEN")] {
        let (app, enrollment) = newcomer().await;
        app.clock.advance(SECOND * 600);
        let authenticator = in_app(&start(&app, None, Some(&enrollment)).await);
        let mailed = mailed_code(&app, ADDRESS).await;
        app.clock.advance(SECOND * seconds);
        let shown = authenticator.code(&app);
        let input = json!({ "code": shown, "enrollment": enrollment, "mailedCode": mailed });
        assert_eq!(confirm_with(&app, None, input).await.code(), code, "{seconds}");
    }
}

#[tokio::test]
async fn an_enrollment_takes_its_own_code_and_its_own_seed() {
    let (app, first) = newcomer().await;
    let mailed_first = mailed_code(&app, ADDRESS).await;
    app.clock.advance(SECOND);
    let (second, _) = enrollment_of(&sign_in(&app, "alice", PASSWORD).await, "login");
    let mailed_second = mailed_code(&app, ADDRESS).await;
    assert_ne!(mailed_first, mailed_second);
    let authenticator = in_app(&start(&app, None, Some(&first)).await);
    for (enrollment, mailed, code, reason) in [
        (&first, &mailed_second, "INVALID_CREDENTIALS", "MAILED_CODE"),
        (&second, &mailed_first, "INVALID_CREDENTIALS", "MAILED_CODE"),
        (&second, &mailed_second, "CONFLICT", "NOT_ENROLLING"),
    ] {
        let shown = authenticator.code(&app);
        let input = json!({ "code": shown, "enrollment": enrollment, "mailedCode": mailed });
        let refused = confirm_with(&app, None, input).await;
        assert_eq!(refusal(&refused), (code.to_owned(), json!(reason)));
    }
    let shown = authenticator.code(&app);
    let input = json!({ "code": shown, "enrollment": first, "mailedCode": mailed_first });
    enrolled(&confirm_with(&app, None, input).await);
    let other = start(&app, None, Some(&second)).await;
    assert_eq!(other.code(), "INVALID_TOKEN", "the account has one now");
}

#[tokio::test]
async fn an_enrollment_opens_nothing_but_its_own_fields() {
    let (app, enrollment) = newcomer().await;
    let as_challenge = enrollment.replace("pcn_", "pcc_");
    assert!(enrollment.starts_with("pcn_"), "{enrollment}");
    for token in [&enrollment, &as_challenge] {
        let reply = app.query(ME, token).await;
        assert_eq!(reply.extension("reason"), "INVALID_TOKEN");
        for proof in [json!({ "totp": "123456" }), json!({ "recoveryCode": "0".repeat(24) })] {
            assert_eq!(complete(&app.app, token, &proof).await.code(), "INVALID_TOKEN");
        }
        assert_eq!(app.refresh(token).await.code(), "INVALID_TOKEN");
        assert_eq!(app.fetch_export(token).await.code(), "UNAUTHENTICATED");
        let passkey = format!(
            "mutation {{ startPasskeyProof(input: {{ challenge: \"{token}\" }}) {{ ceremony }} }}"
        );
        assert_eq!(app.call(&passkey, json!({}), None).await.code(), "INVALID_TOKEN");
    }
    for token in [as_challenge.as_str(), "pcn_", ""] {
        assert_eq!(start(&app, None, Some(token)).await.code(), "INVALID_TOKEN", "{token}");
    }
    start(&app, None, Some(&enrollment)).await.data();
}

/// Whoever has a session that is no longer fresh gets no further by claiming to set their first factor up.
#[tokio::test]
async fn a_made_up_enrollment_is_no_recent_proof() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    for enrollment in ["pcn_", &format!("pcn_{}", "A".repeat(43))] {
        let refused = start(&app, Some(&alice.user.access), Some(enrollment)).await;
        assert_eq!(refused.code(), "INVALID_TOKEN");
    }
    let refused = start(&app, Some(&alice.user.access), None).await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED");
}

#[tokio::test]
async fn the_last_factor_stays_where_one_is_needed() {
    let app = TestApp::start().await;
    let alice = guarded(&app, "alice").await;
    let app = app.restarted_with(&[ALL]).await;
    let user = sign_in_with(&app, "alice", &alice.totp(&app)).await.signed_in("completeSignIn");
    for call in ["disableTotp { user { id } }", "disableSecondFactor { user { id } }"] {
        let refused = app.mutate(&user, call).await;
        let expected = ("CONFLICT".to_owned(), json!("SECOND_FACTOR_REQUIRED"));
        assert_eq!(refusal(&refused), expected, "{call}");
    }
    let told = second_factors(&app, &user).await;
    assert_eq!((&told["isOn"], &told["recoveryCodesLeft"]), (&json!(true), &json!(10)));
    app.clock.advance(STEP);
    let user = proven(&app, &user, &alice.totp(&app)).await;
    // One app in the place of another is no removal.
    app.clock.advance(STEP);
    let other = in_app(&start(&app, Some(&user.access), None).await);
    let input = json!({ "code": other.code(&app) });
    confirm_with(&app, Some(&user.access), input).await.data();
}

/// What was begun with one factor must not come back when the setting goes.
#[tokio::test]
async fn setting_a_factor_up_to_sign_in_ends_the_sessions_from_before() {
    let app = TestApp::start().await;
    let before = app.register("alice").await;
    let app = app.restarted_with(&[ALL]).await;
    let (enrollment, _) = enrollment_of(&sign_in(&app, "alice", PASSWORD).await, "login");
    let session = enrolled(&enroll(&app, &enrollment, ADDRESS).await);
    let app = app.restarted_with(&["--require-second-factor=off"]).await;
    app.query(ME, &session.access).await.data();
    assert_eq!(app.query(ME, &before.access).await.extension("reason"), "SESSION_ENDED");
    assert_eq!(app.refresh(&before.refresh).await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn in_a_browser_an_enrollment_makes_a_cookie_that_outlasts_another_password() {
    let (app, enrollment) = newcomer().await;
    let authenticator = in_app(&start(&app, None, Some(&enrollment)).await);
    let confirm = "mutation($input: ConfirmTotpEnrollmentInput!) { confirmTotpEnrollment(input: \
                   $input) { signedIn { accessToken refreshToken } } }";
    let mailed = mailed_code(&app, ADDRESS).await;
    let code = authenticator.code(&app);
    let input = json!({ "code": code, "enrollment": enrollment, "mailedCode": mailed });
    let confirmed = browse(&app.app, "", confirm, json!({ "input": input })).await;
    let tokens = json!({ "accessToken": null, "refreshToken": null });
    assert_eq!(confirmed.data()["confirmTotpEnrollment"]["signedIn"], tokens);
    let cookie = kept(&confirmed).0;
    browse(&app.app, &cookie, ME, json!({})).await.data();

    let change = format!(
        "mutation {{ changePassword(input: {{ currentPassword: \"{PASSWORD}\", \
         newPassword: \"another horse battery\" }}) {{ user {{ id }} }} }}"
    );
    let changed = browse(&app.app, &cookie, &change, json!({})).await;
    changed.data();
    let next = kept(&changed).0;
    browse(&app.app, &next, ME, json!({})).await.data();
}
