//! An operation of a document that has been proven, and its limits.

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};

use super::merge::{Skips, merge};
use super::types::Types;
use super::{CREDENTIAL_MUTATIONS, Fragments, Refusal, at_most, cost, invalid};

/// Fields with an alias.
const ALIASES_MAX: u64 = 15;
/// A root field is 1, its leaf counts. What is below `__schema` and `__type` does not: the standard
/// query needs 15, and its cost is known.
const DEPTH_MAX: u64 = 10;
const ROOT_MUTATIONS_MAX: u64 = 5;

/// An operation that is cheap, but for the rows that its variables ask for.
pub(super) struct Prepared {
    pub(super) name: Option<Name>,
    /// As it stands in the document.
    pub(super) written: Positioned<OperationDefinition>,
    /// As it is executed, unless that depends on variables.
    merged: Option<OperationDefinition>,
    /// What it costs, with the checking, unless that depends on variables.
    cost: Option<u64>,
}

impl Prepared {
    /// Merges an operation, on top of what has been `spent` on checking it.
    pub(super) fn new(
        types: &Types,
        fragments: &Fragments,
        (name, written): (Option<&Name>, &Positioned<OperationDefinition>),
        allows_introspection: bool,
        spent: u64,
    ) -> Result<Self, Refusal> {
        let merged = merge(types, fragments, &written.node, Skips::None)?;
        Measure::of(&merged).check(&merged, allows_introspection)?;
        let none = Variables::default();
        // Without variables each list counts as it does by default, which they may change.
        let cost = cost::of(types, &merged, &none, spent);
        let (varies, skips) =
            (!written.node.variable_definitions.is_empty(), has_skips(fragments, &written.node));
        let cost = match cost {
            Ok(cost) if !cost.varies && !skips => Some(cost.amount),
            Ok(_) => None,
            // It may be less with variables, and cannot be without any.
            Err(_) if varies || skips => None,
            Err(refused) => return Err(refused),
        };
        Ok(Self {
            name: name.cloned(),
            written: written.clone(),
            merged: (!skips).then_some(merged),
            cost,
        })
    }

    /// The operation that these variables make of it, if it may run, and what it costs.
    pub(super) fn with(
        &self,
        types: &Types,
        fragments: &Fragments,
        variables: &Variables,
        spent: u64,
    ) -> Result<(ExecutableDocument, u64), Refusal> {
        let merged = match &self.merged {
            Some(merged) => merged.clone(),
            None => merge(types, fragments, &self.written.node, Skips::By(variables))?,
        };
        let cost = match self.cost {
            Some(cost) => cost,
            None => cost::of(types, &merged, variables, spent)?.amount,
        };
        let operation = Positioned::new(merged, self.written.pos);
        let operations = DocumentOperations::Single(operation);
        Ok((ExecutableDocument { operations, fragments: Fragments::new() }, cost))
    }
}

/// Whether anything that an operation selects may be skipped.
fn has_skips(fragments: &Fragments, operation: &OperationDefinition) -> bool {
    fn in_set(set: &SelectionSet) -> bool {
        set.items.iter().any(|selection| {
            !selection.node.directives().is_empty()
                || match &selection.node {
                    Selection::Field(field) => in_set(&field.node.selection_set.node),
                    Selection::InlineFragment(inline) => in_set(&inline.node.selection_set.node),
                    Selection::FragmentSpread(_) => false,
                }
        })
    }
    in_set(&operation.selection_set.node)
        || fragments.values().any(|fragment| in_set(&fragment.node.selection_set.node))
}

/// The measures of a merged operation that have limits of their own.
#[derive(Default)]
struct Measure {
    aliases: u64,
    depth: u64,
    roots: u64,
    credentials: u64,
    introspects: bool,
}

impl Measure {
    fn of(operation: &OperationDefinition) -> Self {
        let mut measure = Self::default();
        let is_query = operation.ty == OperationType::Query;
        measure.add(&operation.selection_set.node, 1, is_query);
        measure
    }

    fn add(&mut self, set: &SelectionSet, depth: u64, is_query_root: bool) {
        for selection in &set.items {
            let field = match &selection.node {
                Selection::Field(field) => &field.node,
                Selection::InlineFragment(inline) => {
                    self.add(&inline.node.selection_set.node, depth, is_query_root);
                    continue;
                }
                Selection::FragmentSpread(_) => continue,
            };
            let name = field.name.node.as_str();
            self.aliases += u64::from(field.alias.is_some());
            if depth == 1 {
                self.roots += u64::from(name != "__typename");
                self.credentials += u64::from(CREDENTIAL_MUTATIONS.contains(&name));
            }
            let introspects = is_query_root && matches!(name, "__schema" | "__type");
            self.introspects |= introspects;
            let deepest = self.depth.max(depth);
            self.add(&field.selection_set.node, depth + 1, false);
            self.depth = if introspects { deepest } else { self.depth.max(depth) };
        }
    }

    fn check(
        &self,
        operation: &OperationDefinition,
        allows_introspection: bool,
    ) -> Result<(), Refusal> {
        at_most("aliases", self.aliases, ALIASES_MAX)?;
        if self.introspects && !allows_introspection {
            return Err(invalid("Introspection is off on this server."));
        }
        at_most("depth", self.depth, DEPTH_MAX)?;
        if operation.ty == OperationType::Mutation {
            at_most("rootMutations", self.roots, ROOT_MUTATIONS_MAX)?;
            at_most("credentialMutations", self.credentials, 1)?;
        }
        if operation.ty == OperationType::Subscription && !has_one_root(operation) {
            // Section 5.2.4.1 of the specification. A stream is about one thing.
            return Err(invalid(
                "A subscription must select exactly one root field other than __typename.",
            ));
        }
        Ok(())
    }
}

fn has_one_root(operation: &OperationDefinition) -> bool {
    match operation.selection_set.node.items.as_slice() {
        [Positioned { node: Selection::Field(field), .. }] => {
            !field.node.name.node.starts_with("__")
        }
        _ => false,
    }
}
