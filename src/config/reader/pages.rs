//! The settings of the account pages.

use std::path::Path;

use super::super::file::{Unreadable, read_bytes};
use super::super::{Logo, Pages, Settings};
use super::Reader;
use crate::infra::mail::{Contact, LinkPage};
use crate::kernel::secret::{hex, sha256};

/// More would keep people waiting for the first page that they see.
const LOGO_LENGTH_MAX: u64 = 128 * 1024;
/// How every PNG begins (PNG, third edition, section 5.2).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

impl Reader {
    pub(super) fn pages(
        &mut self,
        settings: &Settings,
        support: Option<Contact>,
        is_development: bool,
    ) -> Pages {
        let logo = settings.site_logo.as_ref().and_then(|file| {
            self.judge_open_file("SITE_LOGO", file, is_development);
            let logo = logo(file);
            if let Err(problem) = &logo {
                self.refuse(format!("SITE_LOGO {problem}"));
            }
            logo.ok()
        });
        let is_own = |url: &Option<String>| url.as_ref().is_none_or(String::is_empty);
        let links = settings.link_urls();
        let own_links = links.into_iter().filter(|(_, url, _)| is_own(url));
        Pages {
            account: self.is_on("ACCOUNT_PAGES", &settings.account_pages),
            own_links: own_links.map(|(name, _, page)| (name, page)).collect(),
            support,
            logo,
            color: self.color(settings),
        }
    }

    fn color(&mut self, settings: &Settings) -> Option<String> {
        let given = settings.site_color.as_ref().filter(|color| !color.is_empty())?;
        let digits = given.strip_prefix('#').filter(|digits| digits.len() == 6);
        if digits.is_none_or(|digits| !digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            self.refuse("SITE_COLOR must be a color of six hexadecimal digits, as in #1f6f5c");
            return None;
        }
        Some(given.to_ascii_lowercase())
    }
}

impl Settings {
    /// Whether the account pages are on, where the setting can be read.
    pub(super) fn has_account_pages(&self) -> bool {
        self.account_pages == "on"
    }

    /// The settings that say where links in mails lead, what they say, and the page of the server that they replace.
    pub(super) fn link_urls(&self) -> [(&'static str, &Option<String>, LinkPage); 6] {
        [
            ("VERIFY_EMAIL_URL", &self.verify_email_url, LinkPage::VerifyEmail),
            ("RESET_PASSWORD_URL", &self.reset_password_url, LinkPage::ResetPassword),
            ("UNDO_EMAIL_CHANGE_URL", &self.undo_email_change_url, LinkPage::UndoEmailChange),
            ("ACCEPT_INVITATION_URL", &self.accept_invitation_url, LinkPage::AcceptInvitation),
            (
                "ACCEPT_ORGANIZATION_INVITATION_URL",
                &self.accept_organization_invitation_url,
                LinkPage::AcceptOrganizationInvitation,
            ),
            (
                "FINISH_REGISTRATION_URL",
                &self.finish_registration_url,
                LinkPage::FinishRegistration,
            ),
        ]
    }
}

/// Reads a logo. What it is its bytes say, and not its name.
fn logo(file: &Path) -> Result<Logo, String> {
    let bytes = read_bytes(file, LOGO_LENGTH_MAX).map_err(|error: Unreadable| error.to_string())?;
    let is_svg = std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg"));
    let (extension, media_type) = match bytes.starts_with(PNG) {
        true => ("png", "image/png"),
        false if is_svg => ("svg", "image/svg+xml"),
        false => return Err("must be an image in SVG or PNG".to_owned()),
    };
    // Another logo has another name, so browsers may keep each.
    let digest = hex(&sha256(&bytes));
    let name = format!("logo-{}.{extension}", digest.get(..8).unwrap_or_default());
    Ok(Logo { name, media_type, bytes: bytes.as_slice().into() })
}
