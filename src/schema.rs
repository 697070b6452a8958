//! The schema, put together from the slices. Building it needs no database.

pub(crate) mod node;

use std::sync::LazyLock;

use async_graphql::{EmptySubscription, MergedObject, SDLExportOptions, SchemaBuilder};
use axum::body::Bytes;
use moka::sync::Cache;

use self::node::NodeQuery;
use crate::features::{accounts, audit, login, organizations, recovery, sessions, tasks};
use crate::graphql::document::SharedTypes;
use crate::graphql::policy::{Listing, Policy};
use crate::graphql::rule::Rule;

/// What can be read.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    accounts::graphql::AccountQuery,
    accounts::graphql::ViewerQuery,
    audit::graphql::AuditQuery,
    organizations::graphql::OrganizationQuery,
    tasks::graphql::TaskQuery,
    NodeQuery,
);

/// What can be changed.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    accounts::graphql::AccountMutation,
    accounts::graphql::AdministrationMutation,
    accounts::graphql::InvitationMutation,
    accounts::graphql::LeftoverMutation,
    accounts::graphql::OwnAccountMutation,
    sessions::graphql::SessionMutation,
    login::graphql::LoginMutation,
    recovery::graphql::RecoveryMutation,
    organizations::graphql::OrganizationMutation,
    organizations::graphql::MembershipMutation,
    organizations::graphql::MemberInvitationMutation,
    tasks::graphql::TaskMutation,
);

/// The executable schema.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// The schema without its services, and what it lists.
///
/// The document's own limits are proven before it gets here; the library's stay on as a second
/// net. No extension is registered: with one, every field of every row is looked up.
pub(crate) fn builder(listing: Listing) -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    let (policy, types) = (Policy::default(), SharedTypes::default());
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .directive(policy.reader(types.clone(), listing))
        .data(policy)
        .data(types)
        .limit_directives(5)
        .with_sorted_fields()
        .with_sorted_enums()
}

/// The schema in the definition language, sorted, with the access policy as directives.
#[must_use]
pub fn sdl() -> String {
    export(Listing::All)
}

/// The same, made once for this process.
pub(crate) fn served_sdl() -> &'static str {
    static SDL: LazyLock<String> = LazyLock::new(sdl);
    &SDL
}

/// The same, of what `listing` says.
pub(crate) fn export(listing: Listing) -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    builder(listing).finish().sdl_with_options(options)
}

/// The schema in the definition language as callers may see it, made once for all who meet the same rules.
pub(crate) struct OwnSdl(Cache<Vec<Rule>, Bytes>);

/// There are few kinds of callers; a further one takes the place of another.
const KINDS_MAX: u64 = 32;

impl Default for OwnSdl {
    fn default() -> Self {
        Self(Cache::new(KINDS_MAX))
    }
}

impl OwnSdl {
    /// The schema for who meets these rules and no other.
    pub(crate) fn of(&self, rules: &[Rule]) -> Bytes {
        self.0.get_with_by_ref(rules, || export(Listing::Only(rules.to_vec())).into())
    }
}
