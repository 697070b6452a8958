//! Values that are texts to clients, made when they are written.

/// Has types stand for scalars of the library that are texts.
macro_rules! texts {
    ([$($bounds:tt)*] $type:ty as $scalar:ty) => {
        impl<$($bounds)*> ::async_graphql::OutputType for $type {
            fn type_name() -> ::std::borrow::Cow<'static, str> {
                <$scalar as ::async_graphql::OutputType>::type_name()
            }

            fn create_type_info(registry: &mut ::async_graphql::registry::Registry) -> String {
                <$scalar as ::async_graphql::OutputType>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                _: &::async_graphql::ContextSelectionSet<'_>,
                _: &::async_graphql::Positioned<::async_graphql::parser::types::Field>,
            ) -> ::async_graphql::ServerResult<::async_graphql::Value> {
                Ok(::async_graphql::Value::String(self.to_string()))
            }
        }
    };
}
pub(crate) use texts;
