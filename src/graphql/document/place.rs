//! Where a value stands inside an argument or a variable.

use std::fmt;

use async_graphql::Name;
use async_graphql::parser::types::{OperationDefinition, Selection, SelectionSet};
use async_graphql_value::Value;

use super::Fragments;

/// Where a value stands, from the outside to the inside.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// An argument or a variable.
    Whole(&'a str),
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// The same without the name of the argument or the variable.
    fn inside(self, path: &mut String) {
        match self {
            Self::Whole(_) => {}
            Self::Field(of, name) => {
                of.inside(path);
                path.push('.');
                path.push_str(name);
            }
            Self::Item(of, index) => {
                of.inside(path);
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
            }
        }
    }

    /// As it is where a variable stands.
    pub(super) fn within(self, argument: String) -> String {
        let mut path = argument;
        self.inside(&mut path);
        path
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(name) => f.write_str(name),
            Self::Field(of, name) => write!(f, "{of}.{name}"),
            Self::Item(of, index) => write!(f, "{of}[{index}]"),
        }
    }
}

/// Where an operation uses a variable first, from the argument; `None` if no argument holds it.
pub(super) fn of_variable(
    operation: &OperationDefinition,
    fragments: &Fragments,
    variable: &Name,
) -> Option<String> {
    let find = |set: &SelectionSet| in_set(set, variable);
    // The order of fragments says nothing, so that of their names is taken.
    let mut names: Vec<_> = fragments.keys().collect();
    names.sort();
    find(&operation.selection_set.node).or_else(|| {
        let sets = names.into_iter().filter_map(|name| fragments.get(name));
        sets.map(|fragment| &fragment.node.selection_set.node).find_map(find)
    })
}

fn in_set(set: &SelectionSet, variable: &Name) -> Option<String> {
    set.items.iter().find_map(|selection| match &selection.node {
        Selection::Field(field) => {
            let mut arguments = field.node.arguments.iter();
            let found = arguments.find_map(|(name, value)| {
                in_value(&value.node, &Place::Whole(&name.node), variable)
            });
            found.or_else(|| in_set(&field.node.selection_set.node, variable))
        }
        Selection::InlineFragment(inline) => in_set(&inline.node.selection_set.node, variable),
        Selection::FragmentSpread(_) => None,
    })
}

fn in_value(value: &Value, at: &Place<'_>, variable: &Name) -> Option<String> {
    match value {
        Value::Variable(name) => (name == variable).then(|| at.to_string()),
        Value::List(values) => values
            .iter()
            .enumerate()
            .find_map(|(index, value)| in_value(value, &Place::Item(at, index), variable)),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, value)| in_value(value, &Place::Field(at, name), variable)),
        Value::Null
        | Value::Number(_)
        | Value::String(_)
        | Value::Boolean(_)
        | Value::Binary(_)
        | Value::Enum(_) => None,
    }
}
