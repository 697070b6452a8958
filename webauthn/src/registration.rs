//! Registering a credential: WebAuthn Level 3, §7.1, step by step.
//!
//! | step | what | where |
//! |---|---|---|
//! | 1, 2 | options; the page calls `navigator.credentials.create()` | `options.rs`; the page |
//! | 3 | the response is of an attestation | `attestationObject` must be there |
//! | 4 | outputs of client extensions | `credProps.rk` is read, others are ignored |
//! | 5 to 11 | type, challenge, origin and framing in the client data | `client_data.rs` |
//! | 12 | SHA-256 of the client data | here, for an attestation by the credential's own key |
//! | 13 | the attestation object is CBOR | here |
//! | 14 to 17 | RP ID, presence, verification, backup flags | `authenticator_data.rs` |
//! | 18, 19 | backups in the policy of the relying party | the caller, which gets both flags |
//! | 20 | the algorithm is one that was asked for | `public_key.rs` |
//! | 21 to 24 | the attestation | here: `none`, or `packed` by the credential's own key, which is what clients leave of an attestation where none was asked for (§5.1.3); no trust anchors |
//! | 25 | an id of at most 1023 bytes | `authenticator_data.rs` |
//! | 26 | nobody has the credential yet | the caller, by a unique constraint |
//! | 27 | what is stored | [`Registered`] |
//! | 28 | outputs of extensions | of the client as in step 4; of the authenticator they must be a CBOR map, and are ignored |
//! | 29 | storing, or refusing | the caller |

use std::str::FromStr;

use portcullis_kernel::secret::sha256;
use serde_json::{Map, Value};

use crate::authenticator_data::{self, AuthenticatorData, UserPresence};
use crate::cbor;
use crate::client_data::{self, Ceremony};
use crate::credential::Credential;
use crate::error::{Malformed, VerificationError};
use crate::public_key::PublicKey;
use crate::relying_party::{Challenge, RelyingParty, UserVerification};
use crate::transport::Transport;

/// In bytes: the authenticator data, and statements with some certificates, so that those are refused for what they are. Read,
/// it takes up to fifty times as much memory.
const ATTESTATION_OBJECT_LENGTH_MAX: usize = authenticator_data::LENGTH_MAX + 4 * 1024;
/// More than there are, so that unknown ones fit in.
const TRANSPORTS_MAX: usize = 16;

/// A verified registration: what to store, with the account of the session that began the ceremony.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Unique among all accounts, by a constraint (step 26).
    pub credential_id: Vec<u8>,
    /// What verifies the credential's assertions.
    pub public_key: PublicKey,
    /// 0 for credentials without a counter.
    pub sign_count: u32,
    /// Whether the authenticator verified who its user is.
    pub user_verified: bool,
    /// Whether the credential can be backed up or synced, which never changes.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
    /// Hints for later options; those that are known, each once.
    pub transports: Vec<Transport>,
    /// Says what model the authenticator is, unproven; often zeros.
    pub aaguid: [u8; 16],
    /// Whether it can be found without a username, where the client says (`credProps.rk`), unsigned.
    pub is_discoverable: Option<bool>,
}

impl RelyingParty {
    /// Verifies the answer to [`creation_options`](Self::creation_options), a `RegistrationResponseJSON`.
    ///
    /// The caller makes sure that the challenge is used once and for no other ceremony, and that nobody has the credential yet.
    pub fn verify_registration(
        &self,
        challenge: &Challenge,
        verification: UserVerification,
        credential: &Value,
    ) -> Result<Registered, VerificationError> {
        self.verify_creation(challenge, UserPresence::Required, verification, credential)
    }

    /// Like [`verify_registration`](Self::verify_registration), for a credential that the client made without asking, with
    /// mediation `conditional`: then nobody need have touched the authenticator (step 15), or been verified.
    pub fn verify_conditional_registration(
        &self,
        challenge: &Challenge,
        credential: &Value,
    ) -> Result<Registered, VerificationError> {
        let verification = UserVerification::Preferred;
        self.verify_creation(challenge, UserPresence::Optional, verification, credential)
    }

