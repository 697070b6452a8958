//! What a selection set costs once its fragments are expanded, without expanding them.

use std::collections::HashMap;

use async_graphql::parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

use super::variables::Variables;
use super::{CONNECTIONS, CREDENTIAL_MUTATIONS, DIRECTIVES_MAX, NODES, Refusal, at_most, invalid};

/// The lists of the introspection schema that lead back into it.
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// The measure of a selection set. Sums saturate: beyond every limit there is nothing to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) selections: u64,
    pub(super) aliases: u64,
    /// Of all fields; of all but `__schema` and `__type` on top; of those two.
    pub(super) depth: u32,
    pub(super) plain_depth: u32,
    pub(super) introspection_depth: u32,
    /// Introspection lists inside each other; the same below `__schema` and `__type` on top.
    pub(super) lists: u32,
    pub(super) introspection_lists: u32,
    /// Fields on top, and how many of them are credential mutations by name.
    pub(super) roots: u64,
    pub(super) credentials: u64,
    /// Rows that connections load: each as many as it asks for, times the connections inside it.
    pub(super) rows: u64,
    /// Whether `__schema` or `__type` is on top.
    pub(super) introspects: bool,
}

impl Cost {
    fn join(self, other: Self) -> Self {
        Self {
            selections: self.selections.saturating_add(other.selections),
            aliases: self.aliases.saturating_add(other.aliases),
            depth: self.depth.max(other.depth),
            plain_depth: self.plain_depth.max(other.plain_depth),
            introspection_depth: self.introspection_depth.max(other.introspection_depth),
            lists: self.lists.max(other.lists),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
            roots: self.roots.saturating_add(other.roots),
            credentials: self.credentials.saturating_add(other.credentials),
            rows: self.rows.saturating_add(other.rows),
            introspects: self.introspects || other.introspects,
        }
    }
}

/// Measures the selection sets of one document, each fragment once.
pub(super) struct Walk<'a> {
    document: &'a ExecutableDocument,
    variables: Variables<'a>,
    fragments: HashMap<&'a Name, Progress>,
    /// Directives met so far.
    pub(super) directives: usize,
    /// Selections looked at so far: what the walk itself costs.
    pub(super) visited: usize,
}

enum Progress {
    Measuring,
    Measured(Cost),
}

impl<'a> Walk<'a> {
    pub(super) fn new(document: &'a ExecutableDocument, variables: Variables<'a>) -> Self {
        Self { document, variables, fragments: HashMap::new(), directives: 0, visited: 0 }
    }

    /// The cost of a fragment, measured at its first use. An unknown one costs nothing here and
    /// is refused by the validation.
    pub(super) fn fragment(&mut self, name: &'a Name) -> Result<Cost, Refusal> {
        match self.fragments.get(name) {
            Some(Progress::Measured(cost)) => return Ok(*cost),
            Some(Progress::Measuring) => {
                return Err(invalid(format!("The fragment {name} spreads itself")));
            }
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Cost::default());
        };
        self.fragments.insert(name, Progress::Measuring);
        self.count_directives(&fragment.node.directives)?;
        let cost = self.selection_set(&fragment.node.selection_set.node)?;
        self.fragments.insert(name, Progress::Measured(cost));
        Ok(cost)
    }

    pub(super) fn selection_set(&mut self, set: &'a SelectionSet) -> Result<Cost, Refusal> {
        let mut total = Cost::default();
        for selection in &set.items {
            self.visited += 1;
            let cost = match &selection.node {
                Selection::Field(field) => self.field(&field.node)?,
                Selection::FragmentSpread(spread) => {
                    self.count_directives(&spread.node.directives)?;
                    self.fragment(&spread.node.fragment_name.node)?
                }
                Selection::InlineFragment(inline) => {
                    self.count_directives(&inline.node.directives)?;
                    self.selection_set(&inline.node.selection_set.node)?
                }
            };
            total = total.join(cost);
        }
        Ok(total)
    }

    fn field(&mut self, field: &'a Field) -> Result<Cost, Refusal> {
        self.count_directives(&field.directives)?;
        let below = self.selection_set(&field.selection_set.node)?;
        let name = field.name.node.as_str();
        let introspects = matches!(name, "__schema" | "__type");
        let depth = below.depth.saturating_add(1);
        let objects = match name {
            NODES => self.variables.list_length(field, "ids"),
            name => CONNECTIONS.contains(&name).then(|| self.variables.page_size(field)),
        };
        let rows = match objects {
            Some(objects) => objects.saturating_mul(below.rows.saturating_add(1)),
            None => below.rows,
        };
        let lists = below.lists + u32::from(INTROSPECTION_LISTS.contains(&name));
        Ok(Cost {
            selections: below.selections.saturating_add(1),
            aliases: below.aliases.saturating_add(u64::from(field.alias.is_some())),
            depth,
            plain_depth: if introspects { 0 } else { depth },
            introspection_depth: if introspects { depth } else { 0 },
            lists,
            introspection_lists: if introspects { lists } else { 0 },
            roots: u64::from(name != "__typename"),
            credentials: u64::from(CREDENTIAL_MUTATIONS.contains(&name)),
            rows,
            introspects,
        })
    }

    /// Counts the directives of one node. None that this server knows may be repeated.
    pub(super) fn count_directives(
        &mut self,
        directives: &[Positioned<Directive>],
    ) -> Result<(), Refusal> {
        at_most("directives", directives.len() as u64, DIRECTIVES_MAX as u64)?;
        self.directives += directives.len();
        let name = |directive: &Positioned<Directive>| directive.node.name.node.clone();
        for (index, directive) in directives.iter().enumerate() {
            if directives[..index].iter().any(|earlier| name(earlier) == name(directive)) {
                let message = format!("The directive @{} is repeated", name(directive));
                return Err(invalid(message));
            }
        }
        Ok(())
    }
}
