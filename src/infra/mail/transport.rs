//! How mails leave: to a mail server by SMTP, or into a folder.

use std::error::Error as _;
#[cfg(unix)]
use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Severity;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::Url;

use super::template::Text;
use super::worker::SEND_MAX;
use super::{Delivery, Pending, Settings, SettingsError};
use crate::infra::causes::causes;
use crate::infra::private;
use crate::kernel::host::is_this_machine;

/// Why a mail was not sent. What is in there is for the log: no address, no password.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may be tried again.
    Yet(String),
    /// It will not be taken, whoever tries.
    Never(String),
}

pub(super) struct Transport {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Folder(PathBuf),
}

impl Transport {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let from = sender(&settings.from, settings.from_name.as_deref())?;
        let way = match &settings.delivery {
            Delivery::Smtp(url) => {
                let smtp = smtp(url)?.timeout(Some(Duration::from_secs(20)));
                let smtp = smtp.hello_name(helo(&settings.helo)?);
                Way::Smtp(Box::new(smtp.build()))
            }
            Delivery::Folder(folder) => Way::Folder(folder.clone()),
        };
        Ok(Self { from, way })
    }

    /// As [`Transport::new`], but without the pool of connections, which needs a runtime around it.
    pub(super) fn check(settings: &Settings) -> Result<(), SettingsError> {
        sender(&settings.from, settings.from_name.as_deref())?;
        helo(&settings.helo)?;
        match &settings.delivery {
            Delivery::Smtp(url) => smtp(url).map(drop),
            Delivery::Folder(_) => Ok(()),
        }
    }

    pub(super) async fn send(&self, mail: &Pending, text: Text) -> Result<(), Failure> {
        let message = self.message(mail, text)?;
        let needs_utf8 =
            !message.envelope().to().iter().all(|to| AsRef::<str>::as_ref(to).is_ascii());
        match &self.way {
            Way::Smtp(smtp) => match timeout(SEND_MAX, smtp.send(message)).await {
                Ok(Ok(_taken)) => Ok(()),
                // The one thing that a mail may need and the connection itself does not.
                Ok(Err(error))
                    if needs_utf8
                        && error.is_client()
                        && error.to_string().contains("SMTPUTF8") =>
                {
                    Err(Failure::Never(
                        "the mail server does not support addresses beyond ASCII (SMTPUTF8)"
                            .to_owned(),
                    ))
                }
                Ok(Err(error)) => Err(failure(&error)),
                Err(_elapsed) => Err(Failure::Yet("the mail server does not answer".to_owned())),
            },
            Way::Folder(folder) => {
                let unwritten = |error: io::Error| Failure::Yet(error.kind().to_string());
                let name = format!("{}-{}.eml", mail.id, mail.kind);
                write(folder, &name, &message.formatted()).map_err(unwritten)?;
                tracing::info!(mail.id = %mail.id, "the mail is in {}", folder.join(name).display());
                Ok(())
            }
        }
    }

    pub(super) async fn reach(&self) -> Result<String, String> {
        match &self.way {
            Way::Smtp(smtp) => match timeout(SEND_MAX, smtp.test_connection()).await {
                Ok(Ok(true)) => Ok("the mail server answers".to_owned()),
                Ok(Ok(false)) => Err("the mail server refuses the connection".to_owned()),
                Ok(Err(error)) => Err(match failure(&error) {
                    Failure::Yet(told) | Failure::Never(told) => told,
                }),
                Err(_elapsed) => Err("the mail server does not answer".to_owned()),
            },
            Way::Folder(folder) => {
                Ok(format!("the server writes mails to files in {}", folder.display()))
            }
        }
    }

    fn message(&self, mail: &Pending, text: Text) -> Result<Message, Failure> {
        let to = address(&mail.recipient)?;
        let id = format!("<{}@{}>", mail.id, self.from.email.domain());
        // So that nobody's absence is announced to a machine (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        // So that screen readers and translators know it without guessing (RFC 3282).
        let language = HeaderName::new_from_ascii_str("Content-Language");
        let spoken = text.language.into_str().to_owned();
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(text.subject)
            .date(SystemTime::from(mail.created_at))
            .message_id(Some(id))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .raw_header(HeaderValue::new(language, spoken))
            .multipart(MultiPart::alternative_plain_html(text.plain, text.html))
            .map_err(never)
    }
}

