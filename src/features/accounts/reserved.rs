//! Names under which a stranger could pass for the service or its staff, or take one of its mailboxes
//! (RS-12).
//!
//! Names are compared by what a reader takes them for: without case, accents and separators, with
//! letters of other scripts and digits as the letters that they resemble, or without the digits.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_security::confusable_detection::skeleton;
use url::Host;

use crate::kernel::invalid::{Invalid, Reason};

/// What whoever chooses such a name is told.
pub(crate) const RESERVED: Invalid = Invalid::new(
    Reason::Reserved,
    "Choose another name: this one looks like the service or its staff.",
);

/// The error for a username that looks like a website's address.
pub(super) const HOST_LIKE: Invalid =
    Invalid::new(Reason::Reserved, "Choose another name: this one looks like a website address.");

/// Reserved wherever they stand in a name.
const ANYWHERE: [&str; 8] = [
    "customerservice",
    "helpdesk",
    "kundendienst",
    "kundenservice",
    "portcullis",
    "security",
    "servicedesk",
    "support",
];

/// Reserved where a word of a name begins or ends with them. Inside of words, and across them, they occur
/// by chance: in "badminton", and in "conrad.minelli".
const IN_WORDS: [&str; 1] = ["admin"];

/// Reserved as the whole name.
const WHOLE: [&str; 31] = [
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
    "itdepartment",
    "itservice",
    "itservices",
    "itteam",
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
    "service",
    "staff",
    "superuser",
    "system",
    "webmaster",
    "admin",
];

/// The top-level domains under which readers expect a site. Others are names of people as often: in "andrew.ng",
/// "bo.li", "anna.le" and "jimmy.page".
const TOP_LEVELS: [&str; 90] = [
    "ae", "ai", "ar", "at", "au", "be", "bg", "br", "ca", "cc", "ch", "cl", "cn", "co", "cz", "de",
    "dk", "ee", "es", "eu", "fi", "fm", "fr", "gg", "gr", "hk", "hr", "ie", "in", "io", "ir", "it",
    "jp", "ke", "kr", "lt", "lv", "ly", "me", "mx", "nl", "no", "nz", "ph", "pk", "pl", "pt", "ro",
    "rs", "ru", "se", "sg", "sk", "tr", "tv", "tw", "ua", "uk", "us", "vn", "ws", "za", "app",
    "biz", "blog", "cloud", "club", "com", "dev", "edu", "email", "gov", "icu", "info", "int",
    "live", "mil", "mov", "net", "online", "org", "shop", "site", "store", "tech", "top", "vip",
    "website", "xyz", "zip",
];

/// Shorter than this, what follows a host's first label is no site's name but one such as `co.uk`.
const DOMAIN_LENGTH_MIN: usize = 7;

/// Whether a name looks like the service's, which is at `host`.
pub(crate) fn is_reserved(name: &str, host: &str) -> bool {
    let whole = signs(name);
    // Nobody passes for an address of digits: read as letters, `[::1]` stands in most names.
    let host = Some(host).filter(|host| matches!(Host::parse(host), Ok(Host::Domain(_))));
    let domain = host.and_then(|host| host.split_once('.')).map(|(_, domain)| domain);
    let domain = domain.filter(|domain| domain.contains('.') && domain.len() >= DOMAIN_LENGTH_MIN);
    let mut anywhere = ANYWHERE.into_iter().chain(host).chain(domain);
    anywhere.any(|part| reads(&whole, part, Place::Anywhere))
        || WHOLE.into_iter().any(|reserved| reads(&whole, reserved, Place::Whole))
        || words(name).any(|word| {
            let mut parts = IN_WORDS.into_iter();
            parts.any(|part| reads(&word, part, Place::Beginning) || reads(&word, part, Place::End))
        })
}

/// Whether a username reads as the address of a site. Mail programs make links of such names, too.
pub(super) fn is_host_like(username: &str) -> bool {
    let Some((begin, last)) = username.rsplit_once('.') else { return false };
    // Two letters that look like others are some other country's, or a name.
    let is_top_level =
        |top: &str| last.eq_ignore_ascii_case(top) || top.len() > 2 && fold(last) == fold(top);
    let first = begin.split('.').next().unwrap_or_default();
    first.eq_ignore_ascii_case("www") || TOP_LEVELS.into_iter().any(is_top_level)
}

/// Where in a name a word stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Beginning,
    End,
    Whole,
}

