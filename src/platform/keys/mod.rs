//! Keys: the master secret, what is sealed under it, and the set every instance agrees on.
//!
//! Signing keys and the refresh key are random, live in the database, and are sealed under a key
//! derived from the master secret. So instances share them by sharing the database and the
//! secret, and a rotation is a row. Nothing is ever derived from a constant (KY-05).

mod master;
mod signing;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::hmac;
use sea_orm::DbErr;
use zeroize::Zeroizing;

pub(crate) use self::master::Master;
pub(crate) use self::signing::{SigningKey, VerifyingKey};
use super::clock::Clock;
use super::db::{Db, is_unique_violation};
use super::secret::{self, CryptoError};

/// After this long without a successful reading of the key set the instance is not ready: it
/// might honour a key that the others have dropped.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// What a sealed key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Signs access tokens.
    Signing,
    /// Derives the successors of refresh tokens.
    Refresh,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Refresh => "refresh",
        }
    }
}

/// Why the key set could not be read or made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(
        "SECRET_KEY does not open the key {kid} of this database: it was sealed under another \
         secret, or the row was changed"
    )]
    Sealed { kid: String },
    #[error("the key {kid} is not usable: {problem}")]
    Unusable { kid: String, problem: &'static str },
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// A key's row, opened.
pub(crate) struct OpenedKey {
    kid: String,
    serial: i32,
    algorithm: String,
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
    read_at: Duration,
}

/// All keys as of one reading of the database.
pub(crate) struct KeySet {
    signing: SigningKey,
    verifying: HashMap<String, VerifyingKey>,
    refresh: hmac::Key,
}

impl Keys {
    /// Reads the key set, and makes the first one when the database has none.
    ///
    /// Rows that do not open are an error, never a reason to make new keys beside them. Instances
    /// that start together on an empty database agree: serial 1 of a purpose exists once, and
    /// whoever loses the insert reads the winner's.
    pub(crate) async fn open(db: Db, master: Master, clock: Clock) -> Result<Self, KeyError> {
        for purpose in [Purpose::Signing, Purpose::Refresh] {
            if store::exists(db.writer(), purpose).await? {
                continue;
            }
            match store::insert(db.writer(), &master, purpose, 1, clock.now()).await {
                Err(KeyError::Db(error)) if is_unique_violation(&error) => {}
                outcome => outcome?,
            }
        }
        let set = Arc::new(KeySet::read(&db, &master).await?);
        let loaded = Loaded { set, read_at: clock.uptime() };
        Ok(Self { db, master: Arc::new(master), clock, current: Arc::new(RwLock::new(loaded)) })
    }

    /// The key set of the last successful reading.
    pub(crate) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).set)
    }

    /// Reads the key set again: what another instance added or dropped takes effect here.
    pub(crate) async fn reload(&self) -> Result<(), KeyError> {
        // The age counts from before the reading, so that a slow one is not taken for a fresh one.
        let read_at = self.clock.uptime();
        let set = Arc::new(KeySet::read(&self.db, &self.master).await?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Loaded { set, read_at };
        Ok(())
    }

    /// Whether the last successful reading is recent enough to decide by.
    pub(crate) fn are_fresh(&self) -> bool {
        let read_at = self.current.read().unwrap_or_else(PoisonError::into_inner).read_at;
        self.clock.uptime().saturating_sub(read_at) <= STALE_AFTER
    }
}

impl KeySet {
    async fn read(db: &Db, master: &Master) -> Result<Self, KeyError> {
        let signing = store::list(db.reader(), master, Purpose::Signing).await?;
        let refresh = store::list(db.reader(), master, Purpose::Refresh).await?;
        let verifying = signing
            .iter()
            .map(|key| Ok((key.kid.clone(), VerifyingKey::load(key)?)))
            .collect::<Result<_, KeyError>>()?;
        Ok(Self {
            signing: SigningKey::load(newest(&signing, Purpose::Signing)?)?,
            verifying,
            refresh: hmac::Key::new(hmac::HMAC_SHA256, &newest(&refresh, Purpose::Refresh)?.secret),
        })
    }

    /// The one key that signs.
    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The key a token names, if it is one of ours. Looked up in memory only (JW-03).
    pub(crate) fn verifying(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifying.get(kid)
    }

    /// The JSON Web Key Set other services verify with (RFC 7517): public members only.
    pub(crate) fn jwks(&self) -> serde_json::Value {
        let mut keys: Vec<_> = self.verifying.values().collect();
        keys.sort_by_key(|key| key.serial());
        serde_json::json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
    }

    /// HMAC-SHA256 under the refresh key.
    pub(crate) fn refresh_mac(&self, parts: [&[u8]; 2]) -> [u8; 32] {
        let mut mac = hmac::Context::with_key(&self.refresh);
        for part in parts {
            mac.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(mac.sign().as_ref());
        out
    }
}

fn newest(keys: &[OpenedKey], purpose: Purpose) -> Result<&OpenedKey, KeyError> {
    keys.iter().max_by_key(|key| key.serial).ok_or_else(|| KeyError::Unusable {
        kid: purpose.as_str().to_owned(),
        problem: "the database holds none",
    })
}

/// Fresh key material: what it is for, its public half if it has one, and its secret.
struct Material {
    algorithm: &'static str,
    public: Option<Vec<u8>>,
    secret: Zeroizing<Vec<u8>>,
}

fn generate(purpose: Purpose) -> Result<Material, CryptoError> {
    match purpose {
        Purpose::Signing => signing::generate(),
        Purpose::Refresh => {
            let secret = Zeroizing::new(secret::random::<32>()?.to_vec());
            Ok(Material { algorithm: "HS256", public: None, secret })
        }
    }
}
