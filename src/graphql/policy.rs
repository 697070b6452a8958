//! The access policy of a whole schema, read back from its directives while it is built: what answers "may
//! I?", and what introspection lists to whom.
//!
//! Each directive was written from the value that its field enforces, and `can` is answered by the functions that the
//! guards call. Nothing is hidden from the executor: a field that is not listed answers what its guard says.

mod listing;
mod subgraph;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::Directive;
use async_graphql::registry::{MetaDirectiveInvocation, MetaField, MetaType, Registry};
use async_graphql::{
    Context, ContextDirective, CustomDirective, CustomDirectiveFactory, ServerError, ServerResult,
};

pub(crate) use self::subgraph::LINK;
use super::budget::BUDGET;
use super::directive::{auth, fresh, limit, member, needs, private};
use super::document::SharedTypes;
use super::error::{ApiError, Result};
use super::feature::ServerFeature;
use super::guard::Fresh;
use super::rule::Rule;
use crate::infra::limits::Rates;
use crate::kernel::access::{OrganizationRole, Permission};

/// What introspection, or an export, shows of a schema.
#[derive(Clone, Debug)]
pub(crate) enum Visible {
    All,
    /// To each caller the fields whose rule they meet, and what can be reached from those.
    OwnOfEach,
    /// The fields that have one of these rules or none, and what can be reached from those. The others
    /// are not in the schema at all: for an export.
    Only(Vec<Rule>),
    /// All, with the rules as gateways read them: for an export that begins with [`LINK`].
    AsSubgraph,
}

/// What the root types of a schema are called.
pub(crate) const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

/// The fields of a schema and what each asks of its caller. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Policy(Arc<OnceLock<Read>>);

/// What was read.
struct Read {
    graph: Graph,
    /// The mutations that count under [`BUDGET`].
    budgeted: HashSet<String>,
    /// The names of the limits that may be set, and to how many attempts at most.
    limits: BTreeMap<String, u32>,
}

/// Where a caller would use a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// In an organization that is not known yet.
    Anywhere,
    /// In one where they hold this role, if any.
    Organization(Option<OrganizationRole>),
}

/// A root field, and who may call it.
pub(crate) struct RootField {
    /// As in `Query.users`.
    pub(crate) name: String,
    /// `None`: anybody.
    pub(crate) rule: Option<Rule>,
    pub(crate) fresh: Option<Fresh>,
}

/// Why a caller may not resolve a field.
#[derive(Debug)]
pub(crate) struct Unmet {
    /// What a call would be answered with.
    pub(crate) error: ApiError,
    /// The rule that is not met, as it stands in the SDL.
    pub(crate) rule: String,
}

impl Policy {
    /// What reads the policy of the schema that it is registered with, and has the schema list what it is to.
    /// It must be the last to be registered.
    /// `join` completes the registry before, `types` is filled in along with it, and limits have the rates that are set.
    pub(crate) fn reader(
        &self,
        join: Box<dyn Fn(&mut Registry) + Send + Sync>,
        types: SharedTypes,
        visible: Visible,
        rates: Rates,
    ) -> impl CustomDirectiveFactory + use<> {
        Reader { policy: self.clone(), join, types, visible, rates }
    }

    /// Whether the caller may resolve a field, written as `Type.field`; `None` when there is none of
    /// this name. How often they may is not looked at, and nothing is counted or recorded.
    ///
    /// A field without a rule may be resolved by whoever has its object.
    pub(crate) fn ask(
        &self,
        ctx: &Context<'_>,
        place: Place,
        name: &str,
    ) -> Option<Result<(), Unmet>> {
        let graph = &self.0.get()?.graph;
        let (of, name) = name.split_once('.')?;
        Some(graph.get(of)?.get(name)?.admit(ctx, place))
    }

    /// The root fields, in no order.
    pub(crate) fn roots(&self) -> Vec<RootField> {
        let graph = self.0.get().map(|read| &read.graph);
        let roots = graph.into_iter().flatten().filter(|(of, _)| ROOTS.contains(&of.as_str()));
        let root_field = |of: &str, (name, terms): (&String, &Terms)| RootField {
            name: format!("{of}.{name}"),
            rule: terms.rule,
            fresh: terms.fresh,
        };
        roots.flat_map(|(of, fields)| fields.iter().map(|field| root_field(of, field))).collect()
    }

    /// The names of the limits that may be set, and to how many attempts at most.
    pub(crate) fn limits(&self) -> BTreeMap<String, u32> {
        self.0.get().map(|read| read.limits.clone()).unwrap_or_default()
    }

    /// How many of the fields of a mutation count under [`BUDGET`].
    pub(crate) fn count_budgeted<'a>(&self, fields: impl Iterator<Item = &'a str>) -> u32 {
        let counted = |read: &Read| fields.filter(|field| read.budgeted.contains(*field)).count();
        self.0.get().map_or(0, |read| u32::try_from(counted(read)).unwrap_or(u32::MAX))
    }
}

