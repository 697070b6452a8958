//! What is counted of the database and of the pools in front of it.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const CONNECTIONS: &str = "portcullis_database_connections";
const CONNECTIONS_MAX: &str = "portcullis_database_connections_max";
const POOL_TIMEOUTS: &str = "portcullis_database_pool_timeouts_total";
const BEGIN_SECONDS: &str = "portcullis_database_begin_seconds";
const STATEMENT_SECONDS: &str = "portcullis_database_statement_seconds";
const TRIED_AGAIN: &str = "portcullis_transactions_tried_again_total";

pub(super) fn describe() {
    describe_gauge!(CONNECTIONS, "Connections to the database, by pool and state");
    describe_gauge!(CONNECTIONS_MAX, "The most connections that a pool may have");
    describe_counter!(POOL_TIMEOUTS, "Waits for a connection that a pool did not have in time");
    describe_histogram!(
        BEGIN_SECONDS,
        "How long transactions waited for a connection and, on SQLite, for their turn to write"
    );
    describe_histogram!(STATEMENT_SECONDS, "How long the database took for a statement");
    describe_counter!(TRIED_AGAIN, "Transactions retried after a lost race, by purpose");
}

pub(super) fn begin_at_zero() {
    counter!(TRIED_AGAIN, "transaction" => "refresh").absolute(0);
}

/// How many connections of a pool there are at this moment, and may be.
pub(crate) struct PoolSize {
    pub(crate) used: u32,
    pub(crate) idle: u32,
    pub(crate) max: u32,
}

/// How large a pool is.
pub(crate) fn database_connections(pool: &'static str, size: &PoolSize) {
    gauge!(CONNECTIONS, "pool" => pool, "state" => "used").set(size.used);
    gauge!(CONNECTIONS, "pool" => pool, "state" => "idle").set(size.idle);
    gauge!(CONNECTIONS_MAX, "pool" => pool).set(size.max);
    // There from the first scrape on: an alert compares with a value before the first one.
    counter!(POOL_TIMEOUTS, "pool" => pool).increment(0);
}

/// A pool had no connection to give in time.
pub(crate) fn pool_timed_out(pool: &'static str) {
    counter!(POOL_TIMEOUTS, "pool" => pool).increment(1);
}

/// A transaction has begun, or was given no connection, after this time.
pub(crate) fn transaction_began(pool: &'static str, time: Duration) {
    histogram!(BEGIN_SECONDS, "pool" => pool).record(time);
}

/// The database has answered a statement, or failed to.
pub(crate) fn statement_took(time: Duration) {
    histogram!(STATEMENT_SECONDS).record(time);
}

/// A transaction has lost a race and is tried again.
pub(crate) fn transaction_tried_again(name: &'static str) {
    counter!(TRIED_AGAIN, "transaction" => name).increment(1);
}
