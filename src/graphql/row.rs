//! Lists, written by a plan.
//!
//! async-graphql resolves every field of every row by a future of its own and makes a tree of values, which is written
//! afterwards. Most fields have nothing to wait for: the value is in the row. So the selection set of a list is read
//! once, into a `Plan`, and the plan writes every row as JSON. Fields that take more than the row (those with
//! arguments or a rule, those of another table) are resolved by the library, for all rows at once, before the list is
//! written; their siblings cost no future.
//!
//! A type joins in with `#[derive(Row)]` beside `SimpleObject`. What both ways give is the same: a property test
//! compares them.

use std::vec;

use async_graphql::futures_util::future::{BoxFuture, try_join_all};
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::resolver_utils::{ContainerType, EnumType};
use async_graphql::{Context, ContextSelectionSet, OutputType, Positioned, ServerResult, Value};

use super::json::{self, Json};
use crate::kernel::access::{Language, OrganizationRole, Role};

/// An object that lists consist of.
pub trait Row: ContainerType + Sized + 'static {
    /// How to fill in a field, or `None` if there is more below it than fields.
    fn fill(field: &Positioned<Field>) -> Option<Fill<'_, Self>>;
}

/// How a field of a row is filled in.
pub enum Fill<'a, T> {
    /// With the same text in each row.
    Same(Json),
    /// By what stands in the row.
    Now(Box<dyn Write<T> + 'a>),
    /// By the library.
    Late(&'a Positioned<Field>),
}

impl<'a, T: Row> Fill<'a, T> {
    /// Fills a field in with a slot of its row.
    pub fn of<S: Slot>(field: &'a Positioned<Field>, slot: fn(&T) -> &S) -> Option<Self> {
        Some(Self::Now(Box::new(In { slot, writer: S::writer(field)? })))
    }

    fn late<'b>(&'b self, row: &'b T, ctx: &'b ContextSelectionSet<'b>) -> Option<Waiting<'b>> {
        match self {
            Self::Same(_) => None,
            Self::Now(writer) => writer.late(row, ctx),
            Self::Late(field) => Some(Box::pin(async move {
                let value = row.resolve_field(&ctx.with_field(field)).await?;
                Ok(vec![value.unwrap_or_default()])
            })),
        }
    }
}

/// Writes something that stands in a row.
pub trait Write<T>: Send + Sync {
    /// Writes it. What the library resolved is taken from `late`.
    fn write(&self, of: &T, late: &mut Late, json: &mut Json);

    /// What the library has to resolve before.
    fn late<'a>(&'a self, of: &'a T, ctx: &'a ContextSelectionSet<'a>) -> Option<Waiting<'a>>;

    /// Whether there is anything of that.
    fn waits(&self) -> bool;
}

/// What the library resolved, in the order in which it is written.
pub type Late = vec::IntoIter<Value>;
/// What the library is resolving.
pub type Waiting<'a> = BoxFuture<'a, ServerResult<Vec<Value>>>;

/// What can stand in a row.
pub trait Slot: Send + Sync + Sized + 'static {
    /// What writes it, or `None` if there is more below the field than fields.
    fn writer(field: &Positioned<Field>) -> Option<Box<dyn Write<Self> + '_>>;
}

/// What stands in a row at some place.
struct In<'a, T, S> {
    slot: fn(&T) -> &S,
    writer: Box<dyn Write<S> + 'a>,
}

impl<T, S: Send + Sync> Write<T> for In<'_, T, S> {
    fn write(&self, row: &T, late: &mut Late, json: &mut Json) {
        self.writer.write((self.slot)(row), late, json);
    }

    fn late<'a>(&'a self, row: &'a T, ctx: &'a ContextSelectionSet<'a>) -> Option<Waiting<'a>> {
        self.writer.late((self.slot)(row), ctx)
    }

    fn waits(&self) -> bool {
        self.writer.waits()
    }
}

/// A value that has no fields.
pub trait Leaf {
    /// Writes it as JSON.
    fn put(&self, json: &mut Json);
}

impl<T: Leaf> Leaf for Option<T> {
    fn put(&self, json: &mut Json) {
        match self {
            Some(leaf) => leaf.put(json),
            None => json.extend_from_slice(b"null"),
        }
    }
}

/// Writes a leaf.
pub(crate) struct WriteLeaf;

impl<T: Leaf> Write<T> for WriteLeaf {
    fn write(&self, leaf: &T, _: &mut Late, json: &mut Json) {
        leaf.put(json);
    }

    fn late<'a>(&'a self, _: &'a T, _: &'a ContextSelectionSet<'a>) -> Option<Waiting<'a>> {
        None
    }

    fn waits(&self) -> bool {
        false
    }
}

/// Says how leaves are written: each by one function, with and without null.
macro_rules! leaves {
    ($($type:ty),* => $put:expr) => {$(
        impl $crate::graphql::row::Leaf for $type {
            fn put(&self, json: &mut $crate::graphql::json::Json) {
                $put(self, json);
            }
        }

        $crate::graphql::row::leaves!(in $type);
        $crate::graphql::row::leaves!(in Option<$type>);
    )*};
    (in $type:ty) => {
        impl $crate::graphql::row::Slot for $type {
            fn writer(
                _: &::async_graphql::Positioned<::async_graphql::parser::types::Field>,
            ) -> Option<Box<dyn $crate::graphql::row::Write<Self> + '_>> {
                Some(Box::new($crate::graphql::row::WriteLeaf))
            }
        }
    };
}
pub(crate) use leaves;

