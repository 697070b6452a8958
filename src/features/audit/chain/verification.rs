//! Following the chain from where it begins to where it ends.

use sea_orm::{ConnectionTrait, DbErr};

use super::store::{self, Link};
use super::{BATCH, Chain, Head, digest};
use crate::infra::db::DbFailure;
use crate::kernel::id::AuditEventId;

/// What a whole chain says.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) head: Head,
    /// Links since the last prune.
    pub(crate) links: u64,
    /// Events that have no link yet.
    pub(crate) unsealed: u64,
    /// Where the noted head is, if one was given.
    pub(crate) noted: Option<NotedHead>,
}

/// Where a head is that somebody has noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotedHead {
    /// It is a link of the chain.
    Linked,
    /// A signed prune covers its link.
    Pruned,
}

/// Why a chain is not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error("the chain is broken: link {expected} is missing")]
    Gap { expected: i64 },
    #[error("the chain is broken at link {seq}: event {event} or its digest was changed")]
    Changed { seq: i64, event: AuditEventId },
    #[error("the chain is broken: {count} sealed events are not part of it")]
    Outside { count: u64 },
    #[error("the table audit_seal has lost its row, which says where the chain begins and ends")]
    NoSeal,
    #[error(
        "the beginning and the end of the chain are not signed: somebody removed the signature, or \
         `portcullis migrate up` stopped before it signed; in that case run `portcullis audit sign`"
    )]
    Unsigned,
    #[error(
        "the signature does not match the beginning and the end of the chain: somebody without \
         SECRET_KEY changed them, or this is not the SECRET_KEY of the servers"
    )]
    Forged,
    #[error("the links up to {seq} are gone, but no signed prune removed them")]
    Removed { seq: i64 },
    #[error(
        "the chain is broken: link {seq}, its signed end, is missing or was changed; somebody cut off \
         the end or rebuilt the chain"
    )]
    Cut { seq: i64 },
    #[error(
        "the noted head is link {seq}, but the chain ends at link {end}: somebody cut off its end, or \
         this database is an older copy"
    )]
    HeadAhead { seq: i64, end: i64 },
    #[error("link {seq} differs from the noted head: somebody rebuilt the chain")]
    HeadDiffers { seq: i64 },
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl DbFailure for VerifyError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}

/// Follows links, each with its event, one after the other.
pub(super) struct Walk {
    pub(super) head: Head,
    pub(super) links: u64,
}

impl Walk {
    pub(super) fn from(start: &Head) -> Self {
        Self { head: start.clone(), links: 0 }
    }

    /// The next links with their events; none at the end.
    pub(super) async fn next(&self, db: &impl ConnectionTrait) -> Result<Vec<Link>, DbErr> {
        store::links_after(db, self.head.seq, BATCH).await
    }

    /// Goes on to a link, if it follows and seals its event.
    pub(super) fn step(&mut self, link: Link) -> Result<(), VerifyError> {
        let (seq, expected) = (link.seq, self.head.seq + 1);
        if seq != expected {
            return Err(VerifyError::Gap { expected });
        }
        if digest(&self.head.digest, &link.event)[..] != link.digest {
            return Err(VerifyError::Changed { seq, event: link.event.id });
        }
        self.head = Head { seq, digest: link.digest };
        self.links += 1;
        Ok(())
    }
}

impl Chain {
    /// Follows the chain from where it was last pruned. `noted` must be in it, or pruned.
    pub(crate) async fn verify(&self, noted: Option<&Head>) -> Result<Verified, VerifyError> {
        // What is pruned or sealed meanwhile must not look like a gap.
        let db = &self.db.snapshot().await?;
        let seal = store::seal(db).await?.ok_or(VerifyError::NoSeal)?;
        let (bounds, _) = seal.bounds(&self.master)?;
        let mut walk = Walk::from(&seal.start);
        let [mut has_pruned, mut has_head, mut has_noted] = [false; 3];
        let mut look = |at: &Head| {
            has_pruned |= *at == bounds.pruned;
            has_head |= *at == bounds.head;
            has_noted |= noted == Some(at);
        };
        look(&walk.head);
        loop {
            let links = walk.next(db).await?;
            let is_last = (links.len() as u64) < BATCH;
            for link in links {
                walk.step(link)?;
                look(&walk.head);
            }
            if is_last {
                break;
            }
        }
        match store::count_outside(db, &seal.start).await? {
            0 => {}
            count => return Err(VerifyError::Outside { count }),
        }
        let unsealed = store::count_unsealed(db).await?;
        if !has_pruned || !has_head {
            let end = if has_pruned { &bounds.head } else { &bounds.pruned };
            return Err(VerifyError::Cut { seq: end.seq });
        }
        let place = |noted: &Head| match noted.seq {
            seq if seq < seal.start.seq => Ok(NotedHead::Pruned),
            seq if has_noted && seq == seal.start.seq && seq > 0 => Ok(NotedHead::Pruned),
            _ if has_noted => Ok(NotedHead::Linked),
            seq if seq > walk.head.seq => Err(VerifyError::HeadAhead { seq, end: walk.head.seq }),
            seq => Err(VerifyError::HeadDiffers { seq }),
        };
        let noted = noted.map(place).transpose()?;
        Ok(Verified { head: walk.head, links: walk.links, unsealed, noted })
    }
}
