//! What a user agent says of the device: a browser and a system, without versions.
//!
//! Only for people to tell their sessions apart, and to tell a new kind of device from a known one; a
//! client may call itself whatever it likes. The libraries that know every browser hold thousands of
//! patterns in memory; these few names are most of what people use.

/// What identifies a browser, first what others claim to be too.
const BROWSERS: [(&str, &str); 16] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("okhttp/", "okhttp"),
    ("Dart/", "Dart"),
    ("node", "Node.js"),
    ("python-requests/", "Python"),
    ("Go-http-client/", "Go"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Darwin/", "Apple"),
    ("Linux", "Linux"),
];

/// A browser and the system it runs on, as far as a user agent names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// The browser, if it is a known one.
    pub browser: Option<&'static str>,
    /// The operating system, if it is a known one.
    pub system: Option<&'static str>,
}

impl Device {
    /// What a `User-Agent` header says of it.
    #[must_use]
    pub fn of(user_agent: &str) -> Self {
        let named = |names: &[(&str, &'static str)]| {
            names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
        };
        Self { browser: named(&BROWSERS), system: named(&SYSTEMS) }
    }

    /// As one compares and shows it; `None` for one that is not recognised.
    #[must_use]
    pub fn name(self) -> Option<String> {
        match (self.browser, self.system) {
            (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
            (Some(name), None) | (None, Some(name)) => Some(name.to_owned()),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_browsers_are_recognised_whatever_else_they_claim_to_be() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/155.0.0.0 Safari/537.36 Edg/155.0.0.0",
                Some("Edge on Windows"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/156.0.0.0 Safari/537.36",
                Some("Chrome on Linux"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:146.0) Gecko/20100101 \
                 Firefox/146.0",
                Some("Firefox on macOS"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
                Some("Safari on iPhone"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 16; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) \
                 SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                Some("Samsung Internet on Android"),
            ),
            ("curl/8.5.0", Some("curl")),
            ("node", Some("Node.js")),
            ("Thief/1.0", None),
            ("", None),
        ] {
            assert_eq!(Device::of(user_agent).name().as_deref(), name, "{user_agent}");
        }
    }
}
