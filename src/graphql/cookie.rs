//! The cookies of a browser in cookie mode (CK-01): one holds its refresh token, one its device token.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use secrecy::SecretString;

/// A cookie of ours. The prefix of their names makes browsers refuse them without `Secure`, with a `Domain` or
/// below another path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cookie {
    RefreshToken,
    /// Outlives the session, and is forgotten by its age alone.
    DeviceToken,
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::RefreshToken => "__Host-portcullis_refresh",
            Self::DeviceToken => "__Host-portcullis_device",
        }
    }
}

const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";

/// More than one cookie of the name: somebody else has set one of them (CK-02).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

/// The value of `Set-Cookie` that makes a browser keep `token`.
pub(crate) fn holding(cookie: Cookie, token: &str, max_age_seconds: i64) -> String {
    format!("{}={token}; {ATTRIBUTES}; Max-Age={max_age_seconds}", cookie.name())
}

/// The value of `Set-Cookie` that makes a browser forget it.
pub(crate) fn gone(cookie: Cookie) -> String {
    holding(cookie, "", 0)
}

/// What a cookie of a request holds.
pub(crate) fn read(cookie: Cookie, headers: &HeaderMap) -> Result<Option<SecretString>, Repeated> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut values = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == cookie.name())
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Repeated),
        (value, None) => Ok(value.map(SecretString::from)),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn value(lines: &[&str]) -> Result<Option<String>, Repeated> {
        let headers = lines.iter().map(|line| (COOKIE, line.parse().unwrap())).collect();
        Ok(read(Cookie::RefreshToken, &headers)?.map(|value| value.expose_secret().to_owned()))
    }

    #[test]
    fn only_the_exact_name_counts_and_only_once() {
        let name = Cookie::RefreshToken.name();
        let ours = format!("{name}=pcr_1");
        assert_eq!(value(&[]), Ok(None));
        assert_eq!(value(&[&format!("{}=pcd_1", Cookie::DeviceToken.name())]), Ok(None));
        assert_eq!(value(&["a=b", &format!("c={ours}; portcullis_refresh=x")]), Ok(None));
        assert_eq!(value(&[&ours.to_lowercase()]), Ok(None));
        assert_eq!(value(&[&format!("a=b; {ours};c=d")]), Ok(Some("pcr_1".into())));
        assert_eq!(value(&[&format!("{ours}; {ours}")]), Err(Repeated));
        assert_eq!(value(&[&ours, &format!("a=b; {name}=")]), Err(Repeated));
    }
}
