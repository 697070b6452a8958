//! How a request ended, for the metrics.

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use crate::graphql::error::Code;
use crate::platform::metrics::{self, Operation};

/// What was answered, as an extension of the response. Without it all is well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) operation: Operation,
    /// Of the first error.
    pub(super) code: Option<Code>,
}

/// Counts every request once, also one whose client did not wait for the answer.
pub(super) async fn request(request: Request, next: Next) -> Response {
    let mut watch = Watch { began: Instant::now(), operation: Operation::None, code: "ABANDONED" };
    let response = next.run(request).await;
    let answered = response.extensions().get::<Answered>();
    watch.operation = answered.map_or(Operation::None, |answered| answered.operation);
    watch.code = answered.and_then(|answered| answered.code).map_or("OK", Code::as_str);
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
