//! What is in an account that was taken back: somebody had it before its address was proven.
//!
//! Whoever reads the mail of that address has the account from then on (RS-11), with what the other built in
//! it: organizations they founded or joined, and what else features keep. The owner is shown all of it, and keeps it
//! or drops it. Until then nothing of it is lost.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::administration::{AdminError, Capacity};
use super::holding::Departure;
use super::{Accounts, store};
use crate::features::audit::kind;
use crate::features::change::Tx;
use crate::kernel::access::Viewer;
use crate::kernel::acting::Acting;

/// The most that is named of one kind: what is dropped is all there is.
pub(crate) const LEFTOVERS_MAX: u64 = 100;

/// What of an account is from before it was taken back.
#[derive(Debug)]
pub(crate) struct Leftovers {
    pub(crate) taken_back_at: DateTime<Utc>,
    pub(crate) kinds: Vec<Leftover>,
}

/// All of one kind.
#[derive(Debug)]
pub(crate) struct Leftover {
    /// As the export calls it.
    pub(crate) kind: &'static str,
    /// What the first hundred are called.
    pub(crate) names: Vec<String>,
}

/// What its owner decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Keep,
    Drop,
}

impl Accounts {
    /// What is in the caller's account from before it was taken back; `None` if it was not, or if they have
    /// decided.
    pub(crate) async fn leftovers(&self, viewer: &Viewer) -> Result<Option<Leftovers>, DbErr> {
        let user = viewer.user.id;
        let taken_back_at = store::find_taken_back(self.db.reader(), user).await?;
        let Some(taken_back_at) = taken_back_at else { return Ok(None) };
        let mut kinds = Vec::new();
        for holding in self.setup.holdings.iter() {
            let Some((list, _drop)) = holding.leftovers else { continue };
            let names = list(&self.db, user, taken_back_at).await?;
            kinds.push(Leftover { kind: holding.name, names });
        }
        Ok(Some(Leftovers { taken_back_at, kinds }))
    }

    /// Has the caller keep or drop what is in their account from before it was taken back; says whether
    /// there was anything to decide.
    pub(crate) async fn decide_leftovers(
        &self,
        acting: Acting<'_>,
        decision: Decision,
    ) -> Result<bool, AdminError> {
        let decide = async |tx: Tx<'_>| {
            let user = self.sessions.caller(&tx).await?.user.id;
            let Some(taken_back_at) = store::find_taken_back(&tx, user).await? else {
                return Ok(false);
            };
            let kind = match decision {
                Decision::Keep => kind::LEFTOVERS_KEPT,
                Decision::Drop => {
                    let departure = Departure { tx: &tx, capacity: Capacity::Owner, user };
                    for holding in self.setup.holdings.iter() {
                        let Some((_list, drop)) = holding.leftovers else { continue };
                        drop(&departure, taken_back_at).await?;
                    }
                    kind::LEFTOVERS_DROPPED
                }
            };
            store::settle_taken_back(&tx, user).await?;
            tx.record(kind, user);
            Ok(tx.commit(true).await?)
        };
        self.changes.run("decide leftovers", acting, decide).await
    }
}
