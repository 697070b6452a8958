//! Passkeys, as a page and its browser use them. The authenticators are those in software of `portcullis-webauthn`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis::app::App;
use portcullis_webauthn::Algorithm;
use portcullis_webauthn::authenticator::{SoftwareAuthenticator, USER_PRESENT};
use serde_json::{Value, json};

use super::{PASSWORD, Reply, SignedIn, TestApp, call};

/// The server's own pages, as browsers call them.
pub(crate) const ORIGIN: &str = "http://localhost:8000";
/// Something that a session may do only soon after a proof.
pub(crate) const FRESH: &str = "mutation { exportMyData { export { url } } }";

const SESSION: &str = "accessToken refreshToken user { id username }";
const PASSKEY: &str =
    "id name credentialId aaguid userVerified backupEligible backedUp createdAt lastUsedAt";

/// What is asked of the answer to a mutation.
fn selection(field: &str) -> String {
    match field {
        "startPasskeySignIn" | "startPasskeyProof" | "startPasskeyRegistration" => {
            "ceremony options expiresIn".to_owned()
        }
        "register" | "login" | "finishPasskeySignIn" => format!(
            "__typename ... on AuthPayload {{ {SESSION} }} \
             ... on SecondFactorRequired {{ challenge factors expiresIn }} \
             ... on EnrollmentRequired {{ enrollment codeMailed expiresIn }}"
        ),
        "completeSignIn" | "reauthenticate" => SESSION.to_owned(),
        "finishPasskeyRegistration" => {
            format!("passkey {{ {PASSKEY} }} recoveryCodes signedIn {{ {SESSION} }}")
        }
        "renamePasskey" => "passkey { id name }".to_owned(),
        "deletePasskey" => "deletedPasskeyId user { passkeys { id } }".to_owned(),
        _ => panic!("no selection for {field}"),
    }
}

/// Calls a mutation with its input.
pub(crate) async fn ask(app: &App, field: &str, input: Value, bearer: Option<&str>) -> Reply {
    let input_type = format!("{}{}Input!", field[..1].to_uppercase(), &field[1..]);
    let selection = selection(field);
    let query =
        format!("mutation($input: {input_type}) {{ {field}(input: $input) {{ {selection} }} }}");
    call(app, &query, json!({ "input": input }), bearer).await
}

/// What was refused: the code, and the reason if there is one. `NONE` of what was not.
pub(crate) fn refusal(reply: &Reply) -> String {
    match reply.extension("reason").as_str() {
        Some(reason) => format!("{} {reason}", reply.code()),
        None => reply.code(),
    }
}

/// A ceremony that has begun.
#[derive(Clone, Debug)]
pub(crate) struct Ceremony {
    /// What goes back with the credential.
    pub(crate) text: String,
    /// What the browser is asked.
    pub(crate) options: Value,
}

impl Ceremony {
    pub(crate) fn of(reply: &Reply, field: &str) -> Self {
        let begun = reply.data()[field].take();
        assert_eq!(begun["expiresIn"], 300, "{}", reply.text);
        let text = begun["ceremony"].as_str().unwrap().to_owned();
        Self { text, options: begun["options"].clone() }
    }

    pub(crate) async fn of_sign_in(app: &App) -> Self {
        let field = "startPasskeySignIn";
        let query = format!("mutation {{ {field} {{ {} }} }}", selection(field));
        Self::of(&call(app, &query, json!({}), None).await, field)
    }

    pub(crate) async fn of_registration(app: &App, bearer: &str) -> Self {
        let field = "startPasskeyRegistration";
        Self::of(&ask(app, field, json!({}), Some(bearer)).await, field)
    }

    /// For a proof in a session.
    pub(crate) async fn of_proof(app: &App, bearer: &str) -> Self {
        let field = "startPasskeyProof";
        Self::of(&ask(app, field, json!({}), Some(bearer)).await, field)
    }

    /// For a sign-in that waits for a second factor.
    pub(crate) async fn of_challenge(app: &App, challenge: &str) -> Self {
        let (field, input) = ("startPasskeyProof", json!({ "challenge": challenge }));
        Self::of(&ask(app, field, input, None).await, field)
    }

    /// The same options in the form that asks for a proof, whatever the ceremony was begun for.
    pub(crate) fn as_request(&self) -> Value {
        json!({ "challenge": self.options["challenge"], "rpId": "localhost" })
    }

    /// The same options in the form that asks for a new passkey.
    pub(crate) fn as_creation(&self) -> Value {
        let (user, rp) = (json!({ "id": base64url([1; 32]) }), json!({ "id": "localhost" }));
        json!({ "challenge": self.options["challenge"], "rp": rp, "user": user })
    }

    /// What `proof` is with this credential.
    pub(crate) fn proof(&self, credential: &Value) -> Value {
        json!({ "passkey": { "ceremony": self.text, "credential": credential } })
    }

    pub(crate) async fn finish_sign_in(&self, app: &App, credential: &Value) -> Reply {
        let input = json!({ "ceremony": self.text, "credential": credential });
        ask(app, "finishPasskeySignIn", input, None).await
    }

    pub(crate) async fn finish_registration(
        &self,
        app: &App,
        credential: &Value,
        bearer: &str,
    ) -> Reply {
        let input = json!({ "ceremony": self.text, "credential": credential });
        ask(app, "finishPasskeyRegistration", input, Some(bearer)).await
    }

