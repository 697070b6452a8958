//! Makes one operation without fragments out of what a document says, as the executor gets it.
//!
//! Fragments stand in the places of their spreads, what is skipped is gone, and a field that is
//! selected several times is selected once, with all that is selected below it (CollectFields in
//! the specification, section 6.3.2). So the executor resolves nothing twice, and what it does can
//! be counted by walking through what it gets.

mod collected;

use std::collections::{HashMap, HashSet, hash_map};

use async_graphql::parser::types::{
    BaseType, Directive, Field, InlineFragment, OperationDefinition, Selection, SelectionSet, Type,
    TypeCondition,
};
use async_graphql::{Name, Pos, Positioned, Value as Constant, Variables};

use async_graphql_value::Value;

use self::collected::{Collected, Entry};
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

/// The operation as the executor gets it. The library validates the document later: unknown names must not
/// matter here, and `expansion` has bounded the walk.
pub(super) fn merge(
    types: &Types,
    fragments: &Fragments,
    operation: &OperationDefinition,
    skips: Skips<'_>,
) -> Result<OperationDefinition, Refusal> {
    let root = types.root(operation.ty);
    let mut merge = Merge { types, fragments, skips, used: HashSet::new() };
    let set = &operation.selection_set;
    if matches!(skips, Skips::None) {
        Overlap::check(&merge, &[(&set.node, root)])?;
    }
    let merged = merge.sets(&[&set.node], root)?;
    let is_used = |name: &Name| merge.used.contains(name);
    let definitions = operation.variable_definitions.iter();
    Ok(OperationDefinition {
        ty: operation.ty,
        // The library would call a variable unused that only skipped fields use.
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

/// What a selection is, whether a fragment stands there or elsewhere under its name.
enum Part<'a> {
    Field(&'a Positioned<Field>),
    Fragment(Option<&'a Positioned<TypeCondition>>, &'a SelectionSet),
    Unknown,
}

impl<'a> Merge<'a> {
    fn part(&self, selection: &'a Selection) -> Part<'a> {
        match selection {
            Selection::Field(field) => Part::Field(field),
            Selection::InlineFragment(inline) => {
                Part::Fragment(inline.node.type_condition.as_ref(), &inline.node.selection_set.node)
            }
            Selection::FragmentSpread(spread) => {
                match self.fragments.get(&spread.node.fragment_name.node).map(|of| &of.node) {
                    Some(of) => Part::Fragment(Some(&of.type_condition), &of.selection_set.node),
                    None => Part::Unknown,
                }
            }
        }
    }

    /// What several selection sets select from a `parent` together.
    fn sets(&mut self, sets: &[&'a SelectionSet], parent: &str) -> Result<SelectionSet, Refusal> {
        let mut collected = Collected::default();
        for set in sets {
            self.collect(set, parent, &mut collected)?;
        }
        let mut items = Vec::with_capacity(collected.entries.len());
        let mut under = HashMap::new();
        for entry in &collected.entries {
            match entry {
                Entry::Field(fields) => items.push(self.field(fields, parent)?),
                Entry::On(condition, sets) => {
                    let of = &condition.node.on.node;
                    let left = match under.entry(of) {
                        hash_map::Entry::Occupied(left) => left.into_mut(),
                        hash_map::Entry::Vacant(new) => {
                            new.insert(self.sets(&collected.under(of), of)?.items)
                        }
                    };
                    let mut here = Collected::default();
                    for set in sets {
                        self.collect(set, of, &mut here)?;
                    }
                    let merged: Vec<_> = left.extract_if(.., |item| here.has(&item.node)).collect();
                    if !merged.is_empty() {
                        items.push(on(condition, SelectionSet { items: merged }));
                    }
                }
            }
        }
        Ok(SelectionSet { items })
    }

    fn collect(
        &self,
        set: &'a SelectionSet,
        parent: &str,
        into: &mut Collected<'a>,
    ) -> Result<(), Refusal> {
        for selection in &set.items {
            if self.is_skipped(selection.node.directives())? {
                continue;
            }
            match self.part(&selection.node) {
                Part::Field(field) => into.add(field),
                Part::Fragment(Some(condition), set)
                    if !self.types.always_applies(&condition.node.on.node, parent) =>
                {
                    // An object never turns out to be of another type.
                    if !self.types.is_object(parent) {
                        into.add_on(condition, set);
                    }
                }
                Part::Fragment(_, set) => self.collect(set, parent, into)?,
                Part::Unknown => {}
            }
        }
        Ok(())
    }

    fn is_skipped(&self, directives: &'a [Positioned<Directive>]) -> Result<bool, Refusal> {
        for directive in directives {
            let skips_if = match directive.node.name.node.as_str() {
                "skip" => true,
                "include" => false,
                _ => continue,
            };
            let Some(value) = directive.node.get_argument("if") else { continue };
            let condition = match (self.skips, &value.node) {
                (Skips::By(_), Value::Boolean(condition)) => *condition,
                (Skips::By(variables), Value::Variable(name)) => {
                    // A variable that has a default may be null all the same.
                    let Some(Constant::Boolean(condition)) = variables.get(name) else {
                        let message = format!(
                            "Variable \"${name}\" decides what is skipped: it must not be null"
                        );
                        return Err(invalid_at(message, vec![value.pos]));
                    };
                    *condition
                }
                _ => continue,
            };
            if condition == skips_if {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One field for all that have its key.
    fn field(
        &mut self,
        fields: &[&'a Positioned<Field>],
        parent: &str,
    ) -> Result<Positioned<Selection>, Refusal> {
        let first = fields[0];
        let Field { alias, name, arguments, .. } = &first.node;
        let of = self.types.field(parent, &name.node);
        for (_, value) in arguments {
            self.note_variables(&value.node);
        }
        let sets = fields.iter().map(|field| &field.node.selection_set.node);
        let sets: Vec<_> = sets.filter(|set| !set.items.is_empty()).collect();
        let mut merged = SelectionSet::default();
        if !sets.is_empty() {
            let of = of.map(|of| named(&of.ty));
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

/// The fields that are selected from one object, under all type conditions. Only some of those will apply,
/// but a client must know what a key means without knowing which (section 5.3.2).
struct Overlap<'a, 'b> {
    merge: &'b Merge<'a>,
    keys: HashMap<&'a Name, SameKey<'a>>,
}

/// The fields of one key.
#[derive(Default)]
struct SameKey<'a> {
    /// The first field of each type that one is selected from.
    firsts: Vec<(&'a str, &'a Positioned<Field>)>,
    /// What is selected below, and from which type.
    below: Vec<(&'a SelectionSet, &'a str)>,
}

impl<'a, 'b> Overlap<'a, 'b> {
    /// Looks at each selection once, fragments expanded.
    fn check(merge: &'b Merge<'a>, sets: &[(&'a SelectionSet, &'a str)]) -> Result<(), Refusal> {
        let mut overlap = Self { merge, keys: HashMap::new() };
        for (set, parent) in sets {
            overlap.add(set, parent)?;
        }
        overlap.keys.into_values().try_for_each(|key| match key.below.is_empty() {
            true => Ok(()),
            false => Self::check(merge, &key.below),
        })
    }

    fn add(&mut self, set: &'a SelectionSet, parent: &'a str) -> Result<(), Refusal> {
        for selection in &set.items {
            match self.merge.part(&selection.node) {
                Part::Field(field) => self.add_field(field, parent)?,
                Part::Fragment(Some(condition), set) => self.add(set, &condition.node.on.node)?,
                Part::Fragment(None, set) => self.add(set, parent)?,
                Part::Unknown => {}
            }
        }
        Ok(())
    }

    fn add_field(&mut self, field: &'a Positioned<Field>, parent: &'a str) -> Result<(), Refusal> {
        let types = self.merge.types;
        let type_of =
            |parent: &str, field: &Field| Some(&types.field(parent, &field.name.node)?.ty);
        let key = self.keys.entry(&field.node.response_key().node).or_default();
        for (other_parent, other) in &key.firsts {
            let may_be_one = *other_parent == parent
                || !types.is_object(other_parent)
                || !types.is_object(parent);
            if may_be_one {
                check_same(other, field)?;
            }
            if let Some(one) = type_of(other_parent, &other.node)
                && let Some(two) = type_of(parent, &field.node)
                && !have_same_shape(types, one, two)
            {
                return Err(conflict(other, field, "their types differ"));
            }
        }
        if key.firsts.iter().all(|(other, _)| *other != parent) {
            key.firsts.push((parent, field));
        }
        let below = &field.node.selection_set.node;
        if !below.items.is_empty() {
            let ty = type_of(parent, &field.node).map_or("", |ty| named(ty).as_str());
            key.below.push((below, ty));
        }
        Ok(())
    }
}

fn have_same_shape(types: &Types, one: &Type, two: &Type) -> bool {
    one.nullable == two.nullable
        && match (&one.base, &two.base) {
            (BaseType::List(one), BaseType::List(two)) => have_same_shape(types, one, two),
            (BaseType::Named(one), BaseType::Named(two)) => {
                one == two || (types.composite(one).is_some() && types.composite(two).is_some())
            }
            _ => false,
        }
}

/// Two fields of one key in the response must be one field (section 5.3.2).
fn check_same(one: &Positioned<Field>, other: &Positioned<Field>) -> Result<(), Refusal> {
    let why = if one.node.name.node != other.node.name.node {
        "they are different fields"
    } else if !have_same_arguments(&one.node, &other.node) {
        "their arguments differ"
    } else {
        return Ok(());
    };
    Err(conflict(one, other, why))
}

fn conflict(one: &Positioned<Field>, other: &Positioned<Field>, why: &str) -> Refusal {
    let key = one.node.response_key().node.as_str();
    let message = format!("Fields {key:?} conflict: {why}. Give one of them an alias.");
    invalid_at(message, vec![one.pos, other.pos])
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
