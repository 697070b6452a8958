//! The settings that are secret, each from its variable or from a file.

use std::fs;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::super::{SECRET_LENGTH_MIN, Settings};
use super::Reader;

impl Reader {
    pub(super) fn database_url(&mut self, settings: &Settings) -> SecretString {
        let given = self.secret(
            "DATABASE_URL",
            settings.database_url.as_ref(),
            settings.database_url_file.as_ref(),
        );
        let url = given.unwrap_or_else(|| {
            let file = settings.data_dir.join("portcullis.db");
            format!("sqlite://{}", file.display()).into()
        });
        let supported = ["sqlite:", "postgres:", "postgresql:", "mysql:", "mariadb:"];
        if !supported.iter().any(|scheme| url.expose_secret().starts_with(scheme)) {
            self.refuse("DATABASE_URL must begin with sqlite:, postgres:, mysql: or mariadb:");
        }
        if url.expose_secret().contains(":memory:") || url.expose_secret().contains("mode=memory") {
            self.refuse(
                "DATABASE_URL must name a file: in memory, nothing would be kept or shared",
            );
        }
        // What cannot be parsed is repeated by the driver, with the password in it.
        let is_file = url.expose_secret().starts_with("sqlite:");
        if let (false, Err(error)) = (is_file, Url::parse(url.expose_secret())) {
            self.refuse(format!(
                "DATABASE_URL cannot be understood ({error}): special characters of the password \
                 must be escaped, as in %23 for #"
            ));
        }
        url
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
                    "SECRET_KEY (or SECRET_KEY_FILE) is required in production; \
                     `openssl rand -base64 48` makes one",
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
            self.refuse("SECRET_KEY_PREVIOUS must not be SECRET_KEY itself");
        }
        Some(secret)
    }

    fn judge_secret(&mut self, name: &str, secret: &SecretString) {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < SECRET_LENGTH_MIN {
            self.refuse(format!("{name} must have at least 32 bytes"));
        }
        let distinct = bytes.iter().collect::<std::collections::HashSet<_>>().len();
        let text = secret.expose_secret().to_ascii_lowercase();
        let is_example = ["change", "example", "secret", "password", "default"]
            .iter()
            .any(|word| text.contains(word));
        if distinct < 10 || is_example {
            self.refuse(format!("{name} must be random: this one repeats itself or is an example"));
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
            (None, Some(file)) => match fs::read_to_string(file) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).into()),
                Err(error) => {
                    self.refuse(format!("{name}_FILE cannot be read: {}", error.kind()));
                    None
                }
            },
            (None, None) => None,
        }
    }
}
