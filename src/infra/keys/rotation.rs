//! How keys follow one another.
//!
//! A new signing key is published before it signs, so that everybody who verifies has it by then;
//! the key before it verifies until the last token it can have signed has expired (KY-02). Both
//! moments stand in the rows, so that every instance changes over at the same time and without
//! being told. A row is deleted only to drop its key in an emergency (KY-03), or long after its
//! end.

mod refresh;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use strum::IntoStaticStr;

use self::refresh::retire_refresh;
pub(crate) use self::refresh::{AddedRefresh, rotate_refresh};
use super::signing::{self, Algorithm};
use super::{KeyError, Master, Purpose, Sealed, store};
use crate::infra::db::{Db, DbFailure};
use crate::infra::jwt::{LEEWAY_SECONDS, LIFETIME_MAX_SECONDS};
use crate::kernel::secret::CryptoError;

/// How long caches between here and other services may keep the JWKS: its `max-age` (KY-01).
pub(crate) const CACHED_SECONDS: u32 = 300;
/// How long before it signs a new key is published. So a service may keep what it has read for ten
/// minutes, although what it has read may be as old as caches allow.
const PUBLISHED_SECONDS: u32 = 900;
/// Within this time every instance has read a new key: each looks every two seconds.
pub(crate) const KNOWN_HERE_SECONDS: u32 = 5;
/// How far apart the clocks of two instances may stand while keys change over.
pub(crate) const CLOCKS_APART_SECONDS: u32 = 60;

/// When a new key begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// When nobody has a key set without it any more.
    Published,
    /// When every instance knows it. Other services learn of it when they look again.
    Now,
}

/// A signing key that was added.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) signs_from: DateTime<Utc>,
    /// When the last token of the keys before it has expired.
    pub(crate) others_verify_until: DateTime<Utc>,
}

/// Why the keys were not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    #[error(
        "a rotation is in progress: the key {kid} signs from {} on; `portcullis keys rotate --now` \
         does not wait", signs_from.to_rfc3339_opts(SecondsFormat::Secs, true)
    )]
    UnderWay { kid: String, signs_from: DateTime<Utc> },
    #[error(
        "two refresh keys are still valid, which is the maximum: wait until {} before you add \
         another one", until.to_rfc3339_opts(SecondsFormat::Secs, true)
    )]
    TooManyGenerations { until: DateTime<Utc> },
    #[error("there is no key {kid}: see `portcullis keys list`")]
    NotFound { kid: String },
    /// Another one is added only when no older one is valid.
    #[error(
        "the key {kid} signs the refresh tokens that the server issues: first {}run `portcullis keys rotate --refresh`",
        older.as_ref().map(|older| format!("run `portcullis keys retire {older}`, then ")).unwrap_or_default()
    )]
    AtWork { kid: String, older: Option<String> },
    #[error(
        "no other key can sign: run `portcullis keys rotate --now` first, then retire this one"
    )]
    LastSigner,
    #[error("not every instance knows the next key yet")]
    TooSoon { until: DateTime<Utc> },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl DbFailure for RotationError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::Key(error) => error.db(),
            Self::UnderWay { .. }
            | Self::NotFound { .. }
            | Self::TooManyGenerations { .. }
            | Self::AtWork { .. }
            | Self::LastSigner
            | Self::TooSoon { .. }
            | Self::Crypto(_) => None,
        }
    }
}

/// A key as the operator sees it.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) kid: String,
    pub(crate) purpose: String,
    pub(crate) algorithm: String,
    pub(crate) state: State,
    pub(crate) sealed: Sealed,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) signs_from: DateTime<Utc>,
    pub(crate) verifies_until: Option<DateTime<Utc>>,
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "lowercase")]
pub(crate) enum State {
    /// Published, and not signing yet.
    Pending,
    /// At work.
    Active,
    /// Signs no more, or never will, and verifies what it has signed.
    Verifying,
    /// All it has signed has expired. It still lets late callers sign out.
    Ended,
}

/// Whether the database has keys, of whatever purpose.
pub(crate) async fn has_keys(db: &Db) -> Result<bool, DbErr> {
    Ok(!store::list(db.reader()).await?.is_empty())
}

/// Makes the first key of a purpose and returns its id; `None` when the database has one.
///
/// Instances that start together on an empty database agree: serial 1 of a purpose exists once, and
/// whoever loses the insert to a unique violation uses the winner's (KY-06). Beside rows that do
/// not open nothing is ever made.
pub(crate) async fn make_first(
    txn: &impl ConnectionTrait,
    master: &Master,
    purpose: Purpose,
    algorithm: Algorithm,
    now: DateTime<Utc>,
) -> Result<Option<String>, KeyError> {
    let rows = store::list(txn).await?;
    for row in &rows {
        store::open(row, master)?;
    }
    if rows.iter().any(|row| row.purpose == purpose.into_str()) {
        return Ok(None);
    }
    let material = match purpose {
        Purpose::Signing => signing::generate(algorithm)?,
        Purpose::Refresh => super::refresh::generate()?,
    };
    let new = store::NewKey { purpose, serial: 1, material, created_at: now, signs_from: now };
    store::insert(txn, master, new).await.map(Some)
}

