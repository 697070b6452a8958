//! The chain: makes a change of the audit log show, without one transaction waiting for another.
//!
//! A moment after an event was written it gets a link, in its own row: `digest = SHA-256(previous digest ‖
//! canonical event)`. Whoever changes, removes, adds or reorders what is sealed must make all later
//! digests anew; and where the chain begins and ends is signed ([`seal`]). Only who has kept an older
//! state of the database can put it back whole, and the head that somebody has noted, from the log or
//! from `audit verify`, is then ahead of the chain.
//!
//! The canonical event is `portcullis audit 1` and then id (16 bytes), time (microseconds since
//! 1970), kind, outcome, kind of actor, actor, target, hash of the session, request and
//! occurrences: each field as its length (4 bytes) and its bytes, numbers as 8 bytes, all big-endian,
//! and what is absent as the length `ff ff ff ff`. An event with an organization (16 bytes) or a detail
//! begins with `portcullis audit 2` instead and ends with these two. Address and user agent are outside,
//! so that they can be erased.

mod head;
mod pruning;
mod seal;
mod store;
mod verification;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

pub(crate) use self::head::Head;
pub(crate) use self::seal::sign_again;
use self::seal::{Bounds, Seal, Standing};
use self::store::{Link, Sealable};
pub(crate) use self::verification::{NotedHead, VerifyError};
use super::{Actor, Detail, Event, Kind, kind};
use crate::infra::causes::causes;
use crate::infra::db::Db;
use crate::infra::keys::{Master, Sealed};
use crate::kernel::access::Origin;
use crate::kernel::clock::Clock;
use crate::kernel::id::uuid_v7;
use crate::kernel::secret::sha256;

/// For this long after sealing an instance goes on, and the others need not try. Two at once would
/// do no harm: whoever seals holds the one row's lock until its commit.
const LEASE_SECONDS: i64 = 2;
/// How far ahead the end of a lease can be, by clocks that are not quite the same.
const LEASE_SECONDS_MAX: i64 = 60;
/// Events sealed in one transaction, so that the writer is never held for long.
const SEAL_BATCH: u64 = 500;
/// Links read, or removed, at a time.
const BATCH: u64 = 1_000;

/// Seals, verifies and prunes the audit log.
#[derive(Clone)]
pub(crate) struct Chain {
    db: Db,
    clock: Clock,
    master: Arc<Master>,
    holder: Uuid,
    noticed: Arc<Mutex<Noticed>>,
}

/// What this instance has seen of the chain.
#[derive(Default)]
struct Noticed {
    /// The last link.
    seq: i64,
    is_broken: bool,
}

impl Chain {
    pub(crate) fn new(db: Db, clock: Clock, master: Arc<Master>) -> Self {
        let holder = uuid_v7(clock.now());
        Self { db, clock, master, holder, noticed: Arc::default() }
    }

    /// Signs the chain as it stands, whatever that is: only for a database in which none of our keys
    /// has signed anything yet.
    pub(crate) async fn sign_first(&self) -> Result<(), VerifyError> {
        self.db
            .retry("sign the first link", async || {
                let txn = self.db.begin().await?;
                let seal = store::lock(&txn).await?.ok_or(VerifyError::NoSeal)?;
                let head = store::end(&txn, &seal.start).await?;
                let bounds = Bounds { pruned: seal.start, head };
                let signed = bounds.sign(&self.master, Sealed::Current);
                store::sign(&txn, &signed.ok_or(VerifyError::Unsigned)?).await?;
                Ok(txn.commit().await?)
            })
            .await
    }

    /// Signs the chain as it stands, whatever that is, and writes that into it: the operator has looked
    /// why its signature does not hold.
    pub(crate) async fn sign_as_it_stands(&self) -> Result<Head, VerifyError> {
        self.db
            .retry("sign the audit log", async || {
                let txn = self.db.begin().await?;
                if store::seal(&txn).await?.is_none() {
                    store::restore(&txn).await?;
                }
                let seal = store::lock(&txn).await?.ok_or(VerifyError::NoSeal)?;
                let before = store::end(&txn, &seal.start).await?;
                let detail = Detail::of(&format!("{} to {before}", seal.start.seq + 1));
                let head = self.append(&txn, &seal.start, kind::AUDIT_SIGNED, detail, 1).await?;
                let bounds = Bounds { pruned: seal.start, head: head.clone() };
                let signed = bounds.sign(&self.master, Sealed::Current);
                store::sign(&txn, &signed.ok_or(VerifyError::Unsigned)?).await?;
                txn.commit().await?;
                Ok(head)
            })
            .await
    }

