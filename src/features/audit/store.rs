//! The `audit_events` table.

use chrono::{DateTime, TimeDelta, Utc};
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
use crate::kernel::id::{AuditEventId, UserId, last_uuid_of};
use crate::kernel::secret::sha256;
use crate::tables::audit_event;

/// Rows in one statement, whose values the databases bound.
const TOGETHER_MAX: usize = 100;

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    event: Event<'_>,
    detail: Detail,
    occurrences: u32,
) -> Result<AuditEventId, DbErr> {
    let id = AuditEventId::new(now);
    let row =
        audit_event::ActiveModel { id: Set(id), ..detailed(now, &event, detail, occurrences) };
    audit_event::Entity::insert(row).exec_without_returning(db).await?;
    Ok(id)
}

/// Writes events, a hundred in one statement.
pub(super) async fn insert_all(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    events: Vec<(Event<'_>, Detail)>,
) -> Result<(), DbErr> {
    let mut rows = events.into_iter().map(|(event, detail)| detailed(now, &event, detail, 1));
    loop {
        let some: Vec<_> = rows.by_ref().take(TOGETHER_MAX).collect();
        if some.is_empty() {
            return Ok(());
        }
        audit_event::Entity::insert_many(some).exec_without_returning(db).await?;
    }
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

fn detailed(
    now: DateTime<Utc>,
    event: &Event<'_>,
    detail: Detail,
    occurrences: u32,
) -> audit_event::ActiveModel {
    audit_event::ActiveModel {
        organization_id: Set(detail.organization),
        detail: Set(detail.subject),
        ..row(now, event, occurrences)
    }
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
        seq: Set(None),
        digest: Set(None),
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
        .filter(audit_event::COLUMN.seq.is_null())
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
        .order_by_desc(audit_event::Column::Id)
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
    let mut select = matching(db.get_database_backend(), &listing.filter);
    for (place, is_before) in [(listing.part.after, false), (listing.part.before, true)] {
        if let Some(place) = place {
            select = select.filter(beyond(place, Side { is_before, inclusive: false }));
        }
    }
    let direction = if listing.part.from_end { Order::Asc } else { Order::Desc };
    let rows = select.order_by(audit_event::Column::Id, direction).limit(limit).all(db).await?;
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
    let select = matching(db.get_database_backend(), filter)
        .filter(audit_event::COLUMN.id.is_in(ids.iter().copied()));
    Ok(select.all(db).await?.into_iter().map(Recorded::from).collect())
}

pub(super) async fn exists_beyond(
    db: &impl ConnectionTrait,
    filter: &Filter,
    place: Place,
    side: Side,
) -> Result<bool, DbErr> {
    let found: Option<AuditEventId> = matching(db.get_database_backend(), filter)
        .select_only()
        .column(audit_event::Column::Id)
        .filter(beyond(place, side))
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.is_some())
}

fn matching(backend: DbBackend, filter: &Filter) -> Select<audit_event::Entity> {
    let column = &audit_event::COLUMN;
    let kinds = filter
        .kinds
        .as_ref()
        .map(|kinds| audit_event::Column::Kind.is_in(kinds.iter().map(|kind| kind.into_str())));
    let to_another = |id: Uuid| column.target_id.eq(id).and(is_to_another(backend));
    let about = filter
        .about
        .map(|UserId(id)| Condition::any().add(column.actor_id.eq(id)).add(to_another(id)));
    let target = filter.target.map(|id| {
        let to_themself = column.target_id.eq(id).and(column.actor_id.eq(id));
        Condition::any().add(to_another(id)).add(to_themself)
    });
    // The ids carry the milliseconds of the times, and have the index.
    let first = |time: DateTime<Utc>| last_uuid_of(time - TimeDelta::milliseconds(1));
    let id = || Expr::col(audit_event::Column::Id);
    let all = Condition::all()
        .add_option(kinds)
        .add_option(about)
        .add_option(filter.actor.map(|id| column.actor_id.eq(id)))
        .add_option(target)
        .add_option(filter.from.map(|time| column.created_at.gte(time)))
        .add_option(filter.from.map(|time| id().gt(first(time))))
        .add_option(filter.until.map(|time| column.created_at.lt(time)))
        .add_option(filter.until.map(|time| id().lte(last_uuid_of(time))));
    audit_event::Entity::find().filter(all)
}

/// Matches events whose target is not their actor. The index of targets holds only these, where the database has partial
/// indexes.
fn is_to_another(backend: DbBackend) -> SimpleExpr {
    match backend {
        DbBackend::MySql => Expr::value(true),
        _ => Expr::cust("target_id IS DISTINCT FROM actor_id"),
    }
}

/// What stands on one side of `place`. The newest stand first, so what is before is greater.
fn beyond(place: Place, side: Side) -> SimpleExpr {
    let (id, there) = (Expr::col(audit_event::Column::Id), Expr::value(place.id));
    match (side.is_before, side.inclusive) {
        (true, false) => id.gt(there),
        (true, true) => id.gte(there),
        (false, false) => id.lt(there),
        (false, true) => id.lte(there),
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

#[cfg(test)]
mod tests {
    use sea_orm::QueryTrait;

    use super::*;
    use crate::infra::db::Db;

    #[tokio::test]
    async fn indexes_find_what_was_done_by_somebody_and_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let db = Db::connect(&url, 2).await.unwrap();
        db.migrate_up(migration::Migrations::default()).await.unwrap();
        let (actor, target) = ("audit_events_actor ", "audit_events_target ");
        let id = Uuid::nil();
        for (filter, indexes) in [
            (Filter { about: Some(UserId(id)), ..Filter::default() }, &[actor, target][..]),
            (Filter { target: Some(id), ..Filter::default() }, &[actor, target]),
            (Filter { actor: Some(UserId(id)), ..Filter::default() }, &[actor]),
        ] {
            let mut statement = matching(DbBackend::Sqlite, &filter).build(DbBackend::Sqlite);
            statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
            let plan = db.reader().query_all_raw(statement).await.unwrap();
            let plan: Vec<String> =
                plan.iter().map(|row| row.try_get("", "detail").unwrap()).collect();
            let plan = plan.join("\n");
            assert!(indexes.iter().all(|index| plan.contains(index)), "{plan}");
            assert!(!plan.contains("SCAN"), "{plan}");
        }
    }
}
