//! Audit: what happened to whom, by whom, from where.
//!
//! At the bottom of everything. [`record_all`] runs inside the transaction that makes the change. A refused
//! call has no change to join; [`Refusals`] counts those and writes them beside.

mod chain;
pub(crate) mod kind;
mod listing;
mod refusals;
mod store;
mod tail;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

pub(crate) use self::chain::{Chain, Head, NotedHead, sign_again};
pub use self::kind::Kind;
pub(crate) use self::kind::Outcome;
pub(crate) use self::listing::{Filter, Listing, Log, Place as EventPlace, Recorded, Side};
pub(crate) use self::refusals::Refusals;
use crate::infra::db::{Db, Pace};
use crate::infra::jobs::Lease;
use crate::kernel::access::Origin;
pub(crate) use crate::kernel::acting::Actor;
use crate::kernel::id::{OrganizationId, SessionId, UserId, last_uuid_of};

/// One security event.
pub(crate) struct Event<'a> {
    pub(crate) kind: Kind,
    pub(crate) actor: Actor,
    /// The user, the key, the organization or the mail it happened to.
    pub(crate) target: Option<Uuid>,
    /// The session it happened in, when there is one.
    pub(crate) session: Option<SessionId>,
    pub(crate) origin: &'a Origin,
}

/// What an event tells beside who and whom. Nothing about a person, which would have to be erased.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    /// The organization it happened in, where that is not the target.
    pub(crate) organization: Option<OrganizationId>,
    /// What was given or taken, as the schema spells it: a role or a permission. Of a prune the first
    /// link, and the last as a head; of mail that is all sent again, how many there are; of metadata, which; of a
    /// sign-in with a provider, or of an identity, the provider; of a restored backup, where its log ends; of
    /// migrations, the first of them.
    pub(crate) subject: Option<String>,
}

impl Detail {
    pub(crate) fn of(subject: &str) -> Self {
        Self { organization: None, subject: Some(subject.to_owned()) }
    }

    pub(crate) fn within(self, organization: OrganizationId) -> Self {
        Self { organization: Some(organization), ..self }
    }
}

/// Writes events, with what it is worth to know about them, into the transaction of what they tell. A change does so
/// with its commit (`features/change`).
pub(crate) async fn record_all(
    txn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    events: Vec<(Event<'_>, Detail)>,
) -> Result<(), DbErr> {
    store::insert_all(txn, now, events).await
}

/// Writes that an instance has started or stopped; nothing else changes with it.
pub(crate) async fn record_server(db: &Db, now: DateTime<Utc>, kind: Kind) -> Result<(), DbErr> {
    let (actor, origin) = (Actor::System, &Origin::CLI);
    let event = Event { kind, actor, target: None, session: None, origin };
    store::insert(db.writer(), now, event, Detail::default(), 1).await.map(|_id| ())
}

/// Writes that the operator reverts migrations, before it happens: afterwards there may be no place for it.
pub(crate) async fn note_reverted(db: &Db, now: DateTime<Utc>, what: &str) -> Result<(), DbErr> {
    let (actor, origin) = (Actor::Cli, &Origin::CLI);
    let kind = kind::MIGRATIONS_REVERTED;
    let event = Event { kind, actor, target: None, session: None, origin };
    store::insert(db.writer(), now, event, Detail::of(what), 1).await.map(|_id| ())
}

/// After this long an event no longer tells from where it came (DP-02).
const ORIGINS_KEPT: TimeDelta = TimeDelta::days(90);

/// Erases address and user agent of old events; no digest covers them. Goes on after the event that the job has
/// saved, and returns how many were erased.
pub(crate) async fn erase_origins(
    db: &Db,
    lease: &Lease,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let before = last_uuid_of(now - ORIGINS_KEPT);
    // What lies ahead of its time was not written here, and is no place to go on from.
    let done = lease.progress.as_deref().and_then(|id| id.parse().ok());
    let done = done.filter(|done| *done <= before);
    let (mut done, mut erased): (Uuid, u64) = (done.unwrap_or_default(), 0);
    let mut pace = Pace::start();
    loop {
        let events = store::up_to(db.reader(), done, before, Pace::ROWS).await?;
        let Some(&(last, _)) = events.last() else { return Ok(erased) };
        let told = events.iter().filter(|(_, has_origin)| *has_origin);
        let told: Vec<Uuid> = told.map(|(id, _)| *id).collect();
        if !told.is_empty() {
            store::erase_origins(db.writer(), &told).await?;
        }
        (done, erased) = (last, erased + told.len() as u64);
        let is_ours = lease.save(&done.to_string()).await?;
        if !is_ours || !pace.goes_on(events.len() as u64).await {
            return Ok(erased);
        }
    }
}

/// Erases from where the events came that a user caused, or that nobody known caused to them: what is
/// left of a deleted account is its bare id (DP-01).
pub(crate) async fn forget_origins(txn: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    store::erase_origins_of(txn, user).await
}

/// When the first event was written that has no link in the chain yet.
pub(crate) async fn oldest_unsealed(
    db: &impl ConnectionTrait,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    store::oldest_unsealed(db).await
}

/// When the newest event was written.
pub(crate) async fn newest(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    store::newest(db).await
}
