//! `portcullis doctor`: it finds what is wrong, says what to do, and changes nothing.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::process::Server;
use crate::support::untrusted::UntrustedServer;
use crate::support::{SECOND, TestApp};

/// The findings of `doctor`, by what they are about, and whether all is well.
async fn doctor(app: &TestApp, arguments: &[&str]) -> (bool, Vec<(String, String, String)>) {
    let outcome = app.cli(&[&["doctor", "--json"], arguments].concat()).await;
    let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(outcome.status == 0, told["ok"] == true, "{outcome:?}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = told["findings"].as_array().unwrap().iter().map(|finding| {
        (text(&finding["level"]), text(&finding["message"]), text(&finding["advice"]))
    });
    (told["ok"] == true, findings.collect())
}

async fn found(app: &TestApp, arguments: &[&str], level: &str, message: &str, advice: &str) {
    let (_, findings) = doctor(app, arguments).await;
    let is_there =
        findings.iter().any(|(l, m, a)| l == level && m.contains(message) && a.contains(advice));
    assert!(is_there, "no {level} that says {message:?} and {advice:?}: {findings:#?}");
}

#[tokio::test]
async fn the_doctor_finds_a_good_server_good() {
    let app = TestApp::start_now(&[]).await;
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(app.database.folder.path(), private).unwrap();
    let (is_well, findings) = doctor(&app, &[]).await;
    assert!(is_well, "{findings:?}");
    let problems = findings.iter().filter(|(level, message, _)| {
        // The tests' own hashes are cheap.
        level != "ok" && level != "note" && !message.contains("too weak")
    });
    assert_eq!(problems.count(), 0, "{findings:?}");
    assert!(app.cli(&["doctor"]).await.printed().contains("SECRET_KEY decrypts all 2"));
}

#[tokio::test]
async fn the_doctor_says_hello_to_the_mail_server() {
    let app = TestApp::start_now(&[]).await;
    found(&app, &[], "ok", "the server writes mails to files in", "").await;
    // Nobody listens at port 1.
    let nobody = "--smtp-url=smtp://127.0.0.1:1";
    let refused = "the mail server cannot be reached: Connection error: Connection refused";
    found(&app, &[nobody], "problem", refused, "SMTP_URL").await;
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_told() {
    let Some(server) = UntrustedServer::start().await else { return };
    let app = TestApp::start_now(&[]).await;
    let url = format!("--smtp-url=smtps://user:sesame@localhost:{}", server.port);
    let told = app.cli(&["doctor", &url]).await;
    assert!(told.stdout.contains("invalid peer certificate"), "{told:?}");
    assert!(!told.stdout.contains("sesame"), "{told:?}");
}

/// A database server that lets nobody in, in the words of PostgreSQL's protocol.
async fn refusing(code: &'static str, message: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _startup = socket.read(&mut [0; 1024]).await;
            let body = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            let answer = [b"E".as_slice(), &length, body.as_bytes()].concat();
            let _gone = socket.write_all(&answer).await;
        }
    });
    port
}

#[tokio::test]
async fn the_reason_why_a_database_lets_nobody_in_is_told() {
    let app = TestApp::start_now(&[]).await;
    for (code, message) in [
        ("28P01", "password authentication failed for user \"app\""),
        ("53300", "too many connections for role \"app\""),
        ("3D000", "database \"portcullis\" does not exist"),
    ] {
        let port = refusing(code, message).await;
        let url = format!(
            "--database-url=postgres://app:sesame@127.0.0.1:{port}/portcullis?sslmode=disable"
        );
        let doctor = app.cli(&["doctor", &url]).await;
        assert!(doctor.stdout.contains(message), "{doctor:?}");
        let start = app.cli(&["keys", "list", &url]).await;
        assert!(start.complaint().contains(message), "{start:?}");
        let both = format!("{doctor:?} {start:?}");
        assert!(!both.contains("sesame"), "{both}");
    }
}