/// Adds a signing key, of the newest one's algorithm unless another is asked for, and has those
/// before it end when all they can have signed has expired.
pub(crate) async fn rotate(
    txn: &impl ConnectionTrait,
    master: &Master,
    algorithm: Option<Algorithm>,
    lead: Lead,
    now: DateTime<Utc>,
) -> Result<Added, RotationError> {
    let rows = signing_rows(txn).await?;
    let newest = rows.last();
    if let Some(newest) = newest
        && lead == Lead::Published
        && begins(newest) > now
    {
        let kid = newest.id.clone();
        return Err(RotationError::UnderWay { kid, signs_from: begins(newest) });
    }
    let current = newest.and_then(|row| row.algorithm.parse().ok());
    let algorithm = algorithm.or(current).unwrap_or_default();
    add(txn, master, rows, algorithm, lead, now).await
}

async fn add(
    txn: &impl ConnectionTrait,
    master: &Master,
    rows: Vec<store::Row>,
    algorithm: Algorithm,
    lead: Lead,
    now: DateTime<Utc>,
) -> Result<Added, RotationError> {
    let seconds = match lead {
        Lead::Published => PUBLISHED_SECONDS,
        Lead::Now => KNOWN_HERE_SECONDS,
    };
    let signs_from = now + TimeDelta::seconds(seconds.into());
    let new = store::NewKey {
        purpose: Purpose::Signing,
        serial: rows.last().map_or(1, |row| row.serial + 1),
        material: signing::generate(algorithm)?,
        created_at: now,
        signs_from,
    };
    let kid = store::insert(txn, master, new).await?;
    settle(txn, now).await?;
    let others_verify_until = end_of_what_was_signed_before(signs_from);
    Ok(Added { kid, algorithm, signs_from, others_verify_until })
}

