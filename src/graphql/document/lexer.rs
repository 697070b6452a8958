//! Counts tokens and nesting in one pass, so that no parser ever sees what it might choke on.

/// What the lexer counted.
pub(super) struct Measured {
    pub(super) tokens: usize,
    pub(super) nesting: usize,
}

/// Measures `source`. What is no GraphQL is counted somehow: the parser will refuse it.
pub(super) fn measure(source: &str) -> Measured {
    let bytes = source.as_bytes();
    let mut measured = Measured { tokens: 0, nesting: 0 };
    let (mut at, mut open) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at = line_end(bytes, at);
                continue;
            }
            b'"' => string_end(bytes, at),
            b'{' | b'[' | b'(' => {
                open += 1;
                measured.nesting = measured.nesting.max(open);
                at + 1
            }
            b'}' | b']' | b')' => {
                open = open.saturating_sub(1);
                at + 1
            }
            b'.' if bytes[at..].starts_with(b"...") => at + 3,
            _ if is_word(byte) => word_end(bytes, at),
            _ => at + 1,
        };
        measured.tokens += 1;
        at = end;
    }
    measured
}

/// Names and numbers. A byte order mark joins them, which costs one token too many at most.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+') || !byte.is_ascii()
}

fn word_end(bytes: &[u8], from: usize) -> usize {
    let is_inner = |byte: &u8| is_word(*byte) || *byte == b'.';
    // `1...F` is a number and a spread; a name never holds a dot.
    let mut end = from + 1;
    while bytes.get(end).is_some_and(is_inner) && !bytes[end..].starts_with(b"...") {
        end += 1;
    }
    end
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = &bytes[from..];
    from + rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len())
}

/// The end of a string or block string; an unterminated one ends with its line or the document.
fn string_end(bytes: &[u8], from: usize) -> usize {
    if bytes[from..].starts_with(b"\"\"\"") {
        let mut at = from + 3;
        while at < bytes.len() {
            if bytes[at..].starts_with(b"\\\"\"\"") {
                at += 4;
            } else if bytes[at..].starts_with(b"\"\"\"") {
                return at + 3;
            } else {
                at += 1;
            }
        }
        return bytes.len();
    }
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\n' | b'\r' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}
