//! Portcullis: a self-hosted GraphQL auth server whose schema is its access policy.
//!
//! As a library it is for programs that add entities of their own, with an [`Extension`]; `docs/how-to/extending.md` is the
//! guide, and `examples/task-manager` such a program. [`prelude`] has what resolvers need, [`entity::prelude`] what the
//! declaration of an entity needs.
//!
//! The map of the code, in reading order: [`config`] reads the settings, [`app`] wires everything, `http`
//! answers requests, `schema` puts the GraphQL schema together from `features`, one folder each.
//! Below them stand `graphql`, the kit for resolvers, `infra`, which rules run on, and `kernel`, which they are made
//! of. `tables` holds the entities of the server itself, and [`cli`] the verbs of the command line.

// The macros of this workspace name the crate as others do.
extern crate self as portcullis;

use portcullis_kernel as kernel;

pub mod app;
pub mod cli;
pub mod config;
mod extension;
mod features;
mod graphql;
pub mod http;
mod infra;
mod library;
pub mod schema;
mod server;
mod tables;

pub use self::extension::{Additions, Extension};
pub use self::library::{entity, expansion, migration, prelude};
pub use self::server::Server;
pub use crate::features::audit::Kind;
pub use crate::features::change::Fault;
pub use crate::features::entities::{Change, ChangeError, Committed, Find, Owned, Scope};
pub use crate::graphql::connection::{Connection, Source};
pub use crate::graphql::date::Date;
pub use crate::graphql::date_time::DateTime;
pub use crate::graphql::error::ApiError as Error;
pub use crate::graphql::page::Window;
pub use crate::graphql::row::Row;
pub use crate::kernel::access::{OrganizationRole, Permission, Role, permission};
pub use crate::kernel::clock::Clock;
pub use crate::kernel::id::{Id, OrganizationId, TypedId, UserId};
pub use crate::kernel::invalid;
pub use crate::schema::entity::{List, Page, Scoped, Shown};
pub use crate::schema::organization::Organization;
pub use crate::schema::user::User;
pub use portcullis_kernel::{declare_id as id, permissions};
pub use {async_graphql, sea_orm, uuid};
