//! The access policy as it stands in the SDL. The attribute `rules` writes each directive from the value that it
//! enforces.

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::location_traits::Directive_At_FIELD_DEFINITION;
use async_graphql::registry::{MetaDirectiveInvocation, Registry};
use async_graphql::resolver_utils::parse_enum;
use async_graphql::{Enum, InputType, TypeDirective, Value};

use super::feature::ServerFeature;
use super::guard::{Fresh, Guard};
use super::rule::Rule;
use crate::infra::limits::{self, ByWhat, CountedBy, Counts, Limit, Rates};
use crate::kernel::access::{Covers, OrganizationRole, Permission, Role};

/// Everybody can use the field.
#[TypeDirective(location = "FieldDefinition")]
pub fn public() {}

/// A caller who is not signed in can use the field with `input.enrollment`: see EnrollmentRequired.
#[TypeDirective(location = "FieldDefinition")]
pub fn enrolling() {}

/// Only signed-in callers can use the field. With role, they need at least that role; with permission, that permission;
/// with orgRole, at least that role in the organization that the call acts in.
#[TypeDirective(location = "FieldDefinition", name = "auth")]
pub(crate) fn auth_directive(
    role: Option<Role>,
    permission: Option<Permission>,
    org_role: Option<OrganizationRole>,
) {
}

/// `@auth`, from the guard that enforces it.
#[expect(non_camel_case_types, reason = "as the library's own directives are called")]
pub struct auth;

impl auth {
    /// As the schema carries it.
    pub fn apply(enforced: &impl Guard) -> MetaDirectiveInvocation {
        Self::of(enforced.rule())
    }

    pub(crate) fn of(enforced: Rule) -> MetaDirectiveInvocation {
        match enforced {
            Rule::SignedIn => auth_directive::apply(None, None, None),
            Rule::Role(role) => auth_directive::apply(Some(role), None, None),
            Rule::Permission(permission) => auth_directive::apply(None, Some(permission), None),
            Rule::OrganizationRole(role) => auth_directive::apply(None, None, Some(role)),
        }
    }

    /// The rule that this carries.
    pub(crate) fn read(invocation: &MetaDirectiveInvocation) -> Option<Rule> {
        let mut arguments = invocation.args.iter();
        let Some((name, value)) = arguments.next() else { return Some(Rule::SignedIn) };
        let rule = match name.as_str() {
            "role" => Rule::Role(parse_enum::<Role>(value.clone()).ok()?),
            "permission" => {
                Rule::Permission(<Permission as InputType>::parse(Some(value.clone())).ok()?)
            }
            "orgRole" => {
                Rule::OrganizationRole(parse_enum::<OrganizationRole>(value.clone()).ok()?)
            }
            _ => return None,
        };
        arguments.next().is_none().then_some(rule)
    }
}

impl Directive_At_FIELD_DEFINITION for auth {}

impl TypeDirective for auth {
    fn name(&self) -> Cow<'static, str> {
        auth_directive.name()
    }

    fn register(&self, registry: &mut Registry) {
        auth_directive.register(registry);
    }
}

/// Null for everybody except the user themselves and callers who have the permission. The payload of a mutation that
/// changes a user also shows these fields.
#[TypeDirective(location = "FieldDefinition")]
pub(crate) fn private(permission: Permission) {}

impl private {
    /// The permission that this carries.
    pub(crate) fn read(invocation: &MetaDirectiveInvocation) -> Option<Permission> {
        <Permission as InputType>::parse(invocation.args.get("permission").cloned()).ok()
    }
}

/// Only members with at least this role can use the field, in the organization that has the field or that the input
/// names. Non-members get NOT_FOUND, and members with a lower role get FORBIDDEN.
#[TypeDirective(location = "FieldDefinition")]
pub fn member(role: OrganizationRole) {}

impl member {
    /// The role that this carries.
    pub(crate) fn read(invocation: &MetaDirectiveInvocation) -> Option<OrganizationRole> {
        parse_enum(invocation.args.get("role")?.clone()).ok()
    }
}

/// Only the owner can use the field: of the object that has it, or that the input names. On an object, others get
/// FORBIDDEN; in an input, the object of another is NOT_FOUND. With orPermission, callers who have that permission can
/// use the field for every object.
#[TypeDirective(location = "FieldDefinition", name = "owner")]
pub(crate) fn owner_directive(or_permission: Option<Permission>) {}

/// What `@owner` says: only the owner can use a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnerOnly {
    /// The permission that opens the objects of everybody.
    pub(crate) or_permission: Option<Permission>,
}

/// `@owner`, which adds the permission that opens the objects of everybody.
#[expect(non_camel_case_types, reason = "as the library's own directives are called")]
pub struct owner;

