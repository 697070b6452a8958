//! The `invitations` table.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, DeleteMany, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::Invitation;
use crate::infra::db::Db;
use crate::kernel::access::OrganizationRole;
use crate::kernel::id::{InvitationId, OrganizationId, UserId};
use crate::tables::{invitation, membership, organization, user};

/// Invitations to one address that are listed at most.
const RECEIVED_MAX: u64 = 100;

/// An invitation with the name of its organization.
type Row = (invitation::Model, Option<organization::Model>);

impl From<Row> for Invitation {
    fn from((row, organization): Row) -> Self {
        Self {
            id: row.id,
            organization: row.organization_id,
            // Its foreign key leads to one.
            organization_name: organization.map(|row| row.name).unwrap_or_default(),
            email: row.email,
            email_key: row.email_key,
            role: row.role,
            invited_by: row.invited_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

pub(super) async fn insert(txn: &impl ConnectionTrait, new: &Invitation) -> Result<(), DbErr> {
    let row = invitation::ActiveModel {
        id: Set(new.id),
        organization_id: Set(new.organization),
        email: Set(new.email.clone()),
        email_key: Set(new.email_key.clone()),
        role: Set(new.role),
        invited_by: Set(new.invited_by),
        created_at: Set(new.created_at),
        expires_at: Set(new.expires_at),
    };
    invitation::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

pub(super) async fn find(
    txn: &impl ConnectionTrait,
    id: InvitationId,
) -> Result<Option<Invitation>, DbErr> {
    let select = invitation::Entity::find_by_id(id).find_also_related(organization::Entity);
    Ok(select.one(txn).await?.map(Invitation::from))
}

/// The pending invitations of organizations, the oldest first.
pub(super) async fn list_pending(
    db: &impl ConnectionTrait,
    organizations: &[OrganizationId],
    now: DateTime<Utc>,
) -> Result<Vec<Invitation>, DbErr> {
    let rows = invitation::Entity::find()
        .find_also_related(organization::Entity)
        .filter(invitation::Column::OrganizationId.is_in(organizations.iter().copied()))
        .filter(invitation::COLUMN.expires_at.gt(now))
        .order_by_asc(invitation::Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Invitation::from).collect())
}

/// Those pending invitations that are of one of these organizations.
pub(in crate::features::organizations) async fn find_pending(
    db: &impl ConnectionTrait,
    organizations: &[OrganizationId],
    ids: &[InvitationId],
    now: DateTime<Utc>,
) -> Result<Vec<Invitation>, DbErr> {
    if ids.is_empty() || organizations.is_empty() {
        return Ok(Vec::new());
    }
    let rows = invitation::Entity::find()
        .find_also_related(organization::Entity)
        .filter(invitation::Column::OrganizationId.is_in(organizations.iter().copied()))
        .filter(invitation::Column::Id.is_in(ids.iter().copied()))
        .filter(invitation::COLUMN.expires_at.gt(now))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Invitation::from).collect())
}

/// Those pending invitations to an address that are among `ids`: the newest hundred.
pub(super) async fn list_to(
    db: &impl ConnectionTrait,
    email_key: &str,
    ids: &[InvitationId],
    now: DateTime<Utc>,
) -> Result<Vec<Invitation>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = invitation::Entity::find()
        .find_also_related(organization::Entity)
        .filter(invitation::Column::Id.is_in(ids.iter().copied()))
        .filter(invitation::COLUMN.email_key.eq(email_key))
        .filter(invitation::COLUMN.expires_at.gt(now))
        .order_by_desc(invitation::Column::Id)
        .limit(RECEIVED_MAX)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Invitation::from).collect())
}

/// What these users are in these organizations.
pub(super) async fn list_roles(
    db: &impl ConnectionTrait,
    organizations: &[OrganizationId],
    users: &[UserId],
) -> Result<HashMap<(OrganizationId, UserId), OrganizationRole>, DbErr> {
    if organizations.is_empty() || users.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(OrganizationId, UserId, OrganizationRole)> = membership::Entity::find()
        .select_only()
        .columns([membership::Column::OrganizationId, membership::Column::UserId])
        .column(membership::Column::Role)
        .filter(membership::Column::OrganizationId.is_in(organizations.iter().copied()))
        .filter(membership::Column::UserId.is_in(users.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(organization, user, role)| ((organization, user), role)).collect())
}

/// How many invitations of an organization are pending.
pub(super) async fn count_pending(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    invitation::Entity::find()
        .filter(invitation::COLUMN.organization_id.eq(organization))
        .filter(invitation::COLUMN.expires_at.gt(now))
        .count(txn)
        .await
}

/// Deletes an invitation, unless it is gone; says whether this call did it.
pub(super) async fn delete(txn: &impl ConnectionTrait, id: InvitationId) -> Result<bool, DbErr> {
    Ok(invitation::Entity::delete_by_id(id).exec(txn).await?.rows_affected == 1)
}

/// Deletes the invitation of an organization to an address.
pub(super) async fn delete_to(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
    email_key: &str,
) -> Result<(), DbErr> {
    invitation::Entity::delete_many()
        .filter(invitation::COLUMN.organization_id.eq(organization))
        .filter(invitation::COLUMN.email_key.eq(email_key))
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes the invitation of an organization to the address of a user's account.
pub(in crate::features::organizations) async fn delete_to_user(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
    id: UserId,
) -> Result<(), DbErr> {
    let theirs = to_user(id).filter(invitation::COLUMN.organization_id.eq(organization));
    theirs.exec(txn).await?;
    Ok(())
}

/// Deletes what a member has invited to an organization.
pub(in crate::features::organizations) async fn delete_by(
    txn: &impl ConnectionTrait,
    organization: OrganizationId,
    inviter: UserId,
) -> Result<(), DbErr> {
    invitation::Entity::delete_many()
        .filter(invitation::COLUMN.organization_id.eq(organization))
        .filter(invitation::COLUMN.invited_by.eq(inviter))
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes all invitations to the address of a user's account.
pub(in crate::features::organizations) async fn delete_all_to_user(
    txn: &impl ConnectionTrait,
    id: UserId,
) -> Result<(), DbErr> {
    to_user(id).exec(txn).await?;
    Ok(())
}

fn to_user(id: UserId) -> DeleteMany<invitation::Entity> {
    let address = Query::select()
        .column(user::Column::EmailKey)
        .from(user::Entity)
        .and_where(user::Column::Id.eq(id))
        .to_owned();
    invitation::Entity::delete_many().filter(invitation::Column::EmailKey.in_subquery(address))
}

/// Deletes at most `batch` invitations that have expired, and says how many.
pub(super) async fn delete_expired(db: &Db, now: DateTime<Utc>, batch: u64) -> Result<u64, DbErr> {
    let ids: Vec<InvitationId> = invitation::Entity::find()
        .select_only()
        .column(invitation::Column::Id)
        .filter(invitation::COLUMN.expires_at.lte(now))
        .order_by_asc(invitation::Column::ExpiresAt)
        .limit(batch)
        .into_tuple()
        .all(db.reader())
        .await?;
    let found = ids.len() as u64;
    if ids.is_empty() {
        return Ok(0);
    }
    let delete =
        invitation::Entity::delete_many().filter(invitation::COLUMN.id.is_in(ids.iter().copied()));
    delete.exec(db.writer()).await?;
    Ok(found)
}

/// Whether a user may sign in.
pub(super) async fn is_active(txn: &impl ConnectionTrait, id: UserId) -> Result<bool, DbErr> {
    let active = user::Entity::find_by_id(id).filter(user::COLUMN.is_active.eq(true));
    Ok(active.count(txn).await? == 1)
}
