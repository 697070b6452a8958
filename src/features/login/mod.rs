//! Login: a password for a session. What else the password of a signed-in caller is good for is
//! [`password`].
//!
//! Whoever fails learns nothing: an unknown name, a wrong password and a deactivated account give
//! the same answer after the same work (EN-01, EN-02).
//!
//! Guessing is slowed down by address and by whom it is aimed at ([`guesses`]), and a hundred
//! failures in a row shut the account's password to strangers (`FAILURES_MAX`), which nothing but the
//! operator, or another password, takes back. Whoever holds a session of the account, or a device token
//! that one of its sessions left behind, is no stranger: their failures are counted for that session (BF-11).

mod guesses;
mod password;
mod store;
pub(crate) mod unlocks;

pub(crate) use self::guesses::{
    BY_IP, BY_NAME, IN_SESSION, MAILED_CODES, OF_NAMES, OF_USER, ON_DEVICE,
};
use self::guesses::{FAILURES_MAX, Guesser, LoginLimits, OF_ACCOUNT};
pub(crate) use self::password::ChangeError;
use self::store::Found;
use crate::features::accounts::Accounts;
use crate::features::accounts::identity::Identifier;
use crate::features::audit::kind;
use crate::features::change::{Changes, Fault, Record, Tx, with_fault};
use crate::features::sessions::{Admitted, Sessions, Tools};
use crate::infra::db::Db;
use crate::infra::limits::{Judged, Limited, Limits};
use crate::infra::metrics::{self, Outcome};
use crate::infra::passwords::hash::{HashError, Hasher, PasswordHash, Verdict};
use crate::infra::passwords::policy::Password;
use crate::kernel::access::{Origin, Proofs, Proven, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::UserId;

/// How often a password is checked when the stored hash keeps changing meanwhile.
const CHECKS_MAX: usize = 3;

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("the account is unknown, inactive or locked, or the password is wrong")]
    InvalidCredentials {
        /// For the audit log only; nobody is told.
        account: Option<UserId>,
    },
    #[error("a password is not sufficient for an account with a second factor")]
    SecondFactorNeeded,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(LoginError);

/// Signs people in.
#[derive(Clone)]
pub(crate) struct Login {
    db: Db,
    hasher: Hasher,
    limits: Limits,
    changes: Changes,
    sessions: Sessions,
    accounts: Accounts,
}

impl Login {
    pub(crate) fn new(tools: Tools, accounts: Accounts) -> Self {
        let Tools { db, hasher, limits, changes, sessions, .. } = tools;
        Self { db, hasher, limits, changes, sessions, accounts }
    }

    /// Exchanges a username or e-mail address and a password for a session. What `device` shows, if it
    /// shows anything, decides how a failure is counted.
    pub(crate) async fn login(
        &self,
        origin: &Origin,
        identifier: &Identifier,
        password: &Password,
        device: Option<&str>,
        limits: LoginLimits<'_>,
    ) -> Result<(User, Admitted), LoginError> {
        let (guesser, admission) = self.admit(origin, identifier, device, limits).await?;
        let outcome = self.sign_in(origin, identifier, password, guesser).await;
        metrics::login(match &outcome {
            Ok(_) => Outcome::Success,
            Err(error) if error.is_ours() => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        });
        admission.settle(&outcome).await;
        outcome
    }

    /// Begins a session, in the place of the one it is asked from, if there is one.
    async fn sign_in(
        &self,
        origin: &Origin,
        identifier: &Identifier,
        password: &Password,
        guesser: Guesser<'_>,
    ) -> Result<(User, Admitted), LoginError> {
        let found = store::find(&self.db, identifier).await?;
        let paused = match guesser {
            Guesser::Stranger => Some(self.admit_to_account(identifier, found.as_ref()).await),
            Guesser::Device(_) | Guesser::Session(..) => None,
        };
        let (account, is_paused) = match paused {
            Some(Ok(admission)) => (Some(admission), false),
            Some(Err(_)) => (None, true),
            None => (None, false),
        };
        let attempt = Attempt { origin, identifier, password, guesser, is_paused };
        let outcome = self.sign_in_as(&attempt, found).await;
        if let Some(account) = account {
            account.settle(&outcome).await;
        }
        outcome
    }

    async fn sign_in_as(
        &self,
        attempt: &Attempt<'_>,
        mut found: Option<Found>,
    ) -> Result<(User, Admitted), LoginError> {
        let mut account = None;
        for _ in 0..CHECKS_MAX {
            let verified = self.verify(attempt, found).await?;
            account = Some(verified.user.id);
            let begin = |tx| self.begin(tx, &verified, attempt.guesser);
            if let Some(signed_in) = self.changes.run("sign in", attempt.acting(), begin).await? {
                return Ok(signed_in);
            }
            found = store::find(&self.db, attempt.identifier).await?;
        }
        Err(LoginError::InvalidCredentials { account })
    }

