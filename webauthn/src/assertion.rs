//! Verifying an assertion: WebAuthn Level 3, §7.2, step by step.
//!
//! | step | what | where |
//! |---|---|---|
//! | 1, 2 | options; the page calls `navigator.credentials.get()` | `options.rs`; the page |
//! | 3 | the response is of an assertion | `authenticatorData` and `signature` must be there |
//! | 4 | outputs of client extensions | none is asked for, all are ignored |
//! | 5 | the credential is one of those that were allowed | the caller, who has allowed them |
//! | 6 | whose credential it is, and that the user handle is theirs | the caller, by [`Assertion::credential_id`] and [`Assertion::user_handle`] |
//! | 7 | client data, authenticator data, signature | [`Assertion::parse`] |
//! | 8 to 14 | type, challenge, origin and framing in the client data | `client_data.rs` |
//! | 15 to 18 | RP ID, presence, verification, backup flags | `authenticator_data.rs` |
//! | 19 | eligibility for backups is what it was | here; the caller has a policy about the rest |
//! | 20, 21 | the signature over authenticator data and SHA-256 of the client data | here |
//! | 22 | the counter rises, or both are 0 | here, after the signature: a counter that nobody signed says nothing |
//! | 23 | outputs of extensions | must be a CBOR map, and are ignored |
//! | 24 | what is updated | [`Asserted`] |
//! | 25 | letting the user in, or refusing | the caller |

use portcullis_kernel::secret::sha256;
use serde_json::Value;

use crate::authenticator_data::{self, AuthenticatorData, UserPresence};
use crate::client_data::{self, Ceremony};
use crate::credential::{self, Credential};
use crate::error::{Malformed, VerificationError};
use crate::public_key::PublicKey;
use crate::relying_party::{Challenge, RelyingParty, UserVerification};

/// In bytes: that of an RSA key of 4096 bits.
const SIGNATURE_LENGTH_MAX: usize = 512;
/// In bytes (§5.4.3).
const USER_HANDLE_LENGTH_MAX: usize = 64;

/// An `AuthenticationResponseJSON` that was read and not yet verified.
#[derive(Clone, Debug)]
pub struct Assertion {
    credential_id: Vec<u8>,
    user_handle: Option<Vec<u8>>,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
}

/// What is stored of the credential that an assertion names.
#[derive(Clone, Copy, Debug)]
pub struct StoredCredential<'a> {
    /// The credential's id.
    pub id: &'a [u8],
    /// The COSE_Key, as [`PublicKey::to_cose`] returned it.
    pub public_key: &'a [u8],
    /// As of the last assertion, or else of the registration.
    pub sign_count: u32,
    /// As of the registration.
    pub backup_eligible: bool,
}

/// A verified assertion: what to update of the credential, and what was proven beside its possession.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asserted {
    /// Store it on the condition that the stored one is still what was verified: of two assertions with one counter, one holds.
    pub sign_count: u32,
    /// Whether the authenticator verified who its user is.
    pub user_verified: bool,
    /// Whether the credential is backed up or synced by now.
    pub backed_up: bool,
}

impl Assertion {
    /// Reads a response. Nothing in it is proven; the id says which credential to verify it with.
    pub fn parse(credential: &Value) -> Result<Self, VerificationError> {
        let parsed = Credential::parse(credential)?;
        let user_handle = credential::bytes(parsed.response, "userHandle", USER_HANDLE_LENGTH_MAX)?;
        Ok(Self {
            // Clients have sent an empty one for an authenticator that returns none. No account has it.
            user_handle: user_handle.filter(|handle| !handle.is_empty()),
            client_data: parsed.required("clientDataJSON", client_data::LENGTH_MAX)?,
            authenticator_data: parsed
                .required("authenticatorData", authenticator_data::LENGTH_MAX)?,
            signature: parsed.required("signature", SIGNATURE_LENGTH_MAX)?,
            credential_id: parsed.id,
        })
    }

    /// Which credential it claims to be of.
    #[must_use]
    pub fn credential_id(&self) -> &[u8] {
        &self.credential_id
    }

    /// Which account it claims to be of. Discoverable credentials always say. The caller compares it with the handle of the account
    /// that has the credential (step 6); it is not signed.
    #[must_use]
    pub fn user_handle(&self) -> Option<&[u8]> {
        self.user_handle.as_deref()
    }
}

impl RelyingParty {
    /// Verifies an answer to [`request_options`](Self::request_options) with the credential that it names.
    ///
    /// The caller makes sure that the challenge is used once and for no other ceremony, and that the credential is one that was
    /// asked for, of the account that the user handle names (steps 5 and 6).
    pub fn verify_assertion(
        &self,
        challenge: &Challenge,
        verification: UserVerification,
        stored: &StoredCredential<'_>,
        assertion: &Assertion,
    ) -> Result<Asserted, VerificationError> {
        if assertion.credential_id != stored.id {
            return Err(VerificationError::CredentialMismatch);
        }
        client_data::verify(&assertion.client_data, Ceremony::Assertion, self, challenge)?;
        let data = AuthenticatorData::parse(&assertion.authenticator_data)?;
        data.verify(self, UserPresence::Required, verification)?;
        if data.credential.is_some() {
            return Err(Malformed("the authenticator data contain a credential").into());
        }
        if data.is_backup_eligible() != stored.backup_eligible {
            return Err(VerificationError::Backup);
        }
        let signed = [&assertion.authenticator_data[..], &sha256(&assertion.client_data)].concat();
        PublicKey::from_cose(stored.public_key)?.verify(&signed, &assertion.signature)?;

        // Both are 0 where there is no counter.
        let (stored, presented) = (stored.sign_count, data.sign_count);
        if stored > 0 && presented <= stored {
            return Err(VerificationError::Counter { stored, presented });
        }
        Ok(Asserted {
            sign_count: presented,
            user_verified: data.is_user_verified(),
            backed_up: data.is_backed_up(),
        })
    }
}

#[cfg(test)]
mod tests;
