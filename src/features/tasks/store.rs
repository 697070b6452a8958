//! The `tasks` table. Every statement but the first is bound to a [`Scope`].

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Alias, Expr, Func, Query, WindowStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult,
    Iterable, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    SelectGetableTuple, Selector, TryGetableMany,
};

use super::{Of, Scope, Task};
use crate::entity::task;
use crate::features::accounts::LEFTOVERS_MAX;
use crate::kernel::id::{OrganizationId, TaskId, UserId};
use crate::kernel::page::Part;

pub(super) async fn insert(txn: &impl ConnectionTrait, new: &Task) -> Result<(), DbErr> {
    let row = task::ActiveModel {
        id: Set(new.id),
        owner_id: Set(new.owner),
        organization_id: Set(new.organization),
        title: Set(new.title.clone()),
        is_done: Set(new.is_done),
        created_at: Set(new.created_at),
        updated_at: Set(new.updated_at),
    };
    task::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

pub(super) async fn find_all(
    db: &impl ConnectionTrait,
    scope: Scope,
    ids: &[TaskId],
) -> Result<Vec<Task>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let select = within(scope).filter(task::COLUMN.id.is_in(ids.iter().copied()));
    Ok(select.all(db).await?.into_iter().map(Task::from).collect())
}

/// Locks a task and reads it.
pub(super) async fn lock(
    txn: &impl ConnectionTrait,
    scope: Scope,
    id: TaskId,
) -> Result<Option<Task>, DbErr> {
    let select = within(scope).filter(task::COLUMN.id.eq(id)).lock_exclusive();
    Ok(select.one(txn).await?.map(Task::from))
}

/// Writes what of a task can change.
pub(super) async fn update(
    txn: &impl ConnectionTrait,
    scope: Scope,
    changed: &Task,
) -> Result<(), DbErr> {
    task::Entity::update_many()
        .col_expr(task::Column::Title, Expr::value(changed.title.as_str()))
        .col_expr(task::Column::IsDone, Expr::value(changed.is_done))
        .col_expr(task::Column::UpdatedAt, Expr::value(changed.updated_at))
        .filter(condition(scope))
        .filter(task::COLUMN.id.eq(changed.id))
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes a task; says whether there was one.
pub(super) async fn delete(
    txn: &impl ConnectionTrait,
    scope: Scope,
    id: TaskId,
) -> Result<bool, DbErr> {
    let delete = task::Entity::delete_many().filter(condition(scope));
    Ok(delete.filter(task::COLUMN.id.eq(id)).exec(txn).await?.rows_affected == 1)
}

/// The titles of the first tasks that were made no later than `until`.
pub(super) async fn list_titles_until(
    db: &impl ConnectionTrait,
    scope: Scope,
    until: DateTime<Utc>,
) -> Result<Vec<String>, DbErr> {
    within(scope)
        .select_only()
        .column(task::Column::Title)
        .filter(task::COLUMN.created_at.lte(until))
        .order_by_asc(task::Column::Id)
        .limit(LEFTOVERS_MAX)
        .into_tuple()
        .all(db)
        .await
}

/// Deletes the tasks that were made no later than `until`.
pub(super) async fn delete_until(
    txn: &impl ConnectionTrait,
    scope: Scope,
    until: DateTime<Utc>,
) -> Result<(), DbErr> {
    task::Entity::delete_many()
        .filter(condition(scope))
        .filter(task::COLUMN.created_at.lte(until))
        .exec(txn)
        .await?;
    Ok(())
}

/// A part of a list and one more task, if there is one, from the end that is counted from.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    scope: Scope,
    of: Of,
    part: Part,
) -> Result<Vec<Task>, DbErr> {
    let select = within(scope)
        .filter(members(&[of]))
        .filter(inside(part))
        .order_by(task::Column::Id, direction(part))
        .limit(part.size + 1);
    Ok(select.all(db).await?.into_iter().map(Task::from).collect())
}

