//! Changing the rows of an entity.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, DbErr, IntoActiveModel, Iterable, QueryFilter, QuerySelect, TryIntoModel,
};
use uuid::Uuid;

use super::reach::{has_id, is_same, key};
use super::{Owned, Reach};
use crate::features::audit::Kind;
use crate::features::change::{Changes, Fault, Tx, with_fault};
use crate::features::sessions::{Sessions, Tools};
use crate::infra::db::DbFailure;
use crate::kernel::access::{Own, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::{Id, OrganizationId, TypedId, UserId, uuid_v7};

/// Makes the changes of an extension.
#[derive(Clone)]
pub(crate) struct Entities {
    changes: Changes,
    sessions: Sessions,
}

/// Why a row was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such row, or the caller may not change it. Holds the name of the type, as ids carry it.
    #[error("the {0} does not exist")]
    NotFound(&'static str),
    /// There is nothing to change, and the caller may not see what there is.
    #[error("the change of the {0} has no effect")]
    Unchanged(&'static str),
    /// The caller's session is over, or it was the server's fault.
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(ChangeError);

impl Entities {
    pub(crate) fn new(Tools { changes, sessions, .. }: Tools) -> Self {
        Self { changes, sessions }
    }

    /// Makes a change by one attempt, which may be made again when it lost a race against another: so it does nothing
    /// outside its transaction. `name` says in the metrics what was tried again.
    pub(crate) async fn change<'a, T, E, F>(
        &'a self,
        name: &'static str,
        acting: Acting<'a>,
        attempt: impl Fn(Change<'a>) -> F + Sync,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<Committed<T>, E>> + Send,
        E: DbFailure + From<DbErr> + From<Fault> + Send,
        T: Send,
    {
        let attempt = &attempt;
        let once = move |tx: Tx<'a>| async move {
            // As they are now: in a transaction nothing is decided by what the guard saw.
            let caller = self.sessions.caller(&tx).await?;
            Ok(attempt(Change { tx, caller }).await?.0)
        };
        self.changes.run(name, acting, once).await
    }
}

/// A change under way, in a transaction: what it wrote counts from [`Change::commit`] on, and otherwise not at all.
pub struct Change<'a> {
    tx: Tx<'a>,
    caller: Viewer,
}

/// Proof that a change was committed.
pub struct Committed<T>(T);

impl Change<'_> {
    /// The time of the change.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.tx.now()
    }

    /// Who makes it.
    #[must_use]
    pub fn caller(&self) -> UserId {
        self.caller.user.id
    }

    /// The organization that they act in.
    #[must_use]
    pub fn organization(&self) -> Option<OrganizationId> {
        self.caller.organization.map(|active| active.id)
    }

    /// Makes a row of the caller's own, in the organization that they act in. Its id, its owner, its organization and
    /// its times are set here, whatever they were; each other column must be set.
    pub async fn insert<E: Owned>(&self, mut row: E::ActiveModel) -> Result<E::Model, ChangeError> {
        let id = uuid_v7(self.now());
        if let Some(key) = key::<E>() {
            row.try_set(key, id.into())?;
        }
        row.try_set(E::OWNER, self.caller().into())?;
        if let Some(column) = E::ORGANIZATION {
            row.try_set(column, self.organization().into())?;
        }
        for column in [E::CREATED_AT, E::UPDATED_AT] {
            row.try_set(column, self.now().into())?;
        }
        let made = row.clone().try_into_model()?;
        E::insert(row).exec_without_returning(&self.tx).await?;
        self.record(E::CREATED, id);
        Ok(made)
    }

    /// Changes the row of an id, as a client gives it, if the caller may change it. `edit` cannot change the id, the
    /// owner, the organization or the times: the server sets them. Where nothing is changed nothing happens, and only
    /// a caller who may see the row is told what it holds: who may change all rows sees one by changing it, which the
    /// audit log records.
    pub async fn update<E: Owned>(
        &self,
        own: Own<&str, E>,
        edit: impl FnOnce(&mut E::Model),
    ) -> Result<E::Model, ChangeError> {
        let id = named(own)?;
        let reach = Reach::changed::<E>(&self.caller, self.now()).condition::<E>();
        let select = E::find().filter(reach.clone()).filter(has_id::<E>([id]));
        let before =
            select.lock_exclusive().one(&self.tx).await?.ok_or(ChangeError::NotFound(E::Id::OF))?;
        let mut after = before.clone();
        edit(&mut after);
        let (mut row, after) = (before.clone().into_active_model(), after.into_active_model());
        for column in E::Column::iter().filter(|column| !is_set_here::<E>(*column)) {
            let (old, new) = (row.get(column).into_value(), after.get(column).into_value());
            if let Some(new) = new.filter(|new| Some(new) != old.as_ref()) {
                row.try_set(column, new)?;
            }
        }
        if !row.is_changed() {
            return if self.sees::<E>(id).await? {
                Ok(before)
            } else {
                Err(ChangeError::Unchanged(E::Id::OF))
            };
        }
        row.try_set(E::UPDATED_AT, self.now().into())?;
        let changed = row.clone().try_into_model()?;
        let update = E::update_many().set(row).filter(reach).filter(has_id::<E>([id]));
        update.exec(&self.tx).await?;
        self.record(E::UPDATED, id);
        Ok(changed)
    }

    async fn sees<E: Owned>(&self, id: Uuid) -> Result<bool, DbErr> {
        let reach = Reach::seen::<E>(&self.caller, self.now()).condition::<E>();
        let select = E::find().filter(reach).filter(has_id::<E>([id]));
        Ok(select.one(&self.tx).await?.is_some())
    }

    /// Deletes the row of an id, as a client gives it, if the caller may change it.
    pub async fn delete<E: Owned>(&self, own: Own<&str, E>) -> Result<(), ChangeError> {
        let id = named(own)?;
        let reach = Reach::changed::<E>(&self.caller, self.now()).condition::<E>();
        let delete = E::delete_many().filter(reach).filter(has_id::<E>([id]));
        if delete.exec(&self.tx).await?.rows_affected != 1 {
            return Err(ChangeError::NotFound(E::Id::OF));
        }
        self.record(E::DELETED, id);
        Ok(())
    }

    /// Has the audit log tell what else was done, and to what.
    pub fn record(&self, kind: Kind, target: impl Into<Uuid>) {
        self.tx.record(kind, target);
    }

    /// Commits it all. From then on it is finished by itself, whether anybody waits for it or not.
    pub async fn commit<T: Send>(self, value: T) -> Result<Committed<T>, Fault> {
        Ok(Committed(self.tx.commit(value).await?))
    }
}

/// The row that a client names; a malformed id, or one of another type, names none.
fn named<E: Owned>(own: Own<&str, E>) -> Result<Uuid, ChangeError> {
    let id = Id::parse(own.named()).and_then(Id::typed::<E::Id>);
    id.map(Into::into).ok_or(ChangeError::NotFound(E::Id::OF))
}

/// Whether the server sets a column, and no edit of a row does.
fn is_set_here<E: Owned>(column: E::Column) -> bool {
    let given = [E::OWNER, E::CREATED_AT, E::UPDATED_AT];
    let given = given.into_iter().chain(key::<E>()).chain(E::ORGANIZATION);
    given.into_iter().any(|given| is_same(given, column))
}
