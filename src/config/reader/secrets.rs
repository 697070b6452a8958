//! The settings that are secret, each from its variable or from a file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::super::{SECRET_LENGTH_MIN, SecretFile, Settings, read_text};
use super::Reader;
use crate::infra::db::{Address, AddressError, sqlite_file, sqlite_url};

/// Surprising characters in a secret. A random one of 32 hexadecimal digits has 25 of them, give or take two,
/// and in ten million fewer than this.
const SURPRISES_MIN: usize = 12;
/// Surprising bytes in what a secret encodes: 16 random ones have 15 or 16.
const ENCODED_SURPRISES_MIN: usize = 8;
/// How much of a secret is judged.
const JUDGED_MAX: usize = 512;
/// A run of so many characters that stood in the text before is no surprise.
const RUN: usize = 4;
const EXAMPLES: [&str; 9] = [
    "change",
    "replace",
    "example",
    "openssl",
    "secret",
    "password",
    "default",
    "portcullis",
    "letmein",
];
/// Different characters in a secret. A random one of 32 hexadecimal digits has fewer once in a thousand million.
const DIFFERENT_MIN: usize = 7;
/// Keys in the order in which fingers run over them: along the rows, and down the columns.
const KEYBOARD: [&str; 9] = [
    "1234567890-=",
    "qwertyuiop[]",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "!@#$%^&*()_+",
];

/// The options by which the URL of a database names the file of a private key.
const PRIVATE_KEYS: [&str; 2] = ["sslkey", "ssl-key"];

/// The kind of a server database; MySQL and MariaDB are one.
fn kind(url: &str) -> Option<&'static str> {
    match url.split(':').next() {
        Some("postgres" | "postgresql") => Some("postgres"),
        Some("mysql" | "mariadb") => Some("mysql"),
        _ => None,
    }
}

impl Reader {
    pub(super) fn database_url(&mut self, settings: &Settings) -> SecretString {
        let given = self.secret(
            "DATABASE_URL",
            settings.database_url.as_ref(),
            settings.database_url_file.as_ref(),
        );
        let url = given.unwrap_or_else(|| {
            let url = sqlite_url(&settings.data_dir.join("portcullis.db"));
            url.unwrap_or_else(|| {
                self.refuse("DATA_DIR must be text in UTF-8 when it holds a SQLite database");
                "sqlite:".to_owned()
            })
            .into()
        });
        let supported = ["sqlite:", "postgres:", "postgresql:", "mysql:", "mariadb:"];
        if !supported.iter().any(|scheme| url.expose_secret().starts_with(scheme)) {
            self.refuse("DATABASE_URL must begin with sqlite:, postgres:, mysql: or mariadb:");
        }
        if url.expose_secret().contains(":memory:") || url.expose_secret().contains("mode=memory") {
            self.refuse(
                "DATABASE_URL must name a file: the server cannot keep or share a database in memory",
            );
        }
        // What cannot be parsed is repeated by the driver, with the password in it.
        let is_file = url.expose_secret().starts_with("sqlite:");
        if is_file && sqlite_file(url.expose_secret()).is_none() {
            self.refuse(
                "DATABASE_URL is not valid: in the path of a SQLite file, write %25 for % \
                 and %3F for ?",
            );
        }
        if !is_file {
            self.judge_url("DATABASE_URL", &url);
        }
        url
    }

    /// Where migrations connect, if that is not where the servers do: a server database of the same kind.
    pub(super) fn migrate_database_url(
        &mut self,
        settings: &Settings,
        database_url: &SecretString,
    ) -> Option<SecretString> {
        let (value, file) = (&settings.migrate_database_url, &settings.migrate_database_url_file);
        let url = self.secret("MIGRATE_DATABASE_URL", value.as_ref(), file.as_ref())?;
        // A compose file may pass on an empty value, which counts as none.
        if url.expose_secret().is_empty() {
            return None;
        }
        let kinds = [&url, database_url].map(|url| kind(url.expose_secret()));
        if kinds[0].is_none() || kinds[0] != kinds[1] {
            self.refuse(
                "MIGRATE_DATABASE_URL must lead to the PostgreSQL, MySQL or MariaDB database of DATABASE_URL",
            );
        }
        self.judge_url("MIGRATE_DATABASE_URL", &url);
        Some(url)
    }

    /// Refuses a URL that cannot be parsed: the driver would repeat it with the password. The private key that it names
    /// is a secret too.
    fn judge_url(&mut self, name: &str, url: &SecretString) {
        match Address::parse(url.expose_secret()) {
            Ok(address) => {
                for (option, file) in address.hosts().iter().take(1).flat_map(Url::query_pairs) {
                    if PRIVATE_KEYS.contains(&&*option) {
                        self.note_secret_file(format!("{option} in {name}"), Path::new(&*file));
                    }
                }
            }
            Err(AddressError::Url(error)) => self.refuse(format!(
                "{name} is not valid ({error}): escape special characters of the password, as in %23 for #"
            )),
            Err(error) => self.refuse(format!("{name} is not valid: {error}")),
        }
    }

    /// Has a file of a secret judged, once all are known.
    pub(super) fn note_secret_file(&mut self, name: impl Into<String>, path: &Path) {
        self.secret_files.push(SecretFile { name: name.into(), path: path.to_owned() });
    }

