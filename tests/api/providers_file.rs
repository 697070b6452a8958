//! `PROVIDERS_FILE`: what an operator may write there, and what is said of everything else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis::cli;
use portcullis::config::Config;

/// What stands in every value that must not be repeated.
const CANARY: &str = "zanzibar";

fn problems_in(folder: &Path, file: &str, flags: &[&str]) -> Vec<String> {
    let path = folder.join("providers.toml");
    fs::write(&path, file).unwrap();
    let file = format!("--providers-file={}", path.display());
    let flags: Vec<String> =
        flags.iter().copied().chain([file.as_str()]).map(str::to_owned).collect();
    Config::new(&cli::settings(&flags).unwrap()).map_or_else(|problems| problems.0, |_| Vec::new())
}

fn problems(file: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    problems_in(folder.path(), file, &[])
}

/// A key as Apple hands it out.
fn p8() -> String {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let text = STANDARD.encode(key.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

const EVERY_KIND: &str = r#"
[google]
kind = "google"
client_id = "1234.apps.googleusercontent.com"
client_secret_file = "secrets/google"
trusted = true
audiences = ["ios.apps.googleusercontent.com"]

[github]
kind = "github"
client_id = "Ov23li"
client_secret = "a-secret"

[github-enterprise]
kind = "github"
name = "Our GitHub"
issuer = "https://github.example.com"
client_id = "Iv1"
client_secret = "a-secret"
scopes = ["user:email"]

[microsoft]
kind = "microsoft"
tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
client_id = "a"
client_secret = "b"

[apple]
kind = "apple"
client_id = "com.example.web"
team_id = "TEAM"
key_id = "KEY"
private_key_file = "AuthKey.p8"

[company]
kind = "oidc"
name = "Company"
issuer = "https://id.example.com/realms/a/"
client_id = "portcullis"
scopes = ["openid", "email"]
response_mode = "form_post"
token_auth = "client_secret_post"

[local]
kind = "oidc"
issuer = "http://127.0.0.1:4000"
client_id = "public"
allow_private_addresses = true

[discord]
kind = "oauth2"
client_id = "1"
client_secret = "2"
authorization_endpoint = "https://discord.com/oauth2/authorize"
token_endpoint = "https://discord.com/api/oauth2/token"
userinfo_endpoint = "https://discord.com/api/users/@me"
scopes = ["identify", "email"]
claims = { subject = "id", email_verified = "verified", name = "global_name" }
"#;

#[test]
fn providers_of_every_kind_are_read_with_their_secrets_beside() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("secrets")).unwrap();
    fs::write(folder.path().join("secrets/google"), "a-secret\n").unwrap();
    fs::write(folder.path().join("AuthKey.p8"), p8()).unwrap();
    assert_eq!(problems_in(folder.path(), EVERY_KIND, &[]), [""; 0]);
    assert_eq!(problems_in(folder.path(), "", &[]), [""; 0]);
}

