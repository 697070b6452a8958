//! GET `/graphql`: GraphiQL for browsers, and nothing for anybody else.

use async_graphql::http::GraphiQLSource;
use axum::extract::State;
use axum::http::header::{ACCEPT, ALLOW};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::refusal;
use crate::app::App;

pub(super) async fn page(State(app): State<App>, headers: HeaderMap) -> Response {
    let is_browser = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|accept| accept.contains("text/html"));
    if app.config.playground && is_browser {
        let page = GraphiQLSource::build().endpoint("/graphql").title("Portcullis").finish();
        return Html(page).into_response();
    }
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = refusal(status, "Send operations by POST");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}
