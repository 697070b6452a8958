//! The schema as its SDL states it.

use std::collections::BTreeMap;

use anyhow::Context;
use async_graphql::parser::types::{
    ConstDirective, EnumValueDefinition, FieldDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Positioned, Value};

use super::markdown::code;

/// The object types and enums of a schema, by their names.
pub(super) struct Sdl {
    objects: BTreeMap<String, Vec<FieldDefinition>>,
    enums: BTreeMap<String, Vec<EnumValueDefinition>>,
}

impl Sdl {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let document =
            crate::schema::parse_sdl(text).context("the program cannot parse its own schema")?;
        let mut sdl = Self { objects: BTreeMap::new(), enums: BTreeMap::new() };
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let name = definition.node.name.node.to_string();
            match definition.node.kind {
                TypeKind::Object(object) => {
                    sdl.objects.insert(name, nodes(object.fields));
                }
                TypeKind::Enum(of) => {
                    sdl.enums.insert(name, nodes(of.values));
                }
                TypeKind::Scalar
                | TypeKind::Interface(_)
                | TypeKind::Union(_)
                | TypeKind::InputObject(_) => {}
            }
        }
        Ok(sdl)
    }

    /// The object types, each with its fields.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&str, &[FieldDefinition])> {
        self.objects.iter().map(|(name, fields)| (name.as_str(), fields.as_slice()))
    }

    /// The values of an enum, each with its description.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        self.enums.get(name).into_iter().flatten().map(|value| {
            let about = value.description.as_ref().map_or("", |about| about.node.as_str());
            (value.value.node.as_str(), about)
        })
    }

    /// The same as the rows of a table.
    pub(super) fn rows(&self, name: &str) -> impl Iterator<Item = [String; 2]> {
        self.values(name).map(|(value, about)| [code(value), about.to_owned()])
    }
}

fn nodes<T>(all: Vec<Positioned<T>>) -> Vec<T> {
    all.into_iter().map(|one| one.node).collect()
}

/// The uses of a directive at a field.
pub(super) fn uses<'a>(
    field: &'a FieldDefinition,
    name: &'a str,
) -> impl Iterator<Item = &'a ConstDirective> {
    let directives = field.directives.iter().map(|directive| &directive.node);
    directives.filter(move |directive| directive.name.node == name)
}

/// The first use of a directive at a field.
pub(super) fn find<'a>(field: &'a FieldDefinition, name: &'a str) -> Option<&'a ConstDirective> {
    uses(field, name).next()
}

/// The names in an argument: of one value of an enum, or of a list of them.
pub(super) fn names<'a>(directive: &'a ConstDirective, argument: &str) -> Vec<&'a str> {
    let name = |value: &'a Value| match value {
        Value::Enum(name) => Some(name.as_str()),
        Value::String(text) => Some(text.as_str()),
        _ => None,
    };
    match directive.get_argument(argument).map(|value| &value.node) {
        Some(Value::List(values)) => values.iter().filter_map(name).collect(),
        Some(value) => name(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The number in an argument.
pub(super) fn number(directive: &ConstDirective, argument: &str) -> Option<u64> {
    match &directive.get_argument(argument)?.node {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

/// Whether an argument is `true`.
pub(super) fn is_set(directive: &ConstDirective, argument: &str) -> bool {
    directive.get_argument(argument).is_some_and(|value| value.node == Value::Boolean(true))
}