impl owner {
    /// As the schema carries it.
    #[must_use]
    pub fn apply(or_permission: Option<Permission>) -> MetaDirectiveInvocation {
        owner_directive::apply(or_permission)
    }

    /// The rule that this carries.
    pub(crate) fn read(invocation: &MetaDirectiveInvocation) -> Option<OwnerOnly> {
        let permission = invocation.args.get("orPermission").cloned();
        let or_permission = <Option<Permission> as InputType>::parse(permission).ok()?;
        Some(OwnerOnly { or_permission })
    }
}

impl Directive_At_FIELD_DEFINITION for owner {}

impl TypeDirective for owner {
    fn name(&self) -> Cow<'static, str> {
        owner_directive.name()
    }

    fn register(&self, registry: &mut Registry) {
        owner_directive.register(registry);
    }
}

/// Only callers can use the field who have every permission of the account that the call is about, and every one that
/// the call gives. In an organization, the caller's role must be at least that of the member, and the one that the call
/// gives. Others get FORBIDDEN. With others, callers cannot use the field for their own account.
#[TypeDirective(location = "FieldDefinition", name = "covers")]
pub(crate) fn covers_directive(others: Option<bool>) {}

/// `@covers`, from the rule that a feature asks under its locks.
#[expect(non_camel_case_types, reason = "as the library's own directives are called")]
pub struct covers;

impl covers {
    /// As the schema carries it.
    #[must_use]
    pub fn apply(asked: Covers) -> MetaDirectiveInvocation {
        covers_directive::apply(asked.others.then_some(true))
    }

    /// The rule that this carries.
    pub(crate) fn read(invocation: &MetaDirectiveInvocation) -> Option<Covers> {
        let others = <Option<bool> as InputType>::parse(invocation.args.get("others").cloned());
        Some(Covers { others: others.ok()? == Some(true) })
    }
}

impl Directive_At_FIELD_DEFINITION for covers {}

impl TypeDirective for covers {
    fn name(&self) -> Cow<'static, str> {
        covers_directive.name()
    }

    fn register(&self, registry: &mut Registry) {
        covers_directive.register(registry);
    }
}

/// Fails with FORBIDDEN unless the server offers all these features. `extensions.feature` names the missing one.
#[TypeDirective(location = "FieldDefinition")]
pub fn needs(features: Vec<ServerFeature>) {}

impl needs {
    /// The features that this carries.
    pub(crate) fn read(invocation: &MetaDirectiveInvocation) -> Option<Vec<ServerFeature>> {
        <Vec<ServerFeature> as InputType>::parse(invocation.args.get("features").cloned()).ok()
    }
}

/// Only callers who signed in or reauthenticated within the last maxAgeSeconds can use the field; refreshing does not
/// count. With ifSecondFactor, this applies only to accounts with a second factor.
#[TypeDirective(location = "FieldDefinition", name = "fresh")]
pub(crate) fn fresh_directive(max_age_seconds: u32, if_second_factor: Option<bool>) {}

/// `@fresh`, which is made from the guard that enforces it.
#[expect(non_camel_case_types, reason = "as the library's own directives are called")]
pub struct fresh;

impl fresh {
    /// What this guard asks, as the schema carries it.
    #[must_use]
    pub fn apply(enforced: Fresh) -> MetaDirectiveInvocation {
        let if_second_factor = enforced.if_second_factor.then_some(true);
        fresh_directive::apply(enforced.max_age_seconds, if_second_factor)
    }

    /// The guard that this carries.
    pub(crate) fn read(invocation: &MetaDirectiveInvocation) -> Option<Fresh> {
        let max_age_seconds =
            <u32 as InputType>::parse(invocation.args.get("maxAgeSeconds").cloned());
        let if_second_factor =
            <Option<bool> as InputType>::parse(invocation.args.get("ifSecondFactor").cloned());
        Some(Fresh {
            max_age_seconds: max_age_seconds.ok()?,
            if_second_factor: if_second_factor.ok()? == Some(true),
        })
    }
}

impl Directive_At_FIELD_DEFINITION for fresh {}

impl TypeDirective for fresh {
    fn name(&self) -> Cow<'static, str> {
        fresh_directive.name()
    }

    fn register(&self, registry: &mut Registry) {
        fresh_directive.register(registry);
    }
}

