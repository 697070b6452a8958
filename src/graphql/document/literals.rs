//! What stands in the text of a document, where the library's validation accepts more than the
//! specification, or does not say what is wrong: literals have the values that their types allow (section 5.6.1),
//! and required arguments are there (section 5.4.3).

use std::fmt::Display;

use async_graphql::parser::types::{
    BaseType, ExecutableDocument, Field, OperationType, Selection, SelectionSet, Type,
    VariableDefinition,
};
use async_graphql::{Pos, Positioned, ServerError};
use async_graphql_value::Value;

use super::place::{self, Place};
use super::types::{FieldOf, TypeKind, Types, named};
use super::{Refusal, WrongValue, invalid_at, operations};
use crate::kernel::invalid::Reason;

/// Fields that a document may ask for and their types do not have, before it is refused for that alone.
const UNKNOWN_MAX: usize = 5;

/// Refuses what the library's validation accepts against the specification, or tells badly: literals of the wrong
/// type, directives of variables, missing arguments, and subscriptions. Variables of unknown types are refused here
/// too, since they make the library panic, and many unknown fields, since each costs it a search.
pub(super) fn check(types: &Types, document: &ExecutableDocument) -> Result<(), Refusal> {
    let mut literals = Literals { types, unknown: Vec::new() };
    for Positioned { node: operation, pos } in operations(document) {
        if operation.ty == OperationType::Subscription && types.root(operation.ty).is_empty() {
            return Err(invalid_at("This server does not support subscriptions.", vec![*pos]));
        }
        for definition in &operation.variable_definitions {
            let VariableDefinition { var_type, default_value, directives, .. } = &definition.node;
            if let Some(directive) = directives.first() {
                let message =
                    format!("@{} is not allowed on a variable.", directive.node.name.node);
                return Err(invalid_at(message, vec![directive.pos]));
            }
            if types.input(&var_type.node).is_none() {
                let message = format!("\"{}\" is not an input type.", var_type.node);
                return Err(invalid_at(message, vec![var_type.pos]));
            }
            if let Some(default) = default_value {
                let name = &definition.node.name.node;
                let at = place::of_variable(operation, &document.fragments, name);
                let at = at.unwrap_or_else(|| name.to_string());
                let default_value = default.node.clone().into_value();
                let place = (&Place::Whole(&at), default.pos);
                literals.value(&var_type.node, &default_value, place)?;
            }
        }
        let root = types.root(operation.ty);
        literals.set(&operation.selection_set.node, root)?;
    }
    let mut fragments: Vec<_> = document.fragments.values().collect();
    fragments.sort_by_key(|fragment| (fragment.pos.line, fragment.pos.column));
    for fragment in fragments {
        let of = &fragment.node.type_condition.node.on.node;
        literals.set(&fragment.node.selection_set.node, of)?;
    }
    Ok(())
}

struct Literals<'a> {
    types: &'a Types,
    /// The fields that their types do not have.
    unknown: Vec<ServerError>,
}

impl Literals<'_> {
    fn set(&mut self, set: &SelectionSet, parent: &str) -> Result<(), Refusal> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let Some(of) = self.types.field(parent, &field.node.name.node) else {
                        self.add_unknown(field, parent)?;
                        continue;
                    };
                    self.arguments(field, of)?;
                    self.set(&field.node.selection_set.node, named(&of.ty))?;
                }
                Selection::FragmentSpread(_) => {}
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let of = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, of)?;
                }
            }
        }
        Ok(())
    }

    fn arguments(&self, field: &Positioned<Field>, of: &FieldOf) -> Result<(), Refusal> {
        for (name, value) in &field.node.arguments {
            if let Some(argument) = of.arguments.get(name.node.as_str()) {
                let at = Place::Whole(&name.node);
                self.value(&argument.ty, &value.node, (&at, value.pos))?;
            }
        }
        for (name, argument) in &of.arguments {
            if argument.is_required() && field.node.get_argument(name).is_none() {
                let (of, ty) = (&field.node.name.node, &argument.ty);
                let message =
                    format!("\"{of}\" requires the argument \"{name}\" of type \"{ty}\".");
                return Err(Refusal::Invalid {
                    message,
                    positions: vec![field.pos],
                    value: Some(WrongValue { path: name.clone(), reason: Reason::Required }),
                });
            }
        }
        Ok(())
    }

    /// The library compares each unknown name with all fields of the type, to suggest one. So it gets no
    /// more of them than an answer lists.
    fn add_unknown(&mut self, field: &Positioned<Field>, parent: &str) -> Result<(), Refusal> {
        let name = &field.node.name.node;
        if name == "__typename" || self.types.composite(parent).is_none() {
            return Ok(());
        }
        let message = format!("Unknown field \"{name}\" on type \"{parent}\".");
        self.unknown.push(ServerError::new(message, Some(field.pos)));
        if self.unknown.len() > UNKNOWN_MAX {
            return Err(Refusal::Errors(std::mem::take(&mut self.unknown)));
        }
        Ok(())
    }

    fn value(&self, ty: &Type, value: &Value, (at, pos): (&Place<'_>, Pos)) -> Result<(), Refusal> {
        match (&ty.base, value) {
            (_, Value::Null) if !ty.nullable => Err(wrong(ty, (at, pos), Reason::Required)),
            (BaseType::List(inner), Value::List(values)) => {
                let mut values = values.iter().enumerate();
                values.try_for_each(|(index, value)| {
                    self.value(inner, value, (&Place::Item(at, index), pos))
                })
            }
            (BaseType::List(inner), value) => self.value(inner, value, (at, pos)),
            (BaseType::Named(name), value) => self.named(name, value, (at, pos)),
        }
    }

    fn named(
        &self,
        name: &str,
        value: &Value,
        (at, pos): (&Place<'_>, Pos),
    ) -> Result<(), Refusal> {
        let is_right = match (self.types.kind(name), value) {
            (Some(TypeKind::Input(fields)), Value::Object(values)) => {
                return values.iter().try_for_each(|(key, value)| {
                    let field = fields.get(key.as_str());
                    let inside = Place::Field(at, key);
                    field.map_or(Ok(()), |field| self.value(&field.ty, value, (&inside, pos)))
                });
            }
            (_, Value::Null | Value::Variable(_)) => true,
            (Some(TypeKind::Input(_)), _) | (Some(TypeKind::Scalar(_)), Value::Enum(_)) => false,
            (Some(TypeKind::Enum(_)), value) => matches!(value, Value::Enum(_)),
            (Some(TypeKind::Scalar(is_valid)), value) => match name {
                "Int" => matches!(value, Value::Number(number)
                    if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())),
                "Float" => matches!(value, Value::Number(_)),
                "String" => matches!(value, Value::String(_)),
                "Boolean" => matches!(value, Value::Boolean(_)),
                "ID" => {
                    matches!(value, Value::String(_))
                        || matches!(value, Value::Number(number) if !number.is_f64())
                }
                // With variables inside it is told by the library.
                _ => is_valid.as_ref().is_none_or(|is_valid| {
                    value.clone().into_const().is_none_or(|value| is_valid(&value))
                }),
            },
            _ => true,
        };
        if is_right { Ok(()) } else { Err(wrong(name, (at, pos), Reason::InvalidFormat)) }
    }
}

fn wrong(ty: impl Display, (at, pos): (&Place<'_>, Pos), reason: Reason) -> Refusal {
    Refusal::Invalid {
        message: format!("This is not a value of type \"{ty}\"."),
        positions: vec![pos],
        value: Some(WrongValue { path: at.to_string(), reason }),
    }
}
