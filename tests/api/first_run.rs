//! The first minutes with the server: what it says at its start, and what a browser finds at its address.

use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use crate::limits::{limited, send_from};
use crate::support::process::Server;
use crate::support::{Reply, SECOND, TestApp, TestDatabase, send, skip};

const BROWSER: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

async fn home(app: &TestApp, accept: &str, language: &str) -> Reply {
    let request = Request::get("/").header("accept", accept).header("accept-language", language);
    send(&app.app, request.body(Body::empty()).unwrap()).await
}

/// Where the links of a page lead.
fn links(page: &str) -> Vec<&str> {
    page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test]
async fn a_browser_is_led_to_the_account_pages() {
    let app = TestApp::start().await;
    let page = home(&app, BROWSER, "en").await;
    if page.status == 200 {
        skip("the account pages are not in this build, which needs Node");
        return;
    }
    assert_eq!(
        (page.status.as_u16(), &page.headers["location"]),
        (307, &"account".parse().unwrap())
    );
}

#[tokio::test]
async fn a_browser_is_shown_where_to_go_and_a_program_is_not() {
    let app = TestApp::start_with(&["--account-pages=off"]).await;
    let page = home(&app, BROWSER, "en").await;
    assert_eq!(page.status, 200);
    let all = ["graphql", "schema.graphql", ".well-known/change-password", "readyz"];
    // The playground is not in every build.
    let expected = if links(&page.text).contains(&"graphql") { &all[..] } else { &all[1..] };
    assert_eq!(links(&page.text), expected);
    for path in links(&page.text) {
        let request = Request::get(format!("/{path}")).header("accept", BROWSER);
        let reply = send(&app.app, request.body(Body::empty()).unwrap()).await;
        assert!(reply.status == 200 || (300..400).contains(&reply.status.as_u16()), "{path}");
    }
    assert!(page.text.contains("This is an authentication server."), "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains("; style-src 'nonce-"), "{policy}");
    let german = home(&app, BROWSER, "de-AT, en;q=0.5").await;
    assert!(german.text.contains("<html lang=\"de\">"), "{}", german.text);

    let refused = home(&app, "application/json", "en").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (404, "BAD_REQUEST".to_owned()));
}

#[tokio::test]
async fn the_page_at_the_address_names_only_what_there_is() {
    let app =
        TestApp::start_with(&["--account-pages=off", "--playground=off", "--introspection=off"])
            .await;
    let page = home(&app, BROWSER, "en").await;
    assert_eq!(links(&page.text), [".well-known/change-password", "readyz"]);
}

#[tokio::test]
async fn the_name_of_the_service_stands_wherever_people_meet_it() {
    let app = TestApp::start_with(&["--site-name=R&D <b>: NONCE", "--account-pages=off"]).await;
    let alice = app.register("alice").await;
    let page = home(&app, BROWSER, "en").await.text;
    assert_eq!(page.matches("R&amp;D &lt;b&gt;: NONCE</").count(), 2, "{page}");
    assert!(!page.contains("<b>"), "{page}");
    let start =
        "mutation { startTotpEnrollment { otpauthUrl } startPasskeyRegistration { options } }";
    let started = app.query(start, &alice.access).await.data();
    let address = started["startTotpEnrollment"]["otpauthUrl"].as_str().unwrap();
    assert!(address.contains("R%26D%20%3Cb%3E_%20NONCE:alice?"), "{address}");
    let party = &started["startPasskeyRegistration"]["options"]["rp"];
    assert_eq!(party["name"], "R&D <b>: NONCE");
}

#[tokio::test]
async fn every_start_in_development_says_how_to_go_on() {
    let database = TestDatabase::create().await;
    let folder = database.folder.path().canonicalize().unwrap();
    for _ in 0..2 {
        let server =
            Server::start_with(&database.url, Path::new(&folder), &["--rate-limits=on"], &[]);
        // What it prints and what it logs come by different pipes.
        let mut told = String::new();
        while !told.contains("RATE_LIMITS=off") {
            tokio::time::sleep(SECOND / 100).await;
            told = server.printed().join("\n");
        }
        for part in [
            format!("http://localhost:{}/", server.port),
            " admin create --username NAME --email ADDRESS".to_owned(),
            folder.display().to_string(),
            folder.join("mail").display().to_string(),
            "RATE_LIMITS=off".to_owned(),
        ] {
            assert!(told.contains(&part), "{part}: {told}");
        }
    }
}

/// The sixth registration of somebody who tries things out.
#[tokio::test]
async fn a_developer_is_told_which_limit_was_reached_and_how_to_turn_it_off() {
    let app = limited().await;
    let register = |number: u32| {
        format!(
            "mutation {{ register(input: {{ username: \"user{number}\", email: \"u{number}@example.com\", \
             password: \"correct horse battery\" }}) {{ __typename }} }}"
        )
    };
    for number in 0..5 {
        send_from(&app, "192.0.2.1", &register(number), Value::Null).await.data();
    }
    let refused = send_from(&app, "192.0.2.1", &register(5), Value::Null).await;
    assert_eq!(refused.code(), "RATE_LIMITED");
    let hint = refused.extension("hint");
    assert!(hint.as_str().unwrap().contains("register.ip"), "{hint}");
    assert!(hint.as_str().unwrap().contains("RATE_LIMITS=off"), "{hint}");
}

#[tokio::test]
async fn no_database_is_made_by_an_oversight() {
    let app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let place = format!("--data-dir={}", folder.path().display());
    let url = format!("--database-url=sqlite://{}/other.db", folder.path().display());
    let password = folder.path().join("password.txt");
    std::fs::write(&password, "a long passphrase\n").unwrap();
    let password = format!("--password-file={}", password.display());
    let elsewhere = [place.as_str(), &url];
    let create = ["admin", "create", "--username=boss", "--email=boss@example.com", &password];
    let others: [&[&str]; 8] = [
        &["admin", "list"],
        &["keys", "list"],
        &["mail", "list"],
        &["audit", "verify"],
        &["purge"],
        &["migrate", "plan"],
        &["migrate", "status"],
        &["migrate", "down"],
    ];
    for arguments in [&create[..]].into_iter().chain(others) {
        let told = app.cli(&[arguments, &elsewhere].concat()).await;
        assert!(told.complaint().contains("there is no database at"), "{}", told.stderr);
    }
    assert!(!folder.path().join("other.db").exists());
    let made = [&create[..], &["--new-database"], &elsewhere].concat();
    assert!(app.cli(&made).await.printed().contains("boss is an admin now"));
    assert!(folder.path().join("other.db").exists());
}