#[tokio::test]
async fn the_doctor_changes_nothing() {
    let app = TestApp::start_now(&[]).await;
    let folder = app.database.folder.path().join("elsewhere");
    let elsewhere = format!("--data-dir={}", folder.display());
    let url = format!("--database-url=sqlite://{}/none.db", folder.display());
    let (is_well, _) = doctor(&app, &[&elsewhere, &url]).await;
    assert!(is_well);
    assert!(!folder.exists());
}

#[tokio::test]
async fn the_doctor_leaves_a_database_file_as_it_is() {
    let app = TestApp::start_now(&[]).await;
    if !app.database.url.starts_with("sqlite") {
        eprintln!("skipped: this database is no file");
        return;
    }
    let copy = app.database.folder.path().join("copy.db");
    app.sql(&format!("VACUUM INTO '{}'", copy.display())).await;
    let before = fs::read(&copy).unwrap();
    let files = || fs::read_dir(app.database.folder.path()).unwrap().count();
    let count = files();

    let url = format!("--database-url=sqlite://{}", copy.display());
    found(&app, &[&url], "ok", "the schema matches this program", "").await;
    assert!(fs::read(&copy).unwrap() == before, "not a byte has changed");
    assert_eq!(files(), count, "and nothing lies beside it");
    fs::write(&copy, "no database").unwrap();
    found(&app, &[&url], "problem", "", "a SQLite database").await;
}

#[tokio::test]
async fn a_database_that_could_not_be_made_is_a_problem() {
    let app = TestApp::start_now(&[]).await;
    let folder = app.database.folder.path().display().to_string();
    let url = |path: &str| format!("--database-url=sqlite://{folder}/{path}");
    fs::write(app.database.folder.path().join("file"), "").unwrap();
    found(&app, &[&url("nowhere/x.db")], "problem", "does not exist", "folder must exist").await;
    found(&app, &[&url("file/x.db")], "problem", "does not exist", "folder must exist").await;
    found(&app, &[&url("none.db")], "note", "there is no database yet", "migrate up").await;
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let app = TestApp::start_now(&[]).await;
    let port = "--database-url=postgres://nobody@127.0.0.1:1/nothing";
    found(&app, &[port], "problem", "cannot be reached", "DATABASE_URL").await;
    found(&app, &["--listen=nonsense"], "problem", "LISTEN must be", "--help").await;
    let other = "--secret-key=Zx9Wq2Er7Ty4Ui1Op8As5Df3Gh6Jk0LmNb7Vc2Xz";
    found(&app, &[other], "problem", "does not decrypt 2 of 2 keys", "SECRET_KEY_PREVIOUS").await;
    app.register("bob").await;
    let sealed_otherwise = "INSERT INTO totp_secrets (user_id, sealed_secret) SELECT users.id, \
                            sealed_key FROM users, \"keys\" WHERE purpose = 'refresh'";
    app.sql(sealed_otherwise).await;
    found(&app, &[], "problem", "does not decrypt 1 seeds", "SECRET_KEY_PREVIOUS").await;
    found(&app, &["--jwt-algorithm=ES256"], "note", "no key has this algorithm", "next start")
        .await;
    found(&app, &["--jwt-issuer=https://other.example"], "note", "JWT_ISSUER", "RFC 8414").await;
    let unused = "--secret-key-previous=Zx9Wq2Er7Ty4Ui1Op8As5Df3Gh6Jk0LmNb7Vc2Xz";
    found(&app, &[unused], "note", "decrypts nothing", "remove it").await;

    app.cli(&["keys", "rotate", "--jwt-algorithm=HS256"]).await.printed();
    found(&app, &[], "ok", "signs from", "").await;
    app.cli(&["keys", "rotate", "--now", "--jwt-algorithm=ES256"]).await.printed();
    let (_, findings) = doctor(&app, &["--jwt-algorithm=ES256"]).await;
    assert!(
        !findings.iter().any(|(_, told, _)| told.contains("no key has this algorithm")),
        "{findings:?}"
    );
    app.cli(&["keys", "rotate", "--now", "--jwt-algorithm=HS256"]).await.printed();
    found(&app, &[], "warning", "other services cannot verify", "JWT_ALGORITHM=EdDSA").await;

    app.clock.advance(Duration::from_hours(1));
    app.register("alice").await;
    found(&app, &[], "warning", "set back", "NTP").await;

    app.sql("DELETE FROM seaql_migrations WHERE version LIKE '%000006%'").await;
    found(&app, &[], "problem", "000006_add_key_times is pending", "migrate up").await;
    app.sql("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2999_later', 0)").await;
    app.sql("UPDATE schema_levels SET oldest_level_allowed = 999").await;
    found(&app, &[], "problem", "newer than this program", "run the version").await;
}