    fn verify_creation(
        &self,
        challenge: &Challenge,
        presence: UserPresence,
        verification: UserVerification,
        credential: &Value,
    ) -> Result<Registered, VerificationError> {
        let credential = Credential::parse(credential)?;
        let client_data = credential.required("clientDataJSON", client_data::LENGTH_MAX)?;
        let object = credential.required("attestationObject", ATTESTATION_OBJECT_LENGTH_MAX)?;
        let transports = transports(credential.response)?;
        let is_discoverable = discoverable(credential.extension_results)?;

        client_data::verify(&client_data, Ceremony::Registration, self, challenge)?;
        let attestation = Attestation::parse(&object)?;
        let data = AuthenticatorData::parse(&attestation.authenticator_data)?;
        data.verify(self, presence, verification)?;
        let attested = data
            .credential
            .as_ref()
            .ok_or(Malformed("the authenticator data contain no credential"))?;
        let public_key = PublicKey::from_cose(attested.public_key)?;
        attestation.verify(&public_key, &client_data)?;
        if attested.id != credential.id {
            return Err(VerificationError::CredentialMismatch);
        }
        Ok(Registered {
            public_key,
            sign_count: data.sign_count,
            user_verified: data.is_user_verified(),
            backup_eligible: data.is_backup_eligible(),
            backed_up: data.is_backed_up(),
            transports,
            aaguid: attested.aaguid,
            is_discoverable,
            credential_id: credential.id,
        })
    }
}

/// An attestation object (§6.5.4).
struct Attestation {
    format: String,
    statement: cbor::Entries,
    authenticator_data: Vec<u8>,
}

impl Attestation {
    fn parse(object: &[u8]) -> Result<Self, Malformed> {
        let mut members =
            cbor::map(object).ok_or(Malformed("attestationObject is not a canonical CBOR map"))?;
        let mut member = |name: &'static str| cbor::take(&mut members, name);
        let format = member("fmt").and_then(|value| value.into_text().ok());
        let statement = member("attStmt").and_then(|value| value.into_map().ok());
        let authenticator_data = member("authData").and_then(|value| value.into_bytes().ok());
        Ok(Self {
            format: format.ok_or(Malformed("attestationObject.fmt is not text"))?,
            statement: statement.ok_or(Malformed("attestationObject.attStmt is not a map"))?,
            authenticator_data: authenticator_data
                .ok_or(Malformed("attestationObject.authData are not bytes"))?,
        })
    }

    /// §8.7, and §8.2 without a certificate: the key signs for itself, which proves that its holder has it and no more.
    fn verify(&self, key: &PublicKey, client_data: &[u8]) -> Result<(), VerificationError> {
        let Self { format, statement, authenticator_data } = self;
        let member = |name: &str| {
            statement.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
        };
        match (format.as_str(), statement.len()) {
            ("none", 0) => Ok(()),
            ("packed", 2) if member("alg") == Some(&key.algorithm().cose_identifier().into()) => {
                let signature = member("sig").and_then(cbor::Value::as_bytes);
                let signed = [&authenticator_data[..], &sha256(client_data)].concat();
                signature
                    .and_then(|signature| key.verify(&signed, signature).ok())
                    .ok_or(VerificationError::Attestation)
            }
            _ => Err(VerificationError::Attestation),
        }
    }
}

/// Clients may know others, which are ignored.
fn transports(response: &Map<String, Value>) -> Result<Vec<Transport>, Malformed> {
    let named = match response.get("transports") {
        None => return Ok(Vec::new()),
        Some(Value::Array(named)) if named.len() <= TRANSPORTS_MAX => named,
        Some(_) => return Err(Malformed("transports")),
    };
    let mut known = Vec::new();
    for name in named {
        let name = name.as_str().ok_or(Malformed("transports"))?;
        match Transport::from_str(name) {
            Ok(transport) if !known.contains(&transport) => known.push(transport),
            Ok(_) | Err(strum::ParseError::VariantNotFound) => {}
        }
    }
    Ok(known)
}

fn discoverable(results: Option<&Map<String, Value>>) -> Result<Option<bool>, Malformed> {
    let properties = match results.and_then(|results| results.get("credProps")) {
        None => return Ok(None),
        Some(properties) => properties.as_object().ok_or(Malformed("credProps"))?,
    };
    match properties.get("rk") {
        None => Ok(None),
        Some(value) => value.as_bool().map(Some).ok_or(Malformed("credProps.rk")),
    }
}

#[cfg(test)]
mod tests;
