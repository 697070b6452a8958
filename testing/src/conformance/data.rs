//! `data` against what was asked for: the keys and their order, nulls, lists, and the form of leaves.

use async_graphql::parser::types::{BaseType, SelectionSet, Type};
use chrono::DateTime;

use super::json::{Json, Step, shown};
use super::schema::NamedType;
use super::selection::{Operation, Selected};

impl Operation<'_> {
    /// What is wrong with `data`, which is not null.
    pub(super) fn faults_of_data(&self, data: &Json) -> Vec<String> {
        Data { operation: self }.object(
            self.root(),
            &[&self.definition.selection_set.node],
            data,
            &[],
        )
    }
}

/// The walk through one answer.
struct Data<'a, 'b> {
    operation: &'b Operation<'a>,
}

impl<'a> Data<'a, '_> {
    fn object(
        &self,
        object: &str,
        sets: &[&'a SelectionSet],
        value: &Json,
        path: &[Step],
    ) -> Vec<String> {
        let selected = self.operation.collect(object, sets);
        let asked: Vec<&str> = selected.iter().map(|selected| selected.key).collect();
        let Some(keys) = value.keys() else {
            return vec![format!("{}: the answer for {object} is {value:?}", shown(path))];
        };
        if keys != asked {
            return vec![format!("{}: asks for {asked:?}, but gets {keys:?}", shown(path))];
        }
        let mut faults = Vec::new();
        for selected in &selected {
            let path = [path, &[Step::Key(selected.key.to_owned())]].concat();
            let Some(value) = value.get(selected.key) else { continue };
            if selected.name() == "__typename" {
                if value.text() != Some(object) {
                    faults.push(format!("{}: is {value:?} on {object}", shown(&path)));
                }
                continue;
            }
            if let Some(ty) = self.operation.schema.field(object, selected.name()) {
                faults.extend(self.value(&ty, selected, value, &path));
            } else {
                let name = selected.name();
                faults.push(format!("{}: {object} has no field {name}", shown(&path)));
            }
        }
        faults
    }

    fn value(
        &self,
        ty: &Type,
        selected: &Selected<'a>,
        value: &Json,
        path: &[Step],
    ) -> Vec<String> {
        if *value == Json::Null {
            return match ty.nullable {
                true => Vec::new(),
                false => vec![format!("{}: null, but its type is {ty}", shown(path))],
            };
        }
        match &ty.base {
            BaseType::List(of) => {
                let Some(items) = value.items() else {
                    return vec![format!("{}: the answer for {ty} is {value:?}", shown(path))];
                };
                let items = items.iter().enumerate();
                let faults = items.flat_map(|(index, item)| {
                    self.value(of, selected, item, &[path, &[Step::Index(index)]].concat())
                });
                faults.collect()
            }
            BaseType::Named(name) => self.named(name, selected, value, path),
        }
    }

    fn named(
        &self,
        name: &str,
        selected: &Selected<'a>,
        value: &Json,
        path: &[Step],
    ) -> Vec<String> {
        let is_well = match self.operation.schema.kind(name) {
            Some(NamedType::Scalar) => is_scalar(name, value),
            Some(NamedType::Enum(values)) => {
                value.text().is_some_and(|text| values.iter().any(|known| known == text))
            }
            Some(
                NamedType::Object { .. } | NamedType::Interface { .. } | NamedType::Union { .. },
            ) => {
                // Which object it is only `__typename` says, so it is the one that fits best.
                let objects = self.operation.schema.possible(name).into_iter();
                let faults =
                    objects.map(|object| self.object(object, &selected.below(), value, path));
                return faults.min_by_key(Vec::len).unwrap_or_default();
            }
            Some(NamedType::Input) | None => false,
        };
        match is_well {
            true => Vec::new(),
            false => vec![format!("{}: {value:?} is not of type {name}", shown(path))],
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the product's own reader must not be its own judge")]
fn is_scalar(name: &str, value: &Json) -> bool {
    match (name, value) {
        ("Boolean", Json::Boolean(_))
        | ("String" | "ID", Json::Text(_))
        | ("Float", Json::Number(_))
        | ("Metadata", Json::Object(_))
        | ("JSON", _) => true,
        ("Int", Json::Number(number)) => {
            number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
        }
        ("DateTime", Json::Text(text)) => {
            let time = DateTime::parse_from_rfc3339(text);
            time.is_ok_and(|time| time.offset().local_minus_utc() == 0)
        }
        _ => false,
    }
}