/// Who mails are from; `name` is for an address without one.
fn sender(from: &str, name: Option<&str>) -> Result<Mailbox, SettingsError> {
    let from: Mailbox = from.parse().map_err(|_| SettingsError::From)?;
    Ok(Mailbox { name: from.name.or_else(|| name.map(str::to_owned)), ..from })
}

/// Writes a mail so that nobody else on this machine can read it: its link may open an account.
fn write(folder: &Path, name: &str, message: &[u8]) -> io::Result<()> {
    private::create_folder(folder)?;
    // Earlier versions have let others in.
    #[cfg(unix)]
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let mut options = private::to_write();
    options.create(true).truncate(true).open(folder.join(name))?.write_all(message)
}

/// An address as every mail server takes it: its domain in ASCII (RFC 5890). What stands before the @
/// may need one that knows more (RFC 6531).
fn address(typed: &str) -> Result<Address, Failure> {
    let incomplete = || Failure::Never("the address is incomplete".to_owned());
    let (local, domain) = typed.rsplit_once('@').ok_or_else(incomplete)?;
    let domain = idna::domain_to_ascii(domain).map_err(never)?;
    Address::new(local, domain).map_err(never)
}

fn never(error: impl std::fmt::Display) -> Failure {
    Failure::Never(error.to_string())
}

/// What the failure means. Only an answer about the mailbox itself ends a mail: a refused relay, sender or
/// greeting is the operator's to mend, and loses no mail until then. Which command was refused is not
/// known, and many answer 550 to each; so the enhanced status code decides (RFC 3463), and without one the
/// mail is tried again.
fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    let Some(code) = error.status() else {
        let reason = if error.is_timeout() {
            "the mail server does not answer"
        } else if error.is_client() {
            "the mail server and this server have no way of signing in, or of encryption, in common"
        } else {
            "the mail server cannot be reached"
        };
        return Failure::Yet(format!("{reason}: {}", causes(error)));
    };
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    let told = format!("the mail server answers {code}: {}", kept(&text));
    let is_permanent = code.severity == Severity::PermanentNegativeCompletion;
    match text.split_whitespace().next() {
        Some(status) if is_permanent && NO_SUCH_MAILBOX.contains(&status) => Failure::Never(told),
        _ => Failure::Yet(told),
    }
}

/// The codes that say of a mailbox that it does not exist: wrong mailbox, system or syntax, moved, disabled,
/// and a domain without mail (RFC 7505). Those about the sender (5.1.7, 5.1.8) and about what nobody
/// knows (5.1.0) are not among them.
const NO_SUCH_MAILBOX: [&str; 6] = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"];

/// A server's text for the log and the outbox: one line, of bounded length, with no address in it, and without the
/// credentials that it may repeat (SASL PLAIN: a NUL, the user, another, the password).
fn kept(text: &str) -> String {
    let is_credentials = |word: &str| {
        let decoded = STANDARD.decode(word).unwrap_or_default();
        decoded.first() == Some(&0) && decoded.get(1..).is_some_and(|rest| rest.contains(&0))
    };
    let word = |word: &str| match word {
        word if word.contains('@') => "<address>".to_owned(),
        word if is_credentials(word) => "<credentials>".to_owned(),
        word => word.replace(char::is_control, ""),
    };
    let words: Vec<String> = text.split_whitespace().map(word).collect();
    words.join(" ").chars().take(TEXT_MAX).collect()
}

/// Characters of a server's answer that are kept.
const TEXT_MAX: usize = 300;

/// What this server calls itself towards a mail server.
fn helo(name: &str) -> Result<ClientId, SettingsError> {
    match name.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => Ok(ClientId::Ipv4(ip)),
        Ok(IpAddr::V6(ip)) => Ok(ClientId::Ipv6(ip)),
        Err(_) => {
            let is_name = !name.is_empty()
                && name.len() <= 253
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
            is_name.then(|| ClientId::Domain(name.to_owned())).ok_or(SettingsError::Helo)
        }
    }
}

fn smtp(url: &SecretString) -> Result<AsyncSmtpTransportBuilder, SettingsError> {
    if is_unescaped(url.expose_secret()) {
        return Err(SettingsError::Unescaped);
    }
    let url = with_tls(url.expose_secret()).ok_or(SettingsError::Url)?;
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str());
    builder.map_err(|_| SettingsError::Url)
}

