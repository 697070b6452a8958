//! The setting that says where people may be sent back to after they have signed in elsewhere (OI-07).

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::super::Settings;
use super::Reader;
use super::network::listed;
use crate::infra::providers::ReturnUrls;

/// It goes through the provider and back, sealed in the state of a flow.
const LENGTH_MAX: usize = 512;
/// The playground's page.
const PLAYGROUND: &str = "/graphql";
/// The account page that goes on with what a provider was asked for.
const ACCOUNT: &str = "/account/return";

impl Reader {
    /// What the operator allows, and the playground and the account pages where they are on.
    pub(super) fn return_urls(
        &mut self,
        settings: &Settings,
        public_url: &str,
        has_playground: bool,
    ) -> ReturnUrls {
        let mut urls: Vec<String> = listed(&settings.return_urls).map(str::to_owned).collect();
        if !urls.iter().all(|url| is_usable(url)) {
            self.refuse(
                "RETURN_URLS must be exact URLs separated by commas, as in \
                 https://app.example.com/signed-in, \
                 http://127.0.0.1/done (of any port) or com.example.app:/done; https beyond this machine, no *, \
                 no # and no user",
            );
        }
        if has_playground {
            urls.push(format!("{public_url}{PLAYGROUND}"));
        }
        if settings.has_account_pages() {
            urls.push(format!("{public_url}{ACCOUNT}"));
        }
        if urls.is_empty() && settings.providers_file.is_some() {
            self.warn(
                "RETURN_URLS is empty, so the server cannot send users to a provider to sign in",
                "set RETURN_URLS, unless only apps sign in with ID tokens",
            );
        }
        ReturnUrls::new(urls)
    }
}

/// Whether a URL may stand in the list. It is spelt as browsers spell it, so that it can be compared byte by byte.
fn is_usable(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_plain = text.len() <= LENGTH_MAX
        && !text.contains(['*', '#'])
        && url.username().is_empty()
        && url.password().is_none()
        && (url.as_str() == text || url.as_str().strip_suffix('/') == Some(text));
    is_plain
        && match url.scheme() {
            "https" => url.has_host(),
            "http" => is_loopback(&url),
            // An app's own scheme is a domain turned around, so that no other app has it by chance (RFC 8252, section 7.1).
            scheme => scheme.contains('.'),
        }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // Names below it are this machine too (RFC 6761, section 6.3).
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}
