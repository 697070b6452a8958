//! One table of `PROVIDERS_FILE`, read key by key.

use std::path::PathBuf;

use secrecy::SecretString;
use strum::VariantArray;
use toml::{Table, Value};

use super::super::super::read_text;
use super::super::Reader;

pub(super) const FILE: &str = "PROVIDERS_FILE";
const TEXT_LENGTH_MAX: usize = 2048;

/// Takes one value after the other; what is left then, nobody knows.
pub(super) struct TableReader<'r> {
    pub(super) id: String,
    pub(super) values: Table,
    pub(super) folder: PathBuf,
    pub(super) reader: &'r mut Reader,
}

impl TableReader<'_> {
    /// What a file holds that lies where it is said, or beside `PROVIDERS_FILE`.
    pub(super) fn secret_in(&mut self, key: &str, file: &str) -> Option<SecretString> {
        let file = self.folder.join(file);
        let name = format!("{FILE}: [{}] {key}", self.id);
        self.reader.note_secret_file(name, &file);
        match read_text(&file) {
            Ok(text) => {
                let text = text.trim_end_matches(['\r', '\n']);
                if text.is_empty() {
                    self.refuse_key(key, "is empty");
                }
                Some(text.into())
            }
            Err(unreadable) => {
                self.refuse_key(key, &unreadable.to_string());
                None
            }
        }
    }

    pub(super) fn required_text(&mut self, key: &str) -> String {
        if !self.values.contains_key(key) {
            self.refuse_key(key, "is required for this kind");
        }
        self.text(key).unwrap_or_default()
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.values.remove(key)? {
            Value::String(text) if is_text(&text) => Some(text),
            _ => {
                let must = format!(
                    "must be text of 1 to {TEXT_LENGTH_MAX} characters without spaces around"
                );
                self.refuse_key(key, &must);
                None
            }
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.values.remove(key) {
            None => false,
            Some(Value::Boolean(flag)) => flag,
            Some(_) => {
                self.refuse_key(key, "must be true or false");
                false
            }
        }
    }

    pub(super) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let text = |value: Value| match value {
            Value::String(text) if is_text(&text) => Some(text),
            _ => None,
        };
        let list = match self.values.remove(key)? {
            Value::Array(values) => values.into_iter().map(text).collect(),
            _ => None,
        };
        if list.is_none() {
            self.refuse_key(key, "must be a list of texts");
        }
        list
    }

    /// One of an enum's variants, by its name.
    pub(super) fn choice<T>(&mut self, key: &str) -> Option<T>
    where
        T: VariantArray + Into<&'static str> + Copy,
    {
        let value = self.values.remove(key)?;
        let chosen = T::VARIANTS.iter().copied().find(|&one| Some(one.into()) == value.as_str());
        if chosen.is_none() {
            self.refuse_key(key, &format!("must be {}", names::<T>()));
        }
        chosen
    }

    pub(super) fn refuse_key(&mut self, key: &str, problem: &str) {
        self.reader.refuse(format!("{FILE}: [{}] {key} {problem}", self.id));
    }
}

/// The names of an enum's variants.
pub(super) fn names<T>() -> String
where
    T: VariantArray + Into<&'static str> + Copy,
{
    let names: Vec<&str> = T::VARIANTS.iter().map(|&one| one.into()).collect();
    names.join(" or ")
}

/// Whether a text is one line without anything around it.
pub(super) fn is_text(text: &str) -> bool {
    (1..=TEXT_LENGTH_MAX).contains(&text.len())
        && text.trim() == text
        && !text.contains(char::is_control)
}