/// The same of several lists of one kind, in one statement.
pub(super) async fn list_each(
    db: &impl ConnectionTrait,
    scope: Scope,
    lists: &[Of],
    part: Part,
) -> Result<Vec<Task>, DbErr> {
    let by = match lists.first() {
        Some(Of::Organization(_)) => task::Column::OrganizationId,
        _ => task::Column::OwnerId,
    };
    let (numbered, number) = (Alias::new("numbered"), Alias::new("number"));
    let mut window = WindowStatement::partition_by(by);
    window.order_by(task::Column::Id, direction(part));
    let each = Query::select()
        .columns(task::Column::iter())
        .expr_window_as(Func::cust("ROW_NUMBER"), window, number.clone())
        .from(task::Entity)
        .cond_where(condition(scope))
        .cond_where(members(lists))
        .cond_where(inside(part))
        .to_owned();
    let select = Query::select()
        .columns(task::Column::iter())
        .from_subquery(each, numbered)
        .and_where(Expr::col(number).lte(part.size + 1))
        .order_by(task::Column::Id, direction(part))
        .to_owned();
    let rows = db.query_all(&select).await?;
    let task = |row| Ok(task::Model::from_query_result(row, "")?.into());
    rows.iter().map(task).collect()
}

/// How many tasks several lists of one kind have; one that has none is left out.
pub(super) async fn count_each(
    db: &impl ConnectionTrait,
    scope: Scope,
    lists: &[Of],
) -> Result<Vec<(Of, u64)>, DbErr> {
    let select = within(scope).filter(members(lists));
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    Ok(match lists.first() {
        None => Vec::new(),
        Some(Of::All) => vec![(Of::All, select.count(db).await?)],
        Some(Of::User(_)) => {
            let rows: Vec<(UserId, i64)> = grouped(select, task::Column::OwnerId).all(db).await?;
            rows.into_iter().map(|(id, counted)| (Of::User(id), count(counted))).collect()
        }
        Some(Of::Organization(_)) => {
            let by = task::Column::OrganizationId;
            let rows: Vec<(OrganizationId, i64)> = grouped(select, by).all(db).await?;
            rows.into_iter().map(|(id, counted)| (Of::Organization(id), count(counted))).collect()
        }
    })
}

fn grouped<T: TryGetableMany>(
    select: Select<task::Entity>,
    by: task::Column,
) -> Selector<SelectGetableTuple<T>> {
    select
        .select_only()
        .column(by)
        .column_as(task::Column::Id.count(), "tasks")
        .group_by(by)
        .into_tuple()
}

fn within(scope: Scope) -> Select<task::Entity> {
    task::Entity::find().filter(condition(scope))
}

/// The one place where a scope becomes SQL.
fn condition(scope: Scope) -> Condition {
    match scope {
        Scope::Personal(owner) => Condition::all()
            .add(task::COLUMN.owner_id.eq(owner))
            .add(task::COLUMN.organization_id.is_null()),
        Scope::Own(owner, organization) => Condition::all()
            .add(task::COLUMN.owner_id.eq(owner))
            .add(task::COLUMN.organization_id.eq(organization)),
        Scope::Organization(organization) => {
            Condition::all().add(task::COLUMN.organization_id.eq(organization))
        }
        Scope::Everywhere(owner) => Condition::all().add(task::COLUMN.owner_id.eq(owner)),
        Scope::All => Condition::all(),
    }
}

/// What is in any of these lists.
fn members(lists: &[Of]) -> Condition {
    let mut users = Vec::new();
    let mut organizations = Vec::new();
    for list in lists {
        match list {
            Of::All => return Condition::all(),
            Of::User(id) => users.push(*id),
            Of::Organization(id) => organizations.push(*id),
        }
    }
    Condition::any()
        .add(task::Column::OwnerId.is_in(users))
        .add(task::Column::OrganizationId.is_in(organizations))
}

/// What lies between the places of a part: the newest have the greatest ids, and come first.
fn inside(part: Part) -> Condition {
    Condition::all()
        .add_option(part.after.map(|id| task::Column::Id.lt(id)))
        .add_option(part.before.map(|id| task::Column::Id.gt(id)))
}

fn direction(part: Part) -> Order {
    if part.from_end { Order::Asc } else { Order::Desc }
}

impl From<task::Model> for Task {
    fn from(row: task::Model) -> Self {
        Self {
            id: row.id,
            owner: row.owner_id,
            organization: row.organization_id,
            title: row.title,
            is_done: row.is_done,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

#[cfg(test)]
mod tests;
