//! The ID tokens of the stand-in, right and wrong.

use serde_json::{Map, Value, json};

use super::fault::{ExchangeFault, Fault, TokenFault};
use super::keys::{Algorithm, FIRST, KeySet, SECOND, base64url, hs256, unsigned, with_signature};
use super::{CLIENT_ID, CLIENT_SECRET, Conduct};

/// What an ID token is made for.
pub(crate) struct Subject<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) nonce: &'a str,
    /// Where nobody may fetch anything from.
    pub(crate) trap: &'a str,
}

/// An ID token as the conduct of its issuer has it.
pub(crate) fn issue(conduct: &Conduct, subject: &Subject<'_>, keys: &KeySet) -> String {
    let mut claims = claims(conduct, subject);
    let algorithm = conduct.algorithm;
    let mut header = json!({ "typ": "JWT", "alg": algorithm.name(), "kid": keys.kid(algorithm) });
    let Some(fault) = conduct.token_fault() else {
        return sign(keys, algorithm, &header, claims.to_string().as_bytes());
    };
    distort_claims(fault, &mut claims, conduct.now());
    if let Some(text) = distorted_text(fault, &claims) {
        return sign(keys, algorithm, &header, &text);
    }
    let text = claims.to_string();
    if let Some(key) = symmetric(fault, keys) {
        header["alg"] = "HS256".into();
        if fault == TokenFault::HmacWithPublishedKey {
            header["kid"] = PUBLISHED.into();
        }
        let unsigned = unsigned(header.to_string().as_bytes(), text.as_bytes());
        return with_signature(&unsigned, &hs256(&key, unsigned.as_bytes()));
    }
    distort_header(fault, &mut header, subject);
    let signer = match fault {
        TokenFault::KeyOfAttacker | TokenFault::EmbeddedJwk | TokenFault::ForeignJwksUrl => &SECOND,
        _ => keys,
    };
    let signed_by = match fault {
        TokenFault::RsaUnderKidOfEc => Algorithm::Rs256,
        _ => algorithm,
    };
    let token = sign(signer, signed_by, &header, text.as_bytes());
    distort_token(fault, &token)
}

fn claims(conduct: &Conduct, subject: &Subject<'_>) -> Value {
    let (now, person) = (conduct.now(), &conduct.person);
    let mut claims = json!({
        "iss": subject.issuer, "sub": person.sub, "aud": conduct.audience, "nonce": subject.nonce,
        "iat": now, "exp": now + 300,
    });
    if let Some(at) = &conduct.auth_time() {
        claims["auth_time"] = at.clone();
    }
    if conduct.fault == Some(Fault::Exchange(ExchangeFault::AccessTokenOfAnother)) {
        claims["at_hash"] = base64url([0; 16]).into();
    }
    if conduct.says_facts_in_token() {
        add(&mut claims, person.facts());
    }
    claims
}

pub(super) fn add(to: &mut Value, facts: Map<String, Value>) {
    to.as_object_mut().unwrap().extend(facts);
}

fn sign(keys: &KeySet, algorithm: Algorithm, header: &Value, claims: &[u8]) -> String {
    let unsigned = unsigned(header.to_string().as_bytes(), claims);
    with_signature(&unsigned, &keys.sign(algorithm, unsigned.as_bytes()))
}

/// What the claims say.
fn distort_claims(fault: TokenFault, claims: &mut Value, now: i64) {
    const DAY: i64 = 24 * 60 * 60;
    let issuer = claims["iss"].as_str().unwrap().to_owned();
    let (name, value) = match fault {
        TokenFault::WrongNonce => ("nonce", "0".repeat(43).into()),
        TokenFault::NoNonce => ("nonce", Value::Null),
        TokenFault::NonceIsNumber => ("nonce", 1.into()),
        TokenFault::WrongAudience => ("aud", "another client".into()),
        TokenFault::NoAudience => ("aud", Value::Null),
        TokenFault::AudiencesWithoutAzp => ("aud", json!([CLIENT_ID, "another client"])),
        TokenFault::WrongAzp => ("azp", "another client".into()),
        TokenFault::Expired => ("exp", (now - DAY).into()),
        TokenFault::NoExpiry => ("exp", Value::Null),
        TokenFault::ExpiryIsText => ("exp", (now + 300).to_string().into()),
        TokenFault::NotYetValid => ("nbf", (now + DAY).into()),
        TokenFault::IssuedInFuture => ("iat", (now + DAY).into()),
        TokenFault::IssuedLongAgo => ("iat", (now - 400 * DAY).into()),
        TokenFault::IssuedIsText => ("iat", now.to_string().into()),
        TokenFault::NoIssuedAt => ("iat", Value::Null),
        TokenFault::OtherIssuer => ("iss", "https://accounts.example.com".into()),
        TokenFault::IssuerWithSlash => ("iss", format!("{issuer}/").into()),
        TokenFault::NoIssuer => ("iss", Value::Null),
        TokenFault::NoSubject => ("sub", Value::Null),
        TokenFault::EmptySubject => ("sub", "".into()),
        TokenFault::SubjectIsNumber => ("sub", 7.into()),
        TokenFault::LongSubject => ("sub", "a".repeat(256).into()),
        TokenFault::SubjectWithNul => ("sub", "a\0b".into()),
        TokenFault::TooLong => ("filler", "a".repeat(600_000).into()),
        _ => return,
    };
    let claims = claims.as_object_mut().unwrap();
    match value {
        Value::Null => claims.remove(name),
        value => claims.insert(name.to_owned(), value),
    };
}

