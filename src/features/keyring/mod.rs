//! The keyring: what the operator, and the server at its start, do to the keys.
//!
//! The rules are those of [`rotation`]; here each change gets its transaction and its audit event.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use crate::features::audit::{self, Actor, Event, Kind};
use crate::infra::db::{Db, is_unique_violation};
use crate::infra::keys::rotation::{self, Added, Described, Lead, RotationError};
use crate::infra::keys::{Algorithm, KeyError, Master, Purpose};
use crate::kernel::access::Client;
use crate::kernel::clock::Clock;

/// The one place that adds, drops and reseals keys.
#[derive(Clone)]
pub(crate) struct Keyring {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) master: Arc<Master>,
}

impl Keyring {
    /// Makes the first keys of a new database.
    pub(crate) async fn make_first(&self, algorithm: Algorithm) -> Result<(), KeyError> {
        for purpose in [Purpose::Signing, Purpose::Refresh] {
            match self.make_first_of(purpose, algorithm).await {
                // Another instance was first.
                Err(KeyError::Db(error)) if is_unique_violation(&error) => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn make_first_of(&self, purpose: Purpose, algorithm: Algorithm) -> Result<(), KeyError> {
        self.db
            .retry(async || {
                let txn = self.db.begin().await?;
                let now = self.clock.now();
                let made =
                    rotation::make_first(&txn, &self.master, purpose, algorithm, now).await?;
                if let Some(kid) = made {
                    self.record(&txn, Kind::KeyAdded, Actor::System, Some(&kid)).await?;
                    txn.commit().await?;
                }
                Ok(())
            })
            .await
    }

    /// Has tokens signed with `algorithm` before long, if they are not; `None` if they are.
    pub(crate) async fn follow(
        &self,
        algorithm: Algorithm,
    ) -> Result<Option<Added>, RotationError> {
        self.db
            .retry(async || {
                let txn = self.db.begin().await?;
                let now = self.clock.now();
                let added = rotation::follow(&txn, &self.master, algorithm, now).await?;
                if let Some(added) = &added {
                    self.record(&txn, Kind::KeyAdded, Actor::System, Some(&added.kid)).await?;
                }
                txn.commit().await?;
                Ok(added)
            })
            .await
    }

    /// Adds a signing key, of the current algorithm unless another is given.
    pub(crate) async fn rotate(
        &self,
        algorithm: Option<Algorithm>,
        lead: Lead,
    ) -> Result<Added, RotationError> {
        self.db
            .retry(async || {
                let txn = self.db.begin().await?;
                let now = self.clock.now();
                let added = rotation::rotate(&txn, &self.master, algorithm, lead, now).await?;
                self.record(&txn, Kind::KeyAdded, Actor::Cli, Some(&added.kid)).await?;
                txn.commit().await?;
                Ok(added)
            })
            .await
    }

    /// Drops a signing key and all it has signed.
    pub(crate) async fn retire(&self, kid: &str) -> Result<(), RotationError> {
        self.db
            .retry(async || {
                let txn = self.db.begin().await?;
                rotation::retire(&txn, kid, self.clock.now()).await?;
                self.record(&txn, Kind::KeyRetired, Actor::Cli, Some(kid)).await?;
                txn.commit().await?;
                Ok(())
            })
            .await
    }

    /// Seals all keys under the current secret, signs the audit log under it, and returns how many
    /// keys there are.
    pub(crate) async fn reseal(&self) -> Result<usize, KeyError> {
        self.db
            .retry(async || {
                let txn = self.db.begin().await?;
                let count = rotation::reseal(&txn, &self.master).await?;
                audit::sign_again(&txn, &self.master).await?;
                self.record(&txn, Kind::KeysResealed, Actor::Cli, None).await?;
                txn.commit().await?;
                Ok(count)
            })
            .await
    }

    /// Every key, as the operator sees it.
    pub(crate) async fn list(&self) -> Result<Vec<Described>, DbErr> {
        rotation::list(self.db.reader(), &self.master, self.clock.now()).await
    }

    async fn record(
        &self,
        db: &impl ConnectionTrait,
        kind: Kind,
        actor: Actor,
        key_id: Option<&str>,
    ) -> Result<(), DbErr> {
        let target = key_id.and_then(|id| Uuid::try_parse(id).ok());
        let event = Event { kind, actor, target, session: None, client: &Client::CLI };
        audit::record(db, self.clock.now(), event).await
    }
}
