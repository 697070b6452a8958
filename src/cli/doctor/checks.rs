//! What is looked at, in the order in which a server needs it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{Level, Report, clock, jobs, log, mail, providers, redis, seeds, writing};
use migration::Migrations;

use crate::app;
use crate::cli::output::time;
use crate::config::{Config, Introspection, Warning};
use crate::features::audit;
use crate::features::audit::Chain;
use crate::infra::causes::causes;
use crate::infra::db::{Db, Sighting, sqlite_file};
use crate::infra::instances;
use crate::infra::keys::rotation;
use crate::infra::keys::rotation::{Described, State};
use crate::infra::keys::{Algorithm, Sealed};
use crate::kernel::clock::Clock;
use crate::kernel::secret::random;

/// NIST SP 800-63B-4, section 3.1.1.2, for passwords that stand alone.
const PASSWORD_LENGTH_ADVISED: usize = 15;
/// After this long a running server has sealed an audit event.
const SEALED_WITHIN: TimeDelta = TimeDelta::minutes(1);
/// After this long a signing key should have been rotated.
const KEY_AGE_MAX: TimeDelta = TimeDelta::days(365);

pub(super) async fn all(report: &mut Report, config: &Config) {
    configuration(report, config);
    redis::check(report, config).await;
    mail::server(report, config).await;
    providers::check(report, config).await;
    data_folder(report, config);
    let url = config.database.url.expose_secret();
    if let Some(file) = sqlite_file(url)
        && !matches!(file.try_exists(), Ok(true))
    {
        missing(report, config, &file);
        return;
    }
    match Db::connect_to_look(url).await {
        Ok(db) => {
            database(report, &db).await;
            hosts(report, &db).await;
            let is_current = schema(report, &db, config.extended.migrations).await;
            restoring(report, &db).await;
            writing::check(report, config, &db, is_current).await;
            if is_current {
                keys(report, config, &db).await;
                clock::check(report, &db).await;
                sharing(report, config, &db).await;
                seal(report, &db).await;
                mail::undelivered(report, &db).await;
                jobs::check(report, &db, Clock::system().now()).await;
            }
            // Nothing was written, so nothing can be lost by an unclean end.
            let _closed = db.close().await;
        }
        Err(error) => {
            let advice = match url.starts_with("sqlite:") {
                true => "check that this user can read the file, and that it is a SQLite database",
                false => {
                    "check the host, port, name, user and password in DATABASE_URL, and that the database \
                     server runs and accepts connections from this machine"
                }
            };
            let message = format!("the database cannot be reached: {}", causes(&error));
            report.add(Level::Problem, "database", message, advice);
        }
    }
}

/// The hosts that DATABASE_URL names, where these are several.
async fn hosts(report: &mut Report, db: &Db) {
    const ABOUT: &str = "database";
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

/// A restore that was not finished.
async fn restoring(report: &mut Report, db: &Db) {
    match db.is_being_restored().await {
        Ok(false) => {}
        Ok(true) => report.add(
            Level::Problem,
            "database",
            "a backup was restored into it and not to the end",
            "make an empty database, and run `portcullis restore` again",
        ),
        Err(error) => report.unreadable("the list of tables", &error),
    }
}

/// A database file that is not there, or that this user cannot see.
fn missing(report: &mut Report, config: &Config, file: &Path) {
    const ABOUT: &str = "database";
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // The server makes its own data folder, and no other.
    let is_made = folder == config.data_dir && matches!(folder.try_exists(), Ok(false));
    if file.try_exists().is_ok() && (folder.is_dir() || is_made) {
        let advice = "nothing: `portcullis` (or `portcullis migrate up`) creates it";
        report.add(Level::Note, ABOUT, "there is no database yet", advice);
    } else {
        let message = format!("{} does not exist, or this user cannot access it", file.display());
        let advice = "check DATABASE_URL: the folder must exist, and this user must have access";
        report.add(Level::Problem, ABOUT, message, advice);
    }
}

fn configuration(report: &mut Report, config: &Config) {
    const ABOUT: &str = "configuration";
    let (name, rules) = match config.is_development() {
        true => ("development", "only for this machine"),
        false => ("production", "all settings that production requires are set"),
    };
    report.ok(ABOUT, format!("{name}: {rules}"));
    for Warning { message, advice } in &config.warnings {
        report.add(Level::Warning, ABOUT, message, advice);
    }
    if config.password_length_min < PASSWORD_LENGTH_ADVISED {
        let message = format!(
            "PASSWORD_MIN_LENGTH is {}; NIST advises {PASSWORD_LENGTH_ADVISED} where a password is \
             all it takes to sign in",
            config.password_length_min
        );
        report.add(Level::Note, ABOUT, message, "raise it, unless your users need short passwords");
    }
    if !config.hash_cost.meets_floor() {
        let advice = "leave ARGON2_MEMORY_KIB and ARGON2_ITERATIONS unset, or choose them with `portcullis \
                      hash-bench`";
        report.add(
            Level::Warning,
            ABOUT,
            "the password hashes are too weak for production",
            advice,
        );
    }
    if config.jwt.issuer != config.public_url {
        let message = "JWT_ISSUER differs from PUBLIC_URL, which serves the metadata of the issuer";
        let advice = "set both to the same URL if services look up keys by issuer (RFC 8414)";
        report.add(Level::Note, ABOUT, message, advice);
    }
    for (name, template) in config.jwt.custom_claims.templates() {
        report.ok("claims", format!("CLAIMS_FILE adds {name:?}: {template}"));
    }
    let documents = config.trusted_documents.iter().count();
    if documents > 0 {
        report.ok("documents", format!("DOCUMENTS_FILE registers {documents} documents"));
    }
    if config.takes_a_proxy_for_everybody() {
        let message = "all clients behind a proxy count as one address and share its limits";
        let advice = "set TRUSTED_PROXIES to the address of the proxy that speaks TLS";
        report.add(Level::Warning, ABOUT, message, advice);
    }
    let is_shown = config.introspection == Introspection::Full || config.playground;
    if !config.is_development() && is_shown {
        let advice = "set PLAYGROUND=off and INTROSPECTION=off or own, unless the schema is meant for everybody";
        report.add(Level::Note, ABOUT, "anybody can read the schema of this server", advice);
    }
}

/// Whether instances share the database and not the limits.
async fn sharing(report: &mut Report, config: &Config, db: &Db) {
    let count = match instances::count(db.reader(), Clock::system().now()).await {
        Ok(count) => count,
        Err(error) => return report.unreadable("the list of instances", &error),
    };
    if count > 1 && config.rates.is_some() && config.redis_url.is_none() {
        let message = format!("{count} instances run, and each counts attempts for itself");
        report.add(Level::Warning, "instances", message, "set REDIS_URL for all of them");
    }
}

fn data_folder(report: &mut Report, config: &Config) {
    const ABOUT: &str = "data folder";
    let folder = &config.data_dir;
    let Ok(entries) = fs::read_dir(folder) else {
        if folder.exists() {
            let advice = "run this command as the user of the server, or give that user access to the folder";
            let message = format!("{} cannot be read", folder.display());
            report.add(Level::Problem, ABOUT, message, advice);
        } else {
            report.ok(ABOUT, "the server creates the folder when it needs it");
        }
        return;
    };
    let open = |path: &Path, level: Level, report: &mut Report| {
        let mode = if path.is_dir() { "700" } else { "600" };
        let message = format!("{} is open to other users of this machine", path.display());
        let advice = format!("run `chmod {mode} '{}'`", path.display());
        report.add(level, ABOUT, message, advice);
    };
    let before = report.0.len();
    if is_open(folder) {
        open(folder, Level::Warning, report);
    }
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let is_secret = path.extension().is_some_and(|extension| extension == "key");
        // Behind a closed door the modes of other files do not matter.
        if is_open(&path) && (is_secret || is_open(folder)) {
            open(&path, if is_secret { Level::Problem } else { Level::Warning }, report);
        }
    }
    if report.0.len() == before {
        report.ok(ABOUT, format!("{} is private", folder.display()));
    }
}

