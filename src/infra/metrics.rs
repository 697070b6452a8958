//! What this process does, counted for Prometheus.
//!
//! Each metric has one function here. Its labels are words of this program and never a client's, so
//! their number is fixed, whatever is sent (HT-09). Before [`install`], and where it is never
//! called, nothing is counted and a call costs next to nothing.

mod database;
mod instance;
mod providers;

use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::{
    Gauge, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use strum::{IntoStaticStr, VariantArray};

pub(crate) use self::database::{
    PoolSize, database_connections, pool_timed_out, statement_took, transaction_began,
    transaction_tried_again,
};
pub(crate) use self::instance::{Build, audit_unsealed, key_age, process, ready};
pub(crate) use self::providers::{
    ProviderRequest, begin_provider, provider_login, provider_request,
};

const REQUESTS: &str = "portcullis_requests_total";
const REQUEST_SECONDS: &str = "portcullis_request_duration_seconds";
const ROOT_FIELD_SECONDS: &str = "portcullis_root_field_duration_seconds";
const CONNECTIONS: &str = "portcullis_connections";
const CONNECTIONS_CUT: &str = "portcullis_connections_cut_total";
const STREAMS: &str = "portcullis_streams";
const STREAM_CONNECTIONS: &str = "portcullis_stream_connections";
const STREAM_EVENTS: &str = "portcullis_stream_events_total";
const LOGINS: &str = "portcullis_logins_total";
const REFRESHES: &str = "portcullis_refreshes_total";
const LIMITED: &str = "portcullis_rate_limited_total";
const REDIS_AWAY: &str = "portcullis_redis_away";
const REDIS_OUTAGES: &str = "portcullis_redis_outages_total";
const CLOCK_SKEW: &str = "portcullis_clock_skew_seconds";
const HASHES_WAITING: &str = "portcullis_password_hashes_waiting";
const HASHES_REFUSED: &str = "portcullis_password_hashes_refused_total";
const HASH_WAIT_SECONDS: &str = "portcullis_password_hash_wait_seconds";
const HASH_SECONDS: &str = "portcullis_password_hash_seconds";
const OPERATIONS_STUCK: &str = "portcullis_operations_stuck";
const OPERATIONS_STUCK_TOTAL: &str = "portcullis_operations_stuck_total";
const OPERATIONS_REFUSED: &str = "portcullis_operations_refused_total";
const MAILS: &str = "portcullis_mails_total";
const OUTBOX: &str = "portcullis_outbox_mails";
const JOB_SUCCEEDED: &str = "portcullis_job_last_success_timestamp_seconds";
const OUTBOX_AGE: &str = "portcullis_outbox_oldest_seconds";
const SESSION_CACHE: &str = "portcullis_session_cache_total";

/// Seconds, from a cached `me` to what is given up.
const BUCKETS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 10.0];
/// The same of a root field, of which there are many: where objectives are stated.
const ROOT_FIELD_BUCKETS: [f64; 7] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0];

/// Renders what has been counted.
#[derive(Clone)]
pub(crate) struct Exporter(PrometheusHandle);

impl Exporter {
    /// Everything, in Prometheus's text format.
    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    /// Sums up what has been measured. Due now and then, or measurements pile up until somebody
    /// asks for them.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Begins to count, in this whole process.
pub(crate) fn install() -> anyhow::Result<Exporter> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let root_field = Matcher::Full(ROOT_FIELD_SECONDS.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &BUCKETS)?
        .set_buckets_for_metric(root_field, &ROOT_FIELD_BUCKETS)?
        .build_recorder();
    let exporter = Exporter(recorder.handle());
    metrics::set_global_recorder(recorder)?;
    describe();
    begin_at_zero();
    Ok(exporter)
}

/// What is rare is there from the start: an alert compares with a value before the first one.
fn begin_at_zero() {
    for outcome in [Outcome::Success, Outcome::Refused, Outcome::Unavailable] {
        counter!(LOGINS, "outcome" => outcome.into_str()).absolute(0);
        counter!(REFRESHES, "outcome" => outcome.into_str()).absolute(0);
    }
    counter!(REFRESHES, "outcome" => Outcome::Reused.into_str()).absolute(0);
    for outcome in MailOutcome::VARIANTS {
        counter!(MAILS, "outcome" => outcome.into_str()).absolute(0);
    }
    for cut in Cut::VARIANTS {
        counter!(CONNECTIONS_CUT, "reason" => cut.into_str()).absolute(0);
    }
    counter!(HASHES_REFUSED).absolute(0);
    for lane in [Lane::Body, Lane::New, Lane::Shared, Lane::Costly] {
        counter!(OPERATIONS_REFUSED, "lane" => lane.into_str()).absolute(0);
    }
    for lane in [Lane::New, Lane::Costly] {
        counter!(OPERATIONS_STUCK_TOTAL, "lane" => lane.into_str()).absolute(0);
        gauge!(OPERATIONS_STUCK, "lane" => lane.into_str()).set(0);
    }
    for transport in [Transport::WebSocket, Transport::Sse] {
        gauge!(STREAM_CONNECTIONS, "transport" => transport.into_str()).set(0);
    }
    gauge!(STREAMS).set(0);
    counter!(STREAM_EVENTS).absolute(0);
    outbox(0, 0, 0, Duration::ZERO);
    database::begin_at_zero();
    instance::begin();
    redis_is_away(false);
    clock_skew(0.0);
}

