//! The schema, put together from the slices. Building it needs no database.

use async_graphql::{
    EmptySubscription, ID, Interface, MergedObject, SDLExportOptions, SchemaBuilder,
};

use chrono::{DateTime, Utc};

use crate::features::{accounts, audit, login, recovery, sessions};

/// Anything with an id that is unique over all types.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID", desc = "Unique over all types; opaque."))]
pub(crate) enum Node {
    User(accounts::graphql::User),
    AuditEvent(audit::graphql::AuditEvent),
    Session(sessions::graphql::Session),
}

/// What can be read.
#[derive(MergedObject, Default)]
pub(crate) struct Query(accounts::graphql::AccountQuery, audit::graphql::AuditQuery);

/// What can be changed.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    accounts::graphql::AccountMutation,
    accounts::graphql::AdministrationMutation,
    accounts::graphql::InvitationMutation,
    accounts::graphql::OwnAccountMutation,
    sessions::graphql::SessionMutation,
    login::graphql::LoginMutation,
    recovery::graphql::RecoveryMutation,
);

/// The executable schema.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// The schema without its services.
///
/// The document's own limits are proven before it gets here; the library's stay on as a second
/// net. No extension is registered: with one, every field of every row is looked up.
pub(crate) fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .register_output_type::<Node>()
        .override_output_type_description::<DateTime<Utc>>(
            "A point in time in RFC 3339, UTC, in microseconds.",
        )
        .limit_directives(5)
        .with_sorted_fields()
        .with_sorted_enums()
}

/// The schema in the definition language, sorted, with the access policy as directives.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    builder().finish().sdl_with_options(options)
}
