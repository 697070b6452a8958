//! Signing in with a provider, step by step, as a front end and its browser do.

use std::path::PathBuf;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{LOCATION, SET_COOKIE};
use portcullis::app::App;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::http_client::{exchange, fields, visit};
use super::issuer::Issuer;
use super::{Reply, TestApp, github, issuer, over, send};

/// Where people come back to.
pub(crate) const RETURN: &str = "http://localhost:8000/signed-in";
/// What every answer of a sign-in is asked for.
pub(crate) const RESULT: &str = "... on AuthPayload { accessToken refreshToken user { id username } } \
                                 ... on VerificationRequired { __typename }";
const FLOW_COOKIE: &str = "__Host-portcullis_flow=";

/// A `PROVIDERS_FILE`, with the secrets that it names beside it.
pub(crate) struct ProvidersFile(TempDir);

impl ProvidersFile {
    pub(crate) fn of(tables: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("secret", issuer::CLIENT_SECRET);
        write("github-secret", github::CLIENT_SECRET);
        write("providers.toml", &tables.concat());
        Self(folder)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("providers.toml")
    }

    /// The settings that a server needs beside its own.
    pub(crate) fn flags(&self) -> [String; 2] {
        let file = format!("--providers-file={}", self.path().display());
        [file, format!("--return-urls={RETURN},https://app.example.com/signed-in")]
    }
}

/// A server that knows these providers. The file is gone with what comes beside it.
pub(crate) async fn server_with(tables: &[String], flags: &[&str]) -> (TestApp, ProvidersFile) {
    let file = ProvidersFile::of(tables);
    // A test may have a list of its own.
    let all = over(flags, file.flags().into_iter());
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    (TestApp::start_with(&all).await, file)
}

/// A server and the one issuer that it knows, as `acme`.
pub(crate) struct World {
    pub(crate) app: TestApp,
    pub(crate) issuer: Issuer,
    _file: ProvidersFile,
}

impl World {
    /// With an issuer whose word on addresses counts: who comes from there has an account at once.
    pub(crate) async fn trusting() -> Self {
        Self::with("trusted = true", &[]).await
    }

    /// With further lines in the provider's table, and further flags of the server.
    pub(crate) async fn with(lines: &str, flags: &[&str]) -> Self {
        let issuer = Issuer::start("acme").await;
        let (app, file) = server_with(&[issuer.table("acme", lines)], flags).await;
        issuer.set(|conduct| conduct.clock = app.clock.clone());
        Self { app, issuer, _file: file }
    }

    pub(crate) fn at(&self) -> Instance<'_> {
        Instance::App(&self.app.app)
    }

    /// Signs in from a browser without cookies.
    pub(crate) async fn sign_in(&self) -> Reply {
        Browser::in_body_mode().sign_in(self.at(), "acme").await
    }
}

/// Who is asked.
#[derive(Clone, Copy)]
pub(crate) enum Instance<'a> {
    /// One in this process.
    App(&'a App),
    /// One that listens on this port.
    Port(u16),
}

impl Instance<'_> {
    pub(crate) async fn ask(
        self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        match self {
            Self::App(app) => {
                let mut request = Request::builder().method(method).uri(path);
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                send(app, request.body(Body::from(body.to_owned())).unwrap()).await
            }
            Self::Port(port) => {
                exchange(method, &format!("http://localhost:{port}{path}"), headers, body).await
            }
        }
    }
}

/// A front end in a browser, which has cookies if it uses them.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    is_in_cookie_mode: bool,
    /// All that it holds, by their names.
    pub(crate) cookies: Vec<(String, String)>,
    /// The token of its session, if it has one in body mode.
    pub(crate) bearer: Option<String>,
}

/// A flow that has begun.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) flow: String,
    /// Where the provider is.
    pub(crate) url: String,
}

/// What the page reads that people come back to.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    /// The address, without what stands behind `#`.
    pub(crate) page: String,
    pub(crate) code: String,
    pub(crate) state: String,
    pub(crate) iss: Option<String>,
    pub(crate) error: Option<String>,
}

impl Browser {
    pub(crate) fn in_body_mode() -> Self {
        Self::default()
    }

    pub(crate) fn in_cookie_mode() -> Self {
        Self { is_in_cookie_mode: true, ..Self::default() }
    }

    /// A browser with a session.
    pub(crate) fn with(bearer: &str) -> Self {
        Self { bearer: Some(bearer.to_owned()), ..Self::default() }
    }

