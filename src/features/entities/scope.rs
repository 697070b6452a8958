//! Reading the rows of an entity.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::IntoCondition;
use sea_orm::{
    ColumnTrait, Condition, DbErr, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

use super::reach::{has_id, key};
use super::{Owned, Reach};
use crate::features::change::Fault;
use crate::infra::db::Db;
use crate::kernel::access::Viewer;
use crate::kernel::id::Id;
use crate::kernel::page::{Page, Part};

/// What the caller of a request reaches.
pub struct Scope<'a> {
    db: &'a Db,
    viewer: &'a Viewer,
    now: DateTime<Utc>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(db: &'a Db, viewer: &'a Viewer, now: DateTime<Utc>) -> Self {
        Self { db, viewer, now }
    }

    /// The rows that the caller may see: their own outside of any organization, all of the organization that they act
    /// in, or whatever there is with [`Owned::READ_ALL`].
    #[must_use]
    pub fn find<E: Owned>(&self) -> Find<E> {
        Find::within(self.db, Reach::seen::<E>(self.viewer, self.now))
    }

    /// The rows that the caller made where they act now.
    #[must_use]
    pub fn find_own<E: Owned>(&self) -> Find<E> {
        Find::within(self.db, Reach::own::<E>(self.viewer))
    }
}

/// Rows that a caller reaches.
pub struct Find<E> {
    db: Db,
    condition: Condition,
    of: PhantomData<fn() -> E>,
}

impl<E> Clone for Find<E> {
    fn clone(&self) -> Self {
        Self { db: self.db.clone(), condition: self.condition.clone(), of: PhantomData }
    }
}

impl<E: Owned> Find<E> {
    pub(super) fn within(db: &Db, reach: Reach) -> Self {
        Self { db: db.clone(), condition: reach.condition::<E>(), of: PhantomData }
    }

    /// Of these only those that meet a condition.
    #[must_use]
    pub fn filter(self, condition: impl IntoCondition) -> Self {
        let condition = narrowed(self.condition, condition.into_condition());
        Self { condition, ..self }
    }

    /// The row of an id, as a client gives it, if it is among them.
    pub async fn row(&self, id: &str) -> Result<Option<E::Model>, Fault> {
        let Some(id) = Id::parse(id).and_then(Id::typed::<E::Id>) else { return Ok(None) };
        Ok(self.select().filter(has_id::<E>([id.into()])).one(self.db.reader()).await?)
    }

    /// Those that have one of these ids, in no particular order.
    pub(crate) async fn by_ids(&self, ids: &[E::Id]) -> Result<Vec<E::Model>, DbErr> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let some = has_id::<E>(ids.iter().map(|id| (*id).into()));
        self.select().filter(some).all(self.db.reader()).await
    }

    /// How many there are.
    pub async fn count(&self) -> Result<u64, Fault> {
        Ok(self.select().count(self.db.reader()).await?)
    }

    /// A part of them, the newest first.
    pub(crate) async fn part(&self, part: Part) -> Result<Page<E::Model>, DbErr> {
        let Some(key) = key::<E>() else { return Ok(Page::default()) };
        // The newest have the greatest ids.
        let inside = Condition::all()
            .add_option(part.after.map(|id| key.lt(id)))
            .add_option(part.before.map(|id| key.gt(id)));
        let order = if part.from_end { Order::Asc } else { Order::Desc };
        let select = self.select().filter(inside).order_by(key, order).limit(part.size + 1);
        Ok(Page::of(select.all(self.db.reader()).await?, &part))
    }

    pub(super) fn select(&self) -> Select<E> {
        E::find().filter(self.condition.clone())
    }
}

/// The scope with a condition beside.
fn narrowed(scope: Condition, condition: Condition) -> Condition {
    Condition::all().add(scope).add(condition)
}

#[cfg(test)]
mod tests;