/// Claims that no library would write.
fn distorted_text(fault: TokenFault, claims: &Value) -> Option<Vec<u8>> {
    let text = claims.to_string();
    let doubled = |name: &str, value: &str| {
        let inside = &text[1..text.len() - 1];
        format!("{{\"{name}\":\"{value}\",{inside}}}").into_bytes()
    };
    Some(match fault {
        TokenFault::DuplicateSubject => doubled("sub", "the victim"),
        TokenFault::DuplicateIssuer => doubled("iss", "https://accounts.example.com"),
        TokenFault::ClaimsAreArray => format!("[{text}]").into_bytes(),
        TokenFault::ClaimsAreNoJson => b"sub=admin".to_vec(),
        TokenFault::DeepClaims => {
            let (open, close) = ("[".repeat(20_000), "]".repeat(20_000));
            format!("{{\"deep\":{open}{close},{}", &text[1..]).into_bytes()
        }
        TokenFault::InvalidUtf8 => {
            let mut bytes = b"{\"name\":\"\xff\xfe\",".to_vec();
            bytes.extend(&text.as_bytes()[1..]);
            bytes
        }
        _ => return None,
    })
}

/// The name of the symmetric key among the published ones.
pub(super) const PUBLISHED: &str = "published";
/// That key.
pub(super) const PUBLISHED_KEY: &[u8] = b"everybody may read this key, which is long enough";

/// What a confused verifier would take for the key of HS256.
fn symmetric(fault: TokenFault, keys: &KeySet) -> Option<Vec<u8>> {
    let jwk = keys.jwk(Algorithm::Rs256);
    Some(match fault {
        TokenFault::HmacWithPem => keys.pem(),
        TokenFault::HmacWithDer => keys.der(),
        TokenFault::HmacWithJwk => jwk.to_string().into_bytes(),
        TokenFault::HmacWithModulus => jwk["n"].as_str().unwrap().as_bytes().to_vec(),
        TokenFault::HmacWithClientSecret => CLIENT_SECRET.as_bytes().to_vec(),
        TokenFault::HmacWithPublishedKey => PUBLISHED_KEY.to_vec(),
        _ => return None,
    })
}

fn distort_header(fault: TokenFault, header: &mut Value, subject: &Subject<'_>) {
    match fault {
        TokenFault::AlgNone => header["alg"] = "none".into(),
        TokenFault::AlgNoneInCapitals => header["alg"] = "NONE".into(),
        TokenFault::UnknownKid => header["kid"] = "nobody's".into(),
        TokenFault::KidWithPath => header["kid"] = "../../../../dev/null".into(),
        TokenFault::KidIsNumber => header["kid"] = 1.into(),
        TokenFault::NoKidWithTwoKeys => drop(header.as_object_mut().unwrap().remove("kid")),
        TokenFault::RsaUnderKidOfEc => {
            header["alg"] = "RS256".into();
            header["kid"] = FIRST.kid(Algorithm::Es256).into();
        }
        TokenFault::CritHeader => {
            header["crit"] = json!(["http://example.com/must-understand"]);
            header["http://example.com/must-understand"] = true.into();
        }
        TokenFault::EmbeddedJwk => {
            header["jwk"] = SECOND.jwk(Algorithm::Rs256);
            header["kid"] = SECOND.kid(Algorithm::Rs256).into();
        }
        TokenFault::ForeignJwksUrl => {
            header["jku"] = subject.trap.into();
            header["x5u"] = subject.trap.into();
            header["kid"] = SECOND.kid(Algorithm::Rs256).into();
        }
        _ => {}
    }
}

fn distort_token(fault: TokenFault, token: &str) -> String {
    let (unsigned, signature) = token.rsplit_once('.').unwrap();
    match fault {
        TokenFault::AlgNone | TokenFault::AlgNoneInCapitals => format!("{unsigned}."),
        TokenFault::NoSignature => unsigned.to_owned(),
        TokenFault::BrokenSignature => {
            let first = if signature.starts_with('A') { 'B' } else { 'A' };
            format!("{unsigned}.{first}{}", &signature[1..])
        }
        TokenFault::ThreeDots => format!("{token}.{}", base64url("more")),
        TokenFault::NotAToken => "hello".to_owned(),
        TokenFault::Padded => format!("{token}=="),
        _ => token.to_owned(),
    }
}

/// The keys that an issuer publishes.
pub(super) fn published(fault: Option<TokenFault>, keys: &KeySet) -> Vec<Value> {
    let mut published = keys.jwks();
    match fault {
        Some(TokenFault::NoKeysAtAll) => published.clear(),
        Some(TokenFault::KeyForEncryption) => {
            for key in &mut published {
                key["use"] = "enc".into();
            }
        }
        Some(TokenFault::NoKidWithTwoKeys) => published.extend(SECOND.jwks()),
        Some(TokenFault::HmacWithPublishedKey) => published.push(json!({
            "kty": "oct", "kid": PUBLISHED, "alg": "HS256", "use": "sig", "k": base64url(PUBLISHED_KEY),
        })),
        // A token that names the key wrongly is wrong even where nothing tells the keys apart but their names.
        Some(TokenFault::UnknownKid | TokenFault::KidWithPath | TokenFault::RsaUnderKidOfEc) => {
            for key in &mut published {
                key.as_object_mut().unwrap().remove("alg");
            }
        }
        Some(TokenFault::RetiredKey) => published = SECOND.jwks(),
        _ => {}
    }
    published
}
