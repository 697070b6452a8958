//! The values that string literals stand for.

/// The character that the escape sequence at the beginning of `text` stands for, and its length in
/// bytes. `text` begins with a backslash.
pub(super) fn unescape(text: &str) -> Option<(char, usize)> {
    let value = match text.as_bytes().get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return code_point(&text[2..]).map(|(value, length)| (value, length + 2)),
        _ => return None,
    };
    Some((value, 2))
}

/// What follows `\u`: digits in braces, four digits, or two surrogates of four digits each.
fn code_point(text: &str) -> Option<(char, usize)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (digits, _) = braced.split_once('}')?;
        return Some((char::from_u32(hexadecimal(digits)?)?, digits.len() + 2));
    }
    let first = code_unit(text)?;
    if let Some(value) = char::from_u32(first.into()) {
        return Some((value, 4));
    }
    let second = code_unit(text[4..].strip_prefix("\\u")?)?;
    let value = char::decode_utf16([first, second]).next()?.ok()?;
    Some((value, 10))
}

fn code_unit(text: &str) -> Option<u16> {
    u16::try_from(hexadecimal(text.get(..4)?)?).ok()
}

/// `from_str_radix` alone would take a sign too.
fn hexadecimal(digits: &str) -> Option<u32> {
    let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_number.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The value of a block string between its quotes: without the indent that its lines share, and
/// without the blank lines around it. Its first line stands behind the quotes, and shares nothing.
pub(super) fn block(raw: &str) -> String {
    let raw = raw.replace("\\\"\"\"", "\"\"\"");
    let lines: Vec<&str> = raw.split("\r\n").flat_map(|part| part.split(['\r', '\n'])).collect();
    let written = |line: &&str| indent(line) < line.len();
    let shared = lines.iter().skip(1).copied().filter(written).map(indent).min().unwrap_or(0);
    let Some(first) = lines.iter().position(written) else { return String::new() };
    let last = lines.iter().rposition(written).unwrap_or(first);
    let mut value = String::new();
    for (index, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        if index > first {
            value.push('\n');
        }
        // A blank line may be shorter than the indent.
        value.push_str(if index == 0 { line } else { line.get(shared..).unwrap_or_default() });
    }
    value
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}
