//! The tables `organizations` and `memberships`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, DerivePartialModel, EntityTrait, JoinType, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, RelationTrait, Select,
};

use super::{Member, OwnOrganization};
use crate::features::change::Tx;
use crate::kernel::access::{OrganizationRole, User};
use crate::kernel::id::{MembershipId, OrganizationId, UserId};
use crate::kernel::page::Part;
use crate::tables::{membership, organization, user};

/// A membership with its organization.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "membership::Entity")]
struct OwnRow {
    role: OrganizationRole,
    #[sea_orm(nested)]
    organization: OrganizationRow,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "organization::Entity")]
struct OrganizationRow {
    id: OrganizationId,
    name: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A membership with what is shown of its user.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "membership::Entity")]
struct MemberRow {
    id: MembershipId,
    organization_id: OrganizationId,
    role: OrganizationRole,
    created_at: DateTime<Utc>,
    #[sea_orm(nested)]
    user: user::Account,
}

impl From<OwnRow> for OwnOrganization {
    fn from(OwnRow { role, organization: row }: OwnRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            updated_at: row.updated_at,
            role,
        }
    }
}

impl From<MemberRow> for Member {
    fn from(MemberRow { id, role, created_at, user, .. }: MemberRow) -> Self {
        Self { id, role, created_at, user: user.into() }
    }
}

