//! Keys: the master secret, what is sealed under it, and the set every instance agrees on.
//!
//! Signing keys and the refresh key are random, live in the database, and are sealed under a key
//! derived from the master secret. So instances share them by sharing the database and the
//! secret, and a rotation is a row: how keys follow one another is [`rotation`]. Nothing is ever
//! derived from a constant (KY-05).

mod master;
mod refresh;
pub(crate) mod rotation;
mod sealed_token;
mod signing;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use strum::IntoStaticStr;
use zeroize::Zeroizing;

pub(crate) use self::master::{Master, Sealed};
pub(crate) use self::refresh::{Named, RefreshKey};
pub(crate) use self::sealed_token::SealedToken;
pub(crate) use self::signing::{Algorithm, TokenKey};
use crate::infra::db::{Db, DbFailure};
use crate::kernel::clock::Clock;
use crate::kernel::secret::CryptoError;

/// After this long without a successful reading of the key set the instance is not ready: it
/// might honour a key that the others have dropped.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// What a sealed key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "lowercase")]
pub(crate) enum Purpose {
    /// Signs access tokens.
    Signing,
    /// Vouches for refresh tokens.
    Refresh,
}

/// Why the key set could not be read or made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(
        "SECRET_KEY does not decrypt the key {kid} of this database: set SECRET_KEY or \
         SECRET_KEY_PREVIOUS to the secret that encrypted it, unless somebody changed its row"
    )]
    Sealed { kid: String },
    #[error("the key {kid} cannot be used: {problem}")]
    Unusable { kid: String, problem: &'static str },
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl DbFailure for KeyError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::Sealed { .. } | Self::Unusable { .. } | Self::Crypto(_) => None,
        }
    }
}

/// A key's row, opened.
struct OpenedKey {
    kid: String,
    algorithm: String,
    signs_from: DateTime<Utc>,
    verifies_until: Option<DateTime<Utc>>,
    public: Option<Vec<u8>>,
    secret: Zeroizing<Vec<u8>>,
}

/// The current key set, shared by all of an instance's requests.
#[derive(Clone)]
pub(crate) struct Keys {
    db: Db,
    master: Arc<Master>,
    clock: Clock,
    current: Arc<RwLock<Loaded>>,
}

struct Loaded {
    set: Arc<KeySet>,
    /// What the set was made of: reading the same rows again makes nothing new.
    rows: Vec<store::Row>,
    read_at: Duration,
}

/// All keys as of one reading of the database.
pub(crate) struct KeySet {
    /// By serial, the newest first.
    signing: Vec<Arc<TokenKey>>,
    by_kid: HashMap<String, Arc<TokenKey>>,
    /// By serial, the newest first.
    refresh: Vec<RefreshKey>,
}

impl Keys {
    /// Reads the key set. A row that does not open is an error, never a reason to go on without.
    pub(crate) async fn open(db: Db, master: Arc<Master>, clock: Clock) -> Result<Self, KeyError> {
        let read_at = clock.uptime();
        let rows = store::list(db.reader()).await?;
        let set = Arc::new(KeySet::open(&rows, &master)?);
        let current = Arc::new(RwLock::new(Loaded { set, rows, read_at }));
        Ok(Self { db, master, clock, current })
    }

    /// The key set of the last successful reading.
    pub(crate) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).set)
    }

    /// Reads the key set again: what another instance added or dropped takes effect here.
    pub(crate) async fn reload(&self) -> Result<(), KeyError> {
        // The age counts from before the reading, so that a slow one is not taken for a fresh one.
        let read_at = self.clock.uptime();
        let rows = store::list(self.db.reader()).await?;
        let changed = self.current.read().unwrap_or_else(PoisonError::into_inner).rows != rows;
        let set = changed.then(|| KeySet::open(&rows, &self.master)).transpose()?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.read_at = read_at;
        if let Some(set) = set {
            current.set = Arc::new(set);
            current.rows = rows;
            tracing::debug!(keys = current.rows.len(), "the keys have changed and were read again");
        }
        Ok(())
    }

    /// Whether every key that signs by now has been read: a new one signs this much later than it is made.
    pub(crate) fn are_current(&self) -> bool {
        self.age() <= Duration::from_secs(rotation::KNOWN_HERE_SECONDS.into())
    }

    /// Whether the last successful reading is recent enough to decide by.
    pub(crate) fn are_fresh(&self) -> bool {
        self.age() <= STALE_AFTER
    }

    fn age(&self) -> Duration {
        let read_at = self.current.read().unwrap_or_else(PoisonError::into_inner).read_at;
        self.clock.uptime().saturating_sub(read_at)
    }
}

