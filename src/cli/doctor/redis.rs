//! Whether Redis counts attempts for all instances.

use super::{Level, Report};
use crate::app;
use crate::config::Config;
use crate::infra::causes::causes;
use crate::kernel::clock::Clock;

const ABOUT: &str = "redis";

pub(super) async fn check(report: &mut Report, config: &Config) {
    let limits = match app::limits(config, &Clock::system()) {
        Ok(limits) => limits,
        Err(error) => {
            report.add(Level::Problem, ABOUT, causes(error.as_ref()), "check REDIS_URL");
            return;
        }
    };
    match limits.reach().await {
        None => {}
        Some(Ok(())) => {
            report.ok(ABOUT, "Redis counts attempts for all instances");
            if let Some(policy) = limits.evicted_by().await {
                let message =
                    format!("a full Redis forgets attempts: its maxmemory-policy is {policy}");
                let advice = "set maxmemory-policy to noeviction, or to volatile-ttl if others use this Redis";
                report.add(Level::Warning, ABOUT, message, advice);
            }
        }
        Some(Err(cause)) => {
            let message = format!("{cause}; each instance counts attempts by itself");
            report.add(Level::Warning, ABOUT, message, cause.advice());
        }
    }
}