    /// Writes an event of the operator, and seals it at once.
    async fn append(
        &self,
        txn: &impl ConnectionTrait,
        start: &Head,
        kind: Kind,
        detail: Detail,
        occurrences: u32,
    ) -> Result<Head, DbErr> {
        let (actor, origin, now) = (Actor::Cli, &Origin::CLI, self.clock.now());
        let event = Event { kind, actor, target: None, session: None, origin };
        let id = super::store::insert(txn, now, event, detail, occurrences).await?;
        let event = store::event(txn, id).await?;
        let end = store::end(txn, start).await?;
        let head = end.followed_by(digest(&end.digest, &event).to_vec())?;
        let link = Link { seq: head.seq, digest: head.digest.clone(), event };
        store::append(txn, &[link]).await?;
        Ok(head)
    }

    /// Whether the signature holds. Says nothing about the events: [`Chain::verify`] does.
    pub(crate) async fn standing(&self) -> Result<(), VerifyError> {
        let db = self.db.reader();
        let seal = store::seal(db).await?.ok_or(VerifyError::NoSeal)?;
        seal.standing(db, &self.master).await.map(|_standing| ())
    }

    /// Seals what is not sealed yet, unless another instance does; writes nothing when there is
    /// nothing.
    pub(crate) async fn seal(&self) -> Result<(), DbErr> {
        while self.has_unsealed().await?
            && self.db.retry("seal the audit log", || self.seal_batch()).await?
        {}
        Ok(())
    }

    async fn has_unsealed(&self) -> Result<bool, DbErr> {
        Ok(!store::unsealed(self.db.reader(), 1).await?.is_empty())
    }

    /// How long the first event waits that is not sealed.
    pub(crate) async fn oldest_unsealed(&self) -> Result<Duration, DbErr> {
        let oldest = super::oldest_unsealed(self.db.reader()).await?;
        let waited = oldest.map(|created_at| self.clock.now() - created_at);
        Ok(waited.and_then(|waited| waited.to_std().ok()).unwrap_or_default())
    }

    async fn seal_batch(&self) -> Result<bool, DbErr> {
        let txn = self.db.begin().await?;
        let now = self.clock.now();
        let until = now + TimeDelta::seconds(LEASE_SECONDS);
        let latest = now + TimeDelta::seconds(LEASE_SECONDS_MAX);
        if !store::claim(&txn, self.holder, now, until, latest).await? {
            if store::seal(&txn).await?.is_some() {
                return Ok(false);
            }
            tracing::error!(
                "{}: the server created it again, without a signature",
                VerifyError::NoSeal
            );
            store::restore(&txn).await?;
        }
        // Whoever has claimed or made it has locked it.
        let seal = store::seal(&txn).await?;
        let seal = seal.ok_or_else(|| DbErr::RecordNotFound("the row of audit_seal".into()))?;
        let standing = match seal.standing(&txn, &self.master).await {
            Err(VerifyError::Db(error)) => return Err(error),
            standing => standing,
        };
        let mut head = store::end(&txn, &seal.start).await?;
        let mut links = Vec::new();
        for event in store::unsealed(&txn, SEAL_BATCH).await? {
            head = head.followed_by(digest(&head.digest, &event).to_vec())?;
            links.push(Link { seq: head.seq, digest: head.digest.clone(), event });
        }
        if !links.is_empty() {
            store::append(&txn, &links).await?;
        }
        // What somebody else has changed is sealed on, and not vouched for.
        if let Ok(Standing { bounds, under }) = &standing {
            let bounds = Bounds { pruned: bounds.pruned.clone(), head: head.clone() };
            if let Some(signed) = bounds.sign(&self.master, *under) {
                store::sign(&txn, &signed).await?;
            }
        }
        txn.commit().await?;
        self.notice(&standing, &head);
        Ok(true)
    }

    /// Logs what must not happen to a chain, each once.
    fn notice(&self, standing: &Result<Standing, VerifyError>, head: &Head) {
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        match standing {
            Ok(Standing { bounds, .. }) => {
                if bounds.head.seq < noticed.seq {
                    tracing::error!(
                        audit.seq = bounds.head.seq,
                        audit.seen = noticed.seq,
                        "the audit log ends before a link that this instance has seen: somebody cut off its end or \
                         restored an older copy of the database"
                    );
                }
                *noticed = Noticed { seq: head.seq, is_broken: false };
            }
            Err(broken) => {
                if !noticed.is_broken {
                    tracing::error!(error = %causes(broken), "the audit log was changed; the server continues to seal \
                                                              it");
                }
                noticed.is_broken = true;
            }
        }
    }

    /// The newest link.
    pub(crate) async fn head(&self) -> Result<Head, VerifyError> {
        let seal = store::seal(self.db.reader()).await?.ok_or(VerifyError::NoSeal)?;
        Ok(store::end(self.db.reader(), &seal.start).await?)
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
