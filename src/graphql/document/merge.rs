//! Makes one operation without fragments out of what a document says, as the executor gets it.
//!
//! Fragments stand in the places of their spreads, what is skipped is gone, and a field that is
//! selected several times is selected once, with all that is selected below it (CollectFields in
//! the specification, section 6.3.2). So the executor resolves nothing twice, and what it does can
//! be counted by walking through what it gets.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{
    Directive, Field, InlineFragment, OperationDefinition, OperationType, Selection, SelectionSet,
    TypeCondition,
};
use async_graphql::{Name, Pos, Positioned, Value as Constant, Variables};

use async_graphql_value::Value;

use super::types::{Types, named};
use super::{Fragments, Refusal, invalid_at};

/// Which selections are left out.
#[derive(Clone, Copy)]
pub(super) enum Skips<'a> {
    /// None, whatever `@skip` and `@include` say.
    None,
    /// What they say with these variables.
    By(&'a Variables),
}

/// The operation as the executor gets it. The document has been found valid.
pub(super) fn merge(
    types: &Types,
    fragments: &Fragments,
    operation: &OperationDefinition,
    skips: Skips<'_>,
) -> Result<OperationDefinition, Refusal> {
    let root = types.root(operation.ty == OperationType::Mutation);
    let mut merge = Merge { types, fragments, skips, used: HashSet::new() };
    let set = &operation.selection_set;
    let merged = merge.sets(&[&set.node], root)?;
    let is_used = |name: &Name| merge.used.contains(name);
    let definitions = operation.variable_definitions.iter();
    Ok(OperationDefinition {
        ty: operation.ty,
        // One that only what is skipped uses would be called unused.
        variable_definitions: definitions
            .filter(|of| is_used(&of.node.name.node))
            .cloned()
            .collect(),
        directives: Vec::new(),
        selection_set: Positioned::new(merged, set.pos),
    })
}

struct Merge<'a> {
    types: &'a Types,
    fragments: &'a Fragments,
    skips: Skips<'a>,
    /// The variables that arguments name.
    used: HashSet<&'a Name>,
}

/// What is selected from one object, in the order in which it first appears.
#[derive(Default)]
struct Collected<'a> {
    entries: Vec<Entry<'a>>,
    /// Where the fields are, by their keys in the response.
    fields: HashMap<&'a Name, usize>,
}

enum Entry<'a> {
    Field(Vec<&'a Positioned<Field>>),
    /// What applies only if an interface or union turns out to be of this type.
    On(&'a Positioned<TypeCondition>, Vec<&'a SelectionSet>),
}