#[tokio::test]
async fn the_doctor_sees_who_else_can_read_the_secret() {
    let app = TestApp::start_now(&[]).await;
    let folder = app.database.folder.path();
    let secret = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let secret = secret.into_iter().find(|path| path.extension().is_some_and(|e| e == "key"));
    let secret = secret.unwrap();

    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    found(&app, &[], "warning", "is open to other users", "chmod 700").await;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
    found(&app, &[], "problem", "is open to other users", "chmod 600").await;
    let told = app.cli(&["keys", "list"]).await;
    assert!(told.complaint().contains("other users can read"), "{told:?}");
}

#[tokio::test]
async fn a_health_check_tells_a_living_server_from_none_and_from_another_program() {
    let app = TestApp::start_now(&[]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listen = format!("--listen={address}");
    let routes = portcullis::http::router(&app.app);
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });

    assert!(doctor(&app, &["--live", &listen]).await.0);
    server.abort();
    let _aborted = server.await;
    assert!(!doctor(&app, &["--live", &listen]).await.0);

    let other = std::net::TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello");
    });
    found(&app, &["--live", &listen], "problem", "not a running Portcullis", "LISTEN").await;
}

/// A server beside the test's own over the same database, and the flags by which the doctor finds it.
fn beside(app: &TestApp) -> (Server, [String; 2]) {
    let free = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let metrics = format!("--metrics-listen={}", free());
    let secret = fs::read_dir(app.database.folder.path()).unwrap().map(|it| it.unwrap().path());
    let secret = secret.into_iter().find(|path| path.extension().is_some_and(|it| it == "key"));
    let secret = format!("--secret-key-file={}", secret.unwrap().display());
    let folder = app.database.folder.path();
    let server = Server::start_with(&app.database.url, folder, &[&metrics, &secret], &[]);
    let listen = format!("--listen=127.0.0.1:{}", server.port);
    (server, [listen, metrics])
}

#[tokio::test]
async fn the_doctor_asks_the_running_server_how_it_is() {
    let app = TestApp::start_now(&[]).await;
    let (server, [listen, metrics]) = beside(&app);
    found(&app, &[&listen, &metrics], "ok", "is ready", "").await;
    found(&app, &[&listen, &metrics], "ok", "it runs this program: version", "").await;
    found(&app, &[&listen], "ok", "is ready", "").await;
    found(&app, &[&listen], "ok", "instances that use this database: 1", "").await;

    app.sql("UPDATE schema_levels SET oldest_level_allowed = 999").await;
    let told = "is not ready: the schema of the database does not match this program";
    found(&app, &[&listen, &metrics], "problem", told, "").await;
    found(&app, &[&listen], "problem", "is not ready", "METRICS_LISTEN").await;
    drop(server);
    found(&app, &[&listen, &metrics], "note", "no server runs at", "start it").await;
}

#[tokio::test]
async fn a_server_of_another_release_is_told() {
    let app = TestApp::start_now(&[]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            let length = socket.read(&mut asked).await.unwrap();
            let body = match asked[..length].starts_with(b"GET /metrics") {
                true => "portcullis_build_info{version=\"0.0.1\",commit=\"abc\"} 1\n",
                false => "ok\n",
            };
            let answer = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let flags =
        [format!("--listen={address}"), format!("--metrics-listen=[::1]:{}", address.port())];
    // Both at one address are refused, so the metrics have another one that leads to the same server.
    let relay = tokio::net::TcpListener::bind(format!("[::1]:{}", address.port())).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = relay.accept().await {
            let mut to = tokio::net::TcpStream::connect(address).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    });
    let told = "it runs version 0.0.1 (abc), and this program is version";
    found(&app, &[&flags[0], &flags[1]], "warning", told, "restart the server").await;
}

