//! How much signed-in callers may change.
//!
//! Every mutation that takes a signed-in caller counts, but for the defences of people (BF-13): they end sessions, shut
//! accounts out, or take something back, so they are bounded by what there is to end. The attribute `rules` writes the
//! limit beside the other rules of each field that counts, and `Policy` reads it there.

use crate::infra::limits::{Limit, User};

/// Keeps one account from filling the database, and the audit log in particular.
pub static BUDGET: Limit<User> = Limit::stream("changes.user", 300, 60, 100);
