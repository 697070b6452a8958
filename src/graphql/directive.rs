//! The access policy as it stands in the SDL. Directives document; the guards beside them enforce.

use async_graphql::{Enum, TypeDirective};

use crate::platform::access;

/// What a user may do, in rising order: each role holds all that the ones before it hold.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "access::Role")]
pub(crate) enum Role {
    /// An ordinary account.
    User,
    /// May manage accounts.
    Admin,
}

/// Anybody may call this.
#[TypeDirective(location = "FieldDefinition")]
pub(crate) fn public() {}

/// Signed-in callers only; with role, at least that role.
#[TypeDirective(location = "FieldDefinition")]
pub(crate) fn auth(role: Option<Role>) {}
