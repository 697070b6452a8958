//! What a field asks of its caller, read back from its directives: what `can` and the field's description say.

use std::borrow::Cow;

use async_graphql::Context;
use async_graphql::registry::{MetaDirectiveInvocation, MetaField};

use super::{About, Place, ROOTS, Unmet, Within};
use crate::graphql::context::ContextExt;
use crate::graphql::directive::{OwnerOnly, auth, covers, fresh, member, needs, owner, private};
use crate::graphql::error::{ApiError, Result};
use crate::graphql::feature::ServerFeature;
use crate::graphql::guard::Fresh;
use crate::graphql::rule::Rule;
use crate::kernel::access::{Covers, OrganizationRole, Permission, Rights, Uncovered};
use crate::kernel::clock::Clock;

/// Whether directives say who may resolve a field.
pub(crate) fn has_rule(invocations: &[MetaDirectiveInvocation]) -> bool {
    let terms = Terms::read(invocations);
    terms.is_public || terms.rule.is_some()
}

/// What a field asks of its caller, in the order in which its resolver asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) is_public: bool,
    /// Whether somebody may use it instead who is to set up a second factor.
    is_enrolling: bool,
    pub(super) rule: Option<Rule>,
    pub(super) member: Option<OrganizationRole>,
    /// Whether it is for an owner, and who else may use it for what others own.
    pub(super) owner: Option<OwnerOnly>,
    pub(super) covers: Option<Covers>,
    features: Vec<ServerFeature>,
    pub(super) fresh: Option<Fresh>,
    /// Whether the field is a root, whose input names what `owner` is about; otherwise it is the object.
    is_root: bool,
    /// Whom a field of a user tells more than null, beside themselves.
    is_private_but_to: Option<Permission>,
}

impl Terms {
    /// What a field of a type asks.
    pub(super) fn of(of: &str, field: &MetaField) -> Self {
        Self { is_root: ROOTS.contains(&of), ..Self::read(&field.directive_invocations) }
    }

    /// Reads directives back. One that this module does not know could ask for anything, so there is no schema
    /// with it.
    pub(super) fn read(invocations: &[MetaDirectiveInvocation]) -> Self {
        let mut terms = Self::default();
        for invocation in invocations {
            let is_known = match invocation.name.as_str() {
                "auth" => {
                    terms.rule = auth::read(invocation);
                    terms.rule.is_some()
                }
                "member" => {
                    terms.member = member::read(invocation);
                    terms.member.is_some()
                }
                "owner" => {
                    terms.owner = owner::read(invocation);
                    terms.owner.is_some()
                }
                "covers" => {
                    terms.covers = covers::read(invocation);
                    terms.covers.is_some()
                }
                "needs" => {
                    terms.features = needs::read(invocation).unwrap_or_default();
                    !terms.features.is_empty()
                }
                "fresh" => {
                    terms.fresh = fresh::read(invocation);
                    terms.fresh.is_some()
                }
                "public" => {
                    terms.is_public = true;
                    true
                }
                "private" => {
                    terms.is_private_but_to = private::read(invocation);
                    terms.is_private_but_to.is_some()
                }
                "enrolling" => {
                    terms.is_enrolling = true;
                    true
                }
                // How often, what null means, and what it costs.
                "rateLimit" | "semanticNonNull" | "cost" | "listSize" => true,
                _ => false,
            };
            assert!(is_known, "the policy cannot be read: {}", invocation.sdl());
        }
        terms
    }

    /// In the order in which a call is refused: by the resolver's rules, and by its feature at last.
    pub(super) fn admit(&self, ctx: &Context<'_>, place: Place<'_>) -> Result<(), Unmet> {
        if let Some(rule) = self.rule {
            let admitted = match (rule, place.within) {
                // Who asks of an organization is signed in.
                (Rule::OrganizationRole(least), Within::Organization(role)) => {
                    let is_met = role.is_some_and(|role| role >= least);
                    is_met.then_some(()).ok_or_else(|| rule.unmet())
                }
                _ => rule.admit(ctx),
            };
            admitted.map_err(|error| Unmet { error, rule: auth::of(rule).sdl() })?;
        }
        for feature in &self.features {
            let rule = || needs::apply(vec![*feature]).sdl();
            feature.check(ctx).map_err(|error| Unmet { error, rule: rule() })?;
        }
        if let Some(asked) = self.fresh {
            let rule = || fresh::apply(asked).sdl();
            asked.judge(ctx).map_err(|error| Unmet { error, rule: rule() })?;
        }
        if let (Some(least), Within::Organization(role)) = (self.member, place.within)
            && role.is_none_or(|role| role < least)
        {
            let rule = member::apply(least).sdl();
            return Err(Unmet { error: ApiError::below(least), rule });
        }
        match place.about {
            Some(about) => self.admit_about(ctx, place, about),
            None => Ok(()),
        }
    }

