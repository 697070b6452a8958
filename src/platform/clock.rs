//! Time enters the program here, so that tests decide what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// The wall clock and a clock that never steps back, from one source.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant },
    Manual { start: DateTime<Utc>, elapsed_micros: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's own clocks.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System { started: Instant::now() })
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it. Clones share it.
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual { start, elapsed_micros: Arc::default() })
    }

    /// Moves a manual clock forward; the machine's clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { elapsed_micros, .. } = &self.0 {
            let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            elapsed_micros.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Now, in UTC and whole microseconds: what every supported database can store.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> DateTime<Utc> {
        let now = match &self.0 {
            Source::System { .. } => Utc::now(),
            Source::Manual { start, elapsed_micros } => {
                *start + TimeDelta::microseconds(elapsed_micros.load(Ordering::SeqCst))
            }
        };
        now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
    }

    /// Time since the clock was made. Never steps back, whatever happens to the wall clock, so
    /// that cached facts age even when an operator sets the machine's time.
    pub(crate) fn uptime(&self) -> Duration {
        match &self.0 {
            Source::System { started } => started.elapsed(),
            Source::Manual { elapsed_micros, .. } => Duration::from_micros(
                u64::try_from(elapsed_micros.load(Ordering::SeqCst)).unwrap_or(0),
            ),
        }
    }
}
