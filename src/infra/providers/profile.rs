//! From what a provider says to what we take it to have said: providers differ.

use serde_json::Value;

use super::claims::{self, Claims, email, full_name, picture, subject, username};
use super::error::Refusal;
use super::settings::ClaimNames;
use super::{Assertion, Kind, apple};

/// Who somebody is by their ID token, and by the profile that was asked for beside it.
pub(super) fn of_id_token(
    kind: Kind,
    id_token: &Claims,
    profile: &Claims,
    posted: Option<&str>,
) -> Result<Assertion, Refusal> {
    let either = |name| id_token.get(name).or_else(|| profile.get(name));
    // Where the address is, there its proof has to be.
    let about_address = if id_token.get("email").is_some() { id_token } else { profile };
    let address = email(about_address.get("email"));
    let posted_name = posted.filter(|_| kind == Kind::Apple).and_then(apple::posted_name);
    let signed_subject = id_token.get("sub").filter(|subject| subject.is_string());
    Ok(Assertion {
        issuer: id_token.text("iss").ok_or(Refusal::Issuer)?.to_owned(),
        subject: subject(signed_subject).ok_or(Refusal::Subject)?,
        email_verified: address
            .as_deref()
            .is_some_and(|address| is_proven(kind, about_address, address)),
        email: address,
        username: username(either("preferred_username")),
        full_name: full_name(either("name")).or(posted_name),
        picture: picture(either("picture")),
        auth_time: id_token.time("auth_time"),
    })
}

/// Where Google gives addresses out; the second is what the first was called in some countries.
const GOOGLE_DOMAINS: [&str; 2] = ["gmail.com", "googlemail.com"];

/// Whether a provider of this kind says that an address is its holder's.
fn is_proven(kind: Kind, claims: &Claims, address: &str) -> bool {
    let is_verified = claims.is_true("email_verified");
    match kind {
        // Of other addresses Google knows only that they were its holder's once.
        Kind::Google => {
            let domain = address.rsplit('@').next().unwrap_or_default();
            let is_in_workspace = claims.text("hd").is_some_and(|domain| !domain.is_empty());
            let is_its_own = GOOGLE_DOMAINS.iter().any(|own| domain.eq_ignore_ascii_case(own));
            is_verified && (is_its_own || is_in_workspace)
        }
        // Every administrator of a tenant writes into `email` what they like.
        Kind::Microsoft => match claims.get("xms_edov") {
            Some(Value::Bool(is_owned)) => *is_owned,
            Some(Value::Number(number)) => number.as_u64() == Some(1),
            _ => false,
        },
        Kind::Apple => is_verified || claims.text("email_verified") == Some("true"),
        Kind::Oidc | Kind::Github | Kind::Oauth2 => is_verified,
    }
}

/// Who somebody is by the profile of a provider without ID tokens, in the operator's words.
pub(super) fn of_userinfo(
    issuer: &str,
    profile: &Claims,
    names: &ClaimNames,
) -> Result<Assertion, Refusal> {
    let fact = |name| profile.named(names, name);
    let address = email(fact("email"));
    Ok(Assertion {
        issuer: issuer.to_owned(),
        subject: claims::subject(fact("sub")).ok_or(Refusal::Subject)?,
        email_verified: address.is_some() && fact("email_verified") == Some(&Value::Bool(true)),
        email: address,
        username: username(fact("preferred_username")),
        full_name: full_name(fact("name")),
        picture: picture(fact("picture")),
        auth_time: None,
    })
}
