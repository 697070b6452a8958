//! Guards: roles and permissions only, never rows. Each stands beside the directive that says the same in
//! the SDL.

use async_graphql::{Context, Guard, Result};

use super::rule::{self, Rule};
use crate::kernel::access::{OrganizationRole, Permission, Role};

/// Lets a field through for signed-in callers only.
pub(crate) struct SignedIn;

impl Guard for SignedIn {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        Ok(Rule::SignedIn.admit(ctx)?)
    }
}

/// Lets a field through for signed-in callers who hold at least the role.
pub(crate) struct RoleGuard(pub(crate) Role);

impl Guard for RoleGuard {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        Ok(Rule::Role(self.0).admit(ctx)?)
    }
}

/// Lets a field through for signed-in callers who hold the permission.
pub(crate) struct PermissionGuard(pub(crate) Permission);

impl Guard for PermissionGuard {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        Ok(Rule::Permission(self.0).admit(ctx)?)
    }
}

/// Lets a field through for signed-in callers whose session acts in an organization where they hold at
/// least the role.
pub(crate) struct OrganizationRoleGuard(pub(crate) OrganizationRole);

impl Guard for OrganizationRoleGuard {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        Ok(Rule::OrganizationRole(self.0).admit(ctx)?)
    }
}

/// For this long after a sign-in what takes an account over, or ends it, needs no further proof
/// (MF-10).
pub(crate) const FRESH_SECONDS: u32 = 300;

/// Lets a field through for callers who have signed in lately: an access token that was stolen, or a
/// device that was left alone, is not enough.
pub(crate) struct Fresh;

impl Guard for Fresh {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        Ok(rule::admit_fresh(ctx, FRESH_SECONDS)?)
    }
}
