//! The cookies of a browser in cookie mode (CK-01): one is its session, one holds its device token, and one tells it apart
//! while somebody signs in with another provider.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use secrecy::SecretString;

/// A cookie of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cookie {
    Session,
    /// Outlives the session, and is forgotten by its age alone.
    DeviceToken,
    /// Binds sign-ins with other providers to the browser. It has to come along when a provider sends somebody back.
    Flow,
}

/// How our cookies are called and where browsers send them.
///
/// The prefix of a name makes browsers refuse the cookie without `Secure`, with a `Domain` or below another path. A session
/// that all hosts of a domain share can have less: there they refuse it without `Secure`, and send it also when somebody
/// follows a link from elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    /// Whose hosts share the session's cookie; `None`: this one alone has it.
    pub(crate) domain: Option<String>,
}

/// More than one cookie of the name: somebody else has set one of them (CK-02).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

impl Cookies {
    fn name(&self, cookie: Cookie) -> &'static str {
        match (cookie, &self.domain) {
            (Cookie::Session, None) => "__Host-portcullis_session",
            (Cookie::Session, Some(_)) => "__Secure-portcullis_session",
            (Cookie::DeviceToken, _) => "__Host-portcullis_device",
            (Cookie::Flow, _) => "__Host-portcullis_flow",
        }
    }

    /// The value of `Set-Cookie` that makes a browser keep `text`.
    pub(crate) fn holding(&self, cookie: Cookie, text: &str, max_age_seconds: i64) -> String {
        let site = match (cookie, &self.domain) {
            (Cookie::Session, Some(domain)) => format!("SameSite=Lax; Domain={domain}"),
            (Cookie::Session, None) | (Cookie::DeviceToken, _) => "SameSite=Strict".to_owned(),
            (Cookie::Flow, _) => "SameSite=Lax".to_owned(),
        };
        let name = self.name(cookie);
        format!("{name}={text}; Path=/; Secure; HttpOnly; {site}; Max-Age={max_age_seconds}")
    }

    /// The value of `Set-Cookie` that makes a browser forget it.
    pub(crate) fn gone(&self, cookie: Cookie) -> String {
        self.holding(cookie, "", 0)
    }

    /// What a cookie of a request holds.
    pub(crate) fn read(
        &self,
        cookie: Cookie,
        headers: &HeaderMap,
    ) -> Result<Option<SecretString>, Repeated> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut values = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name(cookie))
            .map(|(_, value)| value);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Repeated),
            (value, None) => Ok(value.map(SecretString::from)),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const OURS: Cookies = Cookies { domain: None };

    fn value(lines: &[&str]) -> Result<Option<String>, Repeated> {
        let headers = lines.iter().map(|line| (COOKIE, line.parse().unwrap())).collect();
        Ok(OURS.read(Cookie::Session, &headers)?.map(|value| value.expose_secret().to_owned()))
    }

    #[test]
    fn only_the_exact_name_counts_and_only_once() {
        let name = OURS.name(Cookie::Session);
        let ours = format!("{name}=pcs_1");
        assert_eq!(value(&[]), Ok(None));
        assert_eq!(value(&[&format!("{}=pcd_1", OURS.name(Cookie::DeviceToken))]), Ok(None));
        assert_eq!(value(&["a=b", &format!("c={ours}; portcullis_session=x")]), Ok(None));
        assert_eq!(value(&["__Secure-portcullis_session=pcs_1"]), Ok(None));
        assert_eq!(value(&[&ours.to_lowercase()]), Ok(None));
        assert_eq!(value(&[&format!("a=b; {ours};c=d")]), Ok(Some("pcs_1".into())));
        assert_eq!(value(&[&format!("{ours}; {ours}")]), Err(Repeated));
        assert_eq!(value(&[&ours, &format!("a=b; {name}=")]), Err(Repeated));
    }

    #[test]
    fn a_domain_shares_the_session_and_not_the_device() {
        let shared = Cookies { domain: Some("example.com".to_owned()) };
        assert_eq!(
            shared.holding(Cookie::Session, "pcs_1", 60),
            "__Secure-portcullis_session=pcs_1; Path=/; Secure; HttpOnly; SameSite=Lax; \
             Domain=example.com; Max-Age=60"
        );
        let (device, alone) = (Cookie::DeviceToken, Cookies { domain: None });
        assert_eq!(shared.holding(device, "pcd_1", 60), alone.holding(device, "pcd_1", 60));
        assert!(alone.gone(Cookie::Session).starts_with("__Host-portcullis_session=; Path=/"));
    }
}
