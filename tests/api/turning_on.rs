//! The moment from which an account has a second factor: what was begun or known before it counts for no more than one factor.

use serde_json::{Value, json};

use crate::support::passkey::{self, Ceremony, ORIGIN, add, ask, login, me, verifying};
use crate::support::totp::{
    begun, confirm, enrollment_of, guard, mailed_code, second_factors, sign_in, start,
    verify_address,
};
use crate::support::{PASSWORD, SECOND, SignedIn, TestApp, call};

const ALL: &str = "--require-second-factor=all";
const ENABLE: &str = "enableSecondFactor { recoveryCodes }";
const CHANGE_PASSWORD: &str = "changePassword(input: { currentPassword: \"correct horse battery\", \
                               newPassword: \"another horse battery\" }) { user { id } }";

#[tokio::test]
async fn a_registration_that_began_with_one_factor_is_not_finished_once_there_are_two() {
    for conditional in [false, true] {
        let app = TestApp::start().await;
        let alice = app.register("alice").await;
        let field = "startPasskeyRegistration";
        let input = json!({ "conditional": conditional });
        let ceremony = Ceremony::of(&ask(&app.app, field, input, Some(&alice.access)).await, field);
        let alice = guard(&app, alice).await;
        let made = verifying().create(&ceremony.options, ORIGIN).to_json();
        let refused = ceremony.finish_registration(&app.app, &made, &alice.user.access).await;
        assert_eq!(refused.code(), "STEP_UP_REQUIRED", "{}", refused.text);
        assert_eq!(refused.extension("factors"), json!(["TOTP", "RECOVERY_CODE"]));
        assert_eq!(app.count("passkeys").await, 0);
    }
}

#[tokio::test]
async fn an_app_whose_setup_began_with_one_factor_is_not_confirmed_once_there_are_two() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    add(&app.app, &alice, &mut verifying()).await;
    let authenticator = begun(&app, &alice.access).await;
    app.mutate(&alice, ENABLE).await.data();
    let refused = confirm(&app, &alice.access, &authenticator.code(&app)).await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED", "{}", refused.text);
    assert_eq!(second_factors(&app, &alice).await["totp"], Value::Null);
}

/// Each instance knows the session from before.
#[tokio::test]
async fn no_other_instance_takes_one_factor_for_two_until_it_knows() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    verify_address(&app, "alice").await;
    let passkey = add(&app.app, &alice, &mut verifying()).await;
    let delete =
        format!("deletePasskey(input: {{ id: {} }}) {{ deletedPasskeyId }}", passkey["id"]);
    let calls = [
        "disableSecondFactor { user { id } }",
        "disableTotp { user { id } }",
        "regenerateRecoveryCodes { recoveryCodes }",
        "startTotpEnrollment { secret }",
        "startPasskeyRegistration { ceremony }",
        "exportMyData { export { expiresIn } }",
        "revokeAllSessions { endedSessions }",
        "deactivateAccount { user { id } }",
        "deleteAccount { deletedUserId }",
        "changeEmail(input: { newEmail: \"mallory@example.com\" }) { linkExpiresIn }",
        CHANGE_PASSWORD,
        &delete,
    ];
    let mut instances = Vec::new();
    for _ in calls {
        let instance = app.second_instance().await;
        call(&instance, "{ me { id } }", json!({}), Some(&alice.access)).await.data();
        instances.push(instance);
    }
    let authenticator = begun(&app, &alice.access).await;
    confirm(&app, &alice.access, &authenticator.code(&app)).await.data();
    for (instance, field) in instances.iter().zip(calls) {
        let mutation = format!("mutation {{ {field} }}");
        let refused = call(instance, &mutation, json!({}), Some(&alice.access)).await;
        let codes = ["SERVICE_UNAVAILABLE", "STEP_UP_REQUIRED"];
        assert!(codes.contains(&refused.code().as_str()), "{field}: {}", refused.text);
        let again = call(instance, &mutation, json!({}), Some(&alice.access)).await;
        assert_eq!(again.code(), "STEP_UP_REQUIRED", "{field}: {}", again.text);
    }
    let told = second_factors(&app, &alice).await;
    assert_eq!((&told["isOn"], &told["recoveryCodesLeft"]), (&json!(true), &json!(10)));
    assert_eq!((app.count("passkeys").await, app.count("users WHERE is_active").await), (1, 1));
    assert_eq!(sign_in(&app, "alice", PASSWORD).await.code(), "NONE", "the password is as it was");
}

async fn stays_on(app: &TestApp, user: &SignedIn) {
    assert_eq!(me(&app.app, user).await["secondFactors"]["isOn"], true);
    let told = app.mails().await;
    assert!(told.iter().any(|mail| mail.kind == "second-factor-on"), "{told:?}");
    app.clock.advance(SECOND * 301);
    let refused = app.mutate(user, CHANGE_PASSWORD).await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED", "{}", refused.text);
}

/// Whoever had a passkey before the rule, and never asked sign-ins to ask for it.
#[tokio::test]
async fn where_everybody_needs_a_second_factor_a_passkey_becomes_it_at_the_next_sign_in() {
    for by_password in [true, false] {
        let app = TestApp::start().await;
        let alice = app.register("alice").await;
        let mut authenticator = verifying();
        add(&app.app, &alice, &mut authenticator).await;
        let app = app.restarted_with(&[ALL]).await;
        let session = if by_password {
            let challenge = login(&app.app, "alice").await["challenge"].take();
            let challenge = challenge.as_str().unwrap();
            passkey::complete(&app.app, challenge, &mut authenticator)
                .await
                .signed_in("completeSignIn")
        } else {
            let reply = passkey::sign_in(&app.app, &mut authenticator).await;
            reply.signed_in("finishPasskeySignIn")
        };
        app.mail("second-factor-on", "alice@example.com").await;
        stays_on(&app, &session).await;
    }
}

#[tokio::test]
async fn each_of_two_sign_ins_at_once_gets_its_own_code() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let app = app.restarted_with(&[ALL]).await;
    for _ in 0..2 {
        enrollment_of(&sign_in(&app, "alice", PASSWORD).await, "login");
    }
    let mails = app.mails().await;
    assert_eq!(mails.iter().filter(|mail| mail.kind == "enrollment-code").count(), 2);
}

/// The code proves who reads the mail of the address, which is another by now.
#[tokio::test]
async fn an_enrollment_ends_when_the_address_changes() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let strict = app.second_instance_with(&[ALL]).await;
    let query = "mutation { login(input: { identifier: \"alice\", password: \"correct horse battery\" }) { \
                 __typename ... on EnrollmentRequired { enrollment codeMailed } } }";
    let (enrollment, _) = enrollment_of(&call(&strict, query, json!({}), None).await, "login");
    mailed_code(&app, "alice@example.com").await;
    let change = "changeEmail(input: { newEmail: \"alice@example.org\" }) { linkExpiresIn }";
    app.mutate(&alice, change).await.data();
    let token = app.mail("confirm-email-change", "alice@example.org").await.token();
    app.use_link("verifyEmail", &token).await.data();
    assert_eq!(start(&app, None, Some(&enrollment)).await.code(), "INVALID_TOKEN");
}
