//! What the operator unlocks at the command line, or an owner by mail on another instance, the servers
//! learn from the database.

use chrono::TimeDelta;
use sea_orm::DbErr;

use super::{BY_NAME, MAILED_CODES, OF_ACCOUNT, store};
use crate::infra::db::Db;
use crate::infra::limits::Limits;
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;

/// How far back is looked: more than the clocks of two machines may differ, and than it takes a
/// database that was away to come back.
const LOOKED_BACK: TimeDelta = TimeDelta::minutes(2);

/// Forgets the failures of strangers at an account, by each of its names and by itself, and those of mailed codes: whoever
/// has chosen another password by mail has shown that they read it.
pub(crate) async fn forget_failures(limits: &Limits, names: [&str; 2], id: UserId) {
    let [username, email] = names.map(|name| BY_NAME.of(name));
    limits.forget([username, email, OF_ACCOUNT.of(id), MAILED_CODES.of(id)]).await;
}

/// Forgets the failures counted for those who have been unlocked, once each.
pub(crate) struct Unlocks {
    db: Db,
    clock: Clock,
    limits: Limits,
    /// Those seen at the last look.
    known: Vec<store::Unlocked>,
}

impl Unlocks {
    pub(crate) fn new(db: Db, clock: Clock, limits: Limits) -> Self {
        Self { db, clock, limits, known: Vec::new() }
    }

    /// Looks once. A server does every two seconds.
    pub(crate) async fn follow(&mut self) -> Result<(), DbErr> {
        let since = self.clock.now() - LOOKED_BACK;
        let found = store::list_unlocked(self.db.reader(), since).await?;
        for unlocked in &found {
            if !self.known.contains(unlocked) {
                let names = [unlocked.username_key.as_str(), unlocked.email_key.as_str()];
                forget_failures(&self.limits, names, unlocked.id).await;
            }
        }
        self.known = found;
        Ok(())
    }
}
