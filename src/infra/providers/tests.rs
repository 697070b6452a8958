mod exchange;
mod id_tokens;
mod kinds;
mod limits;
mod rotation;
mod server;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use chrono::DateTime;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use self::server::Server;
use super::error::Refusal;
use super::*;
use crate::kernel::secret::base64url;

const CLIENT_ID: &str = "the-client";
const NONCE: &str = "the-nonce";
const NOW: i64 = 1_800_000_000;

/// What a provider signs with.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
}

impl Signer {
    fn es256(kid: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
            "x": base64url(&point[1..33]), "y": base64url(&point[33..]),
        });
        Self { algorithm: Algorithm::ES256, key: EncodingKey::from_ec_der(pkcs8.as_ref()), jwk }
    }

    fn ed25519(kid: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let jwk = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": kid,
            "x": base64url(pair.public_key().as_ref()),
        });
        Self { algorithm: Algorithm::EdDSA, key: EncodingKey::from_ed_der(pkcs8.as_ref()), jwk }
    }

    fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "kid": self.jwk["kid"], "typ": "JWT" })
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_text(&self.header().to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", base64url(header), base64url(claims));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// An issuer of ID tokens, and a provider of ours that asks it.
struct Fixture {
    server: Server,
    signer: Signer,
    clock: Clock,
    provider: Provider,
}

impl Fixture {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let server = Server::start().await;
        let signer = Signer::es256("first");
        let clock = Clock::manual(DateTime::from_timestamp(NOW, 0).unwrap());
        let mut settings = settings(&server);
        change(&mut settings);
        let provider = made(settings, &clock);
        let fixture = Self { server, signer, clock, provider };
        fixture.server.json("/.well-known/openid-configuration", fixture.metadata());
        fixture.publish(&[&fixture.signer]);
        fixture
    }

    fn metadata(&self) -> Value {
        let url = &self.server.url;
        json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize?of=us"),
            "token_endpoint": format!("{url}/token"),
            "userinfo_endpoint": format!("{url}/userinfo"),
            "jwks_uri": format!("{url}/keys"),
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA", "HS256", "none"],
        })
    }

    fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| &signer.jwk).collect();
        self.server.json("/keys", json!({ "keys": keys }));
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.server.url, "sub": "ada", "aud": CLIENT_ID, "nonce": NONCE,
            "iat": NOW, "exp": NOW + 300, "email": "ada@example.com", "email_verified": true,
        })
    }

    /// What the token endpoint gives from now on.
    fn give(&self, id_token: &str) {
        let tokens = json!({
            "access_token": "the-access-token", "token_type": "Bearer", "expires_in": "3600",
            "scope": ["openid"], "id_token": id_token,
        });
        self.server.json("/token", tokens);
    }

    async fn exchange(&self) -> Result<Assertion, ProviderError> {
        self.provider.exchange(&answer()).await
    }

    /// What becomes of a token with other claims.
    async fn judge(&self, claims: &Value) -> Result<Assertion, ProviderError> {
        self.give(&self.signer.sign(claims));
        self.exchange().await
    }
}

fn settings(server: &Server) -> Settings {
    Settings {
        id: "company".to_owned(),
        kind: Kind::Oidc,
        name: "Company".to_owned(),
        issuer: server.url.clone(),
        client_id: CLIENT_ID.to_owned(),
        credential: Credential::Secret("the secret/".into()),
        is_trusted: false,
        scopes: ["openid", "email"].map(str::to_owned).to_vec(),
        audiences: vec!["the-app".to_owned()],
        posts_answers: false,
        allows_private_addresses: true,
        token_auth: None,
        tenant: None,
        endpoints: None,
        claims: ClaimNames::new(),
    }
}

fn made(settings: Settings, clock: &Clock) -> Provider {
    let connector = Connector::new(settings.allows_private_addresses).unwrap();
    Provider::new(settings, "https://auth.example.com", clock.clone(), connector)
}

fn answer() -> Answer<'static> {
    Answer { code: "the-code", code_verifier: "the-verifier", nonce: NONCE, iss: None, user: None }
}

/// An object with some members set, or taken away by `null`.
fn changed(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        match value {
            Value::Null => drop(members.remove(&name)),
            value => drop(members.insert(name, value)),
        }
    }
    object
}
