//! The settings as given: what `--help` and `.env.example` document.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

/// The settings as given: flags before variables before defaults.
#[derive(Args, Clone)]
#[command(next_help_heading = "Settings (each is a flag and a variable)")]
pub struct Settings {
    /// What this instance is for: `development` or `production` [default: development, unless
    /// PUBLIC_URL is https or TRUSTED_PROXIES is set: then it must be said]
    #[arg(long = "env", env = "PORTCULLIS_ENV", global = true)]
    pub(super) environment: Option<String>,
    /// The secrets that were given as flags, by their variables.
    #[arg(skip)]
    pub(crate) secret_flags: Vec<String>,
    /// Let a development instance listen on more than this machine: `true` or `false`
    #[arg(
        long,
        env = "PORTCULLIS_ALLOW_PUBLIC_DEVELOPMENT",
        default_value = "false",
        global = true
    )]
    pub(super) allow_public_development: String,
    /// Address and port to listen on
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000", global = true)]
    pub(super) listen: String,
    /// Where clients reach this server, with the path that a proxy takes away, if any; https in
    /// production [default: http://localhost:PORT]
    #[arg(long, env = "PUBLIC_URL", global = true)]
    pub(super) public_url: Option<String>,
    /// Origins of front ends elsewhere, which browsers then let call this server
    #[arg(long, env = "ALLOWED_ORIGINS", default_value = "", global = true)]
    pub(super) allowed_origins: String,
    /// Shares the cookie of a session with every host of this domain, which must all be trusted, as in `example.com`
    /// [default: only the host of PUBLIC_URL has it]
    #[arg(long, env = "COOKIE_DOMAIN", global = true)]
    pub(super) cookie_domain: Option<String>,
    /// Request headers that pages of ALLOWED_ORIGINS may send, beside those that GraphQL clients and
    /// tracing send
    #[arg(long, env = "ALLOWED_HEADERS", default_value = "", global = true)]
    pub(super) allowed_headers: String,
    /// For which hosts browsers insist on https, once they have seen it: `host` (this one), `subdomains`
    /// (all below it too), `preload` (the same, for browsers' preload lists) or `off`
    #[arg(long, env = "HSTS", default_value = "host", global = true)]
    pub(super) hsts: String,
    /// Proxies in front: addresses and networks, whose X-Forwarded-For is believed
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "", global = true)]
    pub(super) trusted_proxies: String,
    /// Most connections of clients from one address (one /64 of IPv6); TRUSTED_PROXIES may have more
    #[arg(long, env = "CONNECTIONS_PER_ADDRESS", default_value = "512", global = true)]
    pub(super) connections_per_address: String,
    /// Most streams of subscriptions at once, and most connections that carry them
    #[arg(long, env = "STREAMS_MAX", default_value = "10000", global = true)]
    pub(super) streams_max: String,
    /// Most streams of one user at once
    #[arg(long, env = "STREAMS_PER_USER", default_value = "20", global = true)]
    pub(super) streams_per_user: String,
    /// Most connections that carry streams from one address (one /64 of IPv6)
    #[arg(long, env = "STREAMS_PER_ADDRESS", default_value = "1000", global = true)]
    pub(super) streams_per_address: String,
    /// Folder for the embedded database and the generated secret
    #[arg(long, env = "DATA_DIR", default_value = "data", global = true)]
    pub(super) data_dir: PathBuf,
    /// `sqlite://path`, `postgres://…`, `mysql://…` or `mariadb://…` [default: sqlite://DATA_DIR/portcullis.db]
    #[arg(long, env = "DATABASE_URL", global = true)]
    pub(super) database_url: Option<SecretString>,
    /// A file that holds DATABASE_URL
    #[arg(long, env = "DATABASE_URL_FILE", global = true)]
    pub(super) database_url_file: Option<PathBuf>,
    /// Most connections to the database at once
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value = "16", global = true)]
    pub(super) database_connections: String,
    /// Seals the keys in the database; at least 32 bytes [default: generated in development]
    #[arg(long, env = "SECRET_KEY", global = true)]
    pub(super) secret_key: Option<SecretString>,
    /// A file that holds SECRET_KEY
    #[arg(long, env = "SECRET_KEY_FILE", global = true)]
    pub(super) secret_key_file: Option<PathBuf>,
    /// The secret before SECRET_KEY: it opens what it sealed until `portcullis keys reseal`
    #[arg(long, env = "SECRET_KEY_PREVIOUS", global = true)]
    pub(super) secret_key_previous: Option<SecretString>,
    /// A file that holds SECRET_KEY_PREVIOUS
    #[arg(long, env = "SECRET_KEY_PREVIOUS_FILE", global = true)]
    pub(super) secret_key_previous_file: Option<PathBuf>,
    /// Signs access tokens: `EdDSA`, `ES256`, `RS256` or `HS256` [default: the one in use, EdDSA at
    /// first]
    #[arg(long, env = "JWT_ALGORITHM", global = true)]
    pub(super) jwt_algorithm: Option<String>,
    /// `iss` of access tokens [default: PUBLIC_URL]
    #[arg(long, env = "JWT_ISSUER", global = true)]
    pub(super) jwt_issuer: Option<String>,
    /// `aud` of access tokens [default: PUBLIC_URL]
    #[arg(long, env = "JWT_AUDIENCE", global = true)]
    pub(super) jwt_audience: Option<String>,
    /// Life of an access token, 1 to 900
    #[arg(long, env = "ACCESS_TOKEN_TTL_SECONDS", default_value = "900", global = true)]
    pub(super) access_token_ttl_seconds: String,
    /// A JSON file of claims that access tokens have beside the server's own, for other services: see
    /// docs/reference/claims.md [default: none]
    #[arg(long, env = "CLAIMS_FILE", global = true)]
    pub(super) claims_file: Option<PathBuf>,
    /// A session ends when it is not refreshed for this long
    #[arg(long, env = "REFRESH_TOKEN_IDLE_SECONDS", default_value = "604800", global = true)]
    pub(super) refresh_token_idle_seconds: String,
    /// A session ends this long after sign-in, at most 30 days
    #[arg(long, env = "REFRESH_TOKEN_ABSOLUTE_SECONDS", default_value = "2592000", global = true)]
    pub(super) refresh_token_absolute_seconds: String,
    /// How long a rotated refresh token still leads to the live one, 0 (off) to 10
    #[arg(long, env = "REFRESH_GRACE_SECONDS", default_value = "10", global = true)]
    pub(super) refresh_grace_seconds: String,
    /// Memory of one password hash (Argon2id)
    #[arg(long, env = "ARGON2_MEMORY_KIB", default_value = "19456", global = true)]
    pub(super) argon2_memory_kib: String,
    /// Passes of one password hash (Argon2id)
    #[arg(long, env = "ARGON2_ITERATIONS", default_value = "2", global = true)]
    pub(super) argon2_iterations: String,
    /// Password hashes at once [default: the number of cores]
    #[arg(long, env = "HASH_WORKERS", global = true)]
    pub(super) hash_workers: Option<String>,
    /// Shortest password, at least 8
    #[arg(long, env = "PASSWORD_MIN_LENGTH", default_value = "8", global = true)]
    pub(super) password_min_length: String,
    /// `redis://…` or `rediss://…`, where several instances share what they count [default: each
    /// counts for itself]
    #[arg(long, env = "REDIS_URL", global = true)]
    pub(super) redis_url: Option<SecretString>,
    /// A file that holds REDIS_URL
    #[arg(long, env = "REDIS_URL_FILE", global = true)]
    pub(super) redis_url_file: Option<PathBuf>,
    /// The mail server: `smtps://user:password@host`, or `smtp://…` with STARTTLS [default: none; in
    /// development mails are files in DATA_DIR/mail]
    #[arg(long, env = "SMTP_URL", global = true)]
    pub(super) smtp_url: Option<SecretString>,
    /// A file that holds SMTP_URL
    #[arg(long, env = "SMTP_URL_FILE", global = true)]
    pub(super) smtp_url_file: Option<PathBuf>,
    /// Whom mails are from, as in `Example <no-reply@example.com>` [default: `no-reply` at the host of
    /// PUBLIC_URL]
    #[arg(long, env = "MAIL_FROM", global = true)]
    pub(super) mail_from: Option<String>,
    /// The name by which this server greets the mail server [default: the host of PUBLIC_URL]
    #[arg(long, env = "SMTP_HELO", global = true)]
    pub(super) smtp_helo: Option<String>,
    /// A folder of mail templates that replace the built-in ones
    #[arg(long, env = "MAIL_TEMPLATES", global = true)]
    pub(super) mail_templates: Option<PathBuf>,
    /// Your page for links that verify an address, with `{token}` in its URL [default: one of the
    /// server's own, as for the others]
    #[arg(long, env = "VERIFY_EMAIL_URL", global = true)]
    pub(super) verify_email_url: Option<String>,
    /// Your page for links to choose another password
    #[arg(long, env = "RESET_PASSWORD_URL", global = true)]
    pub(super) reset_password_url: Option<String>,
    /// Your page for links that take a change of address back
    #[arg(long, env = "UNDO_EMAIL_CHANGE_URL", global = true)]
    pub(super) undo_email_change_url: Option<String>,
    /// Your page for invitations
    #[arg(long, env = "ACCEPT_INVITATION_URL", global = true)]
    pub(super) accept_invitation_url: Option<String>,
    /// Your page for invitations to join an organization
    #[arg(long, env = "ACCEPT_ORGANIZATION_INVITATION_URL", global = true)]
    pub(super) accept_organization_invitation_url: Option<String>,
    /// Your page where somebody finishes a registration that another provider vouches for
    #[arg(long, env = "FINISH_REGISTRATION_URL", global = true)]
    pub(super) finish_registration_url: Option<String>,
    /// Your page where people change their password, to which /.well-known/change-password leads
    /// [default: the page of RESET_PASSWORD_URL]
    #[arg(long, env = "CHANGE_PASSWORD_URL", global = true)]
    pub(super) change_password_url: Option<String>,
    /// Who may get an account: `open` (everybody), `invite` (whom an admin invites) or `closed`
    #[arg(long, env = "REGISTRATION", default_value = "open", global = true)]
    pub(super) registration: String,
    /// Make an account only once its address has been proven by mail: `true` or `false`
    #[arg(long, env = "REQUIRE_EMAIL_VERIFICATION", default_value = "false", global = true)]
    pub(super) require_email_verification: String,
    /// Who may not be without a second factor: `off` (nobody), `admins` or `all`
    #[arg(long, env = "REQUIRE_SECOND_FACTOR", default_value = "off", global = true)]
    pub(super) require_second_factor: String,
    /// The domain that passkeys are for: the host of PUBLIC_URL, or a domain above it. Passkeys are lost when it changes
    /// [default: the host of PUBLIC_URL]
    #[arg(long, env = "PASSKEY_RP_ID", global = true)]
    pub(super) passkey_rp_id: Option<String>,
    /// The pages that may use passkeys: exact origins with commas between [default: that of PUBLIC_URL, and those of
    /// ALLOWED_ORIGINS on the domain]
    #[arg(long, env = "PASSKEY_ORIGINS", default_value = "", global = true)]
    pub(super) passkey_origins: String,
    /// A TOML file of other servers that say who somebody is, as Google and GitHub: see docs/how-to/providers.md [default: none]
    #[arg(long, env = "PROVIDERS_FILE", global = true)]
    pub(super) providers_file: Option<PathBuf>,
    /// Where people may be sent back to after they have signed in there: exact URLs with commas between [default: the
    /// playground, where it is on]
    #[arg(long, env = "RETURN_URLS", default_value = "", global = true)]
    pub(super) return_urls: String,
    /// Limits on attempts: `on`, `off` (in development only), or on with other numbers, by their names in
    /// the schema: attempts and seconds, as in `register.ip=50/3600,login.ip=100/60`
    #[arg(long, env = "RATE_LIMITS", default_value = "on", global = true)]
    pub(super) rate_limits: String,
    /// What introspection and /schema.graphql list: `full`, `own` (to each caller what they may use) or
    /// `off` [default: full in development, off in production]
    #[arg(long, env = "INTROSPECTION", global = true)]
    pub(super) introspection: Option<String>,
    /// A JSON file of the documents that front ends name by id or by hash: see docs/how-to/documents.md [default: none]
    #[arg(long, env = "DOCUMENTS_FILE", global = true)]
    pub(super) documents_file: Option<PathBuf>,
    /// Which documents the server runs: `open` (all) or `trusted` (those of DOCUMENTS_FILE)
    #[arg(long, env = "DOCUMENTS", default_value = "open", global = true)]
    pub(super) documents: String,
    /// Whether a gateway asks this server for its part of a federated graph: `on` or `off`. Everybody may read the
    /// schema then
    // `schema` has a flag `--federation`.
    #[arg(long, env = "FEDERATION", default_value = "off", global = true)]
    pub(super) federation_mode: String,
    /// GraphiQL at /graphql: `on` or `off` [default: on in development, off in production]
    #[arg(long, env = "PLAYGROUND", global = true)]
    pub(super) playground: Option<String>,
    /// Address and port for `/metrics`, which is for Prometheus and not for clients [default: none]
    #[arg(long, env = "METRICS_LISTEN", global = true)]
    pub(super) metrics_listen: Option<String>,
    /// What is logged: `error`, `warn`, `info`, `debug` or a list of directives
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    pub(super) rust_log: String,
    /// `text` or `json`
    #[arg(long, env = "LOG_FORMAT", default_value = "text", global = true)]
    pub(super) log_format: String,
}
