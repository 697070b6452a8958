//! The `audit_events` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, ExprTrait, Order,
    QueryFilter, QueryOrder, QuerySelect, Select,
};

use uuid::Uuid;

use super::listing::{Filter, Listing, Place, Recorded, Side};
use super::{Detail, Event, Kind, Outcome, refusals};
use crate::kernel::acting::ActorType;
use crate::kernel::id::{AuditEventId, UserId};
use crate::kernel::secret::sha256;
use crate::tables::audit_event;

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    event: Event<'_>,
    detail: Detail,
    occurrences: u32,
) -> Result<AuditEventId, DbErr> {
    let id = AuditEventId::new(now);
    let row = audit_event::ActiveModel {
        id: Set(id),
        organization_id: Set(detail.organization),
        detail: Set(detail.subject),
        ..row(now, &event, occurrences)
    };
    audit_event::Entity::insert(row).exec_without_returning(db).await?;
    Ok(id)
}

/// Writes refusals, each with its count, in one statement.
pub(super) async fn insert_refusals(
    db: &impl ConnectionTrait,
    due: &[refusals::Due],
) -> Result<(), DbErr> {
    let rows = due.iter().map(|due| row(due.first_at, &due.event(), due.occurrences));
    audit_event::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}

fn row(now: DateTime<Utc>, event: &Event<'_>, occurrences: u32) -> audit_event::ActiveModel {
    audit_event::ActiveModel {
        id: Set(AuditEventId::new(now)),
        created_at: Set(now),
        kind: Set(event.kind.into_str().to_owned()),
        outcome: Set(event.kind.outcome().into_str().to_owned()),
        actor_kind: Set(ActorType::from(event.actor).into_str().to_owned()),
        actor_id: Set(event.actor.id()),
        target_id: Set(event.target),
        organization_id: Set(None),
        detail: Set(None),
        session_hash: Set(event.session.map(|id| sha256(id.0.as_bytes()).to_vec())),
        ip: Set(event.origin.ip.map(|ip| ip.to_string())),
        user_agent: Set(event.origin.user_agent.clone()),
        request_id: Set(event.origin.request_id.map(|id| id.to_string())),
        occurrences: Set(i64::from(occurrences)),
        sealed_at: Set(None),
    }
}

/// The next events after one and up to another, by their ids, and whether each still tells from where it came.
pub(super) async fn up_to(
    db: &impl ConnectionTrait,
    after: Uuid,
    last: Uuid,
    limit: u64,
) -> Result<Vec<(Uuid, bool)>, DbErr> {
    let column = &audit_event::COLUMN;
    let has_origin = column.ip.is_not_null().or(column.user_agent.is_not_null());
    audit_event::Entity::find()
        .select_only()
        .column(audit_event::Column::Id)
        .expr(has_origin)
        .filter(audit_event::Column::Id.gt(after))
        .filter(audit_event::Column::Id.lte(last))
        .order_by_asc(audit_event::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

pub(super) async fn erase_origins(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<(), DbErr> {
    audit_event::Entity::update_many()
        .col_expr(audit_event::Column::Ip, Expr::value(None::<String>))
        .col_expr(audit_event::Column::UserAgent, Expr::value(None::<String>))
        .filter(audit_event::Column::Id.is_in(ids.iter().copied()))
        .exec(db)
        .await?;
    Ok(())
}

/// Erases from where the events came that a user caused, or that nobody known caused to them.
pub(super) async fn erase_origins_of(
    txn: &impl ConnectionTrait,
    UserId(id): UserId,
) -> Result<(), DbErr> {
    let column = &audit_event::COLUMN;
    let to_them = column.target_id.eq(id).and(column.actor_id.is_null());
    audit_event::Entity::update_many()
        .col_expr(audit_event::Column::Ip, Expr::value(None::<String>))
        .col_expr(audit_event::Column::UserAgent, Expr::value(None::<String>))
        .filter(Condition::any().add(column.actor_id.eq(id)).add(to_them))
        .exec(txn)
        .await?;
    Ok(())
}

pub(super) async fn oldest_unsealed(
    db: &impl ConnectionTrait,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    audit_event::Entity::find()
        .select_only()
        .column(audit_event::Column::CreatedAt)
        .filter(audit_event::COLUMN.sealed_at.is_null())
        .order_by_asc(audit_event::Column::Id)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
}

pub(super) async fn newest(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    audit_event::Entity::find()
        .select_only()
        .column(audit_event::Column::CreatedAt)
        .order_by_desc(audit_event::Column::CreatedAt)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
}

/// At most `limit` events of a listing, beginning at the end it is counted from.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    listing: &Listing,
    limit: u64,
) -> Result<Vec<Recorded>, DbErr> {
    let backend = db.get_database_backend();
    let mut select = matching(&listing.filter);
    for (place, is_before) in [(listing.part.after, false), (listing.part.before, true)] {
        if let Some(place) = place {
            select = select.filter(beyond(backend, place, Side { is_before, inclusive: false }));
        }
    }
    let direction = if listing.part.from_end { Order::Asc } else { Order::Desc };
    let rows = select
        .order_by(audit_event::Column::CreatedAt, direction.clone())
        .order_by(audit_event::Column::Id, direction)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Recorded::from).collect())
}

