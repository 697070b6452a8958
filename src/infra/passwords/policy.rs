//! Which passwords are accepted: long enough, not on the attackers' lists, not the account's own
//! name.
//!
//! There are no rules about kinds of characters, and nothing is trimmed or folded: after NFC, which
//! makes the keyboards of two systems agree on an accented letter, every code point counts and is
//! significant, U+0000 included.
//!
//! The common passwords are a sorted file in the binary, not an estimator. zxcvbn explains its own
//! list away as words, dates and names (it named 88 % of it, and 37 % of Django's, as common
//! passwords), and needs half a second for some texts of 128 characters, which anybody may send.

use std::{borrow::Cow, cmp::Ordering, fmt};

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::kernel::invalid::{Invalid, Reason};

/// The most code points that a password may have.
pub(crate) const LENGTH_MAX: usize = 128;

/// Counts the text as it was sent, so that a huge one is refused before any work is done.
const BYTES_MAX: usize = 1_024;

/// Nobody may use the product's name as a password, whatever the host is called.
const PRODUCT: &str = "portcullis";

/// Common passwords of 8 characters and more, in lower case, one a line, in byte order.
///
/// The union of the lists of Django 5.2 (BSD-3-Clause) and zxcvbn 3.1 (MIT), and of the entries of
/// zxcvbn-ts 4.1 (MIT) with 12 characters and more; without nine entries that were damaged text.
const COMMON: &str = include_str!("common.txt");

const TOO_LONG: Invalid = Invalid::too_long(LENGTH_MAX, "Use at most 128 characters.");

/// A password as it is hashed: in NFC, of bounded length, hidden from logs and wiped from memory
/// when dropped.
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    /// Normalises a password, and refuses one that nobody can have.
    ///
    /// Login uses this alone: a password that an earlier [`PasswordPolicy`] accepted must still open its
    /// account.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > BYTES_MAX {
            return Err(TOO_LONG);
        }
        let password = Self(nfc(text.chars(), text.len()));
        if password.length() > LENGTH_MAX {
            return Err(TOO_LONG);
        }
        Ok(password)
    }

    /// What is hashed.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn length(&self) -> usize {
        self.0.chars().count()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What a new password must not repeat, because an attacker knows it already.
#[derive(Clone, Copy)]
pub(crate) struct Identity<'a> {
    /// The account's username.
    pub(crate) username: &'a str,
    /// The account's whole address; the part before the `@` is refused too.
    pub(crate) email: &'a str,
    /// The name of the host that serves this API, without a port.
    pub(crate) host: &'a str,
}

impl Identity<'_> {
    /// Whether the whole password is one of the names; a passphrase that merely holds one is
    /// nobody's first guess.
    fn names(&self, folded_password: &str) -> bool {
        let local_part =
            self.email.rsplit_once('@').map_or(self.email, |(local_part, _)| local_part);
        [self.username, self.email, local_part, self.host, PRODUCT]
            .iter()
            .any(|name| *fold(name) == folded_password)
    }
}

/// The rules for a new password; an old one is never held against them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PasswordPolicy {
    /// The fewest code points a password may have. The configuration refuses less than 8.
    pub(crate) length_min: usize,
}

impl PasswordPolicy {
    /// Refuses a password that is short, common, or known to whoever knows the account.
    pub(crate) fn check(self, password: &Password, identity: &Identity<'_>) -> Result<(), Invalid> {
        if password.length() < self.length_min {
            let message = Cow::Owned(format!("Use at least {} characters.", self.length_min));
            return Err(Invalid { message, ..Invalid::too_short(self.length_min, "") });
        }
        let folded = fold(&password.0);
        if identity.names(&folded) {
            const MESSAGE: &str =
                "Use a password that is not your name, your address or the name of this service.";
            return Err(Invalid::new(Reason::ContainsIdentity, MESSAGE));
        }
        if is_common(&folded) {
            const MESSAGE: &str = "This password is on the lists that attackers try first. A few \
                                   uncommon words in a \
                                   row are easier to remember and harder to guess.";
            return Err(Invalid::new(Reason::TooCommon, MESSAGE));
        }
        Ok(())
    }
}

