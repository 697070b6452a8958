//! Tokens that were not issued here, or not for here, or not for now.

mod claims;

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm as Alg, EncodingKey};
use serde_json::{Value, json};
use strum::VariantArray;

use super::*;
use crate::infra::db::Db;
use crate::infra::keys::{Algorithm, Master, Purpose, rotation};
use crate::kernel::secret::base64url;

struct Fixture {
    db: Db,
    master: Arc<Master>,
    jwt: Jwt,
    keys: Keys,
    clock: Clock,
    user: UserId,
    session: SessionId,
    _folder: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    fixture_of(Algorithm::EdDsa).await
}

async fn fixture_of(algorithm: Algorithm) -> Fixture {
    fixture_with(algorithm, CustomClaims::default()).await
}

async fn fixture_with(algorithm: Algorithm, custom_claims: CustomClaims) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display());
    let db = Db::connect(&url, 1).await.unwrap();
    db.migrate_up(migration::Migrations::default()).await.unwrap();
    let clock = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let master = Arc::new(Master::new(&[7; 32], None).unwrap());
    for purpose in [Purpose::Signing, Purpose::Refresh] {
        let made = rotation::make_first(db.writer(), &master, purpose, algorithm, clock.now());
        made.await.unwrap();
    }
    let keys = Keys::open(db.clone(), Arc::clone(&master), clock.clone()).await.unwrap();
    let settings = Settings {
        issuer: "https://issuer.example".to_owned(),
        audience: "https://api.example".to_owned(),
        ttl_seconds: 900,
        custom_claims,
    };
    Fixture {
        db,
        master,
        jwt: Jwt::new(settings, keys.clone(), clock.clone()),
        keys,
        user: UserId::new(clock.now()),
        session: SessionId::new(clock.now()),
        clock,
        _folder: folder,
    }
}

const PROVEN: Proven = Proven { at: DateTime::UNIX_EPOCH, by: Proofs::PASSWORD };

impl Fixture {
    fn issue(&self, role: Role) -> Result<String, CryptoError> {
        let (user, session) = (self.user, self.session);
        let permissions = role.permissions().to_vec();
        let subject =
            Subject { user, session, role, permissions, organization: None, proven: PROVEN };
        self.jwt.issue(&subject, DateTime::<Utc>::MAX_UTC).map(|token| token.text)
    }

    fn header(&self) -> Value {
        let keys = self.keys.current();
        let key = keys.signing(self.clock.now());
        json!({ "typ": "at+jwt", "alg": key.algorithm(), "kid": key.kid() })
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().timestamp();
        json!({
            "iss": "https://issuer.example", "aud": "https://api.example", "sub": self.user,
            "sid": self.session, "jti": "1", "iat": now, "nbf": now, "exp": now + 900, "auth_time": now,
            "amr": ["pwd"], "acr": "aal1", "client_id": "portcullis", "role": "USER",
        })
    }

    /// Signs whatever is given with our own key, so that only what it says can be wrong.
    fn signed(&self, header: &str, claims: &str) -> String {
        let keys = self.keys.current();
        signed_with(keys.signing(self.clock.now()), header, claims)
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.signed(&header.to_string(), &self.claims().to_string())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        self.signed(&self.header().to_string(), &claims.to_string())
    }

    fn without_claim(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        self.signed(&self.header().to_string(), &claims.to_string())
    }

    fn refuses(&self, token: &str) -> bool {
        matches!(self.jwt.verify(token), Err(TokenError::Invalid))
    }

    fn plain(&self) -> String {
        self.signed(&self.header().to_string(), &self.claims().to_string())
    }
}

fn signed_with(key: &TokenKey, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", base64url(header), base64url(claims));
    let signature = sign(message.as_bytes(), key.encoding(), key.algorithm()).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test]
async fn a_key_that_has_ended_vouches_for_nothing_new() {
    let it = fixture().await;
    let header = it.header().to_string();
    let before = it.keys.current();
    let old = before.signing(it.clock.now());
    let now = it.clock.now();
    let added = rotation::rotate(it.db.writer(), &it.master, None, rotation::Lead::Published, now);
    let others_verify_until = added.await.unwrap().others_verify_until;
    it.keys.reload().await.unwrap();
    let forged = || signed_with(old, &header, &it.claims().to_string());

    let second = TimeDelta::seconds(1);
    it.clock.advance((others_verify_until - now - second).to_std().unwrap());
    assert!(it.jwt.verify(&forged()).is_ok(), "what it signed in its time is still good");
    it.clock.advance(Duration::from_secs(1));
    // Whoever has stolen it since can write any time into a token. It counts as expired: `logout`
    // still learns whose session is meant.
    assert!(matches!(it.jwt.verify(&forged()), Err(TokenError::Expired(_))));
}

