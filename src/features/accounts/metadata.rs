//! What other programs keep with a user: two JSON objects, one that is shown with the user, and one that is not.
//!
//! They are written by those who may change users, and by nobody for themselves, so what they say can be relied on. A
//! change is a JSON Merge Patch (RFC 7396), made of the newest object under the lock of the user's row: two programs that
//! keep different entries leave each other's alone.

mod store;

use sea_orm::DbErr;
use serde_json::{Map, Value};

use super::administration::{AdminError, Capacity, Meeting};
use super::{Accounts, store as users};
use crate::features::audit::{Detail, kind};
use crate::features::change::{Fault, Record, Tx, with_fault};
use crate::infra::db::Db;
use crate::kernel::access::{Covers, User, permission};
use crate::kernel::acting::Acting;
use crate::kernel::id::UserId;
use crate::kernel::invalid::{Invalid, Problem, Reason};

/// Bytes of one object, as it is kept.
const BYTES_MAX: usize = 4_096;
/// Objects and lists inside each other, the outermost among them.
const DEPTH_MAX: usize = 8;

const TOO_LONG: Invalid = Invalid::too_long(BYTES_MAX, "Use at most 4096 bytes of JSON.");
const TOO_DEEP: Invalid =
    Invalid::new(Reason::InvalidFormat, "Nest objects and lists at most 8 levels deep.");

/// What is kept with a user: the text of a JSON object each, if it has entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) public: Option<String>,
    pub(crate) private: Option<String>,
}

/// What is to become of one of the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Patch {
    /// It stays as it is.
    Untouched,
    /// It is removed.
    Removed,
    /// These entries are merged into it; one that is null is removed.
    Merged(Map<String, Value>),
}

/// What is to become of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetadataChange {
    pub(crate) public: Patch,
    pub(crate) private: Patch,
}

/// Why metadata was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error("an object is invalid")]
    Invalid(Problem),
    /// The account may not be changed.
    #[error(transparent)]
    Account(AdminError),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(MetadataError);

impl From<AdminError> for MetadataError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Fault(fault) => Self::Fault(fault),
            AdminError::NotFound
            | AdminError::Forbidden(_)
            | AdminError::Uncovered(_)
            | AdminError::LastAdmin
            | AdminError::LastOwner
            | AdminError::SoleHeir
            | AdminError::Unverified
            | AdminError::Unchanged => Self::Account(error),
        }
    }
}

impl Accounts {
    /// What is kept with those of these users who have any.
    pub(crate) async fn find_metadata(
        db: &Db,
        users: &[UserId],
    ) -> Result<Vec<(UserId, Metadata)>, DbErr> {
        store::find(db.reader(), users).await
    }

    /// Changes what is kept with a user who may do no more than the caller.
    pub(crate) async fn update_metadata(
        &self,
        acting: Acting<'_>,
        covers: Covers,
        id: UserId,
        change: &MetadataChange,
    ) -> Result<User, MetadataError> {
        let update = async |tx: Tx<'_>| {
            let capacity = Capacity::Staff(covers);
            let Meeting { locked, actor } = self.meet(&tx, capacity, id).await?;
            let (actor, now) = (actor.as_ref(), tx.now());
            let target = locked.iter().find(|user| user.id == id).ok_or(AdminError::NotFound)?;
            let is_open_to = |actor: &User| actor.may(permission::USERS_WRITE, now);
            capacity.admit(actor, target, now, is_open_to)?;
            let kept = store::find(&tx, &[id]).await?.pop().map(|(_, kept)| kept);
            let before = kept.clone().unwrap_or_default();
            let after = Metadata {
                public: change.public.apply(before.public.as_deref(), "input.publicMetadata")?,
                private: change
                    .private
                    .apply(before.private.as_deref(), "input.privateMetadata")?,
            };
            let sees = capacity.sees(actor, target, now);
            if sees && after == before {
                return Ok(target.clone());
            }
            // Who does not see the user is not told by an error what is kept either: they write what is there once more.
            if change.is_empty() {
                return Err(AdminError::Unchanged.into());
            }
            match (kept.is_some(), after == Metadata::default()) {
                (false, true) => {}
                (false, false) => store::insert(&tx, id, &after).await?,
                (true, true) => store::delete(&tx, id).await?,
                (true, false) => store::update(&tx, id, &after).await?,
            }
            let user = User { updated_at: now, ..target.clone() };
            users::update_standing(&tx, &user).await?;
            let detail = Detail::of(&change.names().join(", "));
            tx.note(Record::of(kind::METADATA_UPDATED).about(id).in_detail(detail));
            Ok(tx.commit(user).await?)
        };
        self.changes.run("update metadata", acting, update).await
    }
}

