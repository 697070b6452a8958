//! What is accepted and what is refused, side by side.

use proptest::prelude::*;

use super::*;

/// The key of a username, or why it is refused.
fn username(text: &str) -> Result<String, Reason> {
    Username::parse(text).map(|username| username.key).map_err(|invalid| invalid.reason)
}

/// The key of an address, or why it is refused.
fn email(text: &str) -> Result<String, Reason> {
    Email::parse(text).map(|email| email.key).map_err(|invalid| invalid.reason)
}

fn full_name(text: &str) -> Result<Option<String>, Reason> {
    FullName::parse(text).map(|name| name.map(|name| name.0)).map_err(|invalid| invalid.reason)
}

#[test]
fn the_description_of_usernames_has_their_lengths() {
    let lengths = format!("{USERNAME_LENGTH_MIN} to {USERNAME_LENGTH_MAX} ASCII letters");
    assert!(username_rules!().starts_with(&lengths), "{lengths}");
}

#[test]
fn usernames_have_3_to_64_characters() {
    assert_eq!(username("ab"), Err(Reason::TooShort));
    assert_eq!(username("abc").as_deref(), Ok("abc"));
    assert_eq!(username(&"a".repeat(64)), Ok("a".repeat(64)));
    assert_eq!(username(&"a".repeat(65)), Err(Reason::TooLong));
    assert_eq!(username(&"a".repeat(1 << 20)), Err(Reason::TooLong));
}

#[test]
fn usernames_are_letters_digits_dots_underscores_and_hyphens() {
    assert_eq!(username("a.b_c-9").as_deref(), Ok("a.b_c-9"));
    for text in
        ["a b", "a@b", " abc", "abc ", "abc\n", "a\0b", "älice", "a\u{ff42}c", "a\u{200d}bc", "a/b"]
    {
        assert_eq!(username(text), Err(Reason::InvalidFormat), "{text:?}");
    }
}

#[test]
fn usernames_begin_and_end_with_a_letter_or_digit() {
    assert_eq!(username("1a2").as_deref(), Ok("1a2"));
    for text in [".abc", "abc.", "_abc", "abc_", "-abc", "abc-", "..."] {
        assert_eq!(username(text), Err(Reason::InvalidFormat), "{text:?}");
    }
}

#[test]
fn a_username_is_kept_as_typed_and_compared_in_lower_case() {
    let alice =
        Username::parse("Alice.S").map(|name| (name.as_str().to_owned(), name.key().to_owned()));
    assert_eq!(alice, Ok(("Alice.S".to_owned(), "alice.s".to_owned())));
}

#[test]
fn an_address_keeps_what_was_typed_and_is_compared_in_lower_case() {
    let parsed = Email::parse(" Al.Ice+tag@EXAMPLE.com \n")
        .map(|email| (email.as_typed().to_owned(), email.key));
    assert_eq!(
        parsed,
        Ok(("Al.Ice+tag@EXAMPLE.com".to_owned(), "al.ice+tag@example.com".to_owned()))
    );
}

#[test]
fn an_international_domain_is_one_name_in_either_form() {
    let key = Ok("info@xn--bcher-kva.example");
    for text in [
        "info@bücher.example",
        "info@BÜCHER.example",
        "info@bu\u{308}cher.example",
        "info@XN--Bcher-kva.example",
    ] {
        assert_eq!(email(text).as_deref(), key, "{text}");
    }
    assert_eq!(email("info@xn--bücher.example"), Err(Reason::InvalidFormat));
}

#[test]
fn an_international_local_part_is_normalised_and_keeps_its_marks() {
    assert_eq!(email("JOSE\u{301}@example.com").as_deref(), Ok("jos\u{e9}@example.com"));
    assert_eq!(email("संपर्क@example.com").as_deref(), Ok("संपर्क@example.com"));
    assert_eq!(email("\u{130}pek@example.com").as_deref(), Ok("i\u{307}pek@example.com"));
    // There is a composed ǰ, but no composed capital of it.
    assert_eq!(email("J\u{30c}@example.com").as_deref(), Ok("\u{1f0}@example.com"));
}

