//! Removing what is old from the beginning of the chain.
//!
//! A prune is an event, and its link is signed together with how far it goes before the first event
//! is removed. So it may be cut off at any moment: the next one goes on with what it left.

use chrono::{DateTime, TimeDelta, Utc};

use super::store::Link;
use super::verification::Walk;
use super::{BATCH, Bounds, Chain, Head, Seal, VerifyError, store};
use crate::features::audit::{Detail, kind};
use crate::infra::db::in_batches;

/// The most links that one signature lets go: they are read first, in one view of the database.
const LINKS_MAX: u64 = 100_000;
/// How many signatures one turn of the job may make.
const PARTS_MAX: usize = 10;
/// How far past its time the oldest event is before events are removed by themselves: a prune is an event, too.
const SLACK: TimeDelta = TimeDelta::days(1);

impl Chain {
    /// Removes the events before `before` from the beginning of the chain, up to the first that is
    /// not older, and returns how many there were. Removes nothing that would prove a change.
    pub(crate) async fn prune(&self, before: DateTime<Utc>) -> Result<u64, VerifyError> {
        self.prune_parts(before, usize::MAX).await
    }

    async fn prune_parts(&self, before: DateTime<Utc>, parts: usize) -> Result<u64, VerifyError> {
        // What an earlier prune has signed and left.
        let mut removed = self.remove_signed().await?;
        for _part in 0..parts {
            let Some(last) = self.last_before(before).await? else { break };
            self.db.retry("sign a prune", || self.sign_prune(&last)).await?;
            removed += self.remove_signed().await?;
        }
        Ok(removed)
    }

    /// Removes the events that are older than `kept`, about once a day, and at most a million: other jobs wait.
    pub(crate) async fn retain(
        &self,
        now: DateTime<Utc>,
        kept: TimeDelta,
    ) -> Result<u64, VerifyError> {
        match store::oldest(self.db.reader()).await? {
            Some(oldest) if oldest < now - kept - SLACK => {
                self.prune_parts(now - kept, PARTS_MAX).await
            }
            _ => self.remove_signed().await,
        }
    }

    async fn remove_signed(&self) -> Result<u64, VerifyError> {
        in_batches(|batch| self.db.retry("prune the audit log", move || self.remove_batch(batch)))
            .await
    }

    /// The last link that may go, after those that may already; there are more after [`LINKS_MAX`].
    async fn last_before(&self, before: DateTime<Utc>) -> Result<Option<Head>, VerifyError> {
        let db = &self.db.snapshot().await?;
        let seal = store::seal(db).await?.ok_or(VerifyError::NoSeal)?;
        let pruned = seal.standing(db, &self.master).await?.bounds.pruned;
        let mut walk = Walk::from(&seal.start);
        'all: while walk.links < LINKS_MAX {
            let links = walk.next(db).await?;
            let is_last = (links.len() as u64) < BATCH;
            for link in links {
                if link.event.created_at >= before {
                    break 'all;
                }
                walk.step(link)?;
            }
            if is_last {
                break;
            }
        }
        Ok((walk.head.seq > pruned.seq).then_some(walk.head))
    }

    /// Writes and seals the event of a prune up to `last`, and signs both.
    async fn sign_prune(&self, last: &Head) -> Result<(), VerifyError> {
        let txn = self.db.begin().await?;
        let seal = store::lock(&txn).await?.ok_or(VerifyError::NoSeal)?;
        let standing = seal.standing(&txn, &self.master).await?;
        let pruned = standing.bounds.pruned;
        if pruned.seq >= last.seq {
            return Ok(()); // Another prune went as far meanwhile.
        }
        let count = u32::try_from(last.seq - pruned.seq).unwrap_or(u32::MAX);
        let detail = Detail::of(&format!("{} to {last}", pruned.seq + 1));
        let head = self.append(&txn, &seal.start, kind::AUDIT_PRUNED, detail, count).await?;
        let bounds = Bounds { pruned: last.clone(), head };
        let signed = bounds.sign(&self.master, standing.under).ok_or(VerifyError::Forged)?;
        store::sign(&txn, &signed).await?;
        Ok(txn.commit().await?)
    }

    /// Removes some of what a signed prune has let go.
    async fn remove_batch(&self, batch: u64) -> Result<u64, VerifyError> {
        let txn = self.db.begin().await?;
        let seal: Seal = store::lock(&txn).await?.ok_or(VerifyError::NoSeal)?;
        let (bounds, _) = seal.bounds(&self.master)?;
        let links = store::links_after(&txn, seal.start.seq, batch).await?;
        let links: Vec<Link> =
            links.into_iter().take_while(|link| link.seq <= bounds.pruned.seq).collect();
        if links.is_empty() {
            return Ok(0);
        }
        store::remove(&txn, &links).await?;
        txn.commit().await?;
        Ok(links.len() as u64)
    }
}
