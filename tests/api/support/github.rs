//! A stand-in for GitHub as companies run it themselves, as strict as GitHub and a little stricter.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use url::Url;

use super::http_client::fields;
use super::issuer::keys::base64url;
use super::listener::Listener;

/// What the application is called there.
pub(crate) const CLIENT_ID: &str = "Iv1.0123456789abcdef";
/// Its secret.
pub(crate) const CLIENT_SECRET: &str = "0123456789abcdef0123456789abcdef01234567";
const BODY_MAX: usize = 64 * 1024;

/// Whoever is at the browser, as `/user` and `/user/emails` tell.
#[derive(Clone, Debug)]
pub(crate) struct GithubPerson {
    pub(crate) id: Value,
    pub(crate) login: String,
    pub(crate) emails: Value,
}

impl GithubPerson {
    /// Somebody with a proven address of that name.
    pub(crate) fn named(name: &str) -> Self {
        let email = format!("{name}@example.com");
        let emails = json!([
            { "email": format!("old-{email}"), "primary": false, "verified": true, "visibility": null },
            { "email": email, "primary": true, "verified": true, "visibility": "private" },
        ]);
        Self { id: 583_231.into(), login: name.to_owned(), emails }
    }
}

/// How it behaves.
#[derive(Clone, Debug)]
pub(crate) struct GithubConduct {
    pub(crate) person: GithubPerson,
    /// Refuses codes with this error, at status 200 as GitHub does.
    pub(crate) error: Option<&'static str>,
    /// Answers this at `/user`, with this status.
    pub(crate) user: Option<(StatusCode, Value)>,
    redirect_uri: String,
}

struct Grant {
    challenge: String,
    scopes: String,
    is_used: bool,
}

#[derive(Default)]
struct Seen {
    codes: HashMap<String, Grant>,
    /// The scopes of access tokens.
    tokens: HashMap<String, String>,
    violations: Vec<String>,
}

struct Shared {
    conduct: Mutex<GithubConduct>,
    seen: Mutex<Seen>,
}

/// A running stand-in. It ends when it is dropped.
pub(crate) struct Github {
    shared: Arc<Shared>,
    listener: Listener,
}

impl Github {
    /// Starts one that is known as the provider `id` to a server at `http://localhost:8000`.
    pub(crate) async fn start(id: &str) -> Self {
        let conduct = GithubConduct {
            person: GithubPerson::named("alice"),
            error: None,
            user: None,
            redirect_uri: format!("http://localhost:8000/callback/{id}"),
        };
        let shared = Arc::new(Shared { conduct: Mutex::new(conduct), seen: Mutex::default() });
        let answering = Arc::clone(&shared);
        let router = Router::new().fallback(move |request: Request<Body>| {
            let shared = Arc::clone(&answering);
            async move { shared.answer(request).await }
        });
        let listener = Listener::start(Listener::bind(None).await, router);
        Self { shared, listener }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    /// Has it behave differently from now on.
    pub(crate) fn set(&self, change: impl FnOnce(&mut GithubConduct)) {
        change(&mut self.shared.conduct.lock().unwrap());
    }

    /// What clients did that no client may.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.shared.seen().violations.clone()
    }

    /// Its table in `PROVIDERS_FILE`, with further lines.
    pub(crate) fn table(&self, id: &str, further: &str) -> String {
        format!(
            "[{id}]\nkind = \"github\"\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret_file = \"github-secret\"\nallow_private_addresses = true\n{further}\n",
            self.url()
        )
    }
}

