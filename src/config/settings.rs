//! The settings as given: what `--help` and `.env.example` document.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

/// The settings as given: flags before variables before defaults.
#[derive(Args, Clone)]
#[command(next_help_heading = "Settings (each is a flag and a variable)")]
pub struct Settings {
    /// The environment: `development` or `production` [default: development; required if PUBLIC_URL is https or
    /// TRUSTED_PROXIES is set]
    #[arg(long = "env", env = "PORTCULLIS_ENV", global = true)]
    pub(super) environment: Option<String>,
    /// The secrets that were given as flags, by their variables.
    #[arg(skip)]
    pub(crate) secret_flags: Vec<String>,
    /// Allow a development instance to listen beyond this machine: `true` or `false`
    #[arg(
        long,
        env = "PORTCULLIS_ALLOW_PUBLIC_DEVELOPMENT",
        default_value = "false",
        global = true
    )]
    pub(super) allow_public_development: String,
    /// The address and port to listen on
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000", global = true)]
    pub(super) listen: String,
    /// The URL at which clients reach this server, including a path that a proxy strips; https in production [default:
    /// http://localhost:PORT]
    #[arg(long, env = "PUBLIC_URL", global = true)]
    pub(super) public_url: Option<String>,
    /// The other origins whose pages may call this server in browsers
    #[arg(long, env = "ALLOWED_ORIGINS", default_value = "", global = true)]
    pub(super) allowed_origins: String,
    /// The domain whose hosts all share the session cookie, as in `example.com`; you must trust all of them [default:
    /// only the host of PUBLIC_URL has the cookie]
    #[arg(long, env = "COOKIE_DOMAIN", global = true)]
    pub(super) cookie_domain: Option<String>,
    /// The request headers that pages of ALLOWED_ORIGINS may send, in addition to those of GraphQL clients and of
    /// tracing
    #[arg(long, env = "ALLOWED_HEADERS", default_value = "", global = true)]
    pub(super) allowed_headers: String,
    /// The hosts for which browsers then require https: `host` (this one), `subdomains` (this one and all below it),
    /// `preload` (the same, for the preload lists of browsers) or `off`
    #[arg(long, env = "HSTS", default_value = "host", global = true)]
    pub(super) hsts: String,
    /// The addresses and networks of the proxies in front, whose X-Forwarded-For the server trusts
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "", global = true)]
    pub(super) trusted_proxies: String,
    /// The maximum number of client connections from one address (one /64 of IPv6); TRUSTED_PROXIES can have more
    #[arg(long, env = "CONNECTIONS_PER_ADDRESS", default_value = "512", global = true)]
    pub(super) connections_per_address: String,
    /// The maximum number of concurrent subscription streams, and of connections that carry them
    #[arg(long, env = "STREAMS_MAX", default_value = "10000", global = true)]
    pub(super) streams_max: String,
    /// The maximum number of concurrent streams of one user
    #[arg(long, env = "STREAMS_PER_USER", default_value = "20", global = true)]
    pub(super) streams_per_user: String,
    /// The maximum number of connections that carry streams from one address (one /64 of IPv6)
    #[arg(long, env = "STREAMS_PER_ADDRESS", default_value = "1000", global = true)]
    pub(super) streams_per_address: String,
    /// The time for which the server still accepts requests after SIGTERM, while `/readyz` already answers 503, in seconds:
    /// at most 300 [default: 5 in production, 0 in development]
    #[arg(long, env = "SHUTDOWN_DELAY_SECONDS", global = true)]
    pub(super) shutdown_delay_seconds: Option<String>,
    /// The folder of the embedded database and the generated secret
    #[arg(long, env = "DATA_DIR", default_value = "data", global = true)]
    pub(super) data_dir: PathBuf,
    /// The database: `sqlite://path`, `postgres://…`, `mysql://…` or `mariadb://…`, with one host or several [default:
    /// sqlite://DATA_DIR/portcullis.db]
    #[arg(long, env = "DATABASE_URL", global = true)]
    pub(super) database_url: Option<SecretString>,
    /// A file with the value of DATABASE_URL
    #[arg(long, env = "DATABASE_URL_FILE", global = true)]
    pub(super) database_url_file: Option<PathBuf>,
    /// The same database for a user who may change its schema, past any pooler: for `portcullis migrate` [default: DATABASE_URL]
    #[arg(long, env = "MIGRATE_DATABASE_URL", global = true)]
    pub(super) migrate_database_url: Option<SecretString>,
    /// A file with the value of MIGRATE_DATABASE_URL
    #[arg(long, env = "MIGRATE_DATABASE_URL_FILE", global = true)]
    pub(super) migrate_database_url_file: Option<PathBuf>,
    /// The maximum number of database connections
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value = "16", global = true)]
    pub(super) database_connections: String,
    /// The time for which a server that starts waits for a database that does not answer or is a standby, in seconds: at most 3600
    #[arg(long, env = "DATABASE_WAIT_SECONDS", default_value = "60", global = true)]
    pub(super) database_wait_seconds: String,
    /// The secret that encrypts the keys in the database: at least 32 bytes [default: generated in development]
    #[arg(long, env = "SECRET_KEY", global = true)]
    pub(super) secret_key: Option<SecretString>,
    /// A file with the value of SECRET_KEY
    #[arg(long, env = "SECRET_KEY_FILE", global = true)]
    pub(super) secret_key_file: Option<PathBuf>,
    /// The previous SECRET_KEY, which decrypts existing data until you run `portcullis keys reseal`
    #[arg(long, env = "SECRET_KEY_PREVIOUS", global = true)]
    pub(super) secret_key_previous: Option<SecretString>,
    /// A file with the value of SECRET_KEY_PREVIOUS
    #[arg(long, env = "SECRET_KEY_PREVIOUS_FILE", global = true)]
    pub(super) secret_key_previous_file: Option<PathBuf>,
    /// The algorithm that signs access tokens: `EdDSA`, `ES256`, `RS256` or `HS256` [default: the current one,
    /// initially EdDSA]
    #[arg(long, env = "JWT_ALGORITHM", global = true)]
    pub(super) jwt_algorithm: Option<String>,
    /// The claim `iss` of access tokens [default: PUBLIC_URL]
    #[arg(long, env = "JWT_ISSUER", global = true)]
    pub(super) jwt_issuer: Option<String>,
    /// The claim `aud` of access tokens [default: PUBLIC_URL]
    #[arg(long, env = "JWT_AUDIENCE", global = true)]
    pub(super) jwt_audience: Option<String>,
    /// The lifetime of access tokens in seconds: 1 to 900
    #[arg(long, env = "ACCESS_TOKEN_TTL_SECONDS", default_value = "900", global = true)]
    pub(super) access_token_ttl_seconds: String,
    /// A JSON file with additional claims of access tokens, for other services: see docs/reference/claims.md [default: none]
    #[arg(long, env = "CLAIMS_FILE", global = true)]
    pub(super) claims_file: Option<PathBuf>,
    /// The time after which a session ends if it is not refreshed, in seconds
    #[arg(long, env = "REFRESH_TOKEN_IDLE_SECONDS", default_value = "604800", global = true)]
    pub(super) refresh_token_idle_seconds: String,
    /// The time after the sign-in at which a session ends, in seconds: at most 30 days
    #[arg(long, env = "REFRESH_TOKEN_ABSOLUTE_SECONDS", default_value = "2592000", global = true)]
    pub(super) refresh_token_absolute_seconds: String,
    /// The time for which a replaced refresh token still yields the current one, in seconds: 0 (off) to 10
    #[arg(long, env = "REFRESH_GRACE_SECONDS", default_value = "10", global = true)]
    pub(super) refresh_grace_seconds: String,
    /// The time after which a session that ended early, by a sign-out for example, is deleted, in days: 1 to 30. Its device
    /// is then no longer known [default: at the end that it would have had]
    #[arg(long, env = "SESSION_RETENTION_DAYS", global = true)]
    pub(super) session_retention_days: Option<String>,
    /// The age at which the server replaces its signing key, in days: 1 to 3650. The new key is published 15 minutes before
    /// it signs [default: only `portcullis keys rotate` replaces it]
    #[arg(long, env = "KEY_ROTATION_DAYS", global = true)]
    pub(super) key_rotation_days: Option<String>,
    /// The age at which audit events are deleted, in days: at least 1. A signed event records each deletion. The
    /// database must allow the servers to delete events [default: events are kept]
    #[arg(long, env = "AUDIT_RETENTION_DAYS", global = true)]
    pub(super) audit_retention_days: Option<String>,
    /// The memory of one password hash in KiB (Argon2id)
    #[arg(long, env = "ARGON2_MEMORY_KIB", default_value = "19456", global = true)]
    pub(super) argon2_memory_kib: String,
    /// The number of iterations of one password hash (Argon2id)
    #[arg(long, env = "ARGON2_ITERATIONS", default_value = "2", global = true)]
    pub(super) argon2_iterations: String,
    /// The maximum number of concurrent password hashes [default: the number of cores]
    #[arg(long, env = "HASH_WORKERS", global = true)]
    pub(super) hash_workers: Option<String>,
    /// The minimum length of passwords: at least 8
    #[arg(long, env = "PASSWORD_MIN_LENGTH", default_value = "8", global = true)]
    pub(super) password_min_length: String,
    /// The Redis server in which several instances share their rate limits: `redis://…` or `rediss://…` [default: each
    /// instance counts by itself]
    #[arg(long, env = "REDIS_URL", global = true)]
    pub(super) redis_url: Option<SecretString>,
    /// A file with the value of REDIS_URL
    #[arg(long, env = "REDIS_URL_FILE", global = true)]
    pub(super) redis_url_file: Option<PathBuf>,
    /// The mail server: `smtps://user:password@host`, or `smtp://…` with STARTTLS [default: none; in development, the
    /// server writes mails to DATA_DIR/mail]
    #[arg(long, env = "SMTP_URL", global = true)]
    pub(super) smtp_url: Option<SecretString>,
    /// A file with the value of SMTP_URL
    #[arg(long, env = "SMTP_URL_FILE", global = true)]
    pub(super) smtp_url_file: Option<PathBuf>,
    /// The name of your service in mails, on pages, in authenticator apps and for passkeys, at most 100 characters [default: the host of PUBLIC_URL]
    #[arg(long, env = "SITE_NAME", global = true)]
    pub(super) site_name: Option<String>,
    /// The contact for people who need help, as mails say: an address or an https URL [default: none]
    #[arg(long, env = "SUPPORT_CONTACT", global = true)]
    pub(super) support_contact: Option<String>,
    /// The sender of mails, as in `Example <no-reply@example.com>` [default: `no-reply` at the host of
    /// PUBLIC_URL, with the name SITE_NAME]
    #[arg(long, env = "MAIL_FROM", global = true)]
    pub(super) mail_from: Option<String>,
    /// The name with which this server introduces itself to the mail server [default: the host of PUBLIC_URL]
    #[arg(long, env = "SMTP_HELO", global = true)]
    pub(super) smtp_helo: Option<String>,
    /// A folder of mail templates that replace the built-in ones
    #[arg(long, env = "MAIL_TEMPLATES", global = true)]
    pub(super) mail_templates: Option<PathBuf>,
    /// The account pages at /account: `on` or `off`. If they are off, the server has only the pages that mails lead to, for
    /// which no setting names another page
    #[arg(long, env = "ACCOUNT_PAGES", default_value = "on", global = true)]
    pub(super) account_pages: String,
    /// The logo of your service on the account pages: a file in SVG or PNG of at most 128 KiB [default: the name alone]
    #[arg(long, env = "SITE_LOGO", global = true)]
    pub(super) site_logo: Option<PathBuf>,
    /// The color of buttons and links on the account pages, as in `#1f6f5c` [default: a green]
    #[arg(long, env = "SITE_COLOR", global = true)]
    pub(super) site_color: Option<String>,
    /// The URL of your page that verifies an address, with `{token}` [default: an account page, as for the other
    /// links]
    #[arg(long, env = "VERIFY_EMAIL_URL", global = true)]
    pub(super) verify_email_url: Option<String>,
    /// The URL of your page that resets a password
    #[arg(long, env = "RESET_PASSWORD_URL", global = true)]
    pub(super) reset_password_url: Option<String>,
    /// The URL of your page that undoes a change of address
    #[arg(long, env = "UNDO_EMAIL_CHANGE_URL", global = true)]
    pub(super) undo_email_change_url: Option<String>,
    /// The URL of your page that accepts an invitation to create an account
    #[arg(long, env = "ACCEPT_INVITATION_URL", global = true)]
    pub(super) accept_invitation_url: Option<String>,
    /// The URL of your page that accepts an invitation to join an organization
    #[arg(long, env = "ACCEPT_ORGANIZATION_INVITATION_URL", global = true)]
    pub(super) accept_organization_invitation_url: Option<String>,
    /// The URL of your page on which users complete a registration with another provider
    #[arg(long, env = "FINISH_REGISTRATION_URL", global = true)]
    pub(super) finish_registration_url: Option<String>,
    /// The URL of your page on which users change their password, to which /.well-known/change-password redirects
    /// [default: the page of RESET_PASSWORD_URL, or an account page]
    #[arg(long, env = "CHANGE_PASSWORD_URL", global = true)]
    pub(super) change_password_url: Option<String>,
    /// Who can create an account: `open` (everybody), `invite` (people whom an admin invites) or `closed` (nobody)
    #[arg(long, env = "REGISTRATION", default_value = "open", global = true)]
    pub(super) registration: String,
    /// Create accounts only after their address is verified by mail: `true` or `false`
    #[arg(long, env = "REQUIRE_EMAIL_VERIFICATION", default_value = "false", global = true)]
    pub(super) require_email_verification: String,
    /// Who must have a second factor: `off` (nobody), `admins` or `all`
    #[arg(long, env = "REQUIRE_SECOND_FACTOR", default_value = "off", global = true)]
    pub(super) require_second_factor: String,
    /// The domain of passkeys: the host of PUBLIC_URL or a parent domain. If it changes, all passkeys are lost
    /// [default: the host of PUBLIC_URL]
    #[arg(long, env = "PASSKEY_RP_ID", global = true)]
    pub(super) passkey_rp_id: Option<String>,
    /// The exact origins of the pages that may use passkeys, separated by commas [default: the origin of PUBLIC_URL,
    /// and those of ALLOWED_ORIGINS on the domain]
    #[arg(long, env = "PASSKEY_ORIGINS", default_value = "", global = true)]
    pub(super) passkey_origins: String,
    /// A TOML file of the providers that users can sign in with, such as Google and GitHub: see docs/how-to/providers.md
    /// [default: none]
    #[arg(long, env = "PROVIDERS_FILE", global = true)]
    pub(super) providers_file: Option<PathBuf>,
    /// The exact URLs to which providers may return users after a sign-in, separated by commas [default: the
    /// playground and the account pages, where they are on]
    #[arg(long, env = "RETURN_URLS", default_value = "", global = true)]
    pub(super) return_urls: String,
    /// Rate limits: `on`, `off` (only in development), or other numbers for limits by their names in the schema, as
    /// attempts and seconds: `register.ip=50/3600,login.ip=100/60`
    #[arg(long, env = "RATE_LIMITS", default_value = "on", global = true)]
    pub(super) rate_limits: String,
    /// The schema in introspection and /schema.graphql: `full`, `own` (only the fields that the caller may use) or
    /// `off` [default: full in development, off in production]
    #[arg(long, env = "INTROSPECTION", global = true)]
    pub(super) introspection: Option<String>,
    /// A JSON file of the documents that clients name by id or by hash: see docs/how-to/documents.md [default: none]
    #[arg(long, env = "DOCUMENTS_FILE", global = true)]
    pub(super) documents_file: Option<PathBuf>,
    /// The documents that the server runs: `open` (all) or `trusted` (those of DOCUMENTS_FILE)
    #[arg(long, env = "DOCUMENTS", default_value = "open", global = true)]
    pub(super) documents: String,
    /// Whether this server is a subgraph of a federated graph: `on` or `off`. If it is on, everybody can read the
    /// schema
    // `schema` has a flag `--federation`.
    #[arg(long, env = "FEDERATION", default_value = "off", global = true)]
    pub(super) federation_mode: String,
    /// The playground (GraphiQL) at /graphql: `on` or `off` [default: on in development, off in production]
    #[arg(long, env = "PLAYGROUND", global = true)]
    pub(super) playground: Option<String>,
    /// The address and port of `/metrics` for Prometheus; clients must not reach it [default: none]
    #[arg(long, env = "METRICS_LISTEN", global = true)]
    pub(super) metrics_listen: Option<String>,
    /// The access log, a line for each request: `on`, `with-addresses` (also with the address of the client) or `off`
    /// [default: on in production, off in development]
    #[arg(long, env = "ACCESS_LOG", global = true)]
    pub(super) access_log: Option<String>,
    /// The log level: `error`, `warn`, `info`, `debug` or a list of directives
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    pub(super) rust_log: String,
    /// The format of the log: `text` or `json`
    #[arg(long, env = "LOG_FORMAT", default_value = "text", global = true)]
    pub(super) log_format: String,
}
