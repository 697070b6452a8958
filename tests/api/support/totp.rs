//! An authenticator app, people who have one, and what they do with it.

use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use base32::Alphabet;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use portcullis::app::App;
use serde_json::{Value, json};

use super::sign_in::{Browser, World};
use super::{PASSWORD, Reply, SignedIn, TestApp, call};

/// How long an app shows a code.
pub(crate) const STEP: Duration = Duration::from_secs(30);
/// What every way of signing in may lead to.
pub(crate) const LED_TO: &str = "__typename \
     ... on AuthPayload { accessToken refreshToken deviceToken user { id username } } \
     ... on SecondFactorRequired { challenge factors expiresIn } \
     ... on EnrollmentRequired { enrollment codeMailed expiresIn }";
const SESSION: &str = "accessToken refreshToken deviceToken user { id username }";

/// An app that has one seed.
#[derive(Clone)]
pub(crate) struct Authenticator {
    seed: Vec<u8>,
}

impl Authenticator {
    /// Reads what people type into it.
    pub(crate) fn of(secret: &str) -> Self {
        let seed = base32::decode(Alphabet::Rfc4648 { padding: false }, secret);
        Self { seed: seed.unwrap_or_else(|| panic!("no base32: {secret}")) }
    }

    /// The seed in hexadecimal.
    pub(crate) fn hex(&self) -> String {
        self.seed.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }

    /// The code that it shows now.
    pub(crate) fn code(&self, app: &TestApp) -> String {
        self.code_in(app, 0)
    }

    /// The code that it shows so many steps from now.
    pub(crate) fn code_in(&self, app: &TestApp, steps: i32) -> String {
        self.code_at(app.clock.now() + TimeDelta::seconds(30) * steps)
    }

    /// Six digits that it shows neither now nor about now.
    pub(crate) fn wrong_code(&self, app: &TestApp) -> String {
        let right: Vec<String> = (-2..=2).map(|steps| self.code_in(app, steps)).collect();
        let mut codes = (0..10_u32).map(|number| format!("{number:06}"));
        codes.find(|code| !right.contains(code)).unwrap()
    }

    /// RFC 6238, with the truncation of RFC 4226, section 5.3.
    fn code_at(&self, time: DateTime<Utc>) -> String {
        let step = u64::try_from(time.timestamp()).unwrap() / STEP.as_secs();
        let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.seed);
        let tag = sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let start = usize::from(bytes[bytes.len() - 1] & 0xf);
        let four: [u8; 4] = bytes[start..start + 4].try_into().unwrap();
        format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
    }
}

/// A user with an app as second factor.
#[derive(Clone)]
pub(crate) struct Guarded {
    /// In the session that the second factor was set up in, which began with a password.
    pub(crate) user: SignedIn,
    pub(crate) authenticator: Authenticator,
    pub(crate) recovery_codes: Vec<String>,
}

impl Guarded {
    /// What the app shows now, as a proof.
    pub(crate) fn totp(&self, app: &TestApp) -> Value {
        json!({ "totp": self.authenticator.code(app) })
    }

    /// A recovery code, as a proof.
    pub(crate) fn recovery_code(&self, index: usize) -> Value {
        json!({ "recoveryCode": self.recovery_codes[index] })
    }

    /// A wrong code, as a proof.
    pub(crate) fn guess(&self, app: &TestApp) -> Value {
        json!({ "totp": self.authenticator.wrong_code(app) })
    }
}

/// A new user who has an app as second factor.
pub(crate) async fn guarded(app: &TestApp, username: &str) -> Guarded {
    let user = app.register(username).await;
    guard(app, user).await
}

/// The same of somebody who is signed in. The code that the app shows then is unused.
pub(crate) async fn guard(app: &TestApp, user: SignedIn) -> Guarded {
    let authenticator = begun(app, &user.access).await;
    let confirmed = confirm(app, &user.access, &authenticator.code(app)).await.data();
    let recovery_codes = texts(&confirmed["confirmTotpEnrollment"]["recoveryCodes"]);
    app.clock.advance(STEP);
    Guarded { user, authenticator, recovery_codes }
}

/// Asks for a seed, in a session or with what a sign-in has answered.
pub(crate) async fn start(app: &TestApp, bearer: Option<&str>, enrollment: Option<&str>) -> Reply {
    let query = "mutation($input: StartTotpEnrollmentInput) { startTotpEnrollment(input: $input) { \
                 secret otpauthUrl expiresIn } }";
    app.call(query, json!({ "input": { "enrollment": enrollment } }), bearer).await
}

/// An app with a seed that is still to be confirmed in a session.
pub(crate) async fn begun(app: &TestApp, access: &str) -> Authenticator {
    in_app(&start(app, Some(access), None).await)
}

/// An app that has read the seed of this answer.
pub(crate) fn in_app(started: &Reply) -> Authenticator {
    Authenticator::of(started.data()["startTotpEnrollment"]["secret"].as_str().unwrap())
}

/// Confirms a seed, by all that the input says.
pub(crate) async fn confirm_with(app: &TestApp, bearer: Option<&str>, input: Value) -> Reply {
    let query = format!(
        "mutation($input: ConfirmTotpEnrollmentInput!) {{ confirmTotpEnrollment(input: $input) {{ \
         recoveryCodes signedIn {{ {SESSION} }} user {{ id username }} }} }}"
    );
    app.call(&query, json!({ "input": input }), bearer).await
}

/// Confirms a seed in a session.
pub(crate) async fn confirm(app: &TestApp, access: &str, code: &str) -> Reply {
    confirm_with(app, Some(access), json!({ "code": code })).await
}

