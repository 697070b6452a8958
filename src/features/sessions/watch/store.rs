//! What the tables `sessions`, `users` and `memberships` say about the callers of open streams.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait,
};

use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::tables::{membership, session, user};

/// A digest of each of these sessions that goes on: of its generation, of what its user may do, and of when they were changed
/// last.
pub(super) async fn look(
    db: &impl ConnectionTrait,
    sessions: &[SessionId],
) -> Result<HashMap<SessionId, u64>, DbErr> {
    type Row = (SessionId, UserId, i32, String, Option<String>, DateTime<Utc>);
    let rows: Vec<Row> = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .column(session::Column::UserId)
        .column(session::Column::Generation)
        .column(user::Column::Role)
        .column(user::Column::Grants)
        .column(user::Column::UpdatedAt)
        .join(JoinType::InnerJoin, session::Relation::User.def())
        .filter(session::COLUMN.id.is_in(sessions.iter().copied()))
        .filter(session::COLUMN.ended_at.is_null())
        .filter(user::COLUMN.is_active.eq(true))
        .into_tuple()
        .all(db)
        .await?;
    let users: Vec<UserId> = rows.iter().map(|(_, user, ..)| *user).collect();
    let memberships: Vec<(UserId, OrganizationId, String)> = membership::Entity::find()
        .select_only()
        .column(membership::Column::UserId)
        .column(membership::Column::OrganizationId)
        .column(membership::Column::Role)
        .filter(membership::COLUMN.user_id.is_in(users))
        .order_by_asc(membership::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    let mut hashers: HashMap<UserId, DefaultHasher> = HashMap::new();
    for (user, organization, role) in memberships {
        (organization.0, role).hash(hashers.entry(user).or_default());
    }
    let digest = |(session, user, generation, role, grants, updated_at): Row| {
        let mut hasher = hashers.get(&user).cloned().unwrap_or_default();
        (generation, role, grants, updated_at.timestamp_micros()).hash(&mut hasher);
        (session, hasher.finish())
    };
    Ok(rows.into_iter().map(digest).collect())
}
