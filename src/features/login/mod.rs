//! Login: a password for a session.
//!
//! Whoever fails learns nothing: an unknown name, a wrong password and a deactivated account give
//! the same answer after the same work (EN-01, EN-02).

pub(crate) mod graphql;
mod store;

use sea_orm::DbErr;

use crate::features::accounts::identity::Identifier;
use crate::features::sessions::{SessionError, Sessions, Tokens};
use crate::platform::access::{Client, User};
use crate::platform::clock::Clock;
use crate::platform::db::{Db, DbFailure};
use crate::platform::id::UserId;
use crate::platform::passwords::hash::{HashError, Hasher, PasswordHash, Verdict};
use crate::platform::passwords::policy::Password;
use crate::platform::secret::CryptoError;

/// How often a password is checked when the stored hash keeps changing meanwhile.
const CHECKS_MAX: usize = 3;

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("unknown account, wrong password or inactive account")]
    InvalidCredentials {
        /// For the audit log only; nobody is told.
        account: Option<UserId>,
    },
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
            Self::InvalidCredentials { .. } | Self::Hash(_) | Self::Crypto(_) => None,
        }
    }
}

/// Signs people in.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    pub(crate) sessions: Sessions,
}

impl Login {
    /// Exchanges a username or e-mail address and a password for a session.
    pub(crate) async fn login(
        &self,
        client: &Client,
        identifier: &Identifier,
        password: &Password,
    ) -> Result<(User, Tokens), LoginError> {
        let mut account = None;
        for _ in 0..CHECKS_MAX {
            let verified = self.verify(identifier, password).await?;
            account = Some(verified.user.id);
            let begun = self.db.retry(|| self.begin(client, &verified)).await?;
            if let Some(signed_in) = begun {
                return Ok(signed_in);
            }
        }
        Err(LoginError::InvalidCredentials { account })
    }

    /// Checks the password, outside any transaction, and whether there is an account or not.
    async fn verify(
        &self,
        identifier: &Identifier,
        password: &Password,
    ) -> Result<Verified, LoginError> {
        let found = store::find(self.db.reader(), identifier).await?;
        let account = found.as_ref().map(|(user, _)| user.id);
        let stored = found.as_ref().map(|(_, hash)| hash);
        let verdict = self.hasher.verify(password, stored).await?;
        let (Some((user, hash)), Verdict::Right | Verdict::RightButOutdated) = (found, verdict)
        else {
            return Err(LoginError::InvalidCredentials { account });
        };
        let rehashed = match verdict {
            Verdict::RightButOutdated if user.is_active => Some(self.hasher.hash(password).await?),
            Verdict::RightButOutdated | Verdict::Right | Verdict::Wrong => None,
        };
        Ok(Verified { user, hash, rehashed })
    }

    /// Begins the session, if the user is still active; `None` when the stored hash is no longer
    /// the one that was verified.
    ///
    /// Hashing takes time, in which the account may have been shut and the password changed. Or
    /// another login of the same user has merely rewritten an outdated hash: so the password is
    /// checked again rather than refused.
    async fn begin(
        &self,
        client: &Client,
        verified: &Verified,
    ) -> Result<Option<(User, Tokens)>, LoginError> {
        let account = Some(verified.user.id);
        let txn = self.db.begin().await?;
        let Some((user, hash)) = store::lock(&txn, verified.user.id).await? else {
            return Err(LoginError::InvalidCredentials { account });
        };
        if !user.is_active {
            return Err(LoginError::InvalidCredentials { account });
        }
        if hash.as_str() != verified.hash.as_str() {
            return Ok(None);
        }
        let now = self.clock.now();
        let user = User { last_login_at: Some(now), ..user };
        let tokens = self.sessions.begin(&txn, client, &user, now).await?;
        store::record_login(&txn, &user, verified.rehashed.as_ref()).await?;
        txn.commit().await?;
        self.sessions.forget(user.id);
        Ok(Some((user, tokens)))
    }
}

/// What was read and found right before the transaction began.
struct Verified {
    user: User,
    hash: PasswordHash,
    /// The password hashed anew, when the stored hash is outdated.
    rehashed: Option<PasswordHash>,
}

#[cfg(test)]
mod tests;