    pub(crate) async fn reauthenticate(
        &self,
        app: &App,
        credential: &Value,
        bearer: &str,
    ) -> Reply {
        let input = json!({ "proof": self.proof(credential) });
        ask(app, "reauthenticate", input, Some(bearer)).await
    }

    pub(crate) async fn complete(&self, app: &App, credential: &Value, challenge: &str) -> Reply {
        let input = json!({ "challenge": challenge, "proof": self.proof(credential) });
        ask(app, "completeSignIn", input, None).await
    }
}

/// An authenticator that verifies its user.
pub(crate) fn verifying() -> SoftwareAuthenticator {
    SoftwareAuthenticator::new(Algorithm::Es256)
}

/// One that asks for a touch only, as a security key without a PIN does.
pub(crate) fn without_pin() -> SoftwareAuthenticator {
    let mut authenticator = verifying();
    authenticator.flags = USER_PRESENT;
    authenticator
}

/// One with another key that says it is this one.
pub(crate) fn forgery_of(authenticator: &SoftwareAuthenticator) -> SoftwareAuthenticator {
    let mut forgery = verifying();
    forgery.credential_id.clone_from(&authenticator.credential_id);
    forgery.user_handle.clone_from(&authenticator.user_handle);
    forgery
}

pub(crate) async fn try_add(
    app: &App,
    user: &SignedIn,
    authenticator: &mut SoftwareAuthenticator,
) -> Reply {
    let begun = Ceremony::of_registration(app, &user.access).await;
    let made = authenticator.create(&begun.options, ORIGIN).to_json();
    begun.finish_registration(app, &made, &user.access).await
}

/// Registers a passkey; answers what is shown of it.
pub(crate) async fn add(
    app: &App,
    user: &SignedIn,
    authenticator: &mut SoftwareAuthenticator,
) -> Value {
    let reply = try_add(app, user, authenticator).await;
    reply.data()["finishPasskeyRegistration"]["passkey"].take()
}

/// Signs in with a passkey.
pub(crate) async fn sign_in(app: &App, authenticator: &mut SoftwareAuthenticator) -> Reply {
    let begun = Ceremony::of_sign_in(app).await;
    let shown = authenticator.get(&begun.options, ORIGIN).to_json();
    begun.finish_sign_in(app, &shown).await
}

/// Proves anew who a caller is.
pub(crate) async fn prove(
    app: &App,
    user: &SignedIn,
    authenticator: &mut SoftwareAuthenticator,
) -> Reply {
    let begun = Ceremony::of_proof(app, &user.access).await;
    let shown = authenticator.get(&begun.options, ORIGIN).to_json();
    begun.reauthenticate(app, &shown, &user.access).await
}

/// Completes the sign-in of a challenge.
pub(crate) async fn complete(
    app: &App,
    challenge: &str,
    authenticator: &mut SoftwareAuthenticator,
) -> Reply {
    let begun = Ceremony::of_challenge(app, challenge).await;
    let shown = authenticator.get(&begun.options, ORIGIN).to_json();
    begun.complete(app, &shown, challenge).await
}

/// What a password leads to.
pub(crate) async fn login(app: &App, username: &str) -> Value {
    let input = json!({ "identifier": username, "password": PASSWORD });
    ask(app, "login", input, None).await.data()["login"].take()
}

/// The challenge that a password leads to.
pub(crate) async fn challenge(app: &App, username: &str) -> String {
    let required = login(app, username).await;
    assert_eq!(required["__typename"], "SecondFactorRequired", "{required}");
    required["challenge"].as_str().unwrap().to_owned()
}

/// Has sign-ins of a user ask for the passkey that they have; answers their session, in which they have just shown both.
async fn turn_on(
    app: &App,
    user: &SignedIn,
    authenticator: &mut SoftwareAuthenticator,
) -> SignedIn {
    let enable = "mutation { enableSecondFactor { recoveryCodes } }";
    let enabled = call(app, enable, json!({}), Some(&user.access)).await.data();
    assert_eq!(enabled["enableSecondFactor"]["recoveryCodes"].as_array().unwrap().len(), 10);
    prove(app, user, authenticator).await.signed_in("reauthenticate")
}

/// A new user with a passkey that sign-ins ask for, in the session in which they have shown both.
pub(crate) async fn with_second_factor(
    app: &TestApp,
    name: &str,
    mut authenticator: SoftwareAuthenticator,
) -> (SignedIn, SoftwareAuthenticator) {
    let user = app.register(name).await;
    add(&app.app, &user, &mut authenticator).await;
    let user = turn_on(&app.app, &user, &mut authenticator).await;
    (user, authenticator)
}

/// Takes a passkey from its owner.
pub(crate) async fn delete(app: &App, user: &SignedIn, passkey: &Value) -> Reply {
    ask(app, "deletePasskey", json!({ "id": passkey["id"] }), Some(&user.access)).await
}

/// What a user sees of their own factors.
pub(crate) async fn me(app: &App, user: &SignedIn) -> Value {
    let query = format!(
        "{{ me {{ id passkeyUserHandle passkeys {{ {PASSKEY} }} secondFactors {{ isOn recoveryCodesLeft }} }} }}"
    );
    call(app, &query, json!({}), Some(&user.access)).await.data()["me"].take()
}

/// How a session was proven, as its access token says it: `amr` and `acr`.
pub(crate) fn proofs(access: &str) -> (Value, Value) {
    let payload = access.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&from_base64url(payload)).unwrap();
    (claims["amr"].clone(), claims["acr"].clone())
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn from_base64url(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}
