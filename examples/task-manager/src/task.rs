//! Tasks: something to be done. A task belongs to its owner and, when it is made in an organization, to that.

mod entity;

use portcullis::prelude::*;

pub use self::entity::{Entity, TaskId};
use crate::TASKS_READ_ALL;

/// Something to be done.
#[object(entity::Model)]
#[graphql(complex)]
pub struct Task {
    /// Unique over all types; opaque.
    id: Id,
    /// What is to be done.
    title: String,
    /// Whether it is.
    is_done: bool,
    /// When the task was made.
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
    /// Who made it; null where their account is deleted by now.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        User::load(ctx, self.owner_id).await
    }

    /// The organization that it was made in, if the caller belongs to it.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        Organization::load(ctx, self.organization_id).await
    }
}

/// What it takes to make a task.
#[input]
pub struct CreateTaskInput {
    /// One line of 1 to 200 characters.
    title: String,
}

/// What of a task is to change; what is not given stays.
#[input]
pub struct UpdateTaskInput {
    /// The task's id.
    id: ID,
    /// One line of 1 to 200 characters.
    title: Option<String>,
    /// Whether it is done.
    is_done: Option<bool>,
}

/// What can be read of tasks.
#[derive(Debug, Default)]
pub struct TaskQuery;

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
        ctx.scope()?.find::<Entity>().one(&id).await
    }

    /// What the caller made where they act now, be that an organization or none, in pages, the newest first.
    #[auth]
    async fn my_tasks(&self, ctx: &Context<'_>, window: Window) -> Result<Page<Task>> {
        ctx.scope()?.find_own::<Entity>().page(window).await
    }

    /// What was made in the organization that the caller acts in, or what they made in none, in pages, the newest first.
    #[auth]
    async fn visible_tasks(&self, ctx: &Context<'_>, window: Window) -> Result<Page<Task>> {
        ctx.scope()?.find::<Entity>().page(window).await
    }

    /// All tasks of everybody, in pages, the newest first.
    #[auth(permission = TASKS_READ_ALL)]
    async fn tasks(&self, ctx: &Context<'_>, window: Window) -> Result<Page<Task>> {
        ctx.scope()?.find::<Entity>().page(window).await
    }
}

/// What can be changed of tasks.
#[derive(Debug, Default)]
pub struct TaskMutation;

#[rules(mutation)]
#[Object]
impl TaskMutation {
    /// Makes a task, in the organization that the caller acts in, if any.
    #[auth]
    #[payload(task = "The new task.")]
    async fn create_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task to be.")] input: CreateTaskInput,
    ) -> Result<Task> {
        let title = parse_title(&input.title)?;
        let task =
            entity::ActiveModel { title: Set(title), is_done: Set(false), ..Default::default() };
        ctx.insert(task).await
    }

    /// Changes a task of the caller's own, or with permission TASKS_WRITE_ALL any.
    #[auth]
    #[payload(task = "The task, as it is now.")]
    async fn update_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateTaskInput,
    ) -> Result<Task> {
        let title = input.title.as_deref().map(parse_title).transpose()?;
        let edit = |task: &mut entity::Model| {
            if let Some(title) = &title {
                task.title.clone_from(title);
            }
            task.is_done = input.is_done.unwrap_or(task.is_done);
        };
        ctx.update(&input.id, edit).await
    }

    /// Deletes a task of the caller's own, or with permission TASKS_WRITE_ALL any.
    #[auth]
    #[payload(deleted_task_id = "The task that is gone.")]
    async fn delete_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: ID,
    ) -> Result<ID> {
        ctx.delete::<Task>(id).await
    }
}

fn parse_title(text: &str) -> Result<String> {
    Ok(one_line("input.title", text, 1..=200)?)
}
