//! What an operation costs to execute, in the one unit that a request has a budget of.
//!
//! Resolving a field costs what the schema says of it (`directive.rs`) for each object: what is selected in a list counts as
//! often as the list may have entries, and so do the values inside its arguments. A row of any list costs [`ROW`], and
//! introspection what the schema makes of it (`introspection.rs`).

pub(super) mod directive;

use std::cell::Cell;

use async_graphql::Variables;
use async_graphql::parser::types::{Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Value as Constant};
use async_graphql_value::Value;

use self::directive::{ENTRIES_MAX, FIELD, ListSize, ROW};
use super::introspection::Introspection;
use super::types::{FieldOf, Types, is_list, named};
use super::{COST_MAX, Refusal, at_most};
use crate::graphql::page;

/// What an operation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) amount: u64,
    /// Whether other variables could make it another one.
    pub(super) varies: bool,
}

/// The cost of an operation that has been merged, on top of what is `spent` already.
pub(super) fn of(
    types: &Types,
    operation: &OperationDefinition,
    variables: &Variables,
    spent: u64,
) -> Result<Cost, Refusal> {
    let root = types.root(operation.ty);
    let mut weighing = Weighing { types, variables, amount: spent, varies: Cell::new(false) };
    weighing.set(&operation.selection_set.node, root, Times { each: 1, sized: None })?;
    Ok(Cost { amount: weighing.amount, varies: weighing.varies.get() })
}

struct Weighing<'a> {
    types: &'a Types,
    variables: &'a Variables,
    amount: u64,
    varies: Cell<bool>,
}

/// How often a selection set is resolved.
#[derive(Clone, Copy)]
struct Times<'a> {
    each: u64,
    /// How many entries some lists have, and which fields those are.
    sized: Option<(u64, &'a [String])>,
}

impl<'a> Weighing<'a> {
    fn add(&mut self, amount: u64) -> Result<(), Refusal> {
        self.amount = self.amount.saturating_add(amount);
        at_most("cost", self.amount, COST_MAX)
    }

    fn set(&mut self, set: &SelectionSet, parent: &str, times: Times<'_>) -> Result<(), Refusal> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, parent, times)?,
                // As if every object were of every type.
                Selection::InlineFragment(inline) => {
                    self.add(times.each)?;
                    let condition = inline.node.type_condition.as_ref();
                    let of = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, of, times)?;
                }
                Selection::FragmentSpread(_) => {}
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, parent: &str, times: Times<'_>) -> Result<(), Refusal> {
        let types: &'a Types = self.types;
        let of = types.field(parent, &field.name.node);
        self.add(times.each.saturating_mul(of.map_or(FIELD, |of| of.weight)))?;
        let inside = field.arguments.iter().map(|(_, value)| self.inside(&value.node)).sum::<u64>();
        self.add(times.each.saturating_mul(inside))?;
        let Some(of) = of else { return Ok(()) };
        let (set, inner) = (&field.selection_set.node, named(&of.ty).as_str());
        let introspection = Introspection::new(self.types, self.amount);
        match (parent == self.types.query(), field.name.node.as_str()) {
            (true, "__schema") => {
                self.amount = introspection.schema(set)?;
                return Ok(());
            }
            (true, "__type") => {
                if let Some(name) = self.text(field, "name") {
                    self.amount = introspection.of_type(name, set)?;
                }
                return Ok(());
            }
            _ => {}
        }
        let entries = of.size.as_ref().map(|size| (self.entries(field, of, size), &size.sized[..]));
        let each = if is_list(&of.ty) && types.composite(inner).is_some() {
            let entries = match (entries, times.sized) {
                (Some((own, [])), _) => own,
                (_, Some((sized, fields))) if fields.iter().any(|it| *it == field.name.node) => {
                    sized
                }
                _ => ENTRIES_MAX,
            };
            let rows = times.each.saturating_mul(entries);
            self.add(rows.saturating_mul(ROW))?;
            rows
        } else {
            times.each
        };
        self.set(set, inner, Times { each, sized: entries })
    }

    /// How many entries are asked for, or else assumed.
    fn entries(&self, field: &Field, of: &FieldOf, size: &ListSize) -> u64 {
        let asked = size.slicing.iter().filter_map(|argument| {
            let is_listed = of.arguments.get(argument.as_str()).is_some_and(|of| is_list(&of.ty));
            if is_listed { self.length(field, argument) } else { self.size(field, argument) }
        });
        asked.max().or(size.assumed).unwrap_or(ENTRIES_MAX)
    }

    /// What a number asks for that is an argument. What the connection will refuse counts as a full page, and a page of none
    /// still asks the database. `None` is as if it were absent.
    fn size(&self, field: &Field, argument: &str) -> Option<u64> {
        let max = page::SIZE_MAX.unsigned_abs().into();
        let number = |number: Option<u64>| number.unwrap_or(max).clamp(1, max);
        match &field.get_argument(argument)?.node {
            Value::Null => None,
            Value::Number(rows) => Some(number(rows.as_u64())),
            Value::Variable(name) => match self.variable(name) {
                None | Some(Constant::Null) => None,
                Some(Constant::Number(rows)) => Some(number(rows.as_u64())),
                Some(_) => Some(max),
            },
            _ => Some(max),
        }
    }

    /// How many entries a list has that is an argument. `None` is as if it were absent.
    fn length(&self, field: &Field, argument: &str) -> Option<u64> {
        let length = match &field.get_argument(argument)?.node {
            Value::Null => return None,
            Value::List(values) => values.len(),
            Value::Variable(name) => match self.variable(name) {
                None | Some(Constant::Null) => return None,
                Some(Constant::List(values)) => values.len(),
                Some(_) => 1,
            },
            _ => 1,
        };
        Some(u64::try_from(length).unwrap_or(u64::MAX).max(1))
    }

    /// The string that an argument is.
    fn text<'b>(&'b self, field: &'b Field, argument: &str) -> Option<&'b str> {
        match &field.get_argument(argument)?.node {
            Value::String(text) => Some(text),
            Value::Variable(name) => match self.variable(name)? {
                Constant::String(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// How many values are inside one: a list or an input object is read anew for each object, and
    /// so is a variable wherever it stands.
    fn inside(&self, value: &Value) -> u64 {
        match value {
            Value::List(values) => values.iter().map(|value| 1 + self.inside(value)).sum(),
            Value::Object(fields) => fields.values().map(|value| 1 + self.inside(value)).sum(),
            Value::Variable(name) => self.variable(name).map_or(0, inside_constant),
            _ => 0,
        }
    }

    fn variable(&self, name: &Name) -> Option<&Constant> {
        self.varies.set(true);
        self.variables.get(name)
    }
}

fn inside_constant(value: &Constant) -> u64 {
    match value {
        Constant::List(values) => values.iter().map(|value| 1 + inside_constant(value)).sum(),
        Constant::Object(fields) => fields.values().map(|value| 1 + inside_constant(value)).sum(),
        _ => 0,
    }
}
