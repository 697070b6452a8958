//! The schema, put together from the slices. Building it needs no database.

pub(crate) mod audit_event;
mod fault;
pub(crate) mod node;
pub(crate) mod organization;
pub(crate) mod recovery;
pub(crate) mod session;
pub(crate) mod sign_in;
pub(crate) mod task;
#[cfg(test)]
mod tests;
pub(crate) mod user;
mod viewer;

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use async_graphql::{EmptySubscription, MergedObject, SDLExportOptions, SchemaBuilder};
use axum::body::Bytes;
use moka::sync::Cache;

use self::node::NodeQuery;
use crate::graphql::document::SharedTypes;
use crate::graphql::policy::{Listing, Policy};
use crate::graphql::rule::Rule;
use crate::infra::limits::Rates;

/// What can be read.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    user::AccountQuery,
    viewer::ViewerQuery,
    audit_event::AuditQuery,
    organization::OrganizationQuery,
    task::TaskQuery,
    NodeQuery,
);

/// What can be changed.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    user::AccountMutation,
    user::AdministrationMutation,
    user::InvitationMutation,
    user::LeftoverMutation,
    user::OwnAccountMutation,
    session::SessionMutation,
    sign_in::LoginMutation,
    recovery::RecoveryMutation,
    organization::OrganizationMutation,
    organization::MembershipMutation,
    organization::MemberInvitationMutation,
    task::TaskMutation,
);

/// The executable schema.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// A schema that lacks its services yet.
pub(crate) type Builder = SchemaBuilder<Query, Mutation, EmptySubscription>;

/// The schema without its services: what it lists, and with which rates its limits are written.
///
/// The document's own limits are proven before it gets here; the library's stay on as a second
/// net. No extension is registered: with one, every field of every row is looked up.
pub(crate) fn builder(listing: Listing, rates: &Rates) -> Builder {
    let (policy, types) = (Policy::default(), SharedTypes::default());
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .directive(policy.reader(types.clone(), listing, rates.clone()))
        .data(policy)
        .data(types)
        .limit_directives(5)
        .with_sorted_fields()
        .with_sorted_enums()
}

/// The schema in the definition language, sorted, with the access policy as directives.
#[must_use]
pub fn sdl() -> String {
    export(Listing::All, &Rates::default())
}

/// The same, of what `listing` says, with the rates that are set.
pub(crate) fn export(listing: Listing, rates: &Rates) -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    builder(listing, rates).finish().sdl_with_options(options)
}

/// The limits whose rates may be set, and to how many attempts at most.
pub(crate) fn settable_limits() -> &'static BTreeMap<String, u32> {
    static LIMITS: LazyLock<BTreeMap<String, u32>> = LazyLock::new(|| {
        let schema = builder(Listing::All, &Rates::default()).finish();
        schema.data::<Policy>().map(Policy::limits).unwrap_or_default()
    });
    &LIMITS
}

/// The schema in the definition language as this server has it.
pub(crate) struct ServedSdl {
    rates: Rates,
    whole: OnceLock<Bytes>,
    own: Cache<Vec<Rule>, Bytes>,
}

/// There are few kinds of callers; a further one takes the place of another.
const KINDS_MAX: u64 = 32;

impl ServedSdl {
    pub(crate) fn new(rates: Rates) -> Self {
        Self { rates, whole: OnceLock::new(), own: Cache::new(KINDS_MAX) }
    }

    /// All of it, made once.
    pub(crate) fn whole(&self) -> Bytes {
        self.whole.get_or_init(|| export(Listing::All, &self.rates).into()).clone()
    }

    /// What callers see who meet these rules and no other, made once for all of them.
    pub(crate) fn own(&self, rules: &[Rule]) -> Bytes {
        let export = || export(Listing::Only(rules.to_vec()), &self.rates).into();
        self.own.get_with_by_ref(rules, export)
    }
}
