//! Whether the secret opens the keys of the database, and which of them sign.

use std::sync::Arc;

use chrono::TimeDelta;
use zeroize::Zeroizing;

use super::{Level, Report, log, seeds};
use crate::app;
use crate::cli::output::time;
use crate::config::Config;
use crate::features::audit::Chain;
use crate::infra::causes::causes;
use crate::infra::db::Db;
use crate::infra::keys::rotation::{self, Described, State};
use crate::infra::keys::{Algorithm, Sealed};
use crate::kernel::clock::Clock;
use crate::kernel::secret::random;

const ABOUT: &str = "keys";
/// After this long a signing key should have been rotated.
const KEY_AGE_MAX: TimeDelta = TimeDelta::days(365);

pub(super) async fn check(report: &mut Report, config: &Config, db: &Db) {
    // Where there is no secret, one that opens nothing stands in for it.
    let secret = app::existing_secret(config).and_then(|secret| match secret {
        Some(secret) => Ok(secret),
        None => Ok(Zeroizing::new(random::<32>()?.to_vec())),
    });
    let master = match secret.and_then(|secret| Ok(app::master(config, &secret)?)) {
        Ok(master) => master,
        Err(error) => {
            let advice =
                "the server's user, and nobody else, must be able to read the whole secret";
            report.add(Level::Problem, ABOUT, causes(error.as_ref()), advice);
            return;
        }
    };
    let (clock, master) = (Clock::system(), Arc::new(master));
    let found = match rotation::list(db.reader(), &master, clock.now()).await {
        Ok(found) => found,
        Err(error) => return report.unreadable("the keys", &error),
    };
    if found.is_empty() {
        report.add(
            Level::Note,
            ABOUT,
            "there are no keys yet",
            "nothing: the first start creates them",
        );
        return;
    }
    let is_done_with_keys = sealing(report, &found);
    let is_done_with_seeds = seeds::check(report, db, &master).await;
    if is_done_with_keys && is_done_with_seeds && config.secret_key_previous.is_some() {
        let message = "SECRET_KEY_PREVIOUS decrypts nothing that SECRET_KEY does not decrypt";
        report.add(Level::Note, ABOUT, message, "remove it at the next restart");
    }
    signing(report, config, &found);
    log::signature(report, &Chain::new(db.clone(), clock, master), &found).await;
}

/// Says whether all keys are sealed under the current secret.
fn sealing(report: &mut Report, found: &[Described]) -> bool {
    let count = |sealed: Sealed| found.iter().filter(|key| key.sealed == sealed).count();
    let (unknown, previous) = (count(Sealed::Unknown), count(Sealed::Previous));
    if unknown > 0 {
        let message = format!("SECRET_KEY does not decrypt {unknown} of {} keys", found.len());
        let advice = "set SECRET_KEY to the secret that encrypted them, or set SECRET_KEY_PREVIOUS \
                      to it beside a new one; a generated secret is in the data folder that the \
                      database was created with, as secret-….key; if it is lost, \
                      docs/how-to/keys.md describes how to start over";
        report.add(Level::Problem, ABOUT, message, advice);
    } else if previous > 0 {
        let message = format!("{previous} keys are encrypted with SECRET_KEY_PREVIOUS");
        let advice = "once every instance has both secrets, run `portcullis keys reseal`";
        report.add(Level::Warning, ABOUT, message, advice);
    } else {
        report.ok(ABOUT, format!("SECRET_KEY decrypts all {} keys", found.len()));
    }
    unknown == 0 && previous == 0
}

fn signing(report: &mut Report, config: &Config, found: &[Described]) {
    let mut signing =
        found.iter().filter(|key| key.purpose == "signing" && key.state != State::Ended);
    let Some(active) = signing.clone().find(|key| key.state == State::Active) else {
        let advice = "set this machine's clock, or run `portcullis keys rotate --now`";
        report.add(
            Level::Warning,
            ABOUT,
            "no signing key is active at the time of this machine's clock",
            advice,
        );
        return;
    };
    report.ok(ABOUT, format!("{} signs with {}", active.kid, active.algorithm));
    if let Some(next) = signing.clone().find(|key| key.state == State::Pending) {
        report.ok(ABOUT, format!("{} signs from {} on", next.kid, time(next.signs_from)));
    }
    let newest = signing.next_back().unwrap_or(active);
    if let Some(set) = config.jwt_algorithm
        && set.into_str() != newest.algorithm
    {
        let message = format!("JWT_ALGORITHM is {}, but no key has this algorithm", set.into_str());
        let advice = "nothing: the server adds one at its next start";
        report.add(Level::Note, ABOUT, message, advice);
    }
    if newest.algorithm == Algorithm::Hs256.into_str() {
        let message = "other services cannot verify access tokens with HS256";
        let advice = "set JWT_ALGORITHM=EdDSA, unless only this server verifies tokens";
        report.add(Level::Warning, ABOUT, message, advice);
    }
    if Clock::system().now() - newest.created_at > KEY_AGE_MAX {
        let message = "the signing key is more than a year old";
        report.add(Level::Note, ABOUT, message, "run `portcullis keys rotate`");
    }
}
