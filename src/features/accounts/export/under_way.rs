//! The exports under way in this process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::NoExport;
use crate::kernel::id::UserId;

/// At once: each holds a page.
const AT_ONCE: usize = 64;

/// Whose exports are under way. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Exports(Arc<Mutex<HashSet<UserId>>>);

/// A place among them, for as long as it is kept.
pub(super) struct Place {
    of: Exports,
    pub(super) user: UserId,
}

impl Exports {
    pub(super) fn enter(&self, user: UserId) -> Result<Place, NoExport> {
        let mut users = self.lock();
        if users.len() >= AT_ONCE {
            return Err(NoExport::Full);
        }
        match users.insert(user) {
            true => Ok(Place { of: self.clone(), user }),
            false => Err(NoExport::UnderWay),
        }
    }

    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, HashSet<UserId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.lock().remove(&self.user);
    }
}
