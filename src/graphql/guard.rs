//! Guards: roles only, never rows. Each stands beside the directive that says the same in the SDL.

use async_graphql::{Context, Guard, Result};

use super::context::ContextExt;
use super::error::ApiError;
use crate::platform::access::Role;

/// Lets a field through for signed-in callers only.
pub(crate) struct SignedIn;

impl Guard for SignedIn {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        ctx.viewer()?;
        Ok(())
    }
}

/// Lets a field through for signed-in callers who hold at least the role.
pub(crate) struct RoleGuard(pub(crate) Role);

impl Guard for RoleGuard {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        if !ctx.viewer()?.holds(self.0) {
            return Err(ApiError::forbidden().into());
        }
        Ok(())
    }
}
