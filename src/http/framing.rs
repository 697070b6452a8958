//! Where a request's body ends must not be said twice (RFC 9112, section 6.3; HT-04).
//!
//! hyper believes `Transfer-Encoding`, drops `Content-Length` and closes the connection afterwards, so
//! nothing can be smuggled behind such a request. What no router sees any more is that a proxy in
//! front may have read it in another way, so the bytes are watched as they come in.

/// Marks a request that says it twice.
#[derive(Clone, Copy)]
pub(super) struct Ambiguous;

const LENGTH: &[u8] = b"content-length";
const ENCODING: &[u8] = b"transfer-encoding";

/// Watches one head go by, from a request's first byte to the empty line.
#[derive(Default)]
pub(super) struct Framing {
    part: Part,
    /// The name of the header that is coming in; longer ones are none of the two.
    name: [u8; ENCODING.len()],
    /// How much of the line has come in, up to the colon.
    length: usize,
    has_length: bool,
    has_encoding: bool,
}

/// Where in a head its bytes are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    /// Before the request line, where empty lines are allowed.
    #[default]
    Start,
    /// In a line, before the colon.
    Name,
    /// In a line, behind the colon.
    Value,
    /// Behind the empty line.
    Over,
}

impl Framing {
    pub(super) fn is_ambiguous(&self) -> bool {
        self.has_length && self.has_encoding
    }

    pub(super) fn see(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (byte, self.part) {
                (_, Part::Over) => return,
                (b'\n', _) => self.end_line(),
                (b'\r', _) | (_, Part::Value) => {}
                (b':', _) => self.end_name(),
                (byte, _) => {
                    if let Some(place) = self.name.get_mut(self.length) {
                        *place = byte.to_ascii_lowercase();
                    }
                    self.length += 1;
                }
            }
        }
    }

    fn end_name(&mut self) {
        let name = self.name.get(..self.length);
        self.has_length |= name == Some(LENGTH);
        self.has_encoding |= name == Some(ENCODING);
        self.part = Part::Value;
    }

    fn end_line(&mut self) {
        self.part = match (self.part, self.length) {
            (Part::Start, 0) => Part::Start,
            (Part::Name, 0) => Part::Over,
            _ => Part::Name,
        };
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ambiguous(head: &str) -> bool {
        // In one piece and byte by byte.
        let [mut whole, mut parts] = [Framing::default(), Framing::default()];
        whole.see(head.as_bytes());
        head.bytes().for_each(|byte| parts.see(&[byte]));
        assert_eq!(whole.is_ambiguous(), parts.is_ambiguous());
        whole.is_ambiguous()
    }

    #[test]
    fn both_headers_in_one_head_are_seen_and_nothing_else_is() {
        let (length, encoding) = ("Content-Length: 3\r\n", "transfer-ENCODING: chunked\r\n");
        let get = "\r\nGET http://a/ HTTP/1.1\r\n";
        for (headers, expected) in [
            (format!("{length}host: a\r\n{encoding}"), true),
            (format!("{encoding}{length}"), true),
            (format!("{length}{length}"), false),
            (format!("{encoding}x: Content-Length: 3\r\n"), false),
            (format!("{encoding}x-content-length: 3\r\n"), false),
            (format!("{encoding}content-lengthy: 3\r\n"), false),
            (format!("{length}\r\n{encoding}"), false),
            (format!("{}: a\r\n{length}", "transfer-encoding".repeat(9)), false),
        ] {
            assert_eq!(is_ambiguous(&format!("{get}{headers}\r\n")), expected, "{headers}");
        }
    }
}