#[test]
fn everything_that_is_wrong_with_a_provider_is_told_by_its_key_and_never_repeated() {
    let oidc = "kind = \"oidc\"\nclient_id = \"a\"\n";
    let github = "kind = \"github\"\nclient_id = \"a\"\nclient_secret = \"b\"\n";
    let microsoft = "kind = \"microsoft\"\nclient_id = \"a\"\n";
    let issuer = "issuer = \"https://id.example.com\"\n";
    for (table, told) in [
        (String::new(), "[p] kind must be google or github"),
        ("kind = \"zanzibar\"".to_owned(), "[p] kind must be google or github"),
        ("kind = 1".to_owned(), "[p] kind must be google or github"),
        ("kind = \"oidc\"".to_owned(), "[p] client_id is required"),
        (oidc.to_owned(), "[p] issuer is required"),
        (format!("{oidc}issuer = \"http://zanzibar.example\""), "[p] issuer must be an https URL"),
        (format!("{oidc}issuer = \"http://127.0.0.1:1\""), "[p] issuer must be an https URL"),
        (format!("{oidc}issuer = \"https://zanzibar@a.example\""), "[p] issuer must be an https"),
        (format!("{oidc}issuer = \"https://a.example/#zanzibar\""), "[p] issuer must be an https"),
        (format!("{oidc}issuer = \"https://a.example/?zanzibar\""), "[p] issuer must not have a query"),
        (
            format!("{oidc}allow_private_addresses = true\nissuer = \"http://zanzibar/?host=/a\""),
            "[p] issuer must be an https URL",
        ),
        (format!("{oidc}{issuer}trusted = \"true\""), "[p] trusted must be true or false"),
        (format!("{oidc}{issuer}scopes = \"zanzibar\""), "[p] scopes must be a list"),
        (format!("{oidc}{issuer}scopes = [\"zanzibar email\"]"), "[p] scopes must be names"),
        (format!("{oidc}{issuer}scopes = [\"email\"]"), "[p] scopes must have openid"),
        (format!("{oidc}{issuer}audiences = [1]"), "[p] audiences must be a list"),
        (format!("{oidc}{issuer}name = \"\""), "[p] name must be text"),
        (format!("{oidc}{issuer}name = \"zanzibar\\n\""), "[p] name must be text"),
        (format!("{oidc}{issuer}name = \"{}\"", CANARY.repeat(9)), "[p] name must have at most 64"),
        (format!("{oidc}{issuer}response_mode = \"zanzibar\""), "[p] response_mode must be query"),
        (format!("{oidc}{issuer}token_auth = \"zanzibar\""), "[p] token_auth must be client_secret"),
        (format!("{oidc}{issuer}tenant = \"zanzibar\""), "[p] tenant is not a key of kind oidc"),
        (format!("{oidc}{issuer}clientsecret = \"zanzibar\""), "[p] clientsecret is not a key"),
        (format!("{oidc}{issuer}client_secret = \"\""), "[p] client_secret must be text"),
        (
            format!("{oidc}{issuer}client_secret = \"zanzibar\"\nclient_secret_file = \"zanzibar\""),
            "[p] client_secret must not be set together with client_secret_file",
        ),
        (
            format!("{oidc}{issuer}client_secret_file = \"zanzibar\""),
            "[p] client_secret_file cannot be read: entity not found",
        ),
        (format!("{github}issuer = \"https://git.zanzibar/\""), "[p] issuer must not have a query"),
        (format!("{github}audiences = []"), "[p] audiences is not a key of kind github"),
        ("kind = \"github\"\nclient_id = \"a\"".to_owned(), "[p] client_secret_file (or client_secret)"),
        ("kind = \"google\"\nclient_id = \"a\"".to_owned(), "[p] client_secret_file (or client_secret)"),
        (
            format!("kind = \"google\"\nclient_id = \"a\"\nclient_secret = \"b\"\n{issuer}"),
            "[p] issuer is not a key of kind google",
        ),
        (format!("{microsoft}tenant = \"zanzibar\""), "[p] tenant must be common"),
        (format!("{microsoft}tenant = \"zanzibar.example\""), "[p] tenant must be common"),
        ("kind = \"apple\"\nclient_id = \"a\"".to_owned(), "[p] private_key_file is required"),
        (
            "kind = \"apple\"\nclient_id = \"a\"\nteam_id = \"b\"\nkey_id = \"c\"\nprivate_key_file = \
             \"providers.toml\""
                .to_owned(),
            "[p] private_key_file must be the file AuthKey_",
        ),
        ("kind = \"oauth2\"\nclient_id = \"a\"".to_owned(), "[p] userinfo_endpoint is required"),
        ("kind = \"oauth2\"\nclaims = 1".to_owned(), "[p] claims must be a table"),
        (
            "kind = \"oauth2\"\nclaims = { zanzibar = \"a\" }".to_owned(),
            "[p] claims must have only the keys subject, email",
        ),
        ("kind = \"oauth2\"\nclaims = { subject = 1 }".to_owned(), "[p] claims.subject must be text"),
    ] {
        let found = problems(&format!("[p]\n{table}\n"));
        let is_told = found.iter().any(|problem| problem.contains(&format!("PROVIDERS_FILE: {told}")));
        assert!(is_told, "{table}: {found:#?}");
        assert!(!found.iter().any(|problem| problem.contains(CANARY)), "{table}: {found:#?}");
    }
}

