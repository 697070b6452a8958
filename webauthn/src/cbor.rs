//! CBOR as authenticators write it: the CTAP2 canonical form (CTAP 2.1, section 8), which has one encoding for each value.
//!
//! `ciborium` reads more than that. Each item is therefore written again and must be the same bytes, so integers and
//! lengths are as short as they can be, and no length is left open. Tags and floats, which no part of WebAuthn has, are refused.

pub(crate) use ciborium::Value;

/// Containers within each other (CTAP 2.1, section 8).
const DEPTH_MAX: usize = 4;
/// Entries of a map. Keys have five, and no authenticator knows as many extensions.
const ENTRIES_MAX: usize = 64;

/// Entries of a map, in their order.
pub(crate) type Entries = Vec<(Value, Value)>;

/// Reads the first item, and returns what follows it. `None` for anything that is not in canonical form.
pub(crate) fn first(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let mut rest = bytes;
    let value: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX).ok()?;
    let read = &bytes[..bytes.len() - rest.len()];
    let mut written = Vec::with_capacity(read.len());
    ciborium::into_writer(&value, &mut written).ok()?;
    (written == read && is_plain(&value)).then_some((value, rest))
}

/// Reads the first item, which must be a map.
pub(crate) fn first_map(bytes: &[u8]) -> Option<(Entries, &[u8])> {
    let (value, rest) = first(bytes)?;
    Some((value.into_map().ok()?, rest))
}

/// Reads a map that nothing follows.
pub(crate) fn map(bytes: &[u8]) -> Option<Entries> {
    first_map(bytes).filter(|(_, rest)| rest.is_empty()).map(|(entries, _)| entries)
}

/// Removes the value of a text key, so that it can be taken over without a copy.
pub(crate) fn take(entries: &mut Entries, name: &str) -> Option<Value> {
    let at = entries.iter().position(|(key, _)| key.as_text() == Some(name))?;
    Some(entries.swap_remove(at).1)
}

/// Whether it holds only what CTAP2 allows. The depth is bounded by the reader.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Integer(integer) => i64::try_from(*integer).is_ok(),
        Value::Bytes(_) | Value::Text(_) | Value::Bool(_) | Value::Null => true,
        Value::Array(items) => items.iter().all(is_plain),
        Value::Map(entries) => {
            entries.len() <= ENTRIES_MAX
                && entries.iter().enumerate().all(|(at, (key, value))| {
                    (key.is_integer() || key.is_text())
                        && entries[..at].iter().all(|(earlier, _)| earlier != key)
                        && is_plain(key)
                        && is_plain(value)
                })
        }
        // Floats and tags; the type is open to further kinds.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_items_are_read_and_the_rest_returned() {
        let (value, rest) = first(&[0x83, 0x01, 0x41, 0xff, 0x61, 0x61, 0x02]).unwrap();
        let items = vec![Value::from(1), Value::Bytes(vec![0xff]), Value::from("a")];
        assert_eq!(value, Value::Array(items));
        assert_eq!(rest, [0x02]);
        assert_eq!(map(&[0xa1, 0x01, 0x26]), Some(vec![(Value::from(1), Value::from(-7))]));
        assert_eq!(map(&[0xa0, 0x00]), None, "something follows");
        assert_eq!(map(&[0x80]), None, "no map");
    }

    #[test]
    fn anything_that_is_not_canonical_is_refused() {
        let refused: [(&str, &[u8]); 16] = [
            ("nothing", &[]),
            ("a length without bytes", &[0x42, 0x00]),
            ("a huge length", &[0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]),
            ("a huge array", &[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]),
            ("a long integer", &[0x18, 0x01]),
            ("a long length", &[0x58, 0x01, 0x00]),
            ("an open length", &[0x9f, 0x01, 0xff]),
            ("open bytes", &[0x5f, 0x41, 0x00, 0xff]),
            ("a tag", &[0xc0, 0x61, 0x61]),
            ("a bignum", &[0xc2, 0x41, 0x01]),
            ("a float", &[0xf9, 0x3c, 0x00]),
            ("undefined", &[0xf7]),
            ("a key twice", &[0xa2, 0x01, 0x01, 0x01, 0x02]),
            ("bytes as a key", &[0xa1, 0x41, 0x00, 0x01]),
            ("beyond 63 bits", &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            ("text that is not UTF-8", &[0x61, 0xff]),
        ];
        for (what, bytes) in refused {
            assert_eq!(first(bytes), None, "{what}");
        }
    }

    #[test]
    fn depth_and_entries_are_bounded() {
        assert!(first(&[0x81, 0x81, 0x81, 0x81, 0x00]).is_some());
        assert_eq!(first(&[0x81, 0x81, 0x81, 0x81, 0x81, 0x00]), None);
        assert_eq!(first(&[0x81; 4096]), None);
        let entries = |count: i64| {
            let entries = (0..count).map(|key| (Value::from(key), Value::Null)).collect();
            let mut bytes = Vec::new();
            ciborium::into_writer(&Value::Map(entries), &mut bytes).unwrap();
            bytes
        };
        assert!(map(&entries(64)).is_some());
        assert_eq!(map(&entries(65)), None);
    }
}
