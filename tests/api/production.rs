//! What production refuses to start with, and what it shows to nobody.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use portcullis::cli;
use portcullis::config::Config;
use serde_json::json;

use crate::support::{TestApp, call, send_as_it_is};

const SECRET: &str = "mUo2J6gkq4JvYV7r1nqDWHc0bE8sXz5tLhPa9f3R";

/// Starts the binary in production in `folder` with these variables over good ones. An empty value
/// takes a variable away.
fn boot(folder: &Path, variables: &[(&str, &str)]) -> Output {
    boot_with(&[], folder, variables)
}

fn boot_with(arguments: &[&str], folder: &Path, variables: &[(&str, &str)]) -> Output {
    let good = [
        ("PORTCULLIS_ENV", "production"),
        ("PUBLIC_URL", "https://auth.example.org"),
        ("LISTEN", "127.0.0.1:0"),
        ("SECRET_KEY", SECRET),
    ];
    let mut all: HashMap<&str, &str> = good.into_iter().collect();
    all.extend(variables.iter().copied());
    all.retain(|_, value| !value.is_empty());
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .env_clear()
        .envs(all)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn each_bad_value_ends_the_start_at_once_by_name_and_unrepeated() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "kJ8sLq2Wz9XcVb4Nm7Tg"),
        ("SECRET_KEY", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"),
        ("SECRET_KEY", "change-me-change-me-change-me-4711-0815-abcdefg"),
        ("SECRET_KEY", "your-256-bit-SECRET-0123456789-abcdefghijklmnop"),
        ("SECRET_KEY", "correct-horse-battery-PassWord-0123456789-abcdef"),
        ("SECRET_KEY_PREVIOUS", "kJ8sLq2Wz9XcVb4Nm7Tg"),
        ("SECRET_KEY_PREVIOUS", SECRET),
        ("PUBLIC_URL", ""),
        ("PUBLIC_URL", "http://auth.example.net"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "https://*.example.net"),
        ("ALLOWED_ORIGINS", "https://app.example.net, http://app.example.net"),
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("TRUSTED_PROXIES", "0.0.0.0/1, 128.0.0.0/1"),
        ("TRUSTED_PROXIES", "0.0.0.0/2, 128.0.0.0/2, 64.0.0.0/2, 192.0.0.0/2"),
        ("TRUSTED_PROXIES", "::/1, 8000::/1"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, 2000::/3"),
        ("SECRET_KEY", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"),
        ("SECRET_KEY", "zyxwvutsrqponmlkjihgfedcba9876543210zyxwvut"),
        ("SECRET_KEY", "qwertyuiopasdfghjklzxcvbnm1234567890QWERTYUI"),
        ("SECRET_KEY", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p1qaz2wsx"),
        ("SECRET_KEY", "acegikmoqsuwybdfhjlnprtvxz13579acegikmoqsuwy"),
        ("SECRET_KEY", "kJ8sLq2Wz9XckJ8sLq2Wz9XckJ8sLq2Wz9XckJ8sLq2W"),
        ("SECRET_KEY_PREVIOUS", "qwertzuiopasdfghjklyxcvbnm1234567890qwertzui"),
        ("ARGON2_MEMORY_KIB", "8192"),
        ("ARGON2_ITERATIONS", "1"),
        ("RATE_LIMITS", "off"),
        ("METRICS_LISTEN", "9090"),
        ("INTROSPECTION", "yes-please"),
        ("PLAYGROUND", "yes-please"),
        ("PORTCULLIS_ENV", "staging"),
        ("PORTCULLIS_SECRET", "unheard-of"),
        ("JWT_ALGORITHM", "none"),
        ("DATABASE_URL", "sqlite::memory:"),
    ] {
        let began = Instant::now();
        let output = boot(folder.path(), &[(name, value)]);
        let took = began.elapsed();
        let told = complaint(&output);
        assert!(!output.status.success() && told.contains(name), "{name}={value}: {told}");
        assert!(value.len() < 5 || !told.contains(value), "{name}={value}: {told}");
        assert!(took < Duration::from_secs(20), "{name}={value}: {took:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}

#[test]
fn a_good_configuration_gets_as_far_as_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let told = complaint(&boot(folder.path(), &[]));
    assert!(told.contains("run `portcullis migrate up`"), "{told}");
    assert!(!told.contains("shows more than"), "{told}");
}

#[test]
fn what_is_loose_on_purpose_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let loose = [("INTROSPECTION", "full"), ("PLAYGROUND", "on"), ("RUST_LOG", "info,hyper=debug")];
    let told = complaint(&boot(folder.path(), &loose));
    for (name, _) in loose {
        assert!(told.contains(&format!("{name} shows more than")), "{name}: {told}");
    }
    // To nobody anything that is not theirs to use.
    let told = complaint(&boot(folder.path(), &[("INTROSPECTION", "own")]));
    assert!(told.contains("migrate up") && !told.contains("shows more than"), "{told}");
}

#[test]
fn what_is_served_says_what_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let (url, proxy) =
        (("PUBLIC_URL", "HTTPS://auth.example.org"), ("TRUSTED_PROXIES", "10.0.0.1"));
    for (set, reason) in [(url, "PUBLIC_URL is https"), (proxy, "TRUSTED_PROXIES is set")] {
        let told =
            complaint(&boot(folder.path(), &[("PORTCULLIS_ENV", ""), ("PUBLIC_URL", ""), set]));
        assert!(told.contains(&format!("PORTCULLIS_ENV is not set, and {reason}")), "{told}");
        assert!(told.contains("set PORTCULLIS_ENV=production"), "{told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}

#[test]
fn what_is_dangerous_and_allowed_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let plain = "leads to another machine but does not require TLS";
    let guessed = "is easy to guess";
    let (redis, smtp) = ("REDIS_URL", "SMTP_URL");
    for (name, value, warning, is_warned) in [
        ("METRICS_LISTEN", "0.0.0.0:0", "can reach METRICS_LISTEN", true),
        ("METRICS_LISTEN", "[::]:0", "can reach METRICS_LISTEN", true),
        ("METRICS_LISTEN", "203.0.113.7:9090", "can reach METRICS_LISTEN", true),
        ("METRICS_LISTEN", "127.0.0.1:0", "can reach METRICS_LISTEN", false),
        (redis, "redis://192.0.2.1:1", plain, true),
        (redis, "rediss://192.0.2.1:1", plain, false),
        (redis, "redis://127.0.0.1:1", plain, false),
        (redis, "redis://[::1]:1", plain, false),
        (redis, "redis://:letmein1@127.0.0.1:1", guessed, true),
        (redis, "redis://:mUo2J6gkq4JvYV7r@127.0.0.1:1", guessed, false),
        (smtp, "smtp://192.0.2.1:1?tls=off", plain, true),
        (smtp, "smtp://192.0.2.1:1", plain, false),
        (smtp, "smtps://192.0.2.1:1", plain, false),
        (smtp, "smtp://localhost:1?tls=off", plain, false),
    ] {
        let told = complaint(&boot(folder.path(), &[(name, value)]));
        assert_eq!(told.contains(warning), is_warned, "{name}={value}: {told}");
        assert!(!is_warned || told.contains(name), "{told}");
        assert!(!told.contains("letmein1"), "{told}");
    }
}

#[test]
fn the_doctor_warns_of_what_the_start_warns_of() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in
        [("METRICS_LISTEN", "0.0.0.0:0"), ("REDIS_URL", "redis://user:1234567890@127.0.0.2:1")]
    {
        let told = complaint(&boot(folder.path(), &[(name, value)]));
        let warning = told.lines().find(|line| line.contains("WARN") && line.contains(name));
        let (_, warning) = warning.unwrap().split_once(name).unwrap();
        let (message, advice) = warning.split_once(": ").unwrap();
        let examined = boot_with(&["doctor"], folder.path(), &[(name, value)]);
        let examined = String::from_utf8(examined.stdout).unwrap();
        assert!(examined.contains(message) && examined.contains(advice), "{told}\n{examined}");
    }
}

#[test]
fn a_database_elsewhere_has_to_be_spoken_to_by_tls() {
    for (url, is_warned) in [
        ("postgres://u:mUo2J6gkq4JvYV7r@db.example.org/x", true),
        ("postgres://u:mUo2J6gkq4JvYV7r@db.example.org/x?sslmode=prefer", true),
        ("postgres://u:mUo2J6gkq4JvYV7r@db.example.org/x?sslmode=verify-full", false),
        ("postgres://u:mUo2J6gkq4JvYV7r@127.0.0.1/x", false),
        ("postgres:///x?host=/var/run/postgresql", false),
        ("mysql://u:mUo2J6gkq4JvYV7r@db.example.org/x", true),
        ("mysql://u:mUo2J6gkq4JvYV7r@db.example.org/x?ssl-mode=VERIFY_IDENTITY", false),
    ] {
        let variables = [("DATABASE_URL", url), ("PORTCULLIS_ENV", "production")];
        let folder = tempfile::tempdir().unwrap();
        // It asks nobody but the database, which cannot be reached.
        let output = boot_with(&["doctor"], folder.path(), &variables);
        let told = String::from_utf8(output.stdout).unwrap();
        let warning = "DATABASE_URL leads to another machine but does not require TLS";
        assert_eq!(told.contains(warning), is_warned, "{url}: {told}");
    }
}

#[test]
fn limits_that_hardly_slow_guessing_down_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let warning = "RATE_LIMITS allows login.identifier more than 10000 attempts an hour";
    for (list, is_loose) in [
        ("login.identifier=10000/60", true),
        ("login.identifier=50/60", false),
        ("register.ip=100000/60", false),
    ] {
        let flag = format!("--rate-limits={list}");
        let told = complaint(&boot_with(&[&flag], folder.path(), &[]));
        assert_eq!(told.contains(warning), is_loose, "{list}: {told}");
    }
}

#[test]
fn a_secret_among_the_arguments_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let secret = format!("--secret-key={SECRET}");
    let warning = "SECRET_KEY is given as a flag, so every user of this machine can see it";
    for arguments in [&[secret.as_str()][..], &["serve", &secret]] {
        let output = boot_with(arguments, folder.path(), &[("SECRET_KEY", "")]);
        let told = complaint(&output);
        assert!(told.contains(warning) && !told.contains(SECRET), "{told}");
    }
    let told = complaint(&boot_with(&["--database-url=sqlite://x.db"], folder.path(), &[]));
    assert!(!told.contains("given as a flag"), "{told}");
}

#[cfg(unix)]
#[test]
fn data_that_everybody_can_replace_is_refused() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("data/portcullis.db"));
    let modes =
        |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    fs::create_dir(&data).unwrap();
    fs::write(&file, "").unwrap();
    modes(folder.path(), 0o755);
    let folder_told = "DATA_DIR can be changed by";
    let file_told = "the database can be changed by";
    for (data_mode, file_mode, told, is_refused) in [
        (0o777, 0o600, folder_told, true),
        (0o775, 0o600, folder_told, false),
        (0o755, 0o666, file_told, true),
        (0o755, 0o660, file_told, false),
        (0o755, 0o644, "the database can be read by every user", false),
    ] {
        modes(&data, data_mode);
        modes(&file, file_mode);
        let said = complaint(&boot(folder.path(), &[]));
        assert!(said.contains(told), "{data_mode:o} {file_mode:o}: {said}");
        let is_invalid = said.contains("the configuration is invalid");
        assert_eq!(is_invalid, is_refused, "{data_mode:o} {file_mode:o}: {said}");
    }
    modes(&data, 0o700);
    modes(&file, 0o666);
    let said = complaint(&boot(folder.path(), &[]));
    assert!(!said.contains("can be changed"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_can_read_or_change_is_refused() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let link = folder.path().join("link");
    fs::write(&file, SECRET.chars().rev().collect::<String>()).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let refused = |folder_mode: u32, mode: u32, name: &str| {
        fs::set_permissions(folder.path(), Permissions::from_mode(folder_mode)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let taken = name.trim_end_matches("_FILE");
        let value = match name {
            "DATABASE_URL_FILE" | "MIGRATE_DATABASE_URL_FILE" => &file,
            _ => &link,
        };
        let output = boot(folder.path(), &[(taken, ""), (name, value.to_str().unwrap())]);
        let told = complaint(&output);
        assert!(!told.contains(value.to_str().unwrap()), "{told}");
        told.contains(&format!("{name} can be read or changed by other users"))
    };
    let settings = portcullis::cli::setting_names();
    let is_secret = |name: &&String| {
        name.strip_suffix("_FILE").is_some_and(|secret| settings.iter().any(|it| it == secret))
    };
    // One that has no value of its own, like DOCUMENTS_FILE, holds no secret.
    let secrets: Vec<_> =
        settings.iter().filter(is_secret).filter(|name| *name != "DOCUMENTS_FILE").collect();
    assert!(secrets.len() >= 6, "{secrets:?}");
    for name in secrets {
        for (folder_mode, mode, is_refused) in [
            (0o755, 0o400, false),
            (0o755, 0o640, false),
            (0o755, 0o644, true),
            (0o755, 0o604, true),
            (0o755, 0o660, true),
            (0o755, 0o602, true),
            (0o700, 0o644, false),
            (0o750, 0o666, false),
        ] {
            let outcome = refused(folder_mode, mode, name);
            assert_eq!(outcome, is_refused, "{name}: {folder_mode:o}/{mode:o}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_claims_that_others_can_change_is_refused() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("claims.json");
    fs::write(&file, "{}").unwrap();
    for (mode, is_refused) in [(0o644, false), (0o444, false), (0o664, true), (0o646, true)] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let output = boot(folder.path(), &[("CLAIMS_FILE", file.to_str().unwrap())]);
        let told = complaint(&output);
        assert_eq!(told.contains("CLAIMS_FILE can be changed"), is_refused, "{mode:o}: {told}");
    }
}

#[test]
fn no_secret_that_stands_in_our_documents_is_accepted() {
    let mut shown = Vec::new();
    for file in [
        "README.md",
        ".env.example",
        "compose.yaml",
        "Dockerfile",
        "docs/how-to/containers.md",
        "docs/how-to/databases.md",
        "docs/how-to/kubernetes.md",
        "docs/how-to/production.md",
        "docs/how-to/proxy.md",
        "docs/how-to/systemd.md",
        "packaging/kubernetes/secrets.example.yaml",
    ] {
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let words = text.split(|c: char| c.is_whitespace() || "=\"'`,;()|".contains(c));
        // Addresses, paths (of Rust too) and names of settings and metrics are no secrets; all else that is long
        // enough might be copied.
        shown.extend(
            words
                .filter(|word| {
                    word.len() >= 32
                        && !word.contains(['/', '.'])
                        && !word.contains("::")
                        && !word.starts_with("portcullis_")
                        && word.contains(|c: char| c.is_lowercase())
                })
                .map(str::to_owned),
        );
    }
    for word in shown {
        let flags = ["--env=production", "--public-url=https://auth.example.org"];
        let mut flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--secret-key={word}"));
        assert!(Config::new(&cli::settings(&flags).unwrap()).is_err(), "{word}");
    }
}

/// An instance with the defaults of production; its password hashes are as weak as those of all
/// tests, which is why it cannot call itself one.
async fn closed() -> TestApp {
    TestApp::start_with(&["--introspection=off", "--playground=off"]).await
}

#[tokio::test]
async fn the_schema_is_shown_by_no_route() {
    let app = closed().await;
    for query in [
        "{ __schema { queryType { name } } }",
        "{ a: __schema { types { name } } }",
        "{ __type(name: \"User\") { name } }",
        "{ ok: __typename x: __type(name: \"User\") { fields { name } } }",
        "{ ...F } fragment F on Query { __schema { types { name } } }",
        "{ ... on Query { ... { y: __type(name: \"Role\") { name } } } }",
        "mutation { logout { sessionId } } query Q { __schema { types { name } } }",
        "query($name: String!) { __type(name: $name) { name } }",
    ] {
        let variables = json!({ "name": "User" });
        let reply = call(&app.app, query, variables, None).await;
        assert!(reply.json()["data"].is_null(), "{query}: {}", reply.text);
    }
    for (method, uri) in [
        ("GET", "/schema.graphql"),
        ("GET", "/graphql?query=%7B__schema%7Btypes%7Bname%7D%7D%7D"),
        ("GET", "/graphql"),
        ("GET", "/playground"),
        ("GET", "/graphiql"),
        ("GET", "/sdl"),
    ] {
        let request = axum::http::Request::builder().method(method).uri(uri);
        let request = request.header("accept", "text/html").body(axum::body::Body::empty());
        let reply = send_as_it_is(&app.app, request.unwrap()).await;
        assert!(reply.status.is_client_error(), "{uri}");
        assert!(!reply.text.contains("type ") && !reply.text.contains("<html"), "{uri}");
    }
}

#[tokio::test]
async fn no_error_guesses_what_was_meant() {
    let (closed, open) = (closed().await, TestApp::start().await);
    let mut guesses = 0;
    for (query, variables) in [
        ("{ mee { id } }", json!({})),
        ("{ me { usernam } }", json!({})),
        ("{ users(firs: 1) { totalCount } }", json!({})),
        ("{ users(orderBy: { field: CREATED, direction: ASC }) { totalCount } }", json!({})),
        ("{ users(orderBy: { fieldd: CREATED_AT, direction: ASC }) { totalCount } }", json!({})),
        ("mutation { logn(input: {}) { __typename } }", json!({})),
        ("mutation { login(input: { identifie: \"\" }) { __typename } }", json!({})),
        ("{ me { ... on Usr { id } } }", json!({})),
        ("query($x: Rol) { me { id } }", json!({})),
        (
            "query($x: UserFilter) { users(filter: $x) { totalCount } }",
            json!({ "x": { "rol": "ADMIN" } }),
        ),
        (
            "query($x: UserFilter) { users(filter: $x) { totalCount } }",
            json!({ "x": { "role": "ADMI" } }),
        ),
        (
            "mutation($x: LoginInput!) { login(input: $x) { __typename } }",
            json!({ "x": { "identifie": "a", "password": "b" } }),
        ),
        ("{ me @skp(if: true) { id } }", json!({})),
        ("{ me { id ...Misspelt } }", json!({})),
    ] {
        let reply = call(&closed.app, query, variables.clone(), None).await;
        assert!(reply.json()["errors"].is_array(), "{query}");
        assert!(!reply.text.to_lowercase().contains("did you mean"), "{query}: {}", reply.text);
        let explained = call(&open.app, query, variables, None).await;
        guesses += usize::from(explained.text.contains("Did you mean"));
    }
    assert!(guesses > 0, "where introspection is on, mistakes are explained");
}
