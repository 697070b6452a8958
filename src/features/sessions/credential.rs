//! What the holder of a session presents: the refresh token, or in browsers the cookie.
//!
//! It holds what it stands for, under the seal of a refresh key: session, user, generation, the proofs and their time, and
//! 128 random bits of the session. Of those the session's row keeps the digest, and nothing else is kept.
//! So, by what somebody has:
//!
//! - *A refresh token:* the session, until its owner refreshes and it is seen to be an old one ([`super::rotation`]).
//! - *A cookie:* the session, until its owner signs out, or proves again who they are, which replaces it.
//! - *The database* (or a backup): nothing. The digest does not lead to the random bits, and the refresh keys are sealed.
//! - *The master secret:* nothing. It opens keys that are in the database.
//! - *Database and master secret*, which is the refresh key: still neither, since the random bits are in no row.
//! - *One of these and the database:* what it gives. An old one cannot be made a new one without the refresh key.
//! - *One of these and the master secret:* the same.
//! - *An old one and the refresh key:* that one session, since any generation of it can be signed. The owner's next
//!   refresh is then refused, or ends the session.

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::infra::keys::{KeySet, Named, RefreshKey};
use crate::kernel::access::{Proofs, Proven};
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::secret::{self, CryptoError, base64url, from_base64url, sha256};

/// How a credential is recognised by people and secret scanners, and what keeps one kind from being taken for another:
/// the seal covers it. Never change it: every token out there begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In the body of answers.
    RefreshToken,
    /// In cookies.
    Cookie,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::RefreshToken => "pcr_",
            Self::Cookie => "pcs_",
        }
    }
}

/// Key serial, session, user, generation, time of the proofs, proofs, random bits.
const SEALED: usize = 2 + 16 + 16 + 4 + 8 + 1 + SECRET;
/// 128 bits (RT-01).
const SECRET: usize = 16;
/// HMAC-SHA256.
const SEAL: usize = 32;
/// What base64url makes of it.
const TEXT: usize = ((SEALED + SEAL) * 4).div_ceil(3);

/// A credential that one of our keys has sealed, opened. Never logged, never stored.
#[derive(Clone)]
pub(crate) struct Credential {
    kind: Kind,
    pub(super) session: SessionId,
    pub(super) user: UserId,
    /// How often the session's credential has been replaced by the next.
    pub(super) generation: u32,
    /// How its holder proved who they are. What is made from it keeps that.
    pub(super) proven: Proven,
    secret: Zeroizing<[u8; SECRET]>,
}

/// Why a credential as presented was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// No key of ours has sealed it, or none that is still valid.
    Forged,
    /// It may be sealed by a key that this instance has not read yet.
    NotYet,
}

impl Credential {
    /// The first one of a session, by the system's generator.
    pub(super) fn first(
        kind: Kind,
        session: SessionId,
        user: UserId,
        proven: Proven,
    ) -> Result<Self, CryptoError> {
        let secret = Zeroizing::new(secret::random::<SECRET>()?);
        Ok(Self { kind, session, user, generation: 1, proven, secret })
    }

    /// Opens a credential as presented. Costs one HMAC at the most, and nothing of the database.
    pub(super) fn open(
        kind: Kind,
        text: &str,
        keys: &KeySet,
        now: DateTime<Utc>,
    ) -> Result<Self, Unopened> {
        let encoded = text.strip_prefix(kind.prefix()).filter(|rest| rest.len() == TEXT);
        let bytes = Zeroizing::new(encoded.and_then(from_base64url).ok_or(Unopened::Forged)?);
        let (sealed, seal) = bytes.split_at_checked(SEALED).ok_or(Unopened::Forged)?;
        let mut rest = sealed;
        let serial = u16::from_be_bytes(take(&mut rest)?);
        let key = match keys.refresh_of(serial, now) {
            Named::Known(key) => key,
            Named::NotYet => return Err(Unopened::NotYet),
            Named::Gone => return Err(Unopened::Forged),
        };
        if !key.verifies(kind.prefix(), sealed, seal) {
            return Err(Unopened::Forged);
        }
        let session = SessionId(Uuid::from_bytes(take(&mut rest)?));
        let user = UserId(Uuid::from_bytes(take(&mut rest)?));
        let generation = u32::from_be_bytes(take(&mut rest)?);
        let seconds = i64::from_be_bytes(take(&mut rest)?);
        let at = DateTime::from_timestamp(seconds, 0).ok_or(Unopened::Forged)?;
        let [proofs] = take(&mut rest)?;
        let proven = Proven { at, by: Proofs::of_bits(proofs) };
        let secret = Zeroizing::new(take(&mut rest)?);
        Ok(Self { kind, session, user, generation, proven, secret })
    }

    /// The text for its holder.
    pub(super) fn seal(&self, key: &RefreshKey) -> Presentable {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SEALED + SEAL));
        bytes.extend(key.serial.to_be_bytes());
        bytes.extend(self.session.0.as_bytes());
        bytes.extend(self.user.0.as_bytes());
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(self.proven.at.timestamp().to_be_bytes());
        bytes.push(self.proven.by.bits());
        bytes.extend(*self.secret);
        let seal = key.sign(self.kind.prefix(), &bytes);
        bytes.extend(seal);
        let encoded = Zeroizing::new(base64url(&*bytes));
        Presentable(Zeroizing::new([self.kind.prefix(), &encoded].concat()))
    }

    /// The credential of the same session at another generation.
    pub(super) fn at(&self, generation: u32) -> Self {
        Self { generation, ..self.clone() }
    }

    /// The same for who has just proved who they are.
    pub(super) fn proven(&self, generation: u32, proven: Proven) -> Self {
        Self { proven, ..self.at(generation) }
    }

    /// What the session's row keeps of it. A plain digest is enough for 128 random bits (ASVS 6.5.2).
    pub(super) fn digest(&self) -> [u8; 32] {
        sha256(&*self.secret)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Unopened> {
    let (taken, left) = rest.split_first_chunk::<N>().ok_or(Unopened::Forged)?;
    *rest = left;
    Ok(*taken)
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("session", &self.session)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// A credential as its holder has it. Never logged, never stored.
pub(crate) struct Presentable(Zeroizing<String>);

impl Presentable {
    /// The text itself, for its holder.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Presentable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presentable(..)")
    }
}

#[cfg(test)]
mod tests;
