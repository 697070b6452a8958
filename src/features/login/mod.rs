//! Login: a password for a session. What else the password of a signed-in caller is good for is
//! [`password`].
//!
//! Whoever fails learns nothing: an unknown name, a wrong password and a deactivated account give
//! the same answer after the same work (EN-01, EN-02).
//!
//! Guessing is slowed down by address and by whom it is aimed at ([`LIMITS`]), and a hundred
//! failures in a row shut the account's password to strangers ([`FAILURES_MAX`]), which nothing but the
//! operator, or another password, takes back. Whoever holds a session of the account, or a device token
//! that one of its sessions left behind, is no stranger: their failures are counted for that session (BF-11).

pub(crate) mod graphql;
mod password;
mod store;
pub(crate) mod unlocks;

use sea_orm::DbErr;
use uuid::Uuid;

pub(crate) use self::password::ChangeError;
use self::store::Found;
use crate::features::accounts::Accounts;
use crate::features::accounts::identity::Identifier;
use crate::features::audit::{self, Actor, Event, Kind};
use crate::features::sessions::{
    EndReason, FAILURES_OF_SESSION_MAX, SessionError, Sessions, Tokens,
};
use crate::platform::access::{Client, User, Viewer};
use crate::platform::clock::Clock;
use crate::platform::db::{Db, DbFailure};
use crate::platform::id::{SessionId, UserId};
use crate::platform::limits::{Admission, By, Counts, Judged, Limit, Limited, Limits, Subject};
use crate::platform::mail::{self, Letter, Outbox};
use crate::platform::metrics::{self, Outcome};
use crate::platform::passwords::hash::{HashError, Hasher, PasswordHash, Verdict};
use crate::platform::passwords::policy::Password;
use crate::platform::secret::{CryptoError, sha256};

/// How often a password is checked when the stored hash keeps changing meanwhile.
const CHECKS_MAX: usize = 3;

/// Failures in a row after which no password opens an account (NIST SP 800-63B-4, section 3.2.2).
const FAILURES_MAX: i32 = 100;

/// What slows guessing down (BF-01 to BF-03).
pub(crate) static LIMITS: [Limit; 3] = [
    Limit {
        name: "login",
        by: &[By::Ip],
        max: 20,
        window_seconds: 60,
        counts: Counts::Attempts { at_once: 10 },
    },
    Limit {
        name: "login",
        by: &[By::Identifier],
        max: 5,
        window_seconds: 15 * 60,
        counts: Counts::FailuresInARow,
    },
    // One password tried on many accounts.
    Limit {
        name: "login of many",
        by: &[By::Ip],
        max: 20,
        window_seconds: 60 * 60,
        counts: Counts::Identifiers,
    },
];

/// What slows down guesses at one account, whether they name it by its username or by its address. Of this
/// limit nobody is told: a refusal after guesses at the username would say whose the address is (EN-05).
static ACCOUNT_LIMITS: [Limit; 1] = [Limit {
    name: "login of account",
    by: &[By::User],
    max: 5,
    window_seconds: 15 * 60,
    counts: Counts::FailuresInARow,
}];

/// What slows down guessing on a device that somebody has signed in from before.
pub(crate) static DEVICE_LIMITS: [Limit; 1] = [Limit {
    name: "login",
    by: &[By::Device],
    max: FAILURES_OF_SESSION_MAX.unsigned_abs(),
    window_seconds: 60 * 60,
    counts: Counts::Failures,
}];

/// What slows down guessing with somebody's session.
pub(crate) static SESSION_LIMITS: [Limit; 2] = [
    Limit {
        name: "password",
        by: &[By::Session],
        max: 20,
        window_seconds: 60,
        counts: Counts::Attempts { at_once: 10 },
    },
    Limit {
        name: "wrong password",
        by: &[By::Session],
        max: FAILURES_OF_SESSION_MAX.unsigned_abs(),
        window_seconds: 60 * 60,
        counts: Counts::Failures,
    },
];

/// Who gives a password, by which its failure is counted.
#[derive(Clone, Copy)]
enum Guesser<'a> {
    /// Anybody.
    Stranger,
    /// Whoever has the device token that was issued with this session of the account.
    Device(SessionId),
    /// Whoever holds this session.
    Session(&'a Viewer),
}

