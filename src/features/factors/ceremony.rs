//! A ceremony with a passkey: what is kept of one from its options to its credential (WebAuthn Level 3, section 7).
//!
//! No instance remembers one. All of it, the challenge among it, is sealed under the master secret and given to whoever begins it. It
//! is for one purpose, one user and one session or sign-in, lives for five minutes, and is finished once (MF-11).

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use portcullis_webauthn::Challenge;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::features::change::Fault;
use crate::infra::keys::{Master, SealedToken};
use crate::kernel::id::{FlowId, UserId};
use crate::kernel::secret::{base64url, from_base64url};

/// How long a ceremony lives.
pub(crate) const CEREMONY_TTL_SECONDS: u32 = 300;

const CEREMONY: SealedToken =
    SealedToken { prefix: "pcw_", context: "passkey-ceremony", length_max: 1_000 };

/// What a ceremony is for. One for one thing does nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// To sign in whoever has a passkey.
    SignIn,
    /// To register one for a user, in this session or sign-in. `conditional`: without asking, after a sign-in with a password.
    Registration { user: UserId, bound_to: Uuid, conditional: bool },
    /// To prove who a user is, in this session or for this sign-in.
    Proof { user: UserId, bound_to: Uuid },
}

/// What its holder keeps, sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Ceremony {
    #[serde(rename = "i")]
    pub(super) id: FlowId,
    #[serde(rename = "p")]
    pub(super) purpose: Purpose,
    #[serde(rename = "c")]
    challenge: String,
    #[serde(rename = "e")]
    pub(super) expires_at: DateTime<Utc>,
}

impl fmt::Debug for Ceremony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ceremony({:?}, {:?}, ..)", self.id, self.purpose)
    }
}

impl Ceremony {
    /// A new one with its challenge.
    pub(super) fn begin(purpose: Purpose, challenge: &Challenge, now: DateTime<Utc>) -> Self {
        Self {
            id: FlowId::new(now),
            purpose,
            challenge: base64url(challenge.to_bytes()),
            expires_at: now + TimeDelta::seconds(CEREMONY_TTL_SECONDS.into()),
        }
    }

    /// It as its holder keeps it.
    pub(super) fn seal(&self, master: &Master) -> Result<String, Fault> {
        Ok(CEREMONY.seal(master, &serde_json::to_vec(self)?)?)
    }

    /// Reads one that was presented and has not expired; `None` for whatever is none of ours.
    pub(super) fn open(master: &Master, text: &str, now: DateTime<Utc>) -> Option<Self> {
        let ceremony: Self = serde_json::from_slice(&CEREMONY.open(master, text)?).ok()?;
        (now < ceremony.expires_at).then_some(ceremony)
    }

    /// What the authenticator has signed.
    pub(super) fn challenge(&self) -> Option<Challenge> {
        let bytes = from_base64url(&self.challenge)?;
        Some(Challenge::from_bytes(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceremony_opens_as_it_was_sealed_for_five_minutes() {
        let (master, now) = (Master::new(&[1; 32], None).unwrap(), DateTime::UNIX_EPOCH);
        let other = Master::new(&[2; 32], None).unwrap();
        let challenge = Challenge::generate().unwrap();
        let (user, bound_to) = (UserId::new(now), Uuid::max());
        let purpose = Purpose::Registration { user, bound_to, conditional: true };
        let sealed = Ceremony::begin(purpose, &challenge, now).seal(&master).unwrap();
        let last = now + TimeDelta::seconds(299);
        let opened = Ceremony::open(&master, &sealed, last).unwrap();
        assert_eq!(opened.purpose, purpose);
        assert_eq!(opened.challenge(), Some(challenge));
        assert!(Ceremony::open(&master, &sealed, last + TimeDelta::seconds(1)).is_none());
        assert!(Ceremony::open(&other, &sealed, now).is_none());
        assert!(Ceremony::open(&master, &sealed.replace("pcw_", "pcf_"), now).is_none());
    }
}
