//! Login: a password for a session. What else the password of a signed-in caller is good for is
//! [`password`].
//!
//! Whoever fails learns nothing: an unknown name, a wrong password and a deactivated account give
//! the same answer after the same work (EN-01, EN-02).
//!
//! Guessing is slowed down by address and by whom it is aimed at ([`LIMITS`]), and a hundred
//! failures in a row shut the account's password ([`FAILURES_MAX`]), which nothing but the
//! operator, or another password, takes back.

pub(crate) mod graphql;
mod password;
mod store;
pub(crate) mod unlocks;

use sea_orm::DbErr;

pub(crate) use self::password::ChangeError;
use self::store::Found;
use crate::features::accounts::Accounts;
use crate::features::accounts::identity::Identifier;
use crate::features::audit::{self, Actor, Event, Kind};
use crate::features::sessions::{EndReason, SessionError, Sessions, Tokens};
use crate::platform::access::{Client, User, Viewer};
use crate::platform::clock::Clock;
use crate::platform::db::{Db, DbFailure};
use crate::platform::id::UserId;
use crate::platform::limits::{Admission, By, Counts, Judged, Limit, Limited, Limits, Subject};
use crate::platform::mail::{self, Letter, Outbox};
use crate::platform::metrics::{self, Outcome};
use crate::platform::passwords::hash::{HashError, Hasher, PasswordHash, Verdict};
use crate::platform::passwords::policy::Password;
use crate::platform::secret::CryptoError;

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
    /// Exchanges a username or e-mail address and a password for a session.
    pub(crate) async fn login(
        &self,
        client: &Client,
        identifier: &Identifier,
        password: &Password,
    ) -> Result<(User, Tokens), LoginError> {
        let admission = self.admit(client, identifier).await?;
        let outcome = self.sign_in(client, identifier, password, None).await;
        metrics::login(match &outcome {
            Ok(_) => Outcome::Success,
            Err(error) if error.is_ours() => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        });
        admission.settle(&outcome).await;
        outcome
    }

    /// Has an attempt counted under all limits of signing in, or refused.
    async fn admit(&self, client: &Client, identifier: &Identifier) -> Result<Admission, Limited> {
        let subject = Subject::of(client).about(identifier.key());
        self.limits.admit(&LIMITS, subject).await
    }

    /// Begins a session, in the place of another if one is named.
    async fn sign_in(
        &self,
        client: &Client,
        identifier: &Identifier,
        password: &Password,
        replaced: Option<&Viewer>,
    ) -> Result<(User, Tokens), LoginError> {
        let mut account = None;
        for _ in 0..CHECKS_MAX {
            let verified = self.verify(client, identifier, password).await?;
            account = Some(verified.user.id);
            let begun = self.db.retry(|| self.begin(client, &verified, replaced)).await?;
            if let Some(signed_in) = begun {
                return Ok(signed_in);
            }
        }
        Err(LoginError::InvalidCredentials { account })
    }

    /// Checks the password, outside any transaction, and whether there is an account or not.
    async fn verify(
        &self,
        client: &Client,
        identifier: &Identifier,
        password: &Password,
    ) -> Result<Verified, LoginError> {
        let found = store::find(&self.db, identifier).await?;
        let stored = found.as_ref().map(|found| &found.hash);
        let verdict = self.hasher.verify(password, stored).await?;
        let Some(Found { user, hash, failed_logins }) = found else {
            return Err(LoginError::InvalidCredentials { account: None });
        };
        let is_open = user.is_active && failed_logins < FAILURES_MAX;
        let rehashed = match verdict {
            Verdict::Wrong => {
                let account = Some(user.id);
                self.count_failure(client, user);
                return Err(LoginError::InvalidCredentials { account });
            }
            // At once, so that it takes no longer than a wrong password (EN-02).
            Verdict::Right | Verdict::RightButOutdated if !is_open => {
                return Err(LoginError::InvalidCredentials { account: Some(user.id) });
            }
            Verdict::RightButOutdated => Some(self.hasher.hash(password).await?),
            Verdict::Right => None,
        };
        Ok(Verified { user, hash, failed_logins, rehashed })
    }

    /// Counts a wrong password against the account, beside the answer: that must not take longer
    /// because there is an account to count against (EN-02).
    fn count_failure(&self, client: &Client, user: User) {
        let (login, client) = (self.clone(), client.clone());
        tokio::spawn(async move {
            if let Err(error) = login.db.retry(|| login.count_one_failure(&client, &user)).await {
                tracing::error!(error = %error, user.id = %user.id, "a failed sign-in was not counted");
            }
        });
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
        replaced: Option<&Viewer>,
    ) -> Result<Option<(User, Tokens)>, LoginError> {
        let txn = self.db.begin().await?;
        let now = self.clock.now();
        let user = User { last_login_at: Some(now), ..verified.user.clone() };
        if !store::record_login(&txn, &user, verified, FAILURES_MAX).await? {
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
