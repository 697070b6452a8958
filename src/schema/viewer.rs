//! What callers ask before they act: who they are here, and what they may do.

use async_graphql::{Context, ID, Object, SimpleObject};
use portcullis_macros::rules;

use super::user::User;
use crate::graphql::context::ContextExt;
use crate::graphql::directive::semantic_non_null;
use crate::graphql::error::{Code, Result};
use crate::graphql::policy::{Place, Policy, Unmet, Within};
use crate::graphql::reason::ErrorReason;
use crate::graphql::step_up::StepUp;
use crate::kernel::access::{Anonymity, Authentication, Factor, Permission};
use crate::kernel::clock::Clock;
use crate::kernel::invalid::Invalid;

/// How many fields can be asked about at once.
const FIELDS_MAX: usize = 100;

/// The organization that the call acts in.
pub(super) fn place(ctx: &Context<'_>) -> Place<'static> {
    let active = ctx.viewer().ok().and_then(|viewer| viewer.organization);
    let role = active.map(|active| Within::Organization(Some(active.role)));
    Place { within: role.unwrap_or_default(), about: None }
}

/// The caller, signed in or not.
pub(crate) struct Asking;

/// The caller's access to one field.
#[derive(SimpleObject)]
pub(crate) struct Access {
    /// The name of the field, as the caller wrote it.
    field: String,
    /// Whether the field's rules admit the caller. A call can still fail: the answer ignores rate limits and what the
    /// arguments name, except for the object that was asked.
    allowed: bool,
    /// The error code that a call would return in `extensions.code`; null if the call is allowed.
    code: Option<Code>,
    /// Why the server does not recognize the caller, as in `extensions.reason`; null unless the code is
    /// UNAUTHENTICATED.
    reason: Option<ErrorReason>,
    /// The factors that the caller can use to reauthenticate, as in `extensions.factors`; empty unless the code is
    /// STEP_UP_REQUIRED.
    factors: Vec<Factor>,
    /// The rule that the caller does not meet, as the schema spells it; null if the call is allowed or the field does
    /// not exist.
    rule: Option<String>,
}

impl Access {
    /// The access to each of these fields, in their order.
    async fn of_all(ctx: &Context<'_>, place: Place<'_>, fields: Vec<String>) -> Result<Vec<Self>> {
        if fields.len() > FIELDS_MAX {
            let refused = Invalid::too_long(FIELDS_MAX, "Name at most 100 fields.");
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

    /// The same as the value of a nullable field: an error leaves the siblings of the field alone.
    pub(crate) async fn answer(
        ctx: &Context<'_>,
        place: Place<'_>,
        fields: Vec<String>,
    ) -> Option<async_graphql::Result<Vec<Self>>> {
        Some(Self::of_all(ctx, place, fields).await.map_err(Into::into))
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
                reason: error.reason(),
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

/// The caller, signed in or not.
#[Object(name = "Viewer")]
impl Asking {
    /// An id that stays the same for one user, so that client caches can merge answers. Query.node does not accept it.
    async fn id(&self, ctx: &Context<'_>) -> ID {
        let viewer = ctx.viewer().ok();
        viewer.map_or_else(|| "viewer".into(), |viewer| format!("viewer_{}", viewer.user.id).into())
    }

    /// The caller's account; null for callers who are not signed in.
    async fn user(&self, ctx: &Context<'_>) -> Option<User> {
        ctx.viewer().ok().map(|viewer| User::from(&*viewer.user))
    }

    /// Why the server does not recognize the caller, as in `extensions.reason`; null for signed-in callers.
    async fn reason(&self, ctx: &Context<'_>) -> Option<Anonymity> {
        match &ctx.caller().authentication {
            Authentication::Viewer(_) => None,
            Authentication::Anonymous(reason) => Some(*reason),
        }
    }

    /// All permissions of the caller: those of their role and those granted to them.
    async fn permissions(&self, ctx: &Context<'_>) -> Vec<Permission> {
        let Ok(viewer) = ctx.viewer() else { return Vec::new() };
        viewer.user.permissions(ctx.service::<Clock>().now())
    }

    /// Tells whether the caller may use a field, by the rules that apply to a call. Everybody who can read an object
    /// may use its fields without a rule. A rule about a role in an organization applies to the organization that the
    /// call acts in; for another one, use Organization.viewerCan. A rule about a user or a member is asked by
    /// User.viewerCan and Membership.viewerCan only. A field that this schema does not have is not
    /// allowed, with the code GRAPHQL_VALIDATION_FAILED. The server does not record the question.
    #[graphql(directive = semantic_non_null::apply())]
    async fn can(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The field with its type, as in `Mutation.deleteUser`.")] field: String,
    ) -> Option<async_graphql::Result<Access>> {
        let asked = Access::of_all(ctx, place(ctx), vec![field]).await;
        asked.map(|all| all.into_iter().next()).map_err(Into::into).transpose()
    }

    /// Tells for each field whether the caller may use it, in the same order and by the same rules as `can`.
    #[graphql(directive = semantic_non_null::apply())]
    async fn access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The fields with their types, as in `Mutation.deleteUser`: at most 100.")]
        fields: Vec<String>,
    ) -> Option<async_graphql::Result<Vec<Access>>> {
        Access::answer(ctx, place(ctx), fields).await
    }
}

#[derive(Default)]
pub(crate) struct ViewerQuery;

#[rules(query)]
#[Object]
impl ViewerQuery {
    /// The caller, signed in or not, and their permissions.
    #[public]
    async fn viewer(&self) -> Asking {
        Asking
    }
}
