//! What mails say: templates, a text for each kind and language, and one layout for HTML.
//!
//! A text begins with its subject; its paragraphs are also those of the HTML, so that both say the
//! same.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use chrono::DateTime;
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use sea_orm::Iterable as _;
use serde::Serialize;
use strum::VariantArray;
use unicode_normalization::UnicodeNormalization as _;

use super::{Details, MailKind, Pending};
use crate::kernel::access::Language;
use crate::kernel::id::MailId;

const LAYOUT: &str = "layout.html";
/// When and from where what a mail tells happened: part of a sentence.
const OCCASION: &str = "occasion.txt";

macro_rules! texts {
    ($($name:literal)*) => {
        &[$(
            (
                concat!("en/", $name, ".txt"),
                include_str!(concat!("templates/en/", $name, ".txt")),
            ),
            (
                concat!("de/", $name, ".txt"),
                include_str!(concat!("templates/de/", $name, ".txt")),
            ),
        )*]
    };
}

const TEXTS: &[(&str, &str)] = texts![
    "occasion"
    "account-deleted"
    "account-locked"
    "already-registered"
    "confirm-email-change"
    "email-change-undo"
    "email-changed"
    "enrollment-code"
    "finish-registration"
    "identity-linked"
    "identity-unlinked"
    "invitation"
    "new-sign-in"
    "organization-invitation"
    "passkey-added"
    "passkey-removed"
    "password-changed"
    "password-reset"
    "recovery-code-used"
    "recovery-codes-low"
    "recovery-codes-replaced"
    "refresh-token-reused"
    "second-factor-changed"
    "second-factor-off"
    "second-factor-on"
    "second-factors-reset"
    "totp-locked"
    "verify-email"
];

impl MailKind {
    /// The subject of the built-in text in English, with its placeholders.
    pub(crate) fn subject(self) -> &'static str {
        let file = format!("en/{}.txt", self.into_str());
        let text = TEXTS.iter().find(|(name, _)| *name == file).map_or("", |(_, text)| *text);
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("Subject: ").unwrap_or_default()
    }
}

/// A template is missing or cannot be filled in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("the mail template {name} cannot be read")]
    Unreadable { name: String },
    #[error("the mail template {name} is wrong: {reason}")]
    Wrong { name: String, reason: String },
}

pub(super) struct Templates {
    environment: Environment<'static>,
    site: String,
}

/// What a mail brings that only its reader is to have.
pub(super) enum Enclosed {
    /// The URL of a page.
    Link(String),
    /// A code to be typed, without spaces.
    Code(String),
}

/// A mail's text, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) subject: String,
    pub(super) plain: String,
    pub(super) html: String,
}

#[derive(Serialize)]
struct Occasion<'a> {
    date: String,
    time: String,
    ip: &'a Option<String>,
    device: &'a Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    name: Unlinked,
    username: Unlinked,
    site: &'a str,
    occasion: String,
    link: &'a str,
    code: String,
    other_address: Unlinked,
    provider: &'a str,
}

#[derive(Serialize)]
struct Layout<'a> {
    language: &'a str,
    subject: &'a str,
    paragraphs: Vec<&'a str>,
    link: &'a str,
}

/// A name or an address that somebody chose, written so that no mail program makes a link of it (RS-12).
///
/// A joiner that nobody sees stands behind each sign that links have. Programs end a link there, and with
/// it no browser takes the name for a host's (UTS #46, CheckJoiners).
#[derive(Serialize)]
struct Unlinked(String);

impl From<&str> for Unlinked {
    fn from(chosen: &str) -> Self {
        // The dot of Chinese and Japanese is one in hosts too.
        let is_sign = |c: char| c.nfkc().any(|c| matches!(c, '.' | '。' | ':' | '/' | '@'));
        let mut unlinked = String::with_capacity(chosen.len());
        for character in chosen.chars() {
            unlinked.push(character);
            if is_sign(character) {
                unlinked.push('\u{200c}');
            }
        }
        Self(unlinked)
    }
}

impl Templates {
    /// The built-in ones, but for those that `folder` has too; each of them can be filled in.
    pub(super) fn load(folder: Option<&Path>, site: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        // A template with a name that there is none of is told at the start.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let layout = (LAYOUT, include_str!("templates/layout.html"));
        for &(name, built_in) in [layout].iter().chain(TEXTS) {
            let own = folder.map(|folder| read(folder, name)).transpose()?.flatten();
            let source = own.unwrap_or_else(|| built_in.to_owned());
            environment.add_template_owned(name, source).map_err(|error| wrong(name, &error))?;
        }
        let templates = Self { environment, site: site.to_owned() };
        for kind in MailKind::VARIANTS {
            for language in Language::iter() {
                let enclosed = sample_enclosed(*kind);
                templates.render(&sample(*kind, language), &sample_details(), Some(&enclosed))?;
            }
        }
        Ok(templates)
    }

