//! What a refresh token is, beside the row of its session.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::Lifetimes;
use super::super::credential::Credential;
use super::super::store::Presented;
use crate::kernel::secret::{from_base64url, sha256};

/// How far two clocks may stand apart: by less nothing is taken for a reuse, and nothing later than that for the future.
pub(in super::super) const CLOCKS_APART: TimeDelta = TimeDelta::seconds(5);

/// 128 random bits that a client has noted before it asks for a new pair, so that it can ask again when the answer is
/// lost.
pub(crate) struct Attempt([u8; 16]);

impl Attempt {
    /// Reads base64url of 16 bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        from_base64url(text)?.try_into().ok().map(Self)
    }

    /// What the session's row keeps of it.
    pub(in super::super) fn digest(&self) -> [u8; 32] {
        sha256(&self.0)
    }
}

/// Where a token stands beside the row of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the live one, and gives the next.
    Next,
    /// It is the live one, which may not be replaced yet, or leads to it.
    Live,
    /// The session is over.
    Over,
    /// It was replaced, so lately that a clock may be to blame.
    Late,
    /// It was replaced, and two parties hold the session.
    Replaced,
    /// It is newer than the row: a backup was restored, or a commit lost.
    Ahead,
    /// A key of ours has sealed it, and it has not the session's secret.
    Forged,
}

impl Presented {
    /// What `token` is beside this row, which it names.
    pub(super) fn standing_of(
        &self,
        token: &Credential,
        attempt: Option<&Attempt>,
        lifetimes: &Lifetimes,
        now: DateTime<Utc>,
    ) -> Standing {
        if !self.is_alive(lifetimes, now) {
            return Standing::Over;
        }
        if token.digest() != *self.secret_digest {
            return Standing::Forged;
        }
        let age = now - self.generation_at;
        let is_in_grace =
            -CLOCKS_APART <= age && age <= lifetimes.grace && !lifetimes.grace.is_zero();
        let Some(behind) = self.generation.checked_sub(token.generation) else {
            return Standing::Ahead;
        };
        let is_answered_again = behind == 1
            && attempt.is_some_and(|attempt| {
                self.attempt_digest.as_deref() == Some(attempt.digest().as_slice())
            });
        // What is further behind was replaced a grace before that, at least.
        let proves_two =
            CLOCKS_APART + if behind == 1 { lifetimes.grace } else { TimeDelta::zero() };
        match behind {
            0 if is_in_grace => Standing::Live,
            0 => Standing::Next,
            1 if is_in_grace || is_answered_again => Standing::Live,
            _ if age > proves_two => Standing::Replaced,
            _ => Standing::Late,
        }
    }

    /// Whether the session goes on: it was not ended, has not come to its end, and was used lately enough.
    pub(in super::super) fn is_alive(&self, lifetimes: &Lifetimes, now: DateTime<Utc>) -> bool {
        self.ended_at.is_none() && now < self.expires_at && now - self.last_used_at < lifetimes.idle
    }
}

#[cfg(test)]
mod tests;
