//! Calls that are made of the schema: valid ones, about nothing that there is.

use std::collections::BTreeMap;

use async_graphql::Positioned;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition,
};

/// An id that names nothing, whatever it should be the id of.
const NOTHING: &str = "\"user_01890000-0000-7000-8000-000000000000\"";

/// The types of a schema, by their names.
pub(crate) struct Types(BTreeMap<String, TypeKind>);

impl Types {
    pub(crate) fn of(sdl: &str) -> Self {
        let definitions = portcullis::schema::parse_sdl(sdl).unwrap().definitions.into_iter();
        let types = definitions.filter_map(|definition| match definition {
            TypeSystemDefinition::Type(it) => Some((it.node.name.node.to_string(), it.node.kind)),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        });
        Self(types.collect())
    }

    /// The same about an object with this id, if the field takes one.
    pub(crate) fn call_about(&self, field: &FieldDefinition, id: &str) -> Option<String> {
        let (call, nothing) = (self.call(field), format!("id: {NOTHING}"));
        call.contains(&nothing).then(|| call.replace(&nothing, &format!("id: \"{id}\"")))
    }

    /// The field of an object type that has this type.
    pub(crate) fn field_with(&self, of: &str, ty: &str) -> Option<&str> {
        let Some(TypeKind::Object(object)) = self.0.get(of) else { return None };
        let mut fields = object.fields.iter().map(|field| &field.node);
        let found = fields.find(|it| crate::conformance::schema::innermost(&it.ty.node) == ty);
        found.map(|field| field.name.node.as_str())
    }

    /// A call with the arguments that must be given.
    pub(super) fn call(&self, field: &FieldDefinition) -> String {
        let arguments = self.given(&field.arguments);
        let arguments = match arguments.as_str() {
            "" => String::new(),
            some => format!("({some})"),
        };
        let of = self.0.get(crate::conformance::schema::innermost(&field.ty.node));
        let is_composite =
            matches!(of, Some(TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_)));
        let selection = if is_composite { " { __typename }" } else { "" };
        format!("{}{arguments}{selection}", field.name.node)
    }

    fn given(&self, arguments: &[Positioned<InputValueDefinition>]) -> String {
        let must = arguments.iter().map(|argument| &argument.node);
        let must = must.filter(|it| !it.ty.node.nullable && it.default_value.is_none());
        let given = must.map(|it| format!("{}: {}", it.name.node, self.value(&it.ty.node)));
        given.collect::<Vec<_>>().join(", ")
    }

    fn value(&self, ty: &Type) -> String {
        let name = match &ty.base {
            BaseType::List(of) => return format!("[{}]", self.value(of)),
            BaseType::Named(name) => name.as_str(),
        };
        match (name, self.0.get(name)) {
            ("ID", _) => NOTHING.to_owned(),
            ("String", _) => "\"x\"".to_owned(),
            ("Int" | "Float", _) => "1".to_owned(),
            ("Boolean", _) => "true".to_owned(),
            ("DateTime", _) => "\"2026-01-01T00:00:00Z\"".to_owned(),
            ("Metadata", _) => "{ a: 1 }".to_owned(),
            ("Date", _) => "\"2026-01-01\"".to_owned(),
            (_, Some(TypeKind::Enum(it))) => it.values[0].node.value.to_string(),
            (_, Some(TypeKind::InputObject(it))) => format!("{{ {} }}", self.given(&it.fields)),
            _ => panic!("the tests know no value of {name}: add a sample call"),
        }
    }
}
