//! Entities of an extension in the schema: lists of them in pages, and how their resolvers reach the database.

use async_graphql::{Context, ID, ObjectType};
use sea_orm::{DbErr, EntityTrait};

use super::node::Node;
use crate::features::entities::{
    Change, ChangeError, Committed, Entities, Find, Owned, Scope, key_of,
};
use crate::graphql::connection::{Connection, Edge, Source};
use crate::graphql::context::ContextExt;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::id::Id;
use crate::graphql::page::{Beyond, ByAge, Window};
use crate::graphql::row::Row;
use crate::infra::db::Db;
use crate::kernel::access::Own;
use crate::kernel::clock::Clock;

/// How lists are ordered.
const ORDER: ByAge = ByAge::NewestFirst;

/// An object of the schema that shows a row of an entity. It has a field `id`, which is the row's.
pub trait Shown: Row + ObjectType + From<<Self::Entity as EntityTrait>::Model> {
    /// The entity.
    type Entity: Owned;
}

/// A list of rows, the newest first.
pub struct List<T: Shown>(Find<T::Entity>);

/// A page of such a list.
pub type Page<T> = Connection<List<T>>;

impl<T: Shown> Source for List<T> {
    type Node = T;
    type Key = ();

    async fn reaches(&self, _: &Context<'_>, beyond: Beyond<'_, ()>) -> Result<bool> {
        let part = self.0.part(ORDER.part_beyond(beyond)).await;
        Ok(part?.has_more)
    }

    async fn count(&self, _: &Context<'_>) -> Result<u64> {
        Ok(self.0.count().await?)
    }
}

impl<E: Owned> Find<E> {
    /// The object that shows the row of an id, as a client gives it, if it is among them.
    pub async fn one<T: Shown<Entity = E>>(&self, id: &str) -> Result<Option<T>> {
        Ok(self.row(id).await?.map(T::from))
    }

    /// A page of the rows, the newest first.
    pub async fn page<T: Shown<Entity = E>>(self, window: Window) -> Result<Page<T>> {
        let part = window.part(ORDER.name())?;
        let page = self.part(part.map(|cursor| cursor.id)).await?;
        Ok(Connection::new(List(self), part, page, |row| {
            let cursor = ORDER.cursor(key_of::<E>(&row));
            Edge::new(row.into(), cursor)
        }))
    }
}

/// Those of some ids that are of the entity, as far as the caller sees them.
pub(super) async fn visible<T: Shown>(
    scope: &Scope<'_>,
    ids: &[Id],
) -> Result<Vec<(Id, Node)>, DbErr> {
    let rows = scope.find::<T::Entity>().by_ids(&Id::all(ids)).await?;
    let node = |row: <T::Entity as EntityTrait>::Model| {
        let id: <T::Entity as Owned>::Id = key_of::<T::Entity>(&row).into();
        (Id::of(id), Node::new(T::from(row)))
    };
    Ok(rows.into_iter().map(node).collect())
}

/// How the resolvers of an extension reach the database: nothing else leads there.
pub trait Scoped {
    /// What the caller may see. Fails if the caller is not signed in.
    fn scope(&self) -> Result<Scope<'_>>;

    /// Makes a change by one attempt, a transaction that ends with [`Change::commit`]. An attempt that lost a race
    /// against another is made again, so it does nothing outside its transaction. `name` says in the metrics what was
    /// tried again.
    fn change<'a, T, F>(
        &'a self,
        name: &'static str,
        attempt: impl Fn(Change<'a>) -> F + Send + Sync,
    ) -> impl Future<Output = Result<T>> + Send
    where
        F: Future<Output = Result<Committed<T>>> + Send,
        T: Send;

    /// Makes a row: a change of this alone. See [`Change::insert`].
    fn insert<T: Shown>(&self, row: ActiveModel<T>) -> impl Future<Output = Result<T>> + Send;

    /// Changes the row that a call names: a change of this alone. See [`Change::update`].
    fn update<T: Shown>(
        &self,
        own: Own<&ID, T::Entity>,
        edit: impl Fn(&mut Model<T>) + Send + Sync,
    ) -> impl Future<Output = Result<T>> + Send;

    /// Deletes the row that a call names, and answers its id: a change of this alone. See [`Change::delete`].
    fn delete<T: Shown>(&self, own: Own<ID, T::Entity>) -> impl Future<Output = Result<ID>> + Send;
}

/// A row of the entity that an object shows.
type Model<T> = <<T as Shown>::Entity as EntityTrait>::Model;
/// The same, to be written.
type ActiveModel<T> = <<T as Shown>::Entity as EntityTrait>::ActiveModel;

impl Scoped for Context<'_> {
    fn scope(&self) -> Result<Scope<'_>> {
        let now = self.service::<Clock>().now();
        Ok(Scope::new(self.service::<Db>(), self.viewer()?, now))
    }

    async fn change<'a, T, F>(
        &'a self,
        name: &'static str,
        attempt: impl Fn(Change<'a>) -> F + Send + Sync,
    ) -> Result<T>
    where
        F: Future<Output = Result<Committed<T>>> + Send,
        T: Send,
    {
        self.service::<Entities>().change(name, self.acting()?, attempt).await
    }

    async fn insert<T: Shown>(&self, row: ActiveModel<T>) -> Result<T> {
        let row = &row;
        let insert = async |change: Change<'_>| {
            let made = change.insert::<T::Entity>(row.clone()).await?;
            Ok(change.commit(made).await?)
        };
        Ok(self.change(T::Entity::CREATED.into_str(), insert).await?.into())
    }

    async fn update<T: Shown>(
        &self,
        own: Own<&ID, T::Entity>,
        edit: impl Fn(&mut Model<T>) + Send + Sync,
    ) -> Result<T> {
        let edit = &edit;
        let update = async |change: Change<'_>| {
            let changed = change.update(own.map(|id| id.as_str()), edit).await?;
            Ok(change.commit(changed).await?)
        };
        Ok(self.change(T::Entity::UPDATED.into_str(), update).await?.into())
    }

    async fn delete<T: Shown>(&self, own: Own<ID, T::Entity>) -> Result<ID> {
        let named = own.as_ref();
        let delete = async |change: Change<'_>| {
            change.delete(named.map(|id| id.as_str())).await?;
            Ok(change.commit(()).await?)
        };
        self.change(T::Entity::DELETED.into_str(), delete).await?;
        Ok(own.named())
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound(of) => {
                Self::new(Code::NotFound, format!("This {} does not exist.", words(of)))
            }
            ChangeError::Unchanged(of) => Self::new(
                Code::Conflict,
                format!(
                    "This change of the {} has no effect. Reading it requires a permission that you do \
                     not have.",
                    words(of)
                ),
            ),
            ChangeError::Fault(fault) => fault.into(),
        }
    }
}

/// The name of a type, as ids carry it, in a sentence.
fn words(of: &str) -> String {
    of.replace('_', " ")
}
