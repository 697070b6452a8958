//! What came of a request at the endpoint, and how its client is told.

use async_graphql::{PathSegment, Response as GraphqlResponse, ServerError, Value};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::accept::MediaType;
use super::call::NoCall;
use super::observe::Answered;
use super::{refusal, request};
use crate::app::App;
use crate::graphql::document::{Refusal, WrongValue};
use crate::graphql::error::{ApiError, Code, Unseen, field};
use crate::graphql::json::{self, Json};
use crate::graphql::messages::translated;
use crate::infra::causes::causes;
use crate::infra::threads::Party;
use crate::kernel::access::{Language, Origin};
use crate::kernel::invalid::{Invalid, Reason};
use crate::kernel::request_id::RequestId;

/// As many headers as most answers have.
const HEADERS: usize = 12;
/// The most errors one response lists (GQ-09).
const ERRORS_MAX: usize = 5;

/// Whom an answer is for, and how they want it.
#[derive(Clone, Copy)]
pub(super) struct Addressee {
    pub(super) media: MediaType,
    /// The language of what people read.
    pub(super) language: Language,
    pub(super) request_id: RequestId,
}

impl Addressee {
    pub(super) fn of(origin: &Origin, media: MediaType) -> Self {
        Self { media, language: origin.language, request_id: request::id_of(origin) }
    }
}

/// What came of a request.
pub(super) struct Worked {
    pub(super) response: GraphqlResponse,
    /// For whom.
    pub(super) party: Party,
    /// A bearer token was presented that is not good.
    pub(super) challenge: Option<HeaderValue>,
}

impl Worked {
    /// Nothing was executed.
    pub(super) fn refused(response: GraphqlResponse) -> Self {
        Self { response, party: Party::Anybody, challenge: None }
    }

    pub(super) fn failed(error: ApiError) -> Self {
        Self::refused(failed(error))
    }
}

/// What is answered where there is nothing to execute.
pub(super) fn unexecuted(no_call: NoCall) -> Result<GraphqlResponse, Response> {
    match no_call {
        NoCall::Malformed(message) => Err(refusal(StatusCode::BAD_REQUEST, message)),
        NoCall::Refused(refused) => Ok(refused_document(refused)),
    }
}

pub(super) fn refused_document(refused: Refusal) -> GraphqlResponse {
    let message = refused.to_string();
    let mut error = ServerError::new(message.clone(), None);
    let extensions = error.extensions.get_or_insert_default();
    let code = match refused {
        Refusal::Errors(errors) => return GraphqlResponse::from_errors(errors),
        Refusal::Parse { positions, .. } => {
            error.locations = positions;
            Code::GraphqlParseFailed
        }
        Refusal::Invalid { positions, value, .. } => {
            error.locations = positions;
            if let Some(WrongValue { path, reason }) = value {
                let invalid = Invalid { reason, message: message.into(), param: None };
                extensions.set("fields", Value::List(vec![field(&path, &invalid)]));
            }
            Code::GraphqlValidationFailed
        }
        Refusal::Limit { limit, max } => {
            extensions.set("limit", limit);
            extensions.set("max", max);
            Code::DocumentLimit
        }
    };
    extensions.set("code", code.as_str());
    GraphqlResponse::from_errors(vec![error])
}

pub(super) fn failed(error: ApiError) -> GraphqlResponse {
    let error = async_graphql::Error::from(error).into_server_error(async_graphql::Pos::default());
    GraphqlResponse::from_errors(vec![ServerError { locations: Vec::new(), ..error }])
}

/// An error, elsewhere than at the endpoint, as the endpoint tells it.
pub(super) fn refused(app: &App, error: ApiError, origin: &Origin) -> Response {
    finish(app, Worked::failed(error), Addressee::of(origin, MediaType::GraphqlResponse))
}

