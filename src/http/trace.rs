//! What a trace says of a request. Its words are this program's: a trace leaves the machine.

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::Status;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::observe::Answered;
use crate::infra::metrics::Operation;
use crate::kernel::request_id::RequestId;

/// The span of a request, in the trace that the caller is in (W3C Trace Context).
pub(super) fn begin(id: RequestId, request: &Request) -> Span {
    let span = tracing::info_span!("request", request.id = %id, otel.kind = "server");
    let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    // Fails only where nothing is traced.
    let _untraced = span.set_parent(caller);
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        // As the semantic conventions name all that are not expected.
        _ => "_OTHER",
    };
    span.set_attribute("http.request.method", method);
    span
}

/// Says how the request of `span` ended.
pub(super) fn end(span: &Span, response: &Response, operation: Operation) {
    span.set_attribute("http.response.status_code", i64::from(response.status().as_u16()));
    span.set_attribute("graphql.operation.type", operation.into_str());
    span.set_attribute("portcullis.code", Answered::code(response));
    if response.status().is_server_error() {
        span.set_status(Status::error(""));
    }
}
