//! A change to an account: who may make it, whether it is made already, and what it is called.

use chrono::{DateTime, Utc};

use crate::features::audit::{Kind, kind};
use crate::infra::passwords::hash::PasswordHash;
use crate::kernel::access::{Grant, Permission, Role, User, permission};

/// A change to one account.
#[derive(Clone, Copy)]
pub(super) enum AccountChange<'a> {
    Role(Role),
    Grant(Grant),
    Revoke(Permission),
    Deactivate,
    Reactivate,
    Delete,
    Password(&'a PasswordHash),
    ResetFactors,
    Unlock,
}

impl AccountChange<'_> {
    /// Whether somebody may make this change of an account that may do no more than theirs.
    pub(super) fn is_open_to(self, actor: &User, now: DateTime<Utc>) -> bool {
        let may = |permission| actor.may(permission, now);
        match self {
            Self::Role(_) => actor.role == Role::Admin,
            Self::Grant(grant) => may(permission::PERMISSIONS_GRANT) && actor.may_grant(grant, now),
            Self::Revoke(permission) => may(permission::PERMISSIONS_GRANT) && may(permission),
            Self::Deactivate | Self::Reactivate | Self::Delete | Self::ResetFactors => {
                may(permission::USERS_WRITE)
            }
            // The operator's alone.
            Self::Password(_) | Self::Unlock => false,
        }
    }

    /// Whether there is nothing left to do: doing it twice is no error and no second event.
    pub(super) fn is_done_for(self, user: &User, now: DateTime<Utc>) -> bool {
        match self {
            Self::Role(role) => user.role == role,
            Self::Grant(grant) => user.grants.at(now).any(|held| held == grant),
            Self::Revoke(permission) => {
                user.grants.at(now).all(|held| held.permission != permission)
            }
            Self::Deactivate => !user.is_active,
            Self::Reactivate => user.is_active,
            Self::Delete | Self::Password(_) | Self::ResetFactors | Self::Unlock => false,
        }
    }

    /// What is given or taken, for the audit log.
    pub(super) fn subject(self) -> Option<String> {
        match self {
            Self::Role(role) => Some(role.into_str().to_owned()),
            Self::Grant(grant) => Some(grant.to_string()),
            Self::Revoke(permission) => Some(permission.into_str().to_owned()),
            Self::Deactivate
            | Self::Reactivate
            | Self::Delete
            | Self::Password(_)
            | Self::ResetFactors
            | Self::Unlock => None,
        }
    }

    /// Whether an active admin it is done to is one no more.
    pub(super) fn removes_an_admin(self) -> bool {
        match self {
            Self::Role(role) => role != Role::Admin,
            Self::Deactivate | Self::Delete => true,
            Self::Grant(_)
            | Self::Revoke(_)
            | Self::Reactivate
            | Self::Password(_)
            | Self::ResetFactors
            | Self::Unlock => false,
        }
    }

    /// What the metrics call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Role(_) => "set a role",
            Self::Grant(_) => "grant a permission",
            Self::Revoke(_) => "revoke a permission",
            Self::Deactivate => "deactivate",
            Self::Reactivate => "reactivate",
            Self::Delete => "delete an account",
            Self::Password(_) => "set a password",
            Self::ResetFactors => "reset second factors",
            Self::Unlock => "unlock",
        }
    }

    /// What the audit log calls it.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Role(_) => kind::ROLE_CHANGED,
            Self::Grant(_) => kind::PERMISSION_GRANTED,
            Self::Revoke(_) => kind::PERMISSION_REVOKED,
            Self::Deactivate => kind::USER_DEACTIVATED,
            Self::Reactivate => kind::USER_REACTIVATED,
            Self::Delete => kind::USER_DELETED,
            Self::Password(_) => kind::PASSWORD_SET,
            Self::ResetFactors => kind::SECOND_FACTORS_RESET,
            Self::Unlock => kind::USER_UNLOCKED,
        }
    }
}
