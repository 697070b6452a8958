//! What mails say: templates, a text for each kind and language, and one layout for HTML.
//!
//! A text begins with its subject and the words on its button; its paragraphs and its footer are also those of
//! the HTML, so that both say the same.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use chrono::DateTime;
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use sea_orm::Iterable as _;
use serde::Serialize;
use strum::VariantArray;
use unicode_normalization::UnicodeNormalization as _;

use super::reason::Reason;
use super::{Contact, Details, MailKind, Pending, Site};
use crate::kernel::access::Language;
use crate::kernel::id::MailId;

const LAYOUT: &str = "layout.html";
/// When and from where what a mail tells happened: part of a sentence.
const OCCASION: &str = "occasion.txt";
/// Whom to ask for help: part of a sentence.
const CONTACT: &str = "contact.txt";
/// Why somebody gets the mail, and whom to ask: the lines below each text.
const FOOTER: &str = "footer.txt";
/// What mail programs recognize as the start of a footer (RFC 3676, section 4.3).
const FOOTER_LINE: &str = "-- ";

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
    "contact"
    "footer"
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
    #[error("the folder of MAIL_TEMPLATES cannot be read: {0}")]
    Folder(io::Error),
    #[error("MAIL_TEMPLATES has the file {name}, which is not the name of a template")]
    Unknown { name: String },
    #[error("the mail template {name} is invalid: {reason}")]
    Wrong { name: String, reason: String },
}

pub(super) struct Templates {
    environment: Environment<'static>,
    site: Site,
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
    pub(super) language: Language,
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

/// What `contact.txt` and `footer.txt` say whom to ask with.
#[derive(Serialize)]
struct Help<'a> {
    site: &'a str,
    support: &'a str,
    reason: Reason,
}

#[derive(Serialize)]
struct Body<'a> {
    name: Unlinked,
    username: Unlinked,
    site: &'a str,
    support: &'a str,
    contact: &'a str,
    occasion: &'a str,
    link: &'a str,
    code: &'a str,
    other_address: Unlinked,
    provider: &'a str,
}

#[derive(Serialize)]
struct Layout<'a> {
    language: &'a str,
    site: &'a str,
    subject: &'a str,
    paragraphs: Vec<&'a str>,
    link: &'a str,
    button: &'a str,
    code: &'a str,
    footer: Vec<&'a str>,
    support: &'a str,
    support_link: &'a str,
}

/// The lines of a text before its first empty one.
struct Head<'a> {
    subject: &'a str,
    /// The words on the button; empty where the text leaves them to the layout.
    button: &'a str,
}

impl<'a> Head<'a> {
    fn parse(head: &'a str) -> Option<Self> {
        let mut lines = head.lines();
        let subject = lines.next()?.strip_prefix("Subject: ")?.trim();
        let button = lines.next().map_or(Some(""), |line| line.strip_prefix("Button: "))?.trim();
        lines.next().is_none().then_some(Self { subject, button })
    }
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
    pub(super) fn load(folder: Option<&Path>, site: &Site) -> Result<Self, TemplateError> {
        if let Some(folder) = folder {
            require_known(folder, "")?;
        }
        let mut environment = Environment::new();
        // A template with a name that there is none of is told at the start.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let layout = (LAYOUT, include_str!("templates/layout.html"));
        for &(name, built_in) in [layout].iter().chain(TEXTS) {
            let own = folder.map(|folder| read(folder, name)).transpose()?.flatten();
            let source = own.unwrap_or_else(|| built_in.to_owned());
            environment.add_template_owned(name, source).map_err(|error| wrong(name, &error))?;
        }
        let templates = Self { environment, site: site.clone() };
        for kind in MailKind::VARIANTS {
            for language in Language::iter() {
                let enclosed = sample_enclosed(*kind);
                templates.render(&sample(*kind, language), &sample_details(), Some(&enclosed))?;
            }
        }
        Ok(templates)
    }

