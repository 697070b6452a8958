//! How many changes of one caller are in progress at once.
//!
//! They wait for each other anyway, by the lock on the caller's row, and whoever waits there holds a connection
//! of the pool that everybody needs. So they take turns before they have one.

use tokio::time::timeout;

use super::{Lane, NoThread, WAIT_MAX, refused};
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::shares::{Share, Shares};

/// Changes of one writer at once: one works while the others read what they need.
const AT_ONCE: u32 = 4;

/// Whose changes take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    Account(UserId),
    /// For what people need to defend themselves: whoever floods their account from another session does not
    /// hold that up (BF-13). One at a time, since an account may have many sessions.
    Defender(SessionId),
}

impl Writer {
    /// How much of what it has one change takes.
    fn much(self) -> u32 {
        match self {
            Self::Account(_) => 1,
            Self::Defender(_) => AT_ONCE,
        }
    }
}

pub(crate) struct Writers(Shares<Writer>);

/// A turn, for as long as it is kept.
pub(crate) struct Turn<'a>(#[expect(dead_code, reason = "kept for its drop")] Share<'a, Writer>);

impl Default for Writers {
    fn default() -> Self {
        Self(Shares::new(AT_ONCE as usize))
    }
}

impl Writers {
    /// Waits for a turn, and not for long.
    pub(crate) async fn turn(&self, writer: Writer) -> Result<Turn<'_>, NoThread> {
        match timeout(WAIT_MAX, self.0.take(writer, writer.much())).await {
            Ok(share) => Ok(Turn(share)),
            Err(_elapsed) => Err(refused(Lane::Writer, NoThread::Busy)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_account_takes_turns_and_defends_itself_beside_them() {
        let writers = Writers::default();
        let now = DateTime::UNIX_EPOCH;
        let (account, session) = (UserId::new(now), SessionId::new(now));
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE {
            turns.push(writers.turn(Writer::Account(account)).await.unwrap_or_else(|_| panic!()));
        }
        assert!(writers.turn(Writer::Account(account)).await.is_err());
        assert!(writers.turn(Writer::Account(UserId::new(now))).await.is_ok());
        assert!(writers.turn(Writer::Defender(session)).await.is_ok());

        let waiting = writers.turn(Writer::Account(account));
        let released = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            turns.pop();
        };
        let (turn, ()) = tokio::join!(waiting, released);
        assert!(turn.is_ok());
        drop((turn, turns));
        assert_eq!(writers.0.count(), 0);
    }
}
