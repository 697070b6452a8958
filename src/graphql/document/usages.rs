//! Where variables are used: their types fit what is expected there (section 5.8.5 of the specification), also deep
//! inside a value, and also where no object that an operation meets leads.

use std::collections::HashSet;

use async_graphql::parser::types::{
    BaseType, Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
    Type,
};
use async_graphql::{Name, Pos, Positioned, Value as Constant};
use async_graphql_value::Value;

use super::types::{Argument, TypeKind, Types, named};
use super::{Fragments, Refusal, invalid_at, operations};

/// Refuses a variable that stands where its type does not fit.
pub(super) fn check(types: &Types, document: &ExecutableDocument) -> Result<(), Refusal> {
    let boolean = Type { base: BaseType::Named(Name::new("Boolean")), nullable: false };
    for Positioned { node: operation, .. } in operations(document) {
        // Those that are not defined are found by the library.
        if operation.variable_definitions.is_empty() {
            continue;
        }
        let (fragments, seen) = (&document.fragments, HashSet::new());
        let mut usages = Usages { types, fragments, operation, boolean: &boolean, seen };
        usages.set(&operation.selection_set.node, types.root(operation.ty))?;
    }
    Ok(())
}

/// The usages of one operation.
struct Usages<'a> {
    types: &'a Types,
    fragments: &'a Fragments,
    operation: &'a OperationDefinition,
    boolean: &'a Type,
    /// The fragments that have been walked through.
    seen: HashSet<&'a Name>,
}

impl<'a> Usages<'a> {
    fn set(&mut self, set: &'a SelectionSet, parent: &str) -> Result<(), Refusal> {
        for selection in &set.items {
            self.directives(selection.node.directives())?;
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, parent)?,
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let of = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, of)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if self.seen.insert(name)
                        && let Some(fragment) = self.fragments.get(name)
                    {
                        let of = &fragment.node.type_condition.node.on.node;
                        self.set(&fragment.node.selection_set.node, of)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field, parent: &str) -> Result<(), Refusal> {
        let Some(of) = self.types.field(parent, &field.name.node) else { return Ok(()) };
        for (name, value) in &field.arguments {
            if let Some(argument) = of.arguments.get(name.node.as_str()) {
                self.value(argument.into(), value)?;
            }
        }
        self.set(&field.selection_set.node, named(&of.ty))
    }

    fn directives(&self, directives: &[Positioned<Directive>]) -> Result<(), Refusal> {
        for directive in directives {
            if matches!(directive.node.name.node.as_str(), "skip" | "include")
                && let Some(value) = directive.node.get_argument("if")
            {
                self.value(Location::bare(self.boolean), value)?;
            }
        }
        Ok(())
    }

    fn value(&self, location: Location<'_>, value: &Positioned<Value>) -> Result<(), Refusal> {
        let usage = Usage { types: self.types, operation: self.operation, pos: value.pos };
        usage.check(location, &value.node)
    }
}

/// Where a value stands: what it has to be, and whether another one would stand there without it.
#[derive(Clone, Copy)]
struct Location<'a> {
    ty: &'a Type,
    has_default: bool,
}

impl<'a> Location<'a> {
    /// One without a default: inside a list, or in a directive.
    fn bare(ty: &'a Type) -> Self {
        Self { ty, has_default: false }
    }
}

impl<'a> From<&'a Argument> for Location<'a> {
    fn from(argument: &'a Argument) -> Self {
        Self { ty: &argument.ty, has_default: argument.has_default }
    }
}

struct Usage<'a> {
    types: &'a Types,
    operation: &'a OperationDefinition,
    pos: Pos,
}

impl Usage<'_> {
    fn check(&self, location: Location<'_>, value: &Value) -> Result<(), Refusal> {
        match (value, &location.ty.base) {
            (Value::Variable(name), _) => self.check_variable(location, name),
            (Value::List(values), BaseType::List(inner)) => {
                values.iter().try_for_each(|value| self.check(Location::bare(inner), value))
            }
            (value, BaseType::List(inner)) => self.check(Location::bare(inner), value),
            (Value::Object(values), BaseType::Named(name)) => {
                let Some(TypeKind::Input(fields)) = self.types.kind(name) else { return Ok(()) };
                values.iter().try_for_each(|(key, value)| match fields.get(key.as_str()) {
                    Some(field) => self.check(field.into(), value),
                    None => Ok(()),
                })
            }
            _ => Ok(()),
        }
    }

    fn check_variable(&self, location: Location<'_>, name: &Name) -> Result<(), Refusal> {
        let Location { ty, has_default } = location;
        let mut definitions = self.operation.variable_definitions.iter();
        // The library finds those that are not defined.
        let Some(definition) = definitions.find(|of| of.node.name.node == *name) else {
            return Ok(());
        };
        let given = &definition.node.var_type.node;
        // Refused with the literals.
        if self.types.input(given).is_none() {
            return Ok(());
        }
        let default = definition.node.default_value.as_ref().map(|default| &default.node);
        let is_never_null =
            has_default || default.is_some_and(|default| *default != Constant::Null);
        let is_allowed = if !ty.nullable && given.nullable && is_never_null {
            have_compatible_bases(given, ty)
        } else {
            is_compatible(given, ty)
        };
        if is_allowed {
            return Ok(());
        }
        let message = format!(
            "The document uses the variable \"${name}\" of type \"{given}\" where it requires \"{ty}\"."
        );
        Err(invalid_at(message, vec![definition.pos, self.pos]))
    }
}

/// Whether every value of the one type is one of the other.
fn is_compatible(given: &Type, expected: &Type) -> bool {
    (expected.nullable || !given.nullable) && have_compatible_bases(given, expected)
}

fn have_compatible_bases(given: &Type, expected: &Type) -> bool {
    match (&given.base, &expected.base) {
        (BaseType::Named(given), BaseType::Named(expected)) => given == expected,
        (BaseType::List(given), BaseType::List(expected)) => is_compatible(given, expected),
        _ => false,
    }
}
