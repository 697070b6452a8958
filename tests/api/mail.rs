//! Mail: what is sent, once, whatever happens meanwhile.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::support::organizations::invite;
use crate::support::{GRACE, LOGIN, PASSWORD, Reply, SECOND, TestApp, send, skip};

const HOUR: Duration = Duration::from_hours(1);

/// The files a development instance writes instead of sending mail.
fn written(app: &TestApp) -> Vec<String> {
    let mails = read_all(&app.database.folder.path().join("mail"));
    // What a registration sends is not meant here.
    mails.into_iter().filter(|mail| !mail.contains("Confirm your address")).collect()
}

/// Somebody with an account, to whom what that brings has been sent.
async fn registered(app: &TestApp, username: &str) {
    app.register(username).await;
    app.sql("DELETE FROM outbox WHERE kind = 'verify-email'").await;
}

fn read_all(folder: &Path) -> Vec<String> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

/// Has the session of a user end because its refresh token is presented twice, which they are told.
async fn reuse(app: &TestApp, language: &str, username: &str) {
    let input = json!({ "identifier": username, "password": PASSWORD });
    let alice = app.call(LOGIN, json!({ "input": input }), None).await.signed_in("login");
    app.clock.advance(GRACE + SECOND);
    app.refresh(&alice.refresh).await.data();
    app.clock.advance(GRACE + SECOND * 6);
    let query = format!(
        "mutation {{ refreshToken(input: {{ refreshToken: \"{}\" }}) {{ expiresIn }} }}",
        alice.refresh
    );
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept-language", language)
        .header("user-agent", "Thief/1.0\u{a0}<b>");
    let request = request.body(Body::from(json!({ "query": query }).to_string())).unwrap();
    assert_eq!(send(&app.app, request).await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn a_reused_refresh_token_is_told_by_mail_once() {
    let app = TestApp::start().await;
    registered(&app, "alice").await;
    reuse(&app, "fr, en;q=0.5", "alice").await;
    assert_eq!(written(&app), [""; 0], "nothing is sent while the caller waits");
    app.app.deliver_mail().await.unwrap();
    app.app.deliver_mail().await.unwrap();

    let mails = written(&app);
    assert_eq!((mails.len(), app.count("outbox").await), (1, 0));
    for line in [
        "From: no-reply@localhost",
        "To: alice@example.com",
        "Subject: One of your devices was signed out",
        "Auto-Submitted: auto-generated",
        "Content-Language: en",
        // Nobody has shown that the address is theirs.
        "Hello alice@=E2=80=8Cexample.=E2=80=8Ccom,",
        "<p>Hello alice@=E2=80=8Cexample.=E2=80=8Ccom,</p>",
    ] {
        assert!(mails[0].contains(line), "{line} in {}", mails[0]);
    }
}

/// A call from a browser that prefers this language.
async fn say(app: &TestApp, language: &str, query: &str, bearer: &str) -> Reply {
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept-language", language)
        .header("authorization", format!("Bearer {bearer}"));
    let request = request.body(Body::from(json!({ "query": query }).to_string())).unwrap();
    send(&app.app, request).await
}

/// A registration from a browser that prefers German.
async fn register_in_german(app: &TestApp, username: &str, more: &str) -> Reply {
    let call = format!(
        "mutation {{ register(input: {{ username: \"{username}\", email: \"{username}@example.com\", \
         password: \"{PASSWORD}\" {more} }}) {{ ... on AuthPayload {{ accessToken refreshToken \
         user {{ id username locale }} }} }} }}"
    );
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept-language", "de-CH;q=0.9, en;q=0.8, x");
    let request = request.body(Body::from(json!({ "query": call }).to_string())).unwrap();
    send(&app.app, request).await
}

#[tokio::test]
async fn a_mail_is_in_the_language_of_its_recipient() {
    let app = TestApp::start().await;
    let made = register_in_german(&app, "alice", "").await;
    assert_eq!(made.data()["register"]["user"]["locale"], "DE");
    let alice = made.signed_in("register");
    let verify = app.mail("verify-email", "alice@example.com").await;
    assert!(verify.text.contains("Hallo alice@=E2=80=8Cexample.=E2=80=8Ccom,"), "{}", verify.text);
    reuse(&app, "en", "alice").await;
    let told = app.mail("refresh-token-reused", "alice@example.com").await;
    assert!(told.text.contains("Hallo alice@=E2=80=8Cexample.=E2=80=8Ccom,"), "{}", told.text);

    let change = |input: &str| {
        format!("mutation {{ updateProfile(input: {input}) {{ user {{ locale fullName }} }} }}")
    };
    let changed = app.query(&change("{ locale: EN }"), &alice.access).await.data();
    assert_eq!(changed["updateProfile"]["user"], json!({ "locale": "EN", "fullName": null }));
    let same = app.query(&change("{ locale: null, fullName: \"A\" }"), &alice.access).await.data();
    assert_eq!(same["updateProfile"]["user"], json!({ "locale": "EN", "fullName": "A" }));
    let unknown = app.query(&change("{ locale: FR }"), &alice.access).await;
    assert_eq!(unknown.code(), "GRAPHQL_VALIDATION_FAILED");
    reuse(&app, "de", "alice").await;
    let told = app.mail("refresh-token-reused", "alice@example.com").await;
    assert!(told.text.contains("Hello alice@=E2=80=8Cexample.=E2=80=8Ccom,"), "{}", told.text);
    assert_eq!(app.export(&alice).await["account"]["locale"], "en");
    let me = app.query("{ me { locale } }", &alice.access).await.data();
    assert_eq!(me["me"]["locale"], "EN");
}

#[tokio::test]
async fn who_asks_for_a_language_gets_it_whatever_the_browser_prefers() {
    let app = TestApp::start_with(&["--require-email-verification=true"]).await;
    register_in_german(&app, "alice", "locale: EN").await.data();
    register_in_german(&app, "bob", "").await.data();
    let mail = app.mail("verify-email", "alice@example.com").await;
    assert!(mail.text.contains("Hello alice@=E2=80=8Cexample.=E2=80=8Ccom,"), "{}", mail.text);
    app.use_link("verifyEmail", &mail.token()).await.data();
    let mail = app.mail("verify-email", "bob@example.com").await;
    assert!(mail.text.contains("Hallo bob@=E2=80=8Cexample.=E2=80=8Ccom,"), "{}", mail.text);
    app.use_link("verifyEmail", &mail.token()).await.data();
    assert_eq!(app.count("users WHERE locale = 'en' AND username_key = 'alice'").await, 1);
    assert_eq!(app.count("users WHERE locale = 'de' AND username_key = 'bob'").await, 1);
    // Somebody else's registration with the address is told in the language of its owner.
    let input = json!({ "username": "eve", "email": "bob@example.com", "password": PASSWORD });
    app.call(
        "mutation($input: RegisterInput!) { register(input: $input) { __typename } }",
        json!({ "input": input }),
        None,
    )
    .await
    .data();
    let mail = app.mail("already-registered", "bob@example.com").await;
    assert!(mail.text.contains("Hallo bob,"), "{}", mail.text);
}

#[tokio::test]
async fn an_invitation_is_in_the_language_of_the_guest_or_else_of_who_invites() {
    let app = TestApp::start().await;
    register_in_german(&app, "berta", "").await.data();
    let host = app.register("host").await;
    let found = app
        .mutate(&host, "createOrganization(input: { name: \"Acme\" }) { organization { id } }")
        .await;
    let organization =
        found.data()["createOrganization"]["organization"]["id"].as_str().unwrap().to_owned();
    for (guest, language, greeting) in
        [("berta", "en", "Hallo,"), ("stranger", "en", "Hello,"), ("nobody", "de", "Hallo,")]
    {
        let guest = format!("{guest}@example.com");
        let call = format!("mutation {{ {} }}", invite(&organization, &guest, "MEMBER"));
        say(&app, language, &call, &host.access).await.data();
        let mail = app.mail("organization-invitation", &guest).await;
        assert!(mail.text.contains(greeting), "{}", mail.text);
    }
}

#[tokio::test]
// A joiner is `=E2=80=8C` in quoted-printable text.
async fn a_name_is_no_link_and_no_greeting_before_its_address_is_proven() {
    let app = TestApp::start().await;
    let name = "evil.example";
    let mallory =
        app.try_register(name, "victim@example.org", PASSWORD).await.signed_in("register");
    let mail = app.mail("verify-email", "victim@example.org").await;
    assert!(mail.text.contains("Hello victim@=E2=80=8Cexample.=E2=80=8Corg,"), "{}", mail.text);
    let found = app
        .mutate(&mallory, "createOrganization(input: { name: \"Acme\" }) { organization { id } }")
        .await;
    let organization =
        found.data()["createOrganization"]["organization"]["id"].as_str().unwrap().to_owned();
    let guest = |guest: &str| invite(&organization, &format!("{guest}@example.net"), "MEMBER");
    app.mutate(&mallory, &guest("first")).await.data();
    let before = app.mail("organization-invitation", "first@example.net").await;
    assert!(
        before.text.contains("victim@=E2=80=8Cexample.=E2=80=8Corg invites you"),
        "{}",
        before.text
    );

    app.use_link("verifyEmail", &mail.token()).await.data();
    app.mutate(&mallory, &guest("second")).await.data();
    let after = app.mail("organization-invitation", "second@example.net").await;
    assert!(after.text.contains("evil.=E2=80=8Cexample invites"), "{}", after.text);
    let query = "mutation { requestPasswordReset(input: { identifier: \"victim@example.org\" }) { linkExpiresIn } }";
    app.call(query, json!({}), None).await.data();
    let greeted = app.mail("password-reset", "victim@example.org").await;
    assert!(greeted.text.contains("Hello evil.=E2=80=8Cexample,"), "{}", greeted.text);
    let mails = written(&app).concat();
    assert!(mails.len() > 1_000 && !mails.contains("evil.example"), "{mails}");
}

#[tokio::test]
async fn an_address_in_a_mail_is_no_link() {
    let app = TestApp::start().await;
    let address = "victim+www.evil.example/login@gmail.com";
    let alice = app.try_register("alice", address, PASSWORD).await.signed_in("register");
    let mail = app.mail("verify-email", address).await;
    assert!(mail.text.contains("Hello victim+www.=E2=80=8Cevil."), "{}", mail.text);
    app.use_link("verifyEmail", &mail.token()).await.data();
    let other = "alice+www.evil.example/login@example.net";
    app.mutate(
        &alice,
        &format!("changeEmail(input: {{ newEmail: \"{other}\" }}) {{ linkExpiresIn }}"),
    )
    .await
    .data();
    let mail = app.mail("confirm-email-change", other).await;
    app.use_link("verifyEmail", &mail.token()).await.data();
    let told = app.mail("email-change-undo", address).await;
    assert!(told.text.contains("alice+www.=E2=80=8Cevil."), "{}", told.text);
    for mail in read_all(&app.database.folder.path().join("mail")) {
        let mail = mail.replace("=\r\n", "");
        let (_headers, text) = mail.split_once("\r\n\r\n").unwrap();
        assert!(!text.contains("evil.example"), "{text}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_reads_the_mails_that_development_writes() {
    use std::os::unix::fs::PermissionsExt;

    let app = TestApp::start().await;
    let folder = app.database.folder.path().join("mail");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    app.register("alice").await;
    app.app.deliver_mail().await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    // An earlier version has made it so.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    app.register("bob").await;
    app.app.deliver_mail().await.unwrap();
    let modes: Vec<u32> =
        fs::read_dir(&folder).unwrap().map(|file| mode(&file.unwrap().path())).collect();
    assert_eq!((mode(&folder), modes), (0o700, vec![0o600, 0o600]));
}

#[tokio::test]
async fn an_account_that_is_shut_and_a_password_that_is_changed_are_told() {
    let app = TestApp::start_now(&[]).await;
    registered(&app, "alice").await;
    for _ in 0..100 {
        assert_eq!(app.login("alice", "wrong horse battery").await.code(), "INVALID_CREDENTIALS");
    }
    // Failures are counted beside the answers.
    while app.count("outbox").await == 0 {
        tokio::task::yield_now().await;
    }
    let file = app.database.folder.path().join("password");
    fs::write(&file, "another horse battery").unwrap();
    let file = format!("--password-file={}", file.display());
    app.cli(&["admin", "set-password", "alice", &file]).await.printed();
    // The command line has the machine's clock, which went on.
    app.clock.advance(Duration::from_mins(5));
    app.app.deliver_mail().await.unwrap();

    let mails = written(&app).concat();
    assert!(
        mails.contains("Subject: Your account at localhost is locked for new devices"),
        "{mails}"
    );
    assert!(
        mails.contains("Subject: The password of your account at localhost was changed"),
        "{mails}"
    );
}

#[tokio::test]
async fn what_piles_up_while_no_mail_is_sent_is_one_mail_of_a_kind() {
    let app = TestApp::start().await;
    registered(&app, "alice").await;
    registered(&app, "carol").await;
    for user in ["alice", "alice", "carol", "alice"] {
        reuse(&app, "en", user).await;
    }
    assert_eq!(app.count("outbox").await, 2);
    app.app.deliver_mail().await.unwrap();
    assert_eq!(written(&app).len(), 2);
}

#[tokio::test]
async fn a_mail_server_that_is_away_is_tried_ever_less_often_for_a_day() {
    // Nobody listens at port 1.
    let app = TestApp::start_with(&["--smtp-url=smtp://127.0.0.1:1"]).await;
    registered(&app, "alice").await;
    reuse(&app, "en", "alice").await;
    let attempts = async || app.count("outbox WHERE attempts > 0").await;
    let made = async |count: u32| app.count(&format!("outbox WHERE attempts = {count}")).await;

    app.app.deliver_mail().await.unwrap();
    app.app.deliver_mail().await.unwrap();
    assert_eq!((attempts().await, made(1).await), (1, 1), "not at once again");
    app.clock.advance(31 * SECOND);
    app.app.deliver_mail().await.unwrap();
    assert_eq!(made(2).await, 1);
    app.clock.advance(31 * SECOND);
    app.app.deliver_mail().await.unwrap();
    assert_eq!(made(2).await, 1, "the wait doubles");
    for _ in 0..22 {
        app.clock.advance(HOUR);
        app.app.deliver_mail().await.unwrap();
    }
    assert_eq!(made(24).await, 1);
    for _ in 0..6 {
        app.clock.advance(HOUR);
        app.app.deliver_mail().await.unwrap();
    }
    let given_up = "outbox WHERE given_up_at IS NOT NULL AND attempts = 30";
    assert_eq!(app.count(given_up).await, 1, "given up");

    app.clock.advance(Duration::from_secs(7 * 24 * 60 * 60 - 1));
    app.app.purge().await.unwrap();
    assert_eq!(app.count("outbox").await, 1, "kept for a week");
    app.clock.advance(SECOND);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("outbox").await, 0);
}

/// A mail server that refuses: whichever command begins with `refused` is answered with `answer`, the
/// others as a good server does. Returns its port, and what it was told.
async fn refusing(refused: &'static str, answer: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&told);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                let (reader, mut writer) = socket.into_split();
                writer.write_all(b"220 mail.example.com\r\n").await?;
                let mut lines = BufReader::new(reader).lines();
                let mut is_data = false;
                while let Some(line) = lines.next_line().await? {
                    if is_data && line != "." {
                        continue;
                    }
                    all.lock().unwrap().push(line.clone());
                    let answer = match line.as_str() {
                        "." => "250 2.0.0 Taken",
                        line if line.starts_with(refused) => answer,
                        "DATA" => "354 Go on",
                        "QUIT" => "221 2.0.0 Bye",
                        _ => "250 2.0.0 OK",
                    };
                    is_data = line == "DATA" && answer.starts_with("354");
                    writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    (port, told)
}

/// An app with one mail, of which one attempt has been made.
async fn attempted(port: u16) -> TestApp {
    let app = TestApp::start_now(&[&format!("--smtp-url=smtp://127.0.0.1:{port}")]).await;
    registered(&app, "alice").await;
    reuse(&app, "en", "alice").await;
    app.app.deliver_mail().await.unwrap();
    app
}

#[tokio::test]
async fn only_a_recipient_that_is_refused_for_good_ends_a_mail() {
    for (refused, answer, is_given_up) in [
        ("RCPT", "550 5.1.1 <alice@example.com>: no such user", true),
        ("RCPT", "550 5.1.10 The domain takes no mail", true),
        ("RCPT", "550 5.2.1 The mailbox is disabled", true),
        ("RCPT", "554 5.7.1 <alice@example.com>: Relay access denied", false),
        ("RCPT", "550 5.7.26 Unauthenticated mail", false),
        ("RCPT", "552 5.2.2 The mailbox is full", false),
        ("RCPT", "450 4.1.1 Try again", false),
        ("RCPT", "550 Unrouteable", false),
        ("MAIL", "550 5.1.8 The sender's domain is unknown", false),
        ("MAIL", "553 5.7.1 Sender not owned", false),
        ("EHLO", "550 5.7.1 Go away", false),
        ("DATA", "554 5.6.0 No", false),
    ] {
        let (port, _) = refusing(refused, answer).await;
        let app = attempted(port).await;
        let kept = app.count("outbox WHERE failure IS NOT NULL").await;
        let given_up = app.count("outbox WHERE given_up_at IS NOT NULL").await;
        assert_eq!((kept, given_up), (1, i64::from(is_given_up)), "{refused} {answer}");
    }
}

#[tokio::test]
async fn the_operator_sees_why_a_mail_is_undelivered_and_has_it_sent_again() {
    let (port, _) = refusing("RCPT", "550 5.1.1 <alice@example.com>: no such user").await;
    let app = attempted(port).await;
    let listed = app.cli(&["mail", "list", "--json"]).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let mail = &listed[0];
    let why = "the mail server answers 550: 5.1.1 <address> no such user";
    assert_eq!(mail["failure"], why);
    assert_eq!((&mail["state"], &mail["to"]), (&json!("given up"), &json!("alice@example.com")));
    let table = app.cli(&["mail", "list"]).await;
    assert!(table.printed().contains(why) && table.printed().contains("alice@example.com"));
    let doctor = app.cli(&["doctor"]).await;
    assert!(doctor.stdout.contains("0 mails are postponed, and 1 are given up"));

    let (good, told) = refusing("nothing", "").await;
    let flag = format!("--smtp-url=smtp://127.0.0.1:{good}");
    let unknown = "mail_019f0000-0000-7000-8000-000000000000";
    let refused = app.cli(&["mail", "retry", unknown, &flag]).await;
    assert!(refused.complaint().contains("no undelivered mail has this id"));
    let events = "audit_events WHERE kind = 'MAIL_RETRIED' AND actor_kind = 'CLI'";
    assert_eq!(app.count(events).await, 0);
    app.cli(&["mail", "retry", mail["id"].as_str().unwrap(), &flag]).await.printed();
    let of_one =
        format!("{events} AND target_id IS NOT NULL AND detail IS NULL AND occurrences = 1");
    assert_eq!(app.count(&of_one).await, 1);
    app.cli(&["mail", "retry", "--all", &flag]).await.printed();
    let of_all = format!("{events} AND target_id IS NULL AND detail = '1'");
    assert_eq!(app.count(&of_all).await, 1);
    let other = app.second_instance_with(&[&flag, "--smtp-helo=auth.example.com"]).await;
    app.clock.advance(Duration::from_mins(5));
    other.deliver_mail().await.unwrap();
    assert_eq!(app.count("outbox").await, 0);
    let told = told.lock().unwrap().clone();
    assert!(told.contains(&"EHLO auth.example.com".to_owned()), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("RCPT TO:<alice@example.com>")), "{told:?}");
    let listed = app.cli(&["mail", "list", "--json", &flag]).await.json();
    assert_eq!(listed, json!([]));
    app.cli(&["mail", "retry", "--all", &flag]).await.printed();
    assert_eq!(app.count(events).await, 2, "nothing was retried, and nothing is told");
}

#[tokio::test]
async fn a_mail_whose_link_has_expired_is_not_sent_and_the_operator_sees_it() {
    let app = TestApp::start_now(&["--smtp-url=smtp://127.0.0.1:1"]).await;
    app.register("alice").await;
    app.app.deliver_mail().await.unwrap();
    assert_eq!(app.count("outbox WHERE kind = 'verify-email' AND attempts = 1").await, 1);
    let other = app.second_instance_with(&["--smtp-url="]).await;
    app.clock.advance(24 * HOUR + SECOND);
    other.deliver_mail().await.unwrap();
    let sent = read_all(&app.database.folder.path().join("mail"));
    assert_eq!((app.count("outbox WHERE given_up_at IS NOT NULL").await, sent.len()), (1, 0));
    let listed = app.cli(&["mail", "list", "--json"]).await.json();
    let why = "its link has expired or was replaced: the user must request a new one";
    assert_eq!((&listed[0]["state"], &listed[0]["failure"]), (&json!("given up"), &json!(why)));

    // Sending it again does not help, and is not tried with the dead link.
    app.cli(&["mail", "retry", "--all"]).await.printed();
    app.clock.advance(Duration::from_mins(5));
    other.deliver_mail().await.unwrap();
    let sent = read_all(&app.database.folder.path().join("mail"));
    assert_eq!((app.count("outbox WHERE given_up_at IS NOT NULL").await, sent.len()), (1, 0));
    app.clock.advance(7 * 24 * HOUR + SECOND);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("outbox").await, 0);
}

#[tokio::test]
async fn a_mail_whose_link_still_works_is_sent_late() {
    let app = TestApp::start_with(&["--smtp-url=smtp://127.0.0.1:1"]).await;
    app.register("alice").await;
    app.app.deliver_mail().await.unwrap();
    let other = app.second_instance_with(&["--smtp-url="]).await;
    app.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    other.deliver_mail().await.unwrap();
    let sent = read_all(&app.database.folder.path().join("mail"));
    assert_eq!((app.count("outbox").await, sent.len()), (0, 1));
}

#[tokio::test]
async fn mails_carry_the_name_of_the_site_and_whom_to_ask() {
    let flags = ["--site-name= R&D <b> ", "--support-contact=https://example.com/help?from=mail"];
    let app = TestApp::start_with(&flags).await;
    app.register("alice").await;
    register_in_german(&app, "berta", "").await.data();
    for (user, language, subject, button, why) in [
        ("alice", "en", "Confirm your address for R&D <b>", "Confirm address", "entered this"),
        ("berta", "de", "", "Adresse best=C3=A4tigen", "diese Adresse bei"),
    ] {
        let mail = app.mail("verify-email", &format!("{user}@example.com")).await;
        let text = &mail.text;
        for part in [
            format!("Content-Language: {language}\r\n"),
            // `R&D <b>`, which is no plain word.
            "From: =?utf-8?b?UiZEIDxiPg==?= <no-reply@localhost>\r\n".to_owned(),
            format!("Subject: {subject}"),
            format!(">{button}</a>"),
            why.to_owned(),
            // In the text, and in the HTML as a button and below it.
            format!("\r\nhttp://localhost:8000/account/verify-email#{}\r\n", mail.token()),
            format!("verify-email#{}</a>", mail.token()),
            "R&amp;D &lt;b&gt;".to_owned(),
            "\r\nhttps://example.com/help?from=3Dmail".to_owned(),
        ] {
            assert!(text.contains(&part), "{part} in {text}");
        }
        assert_eq!(text.matches(&mail.token()).count(), 4, "{text}");
        let (_, html) = text.split_once("<!doctype html>").unwrap();
        assert!(!html.contains("<b>"), "{html}");
    }
}

#[tokio::test]
async fn a_name_or_a_contact_that_mails_cannot_carry_is_refused_at_the_start() {
    let app = TestApp::start_now(&[]).await;
    let long = format!("--site-name={}", "a".repeat(101));
    for (wrong, told) in [
        (long.as_str(), "SITE_NAME must have"),
        ("--site-name= ", "SITE_NAME must have"),
        ("--site-name=Example\r\nBcc: eve@example.com", "SITE_NAME must have"),
        ("--site-name=Ex\u{202e}ample", "SITE_NAME must have"),
        ("--support-contact=help", "SUPPORT_CONTACT must be"),
        ("--support-contact=http://example.com/help", "SUPPORT_CONTACT must be"),
        ("--support-contact=javascript:alert(1)", "SUPPORT_CONTACT must be"),
    ] {
        let doctor = app.cli(&["doctor", wrong]).await;
        assert!(doctor.stdout.contains(told), "{wrong}: {}", doctor.stdout);
    }
    for right in ["--site-name=", "--support-contact=", "--support-contact=help@example.com"] {
        let doctor = app.cli(&["doctor", right]).await;
        assert!(!doctor.stdout.contains("configuration: S"), "{right}: {}", doctor.stdout);
    }
}

#[tokio::test]
async fn a_password_in_the_mail_servers_url_that_must_be_escaped_is_told() {
    let app = TestApp::start_now(&[]).await;
    for wrong in ["smtps://u:se#cret@mail.example.com", "smtps://u:se/cret@mail.example.com"] {
        let doctor = app.cli(&["doctor", &format!("--smtp-url={wrong}")]).await;
        assert!(doctor.stdout.contains("write # as %23"), "{}", doctor.stdout);
        assert!(!doctor.stdout.contains("cret"), "{}", doctor.stdout);
    }
    let doctor = app.cli(&["doctor", "--smtp-helo=a b"]).await;
    assert!(doctor.stdout.contains("SMTP_HELO must be"), "{}", doctor.stdout);
}

#[tokio::test]
async fn what_one_instance_could_not_send_another_does() {
    let app = TestApp::start_with(&["--smtp-url=smtp://127.0.0.1:1"]).await;
    registered(&app, "alice").await;
    reuse(&app, "en", "alice").await;
    app.app.deliver_mail().await.unwrap();
    let other = app.second_instance_with(&["--smtp-url="]).await;
    other.deliver_mail().await.unwrap();
    assert_eq!(written(&app).len(), 0, "it waits its time");
    app.clock.advance(31 * SECOND);
    other.deliver_mail().await.unwrap();
    assert_eq!((written(&app).len(), app.count("outbox").await), (1, 0));
}

/// A mail server: `aiosmtpd`, which keeps what it takes as files.
struct MailServer {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl MailServer {
    fn start() -> Option<Self> {
        let mut has = Command::new("python3");
        let has = has.args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
        if !has.is_ok_and(|status| status.success()) {
            skip("there is no aiosmtpd: pip install aiosmtpd");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("python3")
            .args(["-m", "aiosmtpd", "-n", "-l", &format!("127.0.0.1:{port}")])
            .args(["-c", "aiosmtpd.handlers.Mailbox"])
            .arg(folder.path().join("mails"))
            .spawn()
            .unwrap();
        let server = Self { process, folder, port };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the mail server did not start");
    }

    fn flag(&self) -> String {
        format!("--smtp-url=smtp://127.0.0.1:{}", self.port)
    }

    fn taken(&self) -> PathBuf {
        self.folder.path().join("mails/new")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_is_sent_each_mail_once_by_two_instances() {
    let Some(mail) = MailServer::start() else { return };
    let from = "--mail-from=Example <auth@example.org>";
    let app = TestApp::start_with(&[&mail.flag(), from]).await;
    let other = app.second_instance().await;
    let users: Vec<String> = (0..12).map(|number| format!("user{number}")).collect();
    for user in &users {
        registered(&app, user).await;
        reuse(&app, "en", user).await;
    }
    let (one, two) = tokio::join!(app.app.deliver_mail(), other.deliver_mail());
    one.unwrap();
    two.unwrap();

    let mails = read_all(&mail.taken());
    assert_eq!((mails.len(), app.count("outbox").await), (12, 0));
    for user in &users {
        let to = format!("To: {user}@example.com\n");
        let own: Vec<_> = mails.iter().filter(|mail| mail.contains(&to)).collect();
        assert!(own.len() == 1 && own[0].contains("X-MailFrom: auth@example.org"), "{own:?}");
        assert!(own[0].contains("From: Example <auth@example.org>"), "{own:?}");
    }
}
