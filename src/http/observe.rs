//! What came of each request: counted for the metrics, and told in one line of the access log.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use async_graphql::Name;
use axum::extract::{MatchedPath, Request};
use axum::response::Response;

use super::request;
use crate::config::{AccessLog, Config};
use crate::graphql::document::Scanned;
use crate::graphql::error::Code;
use crate::infra::metrics::{self, Operation};
use crate::infra::telemetry::ACCESS;
use crate::kernel::access::{Origin, Viewer};
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::request_id::RequestId;

/// Characters of an operation's name that the access log has. A name consists of letters, digits and underscores.
const NAME_LENGTH_MAX: usize = 64;
/// What load balancers ask all the time, and what they were answered is logged where it changes.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// The code of the first error, as an extension of the response. Without it all is well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered(pub(super) Option<Code>);

impl Answered {
    /// What the metrics, the access log and traces call it.
    pub(super) fn code(response: &Response) -> &'static str {
        name(response.extensions().get::<Self>().and_then(|answered| answered.0))
    }
}

fn name(code: Option<Code>) -> &'static str {
    code.map_or("OK", Code::as_str)
}

/// What is learned of a request while it is answered. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted(Arc<Learned>);

#[derive(Debug, Default)]
struct Learned {
    asked: OnceLock<Asked>,
    caller: OnceLock<(UserId, SessionId)>,
}

#[derive(Debug)]
struct Asked {
    operation: Operation,
    name: Option<Name>,
    root: Name,
}

impl Noted {
    /// The operation is known, and that it may run.
    pub(super) fn operation(&self, scanned: &Scanned) {
        let Scanned { operation, name, root, .. } = scanned;
        // A request has one.
        let _known = self.0.asked.set(Asked {
            operation: *operation,
            name: name.clone(),
            root: root.clone(),
        });
    }

    /// The caller is known.
    pub(super) fn caller(&self, viewer: &Viewer) {
        let _known = self.0.caller.set((viewer.user.id, viewer.session_id));
    }

    /// What kind of operation it is, as far as that is known.
    pub(super) fn kind(&self) -> Operation {
        self.0.asked.get().map_or(Operation::None, |asked| asked.operation)
    }
}

/// Counts a request once, also one whose client did not wait for the answer, and logs it.
pub(super) struct Watch {
    began: Instant,
    noted: Noted,
    /// What the access log tells; `None` where it is off, and for probes.
    line: Option<Line>,
    code: &'static str,
    status: Option<u16>,
}

struct Line {
    request_id: RequestId,
    route: Option<MatchedPath>,
    address: Option<IpAddr>,
}

impl Watch {
    /// Watches a request from now on.
    pub(super) fn request(config: &Config, origin: &Origin, request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        let is_probe = route.is_some_and(|route| PROBES.contains(&route.as_str()));
        Self::begin(config, origin, route.cloned(), is_probe)
    }

    /// Watches what a client asks for over a WebSocket.
    pub(super) fn message(config: &Config, origin: &Origin) -> Self {
        Self::begin(config, origin, None, false)
    }

    fn begin(config: &Config, origin: &Origin, route: Option<MatchedPath>, is_probe: bool) -> Self {
        let address = origin.ip.filter(|_| config.access_log == AccessLog::WithAddresses);
        let request_id = request::id_of(origin);
        let is_logged = config.access_log != AccessLog::Off && !is_probe;
        let line = is_logged.then_some(Line { request_id, route, address });
        let noted = Noted::default();
        Self { began: Instant::now(), noted, line, code: "ABANDONED", status: None }
    }

    pub(super) fn noted(&self) -> &Noted {
        &self.noted
    }

    /// The request was answered.
    pub(super) fn end(mut self, response: &Response) {
        self.code = Answered::code(response);
        self.status = Some(response.status().as_u16());
    }

    /// The same, where the answer has no status.
    pub(super) fn end_with(mut self, code: Option<Code>) {
        self.code = name(code);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let (asked, operation) = (self.noted.0.asked.get(), self.noted.kind());
        metrics::request(operation, self.code, took);
        if let Some(asked) = asked {
            metrics::root_field(operation, &asked.root, took);
        }
        let Some(Line { request_id, route, address }) = &self.line else { return };
        let name = asked.and_then(|asked| asked.name.as_deref());
        let caller = self.noted.0.caller.get();
        tracing::info!(
            target: ACCESS,
            { request.id = %request_id,
            http.route = route.as_ref().map(MatchedPath::as_str),
            http.status = self.status,
            "operation.type" = operation.into_str(),
            operation.name = name.map(|name| name.get(..NAME_LENGTH_MAX).unwrap_or(name)),
            code = self.code,
            duration_ms = (took.as_secs_f64() * 10_000.0).round() / 10.0,
            user.id = caller.map(|(user, _)| display(user)),
            session.id = caller.map(|(_, session)| display(session)),
            client.address = address.map(display) },
            "answered"
        );
    }
}

#[cfg(test)]
mod tests {
    use ::metrics::with_local_recorder;
    use axum::body::Body;
    use axum::response::IntoResponse;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// What is counted of a request, which is answered or not.
    fn counted(end: impl FnOnce(Watch)) -> String {
        let config = Config::new(&crate::cli::settings(&[]).unwrap()).unwrap();
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || {
            end(Watch::request(&config, &Origin::CLI, &Request::new(Body::empty())));
        });
        recorder.handle().render()
    }

    #[test]
    fn a_request_is_counted_whether_or_not_its_client_waits() {
        let count = |code| format!(r#"requests_total{{operation="none",code="{code}"}} 1"#);
        let (abandoned, answered) =
            (counted(drop), counted(|watch| watch.end(&().into_response())));
        assert!(abandoned.contains(&count("ABANDONED")), "{abandoned}");
        assert!(answered.contains(&count("OK")), "{answered}");
    }
}
