//! Tasks in the schema.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem::discriminant;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, ID, InputObject, Object, SimpleObject};
use chrono::Utc;
use portcullis_macros::{Row, rules};
use sea_orm::DbErr;

use crate::features::tasks;
use crate::features::tasks::{Of, Scope, TaskChange, TaskError, Tasks};
use crate::graphql::connection::{Connection, Edge, Source};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::id::Id;
use crate::graphql::loader::{RequestLoader, load_one};
use crate::graphql::page::{Beyond, ByAge, Window};
use crate::infra::db::Db;
use crate::kernel::access::Viewer;
use crate::kernel::clock::Clock;
use crate::kernel::id::{OrganizationId, TaskId, UserId};
use crate::kernel::page::{Page, Part};
use crate::schema::organization::{Organization, PublicProfile};
use crate::schema::user::UserLoader;

/// How lists of tasks are ordered.
const ORDER: ByAge = ByAge::NewestFirst;

/// Something to be done.
#[derive(SimpleObject, Row, Clone)]
#[graphql(complex)]
pub(crate) struct Task {
    /// Unique over all types; opaque.
    pub(crate) id: Id,
    /// What is to be done.
    title: String,
    /// Whether it is.
    is_done: bool,
    /// When the task was made.
    created_at: DateTime,
    /// When the task was last changed.
    updated_at: DateTime,
    #[graphql(skip)]
    made_by: UserId,
    #[graphql(skip)]
    made_in: Option<OrganizationId>,
}

#[ComplexObject]
impl Task {
    /// Who made it.
    async fn owner(&self, ctx: &Context<'_>) -> Result<PublicProfile> {
        let owner = load_one::<UserLoader, _>(ctx, self.made_by).await?;
        // Deleted since the task was read, and the task with them.
        Ok(owner.ok_or(TaskError::NotFound)?.into())
    }

    /// The organization that it was made in, if the caller belongs to it.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        match self.made_in {
            Some(id) => Organization::load(ctx, id).await,
            None => Ok(None),
        }
    }
}

impl From<tasks::Task> for Task {
    fn from(task: tasks::Task) -> Self {
        Self {
            id: Id::from(task.id),
            title: task.title,
            is_done: task.is_done,
            created_at: task.created_at.into(),
            updated_at: task.updated_at.into(),
            made_by: task.owner,
            made_in: task.organization,
        }
    }
}

/// What it takes to make a task.
#[derive(InputObject)]
pub(crate) struct CreateTaskInput {
    /// One line of 1 to 200 characters.
    title: String,
}

/// What of a task is to change; what is not given stays.
#[derive(InputObject)]
pub(crate) struct UpdateTaskInput {
    /// One line of 1 to 200 characters.
    title: Option<String>,
    /// Whether it is done.
    is_done: Option<bool>,
}

/// Those of the ids that are tasks the caller sees.
pub(crate) async fn visible(
    db: &Db,
    viewer: &Viewer,
    ids: &[Id],
    now: chrono::DateTime<Utc>,
) -> Result<Vec<Task>, DbErr> {
    let tasks = Tasks::find_all(db, Scope::seen_by(viewer, now), &Id::all::<TaskId>(ids)).await?;
    Ok(tasks.into_iter().map(Task::from).collect())
}

/// What several lists of one operation are loaded by, each kind in one statement.
pub(crate) struct TaskLoader(Db);

impl RequestLoader for TaskLoader {
    fn of(ctx: &Context<'_>) -> Result<Self> {
        Ok(Self(ctx.service::<Db>().clone()))
    }
}

/// A page of a list, as far as a caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListKey {
    scope: Scope,
    of: Of,
    part: Part,
}

/// The size of a list, as far as a caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountKey(Scope, Of);

impl Loader<ListKey> for TaskLoader {
    type Value = Page<tasks::Task>;
    type Error = Arc<DbErr>;

    async fn load(
        &self,
        keys: &[ListKey],
    ) -> Result<HashMap<ListKey, Page<tasks::Task>>, Self::Error> {
        let mut pages = HashMap::new();
        for (key, lists) in grouped(keys, |key| (key.scope, discriminant(&key.of), key.part)) {
            let (scope, _, part) = key;
            let lists: Vec<Of> = lists.iter().map(|key| key.of).collect();
            let each = Tasks::list_each(&self.0, scope, &lists, part).await.map_err(Arc::new)?;
            pages.extend(each.into_iter().map(|(of, page)| (ListKey { scope, of, part }, page)));
        }
        Ok(pages)
    }
}

impl Loader<CountKey> for TaskLoader {
    type Value = u64;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[CountKey]) -> Result<HashMap<CountKey, u64>, Self::Error> {
        let mut counts: HashMap<_, _> = keys.iter().map(|key| (*key, 0)).collect();
        for ((scope, _), lists) in grouped(keys, |key| (key.0, discriminant(&key.1))) {
            let lists: Vec<Of> = lists.iter().map(|key| key.1).collect();
            let each = Tasks::count_each(&self.0, scope, &lists).await.map_err(Arc::new)?;
            counts.extend(each.into_iter().map(|(of, count)| (CountKey(scope, of), count)));
        }
        Ok(counts)
    }
}

/// Keys by what they have in common: what one statement answers.
fn grouped<K: Copy, G: Eq + Hash>(keys: &[K], by: impl Fn(&K) -> G) -> HashMap<G, Vec<K>> {
    let mut groups: HashMap<G, Vec<K>> = HashMap::new();
    for key in keys {
        groups.entry(by(key)).or_default().push(*key);
    }
    groups
}

