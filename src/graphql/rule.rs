//! Who may resolve a field, as a value: guards enforce it, and the directive `@auth` carries it.

use std::{fmt, iter};

use async_graphql::Context;
use chrono::{DateTime, Utc};
use strum::IntoEnumIterator;

use super::context::ContextExt;
use super::directive::auth;
use super::error::{ApiError, Result};
use crate::kernel::access::{Authentication, OrganizationRole, Permission, Role, Viewer};
use crate::kernel::clock::Clock;

/// Who may resolve a field that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Whoever is signed in.
    SignedIn,
    /// Who holds at least this role.
    Role(Role),
    /// Who holds this permission, by their role or because it was granted to them.
    Permission(Permission),
    /// Who holds at least this role in the organization that the call acts in.
    OrganizationRole(OrganizationRole),
}

impl Rule {
    /// Lets the caller through, or says why not. By current data and never by what a token claims.
    pub(crate) fn admit(self, ctx: &Context<'_>) -> Result<()> {
        let now = ctx.service::<Clock>().now();
        self.is_met_by(ctx.viewer()?, now).then_some(()).ok_or_else(|| self.unmet())
    }

    /// What callers are told who do not meet it.
    pub(crate) fn unmet(self) -> ApiError {
        ApiError::unmet(self, &auth::of(self))
    }

    /// All rules whose fields a caller is shown.
    pub(crate) fn shown_to(authentication: &Authentication, now: DateTime<Utc>) -> Vec<Self> {
        let Authentication::Viewer(viewer) = authentication else { return Vec::new() };
        let is_shown = |rule: &Self| rule.is_by_organization() || rule.is_met_by(viewer, now);
        Self::all().filter(is_shown).collect()
    }

    /// Whether callers meet it by naming an organization, as they may in each call. What has it is shown to all of them.
    fn is_by_organization(self) -> bool {
        matches!(self, Self::OrganizationRole(_))
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
            Self::Role(role) => write!(f, "the role {}", role.into_str()),
            Self::Permission(permission) => {
                write!(f, "the permission {}", permission.into_str())
            }
            Self::OrganizationRole(role) => {
                let role = role.into_str();
                write!(f, "the role {role} in the active organization")
            }
        }
    }
}

/// How many permissions there may be: introspection decides by one function for each.
pub(crate) const PERMISSIONS_MAX: usize = 64;

impl Rule {
    /// All that there can be.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let permissions = Permission::all().iter().copied().map(Self::Permission);
        iter::once(Self::SignedIn)
            .chain(Role::iter().map(Self::Role))
            .chain(permissions)
            .chain(OrganizationRole::iter().map(Self::OrganizationRole))
    }

    /// The rule as what the library takes to decide what introspection lists: a function that can hold nothing, so
    /// each rule has its own.
    pub(crate) fn lister(self) -> fn(&Context<'_>) -> bool {
        match self {
            Self::SignedIn | Self::OrganizationRole(_) => |ctx| Self::SignedIn.admit(ctx).is_ok(),
            Self::Role(Role::User) => |ctx| Self::Role(Role::User).admit(ctx).is_ok(),
            Self::Role(Role::Admin) => |ctx| Self::Role(Role::Admin).admit(ctx).is_ok(),
            Self::Permission(permission) => {
                let place = Permission::all().iter().position(|one| *one == permission);
                // No server is built with more, or with a rule that names another.
                place.and_then(|place| LISTERS.get(place)).map_or(|_| false, |lister| *lister)
            }
        }
    }
}

/// Whether the caller holds the permission at a place among all.
fn holds<const PLACE: usize>(ctx: &Context<'_>) -> bool {
    let permission = Permission::all().get(PLACE);
    permission.is_some_and(|one| Rule::Permission(*one).admit(ctx).is_ok())
}

macro_rules! listers {
    ($($tens:literal)*) => {
        [$(
            holds::<{ $tens }>, holds::<{ $tens + 1 }>, holds::<{ $tens + 2 }>, holds::<{ $tens + 3 }>,
            holds::<{ $tens + 4 }>, holds::<{ $tens + 5 }>, holds::<{ $tens + 6 }>, holds::<{ $tens + 7 }>,
        )*]
    };
}

static LISTERS: [fn(&Context<'_>) -> bool; PERMISSIONS_MAX] = listers!(0 8 16 24 32 40 48 56);
