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

use super::change::AccountChange;
use super::holding::Departure;
use super::identity::Email;
use super::{Accounts, store};
use crate::features::audit::Detail;
use crate::features::change::{Fault, Record, Tx, with_fault};
use crate::features::sessions::EndReason;
use crate::features::{authenticators, links};
use crate::infra::mail::{Letter, MailKind};
use crate::kernel::access::{Covers, Grant, Grants, Permission, Role, Uncovered, User, permission};
use crate::kernel::acting::{Acting, Gone};
use crate::kernel::id::UserId;

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("the user does not exist")]
    NotFound,
    #[error("the acting user may not give or take this permission")]
    Forbidden(Covers),
    #[error(transparent)]
    Uncovered(#[from] Uncovered),
    #[error("the last active admin must stay an active admin")]
    LastAdmin,
    /// Of an organization that has other members.
    #[error("the user is the last owner of an organization that has other members")]
    LastOwner,
    /// The acting user is the only other member of an organization that the user alone owns.
    #[error("the acting user would inherit an organization")]
    SoleHeir,
    /// A deactivated account keeps its address from others, and nobody has shown whose the address is.
    #[error("the address is not verified")]
    Unverified,
    /// There is nothing to change, and the acting user may not see what there is.
    #[error("the change has no effect")]
    Unchanged,
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(AdminError);

/// In what capacity an account is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    /// As somebody who may change accounts that their rights cover; both are looked at again in the transaction.
    Staff(Covers),
    /// As its owner.
    Owner,
    /// As the operator, at the command line.
    Operator,
}

impl Accounts {
    /// Gives a user a role. Their sessions live on, with what the role now allows.
    pub(crate) async fn set_role(
        &self,
        acting: Acting<'_>,
        capacity: Capacity,
        id: UserId,
        role: Role,
    ) -> Result<User, AdminError> {
        self.change(acting, capacity, id, AccountChange::Role(role)).await
    }

    /// Gives a user a permission that the caller holds for at least as long. A grant of the same
    /// permission before it is replaced.
    pub(crate) async fn grant(
        &self,
        acting: Acting<'_>,
        covers: Covers,
        id: UserId,
        grant: Grant,
    ) -> Result<User, AdminError> {
        self.change(acting, Capacity::Staff(covers), id, AccountChange::Grant(grant)).await
    }

    /// Takes a permission back that the caller holds. What the user's role implies stays.
    pub(crate) async fn revoke(
        &self,
        acting: Acting<'_>,
        covers: Covers,
        id: UserId,
        permission: Permission,
    ) -> Result<User, AdminError> {
        self.change(acting, Capacity::Staff(covers), id, AccountChange::Revoke(permission)).await
    }

    /// Shuts a user out and ends all their sessions.
    pub(crate) async fn deactivate(
        &self,
        acting: Acting<'_>,
        capacity: Capacity,
        id: UserId,
    ) -> Result<User, AdminError> {
        self.change(acting, capacity, id, AccountChange::Deactivate).await
    }

    /// Lets a user sign in again. Sessions that were ended stay ended.
    pub(crate) async fn reactivate(
        &self,
        acting: Acting<'_>,
        capacity: Capacity,
        id: UserId,
    ) -> Result<User, AdminError> {
        self.change(acting, capacity, id, AccountChange::Reactivate).await
    }

    /// Deletes a user with all that is theirs; the audit log keeps the bare id, and no longer from
    /// where they came (DP-01).
    pub(crate) async fn delete(
        &self,
        acting: Acting<'_>,
        capacity: Capacity,
        id: UserId,
    ) -> Result<User, AdminError> {
        self.change(acting, capacity, id, AccountChange::Delete).await
    }

    /// Removes all second factors and passkeys of a user, and ends all their sessions: they have lost them. Nobody does so for
    /// themselves, who would give up with one proof what takes two: the rule of the field says so.
    pub(crate) async fn reset_factors(
        &self,
        acting: Acting<'_>,
        capacity: Capacity,
        id: UserId,
    ) -> Result<User, AdminError> {
        self.change(acting, capacity, id, AccountChange::ResetFactors).await
    }

