//! Where people may be sent back to after they have signed in elsewhere: the setting `RETURN_URLS`.

use std::sync::Arc;

/// Hosts at which an app listens on a port that it gets at the last moment (RFC 8252, section 7.3).
const FREE_PORTS: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// The URLs that the operator allows, in the order of the setting. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReturnUrls(Arc<[String]>);

impl ReturnUrls {
    pub(crate) fn new(urls: Vec<String>) -> Self {
        Self(urls.into())
    }

    /// Whether a flow may end there: it is one of them to the letter, but for the port where that is free (OI-07).
    pub(crate) fn allows(&self, url: &str) -> bool {
        let with_any_port = without_port(url);
        self.0.iter().any(|allowed| {
            allowed == url
                || with_any_port.is_some_and(|(host, rest)| {
                    allowed.strip_prefix(host).is_some_and(|allowed| allowed == rest)
                })
        })
    }

    /// Where a flow ends that names no URL.
    pub(crate) fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }
}

/// A URL before and behind its port, where that is free.
fn without_port(url: &str) -> Option<(&'static str, &str)> {
    let of = |host: &&'static str| Some((*host, url.strip_prefix(*host)?.strip_prefix(':')?));
    let (host, rest) = FREE_PORTS.iter().find_map(of)?;
    let (port, path) = rest.split_at(rest.find('/')?);
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit())
        && !port.starts_with('0')
        && port.parse::<u16>().is_ok();
    is_port.then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_match_as_a_whole_and_only_ports_of_loopback_addresses_are_free() {
        let urls = [
            "https://app.example.com/done",
            "http://127.0.0.1/done",
            "http://[::1]/",
            "http://127.0.0.1:9000/fixed",
            "http://localhost:3000/done",
            "com.example.app:/done",
        ];
        let allowed = ReturnUrls::new(urls.map(str::to_owned).to_vec());
        assert_eq!(allowed.first(), Some(urls[0]));
        for url in urls.into_iter().chain([
            "http://127.0.0.1:1/done",
            "http://127.0.0.1:65535/done",
            "http://[::1]:8080/",
        ]) {
            assert!(allowed.allows(url), "{url}");
        }
        for url in [
            "",
            "https://app.example.com/",
            "https://app.example.com/done/",
            "https://app.example.com/done?x",
            "https://app.example.com/done#x",
            "https://app.example.com:443/done",
            "https://APP.example.com/done",
            "https://app.example.com/done@evil.example",
            "https://app.example.com.evil.example/done",
            "https://evil.example/?https://app.example.com/done",
            "http://app.example.com/done",
            "https://app.example.com:8443/done",
            "http://127.0.0.1:0/done",
            "http://127.0.0.1:080/done",
            "http://127.0.0.1:65536/done",
            "http://127.0.0.1:/done",
            "http://127.0.0.1:80@evil.example/done",
            "http://127.0.0.1:80/other",
            "http://127.0.0.1:80",
            "http://127.0.0.1:9001/fixed",
            "http://127.0.0.1.evil.example/done",
            "http://127.0.0.2:80/done",
            "http://localhost:3001/done",
            "http://localhost/done",
            "com.example.app:/done2",
            "com.example.app://done",
            "javascript:alert(1)",
        ] {
            assert!(!allowed.allows(url), "{url}");
        }
        assert!(!ReturnUrls::default().allows(""));
        assert_eq!(ReturnUrls::default().first(), None);
    }
}
