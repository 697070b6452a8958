//! The table `sessions`, as far as it tells who calls.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, DerivePartialModel, EntityTrait, JoinType, QueryFilter,
    QuerySelect, RelationTrait, Select,
};

use super::super::credential;
use super::super::store::{acting_in, amr_of, organization, role};
use crate::infra::db::Db;
use crate::kernel::access::{
    ActiveOrganization, Credential, OrganizationRole, Proofs, Proven, TokenMode, Viewer,
};
use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::kernel::read_by_fields;
use crate::tables::{session, user};

#[derive(DerivePartialModel)]
#[sea_orm(entity = "session::Entity")]
struct KnownRow {
    id: SessionId,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    token_mode: TokenMode,
    generation: i32,
    generation_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    secret_digest: Vec<u8>,
    #[sea_orm(from_expr = "organization()")]
    organization_id: Option<OrganizationId>,
    #[sea_orm(from_expr = "role()")]
    organization_role: Option<OrganizationRole>,
    #[sea_orm(nested)]
    user: user::Account,
}

read_by_fields!(KnownRow {
    id,
    created_at,
    expires_at,
    token_mode,
    generation,
    generation_at,
    last_used_at,
    secret_digest,
    organization_id,
    organization_role,
    user
});

/// What is known of a session that has not ended.
#[derive(Clone)]
pub(in crate::features::sessions) struct Known {
    /// Its user, as who has just signed in.
    pub(in crate::features::sessions) viewer: Viewer,
    pub(in crate::features::sessions) generation: u32,
    pub(in crate::features::sessions) generation_at: DateTime<Utc>,
    pub(in crate::features::sessions) last_used_at: DateTime<Utc>,
    pub(in crate::features::sessions) secret_digest: Vec<u8>,
}

impl Known {
    /// Whether its user belongs to the organization that a call names, if it names one.
    pub(in crate::features::sessions) fn is_member_of(
        &self,
        organization: Option<OrganizationId>,
    ) -> bool {
        organization.is_none() || self.viewer.organization.is_some()
    }
}

/// A session that has not ended, whose user is `user` and active, and what they are in an organization.
pub(in crate::features::sessions) async fn find_known(
    db: &Db,
    session: SessionId,
    user: UserId,
    organization: Option<OrganizationId>,
) -> Result<Option<Known>, DbErr> {
    let row = db.read::<_, KnownRow>(living(session, user, organization)).await?.pop();
    Ok(row.map(Known::from))
}

/// The same inside a transaction.
pub(in crate::features::sessions) async fn read_known(
    txn: &impl ConnectionTrait,
    session: SessionId,
    user: UserId,
    organization: Option<OrganizationId>,
) -> Result<Option<Known>, DbErr> {
    let select = living(session, user, organization).into_partial_model::<KnownRow>();
    Ok(select.one(txn).await?.map(Known::from))
}

fn living(
    session: SessionId,
    user: UserId,
    organization: Option<OrganizationId>,
) -> Select<session::Entity> {
    session::Entity::find()
        .join(JoinType::InnerJoin, session::Relation::User.def())
        .join(JoinType::LeftJoin, acting_in(organization))
        .filter(session::COLUMN.id.eq(session))
        .filter(session::COLUMN.user_id.eq(user))
        .filter(session::COLUMN.ended_at.is_null())
        .filter(user::COLUMN.is_active.eq(true))
}

impl From<KnownRow> for Known {
    fn from(row: KnownRow) -> Self {
        let viewer = Viewer {
            user: Arc::new(row.user.into()),
            session_id: row.id,
            session_mode: row.token_mode,
            credential: Credential::Cookie { expires_at: row.expires_at },
            proven: Proven { at: row.created_at, by: Proofs::default() },
            session_expires_at: row.expires_at,
            organization: ActiveOrganization::of(row.organization_id, row.organization_role),
        };
        Self {
            viewer,
            generation: row.generation.unsigned_abs(),
            generation_at: row.generation_at,
            last_used_at: row.last_used_at,
            secret_digest: row.secret_digest,
        }
    }
}

/// Raises the generation of a session that has that of this cookie, and notes the proofs; says whether it was.
pub(in crate::features::sessions) async fn raise(
    txn: &impl ConnectionTrait,
    cookie: &credential::Credential,
    proofs: Proofs,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let Ok(generation) = i32::try_from(cookie.generation) else { return Ok(false) };
    let outcome = session::Entity::update_many()
        .col_expr(session::Column::Generation, Expr::value(generation.saturating_add(1)))
        .col_expr(session::Column::GenerationAt, Expr::value(now))
        .col_expr(session::Column::LastUsedAt, Expr::value(now))
        .col_expr(session::Column::Amr, Expr::value(amr_of(proofs)))
        .col_expr(session::Column::Acr, Expr::value(proofs.level().into_str()))
        .filter(session::COLUMN.id.eq(cookie.session))
        .filter(session::COLUMN.generation.eq(generation))
        .filter(session::COLUMN.ended_at.is_null())
        .exec(txn)
        .await?;
    Ok(outcome.rows_affected == 1)
}

/// Notes that a session was used, unless that is noted of a later time than `before`.
pub(in crate::features::sessions) async fn note_use(
    db: &impl ConnectionTrait,
    id: SessionId,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    session::Entity::update_many()
        .col_expr(session::Column::LastUsedAt, Expr::value(now))
        .filter(session::COLUMN.id.eq(id))
        .filter(session::COLUMN.last_used_at.lt(before))
        .filter(session::COLUMN.ended_at.is_null())
        .exec(db)
        .await?;
    Ok(())
}
