//! How much the library walks through when it checks a document, counted without the library.
//!
//! It expands every fragment at every spread, in all operations, before it looks any name up, and
//! remembers nothing; and for each selection set it looks at all fields on top of it, once for
//! each set. So this walks the same way with a counter, and stops when that is beyond the limit.

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, FragmentDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value;

use super::{COST_MAX, DIRECTIVES_IN_ALL_MAX, DIRECTIVES_MAX, NESTING_MAX};
use super::{Refusal, at_most, invalid_at};

/// Refuses spreads that cannot be resolved, repeated directives, and what is too much to walk
/// through. Returns what it takes to walk through the document.
pub(super) fn check(document: &ExecutableDocument) -> Result<u64, Refusal> {
    let mut written = Written::default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        written.directives(&operation.directives)?;
        for variable in &operation.variable_definitions {
            written.directives(&variable.node.directives)?;
        }
        written.set(&operation.selection_set.node)?;
    }
    let of_operations = written.spreads.len();
    let mut spread_by = HashMap::new();
    for (name, fragment) in &document.fragments {
        let begin = written.spreads.len();
        written.directives(&fragment.node.directives)?;
        written.set(&fragment.node.selection_set.node)?;
        spread_by.insert(name, begin..written.spreads.len());
    }
    at_most("directives", written.directives as u64, DIRECTIVES_IN_ALL_MAX as u64)?;

    // Every fragment that is spread exists, and every one that exists is spread, and not by itself.
    let mut states: HashMap<&Name, State> = HashMap::new();
    for name in &written.spreads[..of_operations] {
        visit(name, &written.spreads, &spread_by, &mut states)?;
    }
    for name in &written.spreads[of_operations..] {
        if !document.fragments.contains_key(&name.node) {
            return Err(undefined(name));
        }
    }
    let mut fragments = document.fragments.iter();
    if let Some((unused, fragment)) = fragments.find(|(name, _)| !states.contains_key(name)) {
        // One that is in a cycle beside the operations is unused too.
        let message = format!("The fragment {unused} is never used.");
        return Err(invalid_at(message, vec![fragment.pos]));
    }
    Expansion { fragments: &document.fragments, steps: 0 }.all(document, &written)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
}

fn visit<'a>(
    name: &'a Positioned<Name>,
    spreads: &[&'a Positioned<Name>],
    spread_by: &HashMap<&'a Name, std::ops::Range<usize>>,
    states: &mut HashMap<&'a Name, State>,
) -> Result<(), Refusal> {
    match states.get(&name.node) {
        Some(State::Done) => return Ok(()),
        Some(State::Open) => {
            let message = format!("The fragment {} spreads itself.", name.node);
            return Err(invalid_at(message, vec![name.pos]));
        }
        None => {}
    }
    let Some(range) = spread_by.get(&name.node) else { return Err(undefined(name)) };
    states.insert(&name.node, State::Open);
    for inner in &spreads[range.clone()] {
        visit(inner, spreads, spread_by, states)?;
    }
    states.insert(&name.node, State::Done);
    Ok(())
}

fn undefined(name: &Positioned<Name>) -> Refusal {
    invalid_at(format!("The fragment {} is not defined.", name.node), vec![name.pos])
}

/// What stands in a document, each thing once.
#[derive(Default)]
struct Written<'a> {
    spreads: Vec<&'a Positioned<Name>>,
    sets: Vec<&'a SelectionSet>,
    directives: usize,
}

impl<'a> Written<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Result<(), Refusal> {
        self.sets.push(set);
        for selection in &set.items {
            self.directives(selection.node.directives())?;
            match &selection.node {
                Selection::Field(field) => self.set(&field.node.selection_set.node)?,
                Selection::FragmentSpread(spread) => {
                    self.spreads.push(&spread.node.fragment_name);
                }
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node)?,
            }
        }
        Ok(())
    }

    /// Counts the directives of one node. None that this server knows may be repeated.
    fn directives(&mut self, directives: &[Positioned<Directive>]) -> Result<(), Refusal> {
        at_most("directives", directives.len() as u64, DIRECTIVES_MAX as u64)?;
        self.directives += directives.len();
        for (index, directive) in directives.iter().enumerate() {
            let name = &directive.node.name.node;
            if directives[..index].iter().any(|earlier| earlier.node.name.node == *name) {
                let message = format!("The directive @{name} is repeated.");
                return Err(invalid_at(message, vec![directive.pos]));
            }
        }
        Ok(())
    }
}

fn sizes(arguments: &[(Positioned<Name>, Positioned<Value>)]) -> u64 {
    arguments.iter().map(|(_, value)| size(&value.node)).sum()
}

/// How many values are in one.
fn size(value: &Value) -> u64 {
    1 + match value {
        Value::List(values) => values.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 0,
    }
}

/// How many names are compared in one step.
const NAMES: u64 = 16;

struct Expansion<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    steps: u64,
}

impl<'a> Expansion<'a> {
    fn all(mut self, document: &ExecutableDocument, written: &Written<'_>) -> Result<u64, Refusal> {
        for (_, operation) in document.operations.iter() {
            self.expand(&operation.node.selection_set.node, 1)?;
        }
        for set in &written.sets {
            self.top(set)?;
        }
        Ok(self.steps)
    }

    /// A selection is a step, and so is each directive, and each value of both.
    fn step(&mut self, selection: &Selection) -> Result<(), Refusal> {
        self.steps += 1;
        for directive in selection.directives() {
            self.steps += 1 + sizes(&directive.node.arguments);
        }
        if let Selection::Field(field) = selection {
            self.steps += sizes(&field.node.arguments);
        }
        at_most("cost", self.steps, COST_MAX)
    }

    fn fragment(&self, name: &Name) -> Option<&'a SelectionSet> {
        self.fragments.get(name).map(|fragment| &fragment.node.selection_set.node)
    }

    fn expand(&mut self, set: &SelectionSet, level: usize) -> Result<(), Refusal> {
        at_most("nesting", level as u64, NESTING_MAX as u64)?;
        for selection in &set.items {
            self.step(&selection.node)?;
            match &selection.node {
                Selection::Field(field) => {
                    let inner = &field.node.selection_set.node;
                    if !inner.items.is_empty() {
                        self.expand(inner, level + 1)?;
                    }
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(inner) = self.fragment(&spread.node.fragment_name.node) {
                        self.expand(inner, level + 1)?;
                    }
                }
                Selection::InlineFragment(inline) => {
                    self.expand(&inline.node.selection_set.node, level + 1)?;
                }
            }
        }
        Ok(())
    }

    /// The fields on top of a set, with those of its fragments. Each argument of two with one key is
    /// looked for among all of the other.
    fn top(&mut self, set: &SelectionSet) -> Result<(), Refusal> {
        for selection in &set.items {
            self.step(&selection.node)?;
            match &selection.node {
                Selection::Field(field) => {
                    let count = field.node.arguments.len() as u64;
                    self.steps += count * count / NAMES;
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(inner) = self.fragment(&spread.node.fragment_name.node) {
                        self.top(inner)?;
                    }
                }
                Selection::InlineFragment(inline) => self.top(&inline.node.selection_set.node)?,
            }
        }
        Ok(())
    }
}
