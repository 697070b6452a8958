//! The account pages, as the server sends them: what it tells them, and what their settings change.

use axum::body::Body;
use axum::http::Request;
use portcullis::http;
use serde_json::Value;
use tower::ServiceExt;

use crate::support::{Reply, TestApp, send, skip};

const RETURN: &str = "--return-urls=https://app.example.com/signed-in";
/// The pages that mails lead to.
const LINKS: [&str; 6] = [
    "verify-email",
    "reset-password",
    "undo-email-change",
    "accept-invitation",
    "accept-organization-invitation",
    "finish-registration",
];

async fn get(app: &TestApp, uri: &str, language: &str) -> Reply {
    let request =
        Request::get(uri).header("accept", "text/html").header("accept-language", language);
    send(&app.app, request.body(Body::empty()).unwrap()).await
}

/// What the server tells a page in it; `None` in a build without pages.
fn told(page: &Reply) -> Option<Value> {
    assert_eq!(page.status, 200, "{}", page.text);
    let (_, rest) = page.text.split_once("<meta name=\"portcullis\" content=\"")?;
    let mut json = rest.split_once('"').unwrap().0.to_owned();
    for (escape, character) in [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")] {
        json = json.replace(escape, character);
    }
    Some(serde_json::from_str(&json).unwrap())
}

/// The same of an address, or a note that this build has no pages.
async fn told_at(app: &TestApp, uri: &str) -> Option<Value> {
    let told = told(&get(app, uri, "en").await);
    if told.is_none() {
        skip("the account pages are not in this build, which needs Node");
    }
    told
}

#[tokio::test]
async fn a_page_is_told_what_it_needs_for_its_first_paint() {
    let name = "--site-name=A \"quoted\" <b>name</b> & more";
    let support = "--support-contact=help@example.com";
    let app = TestApp::start_with(&[name, support, "--site-color=#1F6F5C"]).await;
    let Some(told) = told_at(&app, "/account/sessions").await else { return };
    assert_eq!(told["name"], "A \"quoted\" <b>name</b> & more");
    assert_eq!(told["support"][0], "help@example.com");
    assert_eq!(told["support"][1], "mailto:help@example.com");
    assert_eq!(told["color"], "#1f6f5c");
    assert_eq!((&told["logo"], &told["isWhole"]), (&Value::Null, &Value::Bool(true)));
    let page = get(&app, "/account", "de-AT, en;q=0.5").await;
    assert!(
        page.text.contains("<html lang=\"de\">") && !page.text.contains("<b>"),
        "{}",
        page.text
    );
    assert_eq!(page.headers["vary"], "accept-language");
    // Whatever runs and whatever is drawn comes from a file of its own.
    for inline in ["<script>", "<style", " style=", " onload="] {
        assert!(!page.text.contains(inline), "{inline}: {}", page.text);
    }
}

#[tokio::test]
async fn a_page_leads_back_only_to_what_the_operator_lists() {
    let app = TestApp::start_with(&[RETURN]).await;
    let listed = "https://app.example.com/signed-in";
    for (query, expected) in [
        ("", None),
        ("?returnTo=https%3A%2F%2Fapp.example.com%2Fsigned-in", Some(listed)),
        ("?returnTo=https://app.example.com/signed-in/", None),
        ("?returnTo=https://app.example.com/signed-in?x=1", None),
        ("?returnTo=https://app.example.com", None),
        ("?returnTo=https://app.example.com.evil.example/signed-in", None),
        ("?returnTo=//evil.example", None),
        ("?returnTo=javascript:alert(1)", None),
        ("?returnto=https://app.example.com/signed-in", None),
    ] {
        let uri = format!("/account/sign-in{query}");
        let Some(told) = told_at(&app, &uri).await else { return };
        assert_eq!(told["returnTo"].as_str(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_logo_is_served_by_its_contents_and_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        format!("--site-logo={}", path.display())
    };
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    // Its name says nothing about what it is.
    for (name, bytes, media_type) in
        [("a.png", &svg[..], "image/svg+xml"), ("b.svg", b"\x89PNG\r\n\x1a\nrest", "image/png")]
    {
        let app = TestApp::start_with(&[&file(name, bytes)]).await;
        let Some(told) = told_at(&app, "/account").await else { return };
        // It is no text, which the test kit reads.
        let uri = format!("/assets/{}", told["logo"].as_str().unwrap());
        let request = Request::get(uri).header("host", "a").body(Body::empty()).unwrap();
        let logo = http::router(&app.app).oneshot(request).await.unwrap();
        assert_eq!(
            (logo.status().as_u16(), &logo.headers()["content-type"]),
            (200, &media_type.parse().unwrap())
        );
        let policy = logo.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
        assert_eq!(logo.headers()["x-content-type-options"], "nosniff");
    }
    let long = [svg.as_slice(), &vec![b' '; 128 * 1024]].concat();
    for (name, bytes) in [("c.svg", b"GIF89a".as_slice()), ("d.svg", &long)] {
        let settings = portcullis::cli::settings(&[file(name, bytes)]).unwrap();
        let problems = portcullis::config::Config::new(&settings).unwrap_err().0;
        assert!(problems.iter().any(|problem| problem.starts_with("SITE_LOGO ")), "{problems:?}");
    }
}

#[tokio::test]
async fn pages_that_are_off_leave_those_that_mails_lead_to() {
    let verify = "--verify-email-url=https://app.example.com/verify#{token}";
    let app = TestApp::start_with(&["--account-pages=off", verify]).await;
    for page in LINKS {
        let page = format!("/account/{page}");
        let expected = if page.ends_with("/verify-email") { 404 } else { 200 };
        assert_eq!(get(&app, &page, "en").await.status, expected, "{page}");
    }
    for page in ["/account", "/account/", "/account/sign-in", "/account/reset-password/x"] {
        assert_eq!(get(&app, page, "en").await.status, 404, "{page}");
    }
    let Some(told) = told_at(&app, "/account/reset-password").await else { return };
    assert_eq!(told["isWhole"], Value::Bool(false));
}

#[tokio::test]
async fn links_of_earlier_releases_lead_to_the_same_pages() {
    let app = TestApp::start().await;
    for page in LINKS {
        let moved = get(&app, &format!("/link/{page}"), "en").await;
        assert_eq!(moved.status, 308, "{page}");
        assert_eq!(moved.headers["location"].to_str().unwrap(), format!("../account/{page}"));
    }
    assert_eq!(get(&app, "/link/elsewhere", "en").await.status, 404);
}
