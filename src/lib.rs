//! Portcullis: a self-hosted GraphQL auth server whose schema is its access policy.
//!
//! The map, in reading order: [`config`] reads the settings, [`app`] wires everything, `http`
//! answers requests, `schema` puts the GraphQL schema together from `features`, one folder each.
//! Below them stand `graphql`, the kit for resolvers, `infra`, which rules run on, and `kernel`, which they are made
//! of. `entity` holds the
//! tables, and [`cli`] the verbs of the command line.

// The macros of this workspace name the crate as others do.
extern crate self as portcullis;

pub mod app;
pub mod cli;
pub mod config;
mod entity;
mod features;
mod graphql;
pub mod http;
mod infra;
mod kernel;
pub mod schema;

pub use kernel::clock::Clock;
