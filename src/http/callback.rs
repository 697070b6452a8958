//! `/callback/{provider}`: where providers send people back to.
//!
//! What a provider sends goes on to the front end that began the flow, behind the `#` of its URL, which no server sees
//! (OI-07). It is of use only to whoever holds the flow, so looking at it here changes nothing. Nothing that is sent is
//! repeated but to that front end (OI-09).

use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use secrecy::ExposeSecret;
use url::form_urlencoded;

use super::{inline, refusal, request};
use crate::app::App;
use crate::graphql::cookie::Cookie;
use crate::kernel::access::{Language, Origin};

/// What a posted answer may be long.
const BODY_LENGTH_MAX: usize = 16 * 1024;

/// Why a provider may send somebody back without a code (RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6).
const ERRORS: [&str; 11] = [
    "invalid_request",
    "unauthorized_client",
    "access_denied",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
];

pub(super) fn routes(router: Router<App>) -> Router<App> {
    router.route("/callback/{provider}", get(answered).post(posted))
}

/// What a provider has sent, each at most once.
#[derive(Default)]
struct Sent {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    user: Option<String>,
    is_reposted: bool,
}

impl Sent {
    /// Reads an answer; `None` if it says something twice, which no two readers need understand alike.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut sent = Self::default();
        for (name, value) in form_urlencoded::parse(text) {
            let member = match &*name {
                "code" => &mut sent.code,
                "state" => &mut sent.state,
                "iss" => &mut sent.iss,
                "error" => &mut sent.error,
                "user" => &mut sent.user,
                REPOSTED => {
                    sent.is_reposted = true;
                    continue;
                }
                _ => continue,
            };
            if member.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(sent)
    }

    /// What goes on to the front end.
    fn told(&self) -> Vec<(&'static str, &str)> {
        let error = match (&self.code, self.error.as_deref()) {
            (_, Some(error)) => {
                Some(ERRORS.iter().find(|known| **known == error).unwrap_or(&"server_error"))
            }
            (None, None) => Some(&"invalid_request"),
            (Some(_), None) => None,
        };
        let code = self.code.as_deref().filter(|_| error.is_none());
        let user = self.user.as_deref().filter(|_| error.is_none());
        let told = [
            ("error", error.copied()),
            ("code", code),
            ("state", self.state.as_deref()),
            ("iss", self.iss.as_deref()),
            ("user", user),
        ];
        told.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Says in a form that the page of this server has posted it.
const REPOSTED: &str = "reposted";

async fn answered(
    State(app): State<App>,
    Path(provider): Path<String>,
    Extension(origin): Extension<Origin>,
    request: Request,
) -> Response {
    let sent = Sent::parse(request.uri().query().unwrap_or_default().as_bytes());
    match go_on(&app, &provider, sent.as_ref(), request.headers()) {
        Ok(Some(response)) => response,
        Ok(None) => over(&origin),
        Err(refused) => refused,
    }
}

/// An answer that comes by POST from the provider's page (`form_post`). Browsers leave our cookies out of that, so a page of
/// ours posts it once more.
async fn posted(
    State(app): State<App>,
    Path(provider): Path<String>,
    Extension(origin): Extension<Origin>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LENGTH_MAX).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long.");
    };
    let sent = Sent::parse(&body);
    match go_on(&app, &provider, sent.as_ref(), &parts.headers) {
        Ok(Some(response)) => response,
        Err(refused) => refused,
        Ok(None) => match sent.filter(|sent| !sent.is_reposted) {
            Some(sent) => repost(&app, &provider, &sent, &origin),
            None => over(&origin),
        },
    }
}

