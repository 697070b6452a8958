//! The `sessions` table: the organizations they act in.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::tables::session;

/// Says whether the session was elsewhere before.
pub(super) async fn set_organization(
    txn: &impl ConnectionTrait,
    id: SessionId,
    organization: Option<OrganizationId>,
) -> Result<bool, DbErr> {
    let column = session::Column::OrganizationId;
    let is_elsewhere = match organization {
        Some(organization) => column.is_null().or(column.ne(organization)),
        None => column.is_not_null(),
    };
    let outcome = session::Entity::update_many()
        .col_expr(column, Expr::value(organization))
        .filter(session::COLUMN.id.eq(id))
        .filter(is_elsewhere)
        .exec(txn)
        .await?;
    Ok(outcome.rows_affected == 1)
}

pub(super) async fn withdraw(
    txn: &impl ConnectionTrait,
    user: UserId,
    organization: OrganizationId,
) -> Result<(), DbErr> {
    session::Entity::update_many()
        .col_expr(session::Column::OrganizationId, Expr::value(None::<OrganizationId>))
        .filter(session::COLUMN.user_id.eq(user))
        .filter(session::Column::OrganizationId.eq(organization))
        .exec(txn)
        .await?;
    Ok(())
}

pub(super) async fn users_of(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
) -> Result<Vec<UserId>, DbErr> {
    session::Entity::find()
        .select_only()
        .column(session::Column::UserId)
        .distinct()
        .filter(session::Column::OrganizationId.eq(organization))
        .into_tuple()
        .all(txn)
        .await
}
