//! What people are told of errors, in their language: English where an error is made, and the others here, by the English text.

mod german;

use std::collections::HashMap;
use std::sync::LazyLock;

use self::german::GERMAN;
use crate::kernel::access::Language;

/// A message in another language; `None` if it stays as it is, as those for programmers and an extension's do.
pub(crate) fn translated(english: &str, language: Language) -> Option<String> {
    static OF_GERMAN: LazyLock<HashMap<&str, &str>> =
        LazyLock::new(|| GERMAN.iter().copied().collect());
    let messages = match language {
        Language::English => return None,
        Language::German => &*OF_GERMAN,
    };
    let values: Vec<&str> = values(english).collect();
    let pattern = values.iter().fold(english.to_owned(), |text, n| text.replacen(n, "{}", 1));
    let message = (*messages.get(pattern.as_str())?).to_owned();
    Some(values.iter().fold(message, |text, value| text.replacen("{}", value, 1)))
}

/// What is not to be translated in a text: numbers, and names such as `USERS_READ`.
fn values(text: &str) -> impl Iterator<Item = &str> {
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(move |c| !is_of_name(c));
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    words.filter(move |word| !word.is_empty() && (word.contains('_') || is_number(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::rule::Rule;

    fn german(english: &str) -> Option<String> {
        translated(english, Language::German)
    }

    #[test]
    fn numbers_and_names_keep_their_places() {
        assert_eq!(german("Use at least 8 characters.").unwrap(), "Verwende mindestens 8 Zeichen.");
        let address =
            german("Use an address of at most 254 characters, with at most 64 before the @.");
        let told = "Verwende eine Adresse mit höchstens 254 Zeichen, davon höchstens 64 vor dem @.";
        assert_eq!(address.unwrap(), told);
        assert_eq!(german("Use at least 8 of 10 characters."), None);
        let needed = german("This needs the permission USERS_READ.");
        assert_eq!(needed.unwrap(), "Das braucht die Berechtigung USERS_READ.");
        assert_eq!(german("Please sign in.").unwrap(), "Bitte melde dich an.");
        assert_eq!(translated("Please sign in.", Language::English), None);
    }

    #[test]
    fn what_each_rule_needs_is_said_in_german() {
        for needed in Rule::all().skip(1).map(|rule| format!("This needs {rule}.")) {
            assert!(german(&needed).is_some(), "{needed}");
        }
    }

    #[test]
    fn every_message_is_there_once_with_as_many_numbers() {
        let places = |text: &str| text.matches("{}").count();
        for (english, german) in GERMAN {
            assert_eq!(places(english), places(german), "{english}");
            assert_eq!(values(english).count(), 0, "{english}");
            let times = GERMAN.iter().filter(|(other, _)| other == english).count();
            assert_eq!(times, 1, "{english}");
        }
    }
}