/// Has every key that signs, or will, end when all it can sign before the next has expired.
///
/// Keys before the one that signs have their end already, and it is not moved: what was rotated
/// away does not come back.
async fn settle(txn: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<(), DbErr> {
    let rows = signing_rows(txn).await?;
    let is_living = |row: &&store::Row| row.verifies_until.is_none_or(|until| until > now);
    let signer = rows.iter().rev().filter(is_living).find(|row| begins(row) <= now);
    let first = signer.map_or(0, |row| row.serial);
    for row in rows.iter().filter(is_living).filter(|row| row.serial >= first) {
        let later = rows.iter().filter(|other| other.serial > row.serial);
        let verifies_until = later.map(begins).min().map(end_of_what_was_signed_before);
        if row.verifies_until != verifies_until {
            store::set_times(txn, &store::Row { verifies_until, ..row.clone() }).await?;
        }
    }
    Ok(())
}

/// Adds a signing key of `algorithm`, unless the newest one is of it; `None` when it is.
pub(crate) async fn follow(
    txn: &impl ConnectionTrait,
    master: &Master,
    algorithm: Algorithm,
    now: DateTime<Utc>,
) -> Result<Option<Added>, RotationError> {
    let rows = signing_rows(txn).await?;
    if rows.last().is_some_and(|newest| newest.algorithm == algorithm.into_str()) {
        return Ok(None);
    }
    add(txn, master, rows, algorithm, Lead::Published, now).await.map(Some)
}

/// Adds a signing key if the newest one has signed since `before`; `None` if it has not.
pub(crate) async fn rotate_aged(
    txn: &impl ConnectionTrait,
    master: &Master,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<Added>, RotationError> {
    if signing_rows(txn).await?.last().is_some_and(|newest| begins(newest) > before) {
        return Ok(None);
    }
    rotate(txn, master, None, Lead::Published, now).await.map(Some)
}

/// Drops a signing key at once: no instance accepts its tokens 5 s later, and clients refresh.
///
/// When it is the one that signs, its successor begins at once. Without one it stays, and as long
/// as some instance may not know the successor it stays too.
pub(crate) async fn retire(
    txn: &impl ConnectionTrait,
    kid: &str,
    now: DateTime<Utc>,
) -> Result<(), RotationError> {
    let rows = store::lock(txn).await?;
    let not_found = || RotationError::NotFound { kid: kid.to_owned() };
    let target = rows.iter().find(|row| row.id == kid).ok_or_else(not_found)?;
    if target.purpose == Purpose::Refresh.into_str() {
        return retire_refresh(txn, &rows, target, now).await;
    }
    let is_living = |row: &&store::Row| row.verifies_until.is_none_or(|until| until > now);
    let others = rows.iter().filter(|row| row.purpose == target.purpose && row.id != kid);
    let others: Vec<_> = others.filter(is_living).collect();
    let newest = others.last().ok_or(RotationError::LastSigner)?;
    let mut later = others.iter().filter(|row| row.serial > target.serial);
    let has_begun = begins(target) <= now && is_living(&target);
    if has_begun && !later.any(|row| begins(row) <= now) {
        // What was rotated away may be what has leaked: it does not come back by itself.
        if newest.serial < target.serial {
            return Err(RotationError::LastSigner);
        }
        let until = newest.created_at + TimeDelta::seconds(KNOWN_HERE_SECONDS.into());
        if until > now {
            return Err(RotationError::TooSoon { until });
        }
        if begins(newest) > now {
            let next = store::Row { signs_from: Some(now), ..(*newest).clone() };
            store::set_times(txn, &next).await?;
        }
    }
    store::delete(txn, kid).await?;
    settle(txn, now).await?;
    Ok(())
}

/// Replaces every key at once by one that is in use immediately, and returns the ids of those. Only for a database that
/// no server runs on: nothing that the keys before have signed is valid any more.
pub(crate) async fn replace_all(
    txn: &impl ConnectionTrait,
    master: &Master,
    now: DateTime<Utc>,
) -> Result<Vec<String>, KeyError> {
    let rows = store::lock(txn).await?;
    for row in &rows {
        store::delete(txn, &row.id).await?;
    }
    let mut added = Vec::new();
    for purpose in [Purpose::Signing, Purpose::Refresh] {
        let newest = rows.iter().rfind(|row| row.purpose == purpose.into_str());
        let material = match purpose {
            Purpose::Signing => {
                let algorithm = newest.and_then(|row| row.algorithm.parse().ok());
                signing::generate(algorithm.unwrap_or_default())?
            }
            Purpose::Refresh => super::refresh::generate()?,
        };
        // A serial is not used twice: tokens name their key by it.
        let serial = newest.map_or(1, |row| row.serial + 1);
        let new = store::NewKey { purpose, serial, material, created_at: now, signs_from: now };
        added.push(store::insert(txn, master, new).await?);
    }
    Ok(added)
}

/// Seals every key under the current secret, whichever it was sealed under, and returns how many
/// there are. One that does not open fails all of it.
pub(crate) async fn reseal(txn: &impl ConnectionTrait, master: &Master) -> Result<usize, KeyError> {
    let rows = store::lock(txn).await?;
    for row in &rows {
        store::reseal(txn, master, row).await?;
    }
    Ok(rows.len())
}

/// Every key, as the operator sees it.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    master: &Master,
    now: DateTime<Utc>,
) -> Result<Vec<Described>, DbErr> {
    let rows = store::list(db).await?;
    let active: Vec<_> = [Purpose::Signing, Purpose::Refresh]
        .into_iter()
        .filter_map(|purpose| {
            let mut of_purpose = rows.iter().rev().filter(|row| row.purpose == purpose.into_str());
            of_purpose.find(|row| begins(row) <= now).map(|row| row.id.clone())
        })
        .collect();
    // A key that a later one overtakes will never sign.
    let is_overtaken = |row: &store::Row| {
        let mut later = rows.iter().filter(|other| other.serial > row.serial);
        later.any(|other| other.purpose == row.purpose && begins(other) <= begins(row))
    };
    let state = |row: &store::Row| match row.verifies_until {
        Some(until) if until <= now => State::Ended,
        _ if begins(row) > now && !is_overtaken(row) => State::Pending,
        _ if active.contains(&row.id) => State::Active,
        _ => State::Verifying,
    };
    Ok(rows
        .iter()
        .map(|row| Described {
            kid: row.id.clone(),
            purpose: row.purpose.clone(),
            algorithm: row.algorithm.clone(),
            state: state(row),
            sealed: store::sealed(row, master),
            created_at: row.created_at,
            signs_from: begins(row),
            verifies_until: row.verifies_until,
        })
        .collect())
}

/// Forgets the keys whose last token expired before `before`.
pub(crate) async fn purge(db: &Db, before: DateTime<Utc>) -> Result<u64, DbErr> {
    store::delete_ended(db.writer(), before).await
}

async fn signing_rows(txn: &impl ConnectionTrait) -> Result<Vec<store::Row>, DbErr> {
    let mut rows = store::lock(txn).await?;
    rows.retain(|row| row.purpose == Purpose::Signing.into_str());
    Ok(rows)
}

fn begins(row: &store::Row) -> DateTime<Utc> {
    row.signs_from.unwrap_or(row.created_at)
}

/// When the last token has expired that a key signed which `signs_from` has replaced.
fn end_of_what_was_signed_before(signs_from: DateTime<Utc>) -> DateTime<Utc> {
    let leeway = u32::try_from(LEEWAY_SECONDS).unwrap_or_default();
    signs_from + TimeDelta::seconds((LIFETIME_MAX_SECONDS + leeway + CLOCKS_APART_SECONDS).into())
}
