//! The ids of objects.

use std::fmt;

use async_graphql::ID;
use uuid::Uuid;

use super::row::leaves;
use super::text::texts;

/// The id of an object of any type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) Uuid);

impl Id {
    /// The id of what has this one in the features.
    pub(crate) fn of(id: impl Into<Uuid>) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

texts!(Id as ID);
leaves!(Id, Option<Id>);