pub(super) async fn insert(txn: &impl ConnectionTrait, new: &OwnOrganization) -> Result<(), DbErr> {
    let row = organization::ActiveModel {
        id: Set(new.id),
        name: Set(new.name.clone()),
        created_at: Set(new.created_at),
        updated_at: Set(new.updated_at),
    };
    organization::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Locks an organization's row, and reads it as this member sees it; `None` for whoever is none.
pub(super) async fn lock(
    txn: &impl ConnectionTrait,
    id: OrganizationId,
    member: UserId,
) -> Result<Option<OwnOrganization>, DbErr> {
    let found = organization::Entity::find_by_id(id).lock_exclusive().one(txn).await?;
    let Some(row) = found else { return Ok(None) };
    let role = find_role(txn, id, member).await?;
    Ok(role.map(|role| OwnOrganization {
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        updated_at: row.updated_at,
        role,
    }))
}

pub(super) async fn update(
    txn: &impl ConnectionTrait,
    changed: &OwnOrganization,
) -> Result<(), DbErr> {
    organization::Entity::update_many()
        .col_expr(organization::Column::Name, Expr::value(changed.name.as_str()))
        .col_expr(organization::Column::UpdatedAt, Expr::value(changed.updated_at))
        .filter(organization::COLUMN.id.eq(changed.id))
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes an organization; memberships and invitations go with it.
pub(super) async fn delete(tx: &Tx<'_>, id: OrganizationId) -> Result<(), DbErr> {
    let members = membership::Entity::find().select_only().column(membership::Column::UserId);
    let members = members.filter(membership::COLUMN.organization_id.eq(id));
    let members: Vec<UserId> = members.into_tuple().all(tx).await?;
    for user in members {
        tx.touch(user);
    }
    organization::Entity::delete_by_id(id).exec(tx).await?;
    Ok(())
}

/// The organizations that a user belongs to, in no particular order.
pub(super) async fn list_of(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<OwnOrganization>, DbErr> {
    own(user, db, |select| select).await
}

/// To which organizations a user belongs, and since when.
pub(super) async fn list_with_times(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<(OrganizationId, String, OrganizationRole, DateTime<Utc>)>, DbErr> {
    membership::Entity::find()
        .join(JoinType::InnerJoin, membership::Relation::Organization.def())
        .select_only()
        .column(membership::Column::OrganizationId)
        .column(organization::Column::Name)
        .column(membership::Column::Role)
        .column(membership::Column::CreatedAt)
        .filter(membership::COLUMN.user_id.eq(user))
        .order_by_asc(membership::Column::Id)
        .into_tuple()
        .all(db)
        .await
}

/// Those of `ids` that a user belongs to.
pub(super) async fn find_all(
    db: &impl ConnectionTrait,
    user: UserId,
    ids: &[OrganizationId],
) -> Result<Vec<OwnOrganization>, DbErr> {
    let among = membership::Column::OrganizationId.is_in(ids.iter().copied());
    own(user, db, |select| select.filter(among)).await
}

async fn own(
    user: UserId,
    db: &impl ConnectionTrait,
    narrow: impl FnOnce(Select<membership::Entity>) -> Select<membership::Entity>,
) -> Result<Vec<OwnOrganization>, DbErr> {
    let all = membership::Entity::find()
        .join(JoinType::InnerJoin, membership::Relation::Organization.def())
        .filter(membership::COLUMN.user_id.eq(user));
    let rows = narrow(all).into_partial_model::<OwnRow>().all(db).await?;
    Ok(rows.into_iter().map(OwnOrganization::from).collect())
}

pub(super) async fn insert_member(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
    user: UserId,
    role: OrganizationRole,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = membership::ActiveModel {
        id: Set(MembershipId::new(now)),
        organization_id: Set(organization),
        user_id: Set(user),
        role: Set(role),
        created_at: Set(now),
    };
    membership::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// What a user may do in an organization; `None` for whoever is no member.
pub(super) async fn find_role(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<OrganizationRole>, DbErr> {
    membership::Entity::find()
        .select_only()
        .column(membership::Column::Role)
        .filter(membership::COLUMN.organization_id.eq(organization))
        .filter(membership::COLUMN.user_id.eq(user))
        .into_tuple()
        .one(txn)
        .await
}

/// A member of an organization.
pub(super) async fn find_member(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<Member>, DbErr> {
    let row = membership::Entity::find()
        .join(JoinType::InnerJoin, membership::Relation::User.def())
        .filter(membership::COLUMN.organization_id.eq(organization))
        .filter(membership::COLUMN.user_id.eq(user))
        .into_partial_model::<MemberRow>()
        .one(txn)
        .await?;
    Ok(row.map(Member::from))
}

/// Those memberships that are of one of these organizations.
pub(super) async fn find_members(
    db: &impl ConnectionTrait,
    organizations: &[OrganizationId],
    ids: &[MembershipId],
) -> Result<Vec<(OrganizationId, Member)>, DbErr> {
    let rows = membership::Entity::find()
        .join(JoinType::InnerJoin, membership::Relation::User.def())
        .filter(membership::Column::OrganizationId.is_in(organizations.iter().copied()))
        .filter(membership::Column::Id.is_in(ids.iter().copied()))
        .into_partial_model::<MemberRow>()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.organization_id, row.into())).collect())
}

/// Those users who belong to one of these organizations.
pub(super) async fn find_fellows(
    db: &impl ConnectionTrait,
    organizations: &[OrganizationId],
    ids: &[UserId],
) -> Result<Vec<User>, DbErr> {
    let belonging = Query::select()
        .column(membership::Column::UserId)
        .from(membership::Entity)
        .and_where(membership::Column::OrganizationId.is_in(organizations.iter().copied()))
        .to_owned();
    let rows = user::Entity::find()
        .filter(user::Column::Id.is_in(ids.iter().copied()))
        .filter(user::Column::Id.in_subquery(belonging))
        .into_partial_model::<user::Account>()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Who of the other members of an organization is to own it: somebody who may sign in before anybody else,
/// then an owner, an admin, and who joined first.
pub(super) async fn find_heir(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
    but_for: &[UserId],
) -> Result<Option<(MembershipId, UserId)>, DbErr> {
    membership::Entity::find()
        .select_only()
        .column(membership::Column::Id)
        .column(membership::Column::UserId)
        .join(JoinType::InnerJoin, membership::Relation::User.def())
        .filter(membership::COLUMN.organization_id.eq(organization))
        .filter(membership::COLUMN.user_id.is_not_in(but_for.iter().copied()))
        .order_by_desc(user::Column::IsActive)
        .order_by_desc(membership::COLUMN.role.eq(OrganizationRole::Owner))
        .order_by_desc(membership::COLUMN.role.eq(OrganizationRole::Admin))
        .order_by_asc(membership::Column::Id)
        .limit(1)
        .into_tuple()
        .one(txn)
        .await
}

pub(super) async fn set_role(
    tx: &Tx<'_>,
    (id, user): (MembershipId, UserId),
    role: OrganizationRole,
) -> Result<(), DbErr> {
    tx.touch(user);
    membership::Entity::update_many()
        .col_expr(membership::Column::Role, Expr::value(role))
        .filter(membership::COLUMN.id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

pub(super) async fn delete_member(tx: &Tx<'_>, member: &Member) -> Result<(), DbErr> {
    tx.touch(member.user.id);
    membership::Entity::delete_by_id(member.id).exec(tx).await?;
    Ok(())
}

/// Whether an organization has another owner than `owner` who may sign in.
pub(super) async fn has_other_owner(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
    owner: UserId,
) -> Result<bool, DbErr> {
    let others = membership::Entity::find()
        .join(JoinType::InnerJoin, membership::Relation::User.def())
        .filter(membership::COLUMN.organization_id.eq(organization))
        .filter(membership::COLUMN.role.eq(OrganizationRole::Owner))
        .filter(membership::COLUMN.user_id.ne(owner))
        .filter(user::COLUMN.is_active.eq(true));
    Ok(others.count(txn).await? > 0)
}

/// How many organizations a user belongs to.
pub(super) async fn count_memberships(tx: &Tx<'_>, user: UserId) -> Result<u64, DbErr> {
    membership::Entity::find().filter(membership::COLUMN.user_id.eq(user)).count(tx).await
}

/// One more member of each organization than the page has, in the direction it is read.
pub(super) async fn list_members(
    db: &impl ConnectionTrait,
    organizations: &[OrganizationId],
    part: Part,
) -> Result<Vec<(OrganizationId, Member)>, DbErr> {
    let (order, word) = match part.from_end {
        true => (Order::Desc, "DESC"),
        false => (Order::Asc, "ASC"),
    };
    let mut among = membership::Entity::find()
        .filter(membership::Column::OrganizationId.is_in(organizations.iter().copied()));
    if let Some(after) = part.after {
        among = among.filter(membership::COLUMN.id.gt(after));
    }
    if let Some(before) = part.before {
        among = among.filter(membership::COLUMN.id.lt(before));
    }
    let most = part.size + 1;
    let page = if organizations.len() == 1 {
        among.limit(most)
    } else {
        // The first so many of each organization.
        let place = format!(
            "ROW_NUMBER() OVER (PARTITION BY memberships.organization_id \
             ORDER BY memberships.id {word})"
        );
        let places = among
            .select_only()
            .column(membership::Column::Id)
            .column_as(Expr::cust(place), "place")
            .into_query();
        let first = Query::select()
            .column("id")
            .from_subquery(places, "placed")
            .and_where(Expr::col("place").lte(most))
            .to_owned();
        membership::Entity::find().filter(membership::Column::Id.in_subquery(first))
    };
    let rows = page
        .join(JoinType::InnerJoin, membership::Relation::User.def())
        .order_by(membership::Column::Id, order)
        .into_partial_model::<MemberRow>()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.organization_id, row.into())).collect())
}

pub(super) async fn count_members(
    db: &impl ConnectionTrait,
    organizations: &[OrganizationId],
) -> Result<HashMap<OrganizationId, u64>, DbErr> {
    let counts: Vec<(OrganizationId, i64)> = membership::Entity::find()
        .select_only()
        .column(membership::Column::OrganizationId)
        .column_as(membership::Column::Id.count(), "members")
        .filter(membership::Column::OrganizationId.is_in(organizations.iter().copied()))
        .group_by(membership::Column::OrganizationId)
        .into_tuple()
        .all(db)
        .await?;
    let count = |(id, count)| (id, u64::try_from(count).unwrap_or_default());
    Ok(counts.into_iter().map(count).collect())
}
