//! What admins, others who may, and the operator do to accounts: roles, permissions, deactivation,
//! deletion.
//!
//! Each is one transaction that first locks the target, the acting admin and all active admins,
//! in the order of their ids, and looks again at what the guard saw. So two admins who demote
//! each other meet in the database: the second one is no admin any more, or is the last (AZ-06).
//! Nobody changes an account that may do more than their own. The operator needs no standing, and leaves
//! no service without an admin either; nor does somebody who shuts or deletes their own account.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::change::Change;
use super::extension::Departure;
use super::identity::Email;
use super::{Accounts, store};
use crate::features::audit::{self, Actor, Detail, Event, Kind};
use crate::features::links;
use crate::features::sessions::EndReason;
use crate::infra::db::{DbFailure, Transaction};
use crate::infra::mail::{self, Letter};
use crate::kernel::access::{Client, Grant, Grants, Permission, Role, User, Viewer};
use crate::kernel::id::UserId;

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("there is no such user")]
    NotFound,
    #[error("the acting user may not do this, or not any more")]
    Forbidden,
    #[error("the last active admin must remain one")]
    LastAdmin,
    /// Of an organization that has other members.
    #[error("the last owner of an organization must remain one")]
    LastOwner,
    /// The acting user is the only other member of an organization that the user alone owns.
    #[error("the acting user would inherit an organization")]
    SoleHeir,
    /// There is nothing to change, and the acting user may not see what there is.
    #[error("nothing is to be changed")]
    Unchanged,
    /// The caller's session ended meanwhile.
    #[error("the session is over")]
    SessionEnded,
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl DbFailure for AdminError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::NotFound
            | Self::Forbidden
            | Self::LastAdmin
            | Self::LastOwner
            | Self::SoleHeir
            | Self::Unchanged
            | Self::SessionEnded => None,
        }
    }
}

