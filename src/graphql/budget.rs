//! How much signed-in callers may change.
//!
//! Every mutation that takes a signed-in caller counts, but for what people need to defend themselves (BF-13),
//! which is bounded by what there is to be ended. While the schema is built, the limit is written beside the other rules of
//! each field that counts ([`Policy`](super::policy::Policy)), and what is counted is read from there.

use crate::infra::limits::{Limit, User};

/// What keeps one account from filling the database, and the audit log in particular.
pub(crate) static BUDGET: Limit<User> = Limit::stream("changes.user", 300, 60, 100);

/// Mutations of signed-in callers that are never held up: they end sessions, shut accounts out, or take something
/// back. Most write nothing where nothing is left to end; the two that take a password have a limit of their own.
const DEFENCES: &[&str] = &[
    "changePassword",
    "deactivateAccount",
    "deactivateUser",
    "deleteAccount",
    "endUserSessions",
    "reauthenticate",
    "removeMember",
    "revokeAllSessions",
    "revokeInvitation",
    "revokeOtherSessions",
    "revokePermission",
    "revokeSession",
];

/// Whether a mutation that takes a signed-in caller counts.
pub(crate) fn counts(mutation: &str) -> bool {
    !DEFENCES.contains(&mutation)
}
