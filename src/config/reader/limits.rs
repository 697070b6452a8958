//! The numbers of the limits.

use super::super::Settings;
use super::Reader;
use crate::infra::limits::{LOOSE_PER_HOUR, Rate, Rates};
use crate::infra::streams::StreamLimits;
use crate::schema;

/// Limits on guesses at one account, or at what opens one.
const GUESSES: [&str; 3] = ["login.identifier", "password.user", "oneTimeToken.identifier"];

impl Reader {
    pub(in crate::config) fn connections_per_address(&mut self, settings: &Settings) -> u32 {
        self.number("CONNECTIONS_PER_ADDRESS", &settings.connections_per_address, 1..=100_000)
    }

    pub(in crate::config) fn streams(&mut self, settings: &Settings) -> StreamLimits {
        StreamLimits {
            in_all: self.number("STREAMS_MAX", &settings.streams_max, 1..=1_000_000),
            per_user: self.number("STREAMS_PER_USER", &settings.streams_per_user, 1..=1_000),
            per_address: self.number(
                "STREAMS_PER_ADDRESS",
                &settings.streams_per_address,
                1..=1_000_000,
            ),
        }
    }

    pub(in crate::config) fn rates(
        &mut self,
        settings: &Settings,
        is_development: bool,
    ) -> Option<Rates> {
        match settings.rate_limits.as_str() {
            "on" => Some(Rates::default()),
            "off" => {
                if !is_development {
                    self.refuse("RATE_LIMITS must not be off in production");
                }
                None
            }
            list => {
                let rates = Rates::parse(list, schema::settable_limits());
                let rates = rates.unwrap_or_else(|problem| {
                    self.refuse(format!("RATE_LIMITS must be on, off or a list: {problem}"));
                    Rates::default()
                });
                for name in GUESSES {
                    if rates.find(name).is_some_and(Rate::is_loose) {
                        self.warn(
                            format!("RATE_LIMITS allows {name} more than {LOOSE_PER_HOUR} attempts an hour"),
                            "this hardly slows down the guessing of passwords or tokens: allow fewer",
                        );
                    }
                }
                Some(rates)
            }
        }
    }
}
