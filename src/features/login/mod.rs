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
use crate::platform::passwords::hash::{HashError, Hasher, PasswordHash, Verdict};
use crate::platform::passwords::policy::Password;
use crate::platform::secret::CryptoError;

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("unknown account, wrong password or inactive account")]
    InvalidCredentials,
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
            Self::InvalidCredentials | Self::Hash(_) | Self::Crypto(_) => None,
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
        let found = store::find(self.db.reader(), identifier).await?;
        let stored = found.as_ref().map(|(_, hash)| hash);
        // Hashed outside any transaction, and hashed whether there is an account or not.
        let verdict = self.hasher.verify(password, stored).await?;
        let (Some((user, verified)), Verdict::Right | Verdict::RightButOutdated) = (found, verdict)
        else {
            return Err(LoginError::InvalidCredentials);
        };
        let rehashed = match verdict {
            Verdict::RightButOutdated if user.is_active => Some(self.hasher.hash(password).await?),
            Verdict::RightButOutdated | Verdict::Right | Verdict::Wrong => None,
        };
        let verified = Verified { user, hash: verified, rehashed };
        self.db.retry(|| self.begin(client, &verified)).await
    }

    async fn begin(
        &self,
        client: &Client,
        verified: &Verified,
    ) -> Result<(User, Tokens), LoginError> {
        let txn = self.db.begin().await?;
        // Hashing takes time, in which the password may have changed or the account been shut.
        let user = store::lock(&txn, verified.user.id, &verified.hash)
            .await?
            .filter(|user| user.is_active)
            .ok_or(LoginError::InvalidCredentials)?;
        let now = self.clock.now();
        let user = User { last_login_at: Some(now), ..user };
        let tokens = self.sessions.begin(&txn, client, &user, now).await?;
        store::record_login(&txn, &user, verified.rehashed.as_ref()).await?;
        txn.commit().await?;
        self.sessions.forget(user.id);
        Ok((user, tokens))
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
