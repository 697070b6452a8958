//! The variables of a request: how many, how long, and how many rows they ask for.

use std::convert::Infallible;

use async_graphql::parser::types::{Field, OperationDefinition};
use async_graphql::{Name, Value as Constant};
use serde_json::{Map, Value};

use super::{Refusal, at_most};
use crate::graphql::page;

const VARIABLES_MAX: usize = 100;
/// Bytes of one string, wherever it stands.
const STRING_LENGTH_MAX: usize = 10 * 1024;

/// Refuses too many variables and too long strings. The JSON parser has limited the nesting.
pub(super) fn check(variables: &Map<String, Value>) -> Result<(), Refusal> {
    at_most("variables", variables.len() as u64, VARIABLES_MAX as u64)?;
    variables.iter().try_for_each(|(name, value)| {
        check_string(name)?;
        check_value(value)
    })
}

fn check_value(value: &Value) -> Result<(), Refusal> {
    match value {
        Value::String(text) => check_string(text),
        Value::Array(items) => items.iter().try_for_each(check_value),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            check_string(name)?;
            check_value(value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn check_string(text: &str) -> Result<(), Refusal> {
    at_most("stringLength", text.len() as u64, STRING_LENGTH_MAX as u64)
}

/// What the variables of an operation stand for.
pub(super) struct Variables<'a>(Option<Given<'a>>);

struct Given<'a> {
    operation: &'a OperationDefinition,
    given: &'a Map<String, Value>,
}

impl<'a> Variables<'a> {
    pub(super) fn of(operation: &'a OperationDefinition, given: &'a Map<String, Value>) -> Self {
        Self(Some(Given { operation, given }))
    }

    /// Where it does not matter how many rows there are.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// The rows of one page. What the connection will refuse counts as a full page.
    pub(super) fn page_size(&self, field: &Field) -> u64 {
        let asked = ["first", "last"].into_iter().filter_map(|name| self.size(field, name));
        asked.max().unwrap_or(page::SIZE_DEFAULT.unsigned_abs().into())
    }

    /// How many values a list argument has, if it is there. What is no list counts as a full page.
    pub(super) fn list_length(&self, field: &Field, argument: &str) -> Option<u64> {
        let max = page::SIZE_MAX.unsigned_abs().into();
        let value = field.get_argument(argument)?.node.clone();
        let Ok(value) = value.into_const_with(|name| Ok::<_, Infallible>(self.resolve_list(&name)));
        Some(match value {
            Constant::List(values) => u64::try_from(values.len()).unwrap_or(max).max(1),
            _ => max,
        })
    }

    /// A list as long as the one that a variable stands for; null for whatever is none.
    fn resolve_list(&self, name: &Name) -> Constant {
        let Some(Given { given, operation }) = &self.0 else { return Constant::Null };
        match (given.get(name.as_str()), default(operation, name)) {
            (Some(Value::Array(values)), _) => Constant::List(vec![Constant::Null; values.len()]),
            (None, Some(list)) => list.clone(),
            _ => Constant::Null,
        }
    }

    /// `None` is as if the argument were absent. A page of none still asks the database.
    fn size(&self, field: &Field, argument: &str) -> Option<u64> {
        let value = field.get_argument(argument)?.node.clone();
        let Ok(value) = value.into_const_with(|name| Ok::<_, Infallible>(self.resolve(&name)));
        let max = page::SIZE_MAX.unsigned_abs().into();
        match value {
            Constant::Null => None,
            Constant::Number(rows) => Some(rows.as_u64().unwrap_or(max).clamp(1, max)),
            _ => Some(max),
        }
    }

    /// The number or null that a variable stands for. Whatever else it is, it is no page's size.
    fn resolve(&self, name: &Name) -> Constant {
        let Some(Given { given, operation }) = &self.0 else { return Constant::Null };
        match given.get(name.as_str()) {
            Some(Value::Null) => Constant::Null,
            Some(Value::Number(number)) => Constant::Number(number.clone()),
            Some(_) => Constant::Boolean(false),
            None => match default(operation, name) {
                None | Some(Constant::Null) => Constant::Null,
                Some(Constant::Number(number)) => Constant::Number(number.clone()),
                Some(_) => Constant::Boolean(false),
            },
        }
    }
}

fn default<'a>(operation: &'a OperationDefinition, name: &Name) -> Option<&'a Constant> {
    let mut definitions = operation.variable_definitions.iter();
    let definition = definitions.find(|definition| definition.node.name.node == *name)?;
    Some(&definition.node.default_value.as_ref()?.node)
}
