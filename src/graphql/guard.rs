//! Guards: who may resolve a field, by roles and permissions only, never by rows. The attribute `rules` calls them
//! in front of a resolver's body; a resolver may call one by hand.

use async_graphql::Context;

use super::context::ContextExt;
use super::error::{ApiError, Code, Result};
use super::id::Id;
use super::rule::Rule;
use super::step_up::StepUp;
use crate::kernel::access::{OrganizationRole, Permission, Role};
use crate::kernel::clock::Clock;

/// Lets callers through who meet a rule.
pub trait Guard {
    /// The rule that the guard enforces.
    fn rule(&self) -> Rule;

    /// Lets the caller of this request through, or says why not.
    fn check(&self, ctx: &Context<'_>) -> Result<()> {
        self.rule().admit(ctx)
    }
}

/// Lets signed-in callers through.
pub struct SignedIn;

impl Guard for SignedIn {
    fn rule(&self) -> Rule {
        Rule::SignedIn
    }
}

/// Lets signed-in callers through who hold at least the role.
pub struct RoleGuard(pub Role);

impl Guard for RoleGuard {
    fn rule(&self) -> Rule {
        Rule::Role(self.0)
    }
}

/// Lets signed-in callers through who hold the permission.
pub struct PermissionGuard(pub Permission);

impl Guard for PermissionGuard {
    fn rule(&self) -> Rule {
        Rule::Permission(self.0)
    }
}

/// Lets signed-in callers through whose call acts in an organization where they hold at least the role.
pub struct OrganizationRoleGuard(pub OrganizationRole);

impl Guard for OrganizationRoleGuard {
    fn rule(&self) -> Rule {
        Rule::OrganizationRole(self.0)
    }
}

/// An object that belongs to a user, which fields with `#[owner]` show to that user only.
pub trait Personal {
    /// The id of the user.
    fn owner(&self) -> Id;

    /// Lets the owner through, or says why not.
    fn check_owner(&self, ctx: &Context<'_>) -> Result<()> {
        let is_owner = self.owner() == Id::from(ctx.viewer()?.user.id);
        is_owner.then_some(()).ok_or_else(ApiError::not_owner)
    }
}

pub use crate::kernel::access::FRESH_SECONDS;

/// Lets callers through who proved lately who they are, with two factors if their account has two: a stolen access token, or a
/// device that was left alone, is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// How long ago that may be.
    pub max_age_seconds: u32,
    /// Whether it is asked only of accounts with a second factor.
    pub if_second_factor: bool,
}

impl Fresh {
    /// Lets the caller of this request through, or has them prove again who they are, with what they have for it.
    pub async fn check(self, ctx: &Context<'_>) -> Result<()> {
        match self.judge(ctx) {
            Err(refused) if refused.code() == Code::StepUpRequired => {
                Err(StepUp::required(ctx, self.max_age_seconds).await?)
            }
            judged => judged,
        }
    }

    /// The same at once, which does not say with what.
    pub(crate) fn judge(self, ctx: &Context<'_>) -> Result<()> {
        let (seconds, now) = (self.max_age_seconds, ctx.service::<Clock>().now());
        let viewer = ctx.viewer()?;
        let is_asked = viewer.user.second_factor || !self.if_second_factor;
        let is_met = !is_asked || viewer.proved_within(seconds, now);
        is_met.then_some(()).ok_or_else(|| ApiError::step_up(seconds, &[]))
    }
}