    pub(super) async fn change(
        &self,
        acting: Acting<'_>,
        capacity: Capacity,
        id: UserId,
        change: AccountChange<'_>,
    ) -> Result<User, AdminError> {
        let attempt = async |tx: Tx<'_>| -> Result<User, AdminError> {
            let Meeting { locked, actor } = self.meet(&tx, capacity, id).await?;
            let actor = actor.as_ref();
            let now = tx.now();
            let target = locked.iter().find(|user| user.id == id).ok_or(AdminError::NotFound)?;
            capacity.admit(actor, target, now, |actor| change.is_open_to(actor, now))?;
            if change.is_done_for(target, now) {
                return match capacity.sees(actor, target, now) {
                    true => Ok(target.clone()),
                    false => Err(AdminError::Unchanged),
                };
            }
            let is_shut_by_holder =
                capacity == Capacity::Owner && matches!(change, AccountChange::Deactivate);
            if is_shut_by_holder && !target.email_verified && self.outbox.is_on() {
                return Err(AdminError::Unverified);
            }
            let others = locked.iter().filter(|user| is_admin(user) && user.id != id).count();
            let removes_an_admin = is_admin(target) && change.removes_an_admin();
            if others == 0 && removes_an_admin {
                return Err(AdminError::LastAdmin);
            }
            if matches!(change, AccountChange::Delete) {
                let departure = Departure { tx: &tx, capacity, user: id };
                for leave in self.setup.holdings.iter().filter_map(|holding| holding.leave) {
                    leave(&departure).await?;
                }
            }
            let changed = self.apply(&tx, target, change).await?;
            let detail = Detail { organization: None, subject: change.subject() };
            tx.note(Record::of(change.kind()).about(id).in_detail(detail));
            let told = match change {
                AccountChange::Password(_) => Some(MailKind::PasswordChanged),
                AccountChange::Delete => Some(MailKind::AccountDeleted),
                AccountChange::ResetFactors => Some(MailKind::SecondFactorsReset),
                AccountChange::Role(_)
                | AccountChange::Grant(_)
                | AccountChange::Revoke(_)
                | AccountChange::Deactivate
                | AccountChange::Reactivate
                | AccountChange::Unlock => None,
            };
            if let Some(kind) = told {
                tx.write(Letter::to(&changed, kind, tx.acting().origin)).await?;
            }
            if matches!(change, AccountChange::Delete) {
                tx.forget_origins_of(id);
            }
            Ok(tx.commit(changed).await?)
        };
        self.changes.run(change.name(), acting, attempt).await
    }

    /// Deletes a user's row and whatever names them. Sessions, tokens and links go with the row, by
    /// their foreign keys.
    async fn erase(&self, tx: &Tx<'_>, user: &User) -> Result<(), DbErr> {
        store::delete(tx, user.id).await?;
        self.outbox.erase(tx, user.id).await?;
        match Email::parse(&user.email) {
            Ok(email) => links::erase(tx, email.key()).await,
            // Nobody has an address that is none.
            Err(_) => Ok(()),
        }
    }

    /// Locks an account, all active admins and the caller, who are still there with their session.
    pub(super) async fn meet(
        &self,
        tx: &Tx<'_>,
        capacity: Capacity,
        id: UserId,
    ) -> Result<Meeting, Fault> {
        let caller = match capacity {
            Capacity::Staff(_) | Capacity::Owner => Some(tx.acting().caller()?),
            Capacity::Operator => None,
        };
        let ids = [id, caller.map_or(id, |caller| caller.user.id)];
        let locked = store::lock_with_admins(tx, ids).await?;
        let Some(caller) = caller else { return Ok(Meeting { locked, actor: None }) };
        let actor = locked.iter().find(|user| user.id == caller.user.id && user.is_active);
        let actor = Some(actor.cloned().ok_or(Gone)?);
        self.sessions.confirmed(tx, caller).await?;
        Ok(Meeting { locked, actor })
    }

    async fn apply(
        &self,
        tx: &Tx<'_>,
        target: &User,
        change: AccountChange<'_>,
    ) -> Result<User, DbErr> {
        let now = tx.now();
        let mut user = User { updated_at: now, ..target.clone() };
        match change {
            AccountChange::Role(role) => {
                // A lower role leaves nothing behind that the higher one may have been used to get.
                if role < user.role {
                    store::update_grants(tx, user.id, &Grants::default()).await?;
                    user.grants = Grants::default();
                }
                user.role = role;
            }
            AccountChange::Grant(grant) => {
                user.grants = user.grants.with(grant, now);
                store::update_grants(tx, user.id, &user.grants).await?;
            }
            AccountChange::Revoke(permission) => {
                user.grants = user.grants.without(permission, now);
                store::update_grants(tx, user.id, &user.grants).await?;
            }
            AccountChange::Deactivate => {
                user.is_active = false;
                links::void(tx, user.id).await?;
                self.sessions.end_all(tx, user.id, EndReason::UserDeactivated).await?;
            }
            AccountChange::Reactivate => user.is_active = true,
            // Whoever knew the old one may be signed in with it.
            AccountChange::Password(hash) => {
                store::update_password(tx, user.id, hash).await?;
                store::unlock(tx, user.id, now).await?;
                links::void(tx, user.id).await?;
                self.sessions.end_all(tx, user.id, EndReason::PasswordChanged).await?;
            }
            AccountChange::ResetFactors => {
                authenticators::remove_all(tx, user.id).await?;
                user.second_factor = false;
                self.sessions.end_all(tx, user.id, EndReason::SecondFactorChanged).await?;
            }
            AccountChange::Unlock => {
                store::unlock(tx, user.id, now).await?;
                return Ok(target.clone());
            }
            AccountChange::Delete => {
                self.erase(tx, &user).await?;
                return Ok(user);
            }
        }
        store::update_standing(tx, &user).await?;
        Ok(user)
    }
}

