//! What the schema has of the kernel: enums whose values are registered, an extension's among the others, and values
//! that are texts to clients.

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{EnumBuilder, MetaEnumValue, MetaType};
use async_graphql::{ID, InputValueError, InputValueResult, Value};

#[doc(hidden)]
pub use async_graphql;

use crate::access::Permission;
use crate::id::Id;
use crate::registered::Registrable;

/// The type's description, from its name and its values with what each says.
pub fn described<T: Registrable>(
    name: &str,
    about: &str,
    values: impl Iterator<Item = (T, &'static str)>,
) -> MetaType {
    let value = |(value, about): (T, &str)| {
        let mut of_it = MetaEnumValue::new(value.into());
        of_it.description = Some(about.to_owned());
        (value.into().to_owned(), of_it)
    };
    let values = values.map(value).collect::<IndexMap<_, _>>();
    EnumBuilder::new(name, values).description(Some(about.to_owned())).build()
}

/// Reads a value of an input, which validation has shown to be an enum's.
pub fn read<T: async_graphql::InputType>(
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

/// Makes a type whose values are registered an enum of the schema.
#[macro_export]
macro_rules! named {
    ($type:ty as $name:literal, $about:literal, $find:expr) => {
        impl $crate::graphql::async_graphql::InputType for $type {
            type RawValueType = Self;

            fn type_name() -> ::std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn create_type_info(
                registry: &mut $crate::graphql::async_graphql::registry::Registry,
            ) -> String {
                registry.create_input_type::<Self, _>(
                    $crate::graphql::async_graphql::registry::MetaTypeId::Enum,
                    |_| {
                        let values = <$type>::all().iter().map(|one| (*one, one.about()));
                        $crate::graphql::described($name, $about, values)
                    },
                )
            }

            fn parse(
                value: Option<$crate::graphql::async_graphql::Value>,
            ) -> $crate::graphql::async_graphql::InputValueResult<Self> {
                $crate::graphql::read(value, $find)
            }

            fn to_value(&self) -> $crate::graphql::async_graphql::Value {
                $crate::graphql::async_graphql::Value::Enum(
                    $crate::graphql::async_graphql::Name::new(self.into_str()),
                )
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }

        impl $crate::graphql::async_graphql::OutputType for $type {
            fn type_name() -> ::std::borrow::Cow<'static, str> {
                <Self as $crate::graphql::async_graphql::InputType>::type_name()
            }

            fn create_type_info(
                registry: &mut $crate::graphql::async_graphql::registry::Registry,
            ) -> String {
                <Self as $crate::graphql::async_graphql::InputType>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                _: &$crate::graphql::async_graphql::ContextSelectionSet<'_>,
                _: &$crate::graphql::async_graphql::Positioned<
                    $crate::graphql::async_graphql::parser::types::Field,
                >,
            ) -> $crate::graphql::async_graphql::ServerResult<$crate::graphql::async_graphql::Value>
            {
                Ok($crate::graphql::async_graphql::InputType::to_value(self))
            }
        }
    };
}

named!(
    Permission as "Permission",
    "A permission. Roles imply some permissions, and admins can grant others individually. The role \
     ADMIN\nhas all of them.",
    Permission::parse
);

/// Makes a type an output of the schema: a scalar of the library, written as the text of the value.
#[macro_export]
macro_rules! texts {
    ([$($bounds:tt)*] $type:ty as $scalar:ty) => {
        impl<$($bounds)*> $crate::graphql::async_graphql::OutputType for $type {
            fn type_name() -> ::std::borrow::Cow<'static, str> {
                <$scalar as $crate::graphql::async_graphql::OutputType>::type_name()
            }

            fn create_type_info(registry: &mut $crate::graphql::async_graphql::registry::Registry) -> String {
                <$scalar as $crate::graphql::async_graphql::OutputType>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                _: &$crate::graphql::async_graphql::ContextSelectionSet<'_>,
                _: &$crate::graphql::async_graphql::Positioned<$crate::graphql::async_graphql::parser::types::Field>,
            ) -> $crate::graphql::async_graphql::ServerResult<$crate::graphql::async_graphql::Value> {
                Ok($crate::graphql::async_graphql::Value::String(self.to_string()))
            }
        }
    };
}

texts!([] Id as ID);
