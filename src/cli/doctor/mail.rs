//! Whether mail leaves.

use super::{Level, Report};
use crate::config::Config;
use crate::infra::db::Db;
use crate::infra::mail;

const ABOUT: &str = "mail";

/// Whether the mail server can be spoken to: TLS, and the password if there is one. Sends nothing.
pub(super) async fn server(report: &mut Report, config: &Config) {
    let Some(mail) = &config.mail else {
        let message = "the server sends no mail: users do not learn what happens to their accounts, and only the \
                       operator can reset a lost password";
        report.add(Level::Warning, ABOUT, message, "set SMTP_URL");
        return;
    };
    match mail.reach().await {
        Ok(reached) => report.ok(ABOUT, reached),
        Err(refused) => {
            let advice = "check SMTP_URL: host, port, user and password, and the certificate";
            report.add(Level::Problem, ABOUT, refused, advice);
        }
    }
}

/// Whether mail waits that a mail server did not take.
pub(super) async fn undelivered(report: &mut Report, db: &Db) {
    match mail::count(db).await {
        Ok(mail::Counts { postponed: 0, given_up: 0, .. }) => {
            report.ok(ABOUT, "no mail is undelivered");
        }
        Ok(mail::Counts { postponed, given_up, .. }) => {
            let message = format!("{postponed} mails are postponed, and {given_up} are given up");
            let advice =
                "see the reasons with `portcullis mail list`, then run `portcullis mail retry`";
            report.add(Level::Warning, ABOUT, message, advice);
        }
        Err(error) => report.unreadable("the outbox", &error),
    }
}