#[tokio::test]
async fn a_token_that_was_verified_is_looked_at_again_when_its_key_goes_and_when_its_time_is_up() {
    let it = fixture().await;
    let token = it.issue(Role::Admin).unwrap();
    for _ in 0..2 {
        assert_eq!(it.jwt.verify(&token).unwrap().sid, it.session);
    }
    let other = it.issue(Role::User).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
    assert!(it.refuses(&forged), "only what was verified is known");
    let kid = it.keys.current().signing(it.clock.now()).kid().to_owned();
    let now = it.clock.now();
    let added = rotation::rotate(it.db.writer(), &it.master, None, rotation::Lead::Now, now).await;
    added.unwrap();
    it.clock.advance(Duration::from_mins(1));
    assert!(it.jwt.verify(&token).is_ok(), "until then it is good");
    rotation::retire(it.db.writer(), &kid, it.clock.now()).await.unwrap();
    it.keys.reload().await.unwrap();
    assert!(it.refuses(&token), "its key was dropped");

    let token = it.issue(Role::Admin).unwrap();
    assert!(it.jwt.verify(&token).is_ok());
    it.clock.advance(Duration::from_secs(905));
    assert!(matches!(it.jwt.verify(&token), Err(TokenError::Expired(_))));
}

#[tokio::test]
async fn a_token_ends_no_later_than_what_it_is_issued_for() {
    let it = fixture().await;
    let permissions = Vec::new();
    let (user, session) = (it.user, it.session);
    let subject = Subject {
        user,
        session,
        role: Role::User,
        permissions,
        organization: None,
        proven: PROVEN,
    };
    for (left_seconds, ttl_seconds) in
        [(3600, 900), (900, 900), (899, 899), (1, 1), (0, 0), (-60, 0)]
    {
        let until = it.clock.now() + TimeDelta::seconds(left_seconds);
        let token = it.jwt.issue(&subject, until).unwrap();
        assert_eq!(token.ttl_seconds, ttl_seconds, "{left_seconds}");
        let claims = it.jwt.verify(&token.text).unwrap();
        assert_eq!(claims.exp - claims.iat, i64::from(ttl_seconds), "{left_seconds}");
    }
}

#[tokio::test]
async fn what_we_issue_we_accept_until_it_expires() {
    for &algorithm in Algorithm::VARIANTS {
        accepts_its_own_until_they_expire(&fixture_of(algorithm).await);
    }
}

fn accepts_its_own_until_they_expire(it: &Fixture) {
    let token = it.issue(Role::Admin).unwrap();

    let claims = it.jwt.verify(&token).unwrap();
    assert_eq!((claims.sub, claims.sid, claims.role.as_str()), (it.user, it.session, "ADMIN"));
    assert!(it.jwt.verify(&it.plain()).is_ok(), "the tests' own tokens are like ours");
    it.clock.advance(Duration::from_secs(904));
    assert!(it.jwt.verify(&token).is_ok(), "within the leeway");
    it.clock.advance(Duration::from_secs(1));
    assert!(matches!(it.jwt.verify(&token), Err(TokenError::Expired(_))));
}

#[tokio::test]
async fn no_header_chooses_the_algorithm() {
    let it = fixture().await;
    let (header, claims) = (it.header(), it.claims().to_string());
    for alg in [json!("none"), json!("None"), json!("NONE"), json!(""), json!(1), json!(["EdDSA"])]
    {
        let mut header = header.clone();
        header["alg"] = alg.clone();
        let message = format!("{}.{}", base64url(header.to_string()), base64url(&claims));
        assert!(it.refuses(&format!("{message}.")), "{alg}");
        assert!(it.refuses(&it.with_header("alg", alg.clone())), "{alg}");
    }
    // HS256, keyed with every form of the public key a confused verifier might use.
    let jwks = it.keys.current().jwks(it.clock.now());
    let jwk = &jwks["keys"][0];
    let raw = from_base64url(jwk["x"].as_str().unwrap()).unwrap();
    for secret in [raw, jwk["x"].to_string().into_bytes(), jwk.to_string().into_bytes(), vec![]] {
        let mut header = header.clone();
        header["alg"] = json!("HS256");
        let message = format!("{}.{}", base64url(header.to_string()), base64url(&claims));
        let key = EncodingKey::from_secret(&secret);
        let signature = sign(message.as_bytes(), &key, Alg::HS256).unwrap();
        assert!(it.refuses(&format!("{message}.{signature}")));
    }
    let twice = it.header().to_string().replace("\"alg\"", "\"alg\":\"none\",\"alg\"");
    assert!(it.refuses(&it.signed(&twice, &claims)));
}