/// The field is null only if the answer has an error for it, so clients can treat it as non-null. `levels` lists the
/// depths of a list to which this applies.
#[TypeDirective(location = "FieldDefinition", name = "semanticNonNull")]
pub(crate) fn semantic_non_null_directive(#[graphql(default_with = "vec![0]")] levels: Vec<i32>) {}

/// `@semanticNonNull` with its default.
#[expect(non_camel_case_types, reason = "as the library's own directives are called")]
pub struct semantic_non_null;

impl semantic_non_null {
    /// As the schema carries it.
    #[must_use]
    pub fn apply() -> MetaDirectiveInvocation {
        let name = Self.name().into_owned();
        MetaDirectiveInvocation { name, args: IndexMap::default() }
    }
}

impl Directive_At_FIELD_DEFINITION for semantic_non_null {}

impl TypeDirective for semantic_non_null {
    fn name(&self) -> Cow<'static, str> {
        semantic_non_null_directive.name()
    }

    fn register(&self, registry: &mut Registry) {
        semantic_non_null_directive.register(registry);
    }
}

/// A property by which a rate limit counts attempts.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RateLimitKey {
    /// The client's IP address; for IPv6, its network (/64).
    Ip,
    /// The account that the call names, as submitted, whether or not it exists.
    Identifier,
    /// The signed-in caller.
    User,
    /// The caller's session.
    Session,
    /// A device from which the user has signed in before: see AuthPayload.deviceToken.
    Device,
}

impl From<ByWhat> for RateLimitKey {
    fn from(by: ByWhat) -> Self {
        match by {
            ByWhat::Ip => Self::Ip,
            ByWhat::Identifier => Self::Identifier,
            ByWhat::User => Self::User,
            ByWhat::Session => Self::Session,
            ByWhat::Device => Self::Device,
        }
    }
}

/// Limits the field to max attempts in windowSeconds on average, counted separately for each combination of the keys in
/// by. Attempts come back evenly, one every windowSeconds / max seconds, so at most twice max pass in windowSeconds. With
/// failed, only failed attempts count. With distinct, each different value of that key counts once. The operator can
/// change the numbers for name in RATE_LIMITS.
#[TypeDirective(location = "FieldDefinition", name = "rateLimit", repeatable)]
pub(crate) fn rate_limit(
    name: String,
    max: u32,
    window_seconds: u32,
    by: Vec<RateLimitKey>,
    failed: Option<bool>,
    distinct: Option<RateLimitKey>,
) {
}

/// `@rateLimit`, from the definition that enforces it.
#[expect(non_camel_case_types, reason = "as the library's own directives are called")]
pub struct limit;

impl limit {
    /// As the schema carries it.
    pub fn apply<K: CountedBy>(of: &Limit<K>) -> MetaDirectiveInvocation {
        let by = K::parts().into_iter().map(RateLimitKey::from).collect();
        let failed = (!matches!(of.counts, Counts::Attempts { .. })).then_some(true);
        let distinct = K::distinct().map(RateLimitKey::from);
        rate_limit::apply(of.name.to_owned(), of.max, of.window_seconds, by, failed, distinct)
    }

    /// Whether this is the directive of a limit of this name.
    pub(crate) fn is(invocation: &MetaDirectiveInvocation, name: &str) -> bool {
        Self::name(invocation) == Some(name)
    }

    /// Writes the rate that is set for this limit, if one is.
    pub(crate) fn set(invocation: &mut MetaDirectiveInvocation, rates: &Rates) {
        let Some(rate) = Self::name(invocation).and_then(|name| rates.find(name)) else { return };
        for (argument, number) in [("max", rate.max), ("windowSeconds", rate.window_seconds)] {
            invocation.args.insert(argument.to_owned(), number.into());
        }
    }

    /// The name of a limit that may be set, and to how many attempts at most. What sessions and devices fail is counted
    /// in the database as well, up to a number that stays.
    pub(crate) fn settable(invocation: &MetaDirectiveInvocation) -> Option<(&str, u32)> {
        let Some(Value::List(by)) = invocation.args.get("by") else { return None };
        let stays = |by: &Value| matches!(by, Value::Enum(by) if by == "SESSION" || by == "DEVICE");
        let is_distinct = matches!(invocation.args.get("distinct"), Some(Value::Enum(_)));
        let name = Self::name(invocation).filter(|_| !by.iter().any(stays))?;
        Some((name, if is_distinct { limits::DISTINCT_MAX } else { limits::MAX }))
    }

    fn name(invocation: &MetaDirectiveInvocation) -> Option<&str> {
        match invocation.args.get("name") {
            Some(Value::String(name)) if invocation.name == "rateLimit" => Some(name),
            _ => None,
        }
    }
}

impl Directive_At_FIELD_DEFINITION for limit {}

impl TypeDirective for limit {
    fn name(&self) -> Cow<'static, str> {
        rate_limit.name()
    }

    fn register(&self, registry: &mut Registry) {
        rate_limit.register(registry);
    }
}
