//! What an operation costs to execute, in the one unit that a request has a budget of.
//!
//! Resolving a field costs 1 for each object: what is selected in a list counts as often as the list may
//! have entries, and so do the values inside its arguments. A page costs [`STATEMENT`] for asking the database, and
//! a row of any list [`ROW`]. What may be of any size is allowed once ([`ANY_SIZE`]), and introspection costs what the
//! schema makes of it (`introspection.rs`).

use std::cell::Cell;

use async_graphql::Variables;
use async_graphql::parser::types::{Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Value as Constant};
use async_graphql_value::Value;

use super::introspection::Introspection;
use super::types::{FieldOf, Types, is_list, named};
use super::{COST_MAX, Refusal, at_most};
use crate::graphql::page;

/// What a statement costs beside its rows.
const STATEMENT: u64 = 50;
/// What a row costs beside the fields that are selected of it.
const ROW: u64 = 5;
/// The scalar of answers that may be of any size. Each costs more than half of what a request may.
const ANY_SIZE: &str = "JSON";
/// What a gateway gets the whole schema from, which is as large as many answers together.
const SDL_OF: &str = "_Service";
/// The list arguments of fields that give one object for each of their entries.
const LISTED: [&str; 3] = ["ids", "fields", "representations"];
/// The entries of a list of objects that is neither a page nor as long as one of these arguments.
const ENTRIES_MAX: u64 = 100;

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
    weighing.set(&operation.selection_set.node, root, Times { each: 1, entries: None })?;
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
struct Times {
    each: u64,
    /// In a connection: how many entries its lists have.
    entries: Option<u64>,
}

impl Weighing<'_> {
    fn add(&mut self, amount: u64) -> Result<(), Refusal> {
        self.amount = self.amount.saturating_add(amount);
        at_most("cost", self.amount, COST_MAX)
    }

    fn set(&mut self, set: &SelectionSet, parent: &str, times: Times) -> Result<(), Refusal> {
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

    fn field(&mut self, field: &Field, parent: &str, times: Times) -> Result<(), Refusal> {
        self.add(times.each)?;
        if times.entries.is_some() && matches!(field.name.node.as_str(), "totalCount" | "pageInfo")
        {
            self.add(times.each.saturating_mul(STATEMENT))?;
        }
        let inside = field.arguments.iter().map(|(_, value)| self.inside(&value.node)).sum::<u64>();
        self.add(times.each.saturating_mul(inside))?;
        let Some(of) = self.types.field(parent, &field.name.node) else { return Ok(()) };
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
        if inner == ANY_SIZE || parent == SDL_OF {
            self.add(times.each.saturating_mul(COST_MAX / 2 + 1))?;
        }
        let page = of.arguments.contains_key("first").then(|| self.page_size(field));
        if page.is_some() {
            self.add(times.each.saturating_mul(STATEMENT))?;
        }
        let each = if is_list(&of.ty) && self.types.composite(inner).is_some() {
            let entries = self.list_length(field, of).or(times.entries).unwrap_or(ENTRIES_MAX);
            let rows = times.each.saturating_mul(entries);
            self.add(rows.saturating_mul(ROW))?;
            rows
        } else {
            times.each
        };
        self.set(set, inner, Times { each, entries: page })
    }

    /// The rows of one page. What the connection will refuse counts as a full page.
    fn page_size(&self, field: &Field) -> u64 {
        let asked = ["first", "last"].into_iter().filter_map(|name| self.size(field, name));
        asked.max().unwrap_or(page::SIZE_DEFAULT.unsigned_abs().into())
    }

    /// `None` is as if the argument were absent. A page of none still asks the database.
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

    /// How many objects a field gives that gives one for each id.
    fn list_length(&self, field: &Field, of: &FieldOf) -> Option<u64> {
        let is_listed = |name: &&str| of.arguments.get(*name).is_some_and(|of| is_list(&of.ty));
        let listed = LISTED.into_iter().find(is_listed)?;
        let length = match &field.get_argument(listed)?.node {
            Value::List(values) => values.len(),
            Value::Variable(name) => match self.variable(name) {
                Some(Constant::List(values)) => values.len(),
                _ => 1,
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