fn describe() {
    describe_gauge!(
        JOB_SUCCEEDED,
        "When an instance last did a job to its end, in seconds since 1970; 0 before the first time"
    );
    describe_counter!(REQUESTS, "Requests, by kind of operation and code of the first error");
    describe_histogram!(
        REQUEST_SECONDS,
        "Time from the headers of a request to those of its answer"
    );
    describe_histogram!(ROOT_FIELD_SECONDS, "The same of operations, by their root field");
    describe_gauge!(CONNECTIONS, "Open connections, including those of scrapers");
    describe_counter!(CONNECTIONS_CUT, "Connections cut for being slow or too many, by reason");
    describe_gauge!(STREAMS, "Open streams of subscriptions");
    describe_gauge!(STREAM_CONNECTIONS, "Connections that carry streams, by transport");
    describe_counter!(STREAM_EVENTS, "Events sent over streams");
    describe_counter!(LOGINS, "Sign-ins with a password, by outcome");
    describe_counter!(REFRESHES, "Refresh tokens presented, by outcome");
    describe_counter!(LIMITED, "Attempts refused by a limit");
    describe_counter!(MAILS, "Attempts to send a mail, by outcome");
    describe_gauge!(OUTBOX, "Undelivered mails: new, postponed or given up");
    describe_gauge!(OUTBOX_AGE, "How long the oldest mail waits that is neither sent nor given up");
    describe_gauge!(REDIS_AWAY, "1 while this instance counts attempts without Redis");
    describe_counter!(REDIS_OUTAGES, "Outages of Redis");
    describe_gauge!(
        CLOCK_SKEW,
        "How far the clock of this machine is ahead of the database server's"
    );
    describe_gauge!(HASHES_WAITING, "Passwords that wait for a worker to hash them");
    describe_counter!(HASHES_REFUSED, "Passwords refused because no worker was free in time");
    describe_histogram!(HASH_WAIT_SECONDS, "How long a password waited for a worker");
    describe_histogram!(HASH_SECONDS, "How long a worker took to hash a password");
    describe_gauge!(
        OPERATIONS_STUCK,
        "Operations that keep a thread busy for over a second so far"
    );
    describe_counter!(
        OPERATIONS_STUCK_TOTAL,
        "Operations that kept a thread busy for over a second"
    );
    describe_counter!(OPERATIONS_REFUSED, "Operations refused because no thread was free in time");
    database::describe();
    instance::describe();
    providers::describe();
    describe_counter!(SESSION_CACHE, "Session lookups, by whether the session was in memory");
}

/// What kind of operation a request ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum Operation {
    Query,
    Mutation,
    Subscription,
    /// It was refused before that was known, or is no GraphQL request.
    None,
}

/// A request is over: answered with `code`, or given up by its client.
pub(crate) fn request(operation: Operation, code: &'static str, took: Duration) {
    let operation = operation.into_str();
    counter!(REQUESTS, "operation" => operation, "code" => code).increment(1);
    histogram!(REQUEST_SECONDS, "operation" => operation).record(took);
}

/// An operation about a root field is over. The field is one of the schema.
pub(crate) fn root_field(operation: Operation, field: &str, took: Duration) {
    let (operation, field) = (operation.into_str(), field.to_owned());
    histogram!(ROOT_FIELD_SECONDS, "operation" => operation, "field" => field).record(took);
}

/// What became of a sign-in or a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum Outcome {
    Success,
    /// For the caller's fault, or a limit.
    Refused,
    /// A consumed refresh token was presented again: its session has been ended.
    Reused,
    /// For a fault of ours.
    Unavailable,
}

/// Somebody tried to sign in with a password.
pub(crate) fn login(outcome: Outcome) {
    counter!(LOGINS, "outcome" => outcome.into_str()).increment(1);
}

/// Somebody presented a refresh token.
pub(crate) fn refresh(outcome: Outcome) {
    counter!(REFRESHES, "outcome" => outcome.into_str()).increment(1);
}

/// A limit has refused an attempt.
pub(crate) fn limited(limit: &'static str) {
    counter!(LIMITED, "limit" => limit).increment(1);
}

/// What became of an attempt to send a mail.
#[derive(Clone, Copy, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum MailOutcome {
    Sent,
    /// It is tried again.
    Postponed,
    GivenUp,
    /// It was not sent, since its link no longer works.
    Expired,
}