/// Signs in with a password, whatever that leads to.
pub(crate) async fn sign_in(app: &TestApp, identifier: &str, password: &str) -> Reply {
    let query = format!("mutation($input: LoginInput!) {{ login(input: $input) {{ {LED_TO} }} }}");
    let input = json!({ "identifier": identifier, "password": password });
    app.call(&query, json!({ "input": input }), None).await
}

/// Signs in at the provider of this world, whatever that leads to.
pub(crate) async fn by_provider(world: &World) -> Reply {
    let mut browser = Browser::in_body_mode();
    let started = browser.start(world.at(), "startSignIn", "acme").await;
    let back = browser.travel(world.at(), &started).await;
    let query = format!(
        "mutation($input: FinishSignInInput!) {{ finishSignIn(input: $input) {{ {LED_TO} }} }}"
    );
    let input = json!({
        "flow": started.flow, "code": back.code, "state": back.state, "iss": back.iss,
    });
    browser.call(world.at(), &query, json!({ "input": input })).await
}

/// What asks somebody for their second factor who has given their password.
pub(crate) async fn challenge(app: &TestApp, username: &str) -> String {
    challenge_of(&sign_in(app, username, PASSWORD).await, "login")
}

/// What a way of signing in asks for a second factor with.
pub(crate) fn challenge_of(reply: &Reply, field: &str) -> String {
    let answer = &reply.data()[field];
    assert_eq!(answer["__typename"], "SecondFactorRequired", "{}", reply.text);
    answer["challenge"].as_str().unwrap().to_owned()
}

/// What a way of signing in has a second factor set up with, and whether a code was mailed.
pub(crate) fn enrollment_of(reply: &Reply, field: &str) -> (String, bool) {
    let answer = &reply.data()[field];
    assert_eq!(answer["__typename"], "EnrollmentRequired", "{}", reply.text);
    let enrollment = answer["enrollment"].as_str().unwrap().to_owned();
    (enrollment, answer["codeMailed"].as_bool().unwrap())
}

/// Answers a challenge.
pub(crate) async fn complete(instance: &App, challenge: &str, proof: &Value) -> Reply {
    let query = format!(
        "mutation($input: CompleteSignInInput!) {{ completeSignIn(input: $input) {{ {SESSION} }} }}"
    );
    let input = json!({ "challenge": challenge, "proof": proof });
    call(instance, &query, json!({ "input": input }), None).await
}

/// Signs in with the password and a second factor.
pub(crate) async fn sign_in_with(app: &TestApp, username: &str, proof: &Value) -> Reply {
    let challenge = challenge(app, username).await;
    complete(&app.app, &challenge, proof).await
}

/// Proves again, in a session, who somebody is.
pub(crate) async fn prove(app: &TestApp, user: &SignedIn, proof: &Value) -> Reply {
    let query = format!(
        "mutation($proof: Proof!) {{ reauthenticate(input: {{ proof: $proof }}) {{ {SESSION} }} }}"
    );
    app.call(&query, json!({ "proof": proof }), Some(&user.access)).await
}

/// A session in the place of that one, whose holder has just shown both factors.
pub(crate) async fn proven(app: &TestApp, user: &SignedIn, proof: &Value) -> SignedIn {
    prove(app, user, proof).await.signed_in("reauthenticate")
}

/// What somebody is told of their second factors.
pub(crate) async fn second_factors(app: &TestApp, user: &SignedIn) -> Value {
    let query = "{ me { secondFactors { isOn recoveryCodesLeft totp { confirmedAt lastUsedAt \
                 isLocked } } } }";
    app.query(query, &user.access).await.data()["me"]["secondFactors"].take()
}

/// How many recovery codes somebody has left.
pub(crate) async fn codes_left(app: &TestApp, user: &SignedIn) -> u64 {
    second_factors(app, user).await["recoveryCodesLeft"].as_u64().unwrap()
}

/// The code that was last mailed to an address, as people read it there.
pub(crate) async fn mailed_code(app: &TestApp, address: &str) -> String {
    let mail = app.mail("enrollment-code", address).await;
    let is_half = |half: &str| half.len() == 4 && half.bytes().all(|byte| byte.is_ascii_digit());
    let is_code = |line: &&str| line.len() == 9 && line.split(' ').all(is_half);
    let code = mail.text.lines().find(is_code).map(str::to_owned);
    code.unwrap_or_else(|| panic!("no code: {}", mail.text))
}

/// Shows that the address is theirs with which somebody has registered.
pub(crate) async fn verify_address(app: &TestApp, username: &str) {
    let token = app.mail("verify-email", &format!("{username}@example.com")).await.token();
    app.use_link("verifyEmail", &token).await.data();
}

/// Chooses another password by mail, as whoever reads the mails of the account can.
pub(crate) async fn reset_password(app: &TestApp, username: &str, password: &str) {
    let query = "mutation($name: String!) { requestPasswordReset(input: { identifier: $name }) { \
                 linkExpiresIn } }";
    app.call(query, json!({ "name": username }), None).await.data();
    let token = app.mail("password-reset", &format!("{username}@example.com")).await.token();
    let query = "mutation($token: String!, $password: String!) { resetPassword(input: { \
                 token: $token, newPassword: $password }) { username } }";
    app.call(query, json!({ "token": token, "password": password }), None).await.data();
}

/// What an access token says.
pub(crate) fn claims(access: &str) -> Value {
    let payload = access.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A list of texts.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
