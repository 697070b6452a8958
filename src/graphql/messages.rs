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
    let numbers: Vec<&str> = numbers(english).collect();
    let pattern = numbers.iter().fold(english.to_owned(), |text, n| text.replacen(n, "{}", 1));
    let message = (*messages.get(pattern.as_str())?).to_owned();
    Some(numbers.iter().fold(message, |text, number| text.replacen("{}", number, 1)))
}

/// The numbers that stand in a text, as digits.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn german(english: &str) -> Option<String> {
        translated(english, Language::German)
    }

    #[test]
    fn numbers_keep_their_places() {
        assert_eq!(german("Use at least 8 characters.").unwrap(), "Verwende mindestens 8 Zeichen.");
        let address = german(
            "Use an address of at most 254 characters, of which at most 64 stand before the @.",
        );
        let told = "Verwende eine Adresse mit höchstens 254 Zeichen, davon höchstens 64 vor dem @.";
        assert_eq!(address.unwrap(), told);
        assert_eq!(german("Use at least 8 of 10 characters."), None);
        assert_eq!(german("Please sign in").unwrap(), "Bitte melde dich an");
        assert_eq!(translated("Please sign in", Language::English), None);
    }

    #[test]
    fn every_message_is_there_once_with_as_many_numbers() {
        let places = |text: &str| text.matches("{}").count();
        for (english, german) in GERMAN {
            assert_eq!(places(english), places(german), "{english}");
            assert_eq!(numbers(english).count(), 0, "{english}");
            let times = GERMAN.iter().filter(|(other, _)| other == english).count();
            assert_eq!(times, 1, "{english}");
        }
    }
}
