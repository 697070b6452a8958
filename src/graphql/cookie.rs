//! The cookie that holds the refresh token of a browser in cookie mode (CK-01).

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use secrecy::SecretString;

/// The prefix makes browsers refuse it without `Secure`, with a `Domain` or below another path.
const NAME: &str = "__Host-portcullis_refresh";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";

/// More than one cookie of the name: somebody else has set one of them (CK-02).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

/// The value of `Set-Cookie` that makes a browser keep `token`.
pub(crate) fn holding(token: &str, max_age_seconds: i64) -> String {
    format!("{NAME}={token}; {ATTRIBUTES}; Max-Age={max_age_seconds}")
}

/// The value of `Set-Cookie` that makes a browser forget it.
pub(crate) fn gone() -> String {
    holding("", 0)
}

/// What the cookie of a request holds.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<SecretString>, Repeated> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut values = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == NAME)
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
        Ok(read(&headers)?.map(|value| value.expose_secret().to_owned()))
    }

    #[test]
    fn only_the_exact_name_counts_and_only_once() {
        let ours = format!("{NAME}=pcr_1");
        assert_eq!(value(&[]), Ok(None));
        assert_eq!(value(&["a=b", &format!("c={ours}; portcullis_refresh=x")]), Ok(None));
        assert_eq!(value(&[&ours.to_lowercase()]), Ok(None));
        assert_eq!(value(&[&format!("a=b; {ours};c=d")]), Ok(Some("pcr_1".into())));
        assert_eq!(value(&[&format!("{ours}; {ours}")]), Err(Repeated));
        assert_eq!(value(&[&ours, &format!("a=b; {NAME}=")]), Err(Repeated));
    }
}
