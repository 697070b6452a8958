//! What is looked at, in the order in which a server needs it.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::{
    Level, Report, clock, connection, files, growth, hosts, jobs, keys, log, mail, providers,
    redis, running, space, writing,
};
use migration::Migrations;

use crate::config::{Config, Introspection, Warning};
use crate::http;
use crate::infra::causes::causes;
use crate::infra::db::{Db, sqlite_file};
use crate::infra::instances;
use crate::kernel::clock::Clock;

/// NIST SP 800-63B-4, section 3.1.1.2, for passwords that stand alone.
const PASSWORD_LENGTH_ADVISED: usize = 15;
/// How long one part may take: what hangs is told, and not waited for.
const PART_MAX: Duration = Duration::from_secs(20);

pub(super) async fn all(report: &mut Report, config: &Config) {
    configuration(report, config);
    files::secrets(report, config);
    files::data_folder(report, config);
    space::check(report, config);
    in_time(report, "server", "the server", async |report| running::check(report, config).await)
        .await;
    in_time(report, "redis", "Redis", async |report| redis::check(report, config).await).await;
    in_time(report, "mail", "the mail server", async |report| mail::server(report, config).await)
        .await;
    in_time(report, "providers", "a provider", async |report| {
        providers::check(report, config).await;
    })
    .await;
    in_time(report, "database", "the database", async |report| database(report, config).await)
        .await;
}

/// Runs a part that asks somebody, and says so if they hang.
async fn in_time(
    report: &mut Report,
    about: &'static str,
    whom: &str,
    part: impl AsyncFnOnce(&mut Report),
) {
    if timeout(PART_MAX, part(report)).await.is_err() {
        let seconds = PART_MAX.as_secs();
        let message = format!(
            "{whom} gave no answer within {seconds} s, and the rest about it was not checked"
        );
        let advice = "look at its log, its load and the network, and run this command again";
        report.add(Level::Problem, about, message, advice);
    }
}

async fn database(report: &mut Report, config: &Config) {
    let url = config.database.url.expose_secret();
    if let Some(file) = sqlite_file(url)
        && !matches!(file.try_exists(), Ok(true))
    {
        missing(report, config, &file);
        return;
    }
    match Db::connect_to_look(url).await {
        Ok(db) => {
            // Nothing was written, so nothing can be lost by an unclean end.
            look(report, config, &db).await;
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

async fn look(report: &mut Report, config: &Config, db: &Db) {
    product(report, db).await;
    hosts::check(report, db).await;
    connection::check(report, config, db).await;
    let is_current = schema(report, db, config.extended.migrations).await;
    restoring(report, db).await;
    writing::check(report, config, db, is_current).await;
    growth::check(report, config, db).await;
    if !is_current {
        return;
    }
    keys::check(report, config, db).await;
    clock::check(report, db).await;
    let now = Clock::system().now();
    let instances = match instances::count(db.reader(), now).await {
        Ok(count) => count,
        Err(error) => return report.unreadable("the list of instances", &error),
    };
    sharing(report, config, instances);
    log::seal(report, db, now, instances).await;
    mail::undelivered(report, db, now, instances).await;
    jobs::check(report, db, now, instances).await;
}

/// A restore that was not finished, and a backup in the place of a database.
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
    match db.is_backup().await {
        Ok(false) => {}
        Ok(true) => report.add(
            Level::Problem,
            "database",
            "the file in DATABASE_URL is a backup, which no server runs on",
            "restore it into another file with `portcullis restore`",
        ),
        Err(error) => report.unreadable("the mark of a backup", &error),
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
    if let Some(reason) = http::missing_pages() {
        let message = format!("the account pages are not in this build: {reason}");
        let links = config.links_without_pages();
        let advice = match links.as_slice() {
            [] => "build with Node, or set ACCOUNT_PAGES=off".to_owned(),
            names => format!("build with Node, or set {} to pages of yours", names.join(", ")),
        };
        report.add(Level::Warning, "pages", message, advice);
    }
    let is_shown = config.introspection == Introspection::Full || config.playground;
    if !config.is_development() && is_shown {
        let advice = "set PLAYGROUND=off and INTROSPECTION=off or own, unless the schema is meant for everybody";
        report.add(Level::Note, ABOUT, "anybody can read the schema of this server", advice);
    }
}

/// Whether instances share the database and not the limits.
fn sharing(report: &mut Report, config: &Config, count: u64) {
    const ABOUT: &str = "instances";
    if count > 1 && config.rates.is_some() && config.redis_url.is_none() {
        let message = format!("{count} instances run, and each counts attempts for itself");
        report.add(Level::Warning, ABOUT, message, "set REDIS_URL for all of them");
    } else if count > 0 {
        report.ok(ABOUT, format!("instances that use this database: {count}"));
    }
}

async fn product(report: &mut Report, db: &Db) {
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
        let message = match &*status.pending {
            [name] => format!("the migration {name} is pending"),
            names => format!("{} migrations are pending", names.len()),
        };
        let advice = "run `portcullis migrate plan`, then `portcullis migrate up`";
        report.add(Level::Problem, ABOUT, message, advice);
    } else if status.unknown.is_empty() {
        report.ok(ABOUT, "the schema matches this program");
    } else {
        report.ok(ABOUT, "the schema is newer than this program and allows it to run");
    }
    status.is_compatible()
}