impl KeySet {
    /// Opens every row; one that does not open, or holds no good key, fails the whole set.
    fn open(rows: &[store::Row], master: &Master) -> Result<Self, KeyError> {
        let missing = |purpose: Purpose| KeyError::Unusable {
            kid: purpose.into_str().to_owned(),
            problem: "the database has no such key",
        };
        let of =
            |purpose: Purpose| rows.iter().filter(move |row| row.purpose == purpose.into_str());
        let mut signing = of(Purpose::Signing)
            .map(|row| Ok(Arc::new(TokenKey::load(&store::open(row, master)?)?)))
            .collect::<Result<Vec<_>, KeyError>>()?;
        signing.reverse();
        if signing.is_empty() {
            return Err(missing(Purpose::Signing));
        }
        let mut refresh = of(Purpose::Refresh)
            .map(|row| RefreshKey::load(row.serial, &store::open(row, master)?))
            .collect::<Result<Vec<_>, KeyError>>()?;
        refresh.reverse();
        if refresh.is_empty() {
            return Err(missing(Purpose::Refresh));
        }
        Ok(Self {
            by_kid: signing.iter().map(|key| (key.kid.clone(), Arc::clone(key))).collect(),
            signing,
            refresh,
        })
    }

    /// The one key that signs now: the newest whose time has come.
    pub(crate) fn signing(&self, now: DateTime<Utc>) -> &TokenKey {
        let mut living = self.usable(now);
        let begun = living.clone().find(|key| key.signs_from <= now);
        // None has begun when this clock is behind the one that wrote the rows. Somebody must
        // sign, and the set is never empty.
        begun.or_else(|| living.next_back()).unwrap_or(&self.signing[0])
    }

    /// The key a token names, if it is one of ours. Looked up in memory only (JW-03).
    pub(crate) fn verifying(&self, kid: &str) -> Option<&TokenKey> {
        self.by_kid.get(kid).map(Arc::as_ref)
    }

    /// The JSON Web Key Set other services verify with (RFC 7517): public members only, of the
    /// keys that sign, will sign, or have signed what is still valid.
    pub(crate) fn jwks(&self, now: DateTime<Utc>) -> serde_json::Value {
        let usable = self.usable(now).rev();
        serde_json::json!({ "keys": usable.filter_map(TokenKey::jwk).collect::<Vec<_>>() })
    }

    /// The algorithms of the keys in [`KeySet::jwks`].
    pub(crate) fn algorithms(&self, now: DateTime<Utc>) -> Vec<&'static str> {
        let usable = self.usable(now).map(|key| key.algorithm);
        let public = usable.filter(|algorithm| algorithm.has_public_keys());
        let mut names: Vec<_> = public.map(Algorithm::into).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// For how long the current key of each purpose has been in use.
    pub(crate) fn ages(&self, now: DateTime<Utc>) -> [(Purpose, Duration); 2] {
        let since = |begun: DateTime<Utc>| (now - begun).to_std().unwrap_or_default();
        [
            (Purpose::Signing, since(self.signing(now).signs_from)),
            (Purpose::Refresh, since(self.refresh(now).signs_from)),
        ]
    }

    fn usable(&self, now: DateTime<Utc>) -> impl DoubleEndedIterator<Item = &TokenKey> + Clone {
        self.signing.iter().map(Arc::as_ref).filter(move |key| !key.has_ended(now))
    }

    /// The refresh key that signs now: the newest whose time has come, which is when every instance has it.
    pub(crate) fn refresh(&self, now: DateTime<Utc>) -> &RefreshKey {
        let begun = self.refresh.iter().find(|key| key.signs_from <= now);
        // None has begun when this clock is behind: then the oldest signs. The set is never empty.
        begun.or_else(|| self.refresh.last()).unwrap_or(&self.refresh[0])
    }

    /// The refresh key of a serial, as long as it verifies.
    pub(crate) fn refresh_of(&self, serial: u16, now: DateTime<Utc>) -> Named<'_> {
        if serial == self.refresh[0].serial.saturating_add(1) {
            return Named::NotYet;
        }
        let named = self.refresh.iter().find(|key| key.serial == serial);
        let is_over = |key: &&RefreshKey| key.verifies_until.is_some_and(|end| end <= now);
        named.filter(|key| !is_over(key)).map_or(Named::Gone, Named::Known)
    }
}

/// Fresh key material: what it is for, its public half if it has one, and its secret.
struct Material {
    algorithm: &'static str,
    public: Option<Vec<u8>>,
    secret: Zeroizing<Vec<u8>>,
}

#[cfg(test)]
impl KeySet {
    /// Refresh keys alone, each with its serial, when it signs from and until when it verifies.
    pub(crate) fn of_refresh<const N: usize>(
        keys: [(i32, DateTime<Utc>, Option<DateTime<Utc>>); N],
    ) -> Self {
        let mut refresh = keys.map(|(serial, signs_from, verifies_until)| {
            let Material { algorithm, secret, .. } = refresh::generate().unwrap();
            let opened = OpenedKey {
                kid: serial.to_string(),
                algorithm: algorithm.to_owned(),
                signs_from,
                verifies_until,
                public: None,
                secret,
            };
            RefreshKey::load(serial, &opened).unwrap()
        });
        refresh.reverse();
        Self { signing: Vec::new(), by_kid: HashMap::new(), refresh: refresh.into() }
    }
}
