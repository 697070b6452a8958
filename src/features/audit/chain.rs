//! The chain: makes a change of the audit log show, without one transaction waiting for another.
//!
//! Beside the events, and a moment later, each gets a link: `digest = SHA-256(previous digest ‖
//! canonical event)`. Whoever changes, removes, adds or reorders what is sealed must make all later
//! digests anew, and the head that somebody has noted, from the log or from `audit verify`, is then
//! no part of the chain.
//!
//! The canonical event is `portcullis audit 1` and then id (16 bytes), time (microseconds since
//! 1970), kind, outcome, kind of actor, actor, target, hash of the session, request and
//! occurrences: each field as its length (4 bytes) and its bytes, numbers as 8 bytes, all big-endian,
//! and what is absent as the length `ff ff ff ff`. An event with an organization (16 bytes) or a detail
//! begins with `portcullis audit 2` instead and ends with these two. Address and user agent are outside,
//! so that they can be erased.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;
use uuid::Uuid;

use self::store::{Link, Sealable};
use super::{Actor, Detail, Event, Kind};
use crate::platform::access::Client;
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::id::{AuditEventId, uuid_v7};
use crate::platform::secret::{hex, sha256};

/// For this long after sealing an instance goes on, and the others need not try. Two at once would
/// do no harm: whoever seals holds the one row's lock until its commit.
const LEASE_SECONDS: i64 = 2;
/// Events sealed in one transaction, so that the writer is never held for long.
const SEAL_BATCH: u64 = 500;
/// Links read, or removed, at a time.
const BATCH: u64 = 1_000;

/// Seals, verifies and prunes the audit log.
#[derive(Clone)]
pub(crate) struct Chain {
    db: Db,
    clock: Clock,
    holder: Uuid,
}

/// The end of a chain, or of what was pruned of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) digest: Vec<u8>,
}

/// What a whole chain says.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) head: Head,
    /// Links since the last prune.
    pub(crate) links: u64,
    /// Events that have no link yet.
    pub(crate) unsealed: u64,
}

/// Why a chain is not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error("the chain is broken: link {expected} is missing")]
    Gap { expected: i64 },
    #[error("the chain is broken at link {seq}: its event {event} is gone")]
    Missing { seq: i64, event: AuditEventId },
    #[error("the chain is broken at link {seq}: event {event} or its digest was changed")]
    Changed { seq: i64, event: AuditEventId },
    #[error("the chain is broken: {count} sealed events have no link")]
    Unlinked { count: u64 },
    #[error("the chain is whole, and the noted head is no part of it: it was cut off or made anew")]
    UnknownHead,
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl Head {
    /// The digest as people note it.
    pub(crate) fn hex(&self) -> String {
        hex(&self.digest)
    }
}

impl Chain {
    pub(crate) fn new(db: Db, clock: Clock) -> Self {
        let holder = uuid_v7(clock.now());
        Self { db, clock, holder }
    }

    /// Seals what is not sealed yet, unless another instance does; writes nothing when there is
    /// nothing.
    pub(crate) async fn seal(&self) -> Result<(), DbErr> {
        while self.has_unsealed().await? && self.db.retry(|| self.seal_batch()).await? {}
        Ok(())
    }

    async fn has_unsealed(&self) -> Result<bool, DbErr> {
        Ok(!store::unsealed(self.db.reader(), 1).await?.is_empty())
    }

    async fn seal_batch(&self) -> Result<bool, DbErr> {
        let txn = self.db.begin().await?;
        let now = self.clock.now();
        let until = now + TimeDelta::seconds(LEASE_SECONDS);
        if !store::claim(&txn, self.holder, now, until).await? {
            return Ok(false);
        }
        let mut head = store::head(&txn).await?;
        let mut links = Vec::new();
        for event in store::unsealed(&txn, SEAL_BATCH).await? {
            let digest = digest(&head.digest, &event).to_vec();
            head = Head { seq: head.seq + 1, digest };
            links.push(Link { seq: head.seq, event_id: event.id, digest: head.digest.clone() });
        }
        if !links.is_empty() {
            store::append(&txn, &links).await?;
            store::mark(&txn, &links, now).await?;
        }
        txn.commit().await?;
        Ok(true)
    }

    /// The newest link.
    pub(crate) async fn head(&self) -> Result<Head, DbErr> {
        store::head(self.db.reader()).await
    }