#[test]
fn what_other_software_may_take_for_another_address_is_refused() {
    for text in [
        "alice\u{ff20}example.com",
        "alice@evil.example\u{ff20}example.com",
        "alice\u{fe6b}example.com",
        "\u{ff41}lice@example.com",
        "alice@\u{ff45}xample.com",
        "alice@example\u{ff0e}com",
        "\u{fb01}n@example.com",
        // The signs of kelvin and angstrom, which are composed into letters.
        "\u{212a}ay@example.com",
        "\u{212b}sa@example.com",
        "alice@\u{212a}.example.com",
    ] {
        assert_eq!(email(text), Err(Reason::InvalidFormat), "{text:?}");
    }
}

#[test]
fn control_invisible_and_turning_characters_are_refused() {
    for character in [
        '\0', '\r', '\n', '\t', ' ', '\u{7f}', '\u{85}', '\u{200b}', '\u{200d}', '\u{202e}',
        '\u{2028}', '\u{feff}',
    ] {
        for text in
            [format!("al{character}ice@example.com"), format!("alice@exam{character}ple.com")]
        {
            assert_eq!(email(&text), Err(Reason::InvalidFormat), "{text:?}");
        }
    }
    assert_eq!(email("a@example.com\r\nBcc: b@example.com"), Err(Reason::InvalidFormat));
}

#[test]
fn only_a_bare_address_is_an_address() {
    for text in [
        "",
        "@",
        "alice",
        "alice@",
        "@example.com",
        "a@b@example.com",
        "\"a b\"@example.com",
        "\"alice\"@example.com",
        "Alice <alice@example.com>",
        "<alice@example.com>",
        "alice(home)@example.com",
        ".alice@example.com",
        "alice.@example.com",
        "al..ice@example.com",
        "a,b@example.com",
        "a\\b@example.com",
    ] {
        assert_eq!(email(text), Err(Reason::InvalidFormat), "{text:?}");
    }
}

#[test]
fn only_a_name_in_the_dns_is_a_domain() {
    for text in [
        "alice@localhost",
        "alice@[127.0.0.1]",
        "alice@127.0.0.1",
        "alice@[IPv6:::1]",
        "alice@example.com.",
        "alice@.example.com",
        "alice@example..com",
        "alice@-example.com",
        "alice@example-.com",
        "alice@exa_mple.com",
        "alice@example.com:25",
        "alice@exam%70le.com",
    ] {
        assert_eq!(email(text), Err(Reason::InvalidFormat), "{text:?}");
    }
    assert_eq!(email("alice@mail-1.example.co.uk").as_deref(), Ok("alice@mail-1.example.co.uk"));
}

#[test]
fn addresses_have_at_most_254_octets_and_64_before_the_at() {
    let local_part = "a".repeat(64);
    let domain = |length: usize| {
        format!(
            "{}.{}",
            ["b".repeat(62), "c".repeat(62), "d".repeat(60)].join("."),
            "e".repeat(length)
        )
    };
    assert!(email(&format!("{local_part}@{}", domain(2))).is_ok());
    let longest = format!("{local_part}@{}", domain(254 - 64 - 1 - 187));
    assert_eq!((longest.len(), email(&longest)), (254, Ok(longest.clone())));
    assert_eq!(email(&format!("{longest}e")), Err(Reason::TooLong));
    assert_eq!(email(&format!("{local_part}a@example.com")), Err(Reason::TooLong));
    assert_eq!(
        email(&format!("{}@example.com", "Ⱥ".repeat(32))),
        Err(Reason::TooLong),
        "64 octets, 96 in lower case"
    );
    assert_eq!(
        email(&format!("{local_part}@{}com", "ü.".repeat(24))),
        Err(Reason::TooLong),
        "140 octets, 260 with A-labels"
    );
    assert_eq!(email(&"a".repeat(1 << 20)), Err(Reason::TooLong));
}

#[test]
fn a_full_name_is_trimmed_and_normalised_and_may_be_none() {
    assert_eq!(full_name("  Jose\u{301} García\u{a0}\n"), Ok(Some("José García".to_owned())));
    assert_eq!(full_name("山田　太郎"), Ok(Some("山田　太郎".to_owned())));
    assert_eq!(full_name(""), Ok(None));
    assert_eq!(full_name(" \t\u{3000}"), Ok(None));
}