leaves!(String, bool, i32, i64, f64 => json::put);
leaves!(Role, Language, OrganizationRole => put_enum);

/// Writes a value of an enum by its name in the schema.
pub(crate) fn put_enum<E: EnumType>(value: &E, json: &mut Json) {
    let item = E::items().iter().find(|item| item.value == *value);
    json::put_plain(item.map_or("", |item| item.name), json);
}

/// The selection set of a row, read once.
struct Plan<'a, T> {
    /// With what stands in front of each: its key, and before that the comma.
    fields: Vec<(Json, Fill<'a, T>)>,
    waits: bool,
}

impl<'a, T: Row> Plan<'a, T> {
    /// The pre-scan has left nothing but fields of a document, each key once.
    fn of(set: &'a SelectionSet) -> Option<Self> {
        let mut plan = Self { fields: Vec::with_capacity(set.items.len()), waits: false };
        for selection in &set.items {
            let Selection::Field(field) = &selection.node else { return None };
            let fill = match field.node.name.node.as_str() {
                _ if !field.node.directives.is_empty() => return None,
                "__typename" => {
                    let mut name = Json::new();
                    json::put(&T::type_name(), &mut name);
                    Fill::Same(name)
                }
                _ => T::fill(field)?,
            };
            plan.waits |= match &fill {
                Fill::Same(_) => false,
                Fill::Now(writer) => writer.waits(),
                Fill::Late(_) => true,
            };
            let mut key = Json::new();
            json::separate(plan.fields.len(), &mut key);
            json::put(field.node.response_key().node.as_str(), &mut key);
            key.push(b':');
            plan.fields.push((key, fill));
        }
        Some(plan)
    }

    /// What the library has to resolve of a row.
    async fn late(&self, row: &T, ctx: &ContextSelectionSet<'_>) -> ServerResult<Vec<Value>> {
        let fields = self.fields.iter().filter_map(|(_, fill)| fill.late(row, ctx));
        Ok(try_join_all(fields).await?.into_iter().flatten().collect())
    }

    fn write(&self, row: &T, late: &mut Late, json: &mut Json) {
        json.push(b'{');
        for (key, fill) in &self.fields {
            json.extend_from_slice(key);
            match fill {
                Fill::Same(text) => json.extend_from_slice(text),
                Fill::Now(writer) => writer.write(row, late, json),
                Fill::Late(_) => json::write(&late.next().unwrap_or_default(), json),
            }
        }
        json.push(b'}');
    }
}

/// An object that stands in another's row.
struct Inner<'a, T> {
    plan: Plan<'a, T>,
    field: &'a Positioned<Field>,
}

impl<T: Row> Slot for T {
    fn writer(field: &Positioned<Field>) -> Option<Box<dyn Write<Self> + '_>> {
        Some(Box::new(Inner { plan: Plan::of(&field.node.selection_set.node)?, field }))
    }
}

impl<T: Row> Write<T> for Inner<'_, T> {
    fn write(&self, object: &T, late: &mut Late, json: &mut Json) {
        self.plan.write(object, late, json);
    }

    fn late<'a>(&'a self, object: &'a T, ctx: &'a ContextSelectionSet<'a>) -> Option<Waiting<'a>> {
        let resolve = async move {
            let ctx = ctx.with_field(self.field);
            let ctx = ctx.with_selection_set(&self.field.node.selection_set);
            self.plan.late(object, &ctx).await
        };
        self.plan.waits.then(|| Box::pin(resolve) as Waiting<'a>)
    }

    fn waits(&self) -> bool {
        self.plan.waits
    }
}

/// Resolves a field that is a list of rows.
pub(crate) async fn resolve_rows<'r, T: Row>(
    ctx: &Context<'_>,
    rows: impl ExactSizeIterator<Item = &'r T> + Clone + Send,
) -> ServerResult<Value> {
    let set = &ctx.item.node.selection_set;
    let of_list = ctx.with_selection_set(set);
    let Some(plan) = Plan::<T>::of(&set.node) else {
        return rows.collect::<Vec<_>>().resolve(&of_list, ctx.item).await;
    };
    let mut late = Vec::new();
    if plan.waits {
        let each = rows
            .clone()
            .enumerate()
            .map(async |(index, row)| plan.late(row, &of_list.with_index(index)).await);
        late = try_join_all(each).await?.into_iter().flatten().collect();
    }
    let (mut late, mut json, count) = (late.into_iter(), vec![b'['], rows.len());
    for (index, row) in rows.enumerate() {
        json::separate(index, &mut json);
        plan.write(row, &mut late, &mut json);
        if index == 0 {
            // The others are about as long.
            json.reserve(json.len() * count);
        }
    }
    json.push(b']');
    Ok(Value::Binary(json.into()))
}
