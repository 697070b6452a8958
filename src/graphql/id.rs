//! Ids in the schema: each carries its type, so that `node` asks one table.

use async_graphql::ID;

use super::row::leaves;
use super::text::texts;
pub(crate) use crate::kernel::id::Id;

texts!([] Id as ID);
leaves!(Id, Option<Id>);
