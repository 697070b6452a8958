//! What callers ask before they act: who they are here, and what they may do.

use async_graphql::{Context, ID, Object, SimpleObject};
use portcullis_macros::rules;

use super::user::User;
use crate::graphql::context::ContextExt;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::policy::{Place, Policy, Unmet};
use crate::graphql::step_up::StepUp;
use crate::kernel::access::{Anonymity, Authentication, Factor, Permission};
use crate::kernel::clock::Clock;
use crate::kernel::invalid::{Invalid, Reason};

/// How many fields can be asked about at once.
const FIELDS_MAX: usize = 100;

/// The organization that the call acts in.
fn place(ctx: &Context<'_>) -> Place {
    let active = ctx.viewer().ok().and_then(|viewer| viewer.organization);
    active.map_or(Place::Anywhere, |active| Place::Organization(Some(active.role)))
}

/// Whoever calls, signed in or not.
pub(crate) struct Asking;

/// Whether the caller may use a field.
#[derive(SimpleObject)]
pub(crate) struct Access {
    /// The field, as it was named.
    field: String,
    /// Whether the field would be resolved, as far as its rules go. Whose data an argument names, and how
    /// often one may call, is not known before the call.
    allowed: bool,
    /// The code that a call would be answered with, as in `extensions.code`; null if it is allowed.
    code: Option<Code>,
    /// Why the caller counts as nobody, as in `extensions.reason`; null unless the code is
    /// UNAUTHENTICATED.
    reason: Option<Anonymity>,
    /// What the caller has that would do, as in `extensions.factors`; empty unless the code is STEP_UP_REQUIRED.
    factors: Vec<Factor>,
    /// The rule that is not met, as it stands in the schema; null if it is allowed, or if there is no such field.
    rule: Option<String>,
}

impl Access {
    /// The access to each of these fields, in their order.
    pub(crate) async fn of_all(
        ctx: &Context<'_>,
        place: Place,
        fields: Vec<String>,
    ) -> Result<Vec<Self>> {
        if fields.len() > FIELDS_MAX {
            let refused = Invalid::too_long(FIELDS_MAX, "At most 100 fields at once");
            return Err(refused.at("fields").into());
        }
        let policy = ctx.service::<Policy>();
        let access = |field: String| match policy.ask(ctx, place, &field) {
            Some(asked) => Self::of(field, asked),
            None => Self::unknown(field),
        };
        let mut all: Vec<_> = fields.into_iter().map(access).collect();
        Self::complete(ctx, &mut all).await?;
        Ok(all)
    }

    fn of(field: String, asked: Result<(), Unmet>) -> Self {
        match asked {
            Ok(()) => {
                let (code, reason, rule, factors) = (None, None, None, Vec::new());
                Self { field, allowed: true, code, reason, factors, rule }
            }
            Err(Unmet { error, rule }) => Self {
                field,
                allowed: false,
                code: Some(error.code()),
                reason: error.reason().and_then(|reason| reason.parse().ok()),
                factors: Vec::new(),
                rule: Some(rule),
            },
        }
    }

    /// The access to a field that the schema does not have.
    fn unknown(field: String) -> Self {
        let code = Some(Code::GraphqlValidationFailed);
        Self { field, allowed: false, code, reason: None, factors: Vec::new(), rule: None }
    }

    /// Says of those that take another proof what would do. It is looked for once.
    async fn complete(ctx: &Context<'_>, all: &mut [Self]) -> Result<()> {
        let is_step_up = |access: &Self| access.code == Some(Code::StepUpRequired);
        if all.iter().any(is_step_up) {
            let factors = StepUp::factors(ctx).await?;
            for access in all.iter_mut().filter(|access| is_step_up(access)) {
                access.factors.clone_from(&factors);
            }
        }
        Ok(())
    }
}

/// Whoever calls, signed in or not.
#[Object(name = "Viewer")]
impl Asking {
    /// Stays the same for one user, so that client caches can merge answers. `node` does not accept it.
    async fn id(&self, ctx: &Context<'_>) -> ID {
        let viewer = ctx.viewer().ok();
        viewer.map_or_else(|| "viewer".into(), |viewer| format!("viewer_{}", viewer.user.id).into())
    }

    /// The caller's own account; null for who is not signed in.
    async fn user(&self, ctx: &Context<'_>) -> Option<User> {
        ctx.viewer().ok().map(|viewer| User::from(&*viewer.user))
    }

    /// Why the caller counts as nobody, as in `extensions.reason`; null for who is signed in.
    async fn reason(&self, ctx: &Context<'_>) -> Option<Anonymity> {
        match &ctx.caller().authentication {
            Authentication::Viewer(_) => None,
            Authentication::Anonymous(reason) => Some(*reason),
        }
    }

    /// All that the caller may do: what their role implies, and what was granted to them.
    async fn permissions(&self, ctx: &Context<'_>) -> Vec<Permission> {
        let Ok(viewer) = ctx.viewer() else { return Vec::new() };
        viewer.user.permissions(ctx.service::<Clock>().now())
    }

    /// Whether the caller may use a field, by the rules that a call of it would be judged by. A field
    /// without a rule may be used by whoever has its object. Where the rule asks for a role in an organization, that is the one that the
    /// call acts in, if any: `Organization.viewerCan` says it of another. Nothing is recorded.
    async fn can(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A type and its field, as in `Mutation.deleteUser`.")] field: String,
    ) -> Result<Access> {
        let asked = ctx.service::<Policy>().ask(ctx, place(ctx), &field).ok_or_else(|| {
            ApiError::argument(
                "field",
                Reason::InvalidFormat,
                "The schema has no field of this name",
            )
        })?;
        let mut access = Access::of(field, asked);
        Access::complete(ctx, std::slice::from_mut(&mut access)).await?;
        Ok(access)
    }

    /// Whether the caller may use each of these fields, as `can` decides it, in the order in which they are named. A field
    /// that this schema does not have is not allowed, with the code GRAPHQL_VALIDATION_FAILED.
    async fn access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Types and their fields, as in `Mutation.deleteUser`; at most 100.")]
        fields: Vec<String>,
    ) -> Result<Vec<Access>> {
        Access::of_all(ctx, place(ctx), fields).await
    }
}

#[derive(Default)]
pub(crate) struct ViewerQuery;

#[rules(query)]
#[Object]
impl ViewerQuery {
    /// Whoever calls, and what they may do.
    #[public]
    async fn viewer(&self) -> Asking {
        Asking
    }
}
