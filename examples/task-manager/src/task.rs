//! Tasks: something to be done. A task belongs to its owner and, when it is made in an organization, to that.

mod entity;

use portcullis::invalid::{Invalid, Reason};
use portcullis::prelude::*;

pub use self::entity::{Entity, TaskId};
use crate::TASKS_READ_ALL;

const TITLE_LENGTH_MAX: usize = 200;
const TITLE_EMPTY: Invalid = Invalid::new(Reason::TooShort, "A task needs a title");
const TITLE_TOO_LONG: Invalid = Invalid::new(Reason::TooLong, "A title has at most 200 characters");
const TITLE_MALFORMED: Invalid =
    Invalid::new(Reason::InvalidFormat, "A title is one line, without control characters");

/// Something to be done.
#[object]
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
    made_by: UserId,
    #[graphql(skip)]
    made_in: Option<OrganizationId>,
}

#[rules]
#[ComplexObject]
impl Task {
    /// Who made it; null where their account is deleted by now.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<PublicProfile>> {
        PublicProfile::load(ctx, self.made_by).await
    }

    /// The organization that it was made in, if the caller belongs to it.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        match self.made_in {
            Some(id) => Organization::load(ctx, id).await,
            None => Ok(None),
        }
    }
}

impl Shown for Task {
    type Entity = Entity;
}

impl From<entity::Model> for Task {
    fn from(row: entity::Model) -> Self {
        Self {
            id: row.id.into(),
            title: row.title,
            is_done: row.is_done,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            made_by: row.owner_id,
            made_in: row.organization_id,
        }
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
        Ok(ctx.scope()?.find::<Entity>().one(&id).await?.map(Task::from))
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
    async fn create_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task to be.")] input: CreateTaskInput,
    ) -> Result<Task> {
        let title = &parse_title(&input.title)?;
        let create = async |change: Change<'_>| {
            let row = entity::ActiveModel {
                title: Set(title.clone()),
                is_done: Set(false),
                ..Default::default()
            };
            let made = change.insert::<Entity>(row).await?;
            Ok(change.commit(made).await?)
        };
        Ok(ctx.change("create a task", create).await?.into())
    }

    /// Changes a task of the caller's own, or with permission TASKS_WRITE_ALL any.
    #[auth]
    async fn update_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: ID,
        #[graphql(desc = "What is to change.")] input: UpdateTaskInput,
    ) -> Result<Task> {
        let title = &input.title.as_deref().map(parse_title).transpose()?;
        let (id, input) = (&id, &input);
        let update = async |change: Change<'_>| {
            let edit = |task: &mut entity::Model| {
                task.title.clone_from(title.as_ref().unwrap_or(&task.title.clone()));
                task.is_done = input.is_done.unwrap_or(task.is_done);
            };
            let changed = change.update::<Entity>(id, edit).await?;
            Ok(change.commit(changed).await?)
        };
        Ok(ctx.change("update a task", update).await?.into())
    }

    /// Deletes a task of the caller's own, or with permission TASKS_WRITE_ALL any, and answers the id.
    #[auth]
    async fn delete_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: ID,
    ) -> Result<ID> {
        let named = &id;
        let delete = async |change: Change<'_>| {
            change.delete::<Entity>(named).await?;
            Ok(change.commit(()).await?)
        };
        ctx.change("delete a task", delete).await?;
        Ok(id)
    }
}

fn parse_title(text: &str) -> Result<String> {
    let title = text.trim();
    let refused = |invalid: Invalid| Err(invalid.at("input.title").into());
    match title.chars().count() {
        0 => refused(TITLE_EMPTY),
        1..=TITLE_LENGTH_MAX if title.chars().any(char::is_control) => refused(TITLE_MALFORMED),
        1..=TITLE_LENGTH_MAX => Ok(title.to_owned()),
        _ => refused(TITLE_TOO_LONG),
    }
}
