//! One document: what the pre-scan counts of it, and what the library does for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_graphql::futures_util::FutureExt;
use async_graphql::futures_util::stream::BoxStream;
use async_graphql::{Data, Executor, Request, Response, steps};
use serde_json::{Map, Value};

use crate::graphql::document::{Asked, Documents, SharedTypes, counts};
use crate::schema::{FuzzSchema, build};

pub(crate) struct Bench {
    schema: Watched,
    types: SharedTypes,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By the pre-scan, before the library had it.
    Refused,
    /// By the library's rules, or by what the pre-scan finds later.
    Invalid,
    Executed,
}

/// Steps of the library, and what they are allowed to be measured by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    pub(crate) steps: u64,
    pub(crate) counted: u64,
}

/// A document has so many tokens at most: what the library does once for each is beside the counts.
const ONCE: u64 = 1_000;

impl Work {
    pub(crate) fn ratio(self) -> f64 {
        self.steps as f64 / (self.counted + ONCE) as f64
    }
}

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) checking: Work,
    pub(crate) executing: Work,
    /// What the library has done beside both, which must be nothing.
    pub(crate) stray: u64,
    pub(crate) time: Duration,
}

impl Outcome {
    /// The greater of both ratios.
    pub(crate) fn ratio(&self) -> f64 {
        self.checking.ratio().max(self.executing.ratio())
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let (schema, types) = build();
        Self { schema: Watched { schema, steps: Arc::default() }, types }
    }

    pub(crate) fn run(
        &self,
        source: &str,
        name: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Outcome {
        // Nothing is remembered from one document to the next.
        let documents = Documents::new(self.types.clone(), true);
        let asked = Asked { source, operation_name: name, variables: variables.clone() };
        self.schema.steps.store(0, Relaxed);
        steps::take();
        let begin = Instant::now();
        let lookup = documents.look_up(source);
        let scanned = documents.scan(&self.schema, lookup, asked).now_or_never();
        let mut time = begin.elapsed();
        let stray = steps::take();
        let steps = self.schema.steps.swap(0, Relaxed);
        let checking = Work { steps, counted: counts::checking(source).unwrap_or_default() };
        let end = if steps == 0 { End::Refused } else { End::Invalid };
        let mut outcome = Outcome { end, checking, executing: Work::default(), stray, time };
        let Some(Ok(scanned)) = scanned else { return outcome };
        let counted = counts::executing(&self.types, &scanned, checking.counted);
        let mut request = Request::new("").variables(scanned.variables);
        request.set_parsed_query(scanned.document);
        let begin = Instant::now();
        self.schema.execute(request).now_or_never();
        time += begin.elapsed();
        let steps = self.schema.steps.load(Relaxed);
        outcome.end = End::Executed;
        outcome.executing = Work { steps, counted: counted.unwrap_or_default() };
        outcome.time = time;
        outcome
    }
}

/// The schema, with the steps that it takes when it is asked.
#[derive(Clone)]
struct Watched {
    schema: FuzzSchema,
    steps: Arc<AtomicU64>,
}

impl Executor for Watched {
    async fn execute(&self, request: Request) -> Response {
        let before = steps::take();
        let response = self.schema.execute(request).await;
        self.steps.fetch_add(steps::take(), Relaxed);
        steps::add(usize::try_from(before).unwrap_or(usize::MAX));
        response
    }

    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        Executor::execute_stream(&self.schema, request, session)
    }
}
