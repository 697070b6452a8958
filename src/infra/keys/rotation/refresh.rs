//! How refresh keys follow one another: two at a time are good.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ConnectionTrait;

use super::super::{Master, Purpose, refresh, store};
use super::{CLOCKS_APART_SECONDS, KNOWN_HERE_SECONDS, RotationError, begins};

/// A refresh key that was added.
#[derive(Debug)]
pub(crate) struct AddedRefresh {
    pub(crate) kid: String,
    pub(crate) signs_from: DateTime<Utc>,
    pub(crate) before_verifies_until: DateTime<Utc>,
}

/// Adds a refresh key. It signs as soon as every instance has it, and the one before it verifies for as long as a
/// session may last that it has signed for: `session_lifetime`.
pub(crate) async fn rotate_refresh(
    txn: &impl ConnectionTrait,
    master: &Master,
    session_lifetime: TimeDelta,
    now: DateTime<Utc>,
) -> Result<AddedRefresh, RotationError> {
    let mut rows = store::lock(txn).await?;
    rows.retain(|row| row.purpose == Purpose::Refresh.into_str());
    let older = rows.iter().filter_map(|row| row.verifies_until).max();
    if let Some(until) = older.filter(|until| *until > now) {
        return Err(RotationError::TooManyGenerations { until });
    }
    let signs_from = now + TimeDelta::seconds(KNOWN_HERE_SECONDS.into());
    let new = store::NewKey {
        purpose: Purpose::Refresh,
        serial: rows.last().map_or(1, |row| row.serial + 1),
        material: refresh::generate()?,
        created_at: now,
        signs_from,
    };
    let kid = store::insert(txn, master, new).await?;
    let clocks_apart = TimeDelta::seconds(CLOCKS_APART_SECONDS.into());
    let before_verifies_until = signs_from + session_lifetime + clocks_apart;
    if let Some(before) = rows.last() {
        let verifies_until = Some(before_verifies_until);
        store::set_times(txn, &store::Row { verifies_until, ..before.clone() }).await?;
    }
    Ok(AddedRefresh { kid, signs_from, before_verifies_until })
}

/// Drops a refresh key at once: whoever has a token of it signs in again.
pub(super) async fn retire_refresh(
    txn: &impl ConnectionTrait,
    rows: &[store::Row],
    target: &store::Row,
    now: DateTime<Utc>,
) -> Result<(), RotationError> {
    let others = || rows.iter().filter(|row| row.purpose == target.purpose && row.id != target.id);
    match others().filter(|row| row.serial > target.serial).map(begins).min() {
        Some(until) if until > now => return Err(RotationError::TooSoon { until }),
        Some(_) => {}
        None => {
            let mut living =
                others().filter(|row| row.verifies_until.is_some_and(|until| until > now));
            let older = living.next().map(|row| row.id.clone());
            return Err(RotationError::AtWork { kid: target.id.clone(), older });
        }
    }
    store::delete(txn, &target.id).await?;
    Ok(())
}