    /// A mail's text. A line that is the link and nothing else is one in HTML too.
    pub(super) fn render(
        &self,
        mail: &Pending,
        details: &Details,
        enclosed: Option<&Enclosed>,
    ) -> Result<Text, TemplateError> {
        let language = Language::named(&mail.language).unwrap_or_default().into_str();
        let name = format!("{language}/{}.txt", mail.kind);
        let date = if language == "de" { "%d.%m.%Y" } else { "%Y-%m-%d" };
        let occasion = Occasion {
            date: mail.created_at.format(date).to_string(),
            time: mail.created_at.format("%H:%M").to_string(),
            ip: &details.ip,
            device: &details.device,
        };
        let occasion = self.fill(&format!("{language}/{OCCASION}"), &occasion)?;
        let (link, code) = match enclosed {
            Some(Enclosed::Link(url)) => (url.as_str(), String::new()),
            Some(Enclosed::Code(code)) => ("", in_halves(code)),
            None => ("", String::new()),
        };
        let body = Body {
            name: details.greeted_by.as_deref().unwrap_or(&mail.recipient).into(),
            username: details.username.as_str().into(),
            site: &self.site,
            occasion: occasion.trim().to_owned(),
            link,
            code,
            other_address: details.other_address.as_deref().unwrap_or_default().into(),
            provider: details.provider.as_deref().unwrap_or_default(),
        };
        let text = self.fill(&name, &body)?;
        let missing = || TemplateError::Wrong {
            name: name.clone(),
            reason: "its first line is not \"Subject: \" and what follows an empty line".to_owned(),
        };
        let (head, plain) = text.split_once("\n\n").ok_or_else(missing)?;
        let subject = head.strip_prefix("Subject: ").ok_or_else(missing)?.trim().to_owned();
        let plain = plain.trim().to_owned();
        let paragraphs = plain.split("\n\n").map(str::trim).collect();
        let html = self.fill(LAYOUT, &Layout { language, subject: &subject, paragraphs, link })?;
        Ok(Text { subject, plain, html })
    }

    fn fill(&self, name: &str, values: &impl Serialize) -> Result<String, TemplateError> {
        let template = self.environment.get_template(name).map_err(|error| wrong(name, &error))?;
        template.render(Serde(values)).map_err(|error| wrong(name, &error))
    }
}

/// A code as people read and type it: `1234 5678`.
fn in_halves(code: &str) -> String {
    match code.split_at_checked(code.len() / 2) {
        Some((first, second)) => format!("{first} {second}"),
        None => code.to_owned(),
    }
}

