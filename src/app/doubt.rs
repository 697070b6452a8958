//! Whether the clock of this machine can be believed: tokens are signed by it, and rows are deleted by it.
//!
//! A database server has a clock of its own, which is read every two seconds. A file has none. What shows with both is
//! that somebody set the machine's clock: since the last look it has not gone on with the clock that nobody can set.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;
use tokio::time::timeout;

use super::{App, PROBE_MAX};
use crate::infra::causes::causes;
use crate::infra::jwt::LEEWAY_SECONDS;
use crate::infra::keys::rotation::CLOCKS_APART_SECONDS;
use crate::infra::metrics;

/// How far this clock may differ from that of the database server: two instances then differ by no more than a change
/// of keys tolerates.
pub(crate) const SKEW_MAX: TimeDelta = TimeDelta::seconds(CLOCKS_APART_SECONDS as i64 / 2);
/// A clock that moves by more than others tolerate was set.
const STEP_MIN: TimeDelta = TimeDelta::seconds(LEEWAY_SECONDS);
/// How long a clock that was set must run evenly before tokens are signed by it, where no other clock confirms it.
const EVEN_TO_SIGN: Duration = Duration::from_mins(1);
/// The same before rows are deleted by it. The database may run on this machine, so its clock does not count.
const EVEN_TO_DELETE: Duration = Duration::from_hours(1);

/// Why the clock of this machine is not believed, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Doubt {
    #[error(
        "the clock of this machine is {seconds} s ahead of the database server's: synchronize both clocks (NTP)"
    )]
    Ahead { seconds: i64 },
    #[error(
        "the clock of this machine is {seconds} s behind the database server's: synchronize both clocks (NTP)"
    )]
    Behind { seconds: i64 },
    #[error("the clock of this machine was set back by {seconds} s: wait a minute")]
    SetBack { seconds: i64 },
    #[error(
        "the clock of this machine has not been compared with the database server's yet: check that the database answers"
    )]
    Unknown,
    #[error(
        "the clock of this machine was set, or the machine slept: nothing is deleted until the clock has run evenly for \
         an hour"
    )]
    Set,
}

/// What is known of the clock.
#[derive(Default)]
pub(super) struct ClockState(Mutex<Seen>);

impl ClockState {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Default)]
struct Seen {
    skew: Skew,
    /// When this process began, by the machine's clock as it was at the last look.
    began: Option<DateTime<Utc>>,
    /// Whether our clock was later than the machine's at the last look, because that was set back.
    is_later: bool,
    /// The uptime at which the machine's clock was last found set.
    set_at: Option<Duration>,
}

/// How far the machine's clock is ahead of the database server's.
#[derive(Clone, Copy, Default)]
enum Skew {
    #[default]
    Unknown,
    /// There is no other clock.
    Alone,
    Of(TimeDelta),
}

impl Seen {
    /// Takes note of when the process began by the machine's clock, which changes when that is set, and of how much later
    /// our clock is: the machine's may have been set forward and back since the last look.
    fn note(&mut self, began: DateTime<Utc>, later: TimeDelta, uptime: Duration) {
        let is_later = later > STEP_MIN;
        let is_moved = self.began.is_some_and(|before| (began - before).abs() > STEP_MIN);
        if is_moved || (is_later && !self.is_later) {
            self.set_at = Some(uptime);
        }
        (self.began, self.is_later) = (Some(began), is_later);
    }

    fn is_even_for(&self, long: Duration, uptime: Duration) -> bool {
        self.set_at.is_none_or(|set_at| uptime >= set_at + long)
    }

    /// Whether what the machine's clock shows now is the time, however late it has been before.
    fn confirms_machine(&self, uptime: Duration) -> bool {
        match self.skew {
            Skew::Unknown => false,
            Skew::Alone => self.is_even_for(EVEN_TO_SIGN, uptime),
            Skew::Of(skew) => skew.abs() <= SKEW_MAX,
        }
    }

    /// Why no tokens should be signed by the clock, which shows a later time than the machine's.
    fn doubt(&self, later: TimeDelta) -> Option<Doubt> {
        match self.skew {
            Skew::Of(skew) if skew > SKEW_MAX => Some(Doubt::Ahead { seconds: skew.num_seconds() }),
            Skew::Of(skew) if skew < -SKEW_MAX => {
                Some(Doubt::Behind { seconds: -skew.num_seconds() })
            }
            // Others would not accept what this one signs.
            Skew::Of(_) | Skew::Alone | Skew::Unknown => {
                (later > STEP_MIN).then(|| Doubt::SetBack { seconds: later.num_seconds() })
            }
        }
    }

    /// Why nothing should be deleted by the clock.
    fn doubt_to_delete(&self, later: TimeDelta, uptime: Duration) -> Option<Doubt> {
        let other = match self.skew {
            Skew::Unknown => Some(Doubt::Unknown),
            Skew::Alone | Skew::Of(_) if !self.is_even_for(EVEN_TO_DELETE, uptime) => {
                Some(Doubt::Set)
            }
            Skew::Alone | Skew::Of(_) => None,
        };
        self.doubt(later).or(other)
    }
}