    /// By the functions that the features ask under the locks of a change.
    fn admit_about(
        &self,
        ctx: &Context<'_>,
        place: Place<'_>,
        about: About<'_>,
    ) -> Result<(), Unmet> {
        if self.owner.is_none() && self.covers.is_none() {
            return Ok(());
        }
        let told = |error| Unmet { error, rule: auth::of(Rule::SignedIn).sdl() };
        let (viewer, now) = (ctx.viewer().map_err(told)?, ctx.service::<Clock>().now());
        let (About::Account(Rights { id, .. }) | About::Member(id, _)) = about;
        if let Some(OwnerOnly { or_permission }) = self.owner
            && id != viewer.user.id
            && !or_permission.is_some_and(|permission| viewer.user.may(permission, now))
        {
            let rule = owner::apply(or_permission).sdl();
            let error = if self.is_root { ApiError::not_own() } else { ApiError::not_owner() };
            return Err(Unmet { error, rule });
        }
        let Some(asked) = self.covers else { return Ok(()) };
        let covered = match (about, self.member, place.within) {
            (About::Account(account), None, _) => {
                asked.admit(&viewer.user, account, now).map_err(ApiError::from)
            }
            (About::Member(_, role), Some(_), Within::Organization(Some(own)))
                if !asked.admits_role(own, role) =>
            {
                Err(ApiError::outranked(role, asked))
            }
            // The one says nothing about the other.
            _ => Ok(()),
        };
        covered.map_err(|error| Unmet { error, rule: covers::apply(asked).sdl() })
    }

    /// What the description of the field ends with: who may use it, and which features it needs; none without a rule.
    pub(super) fn sentence(&self) -> Option<String> {
        let mut sentence = self.who()?;
        match (self.covers, self.member) {
            (None, _) => {}
            (Some(Covers { others }), None) => {
                sentence.push_str(
                    " The caller needs every permission that the account has and that the call gives.",
                );
                if others {
                    sentence.push_str(" Callers cannot use it for their own account.");
                }
            }
            (Some(_), Some(_)) => sentence.push_str(
                " The caller's role must be at least that of the member and the one that the call gives.",
            ),
        }
        for feature in &self.features {
            sentence.push(' ');
            sentence.push_str(feature.sentence());
        }
        Some(sentence)
    }

    fn who(&self) -> Option<String> {
        if let Some(permission) = self.is_private_but_to {
            let rule = Rule::Permission(permission);
            return Some(format!("Null unless the caller is that user or has {rule}."));
        }
        let Some(rule) = self.rule else {
            return self.is_public.then(|| "Requires no sign-in.".to_owned());
        };
        let who = match (self.member, self.owner) {
            (None, None) => "".into(),
            (None, Some(_)) if !self.is_root => " who is that user".into(),
            (None, Some(OwnerOnly { or_permission: None })) => " who owns the object".into(),
            (None, Some(OwnerOnly { or_permission: Some(permission) })) => {
                format!(" who owns the object or has {}", Rule::Permission(permission)).into()
            }
            (Some(OrganizationRole::Member), _) => " who belongs to the organization".into(),
            (Some(OrganizationRole::Admin), _) => {
                Cow::from(" who is ADMIN or OWNER in the organization")
            }
            (Some(OrganizationRole::Owner), _) => " who is OWNER in the organization".into(),
        };
        Some(
            match self.fresh {
                None => format!("Requires {rule}{who}."),
                Some(Fresh { max_age_seconds, if_second_factor }) => {
                    let of =
                        if if_second_factor { ", if the account has a second factor," } else { "" };
                    let minutes = max_age_seconds.div_ceil(60);
                    format!(
                        "Requires {rule}{who}, and{of} a sign-in or `reauthenticate` within the last {minutes} minutes."
                    )
                }
            } + if self.is_enrolling {
                " Callers who are not signed in can send an enrollment instead."
            } else {
                ""
            },
        )
    }
}

impl From<Uncovered> for ApiError {
    fn from(uncovered: Uncovered) -> Self {
        match uncovered {
            Uncovered::More(rule) => Self::uncovered(
                "You cannot change an account that has more permissions than yours.",
                rule,
            ),
            Uncovered::Oneself(rule) => Self::uncovered(
                "You cannot reset your own second factors. Turn them off instead.",
                rule,
            ),
        }
    }
}