impl Guesser<'_> {
    fn is_stranger(self) -> bool {
        matches!(self, Self::Stranger)
    }
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("unknown account, wrong password, or an account that is inactive or shut")]
    InvalidCredentials {
        /// For the audit log only; nobody is told.
        account: Option<UserId>,
    },
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl From<SessionError> for LoginError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Crypto(error) => Self::Crypto(error),
            SessionError::Db(error) => Self::Db(error),
        }
    }
}

impl DbFailure for LoginError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::InvalidCredentials { .. }
            | Self::Limited(_)
            | Self::Hash(_)
            | Self::Crypto(_) => None,
        }
    }
}

/// Signs people in.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    pub(crate) limits: Limits,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    pub(crate) outbox: Outbox,
}

impl Login {
    /// Exchanges a username or e-mail address and a password for a session. What `device` shows, if it
    /// shows anything, decides how a failure is counted.
    pub(crate) async fn login(
        &self,
        client: &Client,
        identifier: &Identifier,
        password: &Password,
        device: Option<&str>,
    ) -> Result<(User, Tokens), LoginError> {
        let (guesser, admission) = self.admit(client, identifier, device).await?;
        let outcome = self.sign_in(client, identifier, password, guesser).await;
        metrics::login(match &outcome {
            Ok(_) => Outcome::Success,
            Err(error) if error.is_ours() => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        });
        admission.settle(&outcome).await;
        outcome
    }

    /// Has an attempt counted, or refused: on a known device under the limit of that, and else, as one that
    /// is used up is known no more, under those of strangers.
    async fn admit(
        &self,
        client: &Client,
        identifier: &Identifier,
        device: Option<&str>,
    ) -> Result<(Guesser<'static>, Admission), LoginError> {
        let subject = Subject::of(client).about(identifier.key());
        if let Some(session) = self.known_device(identifier, device).await? {
            let admission = self.limits.admit(&DEVICE_LIMITS, subject.by(session.0)).await;
            if let Ok(admission) = admission {
                return Ok((Guesser::Device(session), admission));
            }
        }
        Ok((Guesser::Stranger, self.limits.admit(&LIMITS, subject).await?))
    }

    /// The session that a device token was issued with, if it is one of the account that is meant.
    async fn known_device(
        &self,
        identifier: &Identifier,
        device: Option<&str>,
    ) -> Result<Option<SessionId>, DbErr> {
        let Some(device) = device else { return Ok(None) };
        let Some((session, user)) = self.sessions.of_device(device).await? else {
            return Ok(None);
        };
        let found = store::find(&self.db, identifier).await?;
        Ok(found.filter(|found| found.user.id == user).map(|_| session))
    }

    /// Begins a session, in the place of the one it is asked from, if there is one.
    async fn sign_in(
        &self,
        client: &Client,
        identifier: &Identifier,
        password: &Password,
        guesser: Guesser<'_>,
    ) -> Result<(User, Tokens), LoginError> {
        let found = store::find(&self.db, identifier).await?;
        let paused = match guesser {
            Guesser::Stranger => Some(self.admit_to_account(client, identifier, &found).await),
            Guesser::Device(_) | Guesser::Session(_) => None,
        };
        let (account, is_paused) = match paused {
            Some(Ok(admission)) => (Some(admission), false),
            Some(Err(_)) => (None, true),
            None => (None, false),
        };
        let attempt = Attempt { client, identifier, password, guesser, is_paused };
        let outcome = self.sign_in_as(&attempt, found).await;
        if let Some(account) = account {
            account.settle(&outcome).await;
        }
        outcome
    }

    /// Has a stranger's attempt at an account counted; where there is none, the same for what was submitted.
    async fn admit_to_account(
        &self,
        client: &Client,
        identifier: &Identifier,
        found: &Option<Found>,
    ) -> Result<Admission, Limited> {
        let account = match found {
            Some(found) => found.user.id.0,
            None => digest_id(identifier.key()),
        };
        self.limits.admit(&ACCOUNT_LIMITS, Subject::of(client).by(account)).await
    }

