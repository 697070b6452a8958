//! What the operator does at the command line: set a password, unlock an account, end a user's
//! sessions, which others may too.
//!
//! Admins do not set passwords, and no field of the schema takes one for somebody else (PW-12).

use sea_orm::DbErr;

use super::administration::{AdminError, Capacity, Meeting};
use super::change::AccountChange;
use super::identity::Identifier;
use super::{Accounts, store};
use crate::features::audit::kind;
use crate::features::change::Tx;
use crate::features::links;
use crate::features::sessions::EndReason;
use crate::infra::passwords::hash::HashError;
use crate::kernel::access::{User, permission};
use crate::kernel::acting::Acting;
use crate::kernel::id::UserId;
use crate::kernel::invalid::Invalid;

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetPasswordError {
    #[error("{}", .0.message)]
    Invalid(Invalid),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl Accounts {
    /// The account that an id, a username or an e-mail address names.
    pub(crate) async fn find(&self, named: &str) -> Result<Option<User>, DbErr> {
        match UserId::parse(named) {
            Some(id) => Ok(Self::find_all(&self.db, &[id]).await?.pop()),
            None => store::find(self.db.reader(), &Identifier::parse(named)).await,
        }
    }

    /// Gives a user another password, which must be as good as one they choose, and ends all
    /// their sessions.
    pub(crate) async fn set_password(
        &self,
        user: &User,
        password: &str,
    ) -> Result<User, SetPasswordError> {
        let password = self.new_password(user, password).map_err(SetPasswordError::Invalid)?;
        let hash = self.hasher.hash(&password).await?;
        Ok(self
            .change(Acting::operator(), Capacity::Operator, user.id, AccountChange::Password(&hash))
            .await?)
    }

    /// Lets a user's password open their account again after too many failed sign-ins.
    pub(crate) async fn unlock(&self, id: UserId) -> Result<User, AdminError> {
        self.change(Acting::operator(), Capacity::Operator, id, AccountChange::Unlock).await
    }

    /// Ends every session of a user, and returns how many there were.
    pub(crate) async fn end_sessions(
        &self,
        acting: Acting<'_>,
        capacity: Capacity,
        id: UserId,
    ) -> Result<u64, AdminError> {
        let end = async |tx: Tx<'_>| {
            let Meeting { locked, actor } = self.meet(&tx, capacity, id).await?;
            let now = tx.now();
            let target = locked.iter().find(|user| user.id == id).ok_or(AdminError::NotFound)?;
            let may = |actor: &User| actor.may(permission::USERS_WRITE, now);
            capacity.admit(actor.as_ref(), target, now, may)?;
            let ended = self.sessions.end_all(&tx, id, EndReason::Revoked).await?;
            links::void(&tx, id).await?;
            if ended > 0 {
                tx.record(kind::SESSIONS_ENDED, id);
            }
            Ok(tx.commit(ended).await?)
        };
        self.changes.run("end a user's sessions", acting, end).await
    }
}
