//! The JSON of a file as it stands there: members in their order, and those that are named twice too.

use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::{Deserialize as DeriveDeserialize, Serialize, Serializer};
use serde_json::Value;

use crate::infra::entries::Entries;

/// A template before it is understood.
#[derive(Clone, Debug, DeriveDeserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Source {
    List(Vec<Source>),
    Object(Members),
    /// Neither a list nor an object.
    Plain(Value),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// The members of an object.
#[derive(Clone, Debug)]
pub(super) struct Members(pub(super) Vec<(String, Source)>);

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, source)| (name, source)))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Entries::deserialize(deserializer).map(|Entries(members)| Self(members))
    }
}