    async fn sign_in_as(
        &self,
        attempt: &Attempt<'_>,
        mut found: Option<Found>,
    ) -> Result<(User, Tokens), LoginError> {
        let mut account = None;
        for _ in 0..CHECKS_MAX {
            let verified = self.verify(attempt, found).await?;
            account = Some(verified.user.id);
            let begin = || self.begin(attempt.client, &verified, attempt.guesser);
            let begun = self.db.retry(begin).await?;
            if let Some(signed_in) = begun {
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

    /// Counts a wrong password: for a session holder before they are answered, so that with their last one
    /// the session is over; for others beside the answer, which must not take longer because there is an
    /// account to count against (EN-02).
    async fn count_failure(&self, attempt: &Attempt<'_>, user: User) -> Result<(), DbErr> {
        let (login, client) = (self.clone(), attempt.client.clone());
        let session = match attempt.guesser {
            Guesser::Session(viewer) => {
                let session = viewer.session_id;
                return self.sessions.count_failed_proof(&client, session, user.id).await;
            }
            Guesser::Device(session) => Some(session),
            Guesser::Stranger => None,
        };
        tokio::spawn(async move {
            let outcome = match session {
                Some(session) => login.sessions.count_failed_proof(&client, session, user.id).await,
                None => login.db.retry(|| login.count_one_failure(&client, &user)).await,
            };
            if let Err(error) = outcome {
                tracing::error!(error = %error, user.id = %user.id, "a failed sign-in was not counted");
            }
        });
        Ok(())
    }

    async fn count_one_failure(&self, client: &Client, user: &User) -> Result<(), DbErr> {
        let txn = self.db.begin().await?;
        if store::count_failure(&txn, user.id, FAILURES_MAX).await? {
            let now = self.clock.now();
            let event = Event {
                kind: Kind::AccountLocked,
                actor: Actor::Unknown,
                target: Some(user.id.0),
                session: None,
                client,
            };
            audit::record(&txn, now, event).await?;
            let letter = Letter::to(user, mail::Kind::AccountLocked, client);
            self.outbox.write(&txn, now, letter).await?;
            tracing::warn!(user.id = %user.id, "too many failed sign-ins: no password opens this account");
        }
        txn.commit().await
    }

    /// Begins the session, if the account is still what was verified; `None` if it is not.
    ///
    /// Hashing takes time, in which the account may have been shut and the password changed. Or
    /// another login of the same user has merely rewritten an outdated hash: so the password is
    /// checked again rather than refused. The one conditional statement both looks and locks.
    async fn begin(
        &self,
        client: &Client,
        verified: &Verified,
        guesser: Guesser<'_>,
    ) -> Result<Option<(User, Tokens)>, LoginError> {
        let replaced = match guesser {
            Guesser::Session(viewer) => Some(viewer),
            Guesser::Stranger | Guesser::Device(_) => None,
        };
        let txn = self.db.begin().await?;
        let now = self.clock.now();
        let user = User { last_login_at: Some(now), ..verified.user.clone() };
        let is_stranger = guesser.is_stranger();
        if !store::record_login(&txn, &user, verified, is_stranger, FAILURES_MAX).await? {
            return Ok(None);
        }
        let kind = match (replaced, verified.failed_logins) {
            (Some(_), _) => Kind::Reauthenticated,
            (None, 0) => Kind::SignedIn,
            (None, _) => Kind::SignedInAfterFailures,
        };
        if let Some(Viewer { session_id, .. }) = replaced
            && !self.sessions.end(&txn, *session_id, EndReason::Replaced, now).await?
        {
            // It was ended meanwhile, and must not live on as another.
            return Err(LoginError::InvalidCredentials { account: Some(user.id) });
        }
        let tokens = self.sessions.begin(&txn, client, &user, kind, now).await?;
        txn.commit().await?;
        self.sessions.forget(user.id);
        Ok(Some((user, tokens)))
    }
}

impl Judged for LoginError {
    fn is_ours(&self) -> bool {
        matches!(self, Self::Hash(_) | Self::Crypto(_) | Self::Db(_))
    }
}

/// One password that is to open an account.
struct Attempt<'a> {
    client: &'a Client,
    identifier: &'a Identifier,
    password: &'a Password,
    guesser: Guesser<'a>,
    /// Strangers have guessed at the account too often by another name of it.
    is_paused: bool,
}

/// What stands for an account where there is none.
fn digest_id(text: &str) -> Uuid {
    let mut id = [0; 16];
    id.copy_from_slice(&sha256(text.as_bytes())[..16]);
    Uuid::from_bytes(id)
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
