//! Who may resolve a field: what a guard enforces and a directive says.

use async_graphql::Context;
use chrono::{DateTime, Utc};

use super::context::ContextExt;
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

/// Lets callers through who proved who they are at most so many seconds ago, or has them do so again.
pub(crate) fn admit_fresh(ctx: &Context<'_>, max_age_seconds: u32) -> Result<()> {
    let now = ctx.service::<Clock>().now();
    let is_fresh = ctx.viewer()?.signed_in_within(max_age_seconds, now);
    is_fresh.then_some(()).ok_or_else(|| ApiError::step_up(max_age_seconds))
}
