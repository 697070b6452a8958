//! Whether the signature of the audit log holds.

use super::{Level, Report};
use crate::features::audit::Chain;
use crate::infra::db::DbFailure;
use crate::infra::keys::Sealed;
use crate::infra::keys::rotation::Described;

pub(super) async fn check(report: &mut Report, chain: &Chain, keys: &[Described]) {
    // A secret that opens no key has signed nothing either, and that is told already.
    if keys.iter().any(|key| key.sealed == Sealed::Unknown) {
        return;
    }
    if let Err(broken) = chain.standing().await {
        if let Some(error) = broken.db() {
            return report.unreadable("the audit log", error);
        }
        let advice = "keep a copy of the database, and find out who has changed it; then run \
                      `portcullis audit sign`";
        report.add(Level::Problem, "audit log", broken.to_string(), advice);
    }
}
