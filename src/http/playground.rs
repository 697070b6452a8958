//! The playground: GraphiQL for browsers at `/playground/`, where GET `/graphql` sends them; and nothing
//! there for anybody else.

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::pages;
use crate::app::App;

const PAGE: &str = "/playground/";
/// From `/graphql` and `/playground`, also when a proxy has taken a path away that browsers see.
const PAGE_FROM_ROOT: &str = "playground/";
/// The least that the page must load and run. Its editor writes styles of its own, and cannot be told a nonce.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                      worker-src 'self'; form-action 'none'; frame-ancestors 'none'; \
                      base-uri 'none'; object-src 'none'";

pub(super) fn routes(router: Router<App>) -> Router<App> {
    router
        .route("/playground", get(|| async { Redirect::permanent(PAGE_FROM_ROOT) }))
        .route(PAGE, get(page))
}

pub(super) fn redirect() -> Response {
    Redirect::temporary(PAGE_FROM_ROOT).into_response()
}

async fn page() -> Response {
    match pages::text("playground/index.html") {
        Some(text) => pages::page(text.to_owned(), POLICY),
        None => pages::explain("Any GraphQL client works with <code>/graphql</code> meanwhile."),
    }
}
