//! The kit for rules: clock, ids, secrets, keys, passwords, limits, the database. It knows no GraphQL.

pub(crate) mod access;
pub(crate) mod causes;
pub(crate) mod clock;
pub(crate) mod db;
pub(crate) mod device;
pub(crate) mod host;
pub(crate) mod id;
pub(crate) mod instances;
pub(crate) mod invalid;
pub(crate) mod jwt;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod mail;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod passwords;
pub(crate) mod private;
pub(crate) mod rfc3339;
pub(crate) mod secret;
pub(crate) mod shares;
pub(crate) mod telemetry;
pub(crate) mod threads;
