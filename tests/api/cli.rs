//! The operator's command line: the real binary, beside a server over the same database.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{PASSWORD, SignedIn, TestApp, skip};

const ME: &str = "{ me { role } }";
const OTHER_PASSWORD: &str = "another long passphrase";

fn password_file(app: &TestApp, password: &str) -> String {
    let path = app.database.folder.path().join("password.txt");
    fs::write(&path, format!("{password}\nnot this line\n")).unwrap();
    format!("--password-file={}", path.display())
}

/// Lets what the instance remembers of its users grow old.
fn later(app: &TestApp) {
    app.clock.advance(Duration::from_secs(4));
}

async fn role(app: &TestApp, user: &SignedIn) -> Value {
    later(app);
    app.query(ME, &user.access).await.data()["me"]["role"].clone()
}

async fn reason(app: &TestApp, user: &SignedIn) -> Value {
    later(app);
    app.query(ME, &user.access).await.extension("reason")
}

async fn events_of_the_cli(app: &TestApp, kind: &str) -> i64 {
    app.count(&format!("audit_events WHERE actor_kind = 'CLI' AND kind = '{kind}'")).await
}

#[tokio::test]
async fn the_operator_makes_an_admin() {
    let app = TestApp::start_now(&[]).await;
    let file = password_file(&app, OTHER_PASSWORD);
    let new = ["admin", "create", "--username=root", "--email=root@example.com", &file];
    let made = app
        .cli(&[&new[..], &["--json", "--full-name=The Root", "--locale=de"]].concat())
        .await
        .json();
    assert_eq!((&made["username"], &made["role"]), (&json!("root"), &json!("ADMIN")));

    let root = app.login("root", OTHER_PASSWORD).await.signed_in("login");
    assert_eq!(root.id, made["id"].as_str().unwrap());
    let me = app.query("{ me { locale } }", &root.access).await.data();
    assert_eq!(me["me"]["locale"], "DE");
    assert!(app.cli(&new).await.complaint().contains("the username is taken"));
    assert_eq!(events_of_the_cli(&app, "USER_CREATED").await, 1);
}

#[tokio::test]
async fn roles_change_by_name_address_or_id_and_count_within_seconds() {
    let app = TestApp::start_now(&[]).await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);

    assert_eq!(app.cli(&["admin", "promote", "ALICE"]).await.printed(), "alice is an admin\n");
    assert_eq!(role(&app, &alice).await, "ADMIN");
    app.cli(&["admin", "demote", "alice@example.com"]).await.printed();
    assert_eq!(role(&app, &alice).await, "USER");
    app.cli(&["admin", "promote", &alice.id]).await.printed();
    app.cli(&["admin", "promote", &alice.id]).await.printed(); // Done already: no error, and no event.
    app.cli(&["admin", "demote", "boss"]).await.printed();
    assert_eq!(role(&app, &boss).await, "USER");
    assert_eq!(events_of_the_cli(&app, "ROLE_CHANGED").await, 4);
}

#[tokio::test]
async fn the_last_active_admin_stays_whoever_asks() {
    let app = TestApp::start_now(&[]).await;
    let boss = app.admin("boss").await;
    let alice = app.register("alice").await;
    for verb in ["demote", "deactivate"] {
        let told = app.cli(&["admin", verb, "boss"]).await;
        let told = told.complaint();
        assert!(told.contains("the last active admin must stay an active admin"), "{verb}");
    }
    assert_eq!(role(&app, &boss).await, "ADMIN");
    // Others come and go without an admin's leave.
    app.cli(&["admin", "deactivate", "alice"]).await.printed();
    assert_eq!(reason(&app, &alice).await, "SESSION_ENDED");
}