impl App {
    /// Compares the clock of this machine with the database server's, as the housekeeping does every two seconds.
    /// When the machine's is right again after it was ahead, this instance follows it.
    pub async fn look_at_clock(&self) {
        let skew = match timeout(PROBE_MAX, self.skew()).await {
            Ok(Ok(skew)) => Some(skew),
            Ok(Err(error)) => {
                tracing::debug!(error = %causes(&error), "cannot read the clock of the database server");
                None
            }
            Err(_elapsed) => None,
        };
        let uptime = self.clock.uptime();
        let mut seen = self.clock_state.seen();
        seen.note(self.clock.began(), self.clock.ahead(), uptime);
        if let Some(skew) = skew {
            seen.skew = skew;
        }
        if self.clock.ahead() > STEP_MIN && seen.confirms_machine(uptime) {
            self.clock.follow_machine();
        }
    }

    async fn skew(&self) -> Result<Skew, DbErr> {
        let Some(skew) = self.db.skew(&self.clock).await? else { return Ok(Skew::Alone) };
        metrics::clock_skew(skew.as_seconds_f64());
        Ok(Skew::Of(skew))
    }

    /// Fails while no tokens should be signed by the clock.
    pub(super) fn trust_clock(&self) -> Result<(), Doubt> {
        self.clock_state.seen().doubt(self.clock.ahead()).map_or(Ok(()), Err)
    }

    /// Fails while nothing should be deleted by its age. Whatever deletes so asks first.
    pub(super) async fn trust_clock_to_delete(&self) -> Result<(), Doubt> {
        self.look_at_clock().await;
        let seen = *self.clock_state.seen();
        seen.doubt_to_delete(self.clock.ahead(), self.clock.uptime()).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: TimeDelta = TimeDelta::zero();
    const HOUR: TimeDelta = TimeDelta::hours(1);

    /// What is seen of a clock that was set by an hour when the process was ten minutes old.
    fn seen(skew: Skew) -> Seen {
        let mut seen = Seen { skew, ..Seen::default() };
        seen.note(DateTime::UNIX_EPOCH, NONE, Duration::ZERO);
        seen.note(DateTime::UNIX_EPOCH + HOUR, NONE, Duration::from_mins(10));
        seen
    }

    #[test]
    fn a_clock_is_believed_within_half_a_minute_of_the_databases() {
        let doubt = |seconds| seen(Skew::Of(TimeDelta::seconds(seconds))).doubt(NONE);
        assert_eq!((doubt(30), doubt(-30)), (None, None));
        assert_eq!(doubt(31), Some(Doubt::Ahead { seconds: 31 }));
        assert_eq!(doubt(-3600), Some(Doubt::Behind { seconds: 3600 }));
    }

    #[test]
    fn a_clock_that_was_set_back_is_believed_when_the_database_confirms_it_or_after_a_minute() {
        let minute = |minutes| Duration::from_mins(minutes);
        assert!(seen(Skew::Of(NONE)).confirms_machine(minute(10)));
        assert!(!seen(Skew::Of(HOUR)).confirms_machine(minute(100)));
        assert!(!seen(Skew::Unknown).confirms_machine(minute(100)));
        assert!(!seen(Skew::Alone).confirms_machine(minute(10)));
        assert_eq!(seen(Skew::Alone).doubt(HOUR), Some(Doubt::SetBack { seconds: 3600 }));
        assert!(seen(Skew::Alone).confirms_machine(minute(11)));
    }

    #[test]
    fn nothing_is_deleted_within_an_hour_of_a_clock_that_was_set() {
        let doubt = |skew, minutes| seen(skew).doubt_to_delete(NONE, Duration::from_mins(minutes));
        for skew in [Skew::Alone, Skew::Of(NONE)] {
            assert_eq!(doubt(skew, 69), Some(Doubt::Set));
            assert_eq!(doubt(skew, 70), None);
        }
        assert_eq!(doubt(Skew::Unknown, 70), Some(Doubt::Unknown));
        assert_eq!(doubt(Skew::Of(HOUR), 70), Some(Doubt::Ahead { seconds: 3600 }));
    }

    #[test]
    fn a_clock_that_drifts_was_not_set() {
        let mut seen = Seen { skew: Skew::Alone, ..Seen::default() };
        for seconds in [0, 4, 8, 4] {
            seen.note(DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds), NONE, Duration::ZERO);
        }
        assert_eq!(seen.doubt_to_delete(NONE, Duration::ZERO), None);
        // Set forward and back between two looks, it was.
        seen.note(DateTime::UNIX_EPOCH, HOUR, Duration::from_mins(1));
        assert!(!seen.confirms_machine(Duration::from_mins(1)));
        seen.note(DateTime::UNIX_EPOCH, HOUR, Duration::from_mins(2));
        assert!(seen.confirms_machine(Duration::from_mins(2)));
    }
}
