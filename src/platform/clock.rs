//! Time enters the program here, so that tests decide what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// The time of day and the time since the start, from one source. Neither ever steps back.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant, ahead_micros: Arc<AtomicI64> },
    Manual { start: DateTime<Utc>, elapsed_micros: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's own clocks.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System {
            started: Instant::now(),
            ahead_micros: Arc::new(AtomicI64::new(i64::MIN)),
        })
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it. Clones share it.
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual { start, elapsed_micros: Arc::default() })
    }

    /// Moves a manual clock forward; the machine's clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { elapsed_micros, .. } = &self.0 {
            elapsed_micros.fetch_add(micros(by), Ordering::SeqCst);
        }
    }

    /// Now, in UTC and whole microseconds: what every supported database can store.
    ///
    /// Follows the machine's clock forward. When that is set back, time goes on here at its own
    /// pace, so that nothing that has expired comes to life again (RE-08); a restart follows it.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let now = match &self.0 {
            Source::System { started, ahead_micros } => {
                let elapsed = micros(started.elapsed());
                let ahead = wall_micros() - elapsed;
                let furthest = ahead_micros.fetch_max(ahead, Ordering::Relaxed).max(ahead);
                DateTime::UNIX_EPOCH + TimeDelta::microseconds(elapsed + furthest)
            }
            Source::Manual { start, elapsed_micros } => {
                *start + TimeDelta::microseconds(elapsed_micros.load(Ordering::SeqCst))
            }
        };
        now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
    }

    /// Time since the clock was made, which nobody can set: what cached facts age by.
    pub(crate) fn uptime(&self) -> Duration {
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

        let Source::System { ahead_micros, .. } = &clock.0 else { panic!("the machine's clock") };
        let hour = 3_600_000_000;
        // As if the machine's clock had been an hour ahead, and were set right.
        ahead_micros.fetch_add(hour, Ordering::Relaxed);
        let ahead = clock.now();
        assert!((ahead.timestamp_micros() - before.timestamp_micros() - hour).abs() < 1_000_000);
        let later = clock.now();
        assert!(later >= ahead);
    }
}