    /// A mail's text. A line that is the link and nothing else is a button in HTML.
    pub(super) fn render(
        &self,
        mail: &Pending,
        details: &Details,
        enclosed: Option<&Enclosed>,
    ) -> Result<Text, TemplateError> {
        let language = Language::named(&mail.language).unwrap_or_default();
        let (folder, site) = (language.into_str(), self.site.name.as_str());
        let name = format!("{folder}/{}.txt", mail.kind);
        let wrong =
            |reason: &str| TemplateError::Wrong { name: name.clone(), reason: reason.to_owned() };
        let kind: MailKind = mail
            .kind
            .parse()
            .map_err(|_| wrong("only another version of this program knows it"))?;
        let occasion = self.occasion(folder, mail, details)?;
        let support = self.site.support.as_ref().map_or("", Contact::shown);
        let help = Help { site, support, reason: kind.reason() };
        let contact = self.fill(&format!("{folder}/{CONTACT}"), &help)?;
        let footer = self.fill(&format!("{folder}/{FOOTER}"), &help)?;
        let (link, code) = match enclosed {
            Some(Enclosed::Link(url)) => (url.as_str(), String::new()),
            Some(Enclosed::Code(code)) => ("", in_halves(code)),
            None => ("", String::new()),
        };
        let body = Body {
            name: details.greeted_by.as_deref().unwrap_or(&mail.recipient).into(),
            username: details.username.as_str().into(),
            site,
            support,
            contact: contact.trim(),
            occasion: occasion.trim(),
            link,
            code: &code,
            other_address: details.other_address.as_deref().unwrap_or_default().into(),
            provider: details.provider.as_deref().unwrap_or_default(),
        };
        let text = self.fill(&name, &body)?;
        let (head, plain) = text
            .split_once("\n\n")
            .and_then(|(head, plain)| Some((Head::parse(head)?, plain.trim())))
            .ok_or_else(|| {
                wrong(
                    "it must begin with \"Subject: \", optionally \"Button: \", and an empty line",
                )
            })?;
        let layout = Layout {
            language: folder,
            site,
            subject: head.subject,
            paragraphs: plain.split("\n\n").map(str::trim).collect(),
            link,
            button: head.button,
            code: &code,
            footer: lines(&footer),
            support,
            support_link: self.site.support.as_ref().map_or("", Contact::link),
        };
        let (subject, html) = (head.subject.to_owned(), self.fill(LAYOUT, &layout)?);
        Ok(Text { language, subject, plain: with_footer(plain, &layout.footer), html })
    }

