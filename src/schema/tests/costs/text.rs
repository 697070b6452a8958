//! What a document costs by the text of a schema alone. Nothing here knows the pre-scan.

use std::collections::{BTreeMap, HashMap};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    BaseType, ConstDirective, DocumentOperations, Field, FieldDefinition, OperationDefinition,
    OperationType, Selection, SelectionSet, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Positioned, Value as Constant};
use async_graphql_value::Value;
use serde_json::Value as JsonValue;

/// A schema as its text says it.
#[derive(Default)]
pub(super) struct Text {
    /// Of objects and interfaces.
    pub(super) fields: BTreeMap<String, BTreeMap<String, FieldDefinition>>,
    pub(super) unions: BTreeMap<String, Vec<String>>,
    pub(super) kinds: HashMap<String, TypeKind>,
    /// What a field costs that says nothing else.
    field: u64,
    /// What an object of a list costs beside its fields.
    row: u64,
    /// How many objects a list has that says no size.
    entries: u64,
    /// What a request may cost.
    pub(super) max: u64,
}

/// The number that follows these words.
fn number(text: &str, words: &str) -> u64 {
    let (_, rest) = text.split_once(words).unwrap_or_else(|| panic!("{words}: {text}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

pub(super) fn innermost(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => innermost(inner),
    }
}

fn is_list(ty: &Type) -> bool {
    matches!(ty.base, BaseType::List(_))
}

impl Text {
    pub(super) fn read(sdl: &str) -> Self {
        let mut text = Self::default();
        for definition in crate::schema::parse_sdl(sdl).unwrap().definitions {
            let definition = match definition {
                TypeSystemDefinition::Type(of) => of.node,
                TypeSystemDefinition::Directive(of) => {
                    let description = of.node.description.map(|it| it.node).unwrap_or_default();
                    match of.node.name.node.as_str() {
                        "cost" => {
                            text.field = number(&description, "without this directive costs ");
                            text.max = number(&description, "request can cost at most ");
                        }
                        "listSize" => {
                            text.row = number(&description, "object in a list costs ");
                            text.entries = number(&description, "without a size counts as\n");
                        }
                        _ => {}
                    }
                    continue;
                }
                TypeSystemDefinition::Schema(_) => continue,
            };
            let name = definition.name.node.to_string();
            let fields = match &definition.kind {
                TypeKind::Object(of) => &of.fields[..],
                TypeKind::Interface(of) => &of.fields[..],
                TypeKind::Union(of) => {
                    let members = of.members.iter().map(|it| it.node.to_string()).collect();
                    text.unions.insert(name, members);
                    continue;
                }
                _ => {
                    text.kinds.insert(name, definition.kind);
                    continue;
                }
            };
            let fields = fields.iter().map(|it| (it.node.name.node.to_string(), it.node.clone()));
            text.fields.insert(name, fields.collect());
        }
        text
    }

    pub(super) fn is_composite(&self, name: &str) -> bool {
        self.fields.contains_key(name) || self.unions.contains_key(name)
    }

    fn is_list_of_objects(&self, field: &FieldDefinition) -> bool {
        is_list(&field.ty.node) && self.is_composite(innermost(&field.ty.node))
    }

    /// What a document costs to execute.
    pub(super) fn cost(&self, source: &str, variables: &JsonValue) -> u64 {
        let document = parse_query(source).unwrap();
        let DocumentOperations::Multiple(mut operations) = document.operations.clone() else {
            let DocumentOperations::Single(operation) = document.operations else { unreachable!() };
            return self.of_operation(&operation.node, variables);
        };
        self.of_operation(&operations.drain().next().unwrap().1.node, variables)
    }

    fn of_operation(&self, operation: &OperationDefinition, variables: &JsonValue) -> u64 {
        let root = match operation.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        self.of_set(&operation.selection_set.node, root, 1, &[], variables)
    }

    /// `sized` are the lists whose size the field around the set knows.
    fn of_set(
        &self,
        set: &SelectionSet,
        parent: &str,
        times: u64,
        sized: &[(String, u64)],
        variables: &JsonValue,
    ) -> u64 {
        let of = |selection: &Selection| match selection {
            Selection::Field(field) => self.of_field(&field.node, parent, times, sized, variables),
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref().unwrap().node.on.node.as_str();
                times + self.of_set(&inline.node.selection_set.node, on, times, sized, variables)
            }
            Selection::FragmentSpread(_) => unreachable!(),
        };
        set.items.iter().map(|selection| of(&selection.node)).sum()
    }

    fn of_field(
        &self,
        field: &Field,
        parent: &str,
        times: u64,
        sized: &[(String, u64)],
        variables: &JsonValue,
    ) -> u64 {
        let name = field.name.node.as_str();
        let Some(definition) = self.fields.get(parent).and_then(|fields| fields.get(name)) else {
            assert_eq!(name, "__typename");
            return times * self.field;
        };
        let weight =
            argument(&definition.directives, "cost", "weight").map(|weight| match weight {
                Constant::String(weight) => weight.parse::<u64>().unwrap(),
                other => panic!("{other}"),
            });
        let values = field.arguments.iter().map(|(_, it)| inside(&json(&it.node, variables)));
        let mut cost = times * (weight.unwrap_or(self.field) + values.sum::<u64>());
        let own = size(definition, field, variables);
        let lists = strings(argument(&definition.directives, "listSize", "sizedFields"));
        let mut each = times;
        if self.is_list_of_objects(definition) {
            let around = sized.iter().find(|(of, _)| of == name).map(|(_, size)| *size);
            each *= own.filter(|_| lists.is_empty()).or(around).unwrap_or(self.entries);
            cost += each * self.row;
        }
        let inner: Vec<_> = lists.into_iter().map(|name| (name, own.unwrap())).collect();
        let of = innermost(&definition.ty.node);
        cost + self.of_set(&field.selection_set.node, of, each, &inner, variables)
    }
}

/// How many entries a field is asked for, or else is said to have.
fn size(of: &FieldDefinition, field: &Field, variables: &JsonValue) -> Option<u64> {
    let slicing = strings(argument(&of.directives, "listSize", "slicingArguments"));
    let asked =
        slicing.iter().filter_map(|name| match json(&field.get_argument(name)?.node, variables) {
            JsonValue::Number(size) => size.as_u64(),
            JsonValue::Array(entries) => Some(entries.len() as u64),
            _ => None,
        });
    asked.max().map(|size| size.max(1)).or_else(|| {
        match argument(&of.directives, "listSize", "assumedSize")? {
            Constant::Number(size) => size.as_u64(),
            _ => None,
        }
    })
}

fn argument<'a>(
    used: &'a [Positioned<ConstDirective>],
    directive: &str,
    argument: &str,
) -> Option<&'a Constant> {
    let used = used.iter().find(|used| used.node.name.node == directive)?;
    used.node.get_argument(argument).map(|value| &value.node)
}

fn strings(value: Option<&Constant>) -> Vec<String> {
    let Some(Constant::List(values)) = value else { return Vec::new() };
    values.iter().map(|it| it.clone().into_json().unwrap().as_str().unwrap().to_owned()).collect()
}

fn json(value: &Value, variables: &JsonValue) -> JsonValue {
    let value = value.clone().into_const_with(|name| {
        Ok::<_, ()>(Constant::from_json(variables[name.as_str()].clone()).unwrap())
    });
    value.unwrap().into_json().unwrap()
}

/// How many values are inside one.
fn inside(value: &JsonValue) -> u64 {
    match value {
        JsonValue::Array(values) => values.iter().map(|it| 1 + inside(it)).sum(),
        JsonValue::Object(fields) => fields.values().map(|it| 1 + inside(it)).sum(),
        _ => 0,
    }
}