#[tokio::test]
async fn each_key_verifies_its_own_algorithm_only() {
    for &algorithm in Algorithm::VARIANTS {
        let it = fixture_of(algorithm).await;
        let own = it.header()["alg"].clone();
        for other in ["EdDSA", "ES256", "ES384", "RS256", "RS384", "PS256", "HS256", "HS512"] {
            let is_own = own == other;
            let token = it.with_header("alg", json!(other));
            assert_eq!(it.jwt.verify(&token).is_ok(), is_own, "{other} under {own}");
        }
    }
    // An RSA key can sign in other manners too. Only its own one counts.
    let it = fixture_of(Algorithm::Rs256).await;
    let mut header = it.header();
    header["alg"] = json!("PS256");
    let message =
        format!("{}.{}", base64url(header.to_string()), base64url(it.claims().to_string()));
    let keys = it.keys.current();
    let key = keys.signing(it.clock.now()).encoding();
    let signature = sign(message.as_bytes(), key, Alg::PS256).unwrap();
    assert!(it.refuses(&format!("{message}.{signature}")));
}

#[tokio::test]
async fn headers_that_are_not_of_an_access_token_are_refused() {
    let it = fixture().await;
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("")),
        ("typ", json!(null)),
        ("typ", json!("refresh+jwt")),
        ("kid", json!("unknown")),
        ("kid", json!("' OR 1=1 --")),
        ("kid", json!("../../key")),
        ("kid", json!("k".repeat(2000))),
        ("kid", json!(null)),
        ("crit", json!(["exp"])),
        ("crit", json!(null)),
        ("b64", json!(false)),
    ] {
        assert!(it.refuses(&it.with_header(name, value.clone())), "{name}: {value}");
    }
    for typ in ["AT+JWT", "application/at+jwt"] {
        assert!(it.jwt.verify(&it.with_header("typ", json!(typ))).is_ok(), "{typ}");
    }
}

#[tokio::test]
async fn a_key_that_a_token_brings_along_is_never_used() {
    let it = fixture().await;
    let other = fixture().await;
    let jwk = other.keys.current().jwks(other.clock.now())["keys"][0].clone();
    let mut header = it.header();
    header["jwk"] = jwk;
    header["jku"] = json!("http://127.0.0.1:1/jwks.json");
    let forged = other.signed(&header.to_string(), &it.claims().to_string());
    assert!(it.refuses(&forged));
}

#[tokio::test]
async fn claims_that_are_missing_foreign_or_of_another_type_are_refused() {
    let it = fixture().await;
    let now = it.clock.now().timestamp();
    for name in
        ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "auth_time", "client_id", "role"]
    {
        assert!(it.refuses(&it.without_claim(name)), "{name}");
        assert!(it.refuses(&it.with_claim(name, json!(null))), "{name}");
        assert!(it.refuses(&it.with_claim(name, json!({}))), "{name}");
    }
    for (name, value) in [
        ("iss", json!("https://issuer.example/")),
        ("iss", json!("https://ISSUER.example")),
        ("iss", json!(["https://issuer.example"])),
        ("aud", json!("https://other.example")),
        ("aud", json!([])),
        ("sub", json!("alice")),
        ("client_id", json!("other")),
        ("exp", json!("9999999999")),
        ("exp", json!(now + 1200)),
        ("exp", json!(-1)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(f64::from(i32::MAX) + 0.5)),
        ("nbf", json!(now + 3600)),
        ("nbf", json!("0")),
        ("iat", json!(now + 3600)),
    ] {
        assert!(it.refuses(&it.with_claim(name, value.clone())), "{name}: {value}");
    }
    let several = json!(["https://other.example", "https://api.example"]);
    assert!(it.jwt.verify(&it.with_claim("aud", several)).is_ok());
    let twice = it.claims().to_string().replace("\"sub\"", "\"sub\":\"x\",\"sub\"");
    assert!(it.refuses(&it.signed(&it.header().to_string(), &twice)));
}

#[tokio::test]
async fn another_spelling_of_a_good_token_is_no_token() {
    let it = fixture().await;
    let token = it.plain();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let last = signature.chars().last().unwrap();
    // The last of 86 characters carries two bits of padding: only one spelling is canonical.
    let other = ['A', 'Q', 'g', 'w', 'B', 'R', 'h', 'x'].into_iter().find(|c| *c != last).unwrap();
    let respelled = format!("{message}.{}{other}", &signature[..signature.len() - 1]);
    for wrong in [
        format!("{token}="),
        format!("{token}=="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}.{signature}"),
        format!("{token}.."),
        token.replace('.', ".."),
        token.replace(['-', '_'], "+") + "+",
        respelled,
        String::new(),
        "..".to_owned(),
        "a".repeat(400_000),
        "{\"payload\":\"\"}".to_owned(),
    ] {
        assert!(it.refuses(&wrong), "{}", &wrong[..wrong.len().min(80)]);
    }
    let deep = format!("{{\"sub\":{}}}", "[".repeat(5000));
    assert!(it.refuses(&it.signed(&it.header().to_string(), &deep)));
}
