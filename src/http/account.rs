//! `/account`: the account pages, or only those that mails lead to.
//!
//! One page answers every path, and knows by its own what it is for. Looking at it does nothing: what a link carries stands
//! after the `#`, which no browser sends and no mail client follows, and the page posts it when its reader says so (RS-06).

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::json;
use url::form_urlencoded;

use super::inline::escaped;
use super::pages::{self, POLICY};
use super::refusal;
use crate::app::App;
use crate::config::Config;
use crate::infra::mail::LinkPage;
use crate::kernel::access::{Language, Origin};

/// Where the page has what the server tells it.
const PLACE: &str = "<meta name=\"portcullis\" content=\"\">";
const INSTEAD: &str = "Meanwhile the links in mails lead nowhere, unless the settings of their URLs name pages \
                       of yours: <code>VERIFY_EMAIL_URL</code>, <code>RESET_PASSWORD_URL</code> and so on.";

pub(super) fn routes(mut router: Router<App>, config: &Config) -> Router<App> {
    match config.pages.account {
        true => router = router.route("/account", get(page)).route("/account/{*path}", get(page)),
        false => {
            for (_, link) in &config.pages.own_links {
                router = router.route(link.path(), get(page));
            }
        }
    }
    // Mails of earlier releases lead there. Browsers keep what stands after the #.
    router.route("/link/{page}", get(moved))
}

/// Whether a browser that opens the server is sent to the account pages.
pub(super) fn is_home(config: &Config) -> bool {
    config.pages.account && pages::missing().is_none()
}

async fn page(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(text) = pages::text("account/index.html") else { return pages::explain(INSTEAD) };
    let config = &app.config;
    let query = query.unwrap_or_default();
    let return_to = form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, url)| (name == "returnTo").then_some(url))
        .filter(|url| config.return_urls.allows(url));
    let told = json!({
        "path": config.path(),
        "name": config.site_name,
        "color": config.pages.color,
        "logo": config.pages.logo.as_ref().map(|logo| &logo.name),
        "support": config.pages.support.as_ref().map(|contact| [contact.shown(), contact.link()]),
        "isWhole": config.pages.account,
        "returnTo": return_to,
    });
    let told = format!("<meta name=\"portcullis\" content=\"{}\">", escaped(&told.to_string()));
    let language = match origin.language {
        Language::English => "<html lang=\"en\">",
        Language::German => "<html lang=\"de\">",
    };
    let title = format!("<title>{}</title>", escaped(&config.site_name));
    let text = text
        .replace("../assets/", &format!("{}/assets/", config.path()))
        .replace("<html lang=\"en\">", language)
        .replace("<title>Portcullis</title>", &title)
        .replace(PLACE, &told);
    pages::page(text, POLICY)
}

/// Where a page of an earlier release is now.
async fn moved(axum::extract::Path(page): axum::extract::Path<String>) -> Response {
    let is_known = LinkPage::ALL.iter().any(|link| link.path() == format!("/account/{page}"));
    match is_known {
        true => Redirect::permanent(&format!("../account/{page}")).into_response(),
        false => refusal(StatusCode::NOT_FOUND, "There is nothing at this address."),
    }
}
