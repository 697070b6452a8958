//! Time enters the program here, so that tests decide what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// The time of day and the time since the start, from one source. The time of day steps back only by [`Clock::follow_machine`], the other never.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant, floor_micros: Arc<AtomicI64> },
    Manual { start: DateTime<Utc>, elapsed_micros: Arc<AtomicI64>, off_micros: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's own clocks.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System {
            started: Instant::now(),
            floor_micros: Arc::new(AtomicI64::new(i64::MIN)),
        })
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it. Clones share it.
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual { start, elapsed_micros: Arc::default(), off_micros: Arc::default() })
    }

    /// Has a manual clock behave as if its machine's clock were set so far ahead of all others. It shows the same time.
    pub fn set_off(&self, ahead: TimeDelta) {
        if let Source::Manual { off_micros, .. } = &self.0 {
            off_micros.store(ahead.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    /// Moves a manual clock forward; the machine's clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { elapsed_micros, .. } = &self.0 {
            elapsed_micros.fetch_add(micros(by), Ordering::SeqCst);
        }
    }

    /// Now, in UTC and whole microseconds: what every supported database can store.
    ///
    /// Follows the machine's clock forward. When that is set back, time goes on here at half its
    /// pace until the machine has caught up, so that nothing that has expired comes to life again
    /// (RE-08). A restart follows at once, and so does [`Clock::follow_machine`].
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let now = match &self.0 {
            Source::System { started, floor_micros } => {
                // Half of what has passed since any moment, counted from the time that was shown
                // then, is the least that may be shown now. One number holds all such moments.
                let (wall, half) = (wall_micros(), micros(started.elapsed()) / 2);
                let floor = floor_micros.fetch_max(wall - half, Ordering::Relaxed);
                DateTime::UNIX_EPOCH + TimeDelta::microseconds(wall.max(floor + half))
            }
            Source::Manual { start, elapsed_micros, .. } => {
                *start + TimeDelta::microseconds(elapsed_micros.load(Ordering::SeqCst))
            }
        };
        now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
    }

    /// How far this clock is ahead of the machine's, because that was set back.
    #[must_use]
    pub fn ahead(&self) -> TimeDelta {
        match &self.0 {
            Source::System { .. } => {
                TimeDelta::microseconds(self.now().timestamp_micros() - wall_micros())
            }
            Source::Manual { .. } => TimeDelta::zero(),
        }
    }

    /// Follows the machine's clock again, though that was set back: what it shows now is known to be right.
    pub fn follow_machine(&self) {
        if let Source::System { floor_micros, .. } = &self.0 {
            floor_micros.store(i64::MIN, Ordering::Relaxed);
        }
    }

    /// How far the machine's clock is ahead of one that shows `time`.
    #[must_use]
    pub fn ahead_of(&self, time: DateTime<Utc>) -> TimeDelta {
        match &self.0 {
            Source::System { .. } => {
                TimeDelta::microseconds(wall_micros() - time.timestamp_micros())
            }
            Source::Manual { .. } => self.off(),
        }
    }

    /// When this clock was made, as the machine's clock shows it now: that changes only when the machine's is set.
    #[must_use]
    pub fn began(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System { started, .. } => {
                DateTime::UNIX_EPOCH
                    + TimeDelta::microseconds(wall_micros() - micros(started.elapsed()))
            }
            Source::Manual { start, .. } => *start + self.off(),
        }
    }

    fn off(&self) -> TimeDelta {
        match &self.0 {
            Source::System { .. } => TimeDelta::zero(),
            Source::Manual { off_micros, .. } => {
                TimeDelta::microseconds(off_micros.load(Ordering::SeqCst))
            }
        }
    }

    /// Time since the clock was made, which nobody can set: what cached facts age by.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        match &self.0 {
            Source::System { started, .. } => started.elapsed(),
            Source::Manual { elapsed_micros, .. } => Duration::from_micros(
                u64::try_from(elapsed_micros.load(Ordering::SeqCst)).unwrap_or(0),
            ),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn wall_micros() -> i64 {
    Utc::now().timestamp_micros()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_follows_the_machine_forward_and_never_back() {
        let clock = Clock::system();
        let before = clock.now();
        assert!((before.timestamp_micros() - wall_micros()).abs() < 1_000_000);

        let Source::System { floor_micros, .. } = &clock.0 else { panic!("the machine's clock") };
        let hour = TimeDelta::hours(1).num_microseconds().unwrap();
        // As if the machine's clock had been an hour ahead, and were set right.
        floor_micros.fetch_add(hour, Ordering::Relaxed);
        let ahead = clock.now();
        assert!((ahead.timestamp_micros() - before.timestamp_micros() - hour).abs() < 1_000_000);
        assert!((clock.ahead().num_seconds() - 3600).abs() <= 1);
        assert!((clock.ahead_of(ahead).num_seconds() + 3600).abs() <= 1);
        assert!((clock.began() - before).num_seconds().abs() <= 1, "the machine's was not set");
        let clock_then = clock.now();

        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(50));
        let shown = (clock.now() - clock_then).num_microseconds().unwrap();
        let passed = micros(began.elapsed());
        assert!((passed / 2 - shown).abs() < 10_000, "{shown} µs of {passed}: not half the pace");

        clock.follow_machine();
        assert!(clock.ahead().num_seconds().abs() < 1);
    }
}
