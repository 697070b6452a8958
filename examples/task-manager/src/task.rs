//! Tasks in the API. A task belongs to the user who created it, and to the organization in which they acted, if any.

mod entity;

use portcullis::prelude::*;

pub use self::entity::{Entity, TaskId};
use crate::TASKS_READ_ALL;

/// A piece of work to do.
#[object(entity::Model)]
#[graphql(complex)]
pub struct Task {
    /// An opaque id that is unique across all types.
    id: Id,
    /// The work to do.
    title: String,
    /// Whether the task is done.
    is_done: bool,
    /// When the task was created.
    created_at: DateTime,
    /// When the task was last changed.
    updated_at: DateTime,
    #[graphql(skip)]
    owner_id: UserId,
    #[graphql(skip)]
    organization_id: Option<OrganizationId>,
}

#[rules]
#[ComplexObject]
impl Task {
    /// The user who created the task; null if their account no longer exists.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        User::load(ctx, self.owner_id).await
    }

    /// The organization in which the task was created; null if there is none or the caller does not belong to it.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        Organization::load(ctx, self.organization_id).await
    }
}

/// The task to create.
#[input]
pub struct CreateTaskInput {
    /// The work to do: one line of 1 to 200 characters.
    title: String,
}

/// The changes of a task. Omitted fields stay unchanged.
#[input]
pub struct UpdateTaskInput {
    /// The task's id.
    id: ID,
    /// The work to do: one line of 1 to 200 characters.
    title: Option<String>,
    /// Whether the task is done.
    is_done: Option<bool>,
}

/// The queries of tasks.
#[derive(Debug, Default)]
pub struct TaskQuery;

#[rules(query)]
#[Object]
impl TaskQuery {
    /// A task by id; null if the caller cannot see a task with this id.
    #[auth]
    async fn task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: ID,
    ) -> Result<Option<Task>> {
        ctx.scope()?.find::<Entity>().one(&id).await
    }

    /// The caller's tasks in the organization in which they act, newest first. Callers who act in none get their tasks
    /// outside of organizations.
    #[auth]
    async fn my_tasks(&self, ctx: &Context<'_>, window: Window) -> Result<Page<Task>> {
        ctx.scope()?.find_own::<Entity>().page(window).await
    }

    /// All tasks of the organization in which the caller acts, newest first. Callers who act in none get their own
    /// tasks outside of organizations. Callers with the permission TASKS_READ_ALL get all tasks.
    #[auth]
    async fn visible_tasks(&self, ctx: &Context<'_>, window: Window) -> Result<Page<Task>> {
        ctx.scope()?.find::<Entity>().page(window).await
    }

    /// All tasks of all users, newest first.
    #[auth(permission = TASKS_READ_ALL)]
    async fn tasks(&self, ctx: &Context<'_>, window: Window) -> Result<Page<Task>> {
        ctx.scope()?.find::<Entity>().page(window).await
    }
}

/// The mutations of tasks.
#[derive(Debug, Default)]
pub struct TaskMutation;

#[rules(mutation)]
#[Object]
impl TaskMutation {
    /// Creates a task, in the organization in which the caller acts, if any.
    #[auth]
    #[payload(task = "The new task.")]
    async fn create_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task to create.")] input: CreateTaskInput,
    ) -> Result<Task> {
        let title = parse_title(&input.title)?;
        let task =
            entity::ActiveModel { title: Set(title), is_done: Set(false), ..Default::default() };
        ctx.insert(task).await
    }

    /// Changes one of the caller's tasks in the organization in which they act, if any.
    #[auth]
    #[owner(Entity)]
    #[payload(task = "The changed task.")]
    async fn update_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateTaskInput,
    ) -> Result<Task> {
        let title = input.title.as_deref().map(parse_title).transpose()?;
        let edit = |task: &mut entity::Model| {
            if let Some(title) = &title {
                task.title.clone_from(title);
            }
            task.is_done = input.is_done.unwrap_or(task.is_done);
        };
        ctx.update(owner.of(&input.id), edit).await
    }

    /// Deletes one of the caller's tasks in the organization in which they act, if any.
    #[auth]
    #[owner(Entity)]
    #[payload(deleted_task_id = "The id of the deleted task.")]
    async fn delete_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: ID,
    ) -> Result<ID> {
        ctx.delete::<Task>(owner.of(id)).await
    }
}

fn parse_title(text: &str) -> Result<String> {
    Ok(one_line("input.title", text, 1..=200)?)
}