fn read(folder: &Path, name: &str) -> Result<Option<String>, TemplateError> {
    match fs::read_to_string(folder.join(name)) {
        Ok(source) => Ok(Some(source)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(_) => Err(TemplateError::Unreadable { name: name.to_owned() }),
    }
}

fn wrong(name: &str, error: &minijinja::Error) -> TemplateError {
    TemplateError::Wrong { name: name.to_owned(), reason: error.to_string() }
}

fn sample(kind: MailKind, language: Language) -> Pending {
    let now = DateTime::UNIX_EPOCH;
    Pending {
        id: MailId::new(now),
        kind: kind.into_str().to_owned(),
        recipient: "alice@example.com".to_owned(),
        language: language.into_str().to_owned(),
        details: String::new(),
        created_at: now,
        due_at: now,
        attempts: 0,
    }
}

fn sample_enclosed(kind: MailKind) -> Enclosed {
    match kind.page() {
        Some(_) => Enclosed::Link("https://example.com/link#token".to_owned()),
        None => Enclosed::Code("01234567".to_owned()),
    }
}

fn sample_details() -> Details {
    Details {
        greeted_by: Some("alice".to_owned()),
        username: "alice".to_owned(),
        ip: Some("192.0.2.7".to_owned()),
        device: Some("Browser".to_owned()),
        other_address: Some("alice@example.org".to_owned()),
        provider: Some("Google".to_owned()),
        sealed_token: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(templates: &Templates, kind: MailKind, language: Language) -> Text {
        templates.render(&sample(kind, language), &sample_details(), None).unwrap()
    }

    #[test]
    fn a_mail_says_in_its_language_what_happened_when_and_from_where() {
        let templates = Templates::load(None, "auth.example.com").unwrap();
        let english = render(&templates, MailKind::AccountLocked, Language::English);
        let german = render(&templates, MailKind::AccountLocked, Language::German);

        assert_eq!(english.subject, "No new device can sign in to your account for now");
        let occasion = "on 1970-01-01 at 00:00 UTC from 192.0.2.7 (Browser).";
        assert!(english.plain.contains(occasion), "{}", english.plain);
        assert!(german.plain.contains("am 01.01.1970 um 00:00 UTC von 192.0.2.7 (Browser)"));
        assert!(german.html.contains("<html lang=\"de\">") && german.html.contains("Hallo alice,"));
    }

    #[test]
    fn what_a_client_sent_is_text_in_html() {
        let templates = Templates::load(None, "auth.example.com").unwrap();
        let mail = sample(MailKind::RefreshTokenReused, Language::English);
        let device = Some("<b>&\n\n</b>".to_owned());
        let text = templates.render(&mail, &Details { device, ..sample_details() }, None).unwrap();
        assert!(
            !text.html.contains("<b>") && text.html.contains("&lt;b&gt;&amp;"),
            "{}",
            text.html
        );
    }

    #[test]
    fn names_in_mails_are_no_links_in_text_and_in_html() {
        let templates = Templates::load(None, "auth.example.com").unwrap();
        let name_or_address = [
            "www.evil.example",
            "evil.example",
            "https://evil.example/x",
            "a@evil.example",
            "victim+www.evil.example/login@gmail.com",
            "http//evil.example#x@gmail.com",
            "a@www.evil.example",
        ];
        let greetings = name_or_address.into_iter().flat_map(|name| [(name, true), (name, false)]);
        for (name, is_greeted_by_name) in greetings {
            let greeted_by = is_greeted_by_name.then(|| name.to_owned());
            let (username, other_address) = (name.to_owned(), Some(name.to_owned()));
            let details = Details { greeted_by, username, other_address, ..sample_details() };
            for (kind, language) in
                MailKind::VARIANTS.iter().flat_map(|k| Language::iter().map(move |l| (k, l)))
            {
                let recipient = name.to_owned();
                let mail = Pending { recipient, ..sample(*kind, language) };
                let link = Enclosed::Link("https://example.com/link#token".to_owned());
                let Text { subject, plain, html } =
                    templates.render(&mail, &details, Some(&link)).unwrap();
                for text in [subject, plain, html] {
                    assert!(!text.contains("evil.example"), "{kind:?}: {text}");
                }
            }
        }
    }

    #[test]
    fn a_name_that_is_no_link_is_no_host_either() {
        for name in ["www.evil.example", "evil.example", "evil。example", "evil．example"] {
            assert!(idna::domain_to_ascii(name).is_ok(), "{name}");
            let Unlinked(unlinked) = name.into();
            assert!(idna::domain_to_ascii(&unlinked).is_err(), "{name}");
            assert!(url::Url::parse(&format!("http://{unlinked}/")).is_err(), "{name}");
        }
        let Unlinked(plain) = "Alice O'Brien-Smith_7 王".into();
        assert_eq!(plain, "Alice O'Brien-Smith_7 王");
    }

    #[test]
    fn a_code_is_in_the_text_and_not_in_the_subject() {
        let templates = Templates::load(None, "auth.example.com").unwrap();
        let code = Enclosed::Code("01234567".to_owned());
        for language in Language::iter() {
            let mail = sample(MailKind::EnrollmentCode, language);
            let text = templates.render(&mail, &sample_details(), Some(&code)).unwrap();
            assert!(text.plain.contains("\n\n0123 4567\n\n"), "{}", text.plain);
            assert!(text.html.contains("<p>0123 4567</p>"), "{}", text.html);
            // Locked screens show subjects.
            assert!(!text.subject.contains("0123"), "{}", text.subject);
        }
    }

    #[test]
    fn until_an_address_is_proven_a_mail_greets_by_it() {
        let templates = Templates::load(None, "auth.example.com").unwrap();
        let details = Details { greeted_by: None, ..sample_details() };
        for (kind, greeting) in [
            (MailKind::VerifyEmail, "Hello alice@\u{200c}example.\u{200c}com,"),
            (MailKind::PasswordChanged, "Hello alice@\u{200c}example.\u{200c}com,"),
        ] {
            let mail = sample(kind, Language::English);
            let text = templates.render(&mail, &details, None).unwrap();
            assert!(text.plain.starts_with(greeting), "{}", text.plain);
            assert!(text.html.contains(greeting), "{}", text.html);
        }
    }

    #[test]
    fn a_folder_replaces_templates_and_a_wrong_one_is_told_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("en")).unwrap();
        let own = folder.path().join("en/account-locked.txt");
        fs::write(&own, "Subject: Locked\n\n{{ username }} at {{ site }}").unwrap();
        let templates = Templates::load(Some(folder.path()), "example.com").unwrap();
        let text = render(&templates, MailKind::AccountLocked, Language::English);
        assert_eq!(
            (text.subject.as_str(), text.plain.as_str()),
            ("Locked", "alice at example.com")
        );

        for wrong in [
            "Subject: A\n\n{{ nme }}",
            "Subject: {{ username",
            "No subject\n\nat all",
            "Subject: only",
        ] {
            fs::write(&own, wrong).unwrap();
            let error = Templates::load(Some(folder.path()), "example.com").err().unwrap();
            assert!(error.to_string().contains("en/account-locked.txt"), "{error}");
        }
    }
}
