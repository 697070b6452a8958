//! GET `/export`: all that is kept of a person, for who has a ticket of `exportMyData`.
//!
//! It is made as fast as it is taken, and holds no connection to the database between two pages. So it may
//! take longer than an answer of the API; who takes nothing for a while is cut off as any slow reader.

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::Channel;
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::{answer, failure, graphql, request};
use crate::app::App;
use crate::features::accounts::{Export, NoExport};
use crate::graphql::error::ApiError;
use crate::infra::causes::causes;
use crate::kernel::access::{Anonymity, Origin};

/// When to ask again while another export is under way.
const RETRY_AFTER_SECONDS: u32 = 10;

const HEADERS: [(HeaderName, &str); 2] = [
    (CONTENT_TYPE, "application/json; charset=utf-8"),
    (CONTENT_DISPOSITION, "attachment; filename=\"portcullis-export.json\""),
];

pub(super) async fn download(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let failed = |error| answer::refused(&app, error, &origin);
    let ticket = request::bearer(&headers)?;
    let reason = if ticket.is_none() { Anonymity::MissingToken } else { Anonymity::InvalidToken };
    let unknown = || failed(ApiError::unauthenticated(reason));
    let ticket = ticket.ok_or_else(unknown)?;
    let opening = app.accounts.open_export(&origin, ticket.expose_secret());
    let opened = timeout(graphql::ANSWER_MAX, opening).await;
    let opened = opened.map_err(|_elapsed| failed(ApiError::overdue()))?;
    let mut export = opened.map_err(|none| match none {
        NoExport::Unknown => unknown(),
        NoExport::UnderWay => {
            let message =
                "Another export of this account is in progress. Please wait until it is complete.";
            failed(ApiError::limited(message, RETRY_AFTER_SECONDS))
        }
        NoExport::Full => failed(ApiError::overdue()),
        NoExport::Db(error) => failed(ApiError::database(error)),
    })?;
    // Before anything is sent: what fails now has an answer.
    let first = timeout(graphql::ANSWER_MAX, export.next()).await;
    let first = first
        .map_err(|_elapsed| failed(ApiError::overdue()))?
        .map_err(|fault| failed(fault.into()))?
        .ok_or_else(|| failure(request::id_of(&origin)))?;
    Ok((HEADERS, send(first, export)).into_response())
}

/// A body that is made piece by piece. One that cannot be completed breaks off.
fn send(first: String, mut export: Export) -> Body {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move {
        let mut piece = Some(first);
        while let Some(text) = piece {
            // Whoever was to take it is gone.
            if sender.send_data(text.into()).await.is_err() {
                return;
            }
            piece = match export.next().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(error = %causes(&error), "an export was interrupted");
                    sender.abort(std::io::Error::other("the export broke off"));
                    return;
                }
            };
        }
    });
    Body::new(body)
}
