//! What the program that supervises this process is told, if it listens: systemd does, and says where in the
//! environment (sd_notify(3)).

use std::time::Duration;

#[cfg(unix)]
use sd_notify::NotifyState;

#[cfg(unix)]
use super::causes::causes;

/// The process serves from now on.
pub(crate) fn is_ready() {
    #[cfg(unix)]
    tell(NotifyState::Ready);
}

/// It begins to stop.
pub(crate) fn is_stopping() {
    #[cfg(unix)]
    tell(NotifyState::Stopping);
}

/// It is not ready yet, and will be for no less than this.
pub(crate) fn needs(longer: Duration) {
    #[cfg(unix)]
    tell(NotifyState::ExtendTimeoutUsec(u32::try_from(longer.as_micros()).unwrap_or(u32::MAX)));
    #[cfg(not(unix))]
    let _unheard = longer;
}

/// Says until the process ends that it still runs tasks, twice as often as that is asked for. Whether a database
/// or anything else works does not matter: another start would not help.
pub(crate) fn spawn_sign_of_life() {
    #[cfg(unix)]
    if let Some(within) = sd_notify::watchdog_enabled() {
        tokio::spawn(async move {
            let mut every = tokio::time::interval(within / 2);
            loop {
                every.tick().await;
                tell(NotifyState::Watchdog);
            }
        });
    }
}

#[cfg(unix)]
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(error = %causes(&error), "cannot tell the supervisor of this process how it is");
    }
}
