//! The kit for resolvers. It knows no feature and no table.

pub mod budget;
pub(crate) mod connection;
pub(crate) mod context;
pub(crate) mod cookie;
pub(crate) mod date;
pub(crate) mod date_time;
pub mod directive;
pub(crate) mod document;
pub(crate) mod error;
pub mod feature;
pub mod guard;
pub(crate) mod id;
pub(crate) mod json;
pub(crate) mod json_value;
pub(crate) mod lanes;
pub(crate) mod loader;
pub(crate) mod messages;
pub(crate) mod metadata;
pub(crate) mod page;
pub(crate) mod policy;
pub(crate) mod reason;
pub mod row;
pub(crate) mod rule;
pub(crate) mod step_up;
pub(crate) mod subscription;
pub(crate) mod whole;