pub(super) async fn find_all(
    db: &impl ConnectionTrait,
    ids: &[AuditEventId],
    filter: &Filter,
) -> Result<Vec<Recorded>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let select = matching(filter).filter(audit_event::COLUMN.id.is_in(ids.iter().copied()));
    Ok(select.all(db).await?.into_iter().map(Recorded::from).collect())
}

pub(super) async fn exists_beyond(
    db: &impl ConnectionTrait,
    filter: &Filter,
    place: Place,
    side: Side,
) -> Result<bool, DbErr> {
    let found: Option<AuditEventId> = matching(filter)
        .select_only()
        .column(audit_event::Column::Id)
        .filter(beyond(db.get_database_backend(), place, side))
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.is_some())
}

fn matching(filter: &Filter) -> Select<audit_event::Entity> {
    let column = &audit_event::COLUMN;
    let kinds = filter
        .kinds
        .as_ref()
        .map(|kinds| audit_event::Column::Kind.is_in(kinds.iter().map(|kind| kind.into_str())));
    let about = filter.about.map(|UserId(id)| {
        Condition::any().add(column.actor_id.eq(id)).add(column.target_id.eq(id))
    });
    let all = Condition::all()
        .add_option(kinds)
        .add_option(about)
        .add_option(filter.actor.map(|id| column.actor_id.eq(id)))
        .add_option(filter.target.map(|id| column.target_id.eq(id)))
        .add_option(filter.from.map(|time| column.created_at.gte(time)))
        .add_option(filter.until.map(|time| column.created_at.lt(time)));
    audit_event::Entity::find().filter(all)
}

/// What stands on one side of `place`, in the form that a composite index serves.
fn beyond(backend: DbBackend, place: Place, side: Side) -> SimpleExpr {
    // The newest stand first, so what is before is greater.
    let is_greater = side.is_before;
    let (time, id) =
        (Expr::col(audit_event::Column::CreatedAt), Expr::col(audit_event::Column::Id));
    let (moment, there) = (Expr::value(place.created_at), Expr::value(place.id));
    if backend == DbBackend::MySql {
        // MySQL uses no index for a comparison of rows, but two ranges of it for this.
        let by_id = match (is_greater, side.inclusive) {
            (true, false) => id.gt(there),
            (true, true) => id.gte(there),
            (false, false) => id.lt(there),
            (false, true) => id.lte(there),
        };
        let further = if is_greater {
            time.clone().gt(moment.clone())
        } else {
            time.clone().lt(moment.clone())
        };
        return further.or(time.eq(moment).and(by_id));
    }
    let (here, there) = (Expr::tuple([time, id]), Expr::tuple([moment, there]));
    match (is_greater, side.inclusive) {
        (true, false) => here.gt(there),
        (true, true) => here.gte(there),
        (false, false) => here.lt(there),
        (false, true) => here.lte(there),
    }
}

impl From<audit_event::Model> for Recorded {
    fn from(row: audit_event::Model) -> Self {
        Self {
            place: Place { created_at: row.created_at, id: row.id },
            kind: Kind::parse(&row.kind),
            outcome: row.outcome.parse().unwrap_or(Outcome::Refused),
            actor_type: row.actor_kind.parse().ok(),
            actor: row.actor_id.map(UserId),
            target: row.target_id,
            organization: row.organization_id,
            detail: row.detail,
            ip: row.ip.and_then(|ip| ip.parse().ok()),
            user_agent: row.user_agent,
            request_id: row.request_id,
            occurrences: row.occurrences,
        }
    }
}
