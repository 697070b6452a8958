//! Tasks: the sample entity, and the folder to copy for one of your own.
//!
//! A task belongs to its owner and, when it is made in an organization, to that. What a caller reaches
//! is a [`Scope`], which is part of the WHERE of every statement: what lies outside does not exist for
//! them. In an organization its members see all of its tasks, and change their own.

mod store;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde_json::json;
use uuid::Uuid;

use crate::features::accounts::{AdminError, Departure, EXPORT_PAGE_SIZE, Entries, Extension};
use crate::features::audit::Kind;
use crate::features::change::{Changes, Fault, Tx, with_fault};
use crate::features::sessions::{Sessions, Tools};
use crate::infra::db::Db;
use crate::kernel::access::{Permission, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::{OrganizationId, TaskId, UserId};
use crate::kernel::invalid::{Invalid, Problem, Reason};
use crate::kernel::page::{Page, Part};
use crate::kernel::rfc3339;

const TITLE_LENGTH_MAX: usize = 200;
const TITLE_EMPTY: Invalid = Invalid::new(Reason::TooShort, "A task needs a title");
const TITLE_TOO_LONG: Invalid = Invalid::new(Reason::TooLong, "A title has at most 200 characters");
const TITLE_MALFORMED: Invalid =
    Invalid::new(Reason::InvalidFormat, "A title is one line, without control characters");

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) owner: UserId,
    /// The organization that it was made in.
    pub(crate) organization: Option<OrganizationId>,
    pub(crate) title: String,
    pub(crate) is_done: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What of a task is to change; `None` stays as it is.
#[derive(Clone, Copy)]
pub(crate) struct TaskChange<'a> {
    pub(crate) title: Option<&'a str>,
    pub(crate) is_done: Option<bool>,
}

/// What of all tasks a caller reaches: made of the viewer, and of nothing that a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// What somebody made outside of any organization.
    Personal(UserId),
    /// What somebody made in an organization.
    Own(UserId, OrganizationId),
    /// Whatever was made in an organization.
    Organization(OrganizationId),
    /// What somebody made, wherever it was.
    Everywhere(UserId),
    /// Whatever there is.
    All,
}

impl Scope {
    /// What the caller made where they act now.
    pub(crate) fn own(viewer: &Viewer) -> Self {
        match viewer.organization {
            None => Self::Personal(viewer.user.id),
            Some(active) => Self::Own(viewer.user.id, active.id),
        }
    }

    /// What the caller may see.
    pub(crate) fn seen_by(viewer: &Viewer, now: DateTime<Utc>) -> Self {
        match viewer.organization {
            _ if viewer.user.may(Permission::TasksReadAll, now) => Self::All,
            None => Self::Personal(viewer.user.id),
            Some(active) => Self::Organization(active.id),
        }
    }

    /// What the caller may change.
    fn changed_by(viewer: &Viewer, now: DateTime<Utc>) -> Self {
        match viewer.user.may(Permission::TasksWriteAll, now) {
            true => Self::All,
            false => Self::own(viewer),
        }
    }
}

/// Whose tasks a list shows, as far as the [`Scope`] of the caller goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Of {
    /// Everybody's.
    All,
    User(UserId),
    Organization(OrganizationId),
}

impl Of {
    fn has(self, task: &Task) -> bool {
        match self {
            Self::All => true,
            Self::User(id) => task.owner == id,
            Self::Organization(id) => task.organization == Some(id),
        }
    }
}

/// Why a task was not made or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error("a field is not acceptable")]
    Invalid(Problem),
    /// Or one that the caller may not change.
    #[error("there is no such task")]
    NotFound,
    /// There is nothing to change, and the caller may not see what there is.
    #[error("nothing is to be changed")]
    Unchanged,
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(TaskError);

/// The one place that makes, reads and changes tasks.
#[derive(Clone)]
pub(crate) struct Tasks {
    changes: Changes,
    sessions: Sessions,
}

impl Tasks {
    pub(crate) fn new(Tools { changes, sessions, .. }: Tools) -> Self {
        Self { changes, sessions }
    }

