//! What a document asks for: the fields of an object in their order, and the types along a path.

use std::convert::Infallible;

use async_graphql::parser::types::{
    BaseType, Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
    Type,
};
use async_graphql::{Pos, Positioned, Value};
use serde_json::Value as Variables;

use super::json::Step;
use super::schema::Schema;

/// An operation that was executed, with its variables.
pub(crate) struct Operation<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) document: &'a ExecutableDocument,
    pub(crate) definition: &'a OperationDefinition,
    pub(crate) variables: &'a Variables,
}

/// All fields of one object that are answered under one key.
pub(crate) struct Selected<'a> {
    pub(crate) key: &'a str,
    pub(crate) fields: Vec<&'a Positioned<Field>>,
}

/// A path as one of the objects that may lie along it has it.
pub(crate) struct Way {
    /// Whether each position along the path may be null.
    pub(crate) nullable: Vec<bool>,
    /// Where the document asks for what is at its end, and for what is below.
    pub(crate) asked_at: Vec<Pos>,
    pub(crate) asked_below: Vec<Pos>,
}

impl<'a> Selected<'a> {
    pub(crate) fn name(&self) -> &'a str {
        &self.fields[0].node.name.node
    }

    pub(crate) fn below(&self) -> Vec<&'a SelectionSet> {
        self.fields.iter().map(|field| &field.node.selection_set.node).collect()
    }
}

impl<'a> Operation<'a> {
    pub(crate) fn root(&self) -> &'static str {
        Schema::root(self.definition.ty)
    }

    /// `CollectFields`, for all selection sets of an object at once (`MergeSelectionSets`).
    pub(crate) fn collect(&self, object: &str, sets: &[&'a SelectionSet]) -> Vec<Selected<'a>> {
        let (mut all, mut visited) = (Vec::new(), Vec::new());
        for set in sets {
            self.collect_into(&mut all, &mut visited, object, set);
        }
        all
    }

    fn collect_into(
        &self,
        all: &mut Vec<Selected<'a>>,
        visited: &mut Vec<&'a str>,
        object: &str,
        set: &'a SelectionSet,
    ) {
        for selection in &set.items {
            if !self.is_included(selection.node.directives()) {
                continue;
            }
            match &selection.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.as_str();
                    match all.iter_mut().find(|selected| selected.key == key) {
                        Some(selected) => selected.fields.push(field),
                        None => all.push(Selected { key, fields: vec![field] }),
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let Some(fragment) = self.document.fragments.get(name) else { continue };
                    if visited.contains(&name.as_str()) {
                        continue;
                    }
                    visited.push(name);
                    let fragment = &fragment.node;
                    if self.schema.applies(&fragment.type_condition.node.on.node, object) {
                        self.collect_into(all, visited, object, &fragment.selection_set.node);
                    }
                }
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    if condition.is_none_or(|it| self.schema.applies(&it.node.on.node, object)) {
                        self.collect_into(all, visited, object, &inline.node.selection_set.node);
                    }
                }
            }
        }
    }

    fn is_included(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| match directive.node.name.node.as_str() {
            "skip" => !self.condition(&directive.node),
            "include" => self.condition(&directive.node),
            _ => true,
        })
    }

    fn condition(&self, directive: &Directive) -> bool {
        let given = directive.get_argument("if").unwrap().node.clone();
        match given.into_const_with(|name| Ok::<_, Infallible>(self.value_of(&name))) {
            Ok(Value::Boolean(value)) => value,
            Ok(other) => panic!("the server executed a condition that is {other}"),
        }
    }

    fn value_of(&self, variable: &str) -> Value {
        let given = self.variables.get(variable).cloned().map(Value::from_json);
        let mut definitions = self.definition.variable_definitions.iter();
        let definition = definitions.find(|it| it.node.name.node == variable);
        let default = definition.and_then(|it| it.node.default_value().cloned());
        given.and_then(Result::ok).or(default).unwrap_or_default()
    }

    /// The types along a path from the root, for every object that may lie along it. None, if the
    /// document asks for nothing there.
    pub(crate) fn ways(&self, path: &[Step]) -> Vec<Way> {
        self.ways_from(self.root(), &[&self.definition.selection_set.node], path)
    }

    fn ways_from(&self, object: &str, sets: &[&'a SelectionSet], path: &[Step]) -> Vec<Way> {
        let Some((Step::Key(key), rest)) = path.split_first() else { return Vec::new() };
        let selected = self.collect(object, sets);
        let Some(selected) = selected.iter().find(|selected| selected.key == key) else {
            return Vec::new();
        };
        match self.schema.field(object, selected.name()) {
            Some(ty) => self.ways_through(&ty, selected, rest),
            None => Vec::new(),
        }
    }

    fn ways_through(&self, ty: &Type, selected: &Selected<'a>, path: &[Step]) -> Vec<Way> {
        let further = match (&ty.base, path.split_first()) {
            (_, None) => {
                let asked_at = selected.fields.iter().flat_map(|field| positions(field)).collect();
                let sets = selected.below();
                let asked_below = sets.iter().flat_map(|set| self.positions_in(set)).collect();
                vec![Way { nullable: Vec::new(), asked_at, asked_below }]
            }
            (BaseType::List(of), Some((Step::Index(_), rest))) => {
                self.ways_through(of, selected, rest)
            }
            (BaseType::Named(name), Some((Step::Key(_), _))) => {
                let objects = self.schema.possible(name).into_iter();
                objects.flat_map(|object| self.ways_from(object, &selected.below(), path)).collect()
            }
            (BaseType::List(_), Some((Step::Key(_), _)))
            | (BaseType::Named(_), Some((Step::Index(_), _))) => Vec::new(),
        };
        let with_this = |mut way: Way| {
            way.nullable.insert(0, ty.nullable);
            way
        };
        further.into_iter().map(with_this).collect()
    }

    /// Where fields are asked for anywhere in a selection set.
    fn positions_in(&self, set: &'a SelectionSet) -> Vec<Pos> {
        let mut all = Vec::new();
        for selection in &set.items {
            let below = match &selection.node {
                Selection::Field(field) => {
                    all.extend(positions(field));
                    &field.node.selection_set
                }
                Selection::InlineFragment(inline) => &inline.node.selection_set,
                Selection::FragmentSpread(spread) => {
                    match self.document.fragments.get(&spread.node.fragment_name.node) {
                        Some(fragment) => &fragment.node.selection_set,
                        None => continue,
                    }
                }
            };
            all.extend(self.positions_in(&below.node));
        }
        all
    }
}

/// Where a field is asked for: itself, and what it is given.
fn positions(field: &Positioned<Field>) -> Vec<Pos> {
    let arguments = field.node.arguments.iter();
    let arguments = arguments.flat_map(|(name, value)| [name.pos, value.pos]);
    [field.pos, field.node.name.pos].into_iter().chain(arguments).collect()
}
