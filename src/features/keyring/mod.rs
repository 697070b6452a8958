//! The keyring: what the operator, and the server at its start, do to the keys.
//!
//! The rules are those of [`rotation`]; here each change gets its transaction and its audit event.

use std::pin::Pin;
use std::sync::Arc;

use chrono::TimeDelta;
use sea_orm::DbErr;
use uuid::Uuid;

use crate::features::audit::{self, Kind, kind};
use crate::features::change::{Changes, Record, Tx};
use crate::infra::db::{Db, violates};
use crate::infra::keys::rotation::{self, Added, AddedRefresh, Described, Lead, RotationError};
use crate::infra::keys::{Algorithm, KeyError, Master, Purpose};
use crate::kernel::acting::Acting;
use crate::kernel::clock::Clock;

/// The one place that adds, drops and reseals keys.
#[derive(Clone)]
pub(crate) struct Keyring {
    db: Db,
    clock: Clock,
    changes: Changes,
    master: Arc<Master>,
    reseal_seeds: ResealSeeds,
}

/// Seals the seeds of one-time codes under the current secret. A feature above keeps them, which the program is wired with.
pub(crate) type ResealSeeds =
    for<'a> fn(
        &'a Db,
        &'a Master,
    ) -> Pin<Box<dyn Future<Output = Result<ResealedSeeds, KeyError>> + Send + 'a>>;

/// How many seeds were sealed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResealedSeeds {
    pub(crate) sealed: u64,
    /// Those that no secret opens: their users can prove nothing by them.
    pub(crate) unreadable: u64,
}

/// What was sealed under the current secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resealed {
    /// All keys there are.
    pub(crate) keys: usize,
    pub(crate) seeds: ResealedSeeds,
}

impl Keyring {
    pub(crate) fn new(
        db: Db,
        clock: Clock,
        changes: Changes,
        master: Arc<Master>,
        reseal_seeds: ResealSeeds,
    ) -> Self {
        Self { db, clock, changes, master, reseal_seeds }
    }

    /// Makes the first keys of a new database.
    pub(crate) async fn make_first(&self, algorithm: Algorithm) -> Result<(), KeyError> {
        for purpose in [Purpose::Signing, Purpose::Refresh] {
            match self.make_first_of(purpose, algorithm).await {
                // Another instance was first.
                Err(KeyError::Db(error)) if violates(&error, "keys_purpose_serial") => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn make_first_of(&self, purpose: Purpose, algorithm: Algorithm) -> Result<(), KeyError> {
        let make = async |tx: Tx<'_>| {
            let now = tx.now();
            let made = rotation::make_first(&tx, &self.master, purpose, algorithm, now).await?;
            let Some(kid) = made else { return Ok(()) };
            tx.note(about_key(kind::KEY_ADDED, &kid));
            Ok(tx.commit(()).await?)
        };
        self.changes.run("make the first keys", Acting::server(), make).await
    }

    /// Has tokens signed with `algorithm` before long, if they are not; `None` if they are.
    pub(crate) async fn follow(
        &self,
        algorithm: Algorithm,
    ) -> Result<Option<Added>, RotationError> {
        let follow = async |tx: Tx<'_>| {
            let added = rotation::follow(&tx, &self.master, algorithm, tx.now()).await?;
            if let Some(added) = &added {
                tx.note(about_key(kind::KEY_ADDED, &added.kid));
            }
            Ok(tx.commit(added).await?)
        };
        self.changes.run("follow the algorithm", Acting::server(), follow).await
    }

    /// Adds a signing key if the newest one has signed for so long; `None` if it has not.
    pub(crate) async fn rotate_aged(&self, age: TimeDelta) -> Result<Option<Added>, RotationError> {
        let rotate = async |tx: Tx<'_>| {
            let now = tx.now();
            let added = rotation::rotate_aged(&tx, &self.master, now - age, now).await?;
            if let Some(added) = &added {
                tx.note(about_key(kind::KEY_ADDED, &added.kid));
            }
            Ok(tx.commit(added).await?)
        };
        self.changes.run("rotate an aged key", Acting::server(), rotate).await
    }

    /// Adds a signing key, of the current algorithm unless another is given.
    pub(crate) async fn rotate(
        &self,
        algorithm: Option<Algorithm>,
        lead: Lead,
    ) -> Result<Added, RotationError> {
        let rotate = async |tx: Tx<'_>| {
            let added = rotation::rotate(&tx, &self.master, algorithm, lead, tx.now()).await?;
            tx.note(about_key(kind::KEY_ADDED, &added.kid));
            Ok(tx.commit(added).await?)
        };
        self.changes.run("rotate keys", Acting::operator(), rotate).await
    }

    /// Adds a refresh key; the one before it verifies for as long as a session may last.
    pub(crate) async fn rotate_refresh(
        &self,
        session_lifetime: TimeDelta,
    ) -> Result<AddedRefresh, RotationError> {
        let rotate = async |tx: Tx<'_>| {
            let added =
                rotation::rotate_refresh(&tx, &self.master, session_lifetime, tx.now()).await?;
            tx.note(about_key(kind::KEY_ADDED, &added.kid));
            Ok(tx.commit(added).await?)
        };
        self.changes.run("rotate the refresh key", Acting::operator(), rotate).await
    }

    /// Drops a key and all it has signed.
    pub(crate) async fn retire(&self, kid: &str) -> Result<(), RotationError> {
        let retire = async |tx: Tx<'_>| {
            rotation::retire(&tx, kid, tx.now()).await?;
            tx.note(about_key(kind::KEY_RETIRED, kid));
            Ok(tx.commit(()).await?)
        };
        self.changes.run("retire a key", Acting::operator(), retire).await
    }

    /// Replaces every key, so that none that was withdrawn since a restored backup was made is valid again.
    pub(crate) async fn replace_all(&self) -> Result<(), KeyError> {
        let replace = async |tx: Tx<'_>| {
            for kid in rotation::replace_all(&tx, &self.master, tx.now()).await? {
                tx.note(about_key(kind::KEY_ADDED, &kid));
            }
            Ok(tx.commit(()).await?)
        };
        self.changes.run("replace all keys", Acting::operator(), replace).await
    }

    /// Seals all keys and seeds under the current secret, and signs the audit log under it. Seeds come first: who is told
    /// that the keys are sealed needs the secret before for nothing.
    pub(crate) async fn reseal(&self) -> Result<Resealed, KeyError> {
        let seeds = (self.reseal_seeds)(&self.db, &self.master).await?;
        let reseal = async |tx: Tx<'_>| {
            let keys = rotation::reseal(&tx, &self.master).await?;
            audit::sign_again(&tx, &self.master).await?;
            tx.note(Record::of(kind::KEYS_RESEALED));
            Ok(tx.commit(Resealed { keys, seeds }).await?)
        };
        self.changes.run("reseal keys", Acting::operator(), reseal).await
    }

    /// Every key, as the operator sees it.
    pub(crate) async fn list(&self) -> Result<Vec<Described>, DbErr> {
        rotation::list(self.db.reader(), &self.master, self.clock.now()).await
    }
}

fn about_key(kind: Kind, key_id: &str) -> Record {
    match Uuid::try_parse(key_id) {
        Ok(id) => Record::of(kind).about(id),
        Err(_) => Record::of(kind),
    }
}