/// Looks a folded password up in the list by halving the text itself, so that nothing is built at
/// start.
fn is_common(folded_password: &str) -> bool {
    let mut rest = COMMON;
    while !rest.is_empty() {
        let middle = rest.floor_char_boundary(rest.len() / 2);
        let line_start = rest[..middle].rfind('\n').map_or(0, |newline| newline + 1);
        let (before, from_line) = rest.split_at(line_start);
        let (line, after) = from_line.split_once('\n').unwrap_or((from_line, ""));
        match folded_password.cmp(line) {
            Ordering::Less => rest = before,
            Ordering::Equal => return true,
            Ordering::Greater => rest = after,
        }
    }
    false
}

/// The form in which passwords and names are compared with each other; it is never stored or
/// hashed.
fn fold(text: &str) -> Zeroizing<String> {
    nfc(text.chars().flat_map(char::to_lowercase), text.len())
}

/// Collects the NFC form of characters that come from `bytes` bytes of text.
fn nfc(characters: impl Iterator<Item = char>, bytes: usize) -> Zeroizing<String> {
    // NFC at most triples UTF-8. Room for that is taken at once, because a string that grows leaves
    // behind a copy of its beginning that nothing wipes.
    let mut text = Zeroizing::new(String::with_capacity(3 * bytes));
    text.extend(characters.nfc());
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDENTITY: Identity<'_> = Identity {
        username: "Alice.Smith",
        email: "asmith01@Example.com",
        host: "auth.example.com",
    };

    fn password(text: &str) -> Password {
        match Password::parse(text) {
            Ok(password) => password,
            Err(invalid) => panic!("refused: {invalid:?}"),
        }
    }

    /// Why a policy of at least `length_min` characters refuses `text`.
    fn refusal_above(length_min: usize, text: &str) -> Option<Reason> {
        let checked = Password::parse(text)
            .and_then(|password| PasswordPolicy { length_min }.check(&password, &IDENTITY));
        checked.err().map(|invalid| invalid.reason)
    }

    fn refusal(text: &str) -> Option<Reason> {
        refusal_above(8, text)
    }

    /// `length` letters that are on no list.
    fn letters(length: usize) -> String {
        "wqmzvkxj".chars().cycle().take(length).collect()
    }

    #[test]
    fn lengths_from_8_to_128_are_accepted_and_those_beside_them_refused() {
        assert_eq!(refusal(&letters(7)), Some(Reason::TooShort));
        for length in [8, 14, 15, 64, 72, 73, 127, 128] {
            assert_eq!(refusal(&letters(length)), None, "{length}");
        }
        assert_eq!(refusal(&letters(129)), Some(Reason::TooLong));
    }

    #[test]
    fn a_higher_minimum_is_kept_and_told() {
        assert_eq!(refusal_above(15, &letters(14)), Some(Reason::TooShort));
        assert_eq!(refusal_above(15, &letters(15)), None);
        let checked = PasswordPolicy { length_min: 15 }.check(&password("short"), &IDENTITY);
        assert_eq!(
            checked.err().map(|invalid| invalid.message),
            Some("Use at least 15 characters.".into())
        );
    }

    #[test]
    fn an_emoji_counts_once() {
        assert_eq!(refusal_above(15, &"🦀".repeat(14)), Some(Reason::TooShort));
        assert_eq!(refusal_above(15, &"🦀".repeat(15)), None);
        assert_eq!(refusal(&"🦀".repeat(128)), None);
        assert_eq!(refusal(&"🦀".repeat(129)), Some(Reason::TooLong));
    }

    #[test]
    fn a_combining_sequence_counts_as_what_it_composes_to() {
        assert_eq!(refusal_above(15, &"e\u{301}".repeat(14)), Some(Reason::TooShort));
        assert_eq!(refusal_above(15, &"e\u{301}".repeat(15)), None);
        assert_eq!(refusal(&"e\u{301}".repeat(128)), None);
        // There is no composed x with an acute accent, so both code points stay.
        assert_eq!(refusal_above(15, &"x\u{301}".repeat(8)), None);
    }

    #[test]
    fn a_megabyte_is_refused_and_so_is_one_byte_too_many() {
        assert_eq!(refusal(&"x".repeat(1 << 20)), Some(Reason::TooLong));
        assert_eq!(refusal(&"x".repeat(BYTES_MAX + 1)), Some(Reason::TooLong));
    }

    #[test]
    fn composed_and_decomposed_letters_are_one_password() {
        assert_eq!(password("caf\u{e9} noir").as_bytes(), password("cafe\u{301} noir").as_bytes());
        assert_ne!(password("caf\u{e9} noir").as_bytes(), password("cafe noir").as_bytes());
    }

    #[test]
    fn what_nfc_keeps_apart_stays_apart() {
        assert_ne!(password("\u{ff21}pple pie").as_bytes(), password("Apple pie").as_bytes());
        assert_ne!(password("Apple pie").as_bytes(), password("apple pie").as_bytes());
    }

    #[test]
    fn spaces_around_are_significant() {
        assert_eq!(password(" two words ").as_bytes(), b" two words ");
    }

    #[test]
    fn a_zero_character_is_significant_and_ends_nothing() {
        assert_eq!(password("abc\0defgh").as_bytes(), b"abc\0defgh");
        assert_ne!(password("abc\0defgh").as_bytes(), password("abc\0xyzuv").as_bytes());
        assert_eq!(refusal("abc\0defgh"), None);
    }

    #[test]
    fn login_takes_a_password_that_the_policy_would_refuse() {
        assert_eq!(password("old").as_bytes(), b"old");
        assert_eq!(password("password").as_bytes(), b"password");
        assert_eq!(password("").as_bytes(), b"");
    }

    #[test]
    fn the_list_is_in_order_and_long_enough() {
        let entries: Vec<&str> = COMMON.lines().collect();
        assert!(
            entries.is_sorted_by(|before, after| before < after),
            "sorted, and each entry once"
        );
        assert!(entries.len() >= 3_000, "{}", entries.len());
        assert!(entries.iter().all(|entry| entry.chars().count() >= 8 && *fold(entry) == *entry));
    }

    #[test]
    fn every_entry_of_the_list_is_refused_in_either_case() {
        for entry in COMMON.lines() {
            assert_eq!(refusal(entry), Some(Reason::TooCommon), "{entry}");
            assert_eq!(refusal(&entry.to_uppercase()), Some(Reason::TooCommon), "{entry}");
        }
    }

    #[test]
    fn entries_of_15_characters_and_more_are_refused_under_a_higher_minimum() {
        let long = |entry: &&str| entry.chars().count() >= 15;
        assert!(COMMON.lines().filter(long).count() >= 50);
        assert!(
            COMMON
                .lines()
                .filter(long)
                .all(|entry| refusal_above(15, entry) == Some(Reason::TooCommon))
        );
        assert_eq!(refusal_above(15, "1qaz2wsx3edc4rfv"), Some(Reason::TooCommon));
    }

    #[test]
    fn a_passphrase_that_merely_holds_a_common_password_is_accepted() {
        assert_eq!(refusal("password"), Some(Reason::TooCommon));
        assert_eq!(refusal("my password is a heron"), None);
        assert_eq!(refusal(" password"), None);
        assert_eq!(refusal("all lower case words"), None);
    }

    #[test]
    fn names_of_the_account_and_the_service_are_refused_in_any_case() {
        for name in [
            "alice.smith",
            "ALICE.SMITH",
            "asmith01@example.com",
            "ASmith01",
            "auth.Example.com",
            "Portcullis",
        ] {
            assert_eq!(refusal(name), Some(Reason::ContainsIdentity), "{name}");
        }
    }

    #[test]
    fn a_passphrase_that_merely_holds_a_name_is_accepted() {
        for text in
            ["alice.smith@x.example", "alice.smith likes herons", "portcullis!", "smith.alice"]
        {
            assert_eq!(refusal(text), None, "{text}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        assert_eq!(format!("{:?}", password("correct horse")), "Password(..)");
    }

    proptest! {
        #[test]
        fn every_normal_form_of_a_text_is_judged_and_hashed_alike(text in "\\PC{0,40}") {
            let decomposed: String = text.nfd().collect();
            let (sent, hashed) = (password(&decomposed), password(&text));
            prop_assert_eq!(refusal(&decomposed), refusal(&text));
            prop_assert_eq!(sent.as_bytes(), hashed.as_bytes());
        }

        #[test]
        fn no_password_outgrows_the_room_taken_for_it(text in "\\PC{0,128}") {
            prop_assert!(nfc(text.chars(), text.len()).len() <= 3 * text.len());
            prop_assert!(fold(&text).len() <= 3 * text.len());
        }
    }
}
