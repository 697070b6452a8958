//! The settings of mail, and of what depends on it.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::super::Settings;
use super::Reader;
use crate::features::accounts::{Admission, Registration};
use crate::platform::mail::{self, Delivery, PLACE, Page, Pages};

impl Reader {
    /// `None` in production without SMTP_URL: then no mail is sent.
    pub(super) fn mail(
        &mut self,
        settings: &Settings,
        (public_url, host): (&str, &str),
        is_development: bool,
    ) -> Option<mail::Settings> {
        let pages = self.pages(settings, public_url, is_development);
        let delivery = match self.smtp_url(settings) {
            Some(url) => Delivery::Smtp(url),
            None if is_development => Delivery::Folder(settings.data_dir.join("mail")),
            None => return None,
        };
        let from = settings.mail_from.clone().unwrap_or_else(|| format!("no-reply@{host}"));
        let templates = settings.mail_templates.clone();
        let site = host.to_owned();
        let mail = mail::Settings { delivery, from, templates, site, pages };
        if let Err(error) = mail.check() {
            self.refuse(error.to_string());
        }
        Some(mail)
    }

    /// Who may register, and whether their address is proven first: both may need mail.
    pub(super) fn registration(&mut self, settings: &Settings, sends_mail: bool) -> Registration {
        let modes = [Admission::Open, Admission::Invite, Admission::Closed];
        let names = modes.map(Admission::as_str);
        let admission = modes[self.choice("REGISTRATION", &settings.registration, &names)];
        let requires_verification = self.choice(
            "REQUIRE_EMAIL_VERIFICATION",
            &settings.require_email_verification,
            &["false", "true"],
        ) == 1;
        if requires_verification && !sends_mail {
            self.refuse("REQUIRE_EMAIL_VERIFICATION needs a mail server: set SMTP_URL");
        }
        if admission == Admission::Invite && !sends_mail {
            self.refuse("REGISTRATION=invite needs a mail server: set SMTP_URL");
        }
        Registration { admission, requires_verification }
    }

    /// Where links lead: to a front end's own page, or to one of this server's.
    fn pages(&mut self, settings: &Settings, public_url: &str, is_development: bool) -> Pages {
        let mut url = |name, given: &Option<String>, page: Page| {
            let Some(given) = given.as_ref().filter(|given| !given.is_empty()) else {
                // After the #, so that it stays in the browser.
                return format!("{public_url}{}#{PLACE}", page.path());
            };
            let schemes: &[&str] = if is_development { &["https", "http"] } else { &["https"] };
            let is_url = Url::parse(&given.replace(PLACE, "token"))
                .is_ok_and(|url| url.has_host() && schemes.contains(&url.scheme()));
            if !is_url || given.matches(PLACE).count() != 1 {
                self.refuse(format!(
                    "{name} must be a URL (https in production) with {PLACE} in it, as in \
                     https://app.example.com/verify#{PLACE}"
                ));
            }
            given.clone()
        };
        Pages {
            verify_email: url("VERIFY_EMAIL_URL", &settings.verify_email_url, Page::VerifyEmail),
            reset_password: url(
                "RESET_PASSWORD_URL",
                &settings.reset_password_url,
                Page::ResetPassword,
            ),
            undo_email_change: url(
                "UNDO_EMAIL_CHANGE_URL",
                &settings.undo_email_change_url,
                Page::UndoEmailChange,
            ),
            accept_invitation: url(
                "ACCEPT_INVITATION_URL",
                &settings.accept_invitation_url,
                Page::AcceptInvitation,
            ),
            accept_organization_invitation: url(
                "ACCEPT_ORGANIZATION_INVITATION_URL",
                &settings.accept_organization_invitation_url,
                Page::AcceptOrganizationInvitation,
            ),
        }
    }

    fn smtp_url(&mut self, settings: &Settings) -> Option<SecretString> {
        let (value, file) = (settings.smtp_url.as_ref(), settings.smtp_url_file.as_ref());
        // Empty is none, so that a compose file can pass it on whether it is set or not.
        self.secret("SMTP_URL", value, file).filter(|url| !url.expose_secret().is_empty())
    }
}
