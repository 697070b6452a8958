//! The drill: a backup is made while servers write, restored elsewhere, and serves. And what a backup refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::load::{Load, Pair, REFRESH};
use crate::support::process::{Server, code};
use crate::support::servers::{DatabaseServer, Kind};
use crate::support::{LOGIN, Outcome, PASSWORD};

const SECRET: &str = "3zKq9vXr1LmT7pWb5NcY2dHs8JfG4aUe";
const OTHER_SECRET: &str = "Qw7nB2xV9kR4tM6yZ1cL8sD3gH5jF0pA";

/// A database of a test, and the folder that its server runs in.
struct Place {
    url: String,
    folder: TempDir,
}

impl Place {
    fn of_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite://{}/portcullis.db", folder.path().display()), folder }
    }

    fn of_server(url: String) -> Self {
        Self { url, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("portcullis.db")
    }

    fn serve(&self) -> Server {
        Server::start_with(&self.url, self.folder.path(), &[], &[("SECRET_KEY", SECRET)])
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(&[("SECRET_KEY", SECRET)], arguments)
    }

    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg(format!("--database-url={}", self.url))
            .arg(format!("--data-dir={}", self.folder.path().display()))
            .args(arguments)
            .envs(variables.iter().copied())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Outcome {
            status: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Why a verb fails.
    fn refused(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.status, 1, "{arguments:?}: {} {}", outcome.stdout, outcome.stderr);
        outcome.stderr
    }

    async fn connection(&self) -> DatabaseConnection {
        Database::connect(&self.url).await.unwrap()
    }

    async fn count(&self, what: &str) -> i64 {
        let db = self.connection().await;
        let sql = format!("SELECT COUNT(*) FROM {what}");
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await;
        let count = row.unwrap().unwrap().try_get_by_index(0).unwrap();
        db.close().await.unwrap();
        count
    }

    /// The ids of all keys.
    fn keys(&self) -> Vec<String> {
        let listed: Value =
            serde_json::from_str(&self.run(&["keys", "list", "--json"]).stdout).unwrap();
        listed.as_array().unwrap().iter().map(|key| key["kid"].to_string()).collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The head of the audit log that a backup tells.
fn head(outcome: &Outcome) -> String {
    let line = outcome.stdout.lines().find_map(|line| line.strip_prefix("head "));
    line.unwrap_or_else(|| panic!("{} {}", outcome.stdout, outcome.stderr)).to_owned()
}

async fn signs_in(server: &Server, name: &str) -> bool {
    let input = json!({ "input": { "identifier": name, "password": PASSWORD } });
    code(&server.call(LOGIN, input, "").await.unwrap()) == "NONE"
}

/// Backs up `from` under load, and restores it into `to`, on whose servers nothing of `from` is valid any more but what
/// people know.
async fn drill(from: &Place, to: &Place) {
    let servers = [from.serve()];
    let load = Load::start(&servers, 4);
    load.go_on_for(60).await;
    let alice = Pair::of(&servers[0].register("alice").await["data"]["register"]).unwrap();
    // Whatever is in it was sealed by then.
    let file = from.folder.path().join("backup");
    let made = from.run(&["backup", text(&file)]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    load.go_on_for(60).await;
    assert!(servers[0].accepts(&alice).await, "the server goes on");
    assert_eq!(code(&servers[0].register("bob").await), "NONE");
    let ledger = load.stop().await;
    ledger.assert_told_only(&["NONE"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read(&file).unwrap();
    assert!(!written.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    assert!(from.refused(&["backup", text(&file)]).contains("exists already"));
    assert_eq!(fs::read(&file).unwrap(), written);

    let is_file = from.url.starts_with("sqlite");
    if !is_file {
        let spoiled = from.folder.path().join("spoiled");
        let mut bytes = written.clone();
        bytes[written.len() / 2] ^= 1;
        fs::write(&spoiled, bytes).unwrap();
        assert!(to.refused(&["restore", text(&spoiled)]).contains("damaged"));
    }
    let restored = to.run(&["restore", text(&file)]);
    assert_eq!(restored.status, 0, "{}", restored.stderr);
    // A server has sealed more by the time that its dump begins.
    assert!(!is_file || head(&restored) == head(&made));
    assert_eq!(to.count("sessions WHERE ended_at IS NULL").await, 0);
    assert_eq!(to.count("audit_events WHERE kind = 'BACKUP_RESTORED'").await, 1);
    let before = from.keys();
    assert!(to.keys().iter().all(|key| !before.contains(key)), "no key is one of before");
    let verified = to.run(&["audit", "verify", "--head", &head(&made)]);
    assert!(verified.stdout.contains("the noted head is link"), "{}", verified.stderr);
    // The server before seals what has happened since.
    let mut later = head(&from.run(&["audit", "verify"]));
    while later == head(&made) {
        later = head(&from.run(&["audit", "verify"]));
    }
    assert_eq!(to.run(&["audit", "verify", "--head", &later]).status, 1, "it is older");

    let server = to.serve();
    assert!(!server.accepts(&alice).await);
    let refreshed = server.call(REFRESH, json!({ "t": alice.refresh }), "").await.unwrap();
    assert_ne!(code(&refreshed), "NONE");
    assert!(signs_in(&server, "alice").await);
    assert!(!signs_in(&server, "bob").await, "who came later is not in it");
    let refused = to.refused(&["restore", text(&file)]);
    assert!(refused.contains("already") || refused.contains("not empty"), "{refused}");
    assert!(signs_in(&server, "alice").await, "a refused restore changes nothing");
    if !is_file {
        // As one leaves it that was killed.
        let db = to.connection().await;
        db.execute_unprepared("CREATE TABLE portcullis_restoring (id INTEGER)").await.unwrap();
        db.close().await.unwrap();
        let refused = to.refused(&["serve", "--listen=127.0.0.1:0"]);
        assert!(refused.contains("not to the end"), "{refused}");
        assert!(to.run(&["doctor"]).stdout.contains("not to the end"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_under_load_is_restored_and_serves() {
    drill(&Place::of_sqlite(), &Place::of_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_postgresql_made_under_load_is_restored_and_serves() {
    let Some(server) = DatabaseServer::start(Kind::Postgres).await else { return };
    server.run("CREATE ROLE keeper LOGIN PASSWORD 'a\"b #c'").await;
    server.run("CREATE DATABASE first OWNER keeper").await;
    server.run("CREATE DATABASE second OWNER keeper").await;
    server.ask_password_of("keeper").await;
    let of = |name: &str| {
        let url = server.url().replace("//postgres@", "//keeper:a%22b%20%23c@");
        Place::of_server(url.replacen("/postgres", &format!("/{name}"), 1))
    };
    let first = of("first");
    drill(&first, &of("second")).await;
    let bare =
        first.run_with(&[("SECRET_KEY", SECRET), ("PATH", "/nowhere")], &["backup", "never"]);
    assert!(bare.stderr.contains("install the package postgresql-client"), "{}", bare.stderr);
    assert!(!bare.stderr.contains("a\"b"), "the password is not told: {}", bare.stderr);
    assert!(!first.folder.path().join("never").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_mariadb_made_under_load_is_restored_and_serves() {
    let Some(server) = DatabaseServer::start(Kind::MariaDb).await else { return };
    server.run("CREATE USER keeper@127.0.0.1 IDENTIFIED BY 'a\"b #c'").await;
    for name in ["first", "second"] {
        server.run(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).await;
        server.run(&format!("GRANT ALL ON {name}.* TO keeper@127.0.0.1")).await;
    }
    let of = |name: &str| {
        let url = server.url().replace("//app@", "//keeper:a%22b%20%23c@");
        Place::of_server(url.replace("/portcullis", &format!("/{name}")))
    };
    drill(&of("first"), &of("second")).await;
}

/// A database with Alice, and a backup of it.
async fn backed_up() -> (Place, Pair, PathBuf) {
    let place = Place::of_sqlite();
    let server = place.serve();
    let alice = Pair::of(&server.register("alice").await["data"]["register"]).unwrap();
    drop(server);
    let file = place.folder.path().join("backup");
    let made = place.run(&["backup", text(&file)]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    (place, alice, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_used_or_withdrawn_since_the_backup_stays_so_unless_it_is_to_be_kept() {
    let (before, alice, file) = backed_up().await;
    let source =
        Place { url: format!("sqlite://{}", file.display()), folder: tempfile::tempdir().unwrap() };
    let db = source.connection().await;
    for (id, purpose) in [("1", "PASSWORD_RESET"), ("2", "EMAIL_CHANGE_UNDO")] {
        let token = format!(
            "INSERT INTO one_time_tokens (id, purpose, hash, email_key, created_at, expires_at) VALUES \
             (x'0000000000007000800000000000000{id}', '{purpose}', x'{id}{id}', 'alice@example.com', \
             '2026-01-01 00:00:00+00:00', '2999-01-01 00:00:00+00:00')"
        );
        db.execute_unprepared(&token).await.unwrap();
    }
    db.close().await.unwrap();

    let (ended, kept) = (Place::of_sqlite(), Place::of_sqlite());
    assert_eq!(ended.run(&["restore", text(&file)]).status, 0);
    assert_eq!(kept.run(&["restore", "--keep-sessions", text(&file)]).status, 0);

    assert_eq!(ended.count("one_time_tokens WHERE purpose = 'PASSWORD_RESET'").await, 0);
    assert_eq!(ended.count("one_time_tokens").await, 1, "a change of address can be undone");
    assert_eq!(kept.count("one_time_tokens WHERE purpose = 'PASSWORD_RESET'").await, 1);
    let before = before.keys();
    assert!(ended.keys().iter().all(|key| !before.contains(key)));
    assert_eq!(kept.keys(), before);
    assert!(!ended.serve().accepts(&alice).await);
    assert!(kept.serve().accepts(&alice).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_an_earlier_schema_is_brought_up_to_date() {
    let (place, _, _) = backed_up().await;
    assert_eq!(place.run(&["migrate", "down"]).status, 0);
    let file = place.folder.path().join("earlier");
    let made = place.run(&["backup", text(&file)]);
    assert!(made.stdout.contains("of an earlier release"), "{} {}", made.stdout, made.stderr);
    let target = Place::of_sqlite();
    let restored = target.run(&["restore", text(&file)]);
    assert_eq!(restored.status, 0, "{}", restored.stderr);
    assert_eq!(target.run(&["audit", "verify"]).status, 0);
    assert!(signs_in(&target.serve(), "alice").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_cannot_end_well_changes_nothing() {
    let (place, _, file) = backed_up().await;
    let target = Place::of_sqlite();
    let other = target.run_with(&[("SECRET_KEY", OTHER_SECRET)], &["restore", text(&file)]);
    assert!(other.stderr.contains("SECRET_KEY does not decrypt"), "{}", other.stderr);

    let spoiled = target.folder.path().join("spoiled");
    let whole = fs::read(&file).unwrap();
    for (bytes, reason) in [
        (&b"-- a text"[..], "not a backup of SQLite"),
        (&whole[..whole.len() / 2], "was not restored"),
    ] {
        fs::write(&spoiled, bytes).unwrap();
        assert!(target.refused(&["restore", text(&spoiled)]).contains(reason));
    }
    let newer =
        Place { url: format!("sqlite://{}", file.display()), folder: tempfile::tempdir().unwrap() };
    let db = newer.connection().await;
    let sql = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2999_from_later', 0)";
    db.execute_unprepared(sql).await.unwrap();
    db.close().await.unwrap();
    assert!(target.refused(&["restore", text(&file)]).contains("m2999_from_later"));
    fs::write(&file, &whole).unwrap();
    let left: Vec<_> =
        fs::read_dir(target.folder.path()).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(left, [spoiled], "nothing is left behind");

    // Over a database that is there, and only while nobody uses it.
    let server = place.serve();
    assert_eq!(code(&server.register("bob").await), "NONE");
    assert!(place.refused(&["restore", text(&file)]).contains("already"));
    let used = place.refused(&["restore", "--replace", text(&file)]);
    assert!(used.contains("stop all servers"), "{used}");
    assert!(signs_in(&server, "bob").await);
    drop(server);
    let replaced = place.run(&["restore", "--replace", text(&file)]);
    assert_eq!(replaced.status, 0, "{}", replaced.stderr);
    let server = place.serve();
    assert!(signs_in(&server, "alice").await && !signs_in(&server, "bob").await);
    assert!(place.file().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_takes_only_files_that_a_backup_has_written() {
    let (place, _, file) = backed_up().await;
    let target = Place::of_sqlite();
    let copy = target.folder.path().join("copy.db");
    fs::copy(place.file(), &copy).unwrap();
    let refused = target.refused(&["restore", text(&copy)]);
    assert!(refused.contains("it is a copy of a database"), "{refused}");

    let pipe = target.folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(target.refused(&["restore", text(&pipe)]).contains("is not a file"));

    // A backup is restored, and not served: what has ended since would be valid again.
    let backup =
        Place { url: format!("sqlite://{}", file.display()), folder: tempfile::tempdir().unwrap() };
    let refused = backup.refused(&["serve", "--listen=127.0.0.1:0"]);
    assert!(refused.contains("is a backup"), "{refused}");
    assert!(backup.run(&["doctor"]).stdout.contains("is a backup"));
    assert_eq!(target.run(&["restore", text(&file)]).status, 0);
    assert!(signs_in(&target.serve(), "alice").await);
}

#[tokio::test]
async fn a_restore_replaces_no_database_of_another_program() {
    let (_place, _, file) = backed_up().await;
    let target = Place::of_sqlite();
    let other = format!("{}?mode=rwc", target.url);
    let db = Database::connect(&other).await.unwrap();
    db.execute_unprepared("CREATE TABLE photos (id INTEGER)").await.unwrap();
    db.close().await.unwrap();
    let before = fs::read(target.file()).unwrap();
    let refused = target.refused(&["restore", "--replace", text(&file)]);
    assert!(refused.contains("is not one of Portcullis"), "{refused}");
    assert!(fs::read(target.file()).unwrap() == before, "not a byte has changed");
    fs::write(target.file(), "").unwrap();
    let restored = target.run(&["restore", "--replace", text(&file)]);
    assert_eq!(restored.status, 0, "{}", restored.stderr);
}

#[tokio::test]
async fn what_a_killed_command_left_is_removed_by_the_next() {
    let (place, _, _) = backed_up().await;
    let left = place.folder.path().join(".portcullis-killed");
    fs::write(&left, "").unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH;
    fs::File::open(&left).unwrap().set_modified(old).unwrap();
    let second = place.folder.path().join("second");
    assert_eq!(place.run(&["backup", text(&second)]).status, 0);
    assert!(second.exists() && !left.exists());
}

#[tokio::test]
async fn a_backup_says_what_it_has_not() {
    let place = Place::of_sqlite();
    assert_eq!(place.run(&["migrate", "up"]).status, 0);
    let made = place.run(&["backup", "new"]);
    assert!(made.stdout.contains("has no sealed event yet"), "{} {}", made.stdout, made.stderr);
    let db = place.connection().await;
    let sql = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2999_from_later', 0)";
    db.execute_unprepared(sql).await.unwrap();
    db.close().await.unwrap();
    let made = place.run(&["backup", "newer"]);
    assert!(made.stdout.contains("this program cannot restore it"), "{}", made.stdout);
}

#[tokio::test]
async fn a_verb_makes_no_tables_in_an_empty_database() {
    let place = Place::of_sqlite();
    fs::write(place.file(), "").unwrap();
    for verb in [&["audit", "verify"][..], &["keys", "list"], &["admin", "list"], &["purge"]] {
        let refused = place.refused(verb);
        assert!(refused.contains("has no tables of Portcullis"), "{verb:?}: {refused}");
    }
    assert_eq!(place.count("sqlite_master").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_database_was_moved_away_is_not_ready() {
    let place = Place::of_sqlite();
    let server = place.serve();
    let aside = place.folder.path().join("aside.db");
    for (from, to, status) in [(&place.file(), &aside, 503), (&aside, &place.file(), 200)] {
        fs::rename(from, to).unwrap();
        let began = std::time::Instant::now();
        while server.get("/readyz").await.0 != status {
            assert!(began.elapsed().as_secs() < 30, "{status}");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
    let told = server.logged("moved, deleted or replaced it");
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn a_backup_that_nobody_could_restore_is_not_made() {
    let (place, _, file) = backed_up().await;
    let second = place.folder.path().join("second");
    let other = place.run_with(&[("SECRET_KEY", OTHER_SECRET)], &["backup", text(&second)]);
    assert!(other.stderr.contains("SECRET_KEY does not decrypt"), "{}", other.stderr);
    assert!(!second.exists() && file.exists());
    let nowhere = Place::of_sqlite();
    assert!(nowhere.refused(&["backup", text(&second)]).contains("there is no database"));
}