    pub(super) fn redis_url(&mut self, settings: &Settings) -> Option<SecretString> {
        let (value, file) = (settings.redis_url.as_ref(), settings.redis_url_file.as_ref());
        // Empty is none, so that a compose file can pass it on whether it is set or not.
        let url = self.secret("REDIS_URL", value, file)?;
        if url.expose_secret().is_empty() {
            return None;
        }
        let parsed = Url::parse(url.expose_secret());
        if !parsed.is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host()) {
            self.refuse(
                "REDIS_URL must look like redis://host:6379 or rediss://user:password@host",
            );
        }
        Some(url)
    }

    pub(super) fn secret_key(
        &mut self,
        settings: &Settings,
        is_development: bool,
    ) -> Option<SecretString> {
        let secret = self.secret(
            "SECRET_KEY",
            settings.secret_key.as_ref(),
            settings.secret_key_file.as_ref(),
        );
        let Some(secret) = secret else {
            if !is_development {
                self.refuse(
                    "SECRET_KEY (or SECRET_KEY_FILE) is required in production; create one with `openssl \
                     rand -base64 48`",
                );
            }
            return None;
        };
        self.judge_secret("SECRET_KEY", &secret);
        Some(secret)
    }

    /// It opens what a key is made of, so a weak one would let others make keys.
    pub(super) fn secret_key_previous(
        &mut self,
        settings: &Settings,
        current: Option<&SecretString>,
    ) -> Option<SecretString> {
        let secret = self.secret(
            "SECRET_KEY_PREVIOUS",
            settings.secret_key_previous.as_ref(),
            settings.secret_key_previous_file.as_ref(),
        )?;
        self.judge_secret("SECRET_KEY_PREVIOUS", &secret);
        if current.is_some_and(|current| current.expose_secret() == secret.expose_secret()) {
            self.refuse("SECRET_KEY_PREVIOUS must differ from SECRET_KEY");
        }
        Some(secret)
    }

    fn judge_secret(&mut self, name: &str, secret: &SecretString) {
        let text = secret.expose_secret();
        if text.len() < SECRET_LENGTH_MIN {
            self.refuse(format!("{name} must have at least 32 bytes"));
        }
        let different = text.bytes().collect::<HashSet<_>>().len();
        let is_narrow = different < DIFFERENT_MIN;
        if is_narrow || is_guessable(text, SURPRISES_MIN) || encodes_a_pattern(text) {
            self.refuse(format!(
                "{name} must be random: this one repeats itself, follows the alphabet or the \
                 keyboard, or is an example; create one with `openssl rand -base64 48`"
            ));
        }
    }

    /// A secret from its variable or from the file that its `_FILE` twin names.
    pub(super) fn secret(
        &mut self,
        name: &str,
        value: Option<&SecretString>,
        file: Option<&PathBuf>,
    ) -> Option<SecretString> {
        match (value, file) {
            (Some(_), Some(_)) => {
                self.refuse(format!("{name} and {name}_FILE must not be set together"));
                None
            }
            (Some(value), None) => Some(value.clone()),
            (None, Some(file)) => {
                let name = format!("{name}_FILE");
                match read_text(file) {
                    Ok(text) => {
                        self.note_secret_file(name, file);
                        Some(text.trim_end_matches(['\r', '\n']).into())
                    }
                    Err(unreadable) => {
                        self.refuse(format!("{name} {unreadable}"));
                        None
                    }
                }
            }
            (None, None) => None,
        }
    }
}

/// Whether a secret is an example, or has few characters that do not follow from those before.
pub(super) fn is_guessable(secret: &str, surprises_min: usize) -> bool {
    let text = secret.to_ascii_lowercase();
    EXAMPLES.iter().any(|word| text.contains(word)) || surprises(text.as_bytes()) < surprises_min
}

/// Whether a text is the hexadecimal or base64 form of bytes that follow from one another.
fn encodes_a_pattern(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    let decoded = [
        hexadecimal(text),
        STANDARD_NO_PAD.decode(unpadded).ok(),
        URL_SAFE_NO_PAD.decode(unpadded).ok(),
    ];
    decoded.iter().flatten().any(|bytes| surprises(bytes) < ENCODED_SURPRISES_MIN)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit).try_into().ok())
        .collect()
}

/// How many characters of a text do not follow from those before: as a step like the last one, or like the last
/// one of a sequence that is interleaved with another, as a step along the alphabet or the keyboard, or as part of
/// what the text repeats.
fn surprises(text: &[u8]) -> usize {
    // This much is enough to judge, and the search for repetitions takes time by the square of it.
    (0..text.len().min(JUDGED_MAX))
        .filter(|&at| !is_expected(text.get(..=at).unwrap_or_default()))
        .count()
}

/// Whether the last character of a text follows from those before it.
fn is_expected(text: &[u8]) -> bool {
    let back = |places: usize| {
        text.len().checked_sub(places + 1).and_then(|at| text.get(at)).copied().map(i16::from)
    };
    let step = |from: usize, to: usize| Some(back(to)? - back(from)?);
    let (last, before) = (step(1, 0), step(2, 1));
    let (interleaved, earlier) = (step(2, 0), step(4, 2));
    matches!(last, Some(-1..=1))
        || last.is_some() && last == before
        || interleaved.is_some() && interleaved == earlier
        || text.last_chunk().copied().is_some_and(is_beside)
        || text
            .last_chunk::<RUN>()
            .is_some_and(|run| text.windows(RUN).rev().skip(1).any(|earlier| earlier == run))
}

fn is_beside([one, next]: [u8; 2]) -> bool {
    let mut keys = KEYBOARD.iter().flat_map(|keys| keys.as_bytes().windows(2));
    keys.any(|keys| keys == [one, next] || keys == [next, one])
}