impl MetadataChange {
    fn is_empty(&self) -> bool {
        self.names().is_empty()
    }

    /// The objects that it touches, as the schema calls them.
    fn names(&self) -> Vec<&'static str> {
        let both = [(&self.public, "publicMetadata"), (&self.private, "privateMetadata")];
        let touched = both.into_iter().filter(|(patch, _)| !patch.is_empty());
        touched.map(|(_, name)| name).collect()
    }
}

impl Patch {
    /// Whether it changes nothing, whatever is kept.
    fn is_empty(&self) -> bool {
        match self {
            Self::Untouched => true,
            Self::Removed => false,
            Self::Merged(entries) => entries.is_empty(),
        }
    }

    /// What an object becomes.
    fn apply(&self, kept: Option<&str>, at: &'static str) -> Result<Option<String>, MetadataError> {
        let patch = match self {
            Self::Untouched => return Ok(kept.map(str::to_owned)),
            Self::Removed => return Ok(None),
            Self::Merged(patch) => patch,
        };
        let read = kept.map(serde_json::from_str::<Map<_, _>>).transpose();
        let mut object = read.map_err(Fault::from)?.unwrap_or_default();
        merge(&mut object, patch);
        if object.is_empty() {
            return Ok(None);
        }
        if 1 + object.values().map(depth).max().unwrap_or(0) > DEPTH_MAX {
            return Err(MetadataError::Invalid(TOO_DEEP.at(at)));
        }
        let text = serde_json::to_string(&object).map_err(Fault::from)?;
        if text.len() > BYTES_MAX {
            return Err(MetadataError::Invalid(TOO_LONG.at(at)));
        }
        Ok(Some(text))
    }
}

/// Applies a JSON Merge Patch (RFC 7396, section 2).
fn merge(object: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(object.remove(name)),
            Value::Object(patch) => {
                let mut inner = match object.get_mut(name).map(Value::take) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                merge(&mut inner, patch);
                object.insert(name.clone(), Value::Object(inner));
            }
            value => drop(object.insert(name.clone(), value.clone())),
        }
    }
}

/// How deep a value nests; the documents and bodies it comes from are limited in that.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(kept: Value, patch: Value) -> Value {
        let (Value::Object(mut kept), Value::Object(patch)) = (kept, patch) else {
            panic!("objects")
        };
        merge(&mut kept, &patch);
        Value::Object(kept)
    }

    /// Those of its appendix A that are about objects.
    #[test]
    fn a_patch_does_what_rfc_7396_says() {
        for (kept, patch, result) in [
            (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
            (json!({ "a": "b" }), json!({ "a": null }), json!({})),
            (json!({ "a": "b", "b": "c" }), json!({ "a": null }), json!({ "b": "c" })),
            (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "c" }), json!({ "a": ["b"] }), json!({ "a": ["b"] })),
            (
                json!({ "a": { "b": "c" } }),
                json!({ "a": { "b": "d", "c": null } }),
                json!({ "a": { "b": "d" } }),
            ),
            (json!({ "a": [{ "b": "c" }] }), json!({ "a": [1] }), json!({ "a": [1] })),
            (json!({ "e": null }), json!({ "a": 1 }), json!({ "e": null, "a": 1 })),
            (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
        ] {
            assert_eq!(merged(kept, patch.clone()), result, "{patch}");
        }
    }

    #[test]
    fn an_object_has_a_size_and_a_depth() {
        let patched = |patch: Value| {
            let Value::Object(patch) = patch else { panic!("an object") };
            Patch::Merged(patch).apply(None, "input.publicMetadata")
        };
        let long = |length: usize| json!({ "a": "x".repeat(length - r#"{"a":""}"#.len()) });
        assert_eq!(patched(long(BYTES_MAX)).unwrap().unwrap().len(), BYTES_MAX);
        let refused = |patch| match patched(patch) {
            Err(MetadataError::Invalid(problem)) => problem.invalid,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(long(BYTES_MAX + 1)), TOO_LONG);
        // In bytes, and as JSON writes them.
        assert_eq!(refused(json!({ "a": "Ä".repeat(2_048) })), TOO_LONG);
        assert_eq!(refused(json!({ "a": "\n".repeat(2_048) })), TOO_LONG);
        let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
        assert!(patched(deep(DEPTH_MAX)).unwrap().is_some());
        assert_eq!(refused(deep(DEPTH_MAX + 1)), TOO_DEEP);
        let list = (2..DEPTH_MAX).fold(json!([]), |inner, _| json!([inner]));
        assert!(patched(json!({ "a": list })).unwrap().is_some());
        assert_eq!(refused(json!({ "a": [list] })), TOO_DEEP);
    }
}
