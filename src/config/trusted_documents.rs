//! The documents that the operator has registered (`DOCUMENTS_FILE`): front ends name them by an id or by their SHA-256, and
//! with `DOCUMENTS=trusted` the server runs no others.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::infra::entries::Entries;
use crate::kernel::secret::{hex, sha256};

/// What an id may begin with that is the SHA-256 of a document, as GraphQL over HTTP writes it.
const BY_DIGEST: &str = "sha256:";

/// Registered documents. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedDocuments(Arc<Registered>);

/// Those of the account pages, which run whatever the operator registers.
static OF_PAGES: LazyLock<TrustedDocuments> =
    LazyLock::new(|| TrustedDocuments::parse(portcullis_web::DOCUMENTS).unwrap_or_default());

#[derive(Debug, Default)]
struct Registered {
    by_id: HashMap<String, Arc<str>>,
    /// By their SHA-256 in hexadecimal digits.
    by_digest: HashMap<String, Arc<str>>,
}

/// Why a file holds no documents. It names a document by its id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoDocuments {
    #[error("is not valid JSON: {0}")]
    NotJson(String),
    #[error(
        "must be a map from ids to documents, or a manifest of Apollo with a list `operations`"
    )]
    Shape,
    #[error("has no text for the document {0:?}")]
    NoText(String),
    #[error("has two documents with the id {0:?}")]
    Repeated(String),
    #[error("has the document {0:?}, but that id is the SHA-256 of another document")]
    Contradictory(String),
}

impl TrustedDocuments {
    /// Reads what Relay and GraphQL Code Generator write, a map from ids to documents; or what Apollo's tools write, a list of
    /// operations with an `id` and a `body`.
    pub(crate) fn parse(json: &str) -> Result<Self, NoDocuments> {
        let file: Entries<Value> =
            serde_json::from_str(json).map_err(|error| match error.is_data() {
                true => NoDocuments::Shape,
                false => NoDocuments::NotJson(error.to_string()),
            })?;
        let mut registered = Registered::default();
        match file.0.iter().find(|(name, _)| name == "operations") {
            Some((_, Value::Array(operations))) => {
                for operation in operations {
                    let id = operation["id"].as_str().ok_or(NoDocuments::Shape)?;
                    registered.add(id, &operation["body"])?;
                }
            }
            _ => file.0.iter().try_for_each(|(id, text)| registered.add(id, text))?,
        }
        registered.check()?;
        Ok(Self(Arc::new(registered)))
    }

    /// The document of an id, or of a SHA-256 in hexadecimal digits.
    pub(crate) fn find(&self, id: &str) -> Option<&str> {
        let Registered { by_id, by_digest } = &*self.0;
        let named = by_id.get(id).or_else(|| {
            let digits = id.strip_prefix(BY_DIGEST).unwrap_or(id);
            by_digest.get(&digits.to_ascii_lowercase())
        });
        named.map(|text| &**text)
    }

    /// Whether a document is one of them, to the byte.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.0.by_digest.contains_key(&hex(&sha256(text.as_bytes())))
    }

    /// Those of the account pages.
    pub(crate) fn of_pages() -> &'static Self {
        &OF_PAGES
    }

    /// All of them, with their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.by_id.iter().map(|(id, text)| (&**id, &**text))
    }

    /// Whether the operator has registered no document.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.by_id.is_empty()
    }
}

impl Registered {
    fn add(&mut self, id: &str, text: &Value) -> Result<(), NoDocuments> {
        let text = text.as_str().filter(|text| !text.is_empty() && !id.is_empty());
        let text: Arc<str> = text.ok_or_else(|| NoDocuments::NoText(id.to_owned()))?.into();
        self.by_digest.insert(hex(&sha256(text.as_bytes())), Arc::clone(&text));
        match self.by_id.insert(id.to_owned(), text) {
            None => Ok(()),
            Some(_) => Err(NoDocuments::Repeated(id.to_owned())),
        }
    }

