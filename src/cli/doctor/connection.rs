//! Whether the connection to a database server, and what it leads to, are as the server needs them.

use secrecy::ExposeSecret;
use url::Url;

use super::{Level, Report};
use crate::config::Config;
use crate::infra::db::{Db, ISOLATION};
use crate::kernel::host::is_this_machine;

const ABOUT: &str = "database";

pub(super) async fn check(report: &mut Report, config: &Config, db: &Db) {
    encoding(report, db).await;
    match db.isolation().await {
        Ok(None) => {}
        Ok(Some(level)) if level == ISOLATION => {}
        Ok(Some(level)) => {
            let message =
                format!("single statements run as {level}, and the server expects {ISOLATION}");
            let advice = "set default_transaction_isolation to 'read committed' for the role and the database; behind a \
                          proxy, let it keep the settings of each connection";
            report.add(Level::Warning, ABOUT, message, advice);
        }
        Err(error) => report.unreadable("the isolation level", &error),
    }
    match db.tls().await {
        Ok(Some(version)) => {
            report.ok(ABOUT, format!("the connection is encrypted with {version}"));
        }
        Ok(None) => unencrypted(report, config),
        Err(error) => report.unreadable("the state of the connection", &error),
    }
}

async fn encoding(report: &mut Report, db: &Db) {
    match db.encoding().await {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(encoding))) => {
            let message = format!(
                "it stores text as {} with the collation {}",
                encoding.name, encoding.collation
            );
            report.ok(ABOUT, message);
        }
        Ok(Err(unfit)) => {
            let message = format!(
                "the character set of the database is {}, which cannot store every text",
                unfit.name
            );
            report.add(Level::Problem, ABOUT, message, unfit.remedy);
        }
        Err(error) => report.unreadable("the character set of the database", &error),
    }
    match db.wrong_collation().await {
        Ok(None) => {}
        Ok(Some(wrong)) => {
            let message = format!(
                "{} has the collation {}, in which different names can be equal",
                wrong.column, wrong.collation
            );
            let advice = "a tool has converted the table: restore a backup, or give the column back the collation that \
                          `portcullis migrate up` gives it in a new database";
            report.add(Level::Problem, ABOUT, message, advice);
        }
        Err(error) => report.unreadable("the collation of names", &error),
    }
}

fn unencrypted(report: &mut Report, config: &Config) {
    if let Some(option) = required_option(config.database.url.expose_secret()) {
        let message =
            "the connection to the database is not encrypted, and leads to another machine";
        let advice =
            format!("turn TLS on in the database server, and add {option} to DATABASE_URL");
        report.add(Level::Warning, ABOUT, message, advice);
    }
}

/// The option by which an address requires TLS, if it leads to another machine: within this one nobody listens in.
fn required_option(url: &str) -> Option<&'static str> {
    let url = Url::parse(url).ok().filter(|url| !is_this_machine(url))?;
    match url.scheme() {
        "sqlite" => None,
        "mysql" | "mariadb" => Some("ssl-mode=VERIFY_IDENTITY"),
        _ => Some("sslmode=verify-full"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_another_machine_gets_the_option_of_its_own_kind() {
        for (url, option) in [
            ("postgres://app@db.example.com/app?sslmode=disable", Some("sslmode=verify-full")),
            ("postgres://app@10.0.0.5/app", Some("sslmode=verify-full")),
            ("mariadb://app@db.example.com/app", Some("ssl-mode=VERIFY_IDENTITY")),
            ("postgres://app@127.0.0.1/app", None),
            ("mysql://app@localhost/app", None),
            ("postgres:///app?host=/run/postgresql", None),
            ("sqlite://data/portcullis.db", None),
        ] {
            assert_eq!(required_option(url), option, "{url}");
        }
    }
}
