//! Logs: one line an event, as text or JSON, on standard error. Built with the cargo feature `otel`,
//! also traces, for an OpenTelemetry collector.

#[cfg(feature = "otel")]
mod traces;

use std::io::IsTerminal;

use strum::{IntoStaticStr, VariantArray};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// What libraries say of every statement, of every migration that has nothing to do, and of connections that
/// are given back broken: whoever used one has logged why, in better words, and the pool opens another.
const QUIET: &str = "sqlx::query=off,sqlx_postgres::options=off,sea_orm::driver=off,sqlx::postgres::notice=warn,\
                     sea_orm_migration=warn,sqlx_core::pool::connection=error,sqlx_core::pool::inner=off";

/// What lines of the access log stand under, for `RUST_LOG`.
pub(crate) const ACCESS: &str = "portcullis::access";

/// The level of the spans within a request, which only traces show.
pub(crate) const STEP: Level = if cfg!(feature = "otel") { Level::INFO } else { Level::DEBUG };

/// Sends what is still to be sent when it is dropped.
#[must_use]
pub(crate) struct Telemetry {
    #[cfg(feature = "otel")]
    _traces: Option<traces::Traces>,
}

/// Installs the process-wide subscriber. Not to be called from async code.
///
/// `filter` is a `RUST_LOG` directive list. SQL is never logged, whatever it says: statements
/// carry personal data.
pub(crate) fn init(format: LogFormat, filter: &str) -> anyhow::Result<Telemetry> {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // One filter for all: where each layer has its own, what a library asks without logging it
    // (sqlx does) makes the next line on that thread get lost.
    let filter = EnvFilter::new(format!("{filter},{QUIET}"));
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    #[cfg(feature = "otel")]
    {
        let (traces, layer) = traces::start()?.unzip();
        registry.with(layer).try_init()?;
        Ok(Telemetry { _traces: traces })
    }
    #[cfg(not(feature = "otel"))]
    {
        registry.try_init()?;
        Ok(Telemetry {})
    }
}