    /// Refuses an id that means one document by itself, and another by its digest.
    fn check(&self) -> Result<(), NoDocuments> {
        let is_wrong = |(id, text): &(&String, &Arc<str>)| {
            let digits = id.strip_prefix(BY_DIGEST);
            let meant = self.by_digest.get(&digits.unwrap_or(id).to_ascii_lowercase());
            // After the prefix there is nothing but a digest.
            meant.map_or(digits.is_some(), |other| other != *text)
        };
        match self.by_id.iter().find(is_wrong) {
            None => Ok(()),
            Some((id, _)) => Err(NoDocuments::Contradictory(id.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "{ me { id } }";

    #[test]
    fn the_documents_of_the_account_pages_can_be_read() {
        let file = TrustedDocuments::parse(portcullis_web::DOCUMENTS).unwrap();
        assert!(!file.is_empty());
        assert!(file.iter().all(|(id, text)| id == hex(&sha256(text.as_bytes()))));
        assert!(file.iter().all(|(_, text)| TrustedDocuments::of_pages().has(text)));
        assert!(!TrustedDocuments::of_pages().has(ME));
    }

    #[test]
    fn documents_are_found_by_id_and_by_digest_in_both_forms_of_a_file() {
        let digest = "5ad1b6f1cb2bd9bb0d3c11a4de1b4e1eb2ed0d8d";
        for file in [
            format!(r#"{{"first": "{ME}", "{digest}": "{{ __typename }}"}}"#),
            format!(
                r#"{{"format":"apollo-persisted-query-manifest","version":1,"operations":[
                    {{"id":"first","name":"Me","type":"query","body":"{ME}"}},
                    {{"id":"{digest}","name":"T","type":"query","body":"{{ __typename }}"}}]}}"#
            ),
        ] {
            let documents = TrustedDocuments::parse(&file).unwrap();
            let sha256 = hex(&sha256(ME.as_bytes()));
            for id in ["first", &sha256, &format!("sha256:{sha256}"), &sha256.to_uppercase()] {
                assert_eq!(documents.find(id), Some(ME), "{id}");
            }
            assert_eq!(documents.find(digest), Some("{ __typename }"));
            for id in ["", "second", "sha256:", "sha256:first", &sha256[1..], "é"] {
                assert_eq!(documents.find(id), None, "{id}");
            }
            assert!(documents.has(ME) && !documents.has("{ me { id }}"));
        }
    }

    #[test]
    fn what_is_no_list_of_documents_is_refused() {
        for (file, refused) in [
            ("[]", NoDocuments::Shape),
            (r#"{"operations": [{"body": "{ a }"}]}"#, NoDocuments::Shape),
            (r#"{"operations": [1]}"#, NoDocuments::Shape),
            (r#"{"a": 1}"#, NoDocuments::NoText("a".into())),
            (r#"{"": "{ a }"}"#, NoDocuments::NoText(String::new())),
            (r#"{"a": "{ a }", "a": "{ b }"}"#, NoDocuments::Repeated("a".into())),
            (r#"{"a": ""}"#, NoDocuments::NoText("a".into())),
            (r#"{"operations": [{"id": "a"}]}"#, NoDocuments::NoText("a".into())),
            (
                r#"{"operations": [{"id": "a", "body": "b"}, {"id": "a", "body": "c"}]}"#,
                NoDocuments::Repeated("a".into()),
            ),
        ] {
            assert_eq!(TrustedDocuments::parse(file).unwrap_err(), refused, "{file}");
        }
        assert!(matches!(TrustedDocuments::parse("{"), Err(NoDocuments::NotJson(_))));
        let digest = hex(&sha256(ME.as_bytes()));
        let prefixed = format!("sha256:{digest}");
        assert!(TrustedDocuments::parse(&format!(r#"{{"{prefixed}": "{ME}"}}"#)).is_ok());
        for (id, file) in [
            (&digest, format!(r#"{{"{digest}": "{{ other }}", "me": "{ME}"}}"#)),
            (&prefixed, format!(r#"{{"{prefixed}": "{{ other }}", "me": "{ME}"}}"#)),
            (&prefixed, format!(r#"{{"{prefixed}": "{{ other }}"}}"#)),
        ] {
            let contradictory = NoDocuments::Contradictory(id.clone());
            assert_eq!(TrustedDocuments::parse(&file).unwrap_err(), contradictory, "{file}");
        }
    }
}