    fn occasion(
        &self,
        folder: &str,
        mail: &Pending,
        details: &Details,
    ) -> Result<String, TemplateError> {
        let date = if folder == "de" { "%d.%m.%Y" } else { "%Y-%m-%d" };
        let occasion = Occasion {
            date: mail.created_at.format(date).to_string(),
            time: mail.created_at.format("%H:%M").to_string(),
            ip: &details.ip,
            device: &details.device,
        };
        self.fill(&format!("{folder}/{OCCASION}"), &occasion)
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

/// The lines of a text that say something.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

fn with_footer(plain: &str, footer: &[&str]) -> String {
    if footer.is_empty() {
        return plain.to_owned();
    }
    format!("{plain}\n\n{FOOTER_LINE}\n{}", footer.join("\n"))
}

/// Fails for a file that no mail is made of: its author would wait for it in vain.
fn require_known(folder: &Path, within: &str) -> Result<(), TemplateError> {
    for entry in fs::read_dir(folder.join(within)).map_err(TemplateError::Folder)? {
        let path = entry.map_err(TemplateError::Folder)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = if within.is_empty() { name.into_owned() } else { format!("{within}/{name}") };
        let is_template = path.extension().is_some_and(|end| end == "txt" || end == "html");
        if path.is_dir() && within.is_empty() {
            require_known(folder, &name)?;
        } else if is_template && name != LAYOUT && !TEXTS.iter().any(|(known, _)| *known == name) {
            return Err(TemplateError::Unknown { name });
        }
    }
    Ok(())
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

    fn built_in() -> Templates {
        let site = Site { name: "auth.example.com".to_owned(), support: None };
        Templates::load(None, &site).unwrap()
    }

    fn named(name: &str, support: &str) -> Templates {
        let support = Some(Contact::parse(support).unwrap());
        Templates::load(None, &Site { name: name.to_owned(), support }).unwrap()
    }

    fn with_link(templates: &Templates, kind: MailKind, language: Language) -> Text {
        let enclosed = sample_enclosed(kind);
        templates.render(&sample(kind, language), &sample_details(), Some(&enclosed)).unwrap()
    }

    fn render(templates: &Templates, kind: MailKind, language: Language) -> Text {
        templates.render(&sample(kind, language), &sample_details(), None).unwrap()
    }

    #[test]
    fn a_mail_says_in_its_language_what_happened_when_and_from_where() {
        let templates = built_in();
        let english = render(&templates, MailKind::AccountLocked, Language::English);
        let german = render(&templates, MailKind::AccountLocked, Language::German);

        assert_eq!(english.subject, "Your account at auth.example.com is locked for new devices");
        let occasion = "on 1970-01-01 at 00:00 UTC from 192.0.2.7 (Browser).";
        assert!(english.plain.contains(occasion), "{}", english.plain);
        assert!(german.plain.contains("am 01.01.1970 um 00:00 UTC von 192.0.2.7 (Browser)"));
        assert!(german.html.contains("<html lang=\"de\">") && german.html.contains("Hallo alice,"));
    }

    #[test]
    fn a_folder_that_is_not_there_and_a_name_that_no_mail_has_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site { name: "auth.example.com".to_owned(), support: None };
        let load = |path: &Path| Templates::load(Some(path), &site).map(|_| ());
        assert!(matches!(load(&folder.path().join("nope")), Err(TemplateError::Folder(_))));
        for (sub, name, is_known) in [
            ("", "README.md", true),
            ("en", "notes.md", true),
            ("en", "pasword-reset.txt", false),
            ("fr", "password-reset.txt", false),
            ("", "layuot.html", false),
        ] {
            std::fs::create_dir_all(folder.path().join(sub)).unwrap();
            let file = folder.path().join(sub).join(name);
            std::fs::write(&file, "Subject: x\n\nx").unwrap();
            let told = load(folder.path());
            assert_eq!(told.is_ok(), is_known, "{name}: {told:?}");
            std::fs::remove_file(&file).unwrap();
        }
    }

    #[test]
    fn what_a_client_sent_is_text_in_html() {
        let templates = built_in();
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
        let templates = built_in();
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
                let Text { subject, plain, html, .. } =
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
        let templates = built_in();
        let code = Enclosed::Code("01234567".to_owned());
        for language in Language::iter() {
            let mail = sample(MailKind::EnrollmentCode, language);
            let text = templates.render(&mail, &sample_details(), Some(&code)).unwrap();
            assert!(text.plain.contains("\n\n0123 4567\n\n"), "{}", text.plain);
            assert!(text.html.contains(">0123 4567</p>"), "{}", text.html);
            // Locked screens show subjects.
            assert!(!text.subject.contains("0123"), "{}", text.subject);
        }
    }

    #[test]
    fn until_an_address_is_proven_a_mail_greets_by_it() {
        let templates = built_in();
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
    fn a_link_is_a_button_and_below_it_a_text_in_both_languages() {
        let templates = built_in();
        let link = "https:&#x2f;&#x2f;example.com&#x2f;link#token";
        for (language, button, below) in [
            (Language::English, "Choose a new password", "If the button does not work"),
            (Language::German, "Neues Passwort wählen", "Wenn der Button nicht funktioniert"),
        ] {
            let Text { html, plain, .. } = with_link(&templates, MailKind::PasswordReset, language);
            let anchors = html.matches(&format!("href=\"{link}\"")).count();
            assert_eq!((anchors, html.matches(link).count()), (2, 3), "{html}");
            assert!(html.contains(&format!(">{button}</a>")), "{html}");
            assert!(html.contains(below) && html.contains(&format!(">{link}</a>")), "{html}");
            assert!(plain.contains("\n\nhttps://example.com/link#token\n\n"), "{plain}");
        }
    }

    #[test]
    fn each_mail_with_a_link_has_words_of_its_own_on_the_button() {
        let templates = built_in();
        for kind in MailKind::VARIANTS.iter().filter(|kind| kind.page().is_some()) {
            for language in Language::iter() {
                let Text { html, .. } = with_link(&templates, *kind, language);
                let is_general = html.contains("Open the page") || html.contains("Seite öffnen");
                assert!(html.contains("class=\"button\"") && !is_general, "{kind:?}: {html}");
            }
        }
    }

    #[test]
    fn a_footer_says_why_somebody_gets_the_mail_and_whom_to_ask() {
        let templates = named("Example", "help@example.com");
        for (kind, english, german) in [
            (MailKind::PasswordReset, "an account at Example has", "ein Konto bei Example"),
            (MailKind::AccountDeleted, "an account at Example had", "diese Adresse hatte"),
            (MailKind::VerifyEmail, "somebody entered this address", "angegeben hat"),
            (MailKind::Invitation, "a user of Example invited you", "eingeladen hat"),
        ] {
            for (language, why) in [(Language::English, english), (Language::German, german)] {
                let Text { html, plain, .. } = with_link(&templates, kind, language);
                let (_, footer) = plain.split_once("\n\n-- \n").unwrap();
                let lines: Vec<&str> = footer.lines().collect();
                assert!(lines.len() == 3 && lines[0].contains(why), "{footer}");
                assert_eq!(lines[2], "help@example.com");
                assert!(html.contains(lines[0]) && html.contains(lines[1]), "{html}");
                let asked = "href=\"mailto:help@example.com\"";
                assert!(html.contains(asked), "{html}");
            }
        }
        let Text { plain, .. } = with_link(&built_in(), MailKind::Invitation, Language::English);
        let (_, footer) = plain.split_once("\n\n-- \n").unwrap();
        assert_eq!(footer.lines().count(), 1, "without a contact: {footer}");
    }

    #[test]
    fn the_name_of_the_site_and_the_contact_are_text_in_html() {
        let templates = named("<b>R&D</b> {{ name }}", "https://example.com/?a&b=\"<i>");
        for (kind, language) in
            MailKind::VARIANTS.iter().flat_map(|k| Language::iter().map(move |l| (k, l)))
        {
            let Text { subject, plain, html, .. } = with_link(&templates, *kind, language);
            assert!(subject.contains("<b>R&D</b> {{ name }}"), "{kind:?}: {subject}");
            assert!(plain.contains("https://example.com/?a&b=\"<i>"), "{plain}");
            assert!(html.contains("&lt;b&gt;R&amp;D&lt;&#x2f;b&gt; {{ name }}"), "{html}");
            assert!(!html.contains("<b>") && !html.contains("<i>"), "{html}");
        }
    }

    #[test]
    fn an_operators_templates_of_an_earlier_version_still_work() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("en")).unwrap();
        let text = "Subject: Reset\n\nHello {{ name }} at {{ site }}\n\n{{ link }}";
        fs::write(folder.path().join("en/password-reset.txt"), text).unwrap();
        let templates = Templates::load(
            Some(folder.path()),
            &Site { name: "Example".to_owned(), support: None },
        )
        .unwrap();
        let Text { html, .. } = with_link(&templates, MailKind::PasswordReset, Language::English);
        assert!(html.contains(">Open the page</a>"), "{html}");

        let layout = "{{ language }} {{ subject }}{% for paragraph in paragraphs %}\
                      {% if link and paragraph == link %}<a href=\"{{ link }}\">{{ link }}</a>\
                      {% else %}<p>{{ paragraph }}</p>{% endif %}{% endfor %}";
        fs::write(folder.path().join(LAYOUT), layout).unwrap();
        let templates = Templates::load(
            Some(folder.path()),
            &Site { name: "Example".to_owned(), support: None },
        )
        .unwrap();
        let Text { html, .. } = with_link(&templates, MailKind::PasswordReset, Language::English);
        assert!(html.starts_with("en Reset<p>Hello alice at Example</p><a href="), "{html}");
    }

    #[test]
    fn a_folder_replaces_templates_and_a_wrong_one_is_told_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("en")).unwrap();
        let own = folder.path().join("en/account-locked.txt");
        let site = Site { name: "example.com".to_owned(), support: None };
        fs::write(&own, "Subject: Locked\n\n{{ username }} at {{ site }}").unwrap();
        let templates = Templates::load(Some(folder.path()), &site).unwrap();
        let text = render(&templates, MailKind::AccountLocked, Language::English);
        assert_eq!(text.subject, "Locked");
        assert!(text.plain.starts_with("alice at example.com\n\n-- \n"), "{}", text.plain);

        for wrong in [
            "Subject: A\n\n{{ nme }}",
            "Subject: {{ username",
            "No subject\n\nat all",
            "Subject: only",
            "Subject: A\nLabel: B\n\ntext",
            "Subject: A\nButton: B\nC\n\ntext",
        ] {
            fs::write(&own, wrong).unwrap();
            let error = Templates::load(Some(folder.path()), &site).err().unwrap();
            assert!(error.to_string().contains("en/account-locked.txt"), "{error}");
        }
    }
}
