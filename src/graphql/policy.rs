//! The access policy of a whole schema, read back from its directives while it is built: what answers "may
//! I?", and what introspection lists to whom.
//!
//! Each directive was written from the value that its field enforces, and `can` is answered by the functions that the
//! guards call. Nothing is hidden from the executor: a field that is not listed answers what its guard says.

mod listing;
mod subgraph;
mod terms;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::Directive;
use async_graphql::registry::{MetaField, MetaType, Registry};
use async_graphql::{
    Context, ContextDirective, CustomDirective, CustomDirectiveFactory, ServerError, ServerResult,
};

pub(crate) use self::subgraph::{Policies, link};
use self::terms::Terms;
pub(crate) use self::terms::has_rule;
use super::budget::BUDGET;
use super::directive::limit;
use super::document::SharedTypes;
use super::error::ApiError;
use super::guard::Fresh;
use super::rule::Rule;
use crate::infra::limits::Rates;
use crate::kernel::access::{OrganizationRole, Rights};
use crate::kernel::id::UserId;

/// What introspection, or an export, shows of a schema.
#[derive(Clone, Debug)]
pub(crate) enum Visible {
    All,
    /// To each caller the fields whose rule they meet, and what can be reached from those.
    OwnOfEach,
    /// The fields that have one of these rules or none, and what can be reached from those. The others
    /// are not in the schema at all: for an export.
    Only(Vec<Rule>),
    /// All, with the rules as gateways read them: for an export that begins with [`link`].
    AsSubgraph(Policies),
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

/// Where a caller would use a field, and about whom.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place<'a> {
    pub(crate) within: Within,
    /// `None` where that is not known yet.
    pub(crate) about: Option<About<'a>>,
}

/// In which organization a caller would use a field.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Within {
    /// In one that is not known yet.
    #[default]
    Anywhere,
    /// In one where they hold this role, if any.
    Organization(Option<OrganizationRole>),
}

/// Whom a call would be about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    /// An account.
    Account(Rights<'a>),
    /// A member of the organization, who holds this role there.
    Member(UserId, OrganizationRole),
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
        place: Place<'_>,
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
    for of in registry.types.values_mut() {
        let MetaType::Object { name, fields, .. } = of else { continue };
        for field in fields.values_mut() {
            let Some(sentence) = Terms::of(name, field).sentence() else { continue };
            let description = field.description.get_or_insert_default();
            description.push('\n');
            description.push_str(&sentence);
        }
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

/// The object types of a schema, and what each of their fields asks.
type Graph = HashMap<String, HashMap<String, Terms>>;

fn read(registry: &Registry) -> Graph {
    let types = registry.types.values().filter_map(|of| match of {
        MetaType::Object { name, fields, .. } if !name.starts_with("__") => {
            let fields = fields.values().filter(|field| !field.name.starts_with("__"));
            let terms = |field: &MetaField| (field.name.clone(), Terms::of(name, field));
            Some((name.clone(), fields.map(terms).collect()))
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
            Visible::AsSubgraph(policies) => subgraph::shape(registry, *policies),
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
