//! The hosts that DATABASE_URL names, where these are several.

use super::{Level, Report};
use crate::infra::db::{Db, Sighting};

const ABOUT: &str = "database";

pub(super) async fn check(report: &mut Report, db: &Db) {
    for Sighting { name, is_chosen, role } in db.sightings().await {
        match role {
            Ok(role) if is_chosen => report.ok(ABOUT, format!("{name} is {role}, and is used")),
            Ok(role) => report.ok(ABOUT, format!("{name} is {role}")),
            Err(why) => report.add(
                Level::Warning,
                ABOUT,
                format!("{name} cannot be reached: {why}"),
                "start that server, or remove it from DATABASE_URL",
            ),
        }
    }
}