#[test]
fn a_file_that_is_not_made_of_tables_is_refused_without_what_stands_in_it() {
    let many = (0..65).map(|number| format!("[p{number}]\n")).collect::<Vec<_>>().concat();
    for (file, told) in [
        ("[a]\nclient_secret = zanzibar\n", "PROVIDERS_FILE is not valid TOML in line 2"),
        ("[a]\n\nclient_secret = \"zanzibar\n", "PROVIDERS_FILE is not valid TOML in line 3"),
        ("[a]\nb = \"zanzibar\"\nb = \"zanzibar\"\n", "PROVIDERS_FILE is not valid TOML in line 3"),
        ("[zanzibar", "PROVIDERS_FILE is not valid TOML in line 1"),
        ("client_secret = \"zanzibar\"\n", "PROVIDERS_FILE must have only tables"),
        ("[[a]]\nkind = \"zanzibar\"\n", "PROVIDERS_FILE must have only tables"),
        ("[Zanzibar]\n", "PROVIDERS_FILE has a table whose name is not"),
        ("[\"\"]\n", "PROVIDERS_FILE has a table whose name is not"),
        ("[\"a/zanzibar\"]\n", "PROVIDERS_FILE has a table whose name is not"),
        ("[abcdefghijklmnopqrstuvwxyz-0123456]\n", "PROVIDERS_FILE has a table whose name is not"),
        (&many, "PROVIDERS_FILE must have at most 64 tables"),
    ] {
        let found = problems(file);
        assert!(found.iter().any(|problem| problem.contains(told)), "{file}: {found:#?}");
        assert!(!found.iter().any(|problem| problem.contains(CANARY)), "{file}: {found:#?}");
    }
}

#[test]
fn all_problems_of_all_providers_are_told_at_once() {
    let file = "[a]\nkind = \"github\"\nbeside = 1\n[b]\nkind = \"oidc\"\n[c]\nkind = 1\n";
    let found = problems(file);
    for told in [
        "[a] client_id is required",
        "[a] client_secret_file (or",
        "[a] beside is not a key",
        "[b] issuer is required",
        "[b] client_id is required",
        "[c] kind must be",
    ] {
        assert!(found.iter().any(|problem| problem.contains(told)), "{told}: {found:#?}");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn files_of_providers_and_of_their_secrets_are_judged_like_the_others() {
    let production = [
        "--env=production",
        "--public-url=https://auth.example.org",
        "--secret-key=mUo2J6gkq4JvYV7r1nqDWHc0bE8sXz5tLhPa9f3R",
    ];
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let oidc = "[p]\nkind = \"oidc\"\nissuer = \"https://a.example\"\nclient_id = \"a\"\n";
    let (file, secret) = (folder.path().join("providers.toml"), folder.path().join("secret"));
    fs::write(&file, "").unwrap();
    fs::write(&secret, "a-secret").unwrap();
    let inline = format!("{oidc}client_secret = \"a\"\n");
    let beside = format!("{oidc}client_secret_file = \"secret\"\n");
    let changed = "PROVIDERS_FILE can be changed by other users";
    let read = "PROVIDERS_FILE can be read or changed by other users";
    let secret_read =
        "PROVIDERS_FILE: [p] client_secret_file can be read or changed by other users";
    for (text, mode, secret_mode, told) in [
        (oidc, 0o644, 0o600, None),
        (oidc, 0o664, 0o600, Some(changed)),
        (&inline, 0o640, 0o600, None),
        (&inline, 0o644, 0o600, Some(read)),
        (&beside, 0o644, 0o640, None),
        (&beside, 0o644, 0o644, Some(secret_read)),
        (&beside, 0o644, 0o660, Some(secret_read)),
    ] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(secret_mode)).unwrap();
        let found = problems_in(folder.path(), text, &production);
        let is_told = |told| found.iter().any(|problem: &String| problem.starts_with(told));
        match told {
            None => assert_eq!(found, [""; 0], "{text}: {mode:o}"),
            Some(told) => assert!(is_told(told), "{text}: {mode:o}/{secret_mode:o}: {found:?}"),
        }
    }
}