    /// Makes a task for the caller, in the organization they act in, if any.
    pub(crate) async fn create(&self, acting: Acting<'_>, title: &str) -> Result<Task, TaskError> {
        let title = parse_title(title)?;
        // One whole transaction, which may be run again: so nothing outside the database happens in it.
        let create = async |tx: Tx<'_>| {
            let caller = self.sessions.caller(&tx).await?;
            let now = tx.now();
            let task = Task {
                id: TaskId::new(now),
                owner: caller.user.id,
                organization: caller.organization.map(|active| active.id),
                title: title.clone(),
                is_done: false,
                created_at: now,
                updated_at: now,
            };
            store::insert(&tx, &task).await?;
            tx.record(Kind::TaskCreated, task.id);
            Ok(tx.commit(task).await?)
        };
        self.changes.run("create a task", acting, create).await
    }

    /// Changes a task that the caller may change.
    pub(crate) async fn update(
        &self,
        acting: Acting<'_>,
        id: TaskId,
        change: TaskChange<'_>,
    ) -> Result<Task, TaskError> {
        let title = change.title.map(parse_title).transpose()?;
        let update = async |tx: Tx<'_>| {
            // As they are now: in a transaction nothing is decided by what the guard saw.
            let caller = self.sessions.caller(&tx).await?;
            let scope = Scope::changed_by(&caller, tx.now());
            let before = store::lock(&tx, scope, id).await?.ok_or(TaskError::NotFound)?;
            let title = title.clone().unwrap_or_else(|| before.title.clone());
            let is_done = change.is_done.unwrap_or(before.is_done);
            let task = Task { title, is_done, ..before.clone() };
            // Nothing has changed, so nothing happened that the audit log could tell of.
            if task == before {
                // Who may change it sees what they change; what changes nothing must not show as much.
                let seen = Scope::seen_by(&caller, tx.now());
                let seen = store::find_all(&tx, seen, &[id]).await?;
                return seen.into_iter().next().ok_or(TaskError::Unchanged);
            }
            let task = Task { updated_at: tx.now(), ..task };
            store::update(&tx, scope, &task).await?;
            tx.record(Kind::TaskUpdated, id);
            Ok(tx.commit(task).await?)
        };
        self.changes.run("update a task", acting, update).await
    }

    /// Deletes a task that the caller may change.
    pub(crate) async fn delete(&self, acting: Acting<'_>, id: TaskId) -> Result<(), TaskError> {
        let delete = async |tx: Tx<'_>| {
            let caller = self.sessions.caller(&tx).await?;
            if !store::delete(&tx, Scope::changed_by(&caller, tx.now()), id).await? {
                return Err(TaskError::NotFound);
            }
            tx.record(Kind::TaskDeleted, id);
            Ok(tx.commit(()).await?)
        };
        self.changes.run("delete a task", acting, delete).await
    }

    /// Those of the tasks that lie in the scope, in no particular order. Like the other reads it takes
    /// the database alone, which is what the loaders have.
    pub(crate) async fn find_all(
        db: &Db,
        scope: Scope,
        ids: &[TaskId],
    ) -> Result<Vec<Task>, DbErr> {
        store::find_all(db.reader(), scope, ids).await
    }

    /// The same page of each of several lists of one kind, in one statement.
    pub(crate) async fn list_each(
        db: &Db,
        scope: Scope,
        lists: &[Of],
        part: Part,
    ) -> Result<Vec<(Of, Page<Task>)>, DbErr> {
        let rows = match lists {
            [only] => store::list(db.reader(), scope, *only, part).await?,
            _ => store::list_each(db.reader(), scope, lists, part).await?,
        };
        let page = |&list: &Of| {
            let of_it = rows.iter().filter(|task| list.has(task)).cloned().collect();
            (list, Page::of(of_it, &part))
        };
        Ok(lists.iter().map(page).collect())
    }

    /// How many tasks each of several lists of one kind has; none, where it is not said.
    pub(crate) async fn count_each(
        db: &Db,
        scope: Scope,
        lists: &[Of],
    ) -> Result<Vec<(Of, u64)>, DbErr> {
        store::count_each(db.reader(), scope, lists).await
    }
}

/// Tasks are in the export of whose they are, and go with them by their foreign key.
pub(crate) const EXTENSION: Extension = Extension {
    name: "tasks",
    export: |db, user, after| Box::pin(export(db, user, after)),
    leave: None,
    leftovers: |db, user, until| Box::pin(leftovers(db, user, until)),
    drop: |departure, until| Box::pin(drop_leftovers(departure, until)),
};

async fn leftovers(db: &Db, user: UserId, until: DateTime<Utc>) -> Result<Vec<String>, DbErr> {
    store::list_titles_until(db.reader(), Scope::Everywhere(user), until).await
}

async fn drop_leftovers(departure: &Departure<'_>, until: DateTime<Utc>) -> Result<(), AdminError> {
    let scope = Scope::Everywhere(departure.user);
    Ok(store::delete_until(departure.tx, scope, until).await?)
}

async fn export(db: &Db, user: UserId, after: Option<Uuid>) -> Result<Entries, DbErr> {
    let part = Part { after, before: None, size: EXPORT_PAGE_SIZE, from_end: false };
    let of = Of::User(user);
    let rows = store::list(db.reader(), Scope::Everywhere(user), of, part).await?;
    let page = Page::of(rows, &part);
    let last = page.rows.last().map(|task| task.id.0);
    let entry = |task: Task| {
        json!({
            "id": task.id,
            "organization": task.organization,
            "title": task.title,
            "isDone": task.is_done,
            "createdAt": rfc3339::text(task.created_at),
            "updatedAt": rfc3339::text(task.updated_at),
        })
    };
    let entries = page.rows.into_iter().map(entry).collect();
    Ok(Entries { entries, next: last.filter(|_| page.has_more) })
}

fn parse_title(text: &str) -> Result<String, TaskError> {
    let title = text.trim();
    let refused = |invalid: Invalid| TaskError::Invalid(invalid.at("input.title"));
    match title.chars().count() {
        0 => Err(refused(TITLE_EMPTY)),
        1..=TITLE_LENGTH_MAX if title.chars().any(char::is_control) => {
            Err(refused(TITLE_MALFORMED))
        }
        1..=TITLE_LENGTH_MAX => Ok(title.to_owned()),
        _ => Err(refused(TITLE_TOO_LONG)),
    }
}