/// Gives every error its code, logs what has a cause, and chooses status and headers.
pub(super) fn finish(app: &App, worked: Worked, addressee: Addressee) -> Response {
    let Worked { mut response, party, challenge } = worked;
    let codes = complete(&mut response, addressee);
    let has_data = response.data != Value::Null;
    let status = match (codes.first(), addressee.media) {
        (Some(code), MediaType::GraphqlResponse) if !has_data => code.status(),
        _ => StatusCode::OK,
    };
    let body = written(&response);
    let mut answer = Response::new(Body::from(app.lanes.answers.hold(party, body)));
    *answer.status_mut() = status;
    answer.extensions_mut().insert(Answered(codes.first().copied()));
    let headers = answer.headers_mut();
    // Those below, and those that every response has.
    headers.reserve(HEADERS);
    // What resolvers say of the cookie.
    headers.extend(response.http_headers);
    headers.insert(CONTENT_TYPE, addressee.media.header());
    if let Some(challenge) = challenge {
        headers.insert(WWW_AUTHENTICATE, challenge);
    } else if codes.contains(&Code::Unauthenticated) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = response.errors.iter().find_map(retry_after) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// One answer of a stream, with the code of its first error.
pub(super) fn event(mut response: GraphqlResponse, addressee: Addressee) -> (Json, Option<Code>) {
    let codes = complete(&mut response, addressee);
    (written(&response), codes.first().copied())
}

/// The errors alone, of what was not begun, with the code of the first.
pub(super) fn errors(mut response: GraphqlResponse, addressee: Addressee) -> (Json, Option<Code>) {
    let codes = complete(&mut response, addressee);
    let mut errors = Json::new();
    json::put(&response.errors, &mut errors);
    (errors, codes.first().copied())
}

fn written(response: &GraphqlResponse) -> Json {
    let was_executed = response.errors.iter().all(|error| !error.path.is_empty());
    let has_data = response.data != Value::Null;
    json::answer((has_data || was_executed).then_some(&response.data), &response.errors)
}

/// Completes the errors that are told, and says their codes.
fn complete(response: &mut GraphqlResponse, addressee: Addressee) -> Vec<Code> {
    response.errors.truncate(ERRORS_MAX);
    response.errors.iter_mut().map(|error| complete_one(error, addressee)).collect()
}

/// Completes one error and says its code. An error without one comes from the library: without a
/// path it is about the document, with one about an argument's value.
fn complete_one(error: &mut ServerError, addressee: Addressee) -> Code {
    let path = error.path.iter().map(segment).collect::<Vec<_>>().join(".");
    let unseen = error.source::<Unseen>().and_then(|unseen| unseen.cause.as_ref());
    let cause = unseen.map(|cause| causes(cause.as_ref()));
    let extensions = error.extensions.get_or_insert_default();
    let code = match extensions.get("code") {
        Some(Value::String(code)) => Code::parse(code).unwrap_or(Code::InternalServerError),
        _ if path.is_empty() => Code::GraphqlValidationFailed,
        _ => {
            let message = error.message.clone().into();
            let invalid = Invalid { reason: Reason::InvalidFormat, message, param: None };
            let fields = vec![field(&path, &invalid)];
            extensions.set("fields", Value::List(fields));
            Code::BadUserInput
        }
    };
    // A database that is away or overloaded fails every request: that is one trouble, and not one each.
    match cause {
        Some(cause) if code == Code::ServiceUnavailable => {
            tracing::warn!(error = %cause, path = %path, "cannot resolve a field at the moment");
        }
        Some(cause) => tracing::error!(error = %cause, path = %path, "a resolver failed"),
        None => {}
    }
    extensions.set("code", code.as_str());
    if code == Code::InternalServerError {
        extensions.set("requestId", addressee.request_id.to_string());
    }
    translate(error, addressee.language);
    code
}

/// Puts what people read into their language: the message, and those of the fields of the input.
fn translate(error: &mut ServerError, language: Language) {
    // What it is made in.
    if language == Language::English {
        return;
    }
    if let Some(message) = translated(&error.message, language) {
        error.message = message;
    }
    let Some(extensions) = &mut error.extensions else { return };
    let Some(Value::List(mut fields)) = extensions.get("fields").cloned() else { return };
    for field in &mut fields {
        let Value::Object(entries) = field else { continue };
        if let Some(Value::String(message)) = entries.get_mut("message")
            && let Some(theirs) = translated(message, language)
        {
            *message = theirs;
        }
    }
    extensions.set("fields", Value::List(fields));
}

fn segment(segment: &PathSegment) -> String {
    match segment {
        PathSegment::Field(name) => name.clone(),
        PathSegment::Index(index) => index.to_string(),
    }
}

fn retry_after(error: &ServerError) -> Option<u64> {
    match error.extensions.as_ref()?.get("retryAfter")? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    }
}
