//! What every rule is made of: ids, clocks, pages, roles and permissions, secrets. It knows no database, no HTTP and no
//! GraphQL, but for traits of theirs that its types implement.

pub(crate) mod access;
pub(crate) mod acting;
pub(crate) mod clock;
pub(crate) mod columns;
pub(crate) mod device;
pub(crate) mod epochs;
pub(crate) mod host;
pub(crate) mod id;
pub mod invalid;
pub(crate) mod page;
pub(crate) mod registered;
pub(crate) mod rfc3339;
pub(crate) mod secret;
pub(crate) mod shares;
