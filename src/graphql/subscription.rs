//! The root of subscriptions, as an object whose fields are resolved anew for each event.
//!
//! The library would open a stream once and resolve all its events in the context of that moment, with the caller as they were
//! then. Here an event is an execution of its own, whose request holds the caller as they are now. So a field of the root is
//! like any other: its rule stands in front of its body, and is asked each time.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::PoisonError;

use async_graphql::futures_util::stream::{self, Stream};
use async_graphql::indexmap::IndexMap;
use async_graphql::registry::Registry;
use async_graphql::{Context, ObjectType, Response, ServerError, SubscriptionType, Value};

/// A root whose fields are resolved once an execution.
pub(crate) struct EachEvent<T>(pub(crate) T);

impl<T: ObjectType> SubscriptionType for EachEvent<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    fn create_field_stream<'a>(
        &'a self,
        ctx: &'a Context<'_>,
    ) -> Option<Pin<Box<dyn Stream<Item = Response> + Send + 'a>>> {
        Some(Box::pin(stream::once(async move {
            let resolved = self.0.resolve_field(ctx).await;
            let mut response = match resolved {
                Ok(value) => {
                    let key = ctx.item.node.response_key().node.clone();
                    let fields = IndexMap::from([(key, value.unwrap_or_default())]);
                    Response::new(Value::Object(fields))
                }
                Err(error) => Response::from_errors(vec![error]),
            };
            response.errors.extend(take_errors(ctx));
            response
        })))
    }
}

/// The errors of fields that are null because of them.
fn take_errors(ctx: &Context<'_>) -> Vec<ServerError> {
    let mut errors = ctx.query_env.errors.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *errors)
}
