//! Another master secret: seeds are sealed anew with the keys.

use sea_orm::DbErr;

use super::{context, store};
use crate::features::keyring::{ResealSeeds, ResealedSeeds};
use crate::infra::db::Db;
use crate::infra::keys::{KeyError, Master, Sealed};
use crate::kernel::id::UserId;

/// Rows read by one statement.
const PAGE_SIZE: u64 = 500;

/// Seals anew under the current secret what is sealed under the one before. Each seed is a statement of its own, so nobody
/// waits for all of them, and what was cut off goes on when it is run again. One that changes meanwhile is left alone:
/// whoever changed it has sealed it.
pub(crate) const RESEAL: ResealSeeds = |db, master| Box::pin(reseal(db, master));

/// How many seeds are not sealed under the current secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unsealed {
    /// Under the secret before it.
    pub(crate) previous: u64,
    /// Under neither.
    pub(crate) unknown: u64,
}

async fn reseal(db: &Db, master: &Master) -> Result<ResealedSeeds, KeyError> {
    let mut resealed = ResealedSeeds::default();
    let mut after = None;
    while let Some(page) = next_page(db, &mut after).await? {
        for seed in page {
            let context = context(seed.user);
            match master.seeds().opens(&context, &seed.sealed) {
                Sealed::Current => {}
                Sealed::Unknown => resealed.unreadable += 1,
                Sealed::Previous => {
                    let Some(plain) = master.seeds().open(&context, &seed.sealed) else { continue };
                    let sealed = master.seeds().seal(&context, &plain)?;
                    store::replace(db.writer(), seed, sealed).await?;
                    resealed.sealed += 1;
                }
            }
        }
    }
    Ok(resealed)
}

/// Counts the seeds that are not sealed under the current secret.
pub(crate) async fn count_unsealed(db: &Db, master: &Master) -> Result<Unsealed, DbErr> {
    let mut unsealed = Unsealed::default();
    let mut after = None;
    while let Some(page) = next_page(db, &mut after).await? {
        for seed in page {
            match master.seeds().opens(&context(seed.user), &seed.sealed) {
                Sealed::Current => {}
                Sealed::Previous => unsealed.previous += 1,
                Sealed::Unknown => unsealed.unknown += 1,
            }
        }
    }
    Ok(unsealed)
}

/// The sealed seeds of the next users, if there are any.
async fn next_page(
    db: &Db,
    after: &mut Option<UserId>,
) -> Result<Option<Vec<store::SealedSeed>>, DbErr> {
    let rows = store::list(db.reader(), *after, PAGE_SIZE).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    *after = Some(last.user_id);
    Ok(Some(rows.into_iter().flat_map(store::sealed_seeds).collect()))
}
