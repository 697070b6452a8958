//! What the stand-in answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::Channel;
use serde_json::{Value, json};
use url::Url;

use super::fault::{
    AnswerFault, DiscoveryFault, Endpoint, ExchangeFault, Fault, UserinfoFault, Wire,
};
use super::keys::base64url;
use super::{CLIENT_ID, CLIENT_SECRET, ClientAuth, Conduct, Grant, Shared, token};
use crate::support::http_client::{basic, fields, form_page};

/// Where the right answers are that redirects and headers lead to; nobody may come here.
pub(super) const TRAP: &str = "/trap/jwks";
const BODY_MAX: usize = 64 * 1024;

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let shared = Arc::clone(shared);
    Router::new().fallback(move |request: Request<Body>| {
        let shared = Arc::clone(&shared);
        async move { shared.answer(request).await }
    })
}

/// The client does not show who it is, or not as it should.
const UNAUTHENTICATED: &str = "the client's authentication";

/// Why a client is refused.
struct Violation(&'static str);

impl ClientAuth {
    fn method(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::None => "none",
        }
    }

    /// In one way, and in no other.
    fn check(
        self,
        authorization: Option<&str>,
        form: &BTreeMap<String, String>,
    ) -> Result<(), Violation> {
        let is = |name: &str| form.get(name).map(String::as_str);
        let secret = is("client_secret");
        let is_shown = match self {
            Self::Basic => {
                authorization == Some(&basic(CLIENT_ID, CLIENT_SECRET)) && secret.is_none()
            }
            Self::Post => {
                authorization.is_none()
                    && (is("client_id"), secret) == (Some(CLIENT_ID), Some(CLIENT_SECRET))
            }
            Self::None => {
                authorization.is_none() && (is("client_id"), secret) == (Some(CLIENT_ID), None)
            }
        };
        if is_shown { Ok(()) } else { Err(Violation(UNAUTHENTICATED)) }
    }
}

/// An answer that is JSON.
type Said = (StatusCode, Value);

