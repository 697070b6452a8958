//! The tables `organizations` and `memberships`, as far as an account that is deleted concerns them.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait,
};

use crate::entity::{invitation, membership, organization, user};
use crate::platform::access::OrganizationRole;
use crate::platform::id::{MembershipId, OrganizationId, UserId};

pub(super) async fn organizations_of(
    txn: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<OrganizationId>, DbErr> {
    membership::Entity::find()
        .select_only()
        .column(membership::Column::OrganizationId)
        .filter(membership::Column::UserId.eq(user))
        .into_tuple()
        .all(txn)
        .await
}

/// Locks organizations in the order of their ids; answers those that are still there.
pub(super) async fn lock(
    txn: &impl ConnectionTrait,
    ids: &[OrganizationId],
) -> Result<Vec<OrganizationId>, DbErr> {
    organization::Entity::find()
        .select_only()
        .column(organization::Column::Id)
        .filter(organization::Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(organization::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(txn)
        .await
}

/// Those of `ids` that have another owner than `owner` who may sign in.
pub(super) async fn with_other_owners(
    txn: &impl ConnectionTrait,
    ids: &[OrganizationId],
    owner: UserId,
) -> Result<Vec<OrganizationId>, DbErr> {
    membership::Entity::find()
        .select_only()
        .column(membership::Column::OrganizationId)
        .distinct()
        .join(JoinType::InnerJoin, membership::Relation::User.def())
        .filter(user::COLUMN.is_active.eq(true))
        .filter(membership::Column::OrganizationId.is_in(ids.iter().copied()))
        .filter(membership::Column::Role.eq(OrganizationRole::Owner))
        .filter(membership::Column::UserId.ne(owner))
        .into_tuple()
        .all(txn)
        .await
}

/// Who of the other members of an organization is to own it: an admin before anybody else, and who
/// joined first.
pub(super) async fn find_heir(
    txn: &impl ConnectionTrait,
    id: OrganizationId,
    user: UserId,
) -> Result<Option<MembershipId>, DbErr> {
    membership::Entity::find()
        .select_only()
        .column(membership::Column::Id)
        .join(JoinType::InnerJoin, membership::Relation::User.def())
        .filter(membership::COLUMN.organization_id.eq(id))
        .filter(membership::COLUMN.user_id.ne(user))
        .order_by_desc(user::Column::IsActive)
        .order_by_desc(membership::COLUMN.role.eq(OrganizationRole::Owner))
        .order_by_desc(membership::COLUMN.role.eq(OrganizationRole::Admin))
        .order_by_asc(membership::Column::Id)
        .limit(1)
        .into_tuple()
        .one(txn)
        .await
}

pub(super) async fn make_owner(txn: &impl ConnectionTrait, id: MembershipId) -> Result<(), DbErr> {
    membership::Entity::update_many()
        .col_expr(membership::Column::Role, Expr::value(OrganizationRole::Owner))
        .filter(membership::COLUMN.id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes an organization; memberships and invitations go with it.
pub(super) async fn delete(txn: &impl ConnectionTrait, id: OrganizationId) -> Result<(), DbErr> {
    organization::Entity::delete_by_id(id).exec(txn).await?;
    Ok(())
}

/// Deletes the invitations to the address of a user's account.
pub(super) async fn delete_invitations_to(
    txn: &impl ConnectionTrait,
    id: UserId,
) -> Result<(), DbErr> {
    let address = Query::select()
        .column(user::Column::EmailKey)
        .from(user::Entity)
        .and_where(user::Column::Id.eq(id))
        .to_owned();
    let theirs = invitation::Column::EmailKey.in_subquery(address);
    invitation::Entity::delete_many().filter(theirs).exec(txn).await?;
    Ok(())
}
