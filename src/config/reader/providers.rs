//! The providers that the operator names: `PROVIDERS_FILE`.

mod table;

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use strum::VariantArray;
use toml::{Table, Value};
use url::Url;

use self::table::{FILE, TableReader, is_text, names};
use super::super::{Settings, read_text};
use super::Reader;
use crate::infra::providers::{
    self, APPLE, AppleKey, ClaimNames, Credential, Endpoints, GITHUB, GOOGLE, Kind, TokenAuth,
    github_endpoints, is_loopback, is_tenant, of_microsoft,
};

const PROVIDERS_MAX: usize = 64;
const ID_LENGTH_MAX: usize = 32;
const NAME_LENGTH_MAX: usize = 64;
/// What facts are called in the file, and in OpenID Connect.
const CLAIMS: [(&str, &str); 6] = [
    ("subject", "sub"),
    ("email", "email"),
    ("email_verified", "email_verified"),
    ("username", "preferred_username"),
    ("name", "name"),
    ("picture", "picture"),
];

/// How a provider's answer reaches this server.
#[derive(Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
enum ResponseMode {
    Query,
    FormPost,
}

/// What the column of identities holds.
const ISSUER_LENGTH_MAX: usize = 255;

impl Reader {
    /// Names what is wrong by table and key, and repeats no value.
    pub(super) fn providers(
        &mut self,
        settings: &Settings,
        is_development: bool,
    ) -> Vec<providers::Settings> {
        let Some(file) = &settings.providers_file else { return Vec::new() };
        let tables = match read_text(file) {
            Ok(text) => toml::from_str::<Table>(&text).map_err(|error| {
                // The library's own words show the line, which may hold a secret.
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.map_or(1, |before| before.matches('\n').count() + 1);
                format!("is not valid TOML in line {line}")
            }),
            Err(unreadable) => Err(unreadable.to_string()),
        };
        let tables = match tables {
            Ok(tables) => tables,
            Err(problem) => {
                self.refuse(format!("{FILE} {problem}"));
                return Vec::new();
            }
        };
        if tables.len() > PROVIDERS_MAX {
            self.refuse(format!("{FILE} must have at most {PROVIDERS_MAX} tables"));
            return Vec::new();
        }
        let has_secrets = tables.values().any(|table| table.get("client_secret").is_some());
        match has_secrets {
            true => self.note_secret_file(FILE, file),
            false => self.judge_open_file(FILE, file, is_development),
        }
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let read = tables.into_iter().filter_map(|(id, table)| {
            let Value::Table(values) = table else {
                self.refuse(format!(
                    "{FILE} must have only tables, one for each provider, as in [google]"
                ));
                return None;
            };
            TableReader { id, values, folder: folder.clone(), reader: self }.read()
        });
        read.collect()
    }
}