#[tokio::test]
async fn a_job_that_no_server_finishes_is_told() {
    let app = TestApp::start_now(&[]).await;
    app.app.show().await.unwrap();
    app.app.purge().await.unwrap();
    found(&app, &[], "ok", "no background job has failed", "").await;
    app.sql("UPDATE jobs SET failed_at = '2999-01-01 00:00:00' WHERE name = 'sessions'").await;
    found(&app, &[], "ok", "no background job has failed", "").await;
    // As instances leave it that are killed in the middle of it, each time.
    let killed = "UPDATE jobs SET succeeded_at = '2026-01-01 00:00:00', held_until = '2026-01-01 00:05:00' \
                  WHERE name = 'links'";
    app.sql(killed).await;
    found(&app, &[], "problem", "takes the job links and does not finish it", "end meanwhile")
        .await;
}

#[tokio::test]
async fn what_grows_and_what_waits_is_told() {
    let app = TestApp::start_now(&[]).await;
    app.register("alice").await;
    app.app.show().await.unwrap();
    found(&app, &[], "ok", "the largest tables are", "").await;
    app.sql("UPDATE outbox SET created_at = '2026-01-01 00:00:00'").await;
    found(&app, &[], "warning", "mails wait to be sent for the first time", "the logs").await;
    app.sql("UPDATE audit_events SET created_at = '2026-01-01 00:00:00' WHERE seq IS NULL").await;
    found(&app, &[], "warning", "has not sealed events since 2026-01-01", "cannot seal").await;
}

#[tokio::test]
async fn every_file_of_a_secret_that_a_setting_names_is_looked_at() {
    let app = TestApp::start_now(&[]).await;
    let folder = app.database.folder.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let providers = format!(
        "[acme]\nkind = \"oidc\"\nissuer = \"https://localhost:1\"\nclient_id = \"a\"\n\
         client_secret_file = \"{}\"\n",
        path("client")
    );
    for (name, text) in [
        ("key", "Zx9Wq2Er7Ty4Ui1Op8As5Df3Gh6Jk0LmNb7Vc2Xz"),
        ("client", "Zx9Wq2Er7Ty4Ui1Op8As5Df3"),
        ("tls", "no key"),
        ("providers", &providers),
    ] {
        fs::write(path(name), text).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let key = format!("--secret-key-previous-file={}", path("key"));
    let providers = format!("--providers-file={}", path("providers"));
    let url = format!("--database-url=postgres://nobody@127.0.0.1:1/x?sslkey={}", path("tls"));
    let flags = [&*key, &providers, &url];
    for name in [
        "SECRET_KEY_PREVIOUS_FILE",
        "PROVIDERS_FILE: [acme] client_secret_file",
        "sslkey in DATABASE_URL",
    ] {
        let told = format!("{name} can be read or changed by other users");
        found(&app, &flags, "warning", &told, "chmod 640").await;
    }
    for name in ["key", "client", "tls"] {
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let (_, findings) = doctor(&app, &flags).await;
    let told =
        findings.iter().find(|(_, told, _)| told.contains("no other user can read")).unwrap();
    for name in ["SECRET_KEY_PREVIOUS_FILE", "[acme] client_secret_file", "sslkey in DATABASE_URL"]
    {
        assert!(told.1.contains(name), "{told:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_does_not_hang_the_doctor() {
    let app = TestApp::start_now(&[]).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let listen = format!("--listen={address}");
    let url = format!("--database-url=postgres://app@{address}/x?sslmode=disable");
    let smtp = format!("--smtp-url=smtp://{address}");
    let began = std::time::Instant::now();
    let (is_well, findings) = doctor(&app, &[&listen, &url, &smtp]).await;
    assert!(began.elapsed() < 75 * SECOND, "{:?}", began.elapsed());
    assert!(!is_well);
    for told in
        ["hangs", "the mail server gave no answer within", "the database server does not answer"]
    {
        assert!(findings.iter().any(|(_, message, _)| message.contains(told)), "{findings:?}");
    }
}
