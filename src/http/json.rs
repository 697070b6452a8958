//! JSON in which no map names a key twice: whoever checked the request in front of us may have
//! believed the other one. And of which there is not so much that it fills the memory: a number
//! takes two bytes of a body, and sixteen times that once it is read.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The most values that variables, or extensions, hold.
pub(super) const VALUES_MAX: u32 = 1_000;
/// A map takes as much room as so many other values.
const VALUES_OF_A_MAP: u32 = 3;

/// How many values may still be read.
#[derive(Debug)]
pub(super) struct Room {
    left: Cell<u32>,
    is_exceeded: Cell<bool>,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: Cell::new(VALUES_MAX), is_exceeded: Cell::new(false) }
    }
}

impl Room {
    /// Whether reading ended for want of it.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    fn take<E: Error>(&self, values: u32) -> Result<(), E> {
        let Some(left) = self.left.get().checked_sub(values) else {
            self.is_exceeded.set(true);
            return Err(E::custom("too many values"));
        };
        self.left.set(left);
        Ok(())
    }
}

/// Reads a map, strict through and through, or null as an empty one.
pub(super) struct StrictMap<'a>(pub(super) &'a Room);

impl<'de> DeserializeSeed<'de> for StrictMap<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        match Strict(self.0).deserialize(from)? {
            Value::Object(map) => Ok(map),
            Value::Null => Ok(Map::new()),
            _ => Err(D::Error::custom("not a map")),
        }
    }
}

#[derive(Clone, Copy)]
struct Strict<'a>(&'a Room);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.0.take(1)?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.0.take(VALUES_OF_A_MAP - 1)?;
        let mut read = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if read.insert(key, entries.next_value_seed(self)?).is_some() {
                return Err(A::Error::custom("a key is repeated"));
            }
        }
        Ok(Value::Object(read))
    }
}

/// What is known of extensions that have been checked to be a strict map, and not been kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    /// The hash of a document, as Apollo's clients send it in `persistedQuery`.
    pub(super) sha256_hash: Option<String>,
}

/// Checks extensions.
pub(super) struct Checked<'a>(pub(super) &'a Room);

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = Extensions;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Extensions, D::Error> {
        self.0.take(1)?;
        from.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = Extensions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_none<E: Error>(self) -> Result<Extensions, E> {
        Ok(Extensions::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Extensions, D::Error> {
        from.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Extensions, A::Error> {
        let mut sha256_hash = None;
        check_map(self.0, entries, |key, entries| {
            if key != "persistedQuery" {
                return entries.next_value_seed(CheckedValue(self.0));
            }
            // Whatever else it says, it means a document that is not sent along.
            let asked = entries.next_value_seed(Strict(self.0))?;
            sha256_hash = Some(asked["sha256Hash"].as_str().unwrap_or_default().to_owned());
            Ok(())
        })?;
        Ok(Extensions { sha256_hash })
    }
}

/// Checks what stands inside of extensions.
#[derive(Clone, Copy)]
struct CheckedValue<'a>(&'a Room);

impl<'de> DeserializeSeed<'de> for CheckedValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.0.take(1)?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CheckedValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _value: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _value: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _value: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _value: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        check_map(self.0, entries, |_, entries| entries.next_value_seed(self))
    }
}

/// Checks that a map's keys differ, and their values by `check`.
fn check_map<'de, A: MapAccess<'de>>(
    room: &Room,
    mut entries: A,
    mut check: impl FnMut(&str, &mut A) -> Result<(), A::Error>,
) -> Result<(), A::Error> {
    room.take(VALUES_OF_A_MAP - 1)?;
    let mut keys = BTreeSet::new();
    while let Some(key) = entries.next_key::<String>()? {
        check(&key, &mut entries)?;
        if !keys.insert(key) {
            return Err(A::Error::custom("a key is repeated"));
        }
    }
    Ok(())
}

/// Passes over a value that nobody asked for.
pub(super) fn ignore<'de, A: MapAccess<'de>>(entries: &mut A) -> Result<(), A::Error> {
    entries.next_value::<IgnoredAny>().map(drop)
}
