//! The settings of mail, and of what depends on it.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::super::{Pages, Settings};
use super::{Public, Reader};
use crate::features::accounts::{Admission, Registration};
use crate::infra::mail::{self, Contact, Delivery, LinkPage, LinkPages, PLACE, Site};
use crate::kernel::invalid::one_line;

/// Characters of a site's name; a subject with a longer one would be cut off before it says anything.
const SITE_NAME_MAX: usize = 100;

impl Reader {
    /// How mails are sent, and the pages that they lead to: both say whom to ask for help.
    pub(super) fn mail_and_pages(
        &mut self,
        settings: &Settings,
        public: &Public,
        is_development: bool,
    ) -> (Option<mail::Settings>, Pages) {
        let support = self.support(settings);
        let pages = self.pages(settings, support.clone(), is_development);
        (self.mail(settings, public, support, is_development), pages)
    }

    /// `None` in production without SMTP_URL: then no mail is sent.
    fn mail(
        &mut self,
        settings: &Settings,
        public: &Public,
        support: Option<Contact>,
        is_development: bool,
    ) -> Option<mail::Settings> {
        let host = &public.host;
        let pages = self.link_pages(settings, &public.url, is_development);
        let site = Site { name: public.site_name().to_owned(), support };
        let delivery = match self.smtp_url(settings) {
            Some(url) => Delivery::Smtp(url),
            None if is_development => Delivery::Folder(settings.data_dir.join("mail")),
            None => return None,
        };
        let from = settings.mail_from.clone().unwrap_or_else(|| format!("no-reply@{host}"));
        let templates = settings.mail_templates.clone();
        let helo = settings.smtp_helo.clone().filter(|name| !name.is_empty());
        let helo = helo.unwrap_or_else(|| host.clone());
        let from_name = public.name.clone();
        let mail = mail::Settings { delivery, helo, from, from_name, templates, site, pages };
        if let Err(error) = mail.check() {
            self.refuse(error.to_string());
        }
        Some(mail)
    }

    pub(super) fn site_name(&mut self, settings: &Settings) -> Option<String> {
        let given = settings.site_name.as_ref().filter(|name| !name.is_empty())?;
        let name = one_line("SITE_NAME", given, 1..=SITE_NAME_MAX).ok();
        if name.is_none() {
            self.refuse(format!(
                "SITE_NAME must have 1 to {SITE_NAME_MAX} characters on one line, none of them invisible"
            ));
        }
        name
    }

    fn support(&mut self, settings: &Settings) -> Option<Contact> {
        let given = settings.support_contact.as_ref().filter(|contact| !contact.is_empty())?;
        let contact = Contact::parse(given);
        if contact.is_none() {
            self.refuse(
                "SUPPORT_CONTACT must be an address, as in help@example.com, or an https URL, as in \
                 https://example.com/help",
            );
        }
        contact
    }

    /// Who may register, and whether their address is proven first: both may need mail.
    pub(super) fn registration(&mut self, settings: &Settings, sends_mail: bool) -> Registration {
        let admission = self.choice("REGISTRATION", &settings.registration);
        let requires_verification =
            self.flag("REQUIRE_EMAIL_VERIFICATION", &settings.require_email_verification);
        if requires_verification && !sends_mail {
            self.refuse("REQUIRE_EMAIL_VERIFICATION requires a mail server: set SMTP_URL");
        }
        if admission == Admission::Invite && !sends_mail {
            self.refuse("REGISTRATION=invite requires a mail server: set SMTP_URL");
        }
        Registration { admission, requires_verification }
    }

    /// Where links lead: to a front end's own page, or to one of this server's.
    fn link_pages(
        &mut self,
        settings: &Settings,
        public_url: &str,
        is_development: bool,
    ) -> LinkPages {
        let urls = settings.link_urls().map(|(name, given, page)| {
            let Some(given) = given.as_ref().filter(|given| !given.is_empty()) else {
                // After the #, so that it stays in the browser.
                return format!("{public_url}{}#{PLACE}", page.path());
            };
            let url = page_url(&given.replace(PLACE, "token"), is_development);
            if url.is_none() || given.matches(PLACE).count() != 1 {
                self.refuse(format!(
                    "{name} must be a URL (https in production) that contains {PLACE}, as in \
                     https://app.example.com/verify#{PLACE}"
                ));
            }
            given.clone()
        });
        let [
            verify_email,
            reset_password,
            undo_email_change,
            accept_invitation,
            accept_organization_invitation,
            finish_registration,
        ] = urls;
        LinkPages {
            verify_email,
            reset_password,
            undo_email_change,
            accept_invitation,
            accept_organization_invitation,
            finish_registration,
        }
    }

    /// Where people change their password: on the page that the operator names, where they choose one by mail, or on the account
    /// pages.
    pub(super) fn change_password_url(
        &mut self,
        settings: &Settings,
        public_url: &str,
        is_development: bool,
    ) -> String {
        if let Some(given) = settings.change_password_url.as_ref().filter(|url| !url.is_empty()) {
            let url = page_url(given, is_development);
            if url.is_none() {
                self.refuse(
                    "CHANGE_PASSWORD_URL must be a URL (https in production), as in \
                     https://app.example.com/password",
                );
            }
            return url.map(String::from).unwrap_or_default();
        }
        let reset = settings.reset_password_url.as_deref().and_then(without_token);
        let reset = reset.and_then(|page| page_url(page, is_development));
        let own = match settings.has_account_pages() {
            true => "/account/password",
            false => LinkPage::ResetPassword.path(),
        };
        let own = || format!("{public_url}{own}");
        reset.map_or_else(own, String::from)
    }

    fn smtp_url(&mut self, settings: &Settings) -> Option<SecretString> {
        let (value, file) = (settings.smtp_url.as_ref(), settings.smtp_url_file.as_ref());
        // Empty is none, so that a compose file can pass it on whether it is set or not.
        self.secret("SMTP_URL", value, file).filter(|url| !url.expose_secret().is_empty())
    }
}

/// A page for people, which only a development instance may have without TLS.
fn page_url(text: &str, is_development: bool) -> Option<Url> {
    let is_safe = |scheme: &str| scheme == "https" || (is_development && scheme == "http");
    Url::parse(text).ok().filter(|url| url.has_host() && is_safe(url.scheme()))
}

/// The URL of a page that finds a token in it, for whoever has none: without what carries the token.
fn without_token(url: &str) -> Option<&str> {
    let (page, _) = url.split_once(PLACE)?;
    match page.rsplit_once(['?', '&', '#']) {
        // What front ends route by may stand behind the # too.
        Some((page, name)) if !name.contains('/') => Some(page),
        _ => Some(page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_a_link_is_found_without_its_token() {
        for (url, page) in [
            ("https://a.example/reset#{token}", Some("https://a.example/reset")),
            ("https://a.example/reset?token={token}", Some("https://a.example/reset")),
            ("https://a.example/?p=reset&t={token}#x", Some("https://a.example/?p=reset")),
            ("https://a.example/reset/{token}", Some("https://a.example/reset/")),
            ("https://a.example/#/reset/{token}", Some("https://a.example/#/reset/")),
            ("https://a.example/#/reset?t={token}", Some("https://a.example/#/reset")),
            ("https://a.example/reset", None),
        ] {
            assert_eq!(without_token(url), page, "{url}");
        }
    }
}
