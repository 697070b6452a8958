//! Names under which a stranger could pass for the service or its staff, or take one of its mailboxes
//! (RS-12).
//!
//! Names are compared by what a reader takes them for: without case, accents and separators, with
//! letters of other scripts and digits as the letters that they resemble.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_security::confusable_detection::skeleton;

use crate::platform::invalid::{Invalid, Reason};

/// What whoever chooses such a name is told.
pub(crate) const RESERVED: Invalid = Invalid::new(
    Reason::Reserved,
    "Choose another name: this one could be taken for the service or its staff.",
);

/// Reserved wherever they stand in a name.
const ANYWHERE: [&str; 3] = ["portcullis", "security", "support"];

/// Reserved where a word of a name begins or ends with them. Inside of words, and across them, they occur
/// by chance: in "badminton", and in "conrad.minelli".
const IN_WORDS: [&str; 1] = ["admin"];

/// Reserved as the whole name.
const WHOLE: [&str; 26] = [
    "abuse",
    "account",
    "anonymous",
    "api",
    "auth",
    "billing",
    "everyone",
    "graphql",
    "guest",
    "help",
    "hostmaster",
    "login",
    "moderator",
    "nobody",
    "noreply",
    "null",
    "official",
    "operator",
    "owner",
    "postmaster",
    "root",
    "staff",
    "superuser",
    "system",
    "webmaster",
    "admin",
];

/// Shorter than this, what follows a host's first label is no site's name but one such as `co.uk`.
const DOMAIN_LENGTH_MIN: usize = 7;

/// Whether a name looks like the service's, which is at `host`.
pub(crate) fn is_reserved(name: &str, host: &str) -> bool {
    let whole = fold(name);
    let domain = host.split_once('.').map(|(_, domain)| domain);
    let domain = domain.filter(|domain| domain.contains('.') && domain.len() >= DOMAIN_LENGTH_MIN);
    let mut anywhere = ANYWHERE.into_iter().chain([host]).chain(domain);
    anywhere.any(|part| whole.contains(&fold(part)))
        || WHOLE.into_iter().any(|reserved| whole == fold(reserved))
        || words(name).any(|word| {
            let mut parts = IN_WORDS.into_iter().map(fold);
            parts.any(|part| word.starts_with(&part) || word.ends_with(&part))
        })
}

fn words(name: &str) -> impl Iterator<Item = String> {
    let name: String = name.nfkc().collect();
    let is_inside = |c: char| c.is_alphanumeric() || is_combining_mark(c) || letter(c) != c;
    let words: Vec<_> = name.split(|c| !is_inside(c)).map(fold).collect();
    words.into_iter()
}

/// What is left of a name when all that looks alike is the same.
fn fold(name: &str) -> String {
    let lower = name.nfkc().collect::<String>().to_lowercase();
    let alike: String = skeleton(&lower).collect::<String>().to_lowercase();
    alike.nfd().map(letter).filter(|c| c.is_alphanumeric()).collect()
}

/// The letter that a character stands for in names such as `4dm1n`.
fn letter(character: char) -> char {
    match character {
        '0' => 'o',
        '1' | 'l' | '!' | '|' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "auth.example.com";

    #[test]
    fn names_of_the_service_and_its_staff_are_reserved_however_they_are_spelt() {
        for name in [
            "admin",
            "Admin1",
            "4dm1n",
            "a.d-m_i.n",
            "admin-team",
            "it.admins",
            "SysAdmin",
            "Administrator",
            "support",
            "acme_support",
            "TheSupportTeam",
            "s.u.p.p.o.r.t",
            "5upp0rt",
            "security-alert",
            "Secur1ty",
            "port-cullis",
            "P0RTCU11IS",
            "auth.example.com",
            "auth-example-com",
            "example.com",
            "team.ExampIe.com",
            "root",
            "r00t",
            "no-reply",
            "NoReply",
        ] {
            assert!(is_reserved(name, HOST), "{name}");
        }
    }

    #[test]
    fn look_alikes_of_other_scripts_are_reserved_too() {
        for name in [
            "Аdmin",               // a Cyrillic A
            "Ѕuрроrt",             // Cyrillic again
            "ａｄｍｉｎ",          // full width
            "Ádmïn",               // accents
            "a\u{200d}dmin",       // a joiner
            "Acme Sеcurity GmbH",  // a Cyrillic e
            "example。com",        // a full stop that a browser takes for a dot
            "The 𝐚𝐝𝐦𝐢𝐧 of us all", // mathematical letters
            "@dm!n",
            "$upport",
        ] {
            assert!(is_reserved(name, HOST), "{name}");
        }
    }

    #[test]
    fn names_of_people_and_companies_are_free() {
        for name in [
            "alice",
            "conrad.minelli",
            "Konrad Min",
            "badminton-club",
            "Badminton Club 07",
            "Root & Branch",
            "helpful",
            "Systema",
            "example",
            "Łukasz",
            "王小明",
            "O'Brien",
        ] {
            assert!(!is_reserved(name, HOST), "{name}");
        }
    }

    #[test]
    fn a_public_suffix_is_nobodys_site() {
        assert!(
            !is_reserved("jaco.uk", "example.co.uk") && is_reserved("my-localhost", "localhost")
        );
    }
}
