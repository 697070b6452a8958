//! Traces, sent by OTLP over HTTP to where the standard `OTEL_` variables say.
//!
//! A trace has a span for each request, and in it what takes time. Its attributes are words of this
//! program: nothing of a document, of variables or of an address is ever sent.

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, Value};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::infra::causes::causes;

const NAME: &str = env!("CARGO_PKG_NAME");

/// What sends the traces. Dropped, it sends what is left.
pub(super) struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(error = %causes(&error), "cannot send the last traces");
        }
    }
}

/// Begins to send traces; `None` where no endpoint is named, or the SDK is disabled.
pub(super) fn start<S>() -> anyhow::Result<Option<(Traces, impl Layer<S>)>>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    if !is_wanted() {
        return Ok(None);
    }
    // Endpoint, headers, protocol, sampler, batches and attributes come from the variables.
    let exporter = SpanExporter::builder().build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(NAME))
        .with_location(false)
        .with_threads(false)
        .with_target(false);
    Ok(Some((Traces(provider), layer)))
}

#[expect(clippy::disallowed_methods, reason = "the standard's variables, which are no settings")]
fn is_wanted() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_disabled =
        set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    !is_disabled
        && set("OTEL_TRACES_EXPORTER").is_none_or(|exporter| exporter == "otlp")
        && endpoints.into_iter().any(|endpoint| set(endpoint).is_some())
}

fn resource() -> Resource {
    let named = Resource::builder().build();
    let name = named.get(&Key::from_static_str("service.name"));
    match name {
        // What the SDK calls a service that no variable names.
        None => Resource::builder().with_service_name(NAME).build(),
        Some(Value::String(name)) if name.as_str().starts_with("unknown_service") => {
            Resource::builder().with_service_name(NAME).build()
        }
        Some(_) => named,
    }
}
