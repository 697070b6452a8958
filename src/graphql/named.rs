//! Enums of the schema whose values are what is registered: an extension's stand among the others.

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{EnumBuilder, MetaEnumValue, MetaType};
use async_graphql::{InputValueError, InputValueResult, Value};

use crate::kernel::access::Permission;
use crate::kernel::registered::Named;

/// The type's description, from its name and its values with what each says.
pub(crate) fn described<T: Named>(
    name: &str,
    about: &str,
    values: impl Iterator<Item = (T, &'static str)>,
) -> MetaType {
    let value = |(value, about): (T, &str)| {
        let mut of_it = MetaEnumValue::new(value.into_str());
        of_it.description = Some(about.to_owned());
        (value.into_str().to_owned(), of_it)
    };
    let values = values.map(value).collect::<IndexMap<_, _>>();
    EnumBuilder::new(name, values).description(Some(about.to_owned())).build()
}

/// Reads a value of an input, which validation has shown to be an enum's.
pub(crate) fn read<T: async_graphql::InputType>(
    value: Option<Value>,
    find: impl Fn(&str) -> Option<T>,
) -> InputValueResult<T> {
    let value = value.unwrap_or_default();
    let name = match &value {
        Value::Enum(name) => name.as_str(),
        Value::String(name) => name,
        _ => return Err(InputValueError::expected_type(value)),
    };
    find(name).ok_or_else(|| InputValueError::expected_type(value.clone()))
}

/// Has a type whose values are registered stand for an enum of the schema.
macro_rules! named {
    ($type:ty as $name:literal, $about:literal, $find:expr) => {
        impl ::async_graphql::InputType for $type {
            type RawValueType = Self;

            fn type_name() -> ::std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn create_type_info(registry: &mut ::async_graphql::registry::Registry) -> String {
                registry.create_input_type::<Self, _>(
                    ::async_graphql::registry::MetaTypeId::Enum,
                    |_| {
                        let values = <$type>::all().iter().map(|one| (*one, one.about()));
                        $crate::graphql::named::described($name, $about, values)
                    },
                )
            }

            fn parse(
                value: Option<::async_graphql::Value>,
            ) -> ::async_graphql::InputValueResult<Self> {
                $crate::graphql::named::read(value, $find)
            }

            fn to_value(&self) -> ::async_graphql::Value {
                ::async_graphql::Value::Enum(::async_graphql::Name::new(self.into_str()))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }

        impl ::async_graphql::OutputType for $type {
            fn type_name() -> ::std::borrow::Cow<'static, str> {
                <Self as ::async_graphql::InputType>::type_name()
            }

            fn create_type_info(registry: &mut ::async_graphql::registry::Registry) -> String {
                <Self as ::async_graphql::InputType>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                _: &::async_graphql::ContextSelectionSet<'_>,
                _: &::async_graphql::Positioned<::async_graphql::parser::types::Field>,
            ) -> ::async_graphql::ServerResult<::async_graphql::Value> {
                Ok(::async_graphql::InputType::to_value(self))
            }
        }
    };
}

pub(crate) use named;

named!(
    Permission as "Permission",
    "Something that not every account may do. Roles imply some; others are granted one by one. ADMIN\nholds all.",
    Permission::parse
);