/// The mutations that count under [`BUDGET`].
fn budgeted(registry: &Registry) -> HashSet<String> {
    let mutations = registry.mutation_type.as_ref().and_then(|name| registry.types.get(name));
    let fields = mutations.and_then(MetaType::fields).into_iter().flat_map(IndexMap::values);
    let counts = |field: &&MetaField| {
        field.directive_invocations.iter().any(|used| limit::is(used, BUDGET.name))
    };
    fields.filter(counts).map(|field| field.name.clone()).collect()
}

/// Ends the description of each field that has a rule with a sentence that says it.
fn describe(registry: &mut Registry) {
    for field in objects(registry).flat_map(IndexMap::values_mut) {
        let Some(sentence) = Terms::read(&field.directive_invocations).sentence() else { continue };
        let description = field.description.get_or_insert_default();
        description.push('\n');
        description.push_str(&sentence);
    }
}

/// Writes the rates that are set into the limits, and says which limits may be set.
fn set_rates(registry: &mut Registry, rates: &Rates) -> BTreeMap<String, u32> {
    let mut limits = BTreeMap::new();
    for field in objects(registry).flat_map(IndexMap::values_mut) {
        for invocation in &mut field.directive_invocations {
            limit::set(invocation, rates);
            let settable = limit::settable(invocation);
            limits.extend(settable.map(|(name, max)| (name.to_owned(), max)));
        }
    }
    limits
}

/// Whether directives say who may resolve a field.
pub(crate) fn has_rule(invocations: &[MetaDirectiveInvocation]) -> bool {
    let terms = Terms::read(invocations);
    terms.is_public || terms.rule.is_some()
}

/// What a field asks of its caller, in the order in which its resolver asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Terms {
    is_public: bool,
    /// Whether somebody may use it instead who is to set up a second factor.
    is_enrolling: bool,
    rule: Option<Rule>,
    member: Option<OrganizationRole>,
    features: Vec<ServerFeature>,
    fresh: Option<Fresh>,
    /// Whom a field of a user tells more than null, beside themselves.
    is_private_but_to: Option<Permission>,
}

impl Terms {
    /// Reads directives back. One that this module does not know could ask for anything, so there is no schema
    /// with it.
    fn read(invocations: &[MetaDirectiveInvocation]) -> Self {
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
    fn admit(&self, ctx: &Context<'_>, place: Place) -> Result<(), Unmet> {
        if let Some(rule) = self.rule {
            let admitted = match (rule, place) {
                // Who asks of an organization is signed in.
                (Rule::OrganizationRole(least), Place::Organization(role)) => {
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
        match (self.member, place) {
            (Some(least), Place::Organization(role)) if role.is_none_or(|role| role < least) => {
                Err(Unmet { error: ApiError::below(least), rule: member::apply(least).sdl() })
            }
            _ => Ok(()),
        }
    }

    /// What the description of the field ends with: who may use it, and which features it needs; none without a rule.
    fn sentence(&self) -> Option<String> {
        let mut sentence = self.who()?;
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
        let who = match self.member {
            None => "",
            Some(OrganizationRole::Member) => " who belongs to the organization",
            Some(OrganizationRole::Admin) => " who is ADMIN or OWNER in the organization",
            Some(OrganizationRole::Owner) => " who is OWNER in the organization",
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

/// The object types of a schema, and what each of their fields asks.
type Graph = HashMap<String, HashMap<String, Terms>>;

fn read(registry: &Registry) -> Graph {
    let types = registry.types.values().filter_map(|of| match of {
        MetaType::Object { name, fields, .. } if !name.starts_with("__") => {
            let fields = fields.values().filter(|field| !field.name.starts_with("__"));
            let terms = |field: &MetaField| Terms::read(&field.directive_invocations);
            Some((name.clone(), fields.map(|field| (field.name.clone(), terms(field))).collect()))
        }
        _ => None,
    });
    types.collect()
}

/// Reads a schema's registry, and changes what is to be listed.
///
/// It is a directive only because the library shows its registry to nothing else that can hold anything. No
/// definition of it is registered, so a document that uses it is not valid.
struct Reader {
    policy: Policy,
    join: Box<dyn Fn(&mut Registry) + Send + Sync>,
    types: SharedTypes,
    visible: Visible,
    rates: Rates,
}

impl CustomDirectiveFactory for Reader {
    fn name(&self) -> Cow<'static, str> {
        "_policy".into()
    }

    fn register(&self, registry: &mut Registry) {
        (self.join)(registry);
        describe(registry);
        let limits = set_rates(registry, &self.rates);
        let read = || Read { graph: read(registry), budgeted: budgeted(registry), limits };
        self.policy.0.get_or_init(read);
        self.types.read(registry);
        match &self.visible {
            Visible::All => {}
            Visible::OwnOfEach => listing::list_to_each(registry),
            Visible::Only(rules) => listing::leave_only(registry, rules),
            Visible::AsSubgraph => subgraph::shape(registry),
        }
    }

    fn create(
        &self,
        _ctx: &ContextDirective<'_>,
        _directive: &Directive,
    ) -> ServerResult<Box<dyn CustomDirective>> {
        Err(ServerError::new("There is no such directive", None))
    }
}

fn objects(registry: &mut Registry) -> impl Iterator<Item = &mut IndexMap<String, MetaField>> {
    registry.types.values_mut().filter_map(|of| match of {
        MetaType::Object { fields, .. } => Some(fields),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
