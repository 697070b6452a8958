//! The settings of mail.

use secrecy::{ExposeSecret, SecretString};

use super::super::Settings;
use super::Reader;
use crate::platform::mail::{self, Delivery};

impl Reader {
    /// `None` in production without SMTP_URL: then no mail is sent.
    pub(super) fn mail(
        &mut self,
        settings: &Settings,
        host: &str,
        is_development: bool,
    ) -> Option<mail::Settings> {
        let delivery = match self.smtp_url(settings) {
            Some(url) => Delivery::Smtp(url),
            None if is_development => Delivery::Folder(settings.data_dir.join("mail")),
            None => return None,
        };
        let from = settings.mail_from.clone().unwrap_or_else(|| format!("no-reply@{host}"));
        let templates = settings.mail_templates.clone();
        let mail = mail::Settings { delivery, from, templates, site: host.to_owned() };
        if let Err(error) = mail.check() {
            self.refuse(error.to_string());
        }
        Some(mail)
    }

    fn smtp_url(&mut self, settings: &Settings) -> Option<SecretString> {
        let (value, file) = (settings.smtp_url.as_ref(), settings.smtp_url_file.as_ref());
        // Empty is none, so that a compose file can pass it on whether it is set or not.
        self.secret("SMTP_URL", value, file).filter(|url| !url.expose_secret().is_empty())
    }
}