/// Whether the user or the password ends the host, or is cut, by a character that should be escaped.
fn is_unescaped(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let Some((credentials, _host)) = rest.rsplit_once('@') else { return false };
    let is_escape =
        |after: &str| after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    scheme.starts_with("smtp")
        && (credentials.contains(['/', '?', '#', ' '])
            || credentials.split('%').skip(1).any(|after| !is_escape(after)))
}

/// A URL for lettre, which takes `smtp:` for an open connection: here it begins TLS, or fails, unless
/// the server is on this machine, or the URL says `tls=off`.
fn with_tls(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    url.host()?;
    let is_local = is_this_machine(&url);
    let tls =
        url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    match (url.scheme(), tls.as_deref()) {
        ("smtps", None) | ("smtp", Some("required")) => {}
        ("smtp", None) if is_local => {}
        ("smtp", Some("off")) => url.set_query(None),
        ("smtp", None) => url.set_query(Some("tls=required")),
        _ => return None,
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_written_as_every_mail_server_takes_it() {
        let written = |typed| address(typed).unwrap().to_string();
        assert_eq!(written("User@München.example"), "User@xn--mnchen-3ya.example");
        assert_eq!(written("jürgen@example.com"), "jürgen@example.com");
        assert!(address("nowhere").is_err() && address("a b@example.com").is_err());
    }

    #[test]
    fn a_user_or_password_that_must_be_escaped_is_told() {
        for wrong in ["u:p#x@host", "u:p/x@host", "u:12?x@host", "us/er:p@host", "u:100%@host"] {
            assert!(is_unescaped(&format!("smtps://{wrong}")), "{wrong}");
        }
        for right in ["u:p%23x@host", "user@example.com:a:b@host:465", "host", "host?tls=off"] {
            assert!(!is_unescaped(&format!("smtps://{right}")), "{right}");
        }
    }

    #[test]
    fn a_sender_without_a_name_has_that_of_the_site() {
        let named = |from, name| sender(from, name).unwrap().to_string();
        let (bare, site) = ("no-reply@example.com", Some("R&D, \"Example\""));
        assert_eq!(named(bare, None), bare);
        assert_eq!(named(bare, site), "\"R&D, \\\"Example\\\"\" <no-reply@example.com>");
        let own = "Accounts <no-reply@example.com>";
        assert_eq!(named(own, site), own);
    }

    #[test]
    fn a_server_is_greeted_by_a_name_or_an_address() {
        let greeting = |name| helo(name).map(|id| id.to_string()).ok();
        assert_eq!(greeting("auth.example.com").as_deref(), Some("auth.example.com"));
        assert_eq!(greeting("192.0.2.7").as_deref(), Some("[192.0.2.7]"));
        assert_eq!(greeting("[2001:db8::1]").as_deref(), Some("[IPv6:2001:db8::1]"));
        assert!(
            greeting("").is_none() && greeting("a b").is_none() && greeting("a\r\nMAIL").is_none()
        );
    }

    #[test]
    fn an_answer_is_kept_without_addresses_and_credentials() {
        let told = kept("5.7.1 <alice@example.com>: Relay access\r\n denied\u{1b}");
        assert_eq!(told, "5.7.1 <address> Relay access denied");
        let repeated = STANDARD.encode("\0mailer\0sesame");
        let told = kept(&format!("5.7.8 no: AUTH PLAIN {repeated}"));
        assert_eq!(told, "5.7.8 no: AUTH PLAIN <credentials>");
        assert_eq!(kept(&"x".repeat(1000)).len(), TEXT_MAX);
    }

    #[test]
    fn a_connection_to_another_machine_is_encrypted_unless_the_url_says_otherwise() {
        let read = |text| with_tls(text).map(String::from);
        let same = |text: &str| Some(text.to_owned());
        assert_eq!(read("smtp://mail.example.com"), same("smtp://mail.example.com?tls=required"));
        assert_eq!(read("smtps://u:p@mail.example.com"), same("smtps://u:p@mail.example.com"));
        assert_eq!(read("smtp://127.0.0.1:2525"), same("smtp://127.0.0.1:2525"));
        assert_eq!(read("smtp://relay:25?tls=off"), same("smtp://relay:25"));
        assert_eq!(read("smtp://relay:25?tls=opportunistic"), None);
        assert_eq!(read("http://mail.example.com"), None);
    }
}
