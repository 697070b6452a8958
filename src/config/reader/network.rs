//! The settings that say which pages of other origins may call.

use std::net::IpAddr;

use axum::http::HeaderName;
use url::Url;

use super::super::Settings;
use super::Reader;

impl Reader {
    pub(super) fn allowed_origins(
        &mut self,
        settings: &Settings,
        is_development: bool,
    ) -> Vec<String> {
        let origins: Option<Vec<String>> = listed(&settings.allowed_origins).map(origin).collect();
        let Some(origins) = origins else {
            self.refuse(
                "ALLOWED_ORIGINS must be exact origins separated by commas, as in \
                 https://app.example.com or capacitor://localhost, without *, null or paths",
            );
            return Vec::new();
        };
        let is_open = |origin: &String| origin.starts_with("http://") && !is_shell(origin);
        if !is_development && origins.iter().any(is_open) {
            self.refuse("ALLOWED_ORIGINS must be https in production");
        }
        origins
    }

    pub(super) fn cookie_domain(&mut self, settings: &Settings, host: &str) -> Option<String> {
        let domain = settings.cookie_domain.as_deref().filter(|domain| !domain.is_empty())?;
        let is_of = |domain: &str| {
            let above = host.strip_suffix(domain);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        let is_name = domain.contains('.')
            && domain.parse::<IpAddr>().is_err()
            && !domain.starts_with('.')
            && domain.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
            });
        if !is_name || !is_of(domain) {
            self.refuse(
                "COOKIE_DOMAIN must be the host of PUBLIC_URL or a parent domain, in lower case and \
                 without a leading dot, as in example.com for https://auth.example.com",
            );
            return None;
        }
        Some(domain.to_owned())
    }

    pub(super) fn allowed_headers(&mut self, settings: &Settings) -> String {
        let names: Vec<&str> = listed(&settings.allowed_headers).collect();
        // With credentials, a * is no more than a name (CK-07).
        if names.iter().any(|name| HeaderName::try_from(*name).is_err() || name.contains('*')) {
            self.refuse(
                "ALLOWED_HEADERS must be names of request headers separated by commas, as in \
                 X-Tenant, X-Client-Version; no *",
            );
        }
        names.join(", ")
    }
}

pub(super) fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// An origin, spelt as browsers spell it: then it can be compared byte by byte. Beside those of the
/// web these are the ones of pages inside apps, as capacitor://localhost.
pub(super) fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_origin = match url.scheme() {
        "http" | "https" => url.origin().ascii_serialization() == text,
        // Pages of these have no origin that would tell them from others of their kind.
        "file" | "data" | "blob" | "about" | "javascript" | "ftp" | "ws" | "wss" => false,
        scheme => is_app_origin(&url) && text.starts_with(scheme),
    };
    (is_origin && !text.contains('*')).then(|| text.to_owned())
}

fn is_app_origin(url: &Url) -> bool {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    let is_host = host.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | '_'));
    is_host && !host.is_empty() && url.as_str() == format!("{}://{host}{port}", url.scheme())
}

/// Whether pages of this origin come out of an app, or out of this machine: Tauri's on Windows are
/// `http://tauri.localhost`, Capacitor's on Android may be `http://localhost`.
fn is_shell(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").unwrap_or_default();
    host == "localhost" || host.ends_with(".localhost")
}
