//! The values of variables. They are coerced before anything runs (section 6.1.2 of the specification). So no mutation commits before a later one turns out to be impossible.

use std::collections::BTreeMap;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{BaseType, OperationDefinition, Type};
use async_graphql::{Name, Number, Value as Constant, Variables};
use serde_json::{Map, Value as Json};

use super::place::{self, Place};
use super::types::{Argument, TypeKind, Types};
use super::{Fragments, Refusal, WrongValue, at_most};
use crate::kernel::invalid::Reason;

const VARIABLES_MAX: usize = 100;
/// Bytes of one string in a variable. Those in the document are bounded by its length.
const STRING_LENGTH_MAX: usize = 10 * 1024;

/// Refuses too many variables and too long strings. The JSON parser has limited the nesting.
pub(super) fn check_sizes(variables: &Map<String, Json>) -> Result<(), Refusal> {
    at_most("variables", variables.len() as u64, VARIABLES_MAX as u64)?;
    variables.iter().try_for_each(|(name, value)| {
        check_string(name)?;
        check_size(value)
    })
}

fn check_size(value: &Json) -> Result<(), Refusal> {
    match value {
        Json::String(text) => check_string(text),
        Json::Array(items) => items.iter().try_for_each(check_size),
        Json::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            check_string(name)?;
            check_size(value)
        }),
        Json::Null | Json::Bool(_) | Json::Number(_) => Ok(()),
    }
}

fn check_string(text: &str) -> Result<(), Refusal> {
    at_most("stringLength", text.len() as u64, STRING_LENGTH_MAX as u64)
}

/// The values of an operation's variables. What it does not define is left out.
pub(super) fn coerce(
    types: &Types,
    (operation, fragments): (&OperationDefinition, &Fragments),
    mut given: Map<String, Json>,
) -> Result<Variables, Refusal> {
    let mut coerced = IndexMap::new();
    for definition in &operation.variable_definitions {
        let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
        let refused = |Fault { why, within, reason }: Fault| Refusal::Invalid {
            message: format!("Variable \"${name}\" {why}"),
            positions: vec![definition.pos],
            value: place::of_variable(operation, fragments, name)
                .map(|argument| WrongValue { path: argument + &within, reason }),
        };
        let value = match (given.remove(name.as_str()), &definition.node.default_value) {
            (Some(value), _) => {
                coerce_one(types, ty, value, &Place::Whole(name)).map_err(refused)?
            }
            (None, Some(default)) => default.node.clone(),
            (None, None) if ty.nullable => continue,
            (None, None) => {
                let why = format!("of the required type \"{ty}\" is missing.");
                let (within, reason) = (String::new(), Reason::Required);
                return Err(refused(Fault { why, within, reason }));
            }
        };
        coerced.insert(name.clone(), value);
    }
    Ok(Variables::from_value(Constant::Object(coerced)))
}

/// Why a value is none of its type. Values are not repeated: they may be secrets, and go into logs of clients.
#[derive(Debug)]
struct Fault {
    why: String,
    /// Where it stands in the variable, from where the variable stands in an argument.
    within: String,
    reason: Reason,
}

impl Fault {
    fn new(at: &Place<'_>, why: &str, reason: Reason) -> Self {
        let why = match at {
            Place::Whole(_) => format!("has an invalid value: {why}."),
            inside => format!("has an invalid value at \"{inside}\": {why}."),
        };
        Self { why, within: at.within(String::new()), reason }
    }

    fn expected(at: &Place<'_>, ty: &Type, reason: Reason) -> Self {
        Self::new(at, &format!("expected a value of type \"{ty}\""), reason)
    }
}