#[test]
fn full_names_have_at_most_100_characters() {
    assert_eq!(full_name(&"é".repeat(100)), Ok(Some("é".repeat(100))));
    assert_eq!(full_name(&"e\u{301}".repeat(100)), Ok(Some("é".repeat(100))));
    assert_eq!(full_name(&"é".repeat(101)), Err(Reason::TooLong));
    assert_eq!(full_name(&"é".repeat(1 << 20)), Err(Reason::TooLong));
}

#[test]
fn full_names_show_what_they_hold() {
    for character in [
        '\0',
        '\r',
        '\n',
        '\t',
        '\u{1b}',
        '\u{85}',
        '\u{ad}',
        '\u{200b}',
        '\u{200e}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{3164}',
        '\u{feff}',
        '\u{e0041}',
    ] {
        assert_eq!(
            full_name(&format!("Al{character}ice")),
            Err(Reason::InvalidFormat),
            "{character:?}"
        );
    }
    assert_eq!(full_name("O'Brien-Smith, Jr. 🦀"), Ok(Some("O'Brien-Smith, Jr. 🦀".to_owned())));
}

#[test]
fn joiners_are_kept_inside_a_word_and_refused_beside_it() {
    assert_eq!(full_name("علی\u{200c}رضا"), Ok(Some("علی\u{200c}رضا".to_owned())));
    for text in [
        "\u{200d}",
        "Alice\u{200c}",
        "\u{200d}Alice",
        "Al\u{200c}\u{200d}ice",
        "Alice \u{200c}Smith",
    ] {
        assert_eq!(full_name(text), Err(Reason::InvalidFormat), "{text:?}");
    }
}

#[test]
fn an_identifier_is_a_key_whatever_was_typed() {
    assert_eq!(Identifier::parse(" Alice "), Identifier::Username("alice".to_owned()));
    assert_eq!(Identifier::parse("ADMIN"), Identifier::Username("admin".to_owned()));
    assert_eq!(
        Identifier::parse(" Alice@BÜCHER.example"),
        Identifier::Email("alice@xn--bcher-kva.example".to_owned())
    );
}

#[test]
fn a_malformed_identifier_is_an_unknown_one() {
    for text in ["", "a", "alice@", "a@b@example.com", "alice\u{ff20}example.com", "alice\0"] {
        assert_eq!(Identifier::parse(text), Identifier::Unknown(text.to_owned()), "{text:?}");
    }
    assert!(matches!(Identifier::parse(&"a".repeat(1 << 20)), Identifier::Unknown(_)));
    assert!(matches!(Identifier::parse(&"a@".repeat(1 << 20)), Identifier::Unknown(_)));
}

proptest! {
    #[test]
    fn the_key_of_a_username_is_its_own_key(text in "[A-Za-z0-9][A-Za-z0-9._-]{1,62}[A-Za-z0-9]") {
        let key = username(&text);
        prop_assert!(key.is_ok());
        prop_assert_eq!(key.clone().and_then(|key| username(&key)), key);
    }

    #[test]
    fn the_key_of_an_address_is_its_own_key(
        text in "[\\pL\\pM\\pN.+]{1,10}@[\\pL\\pM\\pN-]{1,6}\\.(com|ΣΑΣ|한국)",
    ) {
        if let Ok(key) = email(&text) {
            prop_assert_eq!(email(&key), Ok(key));
        }
    }

    #[test]
    fn case_that_is_no_pair_keeps_keys_stable(
        text in "[ÉİıßẞΣςÅǅa-zA-Z\u{300}-\u{30c}]{1,8}@[äöüßA-Z]{1,6}\\.de",
    ) {
        if let Ok(key) = email(&text) {
            prop_assert_eq!(email(&key), Ok(key));
        }
    }

    #[test]
    fn no_parser_panics_or_lets_a_control_through(
        text in "\\PC{0,8}[\\r\\n\0\u{202e}@.]{0,3}\\PC{0,8}",
    ) {
        let identifier = Identifier::parse(&text);
        if let Ok(email) = Email::parse(&text) {
            prop_assert!(!email.as_typed().contains(char::is_control));
            prop_assert_eq!(identifier, Identifier::Email(email.key));
        }
        if let Ok(Some(name)) = FullName::parse(&text) {
            prop_assert!(!name.as_str().contains(char::is_control));
        }
    }
}
