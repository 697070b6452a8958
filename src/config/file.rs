//! Small files that the operator writes: `.env`, and the files that settings name.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// More than any secret, or any set of settings, takes up.
const LENGTH_MAX: u64 = 64 * 1024;
/// More than the documents of a large front end.
const LONG_LENGTH_MAX: u64 = 8 * 1024 * 1024;

/// What some editors write at the beginning of a file. Files that are put together have it further on.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a file cannot be used. It names a line, and never what stands there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Refused(ErrorKind),
    NoFile,
    TooLong { length_max: u64 },
    ByteOrderMark { line: usize },
    Utf16 { line: usize },
    NotText { line: usize },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(kind) => write!(f, "cannot be read: {kind}"),
            Self::NoFile => f.write_str("must be a regular file, not a folder, pipe or device"),
            Self::TooLong { length_max } => {
                write!(f, "must not exceed {} KiB", length_max / 1024)
            }
            Self::ByteOrderMark { line } => {
                write!(f, "has a byte order mark in line {line}: save it as UTF-8 without one")
            }
            Self::Utf16 { line } => {
                write!(f, "is UTF-16 from line {line} on: save it as UTF-8")
            }
            Self::NotText { line } => {
                write!(f, "is not text in UTF-8 in line {line}: save it as UTF-8")
            }
        }
    }
}

/// The whole text of a file. A pipe is not opened, since it could wait for its writer for ever, and
/// a device or a large file is not read to its end.
pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>, Unreadable> {
    read(path, LENGTH_MAX)
}

/// The same of a file that may be longer.
pub(super) fn read_long_text(path: &Path) -> Result<Zeroizing<String>, Unreadable> {
    read(path, LONG_LENGTH_MAX)
}

/// The bytes of a file, under the same conditions.
pub(super) fn read_bytes(path: &Path, length_max: u64) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let refused = |error: io::Error| Unreadable::Refused(error.kind());
    if !fs::metadata(path).map_err(refused)?.is_file() {
        return Err(Unreadable::NoFile);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(refused)?;
    file.take(length_max + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > length_max {
        return Err(Unreadable::TooLong { length_max });
    }
    Ok(bytes)
}

fn read(path: &Path, length_max: u64) -> Result<Zeroizing<String>, Unreadable> {
    let bytes = read_bytes(path, length_max)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| error.valid_up_to());
    // No variable can hold a NUL. UTF-16 without a mark has them.
    let wrong = text.map_or_else(Some, |text| text.find(['\0', BYTE_ORDER_MARK]));
    if let Some(place) = wrong {
        let (before, rest) = bytes.split_at(place);
        let line = before.split(|byte| *byte == b'\n').count();
        return Err(if text.is_ok() && !rest.starts_with(b"\0") {
            Unreadable::ByteOrderMark { line }
        } else if is_utf16(rest) {
            Unreadable::Utf16 { line }
        } else {
            Unreadable::NotText { line }
        });
    }
    Ok(Zeroizing::new(text.unwrap_or_default().to_owned()))
}

/// Whether bytes that are no text begin with the byte order mark of UTF-16, or every other one of them is
/// NUL, as in what it makes of English.
fn is_utf16(bytes: &[u8]) -> bool {
    let nuls = bytes.split(|byte| *byte == 0).count() - 1;
    bytes.starts_with(b"\xFF\xFE")
        || bytes.starts_with(b"\xFE\xFF")
        || nuls > 1 && nuls * 2 >= bytes.len()
}
