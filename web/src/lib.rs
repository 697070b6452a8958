//! The pages for browsers, built by `build.rs` and embedded here: the account pages, and the playground, which is GraphiQL with
//! panels for the account, examples and the access policy. Without Node at build time there are no files, and a reason.

/// The documents that the account pages send, by their SHA-256. `.ci/account` compares them with what it sees.
pub const DOCUMENTS: &str = include_str!("../account/documents.json");

/// A file of the pages, as it is sent.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path in the build.
    pub name: &'static str,
    /// Whether its bytes are compressed by gzip.
    pub is_gzip: bool,
    /// What is sent.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// What the page itself asks a server: a JSON object of documents, which the build of the page has written.
#[must_use]
pub fn operations() -> Option<&'static [u8]> {
    file("operations.json").map(|file| file.bytes)
}

/// The file of this name.
#[must_use]
pub fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

impl File {
    /// Its media type.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("ttf") => "font/ttf",
            Some("json") => "application/json",
            Some("woff2") => "font/woff2",
            Some("md") => "text/markdown; charset=utf-8",
            _ => "application/octet-stream",
        }
    }

    /// Whether its name changes with its contents, so that nobody needs to ask for it twice.
    #[must_use]
    pub fn is_immutable(&self) -> bool {
        self.name.starts_with("assets/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_here_or_a_reason_why_they_are_not() {
        assert_eq!(FILES.is_empty(), MISSING.is_some());
        for file in FILES {
            assert_ne!(file.media_type(), "application/octet-stream", "{}", file.name);
            assert_eq!(file.bytes.starts_with(&[0x1f, 0x8b]), file.is_gzip, "{}", file.name);
        }
        for page in ["account/index.html", "playground/index.html"] {
            assert!(FILES.is_empty() || file(page).is_some_and(|file| !file.is_gzip), "{page}");
        }
        assert_eq!(operations().is_some(), MISSING.is_none());
        assert!(file("nothing.js").is_none());
    }
}