impl Shared {
    async fn answer(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY_MAX).await.unwrap_or_default();
        let conduct = self.conduct.lock().unwrap().clone();
        let path = parts.uri.path().strip_prefix(self.path).unwrap_or_default();
        *self.seen.lock().unwrap().hits.entry(path.to_owned()).or_default() += 1;
        let (is_trap, path) = match path.strip_prefix("/trap") {
            Some(rest) => (true, rest),
            None => (false, path),
        };
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let (endpoint, answer) = match (&parts.method, path) {
            (&Method::GET, "/authorize") => {
                return self.authorize(&conduct, parts.uri.query().unwrap_or_default());
            }
            (&Method::GET, "/.well-known/openid-configuration") => {
                (Endpoint::Discovery, Ok(self.metadata(&conduct)))
            }
            (&Method::GET, "/jwks") => (Endpoint::Jwks, Ok(jwks(&conduct))),
            (&Method::POST, "/token") => {
                let is_form = header(CONTENT_TYPE) == Some("application/x-www-form-urlencoded");
                let form = if is_form { fields(&body) } else { BTreeMap::new() };
                (Endpoint::Token, self.exchange(&conduct, header(AUTHORIZATION), &form))
            }
            (&Method::GET, "/userinfo") => {
                (Endpoint::Userinfo, self.userinfo(&conduct, header(AUTHORIZATION)))
            }
            _ => return StatusCode::NOT_FOUND.into_response(),
        };
        let (status, said) = answer.unwrap_or_else(|Violation(what)| {
            self.seen.lock().unwrap().violations.push(what.to_owned());
            let (status, error) = match what {
                UNAUTHENTICATED => (StatusCode::UNAUTHORIZED, "invalid_client"),
                _ => (StatusCode::BAD_REQUEST, "invalid_grant"),
            };
            (status, json!({ "error": error, "error_description": what }))
        });
        match conduct.fault {
            Some(Fault::Wire(at, wire)) if at == endpoint && !is_trap => {
                self.on_wire(wire, path, &said).await
            }
            _ => with_status(status, &said),
        }
    }

    fn metadata(&self, conduct: &Conduct) -> Said {
        let at = |path: &str| format!("{}{path}", self.url);
        let mut said = json!({
            "issuer": self.url,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "jwks_uri": at("/jwks"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
            "token_endpoint_auth_methods_supported": [conduct.client_auth.method()],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": conduct.names_itself,
        });
        let Some(Fault::Discovery(fault)) = conduct.fault else { return (StatusCode::OK, said) };
        let (name, value) = match fault {
            DiscoveryFault::OtherIssuer => ("issuer", "https://accounts.example.com".into()),
            DiscoveryFault::IssuerWithSlash => ("issuer", at("/").into()),
            DiscoveryFault::NoIssuer => ("issuer", Value::Null),
            DiscoveryFault::NoAuthorizationEndpoint => ("authorization_endpoint", Value::Null),
            DiscoveryFault::NoTokenEndpoint => ("token_endpoint", Value::Null),
            DiscoveryFault::NoKeys => ("jwks_uri", Value::Null),
            DiscoveryFault::ScriptAsAuthorizationEndpoint => {
                ("authorization_endpoint", "javascript:alert(1)//".into())
            }
            DiscoveryFault::FileAsTokenEndpoint => ("token_endpoint", "file:///etc/passwd".into()),
            DiscoveryFault::FileAsKeys => ("jwks_uri", "file:///etc/passwd".into()),
        };
        match value {
            Value::Null => drop(said.as_object_mut().unwrap().remove(name)),
            value => said[name] = value,
        }
        (StatusCode::OK, said)
    }

    /// The person agrees at once.
    fn authorize(&self, conduct: &Conduct, query: &str) -> Response {
        let asked = fields(query.as_bytes());
        self.seen.lock().unwrap().request.clone_from(&asked);
        let is = |name: &str| asked.get(name).map_or("", String::as_str);
        let scopes: Vec<&str> = is("scope").split(' ').collect();
        let rules = [
            (is("response_type") == "code", "response_type"),
            (is("client_id") == CLIENT_ID, "client_id"),
            (is("redirect_uri") == conduct.redirect_uri, "redirect_uri"),
            (scopes.contains(&"openid"), "scope"),
            (is("state").len() >= 22, "state"),
            (is("nonce").len() >= 22, "nonce"),
            (is("code_challenge_method") == "S256", "code_challenge_method"),
            (is("code_challenge").len() == 43, "code_challenge"),
            (matches!(is("response_mode"), "" | "query" | "form_post"), "response_mode"),
        ];
        if let Some((_, broken)) = rules.iter().find(|(holds, _)| !holds) {
            self.seen.lock().unwrap().violations.push((*broken).to_owned());
            return (StatusCode::BAD_REQUEST, *broken).into_response();
        }
        let code = self.grant(Grant {
            nonce: is("nonce").to_owned(),
            challenge: is("code_challenge").to_owned(),
            redirect_uri: is("redirect_uri").to_owned(),
            is_used: false,
            person: conduct.person.clone(),
        });
        let mut said =
            vec![("code", code), ("state", is("state").to_owned()), ("iss", self.url.clone())];
        if !conduct.names_itself {
            said.pop();
        }
        if let Some(Fault::Answer(fault)) = conduct.fault {
            match fault {
                AnswerFault::OtherIssuer => said[2].1 = "https://accounts.example.com".into(),
                AnswerFault::NoIssuer => drop(said.pop()),
                AnswerFault::OtherState => said[1].1 = "A".repeat(43),
                AnswerFault::EmptyCode => said[0].1 = String::new(),
                AnswerFault::LongCode => said[0].1 = "c".repeat(6000),
            }
        }
        if is("response_mode") == "form_post" {
            return form_page(is("redirect_uri"), &said).into_response();
        }
        let mut back = Url::parse(is("redirect_uri")).unwrap();
        back.query_pairs_mut().extend_pairs(said);
        (StatusCode::FOUND, [(LOCATION, String::from(back))]).into_response()
    }

    fn grant(&self, grant: Grant) -> String {
        let mut seen = self.seen.lock().unwrap();
        seen.issued += 1;
        let code = format!("code/{}+of {}", seen.issued, self.url);
        seen.grants.insert(code.clone(), grant);
        code
    }

    /// A code for tokens.
    fn exchange(
        &self,
        conduct: &Conduct,
        authorization: Option<&str>,
        form: &BTreeMap<String, String>,
    ) -> Result<Said, Violation> {
        conduct.client_auth.check(authorization, form)?;
        let is = |name: &str| form.get(name).map_or("", String::as_str);
        if is("grant_type") != "authorization_code" {
            return Err(Violation("grant_type"));
        }
        let is_lax = conduct.fault == Some(Fault::Exchange(ExchangeFault::TokenOfAnotherFlow));
        let verified = base64url(digest(&SHA256, is("code_verifier").as_bytes()));
        let mut seen = self.seen.lock().unwrap();
        let access_token = format!("access-{}", seen.issued);
        let grant = seen.grants.get_mut(is("code")).ok_or(Violation("an unknown code"))?;
        if std::mem::replace(&mut grant.is_used, true) {
            return Err(Violation("a used code"));
        }
        if grant.redirect_uri != is("redirect_uri") {
            return Err(Violation("redirect_uri"));
        }
        if grant.challenge != verified && !is_lax {
            return Err(Violation("code_verifier"));
        }
        let (person, nonce) = (grant.person.clone(), grant.nonce.clone());
        seen.access_tokens.insert(access_token.clone(), person.clone());
        let nonce = if is_lax { "of another flow, which is long enough" } else { &nonce };
        let id_token = self.id_token(&Conduct { person, ..conduct.clone() }, nonce);
        let said = json!({
            "access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": id_token,
        });
        Ok(match conduct.fault {
            Some(Fault::Exchange(fault)) => distorted(fault, said),
            _ => (StatusCode::OK, said),
        })
    }

    fn userinfo(&self, conduct: &Conduct, authorization: Option<&str>) -> Result<Said, Violation> {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or(Violation("no bearer token"))?;
        let seen = self.seen.lock().unwrap();
        let person = seen.access_tokens.get(token).ok_or(Violation("an unknown access token"))?;
        let mut said = json!({ "sub": person.sub });
        token::add(&mut said, person.facts());
        match conduct.fault {
            Some(Fault::Userinfo(UserinfoFault::OtherSubject)) => said["sub"] = "another".into(),
            Some(Fault::Userinfo(UserinfoFault::NoSubject)) => {
                said.as_object_mut().unwrap().remove("sub");
            }
            _ => {}
        }
        Ok((StatusCode::OK, said))
    }

    async fn on_wire(&self, wire: Wire, path: &str, said: &Value) -> Response {
        let text = said.to_string();
        let json = |body: Body| ([(CONTENT_TYPE, "application/json")], body).into_response();
        match wire {
            Wire::Redirect => {
                let elsewhere = [(LOCATION, format!("{}/trap{path}", self.url))];
                (StatusCode::TEMPORARY_REDIRECT, elsewhere).into_response()
            }
            Wire::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, MARKED).into_response(),
            Wire::Forbidden => (StatusCode::FORBIDDEN, MARKED).into_response(),
            Wire::Html => ([(CONTENT_TYPE, "text/html")], MARKED).into_response(),
            Wire::WrongContentType => ([(CONTENT_TYPE, "text/html")], text).into_response(),
            Wire::Empty => json(Body::empty()),
            Wire::Truncated => json(Body::from(text[..text.len() / 2].to_owned())),
            Wire::Drip => json(drip()),
            Wire::Hang => std::future::pending().await,
            Wire::Huge => json(Body::from(" ".repeat(2 * 1024 * 1024) + &text)),
            Wire::InvalidUtf8 => {
                let bytes = [b"{\"a\":\"\xff\xfe\",".as_slice(), &text.as_bytes()[1..]].concat();
                json(Body::from(bytes))
            }
            Wire::DeepJson => {
                let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
                json(Body::from(format!("{{\"deep\":{open}{close},{}", &text[1..])))
            }
            Wire::Array => json(Body::from(format!("[{text}]"))),
        }
    }
}

