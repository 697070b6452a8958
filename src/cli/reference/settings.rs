//! The settings, from their definitions for the command line.

use clap::{Arg, Command};

use super::markdown::{Markdown, code, codes, words};

const PROSE: &str = include_str!("settings.md");

/// The sections of the page, each with the variable that begins it: settings are declared by topic.
const TOPICS: [(&str, &str); 17] = [
    ("PORTCULLIS_ENV", "The instance"),
    ("ALLOWED_ORIGINS", "Browsers"),
    ("TRUSTED_PROXIES", "Proxies and connections"),
    ("DATA_DIR", "Database and secrets"),
    ("JWT_ALGORITHM", "Access tokens"),
    ("REFRESH_TOKEN_IDLE_SECONDS", "Sessions"),
    ("ARGON2_MEMORY_KIB", "Passwords"),
    ("REDIS_URL", "Redis"),
    ("SMTP_URL", "Mail"),
    ("ACCOUNT_PAGES", "Account pages"),
    ("VERIFY_EMAIL_URL", "Pages of your front end"),
    ("REGISTRATION", "Accounts"),
    ("PASSKEY_RP_ID", "Passkeys"),
    ("PROVIDERS_FILE", "Other providers"),
    ("RATE_LIMITS", "Limits"),
    ("INTROSPECTION", "The GraphQL endpoint"),
    ("METRICS_LISTEN", "Metrics and log"),
];

pub(super) fn page(settings: &Command) -> String {
    let mut page = Markdown::new(PROSE);
    for (title, rows) in topics(settings) {
        page.section(title);
        page.table(["variable", "flag", "default", "meaning"], rows);
    }
    page.into_text()
}

type Topic = (&'static str, Vec<[String; 4]>);

fn topics(settings: &Command) -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    for setting in settings.get_arguments() {
        let Some(variable) = setting.get_env().and_then(|name| name.to_str()) else { continue };
        if let Some((_, title)) = TOPICS.iter().find(|(first, _)| *first == variable) {
            topics.push((title, Vec::new()));
        }
        let Some((_, rows)) = topics.last_mut() else { continue };
        rows.push(row(setting, variable));
    }
    topics
}

fn row(setting: &Arg, variable: &str) -> [String; 4] {
    let help = words(&setting.get_help().map(ToString::to_string).unwrap_or_default());
    // What is no constant stands at the end of the help.
    let (meaning, default) =
        match help.strip_suffix(']').and_then(|all| all.split_once(" [default: ")) {
            Some((meaning, default)) => (meaning, default.to_owned()),
            None => (&*help, constants(setting)),
        };
    let (meaning, default) = (linked(meaning), linked(&default));
    let flag = setting.get_long().map(|name| code(&format!("--{name}")));
    [code(variable), flag.unwrap_or_default(), default, meaning]
}

/// A help text with variables and addresses in code, and with the paths of pages as links.
fn linked(help: &str) -> String {
    let linked = |word: &str| {
        let name = word.trim_end_matches([',', '.', ':', ';']);
        let rest = &word[name.len()..];
        let is_letter = |c: char| c.is_ascii_uppercase() || c == '_';
        match name.strip_prefix("docs/") {
            Some(page) => format!("[{name}](../{page}){rest}"),
            None if name.contains('_') && name.chars().all(is_letter) => code(name) + rest,
            None if name.contains("://") && !name.contains('`') => code(name) + rest,
            None => word.to_owned(),
        }
    };
    help.split(' ').map(linked).collect::<Vec<_>>().join(" ")
}

fn constants(setting: &Arg) -> String {
    let values = setting.get_default_values().iter().filter_map(|value| value.to_str());
    match codes(values.filter(|value| !value.is_empty())) {
        none if none.is_empty() => "none".to_owned(),
        values => values,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::{Bare, setting_names};

    #[test]
    fn variables_and_addresses_are_code_and_pages_are_links() {
        let told =
            linked("As MAIL_FROM, smtp://a, `b://c` or a URL in `a A_B`: see docs/how-to/mail.md.");
        let mail = "[docs/how-to/mail.md](../how-to/mail.md)";
        assert_eq!(
            told,
            format!("As `MAIL_FROM`, `smtp://a`, `b://c` or a URL in `a A_B`: see {mail}.")
        );
    }

    #[test]
    fn every_setting_has_a_row_under_a_topic() {
        let topics = topics(&Bare::command());
        assert_eq!(topics.len(), TOPICS.len());
        let variables = topics.iter().flat_map(|(_, rows)| rows.iter().map(|row| &row[0]));
        let named = setting_names().into_iter().map(|name| code(&name));
        assert!(variables.cloned().eq(named));
    }
}
