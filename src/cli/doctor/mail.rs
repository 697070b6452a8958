//! Whether mail leaves.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Level, Report};
use crate::cli::output::time;
use crate::config::Config;
use crate::infra::db::Db;
use crate::infra::mail;

const ABOUT: &str = "mail";
/// After this long a running server has tried to send a mail.
const SENT_WITHIN: TimeDelta = TimeDelta::minutes(5);

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

/// Whether mail waits that a mail server did not take, or that no server tries to send.
pub(super) async fn undelivered(report: &mut Report, db: &Db, now: DateTime<Utc>, instances: u64) {
    let counts = mail::count(db).await;
    let (counts, oldest) = match (counts, mail::oldest(db).await) {
        (Ok(counts), Ok(oldest)) => (counts, oldest),
        (Err(error), _) | (_, Err(error)) => return report.unreadable("the outbox", &error),
    };
    let mail::Counts { new, postponed, given_up } = counts;
    if postponed + given_up > 0 {
        let message = format!("{postponed} mails are postponed, and {given_up} are given up");
        let advice =
            "see the reasons with `portcullis mail list`, then run `portcullis mail retry`";
        report.add(Level::Warning, ABOUT, message, advice);
    }
    match oldest.filter(|oldest| *oldest < now - SENT_WITHIN) {
        Some(oldest) if new > 0 => {
            let message = format!(
                "{new} mails wait to be sent for the first time, the oldest since {}",
                time(oldest)
            );
            let (level, advice) = match instances {
                0 => (Level::Note, "start a server, which sends them"),
                _ => (
                    Level::Warning,
                    "find the line `cannot look for mail to send yet` in the logs of the servers",
                ),
            };
            report.add(level, ABOUT, message, advice);
        }
        _ if postponed + given_up == 0 => report.ok(ABOUT, "no mail is undelivered"),
        _ => {}
    }
}