    /// Checks the password, outside any transaction, and whether there is an account or not.
    async fn verify(
        &self,
        attempt: &Attempt<'_>,
        found: Option<Found>,
    ) -> Result<Verified, LoginError> {
        let stored = found.as_ref().map(|found| &found.hash);
        let verdict = self.hasher.verify(attempt.password, stored).await?;
        let Some(Found { user, hash, failed_logins }) = found else {
            return Err(LoginError::InvalidCredentials { account: None });
        };
        let is_shut =
            attempt.guesser.is_stranger() && (attempt.is_paused || failed_logins >= FAILURES_MAX);
        let rehashed = match verdict {
            // Not counted further while it waits anyway: a hundred of them shut the account.
            Verdict::Wrong if attempt.is_paused => {
                return Err(LoginError::InvalidCredentials { account: Some(user.id) });
            }
            Verdict::Wrong => {
                let account = Some(user.id);
                self.count_failure(attempt, user).await?;
                return Err(LoginError::InvalidCredentials { account });
            }
            // At once, so that it takes no longer than a wrong password (EN-02).
            Verdict::Right | Verdict::RightButOutdated if is_shut || !user.is_active => {
                return Err(LoginError::InvalidCredentials { account: Some(user.id) });
            }
            Verdict::RightButOutdated => Some(self.hasher.hash(attempt.password).await?),
            Verdict::Right => None,
        };
        Ok(Verified { user, hash, failed_logins, rehashed })
    }

    /// Begins the session, if the account is still what was verified; `None` if it is not.
    ///
    /// Hashing takes time, in which the account may have been shut and the password changed. Or
    /// another login of the same user has merely rewritten an outdated hash: so the password is
    /// checked again rather than refused. The one conditional statement both looks and locks.
    async fn begin(
        &self,
        tx: Tx<'_>,
        verified: &Verified,
        guesser: Guesser<'_>,
    ) -> Result<Option<(User, Admitted)>, LoginError> {
        let mut user = verified.user.clone();
        if !self.sessions.needs_two_factors(&user) {
            user.last_login_at = Some(tx.now());
        }
        let is_stranger = guesser.is_stranger();
        if !store::record_login(&tx, &user, verified, is_stranger, FAILURES_MAX).await? {
            return Ok(None);
        }
        let proven = Proven { at: tx.now(), by: Proofs::PASSWORD };
        let admitted = match (guesser, verified.failed_logins) {
            // There may be a second factor since a moment ago.
            (Guesser::Session(..), _) if self.sessions.needs_two_factors(&user) => {
                return Err(LoginError::SecondFactorNeeded);
            }
            (Guesser::Session(viewer, cookie), _) => {
                let record = Record::of(kind::REAUTHENTICATED);
                let renewed = self.sessions.renew(&tx, &user, (viewer, cookie), record, proven);
                Admitted::Session(renewed.await?)
            }
            (_, 0) => self.sessions.sign_in(&tx, &user, proven, kind::SIGNED_IN).await?,
            (_, _) => {
                let kind = kind::SIGNED_IN_AFTER_FAILURES;
                self.sessions.sign_in(&tx, &user, proven, kind).await?
            }
        };
        Ok(tx.commit(Some((user, admitted))).await?)
    }
}

impl Judged for LoginError {
    fn is_ours(&self) -> bool {
        matches!(self, Self::Hash(_)) || matches!(self, Self::Fault(fault) if fault.is_ours())
    }
}

/// One password that is to open an account.
struct Attempt<'a> {
    origin: &'a Origin,
    identifier: &'a Identifier,
    password: &'a Password,
    guesser: Guesser<'a>,
    /// Strangers have guessed at the account too often by another name of it.
    is_paused: bool,
}

impl<'a> Attempt<'a> {
    /// Who makes it: whoever has a session, and else somebody who is not recognised yet.
    fn acting(&self) -> Acting<'a> {
        match self.guesser {
            Guesser::Session(viewer, _) => Acting::viewer(viewer, self.origin),
            Guesser::Stranger | Guesser::Device(_) => Acting::unknown(self.origin),
        }
    }
}

/// What was read and found right before the transaction began.
struct Verified {
    user: User,
    hash: PasswordHash,
    failed_logins: i32,
    /// The password hashed anew, when the stored hash is outdated.
    rehashed: Option<PasswordHash>,
}

#[cfg(test)]
mod tests;