    pub(crate) fn cookie(&self) -> String {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Takes over what an answer sets.
    fn keep(&mut self, reply: &Reply) {
        for set in reply.headers.get_all(SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (pair, attributes) = set.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(other, _)| other != name);
            if !attributes.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// Whether it holds the cookie of a flow.
    pub(crate) fn holds_flow(&self) -> bool {
        self.cookie().contains(FLOW_COOKIE)
    }

    /// Posts a document.
    pub(crate) async fn call(&mut self, at: Instance<'_>, query: &str, variables: Value) -> Reply {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let mut headers = vec![("content-type", "application/json")];
        let (cookie, bearer) =
            (self.cookie(), self.bearer.as_ref().map(|of| format!("Bearer {of}")));
        if self.is_in_cookie_mode {
            headers
                .extend([("portcullis-token-mode", "cookie"), ("origin", "http://localhost:8000")]);
        }
        if !cookie.is_empty() {
            headers.push(("cookie", &cookie));
        }
        if let Some(bearer) = &bearer {
            headers.push(("authorization", bearer));
        }
        let reply = at.ask("POST", "/graphql", &headers, &body).await;
        self.keep(&reply);
        reply
    }

    /// Begins, by one of the mutations that do.
    pub(crate) async fn try_start(&mut self, at: Instance<'_>, field: &str, input: Value) -> Reply {
        let input_type = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let query = format!(
            "mutation($input: {input_type}!) {{ {field}(input: $input) {{ authorizationUrl flow expiresIn }} }}"
        );
        self.call(at, &query, json!({ "input": input })).await
    }

    pub(crate) async fn start(&mut self, at: Instance<'_>, field: &str, provider: &str) -> Started {
        let input = json!({ "providerId": provider, "returnTo": RETURN });
        let reply = self.try_start(at, field, input).await;
        let started = &reply.data()[field];
        assert_eq!(started["expiresIn"], 600, "{}", reply.text);
        let text = |name: &str| started[name].as_str().unwrap().to_owned();
        Started { flow: text("flow"), url: text("authorizationUrl") }
    }

    /// Goes to the provider and comes back through the callback.
    pub(crate) async fn travel(&mut self, at: Instance<'_>, started: &Started) -> Back {
        let sent = visit(&started.url).await;
        assert_eq!(sent.status, 302, "{}", sent.text);
        self.land(at, sent.headers[LOCATION].to_str().unwrap()).await
    }

    /// Comes to the callback with what a provider has sent.
    pub(crate) async fn land(&mut self, at: Instance<'_>, callback: &str) -> Back {
        let reply = self.try_land(at, callback).await;
        Back::of(&reply)
    }

    pub(crate) async fn try_land(&mut self, at: Instance<'_>, callback: &str) -> Reply {
        let url = Url::parse(callback).unwrap();
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let cookie = self.cookie();
        let headers = if cookie.is_empty() { vec![] } else { vec![("cookie", cookie.as_str())] };
        let reply = at.ask("GET", &path, &headers, "").await;
        self.keep(&reply);
        reply
    }

    /// Finishes, by one of the mutations that do.
    pub(crate) async fn finish(
        &mut self,
        at: Instance<'_>,
        field: &str,
        started: &Started,
        back: &Back,
    ) -> Reply {
        let input_type = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let selection = match field {
            "finishLink" => "identity { id } user { id identities { id } }",
            "finishReauthentication" => "accessToken refreshToken user { id username }",
            _ => RESULT,
        };
        let query = format!(
            "mutation($input: {input_type}!) {{ {field}(input: $input) {{ {selection} }} }}"
        );
        let input = json!({
            "flow": started.flow, "code": back.code, "state": back.state, "iss": back.iss,
        });
        self.call(at, &query, json!({ "input": input })).await
    }

    /// The whole of it.
    pub(crate) async fn sign_in(&mut self, at: Instance<'_>, provider: &str) -> Reply {
        let started = self.start(at, "startSignIn", provider).await;
        let back = self.travel(at, &started).await;
        self.finish(at, "finishSignIn", &started, &back).await
    }
}

impl Back {
    /// What the answer of the callback sends people back with.
    pub(crate) fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 303, "{reply:?}");
        let location = reply.headers[LOCATION].to_str().unwrap();
        let (page, fragment) = location.split_once('#').unwrap_or_else(|| panic!("{location}"));
        let fields = fields(fragment.as_bytes());
        let text = |name: &str| fields.get(name).cloned();
        Self {
            page: page.to_owned(),
            code: text("code").unwrap_or_default(),
            state: text("state").unwrap_or_default(),
            iss: text("iss"),
            error: text("error"),
        }
    }
}
