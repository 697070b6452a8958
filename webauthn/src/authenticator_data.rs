//! What the authenticator says, and signs (authenticator data, §6.1), and the checks of it that both ceremonies share.
//!
//! | bytes | what |
//! |---|---|
//! | 32 | the SHA-256 of the RP ID |
//! | 1 | flags |
//! | 4 | the signature counter |
//! | with flag AT | the credential: 16 bytes of AAGUID, a length of 2 bytes, its id, its key as a CBOR map |
//! | with flag ED | the outputs of extensions, a CBOR map |
//!
//! Nothing else may follow. Flags that are reserved for later are ignored, as §6.1 has them.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use portcullis_kernel::secret;

use crate::cbor;
use crate::error::{Malformed, VerificationError};
use crate::public_key;
use crate::relying_party::{RelyingParty, UserVerification};

/// In bytes. A key of 4096 bits and the longest id take 1,608; the rest is for extensions.
pub(crate) const LENGTH_MAX: usize = 4096;
/// In bytes (§7.1 step 25).
pub(crate) const CREDENTIAL_ID_LENGTH_MAX: usize = 1023;

/// Whether somebody must have touched the authenticator.
#[derive(Clone, Copy)]
pub(crate) enum UserPresence {
    Required,
    /// The client made the credential unasked, after a sign-in with a password (mediation `conditional`).
    Optional,
}

#[derive(Clone, Copy)]
struct Flags(u8);

impl Flags {
    const USER_PRESENT: u8 = 1;
    const USER_VERIFIED: u8 = 1 << 2;
    const BACKUP_ELIGIBLE: u8 = 1 << 3;
    const BACKED_UP: u8 = 1 << 4;
    const ATTESTED_CREDENTIAL: u8 = 1 << 6;
    const EXTENSIONS: u8 = 1 << 7;

    const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// The credential that a registration brings (attested credential data, §6.5.1).
pub(crate) struct AttestedCredential<'a> {
    pub(crate) aaguid: [u8; 16],
    pub(crate) id: &'a [u8],
    /// CBOR, of which it is known only that it is a map.
    pub(crate) public_key: &'a [u8],
}

/// Authenticator data, taken apart.
pub(crate) struct AuthenticatorData<'a> {
    relying_party_id_hash: &'a [u8; 32],
    flags: Flags,
    pub(crate) sign_count: u32,
    pub(crate) credential: Option<AttestedCredential<'a>>,
}

impl<'a> AuthenticatorData<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > LENGTH_MAX {
            return Err(Malformed("the authenticator data are too long"));
        }
        let mut rest = bytes;
        let relying_party_id_hash = take::<32>(&mut rest)?;
        let [flags] = *take(&mut rest)?;
        let flags = Flags(flags);
        let sign_count = u32::from_be_bytes(*take(&mut rest)?);
        let credential = if flags.has(Flags::ATTESTED_CREDENTIAL) {
            Some(AttestedCredential::parse(&mut rest)?)
        } else {
            None
        };
        if flags.has(Flags::EXTENSIONS) {
            // None were asked for that the authenticator answers, and what nobody asked for may be ignored (§7.1 step 28).
            (_, rest) = cbor::first_map(rest)
                .ok_or(Malformed("the outputs of extensions are not a canonical CBOR map"))?;
        }
        if !rest.is_empty() {
            return Err(Malformed("more bytes follow the authenticator data"));
        }
        Ok(Self { relying_party_id_hash, flags, sign_count, credential })
    }

    /// Steps 14 to 17 of §7.1, which are steps 15 to 18 of §7.2.
    pub(crate) fn verify(
        &self,
        relying_party: &RelyingParty,
        presence: UserPresence,
        verification: UserVerification,
    ) -> Result<(), VerificationError> {
        let expected = secret::sha256(relying_party.id.as_bytes());
        verify_slices_are_equal(self.relying_party_id_hash, &expected)
            .map_err(|_| VerificationError::RelyingParty)?;
        match presence {
            UserPresence::Required if !self.flags.has(Flags::USER_PRESENT) => {
                return Err(VerificationError::UserNotPresent);
            }
            UserPresence::Required | UserPresence::Optional => {}
        }
        match verification {
            UserVerification::Required if !self.is_user_verified() => {
                return Err(VerificationError::UserNotVerified);
            }
            UserVerification::Required | UserVerification::Preferred => {}
        }
        if self.is_backed_up() && !self.is_backup_eligible() {
            return Err(VerificationError::Backup);
        }
        Ok(())
    }

    pub(crate) const fn is_user_verified(&self) -> bool {
        self.flags.has(Flags::USER_VERIFIED)
    }

    pub(crate) const fn is_backup_eligible(&self) -> bool {
        self.flags.has(Flags::BACKUP_ELIGIBLE)
    }

    pub(crate) const fn is_backed_up(&self) -> bool {
        self.flags.has(Flags::BACKED_UP)
    }
}

impl<'a> AttestedCredential<'a> {
    fn parse(rest: &mut &'a [u8]) -> Result<Self, Malformed> {
        let aaguid = *take(rest)?;
        let length = usize::from(u16::from_be_bytes(*take(rest)?));
        if !(1..=CREDENTIAL_ID_LENGTH_MAX).contains(&length) {
            return Err(Malformed("the id of the credential is empty or has more than 1023 bytes"));
        }
        let (id, key) = rest.split_at_checked(length).ok_or(CUT_OFF)?;
        let (_, after) =
            cbor::first_map(key).ok_or(Malformed("the public key is not canonical CBOR"))?;
        let public_key = &key[..key.len() - after.len()];
        if public_key.len() > public_key::LENGTH_MAX {
            return Err(Malformed("the public key is too long"));
        }
        *rest = after;
        Ok(Self { aaguid, id, public_key })
    }
}

const CUT_OFF: Malformed = Malformed("the authenticator data are cut off");

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Malformed> {
    let (taken, after) = rest.split_first_chunk().ok_or(CUT_OFF)?;
    *rest = after;
    Ok(taken)
}
