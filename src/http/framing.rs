//! Where a request's body ends must not be said twice (RFC 9112, section 6.3; HT-04).
//!
//! hyper believes `Transfer-Encoding`, drops `Content-Length` and closes the connection afterwards. No
//! router sees any more that a proxy in front may have read the request in another way. So the bytes
//! are watched as they come in, through heads and bodies, and each request is compared with what was
//! watched: hyper must have found a head where the watcher found one, and a body as long. Where the
//! two differ, or where the watcher is lost, the request is refused and is the last of its connection.

mod chunks;

use self::chunks::{Chunks, Progress};

/// Marks a request whose end is not said once and clearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

const LENGTH: &[u8] = b"content-length";
const ENCODING: &[u8] = b"transfer-encoding";

/// Watches the bytes of a connection go by.
#[derive(Debug, Default)]
pub(super) struct Framing {
    part: Part,
    /// The name of the header that is coming in; longer ones are none of the two.
    name: [u8; ENCODING.len()],
    /// How much of the line has come in, up to the colon.
    length: usize,
    head: Head,
    /// How the last whole head says that its body ends, until its request is compared with it.
    told: Option<Result<Body, Ambiguous>>,
}

/// Where in a request its bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// Before the request line, where empty lines are allowed.
    #[default]
    Start,
    /// In a line, before the colon.
    Name,
    /// In a line, behind the colon.
    Value,
    /// Behind `Content-Length`'s colon.
    Length,
    /// In a body of which so much is to come.
    Body(u64),
    Chunks(Chunks),
    /// Behind something that cannot be followed. hyper closes the connection, or is made to.
    Lost,
}

/// What the head that is coming in has said so far.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    lengths: u8,
    encodings: u8,
    length: u64,
    /// The length is no number.
    is_unclear: bool,
}

/// How a body's end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Sized(u64),
    Chunked,
}

impl Head {
    fn body(self) -> Result<Body, Ambiguous> {
        match (self.lengths, self.encodings) {
            (0, 0) => Ok(Body::Sized(0)),
            (1, 0) if !self.is_unclear => Ok(Body::Sized(self.length)),
            (0, 1) => Ok(Body::Chunked),
            _ => Err(Ambiguous),
        }
    }

    fn add_to_length(&mut self, byte: u8) {
        if matches!(byte, b' ' | b'\t' | b'\r') {
            return;
        }
        let digit = char::from(byte).to_digit(10);
        let longer = digit.and_then(|digit| {
            self.length.checked_mul(10).and_then(|length| length.checked_add(digit.into()))
        });
        match longer {
            Some(longer) => self.length = longer,
            None => self.is_unclear = true,
        }
    }
}

impl Framing {
    /// Follows the bytes as far as a request goes, and says how many of them that is: what is
    /// behind belongs to the next one.
    pub(super) fn see(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (seen, is_over) = self.advance(rest);
            at += seen;
            if is_over {
                break;
            }
        }
        at
    }

    /// Compares a request with the head that was watched. hyper says the length of its body, or
    /// `None` when that comes in chunks.
    pub(super) fn judge(&mut self, length: Option<u64>) -> Result<(), Ambiguous> {
        match (self.told.take(), length) {
            (Some(Ok(Body::Sized(told))), Some(length)) if told == length => Ok(()),
            (Some(Ok(Body::Chunked)), None) => Ok(()),
            _ => {
                self.part = Part::Lost;
                Err(Ambiguous)
            }
        }
    }

    /// Whether a request has begun that has not been compared yet.
    pub(super) fn has_begun(&self) -> bool {
        let is_in_head = match self.part {
            Part::Start => self.length > 0,
            Part::Name | Part::Value | Part::Length => true,
            Part::Body(_) | Part::Chunks(_) | Part::Lost => false,
        };
        is_in_head || self.told.is_some()
    }

    /// Follows at least one byte, and says how many, and whether the request is over.
    fn advance(&mut self, bytes: &[u8]) -> (usize, bool) {
        match &mut self.part {
            Part::Lost => (bytes.len(), false),
            Part::Body(left) => {
                let seen = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= seen as u64;
                let is_over = *left == 0;
                if is_over {
                    self.part = Part::Start;
                }
                (seen, is_over)
            }
            Part::Chunks(chunks) => match chunks.see(bytes) {
                Progress::More => (bytes.len(), false),
                Progress::Over(seen) => {
                    self.part = Part::Start;
                    (seen, true)
                }
                Progress::Broken => {
                    self.part = Part::Lost;
                    (bytes.len(), false)
                }
            },
            Part::Start | Part::Name | Part::Value | Part::Length => self.advance_in_head(bytes),
        }
    }

    fn advance_in_head(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (at, byte) in bytes.iter().enumerate() {
            match (byte, self.part) {
                (b'\n', _) => {
                    if self.end_line() {
                        return (at + 1, self.part == Part::Start);
                    }
                }
                (byte, Part::Length) => self.head.add_to_length(*byte),
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
        (bytes.len(), false)
    }

    fn end_name(&mut self) {
        let name = self.name.get(..self.length);
        self.part = Part::Value;
        if name == Some(LENGTH) {
            self.head.lengths = self.head.lengths.saturating_add(1);
            self.part = Part::Length;
        } else if name == Some(ENCODING) {
            self.head.encodings = self.head.encodings.saturating_add(1);
        }
    }

    /// Whether the line was the head's last.
    fn end_line(&mut self) -> bool {
        let is_empty = self.length == 0;
        self.length = 0;
        match self.part {
            Part::Start if is_empty => false,
            Part::Name if is_empty => {
                self.end_head();
                true
            }
            _ => {
                self.part = Part::Name;
                false
            }
        }
    }

    fn end_head(&mut self) {
        let body = std::mem::take(&mut self.head).body();
        self.part = match body {
            // hyper has not asked about the head before this one, so it read that in another way.
            _ if self.told.is_some() => Part::Lost,
            Ok(Body::Sized(0)) => Part::Start,
            Ok(Body::Sized(length)) => Part::Body(length),
            Ok(Body::Chunked) => Part::Chunks(Chunks::default()),
            Err(Ambiguous) => Part::Lost,
        };
        self.told = Some(if self.part == Part::Lost { Err(Ambiguous) } else { body });
    }
}

#[cfg(test)]
mod tests;