/// A character of a name that is folded. A reader may take a digit for a letter, or overlook it.
struct Sign {
    letter: char,
    is_digit: bool,
}

/// Whether a word can be read in a name.
fn reads(name: &[Sign], word: &str, place: Place) -> bool {
    let word: Vec<char> = fold(word).chars().collect();
    let begins_anywhere = matches!(place, Place::Anywhere | Place::End);
    let ends_anywhere = matches!(place, Place::Anywhere | Place::Beginning);
    // For each number of the word's letters, whether those before the sign can be read as them.
    let mut read = vec![false; word.len() + 1];
    read[0] = true;
    for sign in name {
        // The longest first, which follow from shorter ones before this sign.
        for count in (0..=word.len()).rev() {
            let is_next = count > 0 && read[count - 1] && word[count - 1] == sign.letter;
            let is_outside = count == 0 && begins_anywhere || count == word.len() && ends_anywhere;
            read[count] = is_next || read[count] && (sign.is_digit || is_outside);
        }
    }
    read[word.len()]
}

fn words(name: &str) -> impl Iterator<Item = Vec<Sign>> {
    let name: String = name.nfkc().collect();
    let is_inside = |c: char| c.is_alphanumeric() || is_combining_mark(c) || letter(c) != c;
    let words: Vec<_> = name.split(|c| !is_inside(c)).map(signs).collect();
    words.into_iter()
}

/// The characters of a name, each as what is left of it when all that looks alike is the same.
fn signs(name: &str) -> Vec<Sign> {
    let name = name.nfkc().collect::<String>().to_lowercase();
    let signs = name.chars().flat_map(|character| {
        let is_digit = character.is_numeric();
        let letters: Vec<_> = fold(&character.to_string()).chars().collect();
        letters.into_iter().map(move |letter| Sign { letter, is_digit })
    });
    signs.collect()
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
    fn a_host_without_a_name_reserves_none() {
        for host in ["[::1]", "127.0.0.1", "[2001:db8::1]"] {
            for name in ["alice", "paul", "127.0.0.1", "l"] {
                assert!(!is_reserved(name, host), "{name} at {host}");
            }
            assert!(is_reserved("support", host));
        }
    }

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
            "helpdesk",
            "Acme Help Desk",
            "service-desk.acme",
            "it-service",
            "IT Service",
            "it.services",
            "it-support",
            "it_team",
            "customer.service",
            "kundenservice",
            "service",
        ] {
            assert!(is_reserved(name, HOST), "{name}");
        }
    }

    #[test]
    fn digits_free_no_reserved_name() {
        for name in [
            "helpdesk1",
            "1helpdesk",
            "help24",
            "help24desk",
            "root1",
            "r00t2",
            "r0o1t",
            "no-reply-007",
            "no2reply",
            "it-service2",
            "2it4service6",
            "Billing 2",
            "ad1min",
            "adm1n1",
            "1adm9in8-team",
            "sup2port",
            "5upp0rt5",
            "acme-se3cur1ty",
            "port99cullis",
            "exam1ple.com",
            "auth.example.com2",
            "help１２", // full width
        ] {
            assert!(is_reserved(name, HOST), "{name}");
        }
        for name in ["alice1", "1234", "7", "r2d2", "0190", "b2admonish", "help2you", "24root7beer"]
        {
            assert!(!is_reserved(name, HOST), "{name}");
        }
    }

    #[test]
    fn a_username_that_reads_as_the_address_of_a_site_is_told_from_a_name() {
        for name in [
            "paypal.com",
            "PayPal.Com",
            "www.paypal.com",
            "paypaI.c0m",
            "my-bank.co.uk",
            "a.de",
            "login_bank.io",
            "paypal.com.login.net",
            "bank.online",
            "bank.zip",
            "www.evil.example",
        ] {
            assert!(is_host_like(name), "{name}");
        }
        for name in [
            "kim.lee",
            "anna.de.vries",
            "alice",
            "com",
            "j.r.r.tolkien",
            "com.alice",
            "alice-com",
            "alice_com",
            "bo.li",
            "andrew.ng",
            "anna.le",
            "jimmy.page",
            "www",
            "wwwilma.lee",
            "alice.7",
            "dot.community",
            "maria.del.mar",
            "lee.b",
        ] {
            assert!(!is_host_like(name), "{name}");
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
            "kim.lee",
            "anna.de.vries",
            "Services & Sons",
            "The Spit Service Station",
            "visit.servicetta",
            "rooty",
            "Help the Aged",
            "Teamwork",
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