impl TableReader<'_> {
    fn read(mut self) -> Option<providers::Settings> {
        let is_id = (1..=ID_LENGTH_MAX).contains(&self.id.len())
            && self.id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !is_id {
            self.reader.refuse(format!(
                "{FILE} has a table whose name is not 1 to {ID_LENGTH_MAX} of a-z, 0-9 and -"
            ));
            return None;
        }
        if !self.values.contains_key("kind") {
            self.refuse_key("kind", &format!("must be {}", names::<Kind>()));
        }
        let kind = self.choice::<Kind>("kind")?;
        let allows_private_addresses = self.flag("allow_private_addresses");
        let endpoints = self.endpoints(kind, allows_private_addresses);
        let (issuer, tenant) = self.issuer(kind, endpoints.as_ref(), allows_private_addresses);
        let endpoints = match kind {
            Kind::Github => Some(github_endpoints(&issuer)),
            _ => endpoints,
        };
        let settings = providers::Settings {
            kind,
            name: self.name(kind),
            client_id: self.required_text("client_id"),
            credential: self.credential(kind),
            is_trusted: self.flag("trusted"),
            scopes: self.scopes(kind),
            audiences: match kind.has_id_tokens() {
                true => self.list("audiences").unwrap_or_default(),
                false => Vec::new(),
            },
            posts_answers: self.posts_answers(kind),
            token_auth: match kind {
                Kind::Apple | Kind::Github => None,
                Kind::Google | Kind::Microsoft | Kind::Oidc | Kind::Oauth2 => {
                    self.choice::<TokenAuth>("token_auth")
                }
            },
            claims: self.claims(kind),
            allows_private_addresses,
            issuer,
            tenant,
            endpoints,
            id: self.id.clone(),
        };
        let left: Vec<String> = self.values.keys().cloned().collect();
        for key in left {
            let kind: &str = kind.into();
            self.refuse_key(
                &key.escape_debug().to_string(),
                &format!("is not a key of kind {kind}"),
            );
        }
        Some(settings)
    }

    fn name(&mut self, kind: Kind) -> String {
        let name = self.text("name").unwrap_or_else(|| match kind {
            Kind::Google => "Google".to_owned(),
            Kind::Github => "GitHub".to_owned(),
            Kind::Microsoft => "Microsoft".to_owned(),
            Kind::Apple => "Apple".to_owned(),
            Kind::Oidc | Kind::Oauth2 => self.id.clone(),
        });
        if name.chars().count() > NAME_LENGTH_MAX {
            self.refuse_key("name", &format!("must have at most {NAME_LENGTH_MAX} characters"));
        }
        name
    }

    /// Who issues, and the tenant of Microsoft's.
    fn issuer(
        &mut self,
        kind: Kind,
        endpoints: Option<&Endpoints>,
        allows_private_addresses: bool,
    ) -> (String, Option<String>) {
        match kind {
            Kind::Google => (GOOGLE.to_owned(), None),
            Kind::Apple => (APPLE.to_owned(), None),
            Kind::Microsoft => {
                let tenant = self.text("tenant").unwrap_or_else(|| "common".to_owned());
                if !is_tenant(&tenant) {
                    self.refuse_key(
                        "tenant",
                        "must be common, organizations, consumers, or the id of a tenant in lower case",
                    );
                }
                (of_microsoft(&tenant), Some(tenant))
            }
            Kind::Github | Kind::Oidc => {
                let given = match kind {
                    Kind::Github => self.text("issuer").unwrap_or_else(|| GITHUB.to_owned()),
                    _ => self.required_text("issuer"),
                };
                let url = self.url("issuer", &given, allows_private_addresses);
                if given.len() > ISSUER_LENGTH_MAX {
                    self.refuse_key("issuer", "must have at most 255 characters");
                }
                let is_bare = url.is_none_or(|url| url.query().is_none());
                if !is_bare || kind == Kind::Github && given.ends_with('/') {
                    self.refuse_key(
                        "issuer",
                        "must not have a query, and for GitHub it must not end with a slash",
                    );
                }
                (given, None)
            }
            Kind::Oauth2 => {
                let origin = endpoints.and_then(|endpoints| {
                    Some(Url::parse(&endpoints.authorization).ok()?.origin().ascii_serialization())
                });
                let issuer = self.text("issuer").or(origin).unwrap_or_default();
                if issuer.len() > ISSUER_LENGTH_MAX {
                    self.refuse_key("issuer", "must have at most 255 characters");
                }
                (issuer, None)
            }
        }
    }

    fn endpoints(&mut self, kind: Kind, allows_private_addresses: bool) -> Option<Endpoints> {
        if kind != Kind::Oauth2 {
            return None;
        }
        let mut endpoint = |key| {
            let given = self.required_text(key);
            self.url(key, &given, allows_private_addresses);
            given
        };
        Some(Endpoints {
            authorization: endpoint("authorization_endpoint"),
            token: endpoint("token_endpoint"),
            userinfo: endpoint("userinfo_endpoint"),
        })
    }

    fn credential(&mut self, kind: Kind) -> Credential {
        if kind == Kind::Apple {
            return self.apple_key().map_or(Credential::None, Credential::Apple);
        }
        let value = self.text("client_secret").map(SecretString::from);
        let file = self.text("client_secret_file");
        let secret = match (value, file) {
            (Some(_), Some(_)) => {
                self.refuse_key(
                    "client_secret",
                    "must not be set together with client_secret_file",
                );
                return Credential::None;
            }
            (None, Some(file)) => self.secret_in("client_secret_file", &file),
            (value, None) => value,
        };
        if secret.is_none() && matches!(kind, Kind::Google | Kind::Github) {
            self.refuse_key("client_secret_file", "(or client_secret) is required for this kind");
        }
        secret.map_or(Credential::None, Credential::Secret)
    }

    fn apple_key(&mut self) -> Option<AppleKey> {
        let (team_id, key_id) = (self.required_text("team_id"), self.required_text("key_id"));
        let file = self.required_text("private_key_file");
        if file.is_empty() {
            return None;
        }
        let pem = self.secret_in("private_key_file", &file)?;
        let key = AppleKey::parse(team_id, key_id, pem.expose_secret());
        if key.is_none() {
            self.refuse_key(
                "private_key_file",
                "must be the file AuthKey_….p8 from Apple: a P-256 key in PEM",
            );
        }
        key
    }

    fn scopes(&mut self, kind: Kind) -> Vec<String> {
        let given = self.list("scopes");
        let is_scope = |scope: &String| {
            scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
        };
        if given.as_ref().is_some_and(|scopes| !scopes.iter().all(is_scope)) {
            self.refuse_key("scopes", "must be names without spaces and quotes");
        }
        let needs_openid = matches!(kind, Kind::Google | Kind::Microsoft | Kind::Oidc);
        if needs_openid && given.as_ref().is_some_and(|all| !all.iter().any(|one| one == "openid"))
        {
            self.refuse_key("scopes", "must have openid");
        }
        let usual: &[&str] = match kind {
            Kind::Google | Kind::Microsoft | Kind::Oidc => &["openid", "email", "profile"],
            Kind::Github => &["read:user", "user:email"],
            Kind::Apple => &["name", "email"],
            Kind::Oauth2 => &[],
        };
        given.unwrap_or_else(|| usual.iter().map(|scope| (*scope).to_owned()).collect())
    }

    fn posts_answers(&mut self, kind: Kind) -> bool {
        match kind {
            // It has no other way to tell a name or an address.
            Kind::Apple => true,
            Kind::Github => false,
            Kind::Google | Kind::Microsoft | Kind::Oidc | Kind::Oauth2 => {
                self.choice("response_mode") == Some(ResponseMode::FormPost)
            }
        }
    }

    fn claims(&mut self, kind: Kind) -> ClaimNames {
        let mut names = ClaimNames::new();
        if kind != Kind::Oauth2 {
            return names;
        }
        let Some(given) = self.values.remove("claims") else { return names };
        let Value::Table(given) = given else {
            self.refuse_key("claims", "must be a table");
            return names;
        };
        for (key, value) in given {
            let fact = CLAIMS.iter().find(|(ours, _)| *ours == key);
            match (fact, value) {
                (Some((_, claim)), Value::String(name)) if is_text(&name) => {
                    names.insert(claim, name);
                }
                (Some((ours, _)), _) => self.refuse_key(&format!("claims.{ours}"), "must be text"),
                (None, _) => {
                    let all = CLAIMS.map(|(ours, _)| ours).join(", ");
                    self.refuse_key("claims", &format!("must have only the keys {all}"));
                }
            }
        }
        names
    }

    fn url(&mut self, key: &str, text: &str, allows_private_addresses: bool) -> Option<Url> {
        if text.is_empty() {
            // That is told already.
            return None;
        }
        let url = Url::parse(text).ok().filter(|url| {
            let is_local = allows_private_addresses && is_loopback(url);
            let is_secure = url.scheme() == "https" || url.scheme() == "http" && is_local;
            let is_anonymous = url.username().is_empty() && url.password().is_none();
            is_secure && is_anonymous && url.has_host() && url.fragment().is_none()
        });
        if url.is_none() {
            self.refuse_key(
                key,
                "must be an https URL without user and fragment; http is for this machine, with \
                 allow_private_addresses = true",
            );
        }
        url
    }
}
