//! What the client says about a ceremony (`CollectedClientData`, §5.8.1), and the checks of it that both ceremonies share.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::{Malformed, VerificationError};
use crate::relying_party::{Challenge, RelyingParty};

/// In bytes. Browsers write some 200; origins may have 253 characters of a host, and clients may add members.
pub(crate) const LENGTH_MAX: usize = 4096;

/// Which ceremony the client was asked to perform.
#[derive(Clone, Copy)]
pub(crate) enum Ceremony {
    Registration,
    Assertion,
}

impl Ceremony {
    /// The type in the client data.
    const fn client_data_type(self) -> &'static str {
        match self {
            Self::Registration => "webauthn.create",
            Self::Assertion => "webauthn.get",
        }
    }
}

/// Members of a JSON object without any of them twice: readers disagree about which of two counts.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = map.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is repeated"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Once)
    }
}

/// Steps 5 to 11 of §7.1, which are steps 8 to 14 of §7.2.
pub(crate) fn verify(
    client_data: &[u8],
    ceremony: Ceremony,
    relying_party: &RelyingParty,
    challenge: &Challenge,
) -> Result<(), VerificationError> {
    // The specification would have a byte order mark removed. Clients write none, and JSON has none.
    let text = str::from_utf8(client_data).map_err(|_| Malformed("clientDataJSON is not UTF-8"))?;
    let Members(members) =
        serde_json::from_str(text).map_err(|_| Malformed("clientDataJSON is not a JSON object"))?;
    let text_of =
        |name: &str, missing: Malformed| members.get(name).and_then(Value::as_str).ok_or(missing);

    let kind = text_of("type", Malformed("clientDataJSON.type is not a string"))?;
    if kind != ceremony.client_data_type() {
        return Err(VerificationError::Type);
    }
    let answered = text_of("challenge", Malformed("clientDataJSON.challenge is not a string"))?;
    verify_slices_are_equal(answered.as_bytes(), challenge.to_base64url().as_bytes())
        .map_err(|_| VerificationError::Challenge)?;
    let origin = text_of("origin", Malformed("clientDataJSON.origin is not a string"))?;
    if !relying_party.origins.iter().any(|expected| expected == origin) {
        return Err(VerificationError::Origin);
    }
    match members.get("crossOrigin") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => return Err(VerificationError::CrossOrigin),
        Some(_) => return Err(Malformed("clientDataJSON.crossOrigin is not a boolean").into()),
    }
    // Clients write it only for a page within one of another origin.
    if members.contains_key("topOrigin") {
        return Err(VerificationError::CrossOrigin);
    }
    // Level 3 has no token binding. By Level 2 a client may say that it supports it; what it says of a connection's
    // binding nobody behind a proxy can check.
    match members.get("tokenBinding") {
        None => Ok(()),
        Some(Value::Object(binding)) if binding.get("status") == Some(&"supported".into()) => {
            Ok(())
        }
        Some(_) => Err(Malformed("clientDataJSON.tokenBinding is not supported").into()),
    }
}