/// In whose name an account is changed.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// Somebody who may change accounts; that is looked at again in the transaction.
    Staff(&'a Viewer),
    /// Whose account it is.
    Owner(&'a Viewer),
    /// The operator, at the command line.
    Operator,
}

impl Accounts {
    /// Gives a user a role. Their sessions live on, with what the role now allows.
    pub(crate) async fn set_role(
        &self,
        client: &Client,
        by: By<'_>,
        id: UserId,
        role: Role,
    ) -> Result<User, AdminError> {
        self.change(client, by, id, Change::Role(role)).await
    }

    /// Gives a user a permission that the caller holds for at least as long. A grant of the same
    /// permission before it is replaced.
    pub(crate) async fn grant(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: UserId,
        grant: Grant,
    ) -> Result<User, AdminError> {
        self.change(client, By::Staff(viewer), id, Change::Grant(grant)).await
    }

    /// Takes a permission back that the caller holds. What the user's role implies stays.
    pub(crate) async fn revoke(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: UserId,
        permission: Permission,
    ) -> Result<User, AdminError> {
        self.change(client, By::Staff(viewer), id, Change::Revoke(permission)).await
    }

    /// Shuts a user out and ends all their sessions.
    pub(crate) async fn deactivate(
        &self,
        client: &Client,
        by: By<'_>,
        id: UserId,
    ) -> Result<User, AdminError> {
        self.change(client, by, id, Change::Deactivate).await
    }

    /// Lets a user sign in again. Sessions that were ended stay ended.
    pub(crate) async fn reactivate(
        &self,
        client: &Client,
        by: By<'_>,
        id: UserId,
    ) -> Result<User, AdminError> {
        self.change(client, by, id, Change::Reactivate).await
    }

    /// Deletes a user with all that is theirs; the audit log keeps the bare id, and no longer from
    /// where they came (DP-01).
    pub(crate) async fn delete(
        &self,
        client: &Client,
        by: By<'_>,
        id: UserId,
    ) -> Result<User, AdminError> {
        self.change(client, by, id, Change::Delete).await
    }

    pub(super) async fn change(
        &self,
        client: &Client,
        by: By<'_>,
        id: UserId,
        change: Change<'_>,
    ) -> Result<User, AdminError> {
        let outcome = self.db.retry(|| self.change_once(client, by, id, change)).await;
        // Whatever the outcome: a commit whose answer was lost may have happened.
        self.sessions.forget(id);
        outcome
    }

    async fn change_once(
        &self,
        client: &Client,
        by: By<'_>,
        id: UserId,
        change: Change<'_>,
    ) -> Result<User, AdminError> {
        let txn = self.db.begin().await?;
        let locked = store::lock_with_admins(&txn, by.ids(id)).await?;
        let now = self.clock.now();
        self.check(&txn, by, &locked).await?;
        let target = locked.iter().find(|user| user.id == id).ok_or(AdminError::NotFound)?;
        if !by.may(&locked, target, now, |actor| change.is_open_to(actor, now)) {
            return Err(AdminError::Forbidden);
        }
        if change.is_done_for(target, now) {
            return match by.sees(&locked, target, now) {
                true => Ok(target.clone()),
                false => Err(AdminError::Unchanged),
            };
        }
        let others = locked.iter().filter(|user| is_admin(user) && user.id != id).count();
        let removes_an_admin = is_admin(target) && change.removes_an_admin();
        if others == 0 && removes_an_admin {
            return Err(AdminError::LastAdmin);
        }
        if matches!(change, Change::Delete) {
            let sessions = &self.sessions;
            let departure = Departure { txn: &txn, sessions, client, by, user: id, now };
            for leave in self.extensions.iter().filter_map(|extension| extension.leave) {
                leave(&departure).await?;
            }
        }
        let changed = self.apply(&txn, target, change, now).await?;
        let detail = Detail { organization: None, subject: change.subject() };
        audit::record_in_detail(&txn, now, by.event(client, change.kind(), id), detail).await?;
        let told = match change {
            Change::Password(_) => Some(mail::Kind::PasswordChanged),
            Change::Delete => Some(mail::Kind::AccountDeleted),
            Change::Role(_)
            | Change::Grant(_)
            | Change::Revoke(_)
            | Change::Deactivate
            | Change::Reactivate
            | Change::Unlock => None,
        };
        if let Some(kind) = told {
            self.outbox.write(&txn, now, Letter::to(&changed, kind, client)).await?;
        }
        if matches!(change, Change::Delete) {
            audit::forget_origins(&txn, id).await?;
        }
        txn.commit().await?;
        Ok(changed)
    }

    /// Deletes a user's row and whatever names them. Sessions, tokens and links go with the row, by
    /// their foreign keys.
    async fn erase(&self, txn: &Transaction, user: &User) -> Result<(), DbErr> {
        store::delete(txn, user.id).await?;
        self.outbox.erase(txn, user.id).await?;
        match Email::parse(&user.email) {
            Ok(email) => links::erase(txn, email.key()).await,
            // Nobody has an address that is none.
            Err(_) => Ok(()),
        }
    }

    /// Looks whether the caller, whose row is locked, and their session are still there.
    pub(super) async fn check(
        &self,
        txn: &Transaction,
        by: By<'_>,
        locked: &[User],
    ) -> Result<(), AdminError> {
        let is_there = match by {
            By::Staff(viewer) | By::Owner(viewer) => {
                by.actor(locked).is_some() && self.sessions.is_alive(txn, viewer).await?
            }
            By::Operator => true,
        };
        is_there.then_some(()).ok_or(AdminError::SessionEnded)
    }

    async fn apply(
        &self,
        txn: &Transaction,
        target: &User,
        change: Change<'_>,
        now: DateTime<Utc>,
    ) -> Result<User, DbErr> {
        let mut user = User { updated_at: now, ..target.clone() };
        match change {
            Change::Role(role) => {
                // A lower role leaves nothing behind that the higher one may have been used to get.
                if role < user.role {
                    store::update_grants(txn, user.id, &Grants::default()).await?;
                    user.grants = Grants::default();
                }
                user.role = role;
            }
            Change::Grant(grant) => {
                user.grants = user.grants.with(grant, now);
                store::update_grants(txn, user.id, &user.grants).await?;
            }
            Change::Revoke(permission) => {
                user.grants = user.grants.without(permission, now);
                store::update_grants(txn, user.id, &user.grants).await?;
            }
            Change::Deactivate => {
                user.is_active = false;
                links::void(txn, user.id).await?;
                let reason = EndReason::UserDeactivated;
                self.sessions.end_all(txn, user.id, reason, now).await?;
            }
            Change::Reactivate => user.is_active = true,
            // Whoever knew the old one may be signed in with it.
            Change::Password(hash) => {
                store::update_password(txn, user.id, hash).await?;
                store::unlock(txn, user.id, now).await?;
                links::void(txn, user.id).await?;
                let reason = EndReason::PasswordChanged;
                self.sessions.end_all(txn, user.id, reason, now).await?;
            }
            Change::Unlock => {
                store::unlock(txn, user.id, now).await?;
                return Ok(target.clone());
            }
            Change::Delete => {
                self.erase(txn, &user).await?;
                return Ok(user);
            }
        }
        store::update_standing(txn, &user).await?;
        Ok(user)
    }
}

/// Whether a user may do what admins may.
fn is_admin(user: &User) -> bool {
    user.is_active && user.role == Role::Admin
}

impl<'a> By<'a> {
    /// The caller, as their locked row has them, if they are active.
    fn actor(self, locked: &[User]) -> Option<&User> {
        match self {
            Self::Staff(viewer) | Self::Owner(viewer) => {
                locked.iter().find(|user| user.id == viewer.user.id && user.is_active)
            }
            Self::Operator => None,
        }
    }

    /// Whether this change of `target` is for whoever makes it.
    pub(super) fn may(
        self,
        locked: &[User],
        target: &User,
        now: DateTime<Utc>,
        is_open_to: impl Fn(&User) -> bool,
    ) -> bool {
        match self {
            Self::Staff(_) => self
                .actor(locked)
                .is_some_and(|actor| is_open_to(actor) && actor.may_all_of(target, now)),
            Self::Owner(viewer) => viewer.user.id == target.id,
            Self::Operator => true,
        }
    }

    /// Whether whoever makes a change may see its target without one. Who may change accounts sees those
    /// they change, and the audit log tells of it; what changes nothing must not show as much.
    fn sees(self, locked: &[User], target: &User, now: DateTime<Utc>) -> bool {
        match self {
            Self::Staff(_) => self.actor(locked).is_some_and(|actor| {
                actor.id == target.id || actor.may(Permission::UsersRead, now)
            }),
            Self::Owner(_) | Self::Operator => true,
        }
    }

    /// Whom a change of `id` has to lock besides the admins.
    pub(super) fn ids(self, id: UserId) -> [UserId; 2] {
        match self {
            Self::Staff(viewer) => [id, viewer.user.id],
            Self::Owner(_) | Self::Operator => [id, id],
        }
    }

    pub(super) fn event(self, client: &'a Client, kind: Kind, id: UserId) -> Event<'a> {
        let (actor, session) = match self {
            Self::Staff(viewer) | Self::Owner(viewer) => {
                (Actor::from(viewer), Some(viewer.session_id))
            }
            Self::Operator => (Actor::Cli, None),
        };
        Event { kind, actor, target: Some(id.0), session, client }
    }
}
