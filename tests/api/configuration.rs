use std::hash::{BuildHasher, Hasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis::cli;
use portcullis::config::Config;

fn problems(flags: &[&str]) -> Vec<String> {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Config::new(&cli::settings(&flags).unwrap()).map_or_else(|problems| problems.0, |_| Vec::new())
}

pub(crate) const GOOD_SECRET: &str = "--secret-key=mUo2J6gkq4JvYV7r1nqDWHc0bE8sXz5tLhPa9f3R";
const PRODUCTION: [&str; 3] =
    ["--env=production", "--public-url=https://auth.example.org", GOOD_SECRET];

#[test]
fn nothing_needs_to_be_set_in_development() {
    assert_eq!(problems(&[]), [""; 0]);
}

#[test]
fn a_complete_production_configuration_is_accepted() {
    assert_eq!(problems(&PRODUCTION), [""; 0]);
}

#[test]
fn introspection_may_be_full_own_or_off_everywhere() {
    for flag in ["--introspection=full", "--introspection=own", "--introspection=off"] {
        assert_eq!(problems(&[flag]), [""; 0]);
        assert_eq!(problems(&[&PRODUCTION[..], &[flag]].concat()), [""; 0]);
    }
}

#[test]
fn production_names_everything_that_is_missing_at_once() {
    let told = problems(&["--env=production", "--rate-limits=off", "--argon2-memory-kib=8192"]);
    let named = ["PUBLIC_URL", "SECRET_KEY", "RATE_LIMITS", "ARGON2_MEMORY_KIB"];
    assert_eq!(told.len(), named.len(), "{told:?}");
    for name in named {
        assert!(told.iter().any(|problem| problem.contains(name)), "{name}: {told:?}");
    }
}

/// What nobody can mean, of the settings that say who reaches whom.
const NETWORK: [(&str, &str); 30] = [
    ("--listen=zanzibar", "LISTEN"),
    ("--listen=0.0.0.0:8000", "LISTEN"),
    ("--public-url=zanzibar", "PUBLIC_URL"),
    ("--public-url=https://zanzibar.example/?query", "PUBLIC_URL"),
    ("--public-url=https://zanzibar.example/a/../%2e%2e/%00", "PUBLIC_URL"),
    ("--allowed-origins=zanzibar", "ALLOWED_ORIGINS"),
    ("--allowed-origins=*", "ALLOWED_ORIGINS"),
    ("--allowed-origins=null", "ALLOWED_ORIGINS"),
    ("--allowed-origins=https://*.zanzibar.example", "ALLOWED_ORIGINS"),
    ("--allowed-origins=https://zanzibar.example/", "ALLOWED_ORIGINS"),
    ("--allowed-origins=https://zanzibar.example:443", "ALLOWED_ORIGINS"),
    ("--allowed-origins=https://a.example,ftp://zanzibar.example", "ALLOWED_ORIGINS"),
    ("--allowed-origins=zanzibar://", "ALLOWED_ORIGINS"),
    ("--allowed-origins=zanzibar://localhost/", "ALLOWED_ORIGINS"),
    ("--allowed-origins=Zanzibar://localhost", "ALLOWED_ORIGINS"),
    ("--allowed-origins=zanzibar://LOCALHOST", "ALLOWED_ORIGINS"),
    ("--allowed-origins=zanzibar://u@localhost", "ALLOWED_ORIGINS"),
    ("--allowed-origins=file://zanzibar", "ALLOWED_ORIGINS"),
    ("--allowed-headers=zanzibar zanzibar", "ALLOWED_HEADERS"),
    ("--allowed-headers=*", "ALLOWED_HEADERS"),
    ("--hsts=zanzibar", "HSTS"),
    ("--trusted-proxies=zanzibar", "TRUSTED_PROXIES"),
    ("--connections-per-address=0", "CONNECTIONS_PER_ADDRESS"),
    ("--trusted-proxies=10.0.0.0/8,10.0.0.0/33", "TRUSTED_PROXIES"),
    ("--trusted-proxies=0.0.0.0/0", "TRUSTED_PROXIES"),
    ("--trusted-proxies=::/0", "TRUSTED_PROXIES"),
    ("--trusted-proxies=::ffff:10.0.0.1", "TRUSTED_PROXIES"),
    ("--metrics-listen=zanzibar", "METRICS_LISTEN"),
    ("--metrics-listen=127.0.0.1:8000", "METRICS_LISTEN"),
    ("--metrics-listen=0.0.0.0:9090", "METRICS_LISTEN"),
];

/// Bad places to return to.
const RETURN_URLS: [(&str, &str); 13] = [
    ("--return-urls=zanzibar", "RETURN_URLS"),
    ("--return-urls=https://a.example/done,http://zanzibar.example/", "RETURN_URLS"),
    ("--return-urls=https://*.zanzibar.example/", "RETURN_URLS"),
    ("--return-urls=https://zanzibar.example/#a", "RETURN_URLS"),
    ("--return-urls=https://u@zanzibar.example/", "RETURN_URLS"),
    ("--return-urls=https://ZANZIBAR.example/", "RETURN_URLS"),
    ("--return-urls=https://zanzibar.example/../", "RETURN_URLS"),
    ("--return-urls=https://zanzibar.example:443/", "RETURN_URLS"),
    ("--return-urls=http://127.0.0.2/zanzibar", "RETURN_URLS"),
    ("--return-urls=http://localhost.zanzibar/", "RETURN_URLS"),
    ("--return-urls=zanzibar:/done", "RETURN_URLS"),
    ("--return-urls=javascript:zanzibar", "RETURN_URLS"),
    ("--return-urls=ZANZIBAR.example.app:/done", "RETURN_URLS"),
];

const DATABASES: [(&str, &str); 9] = [
    ("--database-url=zanzibar://x", "DATABASE_URL"),
    ("--database-url=postgres://u:zanzibar#1@127.0.0.1/x", "DATABASE_URL"),
    ("--database-url=mysql://u:zanzibar@127.0.0.1:99999/x", "DATABASE_URL"),
    ("--database-url=sqlite::memory:", "DATABASE_URL"),
    ("--migrate-database-url=zanzibar://x", "MIGRATE_DATABASE_URL"),
    ("--migrate-database-url=sqlite://zanzibar", "MIGRATE_DATABASE_URL"),
    ("--migrate-database-url=postgres://u:zanzibar@127.0.0.1:99999/x", "MIGRATE_DATABASE_URL"),
    ("--database-connections=0", "DATABASE_CONNECTIONS"),
    ("--database-wait-seconds=zanzibar", "DATABASE_WAIT_SECONDS"),
];

#[test]
fn every_bad_value_is_refused_by_name_and_never_repeated() {
    for (flag, name) in NETWORK
        .into_iter()
        .chain(DATABASES)
        .chain([
            ("--env=staging", "PORTCULLIS_ENV"),
            ("--shutdown-delay-seconds=301", "SHUTDOWN_DELAY_SECONDS"),
            ("--session-retention-days=31", "SESSION_RETENTION_DAYS"),
            ("--audit-retention-days=0", "AUDIT_RETENTION_DAYS"),
            ("--key-rotation-days=0", "KEY_ROTATION_DAYS"),
            ("--secret-key-previous=", "SECRET_KEY_PREVIOUS"),
            ("--secret-key-previous=zanzibar", "SECRET_KEY_PREVIOUS"),
            ("--secret-key-previous-file=/nowhere/zanzibar", "SECRET_KEY_PREVIOUS_FILE"),
            ("--jwt-algorithm=zanzibar", "JWT_ALGORITHM"),
            ("--jwt-issuer=", "JWT_ISSUER"),
            ("--jwt-audience= ", "JWT_AUDIENCE"),
            ("--jwt-algorithm=none", "JWT_ALGORITHM"),
            ("--secret-key=zanzibar", "SECRET_KEY"),
            ("--secret-key=zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "SECRET_KEY"),
            ("--secret-key-file=/nowhere/zanzibar", "SECRET_KEY_FILE"),
            ("--claims-file=/nowhere/zanzibar", "CLAIMS_FILE"),
            ("--access-token-ttl-seconds=901", "ACCESS_TOKEN_TTL_SECONDS"),
            ("--refresh-token-idle-seconds=0", "REFRESH_TOKEN_IDLE_SECONDS"),
            ("--refresh-token-absolute-seconds=2592001", "REFRESH_TOKEN_ABSOLUTE_SECONDS"),
            ("--refresh-grace-seconds=11", "REFRESH_GRACE_SECONDS"),
            ("--argon2-memory-kib=zanzibar", "ARGON2_MEMORY_KIB"),
            ("--argon2-iterations=0", "ARGON2_ITERATIONS"),
            ("--hash-workers=0", "HASH_WORKERS"),
            ("--password-min-length=7", "PASSWORD_MIN_LENGTH"),
            ("--rate-limits=zanzibar", "RATE_LIMITS"),
            ("--rate-limits=", "RATE_LIMITS"),
            ("--rate-limits=on,register.ip=5/60", "RATE_LIMITS"),
            ("--rate-limits=register.ip=zanzibar/60", "RATE_LIMITS"),
            ("--rate-limits=register.ip=5", "RATE_LIMITS"),
            ("--rate-limits=register.ip=0/60", "RATE_LIMITS"),
            ("--rate-limits=register.ip=5/0", "RATE_LIMITS"),
            ("--rate-limits=register.ip=5/86401", "RATE_LIMITS"),
            ("--rate-limits=register.ip=5/60,register.ip=6/60", "RATE_LIMITS"),
            ("--rate-limits=zanzibar.ip=5/60", "RATE_LIMITS"),
            // More than one a millisecond, and more names than are remembered.
            ("--rate-limits=register.ip=1001/1", "RATE_LIMITS"),
            ("--rate-limits=login.identifiers=1001/3600", "RATE_LIMITS"),
            // What is counted in a session's row stays.
            ("--rate-limits=password.session=100/3600", "RATE_LIMITS"),
            ("--registration=zanzibar", "REGISTRATION"),
            ("--require-email-verification=zanzibar", "REQUIRE_EMAIL_VERIFICATION"),
            ("--verify-email-url=https://zanzibar.example/verify", "VERIFY_EMAIL_URL"),
            ("--reset-password-url=zanzibar/{token}", "RESET_PASSWORD_URL"),
            ("--undo-email-change-url=ftp://zanzibar.example/{token}", "UNDO_EMAIL_CHANGE_URL"),
            (
                "--accept-invitation-url=https://zanzibar.example/{token}{token}",
                "ACCEPT_INVITATION_URL",
            ),
            ("--providers-file=/nowhere/zanzibar", "PROVIDERS_FILE"),
            ("--change-password-url=zanzibar", "CHANGE_PASSWORD_URL"),
            ("--change-password-url=javascript:zanzibar", "CHANGE_PASSWORD_URL"),
            ("--introspection=zanzibar", "INTROSPECTION"),
            ("--playground=zanzibar", "PLAYGROUND"),
            ("--account-pages=zanzibar", "ACCOUNT_PAGES"),
            ("--site-color=zanzibar", "SITE_COLOR"),
            ("--site-color=#12345", "SITE_COLOR"),
            ("--site-logo=/nowhere/zanzibar.svg", "SITE_LOGO"),
            ("--site-logo=Cargo.toml", "SITE_LOGO"),
            ("--access-log=zanzibar", "ACCESS_LOG"),
            ("--log-format=zanzibar", "LOG_FORMAT"),
        ])
        .chain(RETURN_URLS)
    {
        let told = problems(&[flag]);
        assert!(told.iter().any(|problem| problem.contains(name)), "{flag}: {told:?}");
        assert!(!told.iter().any(|problem| problem.contains("zanzibar")), "{flag}: {told:?}");
    }
}

#[test]
fn people_may_be_sent_back_to_pages_and_to_apps() {
    for urls in [
        "https://app.example.com/done, https://app.example.com",
        "https://app.example.com:8443/done?from=auth",
        "http://127.0.0.1/done, http://[::1]/, http://localhost:3000/done, http://127.0.0.1:9000/a",
        "com.example.app:/done, com.example.app://done",
        "http://app.localhost:3000/done",
    ] {
        let flag = format!("--return-urls={urls}");
        assert_eq!(problems(&[&PRODUCTION[..], &[&flag]].concat()), [""; 0]);
    }
}

/// The networks that CDNs publish: the largest anybody has (Akamai's, Amazon's) and some smaller ones.
const FLEETS: &str = "23.0.0.0/12, 23.32.0.0/11, 23.192.0.0/11, 104.64.0.0/10, 2.16.0.0/13, 23.72.0.0/13, \
     184.24.0.0/13, 23.64.0.0/14, 184.84.0.0/14, 92.122.0.0/15, 95.100.0.0/15, 96.6.0.0/15, 96.16.0.0/15, \
     104.16.0.0/13, 104.24.0.0/14, 172.64.0.0/13, 162.158.0.0/15, 13.224.0.0/14, 130.211.0.0/22, \
     2600:1400::/24, 2600:9000::/28, 2a02:26f0::/29, 2a06:98c0::/29, 2400:cb00::/32, 2606:4700::/32";

#[test]
fn networks_of_proxies_may_be_trusted() {
    for networks in [
        "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 127.0.0.0/8, 169.254.0.0/16, 100.64.0.0/10",
        "::1, fc00::/7, fd00::/8, fe80::/10",
        FLEETS,
        "203.0.113.7, 2001:db8::7, 2001:db8::/32",
        // Of a translator in front (RFC 6052): one proxy, and a private network.
        "64:ff9b::203.0.113.7, 64:ff9b::10.0.0.0/104, 64:ff9b:1::203.0.113.7",
    ] {
        assert_eq!(
            problems(&["--env=development", &format!("--trusted-proxies={networks}")]),
            [""; 0]
        );
    }
}

#[test]
fn a_large_part_of_the_internet_is_not_trusted() {
    let blocks = |every: usize, block: &dyn Fn(usize) -> String| {
        (0..256).step_by(every).map(block).collect::<Vec<_>>().join(",")
    };
    let halves = blocks(2, &|first| format!("{first}.0.0.0/8"));
    let spread = blocks(1, &|first| format!("{first}.7.0.0/16,{first}.99.0.0/16"));
    let adjacent = blocks(1, &|second| format!("5.{second}.0.0/16"));
    let six = blocks(1, &|part| format!("2a{part:02x}::/24"));
    for networks in [
        "2000::/3",
        "2000::/4",
        "2000::/4, 3000::/4",
        "2400::/6",
        "2600::/12",
        "2600::/20",
        "8000::/1",
        "0.0.0.0/0",
        "0.0.0.0/1, 128.0.0.0/1",
        "11.0.0.0/8",
        "8.0.0.0/9",
        "10.0.0.0/7",
        "172.0.0.0/8",
        "100.0.0.0/8",
        "fc00::/6",
        // All of IPv4 by a translator, a relay or a tunnel.
        "64:ff9b::/96",
        "64:ff9b::/64",
        "64:ff9b::8.0.0.0/104",
        "64:ff9b:1::/48",
        "2002::/16",
        "2002:800::/24",
        "2001::/32",
        "::/96",
        "::/64",
        "::ffff:0:0:0/96",
        "::ffff:0:0/96",
        "::ffff:0:0/95",
        &halves,
        &spread,
        &adjacent,
        &six,
    ] {
        let told = problems(&["--env=development", &format!("--trusted-proxies={networks}")]);
        assert!(
            told.len() == 1 && told[0].starts_with("TRUSTED_PROXIES must"),
            "{networks}: {told:?}"
        );
    }
}

#[test]
fn what_needs_mail_is_refused_without() {
    let production = ["--env=production", "--public-url=https://a.example.org", GOOD_SECRET];
    for (flag, name) in [
        ("--require-email-verification=true", "REQUIRE_EMAIL_VERIFICATION"),
        ("--registration=invite", "REGISTRATION=invite"),
    ] {
        let told = problems(&[&production[..], &[flag]].concat());
        assert_eq!(told, [format!("{name} requires a mail server: set SMTP_URL")]);
    }
    let http = "--verify-email-url=http://app.example.org/{token}";
    let told = problems(&[&production[..], &[http]].concat());
    assert!(
        told[0].starts_with("VERIFY_EMAIL_URL must be a URL (https in production)"),
        "{told:?}"
    );
}

#[test]
fn random_secrets_are_accepted_in_each_usual_form() {
    // Each hasher has random keys of its own.
    let random = || RandomState::new().build_hasher().finish();
    for _ in 0..200 {
        let parts: [u64; 4] = std::array::from_fn(|_| random());
        let [one, two, three, four] = parts;
        let hex = format!("{one:016x}{two:016x}{three:016x}{four:016x}");
        let base64 = STANDARD.encode(parts.map(u64::to_be_bytes).concat());
        for secret in [&hex, &hex[..32], &base64] {
            let flag = format!("--secret-key={secret}");
            let flags = ["--env=production", "--public-url=https://a.example", &flag];
            assert_eq!(problems(&flags), [""; 0], "{secret}");
        }
    }
}

#[test]
fn a_random_secret_that_lacks_many_digits_is_accepted() {
    // Of 10,000 random secrets of 32 hexadecimal digits one has nine different digits or fewer.
    for secret in ["f41511918f941f66141a9800480ff691", "00d3a7f17d30af71d0a3f7173da0f71d"] {
        let flag = format!("--secret-key={secret}");
        let flags = ["--env=production", "--public-url=https://a.example", &flag];
        assert_eq!(problems(&flags), [""; 0], "{secret}");
    }
}

#[test]
fn a_secret_that_follows_a_pattern_is_refused() {
    let sequence: Vec<u8> = (0..32).collect();
    let letters = STANDARD.encode("0123456789abcdefghijklmnopqrstuv");
    for secret in [
        "0123456789abcdef0123456789abcdef",
        "1a2b3c4d5e6f7g8h9i0j1a2b3c4d5e6f7g8h9i0j",
        "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6",
        "qwertyuiopasdfghjklzxcvbnm123456789",
        "0f1f2f3f4f5f6f7f8f9fafbfcfdfefff",
        "tulip-tulip-tulip-tulip-tulip-otter",
        "2026-11-28-2026-11-28-2026-11-28",
        "replace-with-openssl-rand-base64-48",
        "000102030405060708090a0b0c0d0e0f1011",
        &STANDARD.encode(&sequence),
        &STANDARD.encode("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"),
        letters.trim_end_matches('='),
    ] {
        let flag = format!("--secret-key={secret}");
        let flags = ["--env=production", "--public-url=https://a.example", &flag];
        let told = problems(&flags);
        assert!(told.iter().any(|told| told.contains("SECRET_KEY must be random")), "{secret}");
    }
}

#[test]
fn a_secret_and_its_file_do_not_go_together() {
    let told = problems(&[GOOD_SECRET, "--secret-key-file=/nowhere"]);
    assert_eq!(told, ["SECRET_KEY and SECRET_KEY_FILE must not be set together"]);
}

#[test]
fn the_secret_before_is_another_one() {
    let again = GOOD_SECRET.replace("--secret-key", "--secret-key-previous");
    assert_eq!(
        problems(&[GOOD_SECRET, &again]),
        ["SECRET_KEY_PREVIOUS must differ from SECRET_KEY"]
    );
}

#[test]
fn http_and_example_secrets_are_refused_in_production() {
    let http = problems(&["--env=production", "--public-url=http://auth.example.org", GOOD_SECRET]);
    assert_eq!(http, ["PUBLIC_URL must be https in production"]);
    let example = "--secret-key=please-change-me-0123456789-abcdefghijklmnop";
    let told = problems(&["--env=production", "--public-url=https://a.example", example]);
    assert_eq!(told.len(), 1);
}

#[test]
fn every_setting_stands_in_the_example_file_with_its_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example");
    let example = std::fs::read_to_string(path).unwrap_or_default();
    let mut documented: Vec<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('='))
        .map(|(name, _)| name)
        .filter(|name| {
            name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
        })
        .collect();
    documented.sort_unstable();
    let mut known = cli::setting_names();
    known.sort();
    assert_eq!(documented, known);
}