fn coerce_one(types: &Types, ty: &Type, value: Json, at: &Place<'_>) -> Result<Constant, Fault> {
    if value.is_null() {
        let missing = || Fault::expected(at, ty, Reason::Required);
        return if ty.nullable { Ok(Constant::Null) } else { Err(missing()) };
    }
    match (&ty.base, value) {
        (BaseType::List(inner), Json::Array(values)) => {
            let values = values.into_iter().enumerate();
            let coerced = values
                .map(|(index, value)| coerce_one(types, inner, value, &Place::Item(at, index)));
            coerced.collect::<Result<_, _>>().map(Constant::List)
        }
        // One value stands for a list of it.
        (BaseType::List(inner), value) => {
            Ok(Constant::List(vec![coerce_one(types, inner, value, at)?]))
        }
        (BaseType::Named(name), value) => coerce_named(types, (ty, name), value, at),
    }
}

fn coerce_named(
    types: &Types,
    (ty, name): (&Type, &Name),
    value: Json,
    at: &Place<'_>,
) -> Result<Constant, Fault> {
    let coerced = match (types.kind(name), value) {
        (Some(TypeKind::Input(fields)), Json::Object(given)) => {
            return coerce_input(types, (name, fields), given, at);
        }
        (Some(TypeKind::Enum(values)), Json::String(value)) => {
            values.get(value.as_str()).cloned().map(Constant::Enum)
        }
        (Some(TypeKind::Scalar(is_valid)), value) => coerce_scalar(name, value)
            .filter(|value| is_valid.as_ref().is_none_or(|is_valid| is_valid(value))),
        _ => None,
    };
    coerced.ok_or_else(|| Fault::expected(at, ty, Reason::InvalidFormat))
}

/// Coerces the specification's own scalars (section 3.5). Others are checked by their `is_valid`.
fn coerce_scalar(name: &str, value: Json) -> Option<Constant> {
    match (name, value) {
        ("Int", Json::Number(number)) => int(&number).map(Constant::from),
        ("Float", Json::Number(number)) => Some(Constant::Number(number)),
        ("String" | "ID", Json::String(text)) => Some(Constant::String(text)),
        ("ID", Json::Number(number)) => whole(&number).map(Constant::String),
        ("Boolean", Json::Bool(value)) => Some(Constant::Boolean(value)),
        ("Int" | "Float" | "String" | "ID" | "Boolean", _) => None,
        (_, value) => Constant::from_json(value).ok(),
    }
}

/// The digits of an integer, also when it is written as 1.0.
fn whole(number: &Number) -> Option<String> {
    match number.as_f64() {
        Some(float) if number.is_f64() => (float.fract() == 0.0).then(|| format!("{float:.0}")),
        _ => Some(number.to_string()),
    }
}

/// An integer of 32 bits, also when it is written as 1.0.
fn int(number: &Number) -> Option<i32> {
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number of 32 bits")]
    let whole = |number: f64| {
        let is_int =
            number.fract() == 0.0 && (-2_147_483_648.0..=2_147_483_647.0).contains(&number);
        is_int.then_some(number as i32)
    };
    match number.as_i64() {
        Some(number) => i32::try_from(number).ok(),
        None => number.as_f64().and_then(whole),
    }
}

fn coerce_input(
    types: &Types,
    (name, fields): (&Name, &BTreeMap<String, Argument>),
    given: Map<String, Json>,
    at: &Place<'_>,
) -> Result<Constant, Fault> {
    let mut coerced = IndexMap::with_capacity(given.len());
    for (key, value) in given {
        let Some(field) = fields.get(&key) else {
            let why = format!("\"{name}\" has no field \"{key}\"");
            return Err(Fault::new(&Place::Field(at, &key), &why, Reason::NotAllowed));
        };
        let value = coerce_one(types, &field.ty, value, &Place::Field(at, &key))?;
        coerced.insert(Name::new(key), value);
    }
    for (key, field) in fields {
        if field.is_required() && !coerced.contains_key(key.as_str()) {
            return Err(Fault::expected(&Place::Field(at, key), &field.ty, Reason::Required));
        }
    }
    Ok(Constant::Object(coerced))
}
