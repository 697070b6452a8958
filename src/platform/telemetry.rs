//! Logs: one line an event, as text or JSON, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::LogFormat;

/// What libraries say of every statement, and of every migration that has nothing to do.
const QUIET: &str = "sqlx::query=off,sqlx_postgres::options=off,sea_orm::driver=off,sqlx::postgres::notice=warn,\
                     sea_orm_migration=warn";

/// Installs the process-wide subscriber.
///
/// `filter` is a `RUST_LOG` directive list. SQL is never logged, whatever it says: statements
/// carry personal data.
pub(crate) fn init(format: LogFormat, filter: &str) -> Result<(), TryInitError> {
    let filter = EnvFilter::new(format!("{filter},{QUIET}"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    }
}