/// Whether the file's mode lets others in.
fn is_open(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

async fn database(report: &mut Report, db: &Db) {
    const ABOUT: &str = "database";
    let found = match db.inspect().await {
        Ok(found) => found,
        Err(error) => {
            let advice = "read the log of the database server, or check that the file is a \
                          SQLite database";
            let message = format!("the database answers with an error: {}", causes(&error));
            report.add(Level::Problem, ABOUT, message, advice);
            return;
        }
    };
    let name = format!("{} {}", found.product, found.version);
    if found.is_supported {
        report.ok(ABOUT, name);
    } else {
        let advice = format!("upgrade it to {} {} or later", found.product, found.version_min);
        report.add(Level::Warning, ABOUT, format!("{name} is not supported"), advice);
    }
}

/// Whether the tables are there to look into.
async fn schema(report: &mut Report, db: &Db, migrations: Migrations) -> bool {
    const ABOUT: &str = "schema";
    let status = match migrations.status(db.reader()).await {
        Ok(status) => status,
        Err(error) => {
            let advice = "let the database user read and change the schema";
            let message = format!("the state of the schema cannot be read: {}", causes(&error));
            report.add(Level::Problem, ABOUT, message, advice);
            return false;
        }
    };
    if let Some(newest) = status.unknown.last()
        && status.is_too_new
    {
        let message = format!("the schema is newer than this program: it has {newest}");
        let advice = "run the version of the program that created it, or a later one";
        report.add(Level::Problem, ABOUT, message, advice);
    } else if !status.pending.is_empty() {
        let message = format!("{} migrations are pending", status.pending.len());
        report.add(Level::Problem, ABOUT, message, "run `portcullis migrate up`");
    } else if status.unknown.is_empty() {
        report.ok(ABOUT, "the schema matches this program");
    } else {
        report.ok(ABOUT, "the schema is newer than this program and allows it to run");
    }
    status.is_compatible()
}

async fn keys(report: &mut Report, config: &Config, db: &Db) {
    const ABOUT: &str = "keys";
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
    log::check(report, &Chain::new(db.clone(), clock, master), &found).await;
}

/// Says whether all keys are sealed under the current secret.
fn sealing(report: &mut Report, found: &[Described]) -> bool {
    const ABOUT: &str = "keys";
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
    const ABOUT: &str = "keys";
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

/// Whether a server seals the audit log. That none runs is no fault.
async fn seal(report: &mut Report, db: &Db) {
    const ABOUT: &str = "audit log";
    match audit::oldest_unsealed(db.reader()).await {
        Ok(Some(since)) if Clock::system().now() - since > SEALED_WITHIN => {
            let message = format!("the server has not sealed events since {}", time(since));
            let advice = "start a server, which seals them; if a server is running, read its log";
            report.add(Level::Note, ABOUT, message, advice);
        }
        Ok(_) => report.ok(ABOUT, "the log is sealed"),
        Err(error) => report.unreadable("the audit log", &error),
    }
}