#[tokio::test]
async fn a_deactivated_user_is_out_and_a_reactivated_one_signs_in_again() {
    let app = TestApp::start_now(&[]).await;
    let alice = app.register("alice").await;

    app.cli(&["admin", "deactivate", "alice"]).await.printed();
    assert_eq!(reason(&app, &alice).await, "SESSION_ENDED");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    app.cli(&["admin", "reactivate", "alice"]).await.printed();
    assert_eq!(app.login("alice", PASSWORD).await.code(), "NONE");
    assert_eq!(events_of_the_cli(&app, "USER_DEACTIVATED").await, 1);
    assert_eq!(events_of_the_cli(&app, "USER_REACTIVATED").await, 1);
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_and_must_be_a_good_one() {
    let app = TestApp::start_now(&[]).await;
    let alice = app.register("alice").await;
    for (bad, told) in [
        ("short", "at least 8 characters"),
        ("password1", "common"),
        ("alice@example.com", "name"),
        ("", "at least 8 characters"),
    ] {
        let file = password_file(&app, bad);
        let outcome = app.cli(&["admin", "set-password", "alice", &file]).await;
        assert!(outcome.complaint().contains(told), "{bad}: {outcome:?}");
    }
    assert_eq!(app.query(ME, &alice.access).await.code(), "NONE");

    let file = password_file(&app, OTHER_PASSWORD);
    app.cli(&["admin", "set-password", "alice", &file]).await.printed();
    assert_eq!(reason(&app, &alice).await, "SESSION_ENDED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    assert_eq!(app.login("alice", OTHER_PASSWORD).await.code(), "NONE");
    assert_eq!(events_of_the_cli(&app, "PASSWORD_SET").await, 1);
}

#[tokio::test]
async fn all_sessions_of_a_user_end_and_those_of_others_do_not() {
    let app = TestApp::start_now(&[]).await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let again = app.login("alice", PASSWORD).await.signed_in("login");

    assert!(app.cli(&["admin", "end-sessions", "alice"]).await.printed().contains("2 ended"));
    for session in [&alice, &again] {
        assert_eq!(reason(&app, session).await, "SESSION_ENDED");
    }
    assert_eq!(app.query(ME, &bob.access).await.code(), "NONE");
    assert!(app.cli(&["admin", "end-sessions", "alice"]).await.printed().contains("0 ended"));
    assert_eq!(events_of_the_cli(&app, "SESSIONS_ENDED").await, 1);

    app.again("alice").await;
    for count in ["(2 ended)", "(0 ended)"] {
        let told = app.cli(&["admin", "end-sessions", "--all"]).await;
        assert_eq!(told.printed(), format!("all sessions have ended {count}\n"));
    }
    assert_eq!(reason(&app, &bob).await, "SESSION_ENDED");
    assert_eq!(app.cli(&["admin", "end-sessions", "alice", "--all"]).await.status, 2);
}

#[tokio::test]
async fn what_has_expired_is_removed_by_hand_too() {
    let app = TestApp::start_now(&[]).await;
    app.register("alice").await;
    for table in ["sessions", "one_time_tokens"] {
        app.sql(&format!("UPDATE {table} SET expires_at = created_at")).await;
    }
    let told = app.cli(&["purge"]).await;
    let expected =
        "removed 1 sessions, 1 expired links, registrations and invitations, and 0 audit events\n";
    assert_eq!(told.printed(), expected);
    assert_eq!(app.count("sessions").await + app.count("one_time_tokens").await, 0);
    app.login("alice", PASSWORD).await.signed_in("login");
}

#[tokio::test]
async fn accounts_are_listed_for_people_and_for_scripts() {
    let app = TestApp::start_now(&[]).await;
    app.admin("boss").await;
    for name in ["alice", "albert", "bob"] {
        app.clock.advance(Duration::from_millis(1));
        app.register(name).await;
    }
    app.cli(&["admin", "deactivate", "albert"]).await.printed();
    let names = async |arguments: &[&str]| -> Vec<String> {
        let listed = app.cli(&[&["admin", "list", "--json"], arguments].concat()).await.json();
        let listed = listed.as_array().unwrap().iter();
        listed.map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    };

    assert_eq!(names(&[]).await, ["boss"]);
    assert_eq!(names(&["--all"]).await, ["boss", "alice", "albert", "bob"]);
    assert_eq!(names(&["--all", "--search=AL"]).await, ["alice", "albert"]);
    assert_eq!(names(&["--all", "--search=al", "--status=inactive"]).await, ["albert"]);
    assert_eq!(names(&["--search=nobody"]).await, [""; 0]);
    let table = app.cli(&["admin", "list", "--all"]).await;
    let lines: Vec<&str> = table.printed().lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(
        lines[0].starts_with("ID ") && lines[3].contains("albert@example.com  USER   inactive")
    );
    app.try_register("emile", "\u{e9}mile@example.com", PASSWORD).await.data();
    assert_eq!(names(&["--all", "--search=E\u{301}MI"]).await, ["emile"], "as the API searches");
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_said() {
    let app = TestApp::start_now(&[]).await;
    app.register("alice").await;
    let file = password_file(&app, OTHER_PASSWORD);
    let unknown = "user_00000000-0000-7000-8000-000000000000";
    for verb in ["promote", "demote", "deactivate", "reactivate", "end-sessions"] {
        for nobody in ["nobody", "nobody@example.com", "not@an@address", "", unknown] {
            let told = app.cli(&["admin", verb, nobody]).await;
            assert!(told.complaint().contains("no account has the username"), "{verb} {nobody}");
        }
        assert_eq!(app.cli(&["admin", verb]).await.status, 2, "{verb}");
    }
    let told = app.cli(&["admin", "set-password", "nobody", &file]).await;
    assert!(told.complaint().contains("no account has the username"));
    let told = app.cli(&["admin", "set-password", "alice", "--password-file=/nowhere"]).await;
    assert!(told.complaint().contains("cannot read the password file"));
    assert_eq!(app.cli(&["admin", "set-password", "alice", "--password=x"]).await.status, 2);
    let told = app
        .cli(&["admin", "create", "--username=a b", "--email=nonsense", &password_file(&app, "x")])
        .await;
    for field in ["username:", "email:", "password:"] {
        assert!(told.complaint().contains(field), "{told:?}");
    }
    assert_eq!(app.cli(&["admin", "list", "--status=asleep"]).await.status, 2);
    assert_eq!(app.cli(&["hash-bench", "--target-ms=0"]).await.status, 2);
    assert_eq!(app.cli(&["completions", "cmd.exe"]).await.status, 2);
    assert_eq!(app.cli(&["nonsense"]).await.status, 2);
}

/// `script` gives the program a terminal of its own, at which it asks.
#[tokio::test]
async fn a_password_is_asked_for_twice_at_a_terminal_and_not_shown() {
    let app = TestApp::start_now(&[]).await;
    app.register("alice").await;
    if Command::new("script").arg("--version").output().is_err() {
        skip("there is no `script` (util-linux) here to make a terminal with");
        return;
    }
    let ask_of = |user: &str, typed: &str| {
        let flags = ["--database-url", "--data-dir", "--argon2-memory-kib", "--argon2-iterations"];
        let mut line = vec![env!("CARGO_BIN_EXE_portcullis"), "admin", "set-password", user];
        let own = app.flags().iter().filter(|flag| flags.iter().any(|f| flag.starts_with(f)));
        line.extend(own.map(String::as_str));
        // A shell reads it, to which a URL's `&` means something.
        let line: Vec<_> = line.iter().map(|word| format!("'{word}'")).collect();
        let mut terminal = Command::new("script")
            .args(["-qec", &line.join(" "), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        terminal.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = terminal.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };

    let (went_well, shown) = ask_of("nobody", "");
    assert!(!went_well && !shown.contains("Password"), "not asked for nothing: {shown}");
    let ask = |typed: &str| ask_of("alice", typed);
    let (went_well, shown) = ask("one long passphrase\nanother long one\n");
    assert!(!went_well && shown.contains("the two passwords differ"), "{shown}");
    let (went_well, shown) = ask(&format!("{OTHER_PASSWORD}\n{OTHER_PASSWORD}\n"));
    assert!(went_well && shown.contains("alice has a new password"), "{shown}");
    assert_eq!(app.login("alice", OTHER_PASSWORD).await.code(), "NONE");
}

#[tokio::test]
async fn a_generated_secret_is_found_however_its_folder_is_spelled_and_wherever_it_moves() {
    let app = TestApp::start_now(&[]).await;
    if !app.database.url.starts_with("sqlite") {
        eprintln!("skipped: this database is no file");
        return;
    }
    let folder = app.database.folder.path();
    let name = folder.file_name().unwrap().to_str().unwrap();
    let keys = async |folder: &str| {
        let (data, url) =
            (format!("--data-dir={folder}"), format!("--database-url=sqlite://{folder}/test.db"));
        app.cli(&["keys", "list", &data, &url]).await
    };
    keys(".").await.printed();
    keys(&format!("../{name}")).await.printed();
    fs::create_dir(folder.join("moved")).unwrap();
    for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.is_file() {
            fs::copy(&file, folder.join("moved").join(file.file_name().unwrap())).unwrap();
        }
    }
    keys("moved").await.printed();

    // Beside keys that it would not open no secret is made.
    fs::create_dir(folder.join("empty")).unwrap();
    let elsewhere = format!("--data-dir={}", folder.join("empty").display());
    let told = app.cli(&["keys", "list", &elsewhere]).await;
    assert!(told.complaint().contains("the secret that decrypts the keys"), "{told:?}");
    assert_eq!(fs::read_dir(folder.join("empty")).unwrap().count(), 0);
}

#[tokio::test]
async fn hashing_is_measured_and_parameters_are_found() {
    let app = TestApp::start_now(&[]).await;
    let told = app.cli(&["hash-bench", "--target-ms=400", "--json"]).await.json();
    assert_eq!(told["current"]["memoryKib"], 64);
    assert_eq!(told["current"]["meetsFloor"], false);
    assert!(told["current"]["hashesPerSecond"].as_f64().unwrap() > 0.0);
    let parameters = told["parameters"].as_array().unwrap();
    assert!(!parameters.is_empty());
    for found in parameters {
        assert!(found["milliseconds"].as_f64().unwrap() <= 400.0, "{found}");
    }
    let impossible = app.cli(&["hash-bench", "--target-ms=1"]).await;
    assert!(impossible.stderr.contains("no sufficiently strong parameters fit into 1 ms"));
}

#[test]
fn every_shell_gets_its_completions_and_needs_no_database() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["completions", shell])
            .current_dir("/")
            .output()
            .unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("end-sessions"), "{shell}");
    }
}

#[test]
fn the_manual_has_a_page_for_each_verb_and_describes_settings_once() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["manual", "pages"])
        .env("LISTEN", "127.0.0.1:4711")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let page = |name: &str| fs::read_to_string(folder.path().join("pages").join(name)).unwrap();
    let program = page("portcullis.1");
    assert!(program.contains(r"portcullis\-migrate(1)") && program.contains(r"\-\-listen"));
    assert!(!program.contains("4711"), "what is set where the manual is written is not in it");
    let verb = page("portcullis-migrate-down.1");
    assert!(verb.contains(r"\-\-steps") && !verb.contains(r"\-\-listen"), "{verb}");
}

#[test]
fn the_version_is_that_of_the_package() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let output = process.arg("--version").current_dir("/").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let rest = told.strip_prefix(concat!("portcullis ", env!("CARGO_PKG_VERSION"))).unwrap();
    // Only a release names its commit, since a test would be built again for each.
    assert!(rest == "\n" || !cfg!(debug_assertions) && rest.starts_with(" ("), "{told}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("schema")
        .current_dir("/")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