/// Why a client is refused.
struct Violation(&'static str);

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    async fn answer(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY_MAX).await.unwrap_or_default();
        let conduct = self.conduct.lock().unwrap().clone();
        let answer = match (&parts.method, parts.uri.path()) {
            (&Method::GET, "/login/oauth/authorize") => {
                self.authorize(&conduct, &fields(parts.uri.query().unwrap_or_default().as_bytes()))
            }
            (&Method::POST, "/login/oauth/access_token") => {
                self.exchange(&conduct, &parts, &fields(&body))
            }
            (&Method::GET, "/api/v3/user") => self.user(&conduct, &parts),
            (&Method::GET, "/api/v3/user/emails") => self.emails(&conduct, &parts),
            _ => Err(Violation("an unknown address")),
        };
        answer.unwrap_or_else(|Violation(what)| {
            self.seen().violations.push(what.to_owned());
            (StatusCode::FORBIDDEN, json!({ "message": what }).to_string()).into_response()
        })
    }

    fn authorize(
        &self,
        conduct: &GithubConduct,
        asked: &BTreeMap<String, String>,
    ) -> Result<Response, Violation> {
        let is = |name: &str| asked.get(name).map_or("", String::as_str);
        let rules = [
            (is("client_id") == CLIENT_ID, "client_id"),
            (is("redirect_uri") == conduct.redirect_uri, "redirect_uri"),
            (is("state").len() >= 22, "state"),
            (is("code_challenge_method") == "S256", "code_challenge_method"),
            (is("code_challenge").len() == 43, "code_challenge"),
        ];
        if let Some((_, broken)) = rules.into_iter().find(|(holds, _)| !holds) {
            return Err(Violation(broken));
        }
        let mut seen = self.seen();
        let code = format!("code{}", seen.codes.len());
        let grant = Grant {
            challenge: is("code_challenge").to_owned(),
            scopes: is("scope").to_owned(),
            is_used: false,
        };
        seen.codes.insert(code.clone(), grant);
        let mut back = Url::parse(is("redirect_uri")).unwrap();
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", is("state"));
        Ok((StatusCode::FOUND, [(LOCATION, String::from(back))]).into_response())
    }

    fn exchange(
        &self,
        conduct: &GithubConduct,
        parts: &Parts,
        form: &BTreeMap<String, String>,
    ) -> Result<Response, Violation> {
        let is = |name: &str| form.get(name).map_or("", String::as_str);
        // Without it GitHub answers with a form.
        if header(parts, ACCEPT.as_str()) != "application/json" {
            return Err(Violation("Accept"));
        }
        let refused = |error: &str| {
            json!({
                "error": error, "error_description": "<script>marked()</script>",
                "error_uri": "https://docs.github.com/<script>marked()</script>",
            })
        };
        if let Some(error) = conduct.error {
            return Ok(json_of(&refused(error)));
        }
        if is("client_id") != CLIENT_ID || is("client_secret") != CLIENT_SECRET {
            return Err(Violation("incorrect_client_credentials"));
        }
        let mut seen = self.seen();
        let token = format!("gho_{}", seen.tokens.len());
        let Some(grant) = seen.codes.get_mut(is("code")) else {
            return Err(Violation("an unknown code"));
        };
        if std::mem::replace(&mut grant.is_used, true) {
            return Ok(json_of(&refused("bad_verification_code")));
        }
        if grant.challenge != base64url(digest(&SHA256, is("code_verifier").as_bytes())) {
            return Err(Violation("code_verifier"));
        }
        if is("redirect_uri") != conduct.redirect_uri {
            return Err(Violation("redirect_uri_mismatch"));
        }
        let scopes = grant.scopes.clone();
        let said = json!({ "access_token": token, "scope": scopes.replace(' ', ","), "token_type": "bearer" });
        seen.tokens.insert(token, scopes);
        Ok(json_of(&said))
    }

    /// The scopes of whoever asks the API.
    fn scopes(&self, parts: &Parts) -> Result<String, Violation> {
        if header(parts, USER_AGENT.as_str()).is_empty() {
            return Err(Violation("User-Agent"));
        }
        let accepted = ["application/vnd.github+json", "application/json"];
        if !accepted.contains(&header(parts, ACCEPT.as_str())) {
            return Err(Violation("Accept"));
        }
        let bearer = header(parts, AUTHORIZATION.as_str()).strip_prefix("Bearer ");
        let scopes = bearer.and_then(|token| self.seen().tokens.get(token).cloned());
        scopes.ok_or(Violation("Authorization"))
    }

    fn user(&self, conduct: &GithubConduct, parts: &Parts) -> Result<Response, Violation> {
        self.scopes(parts)?;
        if let Some((status, said)) = &conduct.user {
            return Ok((*status, json_of(said)).into_response());
        }
        let GithubPerson { id, login, .. } = &conduct.person;
        let said = json!({
            "id": id, "login": login, "name": format!("{login} of GitHub"), "type": "User",
            // The public one, which nobody has proven.
            "email": "public@example.com",
            "avatar_url": "https://avatars.githubusercontent.com/u/583231",
        });
        Ok(json_of(&said))
    }

    fn emails(&self, conduct: &GithubConduct, parts: &Parts) -> Result<Response, Violation> {
        let scopes = self.scopes(parts)?;
        if !scopes.split(' ').any(|scope| matches!(scope, "user:email" | "user")) {
            return Err(Violation("no scope for addresses"));
        }
        Ok(json_of(&conduct.person.emails))
    }
}

fn json_of(said: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], said.to_string()).into_response()
}

fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