/// Text of the issuer, which nobody may show.
pub(crate) const MARKED: &str = "<script>marked()</script>";

fn with_status(status: StatusCode, said: &Value) -> Response {
    let json = [(CONTENT_TYPE, "application/json;charset=UTF-8")];
    (status, json, said.to_string()).into_response()
}

fn jwks(conduct: &Conduct) -> Said {
    let mut keys = token::published(conduct.token_fault(), conduct.keys);
    if conduct.has_odd_keys {
        let odd = json!([
            { "kty": "AKP", "alg": "ML-DSA-44", "kid": "of the future", "pub": "AAAA" },
            { "kty": "oct", "kid": "symmetric", "k": "AAAA" },
            { "kty": "RSA", "kid": "broken", "n": "!", "e": 3 },
            { "kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA", "d": "AAAA" },
            { "kid": 7 },
            {},
        ]);
        keys.splice(0..0, odd.as_array().unwrap().clone());
    }
    (StatusCode::OK, json!({ "keys": keys }))
}

fn distorted(fault: ExchangeFault, mut said: Value) -> Said {
    let refusal =
        |error: &str| json!({ "error": error, "error_description": MARKED, "error_uri": MARKED });
    let without = |mut said: Value, name: &str| {
        said.as_object_mut().unwrap().remove(name);
        said
    };
    match fault {
        ExchangeFault::Refused => return (StatusCode::BAD_REQUEST, refusal("invalid_grant")),
        ExchangeFault::RefusedWithOk => return (StatusCode::OK, refusal("invalid_grant")),
        ExchangeFault::UnknownClient => {
            return (StatusCode::UNAUTHORIZED, refusal("invalid_client"));
        }
        ExchangeFault::NoIdToken => said = without(said, "id_token"),
        ExchangeFault::NoAccessToken => said = without(said, "access_token"),
        ExchangeFault::IdTokenIsNull => said["id_token"] = Value::Null,
        ExchangeFault::IdTokenIsNumber => said["id_token"] = 7.into(),
        ExchangeFault::OtherTokenType => said["token_type"] = "mac".into(),
        ExchangeFault::AccessTokenOfAnother | ExchangeFault::TokenOfAnotherFlow => {}
    }
    (StatusCode::OK, said)
}

/// Begins as JSON does, and goes on a byte a second.
fn drip() -> Body {
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        while sender.send_data(Bytes::from_static(b" ")).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    Body::new(body)
}