    /// Follows the chain from where it was last pruned. `noted` is a digest, as hex, that must be
    /// part of it.
    pub(crate) async fn verify(&self, noted: Option<&str>) -> Result<Verified, VerifyError> {
        // What is pruned or sealed meanwhile must not look like a gap.
        let db = &self.db.snapshot().await?;
        let mut head = store::checkpoint(db).await?;
        let is_noted = |head: &Head| noted.is_some_and(|noted| noted == head.hex());
        let mut is_found = is_noted(&head);
        let mut count = 0;
        loop {
            let links = store::links_after(db, head.seq, BATCH).await?;
            let is_last = (links.len() as u64) < BATCH;
            for (link, event) in links {
                let (seq, expected) = (link.seq, head.seq + 1);
                if seq != expected {
                    return Err(VerifyError::Gap { expected });
                }
                let missing = VerifyError::Missing { seq, event: link.event_id };
                let event = event.ok_or(missing)?;
                if digest(&head.digest, &event)[..] != link.digest {
                    return Err(VerifyError::Changed { seq, event: event.id });
                }
                head = Head { seq, digest: link.digest };
                is_found |= is_noted(&head);
                count += 1;
            }
            if is_last {
                break;
            }
        }
        // Each link has its event. What is sealed beyond those has lost its link.
        match store::count_sealed(db).await?.saturating_sub(count) {
            0 if noted.is_some() && !is_found => Err(VerifyError::UnknownHead),
            0 => {
                let unsealed = store::count_unsealed(db).await?;
                Ok(Verified { head, links: count, unsealed })
            }
            count => Err(VerifyError::Unlinked { count }),
        }
    }

    /// Removes the events before `before` from the beginning of the chain, up to the first that is
    /// not older, and returns how many there were.
    pub(crate) async fn prune(&self, before: DateTime<Utc>) -> Result<u64, DbErr> {
        let mut removed = 0;
        loop {
            match self.db.retry(|| self.prune_batch(before)).await? {
                0 => return Ok(removed),
                count => removed += count,
            }
        }
    }

    async fn prune_batch(&self, before: DateTime<Utc>) -> Result<u64, DbErr> {
        let txn = self.db.begin().await?;
        let from = store::checkpoint(&txn).await?.seq;
        let links: Vec<Link> = store::links_after(&txn, from, BATCH)
            .await?
            .into_iter()
            // A link without its event proves a change, and is not swept away.
            .map_while(|(link, event)| {
                event.filter(|event| event.created_at < before).map(|_| link)
            })
            .collect();
        if links.is_empty() {
            return Ok(0);
        }
        store::prune(&txn, &links).await?;
        let (kind, actor, client) = (Kind::AuditPruned, Actor::Cli, &Client::CLI);
        let event = Event { kind, actor, target: None, session: None, client };
        let count = u32::try_from(links.len()).unwrap_or(u32::MAX);
        super::store::insert(&txn, self.clock.now(), event, Detail::default(), count).await?;
        txn.commit().await?;
        Ok(count.into())
    }
}

fn digest(previous: &[u8], event: &Sealable) -> [u8; 32] {
    let mut bytes = previous.to_vec();
    let is_detailed = event.organization_id.is_some() || event.detail.is_some();
    let version = if is_detailed { b"portcullis audit 2" } else { b"portcullis audit 1" };
    bytes.extend_from_slice(version);
    let mut put = |field: Option<&[u8]>| match field {
        Some(field) => {
            let length = u32::try_from(field.len()).unwrap_or(u32::MAX - 1);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(field);
        }
        None => bytes.extend_from_slice(&u32::MAX.to_be_bytes()),
    };
    put(Some(event.id.0.as_bytes()));
    put(Some(&event.created_at.timestamp_micros().to_be_bytes()));
    put(Some(event.kind.as_bytes()));
    put(Some(event.outcome.as_bytes()));
    put(Some(event.actor_kind.as_bytes()));
    put(event.actor_id.as_ref().map(|id| &id.as_bytes()[..]));
    put(event.target_id.as_ref().map(|id| &id.as_bytes()[..]));
    put(event.session_hash.as_deref());
    put(event.request_id.as_deref().map(str::as_bytes));
    put(Some(&event.occurrences.to_be_bytes()));
    if is_detailed {
        put(event.organization_id.as_ref().map(|id| &id.0.as_bytes()[..]));
        put(event.detail.as_deref().map(str::as_bytes));
    }
    sha256(&bytes)
}
