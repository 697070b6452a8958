//! Who may resolve a field, as a value: guards enforce it, and the directive `@auth` carries it.

use std::fmt;

use async_graphql::Context;
use async_graphql::resolver_utils::enum_value;
use chrono::{DateTime, Utc};

use super::context::ContextExt;
use super::directive;
use super::error::{ApiError, Result};
use crate::kernel::access::{Authentication, OrganizationRole, Permission, Role, Viewer};
use crate::kernel::clock::Clock;

/// Who may resolve a field that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    /// Whoever is signed in.
    SignedIn,
    /// Who holds at least this role.
    Role(Role),
    /// Who holds this permission, by their role or because it was granted to them.
    Permission(Permission),
    /// Who holds at least this role in the organization that their session acts in.
    OrganizationRole(OrganizationRole),
}

impl Rule {
    /// Lets the caller through, or says why not. By current data and never by what a token claims.
    pub(crate) fn admit(self, ctx: &Context<'_>) -> Result<()> {
        let now = ctx.service::<Clock>().now();
        self.is_met_by(ctx.viewer()?, now).then_some(()).ok_or_else(ApiError::forbidden)
    }

    /// All rules that a caller meets.
    pub(crate) fn met_by(authentication: &Authentication, now: DateTime<Utc>) -> Vec<Self> {
        let Authentication::Viewer(viewer) = authentication else { return Vec::new() };
        Self::ALL.iter().copied().filter(|rule| rule.is_met_by(viewer, now)).collect()
    }

    /// Whether a signed-in caller may resolve what has this rule.
    pub(crate) fn is_met_by(self, viewer: &Viewer, now: DateTime<Utc>) -> bool {
        match self {
            Self::SignedIn => true,
            Self::Role(role) => viewer.holds(role),
            Self::Permission(permission) => viewer.user.may(permission, now),
            Self::OrganizationRole(role) => viewer.holds_in_organization(role),
        }
    }
}

impl fmt::Display for Rule {
    /// What the rule asks for, as in "Requires …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedIn => f.write_str("a signed-in caller"),
            Self::Role(role) => write!(f, "the role {}", enum_value(directive::Role::from(*role))),
            Self::Permission(permission) => {
                write!(f, "the permission {}", enum_value(directive::Permission::from(*permission)))
            }
            Self::OrganizationRole(role) => {
                let role = enum_value(directive::OrganizationRole::from(*role));
                write!(f, "the role {role} in the active organization")
            }
        }
    }
}

/// Lists every rule there can be. One that is missing does not compile.
macro_rules! rules {
    ($($rule:ident $(($of:path))?,)*) => {
        impl Rule {
            pub(crate) const ALL: &[Self] = &[$(Self::$rule $(($of))?,)*];

            /// The rule as what the library takes to decide what introspection lists: a function
            /// that can hold nothing, so each rule has its own.
            pub(crate) fn lister(self) -> fn(&Context<'_>) -> bool {
                match self {
                    $(Self::$rule $(($of))? => |ctx| Self::$rule $(($of))?.admit(ctx).is_ok(),)*
                }
            }
        }
    };
}

rules! {
    SignedIn,
    Role(Role::User),
    Role(Role::Admin),
    Permission(Permission::UsersRead),
    Permission(Permission::UsersWrite),
    Permission(Permission::AuditRead),
    Permission(Permission::PermissionsGrant),
    Permission(Permission::TasksReadAll),
    Permission(Permission::TasksWriteAll),
    OrganizationRole(OrganizationRole::Member),
    OrganizationRole(OrganizationRole::Admin),
    OrganizationRole(OrganizationRole::Owner),
}