/// Who meets in the database over a change of an account.
pub(super) struct Meeting {
    /// The account, all active admins and the caller.
    pub(super) locked: Vec<User>,
    /// The caller, as their locked row has them; the operator has none.
    pub(super) actor: Option<User>,
}

/// Whether a user may do what admins may.
fn is_admin(user: &User) -> bool {
    user.is_active && user.role == Role::Admin
}

impl Capacity {
    /// Lets whoever makes a change of `target` through, or says why not.
    pub(super) fn admit(
        self,
        actor: Option<&User>,
        target: &User,
        now: DateTime<Utc>,
        is_open_to: impl Fn(&User) -> bool,
    ) -> Result<(), AdminError> {
        match (self, actor) {
            (Self::Operator, _) => Ok(()),
            (Self::Staff(covers), Some(actor)) => {
                covers.admit(actor, target.into(), now)?;
                is_open_to(actor).then_some(()).ok_or(AdminError::Forbidden(covers))
            }
            (Self::Owner, Some(actor)) if actor.id == target.id => Ok(()),
            // Nobody else is an owner, and whoever changes accounts is somebody.
            (Self::Owner | Self::Staff(_), _) => Err(AdminError::NotFound),
        }
    }

    /// Whether whoever makes a change may see its target without one. Who may change accounts sees those
    /// they change, and the audit log tells of it; what changes nothing must not show as much.
    pub(super) fn sees(self, actor: Option<&User>, target: &User, now: DateTime<Utc>) -> bool {
        match self {
            Self::Staff(_) => actor.is_some_and(|actor| {
                actor.id == target.id || actor.may(permission::USERS_READ, now)
            }),
            Self::Owner | Self::Operator => true,
        }
    }
}
