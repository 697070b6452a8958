//! Whether the secret opens the seeds of one-time codes.

use super::{Level, Report};
use crate::features::authenticators::totp::{Unsealed, count_unsealed};
use crate::infra::db::Db;
use crate::infra::keys::Master;

/// Says whether the secret before the current one opens none that the current one does not.
pub(super) async fn check(report: &mut Report, db: &Db, master: &Master) -> bool {
    const ABOUT: &str = "one-time codes";
    let Unsealed { previous, unknown } = match count_unsealed(db, master).await {
        Ok(counted) => counted,
        Err(error) => {
            report.unreadable("the seeds of one-time codes", &error);
            return false;
        }
    };
    if unknown > 0 {
        let message =
            format!("SECRET_KEY does not decrypt {unknown} seeds: the server refuses their codes");
        let advice = "set SECRET_KEY_PREVIOUS to the secret that encrypted them; if it is lost, the users must set up \
                      their apps again";
        report.add(Level::Problem, ABOUT, message, advice);
    }
    if previous > 0 {
        let message = format!("{previous} seeds are encrypted with SECRET_KEY_PREVIOUS");
        let advice = "once every instance has both secrets, run `portcullis keys reseal`";
        report.add(Level::Warning, ABOUT, message, advice);
    }
    previous == 0
}
