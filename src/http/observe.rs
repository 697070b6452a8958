//! How a request ended, for the metrics.

use std::time::Instant;

use axum::response::Response;

use crate::graphql::error::Code;
use crate::infra::metrics::{self, Operation};

/// What was answered, as an extension of the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) operation: Operation,
    /// Of the first error.
    pub(super) code: Option<Code>,
}

impl Answered {
    /// Without the extension all is well.
    pub(super) fn of(response: &Response) -> Self {
        let well = Self { operation: Operation::None, code: None };
        response.extensions().get().copied().unwrap_or(well)
    }

    pub(super) fn code(self) -> &'static str {
        self.code.map_or("OK", Code::as_str)
    }
}

/// Counts every request once, also one whose client did not wait for the answer.
pub(super) async fn request(answer: impl Future<Output = Response>) -> Response {
    let mut watch = Watch { began: Instant::now(), operation: Operation::None, code: "ABANDONED" };
    let response = answer.await;
    let answered = Answered::of(&response);
    (watch.operation, watch.code) = (answered.operation, answered.code());
    response
}

struct Watch {
    began: Instant,
    operation: Operation,
    code: &'static str,
}

impl Drop for Watch {
    fn drop(&mut self) {
        metrics::request(self.operation, self.code, self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::{Context, Waker};

    use ::metrics::with_local_recorder;
    use axum::response::IntoResponse;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// What is counted of a client who looks once whether there is an answer, and then goes.
    fn counted(answer: impl Future<Output = Response>) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || {
            let mut context = Context::from_waker(Waker::noop());
            let _answered = pin!(request(answer)).poll(&mut context);
        });
        recorder.handle().render()
    }

    #[test]
    fn a_request_is_counted_whether_or_not_its_client_waits() {
        let count = |code| format!(r#"requests_total{{operation="none",code="{code}"}} 1"#);
        let (abandoned, answered) = (counted(pending()), counted(ready(().into_response())));
        assert!(abandoned.contains(&count("ABANDONED")), "{abandoned}");
        assert!(answered.contains(&count("OK")), "{answered}");
    }
}