impl<'a> Merge<'a> {
    /// What several selection sets select from a `parent` together.
    fn sets(&mut self, sets: &[&'a SelectionSet], parent: &str) -> Result<SelectionSet, Refusal> {
        let mut collected = Collected::default();
        for set in sets {
            self.collect(set, parent, &mut collected);
        }
        let mut items = Vec::with_capacity(collected.entries.len());
        for entry in collected.entries {
            match entry {
                Entry::Field(fields) => items.push(self.field(&fields, parent)?),
                Entry::On(condition, sets) => {
                    let merged = self.sets(&sets, &condition.node.on.node)?;
                    if !merged.items.is_empty() {
                        items.push(on(condition, merged));
                    }
                }
            }
        }
        Ok(SelectionSet { items })
    }

    fn collect(&self, set: &'a SelectionSet, parent: &str, into: &mut Collected<'a>) {
        for selection in &set.items {
            if self.is_skipped(selection.node.directives()) {
                continue;
            }
            let (condition, inner) = match &selection.node {
                Selection::Field(field) => {
                    into.add(field);
                    continue;
                }
                Selection::FragmentSpread(spread) => {
                    let Some(fragment) = self.fragments.get(&spread.node.fragment_name.node) else {
                        continue;
                    };
                    (Some(&fragment.node.type_condition), &fragment.node.selection_set.node)
                }
                Selection::InlineFragment(inline) => {
                    (inline.node.type_condition.as_ref(), &inline.node.selection_set.node)
                }
            };
            match condition {
                Some(condition) if !self.types.always_applies(&condition.node.on.node, parent) => {
                    // An object never turns out to be of another type.
                    if !self.types.is_object(parent) {
                        into.add_on(condition, inner);
                    }
                }
                _ => self.collect(inner, parent, into),
            }
        }
    }

    fn is_skipped(&self, directives: &'a [Positioned<Directive>]) -> bool {
        let Skips::By(variables) = self.skips else { return false };
        directives.iter().any(|directive| {
            let skips_if = match directive.node.name.node.as_str() {
                "skip" => true,
                "include" => false,
                _ => return false,
            };
            let condition = match directive.node.get_argument("if").map(|value| &value.node) {
                Some(Value::Boolean(condition)) => Some(*condition),
                Some(Value::Variable(name)) => match variables.get(name) {
                    Some(Constant::Boolean(condition)) => Some(*condition),
                    _ => None,
                },
                _ => None,
            };
            condition.is_some_and(|condition| condition == skips_if)
        })
    }

    /// One field for all that have its key.
    fn field(
        &mut self,
        fields: &[&'a Positioned<Field>],
        parent: &str,
    ) -> Result<Positioned<Selection>, Refusal> {
        let first = fields[0];
        for other in &fields[1..] {
            check_same(first, other)?;
        }
        let Field { alias, name, arguments, .. } = &first.node;
        for (_, value) in arguments {
            self.note_variables(&value.node);
        }
        let sets = fields.iter().map(|field| &field.node.selection_set.node);
        let sets: Vec<_> = sets.filter(|set| !set.items.is_empty()).collect();
        let mut merged = SelectionSet::default();
        if !sets.is_empty() {
            let of = self.types.field(parent, &name.node).map(|field| named(&field.ty));
            merged = self.sets(&sets, of.map_or("", Name::as_str))?;
            if merged.items.is_empty() {
                merged.items.push(nothing(first.node.selection_set.pos));
            }
        }
        let merged = Field {
            alias: alias.clone(),
            name: name.clone(),
            arguments: arguments.clone(),
            directives: Vec::new(),
            selection_set: Positioned::new(merged, first.node.selection_set.pos),
        };
        let merged = Positioned::new(merged, first.pos);
        Ok(Positioned::new(Selection::Field(merged), first.pos))
    }

    fn note_variables(&mut self, value: &'a Value) {
        match value {
            Value::Variable(name) => {
                self.used.insert(name);
            }
            Value::List(values) => values.iter().for_each(|value| self.note_variables(value)),
            Value::Object(fields) => fields.values().for_each(|value| self.note_variables(value)),
            _ => {}
        }
    }
}

impl<'a> Collected<'a> {
    fn add(&mut self, field: &'a Positioned<Field>) {
        let key = &field.node.response_key().node;
        match self.fields.get(key).map(|&at| &mut self.entries[at]) {
            Some(Entry::Field(fields)) => fields.push(field),
            _ => {
                self.fields.insert(key, self.entries.len());
                self.entries.push(Entry::Field(vec![field]));
            }
        }
    }

    /// Two that stand beside each other are one. Any others stay apart, for the order of the keys.
    fn add_on(&mut self, condition: &'a Positioned<TypeCondition>, set: &'a SelectionSet) {
        match self.entries.last_mut() {
            Some(Entry::On(last, sets)) if last.node.on.node == condition.node.on.node => {
                sets.push(set);
            }
            _ => self.entries.push(Entry::On(condition, vec![set])),
        }
    }
}

/// Two fields of one key in the response must be one field (section 5.3.2).
fn check_same(one: &Positioned<Field>, other: &Positioned<Field>) -> Result<(), Refusal> {
    let key = one.node.response_key();
    let why = if one.node.name.node != other.node.name.node {
        "they are different fields"
    } else if !have_same_arguments(&one.node, &other.node) {
        "their arguments differ"
    } else {
        return Ok(());
    };
    let message =
        format!("Fields {:?} conflict: {why}. Give one of them an alias", key.node.as_str());
    Err(invalid_at(message, vec![one.pos, other.pos]))
}

fn have_same_arguments(one: &Field, other: &Field) -> bool {
    one.arguments.len() == other.arguments.len()
        && one.arguments.iter().all(|(name, value)| {
            other.get_argument(&name.node).is_some_and(|other| other.node == value.node)
        })
}

fn on(condition: &Positioned<TypeCondition>, merged: SelectionSet) -> Positioned<Selection> {
    let pos = condition.pos;
    let inline = InlineFragment {
        type_condition: Some(condition.clone()),
        directives: Vec::new(),
        selection_set: Positioned::new(merged, pos),
    };
    Positioned::new(Selection::InlineFragment(Positioned::new(inline, pos)), pos)
}

/// What is selected when everything is skipped: the library would not take an empty selection set,
/// and answers this one with `{}`.
fn nothing(pos: Pos) -> Positioned<Selection> {
    let at = |name: &str| Positioned::new(Name::new(name), pos);
    let skip = Directive {
        name: at("skip"),
        arguments: vec![(at("if"), Positioned::new(Value::Boolean(true), pos))],
    };
    let field = Field {
        alias: None,
        name: at("__typename"),
        arguments: Vec::new(),
        directives: vec![Positioned::new(skip, pos)],
        selection_set: Positioned::default(),
    };
    Positioned::new(Selection::Field(Positioned::new(field, pos)), pos)
}
