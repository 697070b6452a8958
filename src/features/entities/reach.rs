//! What of an entity somebody reaches, and as SQL.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IdenStatic, IntoActiveModel, Iterable,
    PrimaryKeyToColumn, Value,
};
use uuid::Uuid;

use super::Owned;
use crate::kernel::access::{Permission, Viewer};
use crate::kernel::id::{OrganizationId, UserId};

/// What of all rows somebody reaches: made of the viewer, and of nothing that a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
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

impl Reach {
    /// What the caller made where they act now.
    pub(super) fn own<E: Owned>(viewer: &Viewer) -> Self {
        let owner = viewer.user.id;
        match (E::ORGANIZATION, viewer.organization) {
            (None, _) => Self::Everywhere(owner),
            (Some(_), None) => Self::Personal(owner),
            (Some(_), Some(active)) => Self::Own(owner, active.id),
        }
    }

    /// What the caller may see.
    pub(super) fn seen<E: Owned>(viewer: &Viewer, now: DateTime<Utc>) -> Self {
        match (E::ORGANIZATION, viewer.organization) {
            _ if may(viewer, E::READ_ALL, now) => Self::All,
            (Some(_), Some(active)) => Self::Organization(active.id),
            _ => Self::own::<E>(viewer),
        }
    }

    /// What the caller may change.
    pub(super) fn changed<E: Owned>(viewer: &Viewer, now: DateTime<Utc>) -> Self {
        if may(viewer, E::WRITE_ALL, now) { Self::All } else { Self::own::<E>(viewer) }
    }

    /// The one place where it becomes SQL.
    pub(super) fn condition<E: Owned>(self) -> Condition {
        let of = |user: UserId| E::OWNER.eq(user);
        match (self, E::ORGANIZATION) {
            (Self::All, _) => Condition::all(),
            (Self::Everywhere(owner), _) => Condition::all().add(of(owner)),
            (Self::Personal(owner), Some(column)) => {
                Condition::all().add(of(owner)).add(column.is_null())
            }
            (Self::Own(owner, organization), Some(column)) => {
                Condition::all().add(of(owner)).add(column.eq(organization))
            }
            (Self::Organization(organization), Some(column)) => {
                Condition::all().add(column.eq(organization))
            }
            // There is no such reach where rows belong to no organization.
            (Self::Personal(_) | Self::Own(..) | Self::Organization(_), None) => {
                Condition::all().add(Expr::value(false))
            }
        }
    }
}

fn may(viewer: &Viewer, permission: Option<Permission>, now: DateTime<Utc>) -> bool {
    permission.is_some_and(|permission| viewer.user.may(permission, now))
}

/// The column of the primary key, of which there is one.
pub(super) fn key<E: EntityTrait>() -> Option<E::Column> {
    E::PrimaryKey::iter().next().map(PrimaryKeyToColumn::into_column)
}

/// The id of a row; the nil UUID where its primary key is no UUID, which no migration of ours makes.
pub(crate) fn key_of<E: Owned>(row: &E::Model) -> Uuid {
    let row = row.clone().into_active_model();
    match key::<E>().and_then(|key| row.get(key).into_value()) {
        Some(Value::Uuid(Some(id))) => id,
        _ => Uuid::nil(),
    }
}

/// That a row is one of these.
pub(super) fn has_id<E: EntityTrait>(ids: impl IntoIterator<Item = Uuid>) -> Condition {
    Condition::all().add_option(key::<E>().map(|key| key.is_in(ids)))
}

pub(super) fn is_same<C: IdenStatic>(one: C, other: C) -> bool {
    one.as_str() == other.as_str()
}
