//! What rules run on: the database, keys and tokens, passwords, limits, mail, what is measured. It knows no GraphQL.

pub(crate) mod causes;
pub(crate) mod db;
pub(crate) mod entries;
pub(crate) mod instances;
pub(crate) mod jobs;
pub(crate) mod jwt;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod mail;
pub(crate) mod metrics;
pub(crate) mod passwords;
pub(crate) mod private;
pub(crate) mod providers;
pub(crate) mod rights;
pub(crate) mod scratch;
pub(crate) mod streams;
pub(crate) mod supervisor;
pub(crate) mod telemetry;
pub(crate) mod threads;
pub(crate) mod tls;
pub(crate) mod totp;
