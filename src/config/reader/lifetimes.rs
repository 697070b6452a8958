//! How long sessions last, and how long what is over is kept.

use chrono::TimeDelta;

use super::Reader;
use crate::config::{Retention, Settings};
use crate::features::sessions::Lifetimes;

impl Reader {
    pub(super) fn retention(&mut self, settings: &Settings) -> Retention {
        let mut days = |name, text: &Option<String>, most| {
            let days = text.as_deref().map(|text| self.number(name, text, 1..=most));
            days.map(|days| TimeDelta::days(days.into()))
        };
        Retention {
            ended_sessions: days("SESSION_RETENTION_DAYS", &settings.session_retention_days, 30),
            audit_events: days("AUDIT_RETENTION_DAYS", &settings.audit_retention_days, 36_500),
            signing_key: days("KEY_ROTATION_DAYS", &settings.key_rotation_days, 3_650),
        }
    }

    pub(super) fn lifetimes(&mut self, settings: &Settings) -> Lifetimes {
        let longest = 30 * 24 * 60 * 60; // NIST SP 800-63B, section 2.1.3.
        let mut seconds =
            |name, text: &str, range| TimeDelta::seconds(self.number(name, text, range).into());
        Lifetimes {
            idle: seconds(
                "REFRESH_TOKEN_IDLE_SECONDS",
                &settings.refresh_token_idle_seconds,
                1..=longest,
            ),
            absolute: seconds(
                "REFRESH_TOKEN_ABSOLUTE_SECONDS",
                &settings.refresh_token_absolute_seconds,
                1..=longest,
            ),
            grace: seconds("REFRESH_GRACE_SECONDS", &settings.refresh_grace_seconds, 0..=10),
        }
    }
}
