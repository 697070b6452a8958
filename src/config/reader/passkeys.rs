//! Who passkeys are made for, and on which pages.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_webauthn::RelyingParty;
use url::{Host, Url};

use super::super::Settings;
use super::network::{listed, origin};
use super::{Public, Reader};

/// The name of this machine for itself, where browsers have passkeys without TLS.
const LOCAL: &str = "localhost";
/// How apps on Android name themselves in the place of an origin.
const ANDROID: &str = "android:apk-key-hash:";

impl Reader {
    /// The domain that passkeys are for, with the pages that may use them; none where the server has no domain, as on an
    /// address. What stands there cannot change later without all passkeys being lost.
    pub(super) fn relying_party(
        &mut self,
        settings: &Settings,
        public: &Public,
        allowed_origins: &[String],
        is_development: bool,
    ) -> Option<Arc<RelyingParty>> {
        let (host, own) = self.own_domain(settings, public, is_development)?;
        let origins = match settings.passkey_origins.trim() {
            "" => {
                let is_of = |origin: &&String| is_of_domain(origin, &host);
                let others = allowed_origins.iter().filter(is_of).cloned();
                std::iter::once(own).chain(others).collect()
            }
            named => self.passkey_origins(named, is_development)?,
        };
        let name = public.site_name().to_owned();
        Some(Arc::new(RelyingParty { id: host, name, origins }))
    }

    /// The domain, and the origin of this server's own pages as browsers call it there.
    fn own_domain(
        &mut self,
        settings: &Settings,
        public: &Public,
        is_development: bool,
    ) -> Option<(String, String)> {
        let host = &public.host;
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        if let Some(id) = settings.passkey_rp_id.as_deref().filter(|id| !id.is_empty()) {
            let above = host.strip_suffix(id);
            let is_above = above.is_some_and(|above| above.is_empty() || above.ends_with('.'));
            if !is_domain(id) || !is_above && settings.passkey_origins.trim().is_empty() {
                self.refuse(
                    "PASSKEY_RP_ID must be the host of PUBLIC_URL or a parent domain, in lower case, as \
                     in example.com for https://auth.example.com; for another domain, list the pages in \
                     PASSKEY_ORIGINS",
                );
                return None;
            }
            return Some((id.to_owned(), public.origin.clone()));
        }
        match address {
            None => Some((host.clone(), public.origin.clone())),
            // Passkeys are for domains, and this is the one of the machine itself.
            Some(address) if is_development && address.is_loopback() => {
                let origin = public.origin.replacen(host, LOCAL, 1);
                Some((LOCAL.to_owned(), origin))
            }
            Some(_) => None,
        }
    }

    fn passkey_origins(&mut self, named: &str, is_development: bool) -> Option<Vec<String>> {
        let exact = |text: &str| match text.strip_prefix(ANDROID) {
            Some(hash) => (!hash.is_empty()).then(|| text.to_owned()),
            None => origin(text),
        };
        let origins: Option<Vec<String>> = listed(named).map(exact).collect();
        let is_secure = |text: &String| {
            text.starts_with("https://")
                || text.starts_with(ANDROID)
                || is_development && is_of_domain(text, LOCAL)
        };
        let is_good = |origins: &Vec<String>| !origins.is_empty() && origins.iter().all(is_secure);
        let origins = origins.filter(is_good);
        if origins.is_none() {
            self.refuse(
                "PASSKEY_ORIGINS must be exact https origins separated by commas, as in \
                 https://app.example.com, or \
                 android:apk-key-hash:… for an app",
            );
        }
        origins
    }
}

/// Whether passkeys can be for it: a name of several parts, or that of this machine, as browsers write it.
fn is_domain(id: &str) -> bool {
    let is_whole =
        id == LOCAL || id.split('.').count() > 1 && id.split('.').all(|part| !part.is_empty());
    let url = Url::parse(&format!("https://{id}"));
    is_whole && url.is_ok_and(|url| matches!(url.host(), Some(Host::Domain(host)) if host == id))
}

/// Whether the pages of an origin may use passkeys of a domain without further ado.
fn is_of_domain(origin: &str, domain: &str) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    let host = url.host_str().unwrap_or_default();
    let above = host.strip_suffix(domain);
    let is_of = above.is_some_and(|above| above.is_empty() || above.ends_with('.'));
    is_of && (url.scheme() == "https" || host == LOCAL)
}
