//! The service that mails come from, as their readers know it.

use lettre::Address;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::kernel::invalid::is_unseen;

/// Characters of a contact; no page or mailbox needs more.
const CONTACT_MAX: usize = 200;

/// What a `mailto:` link escapes of the part before the @ (RFC 6068).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-').remove(b'+');

/// The service that mails come from.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) support: Option<Contact>,
}

/// Where people ask for help: an address or a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    shown: String,
    link: String,
}

impl Contact {
    /// Reads an address, or the https URL of a page; `None` if it is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_line = |c: char| !c.is_whitespace() && !is_unseen(c);
        if text.chars().count() > CONTACT_MAX || !text.chars().all(is_line) {
            return None;
        }
        let link = match text.rsplit_once('@') {
            Some((local, domain)) if text.parse::<Address>().is_ok() => {
                format!("mailto:{}@{domain}", utf8_percent_encode(local, ESCAPED))
            }
            _ => Url::parse(text).ok().filter(is_page)?.into(),
        };
        Some(Self { shown: text.to_owned(), link })
    }

    /// The address or the URL, as the operator wrote it.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The URL that a click opens.
    pub(crate) fn link(&self) -> &str {
        &self.link
    }
}

/// Readers see the whole URL, so it holds no user and no password.
fn is_page(url: &Url) -> bool {
    url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_an_address_or_an_https_page() {
        for (text, link) in [
            ("help@example.com", "mailto:help@example.com"),
            ("a?cc=b&c@example.com", "mailto:a%3Fcc%3Db%26c@example.com"),
            ("https://example.com/help?from=mail", "https://example.com/help?from=mail"),
        ] {
            let contact = Contact::parse(text).unwrap();
            assert_eq!((contact.shown(), contact.link()), (text, link));
        }
        let long = format!("https://example.com/{}", "a".repeat(CONTACT_MAX));
        for wrong in [
            "",
            "help",
            "Help <help@example.com>",
            "http://example.com/help",
            "mailto:help@example.com?cc=x@example.com",
            "javascript:alert(1)",
            "https://user:password@example.com",
            "https://example.com/\u{202e}help",
            "https://example.com/a b",
            "help@example.com\nBcc: x@example.com",
            &long,
        ] {
            assert_eq!(Contact::parse(wrong), None, "{wrong}");
        }
    }
}
