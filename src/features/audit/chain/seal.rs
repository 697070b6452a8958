//! What the row of `audit_seal` says of the chain, and who vouches for it.
//!
//! Whoever writes the database can make a chain of digests anew. So the server signs how far it was
//! pruned and where it ends, each time it seals, under a key that is derived from `SECRET_KEY`.

use sea_orm::{ConnectionTrait, DbErr};

use super::store;
use super::{Head, VerifyError};
use crate::infra::keys::{Master, Sealed};

/// The row.
pub(super) struct Seal {
    /// The last link that was removed: the chain begins after it.
    pub(super) start: Head,
    pub(super) signed: Option<Signed>,
}

/// What is signed.
pub(super) struct Signed {
    pub(super) bounds: Bounds,
    pub(super) signature: Vec<u8>,
}

/// Where a chain begins and ends.
#[derive(Clone)]
pub(super) struct Bounds {
    /// The last link that a prune may remove.
    pub(super) pruned: Head,
    /// The last link when this was signed. Others follow it as soon as they are sealed.
    pub(super) head: Head,
}

impl Bounds {
    pub(super) fn sign(self, master: &Master, under: Sealed) -> Option<Signed> {
        let signature = master.sign(under, &self.message())?;
        Some(Signed { bounds: self, signature })
    }

    fn message(&self) -> Vec<u8> {
        let ends = [&self.pruned, &self.head]
            .map(|end| [&end.seq.to_be_bytes(), &end.digest[..]].concat());
        [&b"portcullis audit seal 1"[..], &ends.concat()].concat()
    }
}

/// A seal that holds: its signature is good, and its head is in the chain.
pub(super) struct Standing {
    pub(super) bounds: Bounds,
    /// The secret it is signed under.
    pub(super) under: Sealed,
}

impl Seal {
    /// Looks at the signature, and whether the links it is about are still those.
    pub(super) async fn standing(
        &self,
        db: &impl ConnectionTrait,
        master: &Master,
    ) -> Result<Standing, VerifyError> {
        let (bounds, under) = self.bounds(master)?;
        let Head { seq, digest } = &bounds.head;
        let found = match bounds.head == bounds.pruned {
            // Nothing had followed what was pruned.
            true => Some(digest.clone()),
            false => store::digest_of(db, *seq).await?,
        };
        if found.as_ref() == Some(digest) {
            Ok(Standing { bounds: bounds.clone(), under })
        } else {
            Err(VerifyError::Cut { seq: *seq })
        }
    }

    /// What is signed, if the signature is good and covers where the chain begins.
    pub(super) fn bounds(&self, master: &Master) -> Result<(&Bounds, Sealed), VerifyError> {
        let Signed { bounds, signature } = self.signed.as_ref().ok_or(VerifyError::Unsigned)?;
        let under = master.signed(&bounds.message(), signature);
        if under == Sealed::Unknown {
            return Err(VerifyError::Forged);
        }
        if self.start.seq > bounds.pruned.seq {
            return Err(VerifyError::Removed { seq: self.start.seq });
        }
        Ok((bounds, under))
    }
}

/// Signs under the current secret what was signed under the one before. What nobody signed stays so.
pub(crate) async fn sign_again(txn: &impl ConnectionTrait, master: &Master) -> Result<(), DbErr> {
    let Some(seal) = store::lock(txn).await? else { return Ok(()) };
    let Ok((bounds, _)) = seal.bounds(master) else { return Ok(()) };
    match bounds.clone().sign(master, Sealed::Current) {
        Some(signed) => store::sign(txn, &signed).await,
        None => Ok(()),
    }
}
