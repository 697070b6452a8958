//! Rows of a list, filled in by a plan.
//!
//! async-graphql resolves every field of every row by a future of its own. Most of them have nothing to
//! wait for: the value is in the row. So a list's selection set is read once, into a [`Plan`], and the
//! plan fills in each row. Where a selection asks for more than that (a guarded field, one with
//! arguments, one of another table) there is no plan, and the whole list is resolved as it would be
//! without this module. What both give is the same: a property test compares them.
//!
//! To use it for a type: keep its derived object, give it a [`Shape`], and return [`Rows`].

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value};

/// What a field takes from a row.
pub(crate) type Fill<T> = Box<dyn Fn(&T) -> Value + Send + Sync>;

/// How an object's fields come out of a row.
pub(crate) trait Shape: Send + Sync {
    type Row: Send + Sync;
    /// The object's type in the schema.
    const TYPE: &'static str;

    /// How to fill in `field`, or `None` where it takes more than the row.
    fn fill(&self, field: &Field) -> Option<Fill<Self::Row>>;
}

/// A selection set, ready to be filled in.
pub(crate) struct Plan<T> {
    /// The object without its values: a copy of it needs no key to be hashed.
    empty: IndexMap<Name, Value>,
    /// One a key.
    fills: Vec<Fill<T>>,
}

impl<T> Plan<T> {
    /// Reads a selection set, or tells that it asks for more than rows.
    pub(crate) fn of<S: Shape<Row = T>>(shape: &S, set: &SelectionSet) -> Option<Self> {
        let mut plan = Self { empty: IndexMap::new(), fills: Vec::new() };
        for selection in &set.items {
            // The pre-scan has left nothing else of a document.
            let Selection::Field(field) = &selection.node else { return None };
            let field = &field.node;
            let fill = match field.name.node.as_str() {
                _ if !field.directives.is_empty() => return None,
                "__typename" => Box::new(|_: &T| Value::from(S::TYPE)),
                _ => shape.fill(field)?,
            };
            let key = field.response_key().node.clone();
            if plan.empty.insert(key, Value::Null).is_some() {
                return None;
            }
            plan.fills.push(fill);
        }
        Some(plan)
    }

    /// The selection set of one row.
    pub(crate) fn value(&self, row: &T) -> Value {
        let mut object = self.empty.clone();
        for (value, fill) in object.values_mut().zip(&self.fills) {
            *value = fill(row);
        }
        Value::Object(object)
    }
}

/// A list of rows that stands for a list of `D`.
pub(crate) struct Rows<S: Shape, D> {
    pub(crate) shape: S,
    pub(crate) list: Vec<S::Row>,
    /// A row as the derived object, for what takes more than the row.
    pub(crate) derive: fn(&S, &S::Row) -> D,
}

impl<S: Shape, D: OutputType> OutputType for Rows<S, D> {
    fn type_name() -> Cow<'static, str> {
        Vec::<D>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<D>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<D>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        if let Some(plan) = Plan::of(&self.shape, &ctx.item.node) {
            return Ok(Value::List(self.list.iter().map(|row| plan.value(row)).collect()));
        }
        let objects = self.list.iter().map(|row| (self.derive)(&self.shape, row));
        objects.collect::<Vec<D>>().resolve(ctx, field).await
    }
}