/// Sends somebody on, if what they were sent back with belongs to a flow of their browser.
fn go_on(
    app: &App,
    provider: &str,
    sent: Option<&Sent>,
    headers: &HeaderMap,
) -> Result<Option<Response>, Response> {
    let Some(sent) = sent else { return Ok(None) };
    let browser = request::cookie(&app.cookies, Cookie::Flow, headers)?;
    let browser = browser.as_ref().map(ExposeSecret::expose_secret);
    let state = sent.state.as_deref().unwrap_or_default();
    let Some(return_to) = app.provider_login.destination(provider, state, browser) else {
        return Ok(None);
    };
    let told = form_urlencoded::Serializer::new(String::new()).extend_pairs(sent.told()).finish();
    let location = format!("{return_to}#{told}");
    Ok(Some((StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()))
}

/// The page that posts an answer once more, from our own origin.
fn repost(app: &App, provider: &str, sent: &Sent, origin: &Origin) -> Response {
    let state = sent.state.as_deref().unwrap_or_default();
    // What is none of ours needs no second look.
    let Some(return_to) = app.provider_login.destination_elsewhere(provider, state) else {
        return over(origin);
    };
    let fields = sent.told().into_iter().chain([(REPOSTED, "1")]).map(|(name, value)| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", inline::escaped(value))
    });
    let fields = fields.collect::<Vec<_>>().concat();
    let (title, button) = match origin.language {
        Language::English => ("Signing in", "Continue"),
        Language::German => ("Anmeldung", "Weiter"),
    };
    inline::with_nonce(origin, |nonce| {
        // Browsers apply `form-action` to the redirect that answers a form as well.
        let allowed =
            format!("script-src 'nonce-{nonce}'; form-action 'self' {}", source(&return_to));
        let page = format!(
            "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{title}</title><form method=\"post\">{fields}<button>{button}\
             </button></form><script nonce=\"{nonce}\">document.forms[0].submit()</script></html>",
            origin.language.into_str()
        );
        (allowed, page)
    })
}

/// A URL's origin, as a content security policy names it; of a scheme of an app, the scheme.
fn source(url: &str) -> String {
    url::Url::parse(url).map_or_else(
        |_| String::new(),
        |url| match url.origin() {
            origin @ url::Origin::Tuple(..) => origin.ascii_serialization(),
            url::Origin::Opaque(_) => format!("{}:", url.scheme()),
        },
    )
}

/// What people see whose sign-in cannot go on.
fn over(origin: &Origin) -> Response {
    let (title, text) = match origin.language {
        Language::English => (
            "This sign-in is over",
            "It took too long, or it was begun in another browser. Go back and sign in again.",
        ),
        Language::German => (
            "Diese Anmeldung ist vorbei",
            "Sie hat zu lange gedauert oder wurde in einem anderen Browser begonnen. Geh zurück und melde dich erneut an.",
        ),
    };
    let page = format!(
        "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><h1>{title}</h1><p>{text}</p></html>",
        origin.language.into_str()
    );
    (StatusCode::BAD_REQUEST, Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(query: &str) -> Option<String> {
        let sent = Sent::parse(query.as_bytes())?;
        Some(form_urlencoded::Serializer::new(String::new()).extend_pairs(sent.told()).finish())
    }

    #[test]
    fn what_a_provider_sends_goes_on_once_and_errors_by_their_names_alone() {
        for (query, expected) in [
            ("code=a&state=b", Some("code=a&state=b")),
            ("state=b&iss=https%3A%2F%2Fa&code=a&x=y", Some("code=a&state=b&iss=https%3A%2F%2Fa")),
            (
                "error=access_denied&error_description=%3Cscript%3E&state=b",
                Some("error=access_denied&state=b"),
            ),
            ("error=%3Cscript%3E&state=b", Some("error=server_error&state=b")),
            ("code=a&error=access_denied&state=b", Some("error=access_denied&state=b")),
            ("state=b", Some("error=invalid_request&state=b")),
            ("code=a&code=b&state=c", None),
            ("code=a&state=b&state=c", None),
        ] {
            assert_eq!(told(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn a_policy_names_the_origin_of_a_page_and_the_scheme_of_an_app() {
        for (url, expected) in [
            ("https://app.example.com/done", "https://app.example.com"),
            ("http://127.0.0.1:4000/done", "http://127.0.0.1:4000"),
            ("com.example.app:/done", "com.example.app:"),
        ] {
            assert_eq!(source(url), expected);
        }
    }
}
