//! Where async-graphql is known to deviate from the specification. Each function is one rule that this
//! allows; once its reason is mended, it goes, with the arms that ask it.

use async_graphql::Pos;

use super::json::Step;
use super::selection::Way;

/// 6.4.4: a resolver that fails, or a guard that refuses, where the field itself may be null, nulls its
/// parent all the same.
pub(super) fn error_of_a_nullable_field_nulls_its_parent(path: &[Step], way: &Way) -> bool {
    matches!(path.last(), Some(Step::Key(_))) && way.nullable.last() == Some(&true)
}

/// 7.1.2: on its way up an error loses its path to each item of a list and each field of a `SimpleObject`
/// that it passes. Only its location still says where it was.
pub(super) fn error_below_is_told_of_this(location: &Pos, way: &Way) -> bool {
    way.asked_below.contains(location)
}
