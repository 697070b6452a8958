//! Who may resolve a field: what a guard enforces and a directive says.

use async_graphql::Context;

use super::context::ContextExt;
use super::error::{ApiError, Result};
use crate::platform::access::{Permission, Role};
use crate::platform::clock::Clock;

/// Who may resolve a field that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Whoever is signed in.
    SignedIn,
    /// Who holds at least this role.
    Role(Role),
    /// Who holds this permission, by their role or because it was granted to them.
    Permission(Permission),
}

impl Rule {
    /// Lets the caller through, or says why not. By current data and never by what a token claims.
    pub(crate) fn admit(self, ctx: &Context<'_>) -> Result<()> {
        let viewer = ctx.viewer()?;
        let is_met = match self {
            Self::SignedIn => true,
            Self::Role(role) => viewer.holds(role),
            Self::Permission(permission) => {
                viewer.user.may(permission, ctx.service::<Clock>().now())
            }
        };
        is_met.then_some(()).ok_or_else(ApiError::forbidden)
    }
}
