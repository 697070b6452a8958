//! What is remembered under one key, and what an attempt does to it. Times are milliseconds of
//! whichever clock the backend counts by. `redis/*.lua` says the same to Redis.

use super::{PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN};

/// Under what attempts are counted: a digest of the limit and its subject.
pub(super) type Key = [u8; 16];

/// One attempt under one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) key: Key,
    pub(super) counting: Counting,
}

/// How a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counting {
    Attempts { spacing_ms: u64, at_once: u64 },
    Failures { spacing_ms: u64, at_once: u64 },
    InARow { max: u64, window_ms: u64 },
    Distinct { max: usize, window_ms: u64, member: Key },
}

/// What is taken back of a counted attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amendment {
    /// One place in the stream of attempts.
    GiveBack { spacing_ms: u64 },
    /// The last failure in a row, with its pause.
    StepBack { window_ms: u64 },
    /// One of the different identifiers.
    Remove { member: Key },
    /// Everything.
    Forget,
}

impl Check {
    pub(super) fn on_success(&self) -> Option<Amendment> {
        match self.counting {
            Counting::Attempts { .. } => None,
            Counting::Failures { spacing_ms, .. } => Some(Amendment::GiveBack { spacing_ms }),
            Counting::InARow { .. } => Some(Amendment::Forget),
            Counting::Distinct { member, .. } => Some(Amendment::Remove { member }),
        }
    }

    pub(super) fn on_withdrawal(&self) -> Option<Amendment> {
        match self.counting {
            Counting::Attempts { spacing_ms, .. } | Counting::Failures { spacing_ms, .. } => {
                Some(Amendment::GiveBack { spacing_ms })
            }
            Counting::InARow { window_ms, .. } => Some(Amendment::StepBack { window_ms }),
            // It may stand there for an earlier failure.
            Counting::Distinct { .. } => None,
        }
    }
}

/// What one key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// When the next attempt would come if all came evenly spread: the "theoretical arrival time"
    /// of the generic cell rate algorithm.
    Stream { next_ms: u64 },
    /// Failures without a success, until when further ones wait, and when all is forgotten.
    Row { count: u64, paused_until_ms: u64, ends_ms: u64 },
    /// Different identifiers, each with the time at which it is forgotten; the oldest first.
    Members(Vec<(Key, u64)>),
}

impl State {
    /// What an unused key holds.
    pub(super) fn empty(counting: Counting) -> Self {
        match counting {
            Counting::Attempts { .. } | Counting::Failures { .. } => Self::Stream { next_ms: 0 },
            Counting::InARow { .. } => Self::Row { count: 0, paused_until_ms: 0, ends_ms: 0 },
            Counting::Distinct { .. } => Self::Members(Vec::new()),
        }
    }

    /// How long an attempt has to wait; 0 when it may be made now.
    pub(super) fn wait_ms(&self, counting: Counting, now: u64) -> u64 {
        match (self, counting) {
            (
                Self::Stream { next_ms },
                Counting::Attempts { spacing_ms, at_once }
                | Counting::Failures { spacing_ms, at_once },
            ) => {
                // By the clock of another instance it may lie further ahead than this one could
                // have put it. That must shut nobody out for longer.
                let next = (*next_ms).clamp(now, now + spacing_ms * at_once);
                (next + spacing_ms).saturating_sub(now + spacing_ms * at_once)
            }
            (Self::Row { paused_until_ms, ends_ms, .. }, Counting::InARow { .. }) => {
                let paused = if *ends_ms <= now { 0 } else { paused_until_ms.saturating_sub(now) };
                paused.min(pause_ms(u64::MAX))
            }
            (Self::Members(members), Counting::Distinct { max, window_ms, member }) => {
                let alive = || members.iter().filter(|(_, ends)| *ends > now);
                if alive().any(|(known, _)| *known == member) || alive().count() < max {
                    return 0;
                }
                let first = alive().map(|(_, ends)| *ends).min().unwrap_or(now);
                (first - now).min(window_ms)
            }
            // A key belongs to one limit, and a limit counts in one way.
            _ => 0,
        }
    }

    /// Counts an attempt.
    pub(super) fn count(&mut self, counting: Counting, now: u64) {
        match (self, counting) {
            (
                Self::Stream { next_ms },
                Counting::Attempts { spacing_ms, at_once }
                | Counting::Failures { spacing_ms, at_once },
            ) => {
                *next_ms = (*next_ms).clamp(now, now + spacing_ms * at_once) + spacing_ms;
            }
            (
                Self::Row { count, paused_until_ms, ends_ms },
                Counting::InARow { max, window_ms },
            ) => {
                *count = if *ends_ms <= now { 1 } else { *count + 1 };
                let pause = count.checked_sub(max).map_or(0, pause_ms);
                *paused_until_ms = now + pause;
                *ends_ms = now + pause + window_ms;
            }
            (Self::Members(members), Counting::Distinct { window_ms, member, .. }) => {
                members.retain(|(known, ends)| *ends > now && *known != member);
                members.push((member, now + window_ms));
            }
            _ => {}
        }
    }

    /// Takes something back.
    pub(super) fn amend(&mut self, amendment: Amendment, now: u64) {
        match (self, amendment) {
            (Self::Stream { next_ms }, Amendment::GiveBack { spacing_ms }) => {
                *next_ms = next_ms.saturating_sub(spacing_ms);
            }
            (Self::Row { count, paused_until_ms, ends_ms }, Amendment::StepBack { window_ms }) => {
                *count = count.saturating_sub(1);
                *paused_until_ms = now;
                *ends_ms = now + window_ms;
            }
            (Self::Members(members), Amendment::Remove { member }) => {
                members.retain(|(known, _)| *known != member);
            }
            (state, Amendment::Forget) => match state {
                Self::Stream { next_ms } => *next_ms = 0,
                Self::Row { count, paused_until_ms, ends_ms } => {
                    (*count, *paused_until_ms, *ends_ms) = (0, 0, 0);
                }
                Self::Members(members) => members.clear(),
            },
            _ => {}
        }
    }

    /// Forgets failures in a row that were all counted before a moment. Their pause was over by then: nobody succeeds
    /// during it.
    pub(super) fn clear_before(&mut self, moment: u64) {
        if let Self::Row { paused_until_ms, .. } = self
            && *paused_until_ms < moment
        {
            self.amend(Amendment::Forget, moment);
        }
    }

    /// When this is as good as empty.
    pub(super) fn ends_ms(&self) -> u64 {
        match self {
            Self::Stream { next_ms } => *next_ms,
            Self::Row { ends_ms, .. } => *ends_ms,
            Self::Members(members) => members.iter().map(|(_, ends)| *ends).max().unwrap_or(0),
        }
    }
}

/// The pause after the failure that is `index` beyond those without one.
fn pause_ms(index: u64) -> u64 {
    let (least, most) = (u64::from(PAUSE_SECONDS_MIN), u64::from(PAUSE_SECONDS_MAX));
    let doublings = u32::try_from(index).unwrap_or(u32::MAX).min(16);
    (least << doublings).min(most) * 1000
}
