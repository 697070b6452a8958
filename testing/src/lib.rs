//! The test kit: a whole server for each test, with its own database, a clock that stands still, and
//! callers. Every answer of its endpoint is checked against its document and the schema.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on fails"
)]
#![expect(
    clippy::must_use_candidate,
    reason = "a test that ignores what it asked for looks wrong enough"
)]

mod answered;
pub mod conformance;
mod database;
mod dump;
mod mail;
pub mod organizations;
pub mod policy;
mod reply;
mod server;
pub mod tenancy;

pub use self::answered::assert_answered;
pub use self::database::{TestDatabase, server as named_server};
pub use self::dump::{dump, holding, tables};
pub use self::mail::Mail;
pub use self::reply::{Outcome, Reply, SignedIn};
pub use self::server::{
    GRACE, LOGIN, PASSWORD, REGISTER, SECOND, SESSION, TestApp, assert_whole, call, core_sdl,
    count, over, refresh, sdl_of, send, send_as_it_is, skip, start_of_time,
};
