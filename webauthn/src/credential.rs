//! The JSON form of a response, which `PublicKeyCredential.toJSON()` makes (§5.1.8, §5.1.9): what both ceremonies have.
//!
//! Unknown members are ignored. So are `publicKey`, `publicKeyAlgorithm` and `authenticatorData` of a registration, which
//! repeat parts of the attestation object for programs that cannot read CBOR.

use portcullis_kernel::secret::from_base64url;
use serde_json::{Map, Value};

use crate::authenticator_data::CREDENTIAL_ID_LENGTH_MAX;
use crate::error::Malformed;

/// A response of either kind.
pub(crate) struct Credential<'a> {
    pub(crate) id: Vec<u8>,
    /// What the authenticator answered.
    pub(crate) response: &'a Map<String, Value>,
    /// The outputs of the client's extensions, where the response has them.
    pub(crate) extension_results: Option<&'a Map<String, Value>>,
}

impl<'a> Credential<'a> {
    pub(crate) fn parse(value: &'a Value) -> Result<Self, Malformed> {
        let members = value.as_object().ok_or(Malformed("it is not an object"))?;
        let id = bytes(members, "id", CREDENTIAL_ID_LENGTH_MAX)?
            .filter(|id| !id.is_empty())
            .ok_or(Malformed("id is missing"))?;
        // Both are the same bytes, in their one encoding.
        if members.get("rawId") != members.get("id") {
            return Err(Malformed("rawId differs from id"));
        }
        if members.get("type").and_then(Value::as_str) != Some("public-key") {
            return Err(Malformed("type is not \"public-key\""));
        }
        match members.get("authenticatorAttachment") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text == "platform" || text == "cross-platform" => {}
            Some(_) => return Err(Malformed("authenticatorAttachment has an unknown value")),
        }
        let response = members
            .get("response")
            .and_then(Value::as_object)
            .ok_or(Malformed("response is not an object"))?;
        let extension_results = match members.get("clientExtensionResults") {
            None => None,
            Some(Value::Object(results)) => Some(results),
            Some(_) => return Err(Malformed("clientExtensionResults is not an object")),
        };
        Ok(Self { id, response, extension_results })
    }

    /// Bytes of the response that it must have.
    pub(crate) fn required(
        &self,
        name: &'static str,
        length_max: usize,
    ) -> Result<Vec<u8>, Malformed> {
        bytes(self.response, name, length_max)?.ok_or(Malformed(name))
    }
}

/// Bytes in base64url, which has one encoding for them. `None` where the member is missing or null; an error that names the
/// member where it is anything else.
pub(crate) fn bytes(
    members: &Map<String, Value>,
    name: &'static str,
    length_max: usize,
) -> Result<Option<Vec<u8>>, Malformed> {
    let text = match members.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return Err(Malformed(name)),
    };
    // Before it is decoded: a stranger chose how long it is.
    if text.len() > length_max.div_ceil(3) * 4 {
        return Err(Malformed(name));
    }
    let bytes = from_base64url(text).filter(|bytes| bytes.len() <= length_max);
    bytes.map(Some).ok_or(Malformed(name))
}