/// A list of tasks, the newest first.
pub(crate) struct TaskList(ListKey);

pub(crate) type TaskConnection = Connection<TaskList>;

impl TaskConnection {
    /// What a user made, as far as the caller sees it.
    pub(crate) async fn of_user(ctx: &Context<'_>, id: UserId, window: Window) -> Result<Self> {
        Self::seen(ctx, Of::User(id), window).await
    }

    /// What was made in an organization, as far as the caller sees it.
    pub(crate) async fn of_organization(
        ctx: &Context<'_>,
        id: OrganizationId,
        window: Window,
    ) -> Result<Self> {
        Self::seen(ctx, Of::Organization(id), window).await
    }

    async fn seen(ctx: &Context<'_>, of: Of, window: Window) -> Result<Self> {
        let now = ctx.service::<Clock>().now();
        Self::load(ctx, Scope::seen_by(ctx.viewer()?, now), of, window).await
    }

    async fn load(ctx: &Context<'_>, scope: Scope, of: Of, window: Window) -> Result<Self> {
        let part = window.part(ORDER.name())?;
        let key = ListKey { scope, of, part: part.map(|cursor| cursor.id) };
        let page = load(ctx, key).await?;
        Ok(Self::new(TaskList(key), part, page, |task| {
            let cursor = ORDER.cursor(task.id.0);
            Edge::new(task.into(), cursor)
        }))
    }
}

async fn load(ctx: &Context<'_>, key: ListKey) -> Result<Page<tasks::Task>> {
    Ok(load_one::<TaskLoader, _>(ctx, key).await?.unwrap_or_default())
}

impl Source for TaskList {
    type Node = Task;
    type Key = ();

    async fn reaches(&self, ctx: &Context<'_>, beyond: Beyond<'_, ()>) -> Result<bool> {
        let part = ORDER.part_beyond(beyond);
        Ok(load(ctx, ListKey { part, ..self.0 }).await?.has_more)
    }

    /// How many tasks the caller sees of the list.
    async fn count(&self, ctx: &Context<'_>) -> Result<u64> {
        let key = CountKey(self.0.scope, self.0.of);
        Ok(load_one::<TaskLoader, _>(ctx, key).await?.unwrap_or_default())
    }
}

#[derive(Default)]
pub(crate) struct TaskQuery;

#[rules(query)]
#[Object]
impl TaskQuery {
    /// A task by id; null for an id that names none that the caller sees.
    #[auth]
    async fn task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: ID,
    ) -> Result<Option<Task>> {
        let Some(id) = TaskId::parse(&id) else { return Ok(None) };
        let scope = Scope::seen_by(ctx.viewer()?, ctx.service::<Clock>().now());
        let found = Tasks::find_all(ctx.service::<Db>(), scope, &[id]).await;
        Ok(found.map_err(ApiError::database)?.pop().map(Task::from))
    }

    /// What the caller made where they act now, be that an organization or none, in pages, the newest first.
    #[auth]
    async fn my_tasks(&self, ctx: &Context<'_>, window: Window) -> Result<TaskConnection> {
        let viewer = ctx.viewer()?;
        let (scope, of) = (Scope::own(viewer), Of::User(viewer.user.id));
        TaskConnection::load(ctx, scope, of, window).await
    }

    /// All tasks of everybody, in pages, the newest first.
    #[auth(permission = TasksReadAll)]
    async fn tasks(&self, ctx: &Context<'_>, window: Window) -> Result<TaskConnection> {
        TaskConnection::load(ctx, Scope::All, Of::All, window).await
    }
}

#[derive(Default)]
pub(crate) struct TaskMutation;

#[rules(mutation)]
#[Object]
impl TaskMutation {
    /// Makes a task, in the organization that the caller acts in, if any.
    #[auth]
    async fn create_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task to be.")] input: CreateTaskInput,
    ) -> Result<Task> {
        let tasks = ctx.service::<Tasks>();
        Ok(tasks.create(ctx.acting()?, &input.title).await?.into())
    }

    /// Changes a task of the caller's own, or with permission TASKS_WRITE_ALL any.
    #[auth]
    async fn update_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: ID,
        #[graphql(desc = "What is to change.")] input: UpdateTaskInput,
    ) -> Result<Task> {
        let tasks = ctx.service::<Tasks>();
        let change = TaskChange { title: input.title.as_deref(), is_done: input.is_done };
        Ok(tasks.update(ctx.acting()?, named(&id)?, change).await?.into())
    }

    /// Deletes a task of the caller's own, or with permission TASKS_WRITE_ALL any, and answers the id.
    #[auth]
    async fn delete_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: ID,
    ) -> Result<ID> {
        let tasks = ctx.service::<Tasks>();
        tasks.delete(ctx.acting()?, named(&id)?).await?;
        Ok(id)
    }
}

/// The task that a mutation is about. A malformed id names none, as an unknown one does.
fn named(id: &ID) -> Result<TaskId> {
    TaskId::parse(id).ok_or_else(|| TaskError::NotFound.into())
}

impl From<TaskError> for ApiError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Invalid(problem) => Self::invalid(&[problem]),
            TaskError::NotFound => Self::new(Code::NotFound, "There is no such task"),
            TaskError::Unchanged => Self::new(
                Code::Conflict,
                "The task is already as you ask. Reading it needs a permission that you lack",
            ),
            TaskError::Fault(fault) => fault.into(),
        }
    }
}
