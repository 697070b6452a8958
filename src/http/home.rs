//! GET `/`: leads a browser that opens the server to the account pages, or shows it where to go where there are none. Programs
//! learn that the API is elsewhere.

use axum::extract::State;
use axum::http::header::{ACCEPT, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};

use super::{account, inline, pages, refusal};
use crate::app::App;
use crate::config::{Config, Introspection};
use crate::kernel::access::{Language, Origin};

/// A page of this server: its path, and what it is in English and in German.
type Place = (&'static str, &'static str, &'static str);

const PLAYGROUND: Place = (
    "graphql",
    "Playground: try the API, and manage your account",
    "Playground: Probiere die API aus, und verwalte dein Konto",
);
const SCHEMA: Place =
    ("schema.graphql", "Schema, with the access policy", "Schema, mit den Zugriffsregeln");
const PASSWORD: Place =
    (".well-known/change-password", "Choose a new password", "Wähle ein neues Passwort");
const HEALTH: Place = ("readyz", "Health of this instance", "Zustand dieser Instanz");

pub(super) fn routes(router: Router<App>) -> Router<App> {
    router.route("/", get(home))
}

async fn home(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Response {
    if !pages::is_meant(&headers) {
        return refusal(
            StatusCode::NOT_FOUND,
            "There is nothing at this address. The API is at /graphql.",
        );
    }
    if account::is_home(&app.config) {
        return Redirect::temporary("account").into_response();
    }
    let is_german = origin.language == Language::German;
    let (lang, said) = match is_german {
        false => ("en", "This is an authentication server. Its API is at <code>/graphql</code>."),
        true => ("de", "Das ist ein Anmeldeserver. Seine API ist unter <code>/graphql</code>."),
    };
    let items = places(&app.config).into_iter().map(|(path, english, german)| {
        let told = if is_german { german } else { english };
        format!("<li><a href=\"{path}\">{told}</a></li>\n")
    });
    let page = inline::with_nonce(&origin, |nonce| {
        let page = include_str!("home.html")
            .replace("NONCE", nonce)
            .replace("LANG", lang)
            .replace("SAID", said)
            .replace("PLACES", &items.collect::<String>())
            .replace("SITE", &inline::escaped(&app.config.site_name));
        (format!("style-src 'nonce-{nonce}'; form-action 'none'"), page)
    });
    ([(VARY, format!("{ACCEPT}, Accept-Language"))], page).into_response()
}

/// Those that this server has.
fn places(config: &Config) -> Vec<Place> {
    let has_playground = config.playground && pages::missing().is_none();
    let has_schema = !matches!(config.introspection, Introspection::Off);
    let all = [
        (PLAYGROUND, has_playground),
        (SCHEMA, has_schema),
        (PASSWORD, config.mail.is_some()),
        (HEALTH, true),
    ];
    all.into_iter().filter_map(|(place, is_there)| is_there.then_some(place)).collect()
}