/// So many mails in the outbox are new, postponed and given up. The oldest of the former two waits for so long.
#[expect(clippy::cast_precision_loss, reason = "nobody has so much mail")]
pub(crate) fn outbox(new: u64, postponed: u64, given_up: u64, oldest: Duration) {
    gauge!(OUTBOX_AGE).set(oldest);
    for (state, mails) in [("new", new), ("postponed", postponed), ("given_up", given_up)] {
        gauge!(OUTBOX, "state" => state).set(mails as f64);
    }
}

/// Somebody tried to send a mail.
pub(crate) fn mail(outcome: MailOutcome) {
    counter!(MAILS, "outcome" => outcome.into_str()).increment(1);
}

/// When some instance last did a job to its end.
pub(crate) fn job_succeeded(job: &'static str, at: Option<DateTime<Utc>>) {
    gauge!(JOB_SUCCEEDED, "name" => job)
        .set(at.map_or(0.0, |at| (at - DateTime::UNIX_EPOCH).as_seconds_f64()));
}

/// Redis went away, or came back.
pub(crate) fn redis_is_away(is_away: bool) {
    gauge!(REDIS_AWAY).set(if is_away { 1.0 } else { 0.0 });
    counter!(REDIS_OUTAGES).increment(is_away.into());
}

/// How far the clock of this machine is ahead of the database server's.
pub(crate) fn clock_skew(seconds: f64) {
    gauge!(CLOCK_SKEW).set(seconds);
}

/// One of those that a gauge counts, for as long as this lives.
#[must_use]
pub(crate) struct Present(Gauge);

impl Present {
    fn new(gauge: Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// A connection is open for as long as this lives.
pub(crate) fn connection() -> Present {
    Present::new(gauge!(CONNECTIONS))
}

/// What carries streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "lowercase")]
pub(crate) enum Transport {
    WebSocket,
    /// Server-sent events.
    Sse,
}

/// A connection is kept for streams for as long as this lives.
pub(crate) fn stream_connection(by: Transport) -> Present {
    Present::new(gauge!(STREAM_CONNECTIONS, "transport" => by.into_str()))
}

/// A stream is open for as long as this lives.
pub(crate) fn stream() -> Present {
    Present::new(gauge!(STREAMS))
}

/// An event was sent over a stream.
pub(crate) fn stream_event() {
    counter!(STREAM_EVENTS).increment(1);
}

/// Why a connection was ended that its client had not done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum Cut {
    /// The headers of a request took too long.
    SlowHead,
    /// The body of a request took too long, or came in too slowly.
    SlowBody,
    /// An answer was taken too slowly.
    SlowReader,
    /// What it held was needed: an answer that it did not take, or a long body that came in slowly.
    Relieved,
    /// All places were taken, and it was the slowest of the address that had most of them.
    Crowded,
    /// Its address had as many as it may, and it was the slowest of them.
    AddressFull,
    /// Its address had as many as it may, and all of them were at work: it was not let in.
    AddressBusy,
}

/// A connection was ended that its client had not done with.
pub(crate) fn connection_was_cut(cut: Cut) {
    counter!(CONNECTIONS_CUT, "reason" => cut.into_str()).increment(1);
}

/// A password waits for a worker for as long as this lives.
pub(crate) fn hash_waits() -> Present {
    Present::new(gauge!(HASHES_WAITING))
}

/// No worker was free in time.
pub(crate) fn hash_was_refused() {
    counter!(HASHES_REFUSED).increment(1);
}

/// A worker was free after this time.
pub(crate) fn hash_waited(time: Duration) {
    histogram!(HASH_WAIT_SECONDS).record(time);
}

/// A worker has hashed a password.
pub(crate) fn hash_took(time: Duration) {
    histogram!(HASH_SECONDS).record(time);
}

/// Where an operation waits and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum Lane {
    /// Before it has come in, since it is long.
    Body,
    /// On the threads for documents that nobody has sent before.
    New,
    /// Among the requests that are cheap, in the room that there is for those that are less so.
    Shared,
    /// On the threads for what costs much.
    Costly,
    /// Among the changes of its own caller.
    Writer,
}

/// An operation holds a thread for too long, for as long as this lives.
pub(crate) fn operation_is_stuck(lane: Lane) -> Present {
    counter!(OPERATIONS_STUCK_TOTAL, "lane" => lane.into_str()).increment(1);
    Present::new(gauge!(OPERATIONS_STUCK, "lane" => lane.into_str()))
}

/// There was no thread or no room for an operation in time.
pub(crate) fn operation_was_refused(lane: Lane) {
    counter!(OPERATIONS_REFUSED, "lane" => lane.into_str()).increment(1);
}

/// A session was looked up.
pub(crate) fn session_looked_up(is_known: bool) {
    let outcome = if is_known { "hit" } else { "miss" };
    counter!(SESSION_CACHE, "outcome" => outcome).increment(1);
}
