//! Pages of events, the newest first, by key and never by offset.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

use super::tail::Tail;
use super::{Kind, Outcome, store};
use crate::infra::db::Db;
use crate::kernel::acting::ActorType;
use crate::kernel::id::{AuditEventId, Id, OrganizationId, UserId};
use crate::kernel::page::{Page, Part};

/// Reads the audit log.
#[derive(Clone)]
pub(crate) struct Log {
    db: Db,
    tail: Tail,
}

/// Which events are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// All kinds, or these.
    pub(crate) kinds: Option<Vec<Kind>>,
    pub(crate) actor: Option<UserId>,
    pub(crate) target: Option<Uuid>,
    /// What was done by this user or to them.
    pub(crate) about: Option<UserId>,
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
}

impl Filter {
    /// Whether it means an event, as the statements of a list say it.
    pub(crate) fn means(&self, event: &Recorded) -> bool {
        let is_about = |UserId(id)| event.actor == Some(UserId(id)) || event.target == Some(id);
        let is_of_kind = |kinds: &Vec<Kind>| event.kind.is_some_and(|kind| kinds.contains(&kind));
        self.kinds.as_ref().is_none_or(is_of_kind)
            && self.about.is_none_or(is_about)
            && self.actor.is_none_or(|actor| event.actor == Some(actor))
            && self.target.is_none_or(|target| event.target == Some(target))
            && self.from.is_none_or(|from| event.place.created_at >= from)
            && self.until.is_none_or(|until| event.place.created_at < until)
    }
}

/// An event's place: its time, and its id to break ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) id: AuditEventId,
}

/// A side of a place, with the place itself or without.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    /// Towards the beginning of the list, where the newest stand.
    pub(crate) is_before: bool,
    pub(crate) inclusive: bool,
}

/// A page of the log.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) filter: Filter,
    pub(crate) part: Part<Place>,
}

/// An event as it was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) place: Place,
    /// `None` for one that a newer program has written.
    pub(crate) kind: Option<Kind>,
    pub(crate) outcome: Outcome,
    /// `None` likewise.
    pub(crate) actor_type: Option<ActorType>,
    pub(crate) actor: Option<UserId>,
    pub(crate) target: Option<Uuid>,
    pub(crate) organization: Option<OrganizationId>,
    pub(crate) detail: Option<String>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) occurrences: i64,
}

impl Recorded {
    /// To what it has happened, if this program knows events of this kind.
    pub(crate) fn target_id(&self) -> Option<Id> {
        Some(self.kind?.target_id(self.target?))
    }
}

impl Log {
    pub(crate) fn new(db: Db) -> Self {
        let tail = Tail::new(db.clone());
        Self { db, tail }
    }

    /// Gives every event that is sealed from now on, in the order of their chain.
    pub(crate) async fn listen(&self) -> Result<Receiver<Arc<Recorded>>, DbErr> {
        self.tail.listen().await
    }

    /// Reads one page, in one statement.
    pub(crate) async fn list(&self, listing: &Listing) -> Result<Page<Recorded>, DbErr> {
        let events = store::list(self.db.reader(), listing, listing.part.size + 1).await?;
        Ok(Page::of(events, &listing.part))
    }

    /// The events among `ids`, or those of them that are about a user.
    pub(crate) async fn find_all(
        &self,
        ids: &[AuditEventId],
        about: Option<UserId>,
    ) -> Result<Vec<Recorded>, DbErr> {
        let filter = Filter { about, ..Filter::default() };
        store::find_all(self.db.reader(), ids, &filter).await
    }

    /// Whether any event stands before (or else after) `place`, which counts itself if inclusive.
    pub(crate) async fn exists_beyond(
        &self,
        listing: &Listing,
        place: Place,
        side: Side,
    ) -> Result<bool, DbErr> {
        store::exists_beyond(self.db.reader(), &listing.filter, place, side).await
    }
}
