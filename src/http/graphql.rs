//! `/graphql`: from a POST's bytes to its response, with the rules of GraphQL over HTTP, and what GET is told.

use std::time::Duration;

use async_graphql::{
    Executor, PathSegment, Request, Response as GraphqlResponse, ServerError, Value,
};
use axum::Extension;
use axum::body::Body;
use axum::extract::{self, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use tracing::{Instrument, span};
use uuid::Uuid;

use super::accept::MediaType;
use super::call::{self, Call, NoCall};
use super::identity::Identity;
use super::observe::Answered;
use super::origin::Mode;
use super::{body, change, content_type, failure, playground, refusal, request};
use crate::app::App;
use crate::graphql::context::Caller;
use crate::graphql::document::{Asked, Documents, Lookup, Proven, Refusal, Scanned};
use crate::graphql::error::{ApiError, Code, Unseen, field};
use crate::graphql::json;
use crate::graphql::lanes::Weight;
use crate::graphql::loader::Loaders;
use crate::infra::causes::causes;
use crate::infra::metrics::Operation;
use crate::infra::telemetry::STEP;
use crate::infra::threads::{NoThread, Party};
use crate::kernel::access::{Authentication, Origin, network};
use crate::kernel::invalid::{Invalid, Reason};

/// As many headers as most answers have.
const HEADERS: usize = 12;
/// The most errors one response lists (GQ-09).
const ERRORS_MAX: usize = 5;
/// The most a request may take once it has been read (GQ-13): a database that has gone silent in
/// the middle of a statement says nothing for ever. What was begun there is rolled back; only a
/// commit under way may yet happen, as when a client's connection breaks off.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(10);

pub(super) async fn execute(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    request: extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(media) = MediaType::negotiate(&parts.headers) else {
        let message = "Only JSON is served here: see the Accept header";
        return refusal(StatusCode::NOT_ACCEPTABLE, message);
    };
    answer(&app, origin, &parts.headers, body, media).await.unwrap_or_else(|mut refused| {
        refused.headers_mut().insert(CONTENT_TYPE, media.header());
        refused
    })
}

/// GET is for browsers that look for the playground, and for clients that ask by GET whether a document is
/// known by its hash.
pub(super) async fn get(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    request: extract::Request,
) -> Response {
    let has = |name: &str, is: fn(&str) -> bool| {
        let mut parts = request.uri().query().unwrap_or_default().split('&');
        parts.any(|part| part.split_once('=').is_some_and(|(key, value)| key == name && is(value)))
    };
    let has_document = has("query", |text| !text.is_empty());
    if !has_document && has("extensions", |value| value.contains("persistedQuery")) {
        let media = MediaType::negotiate(request.headers()).unwrap_or(MediaType::Json);
        let worked = Worked::failed(ApiError::persisted_query());
        return finish(&app, worked, media, request::id_of(&origin));
    }
    if app.config.playground && playground::is_meant(request.headers()) {
        return playground::redirect();
    }
    only_post()
}

/// What other requests than for operations are told.
pub(super) fn only_post() -> Response {
    let mut refused = refusal(StatusCode::METHOD_NOT_ALLOWED, "Send operations by POST");
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    refused
}

async fn answer(
    app: &App,
    origin: Origin,
    headers: &HeaderMap,
    body: Body,
    media: MediaType,
) -> Result<Response, Response> {
    content_type::check(headers)?;
    let identity = Identity::read(app, origin, headers)?;
    let (body, _place) = body::read(&app.lanes.bodies, body).await?;
    let parsed = call::parse(&body);
    drop(body);
    let request_id = request::id_of(&identity.origin);
    let call = match parsed {
        Ok(call) => call,
        Err(no_call) => {
            return unexecuted(no_call)
                .map(|refused| finish(app, Worked::refused(refused), media, request_id));
        }
    };
    // By keys that may have been dropped nothing is decided (KY-03).
    if !app.keys.are_fresh() {
        return Ok(finish(app, Worked::failed(ApiError::overdue()), media, request_id));
    }
    let begun = begin(app.clone(), call, identity, media);
    let overdue = || finish(app, Worked::failed(ApiError::overdue()), media, request_id);
    match tokio::time::timeout(ANSWER_MAX, begun).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(NoThread::Busy)) => Ok(overdue()),
        Ok(Err(NoThread::Died)) => Err(failure(request_id)),
        Err(_elapsed) => {
            tracing::error!("a request took too long and was given up");
            Ok(overdue())
        }
    }
}

/// What came of a request.
struct Worked {
    response: GraphqlResponse,
    /// For whom.
    party: Party,
    operation: Operation,
    /// A bearer token was presented that is not good.
    challenge: Option<HeaderValue>,
}

impl Worked {
    /// Nothing was executed.
    fn refused(response: GraphqlResponse) -> Self {
        Self { response, party: Party::Anybody, operation: Operation::None, challenge: None }
    }

    fn failed(error: ApiError) -> Self {
        Self::refused(failed(error))
    }
}

/// Scans the document, recognises the caller and executes the operation, where it belongs by its cost and in
/// its caller's turn. What may change threads is boxed: each hand that it goes through would copy its several
/// kilobytes.
async fn begin(
    app: App,
    call: Call,
    mut identity: Identity,
    media: MediaType,
) -> Result<Response, NoThread> {
    let request_id = request::id_of(&identity.origin);
    let lookup = app.documents.look_up(&call.query);
    let is_new = matches!(lookup, Lookup::New(_));
    let stranger = identity.origin.ip.map_or(Party::Anybody, |ip| Party::Address(network(ip)));
    let scanned = match lookup {
        Lookup::Known(proven) => choose(&app.documents, &proven, call),
        new @ Lookup::New(_) => {
            app.lanes.check(stranger, Box::pin(scan(app.clone(), new, call))).await?
        }
    };
    let scanned = match scanned {
        Ok(scanned) => scanned,
        Err(refused) => {
            let refused = Worked::refused(refused_document(refused));
            return Ok(finish(&app, refused, media, request_id));
        }
    };
    let (operation, cost) = (scanned.operation, scanned.cost);
    if operation == Operation::Mutation && identity.mode == (Mode::Cookie { may_change: false }) {
        let message = "Say by the header Origin which page this mutation is for: a server that renders for a browser forwards the \
                       Origin that it has checked";
        let failed =
            Worked { operation, ..Worked::failed(ApiError::new(Code::Forbidden, message)) };
        return Ok(finish(&app, failed, media, request_id));
    }
    let authenticating = app.sessions.authenticate(identity.shown(), identity.organization);
    let authentication = match authenticating.instrument(span!(STEP, "authenticate")).await {
        Ok(authentication) => authentication,
        Err(error) => {
            let failed = Worked { operation, ..Worked::failed(error.into()) };
            return Ok(finish(&app, failed, media, request_id));
        }
    };
    identity.origin.cookie_session = match identity.cookie_session(&app, &authentication).await {
        Ok(session) => session,
        Err(error) => {
            let failed = Worked { operation, ..Worked::failed(error.into()) };
            return Ok(finish(&app, failed, media, request_id));
        }
    };
    let party = match &authentication {
        Authentication::Viewer(viewer) => Party::Account(viewer.user.id),
        Authentication::Anonymous(_) => stranger,
    };
    let _turn = match change::admit(&app, &identity.origin, &authentication, &scanned).await? {
        Ok(turn) => turn,
        Err(limited) => {
            let failed = Worked { party, operation, ..Worked::failed(limited) };
            return Ok(finish(&app, failed, media, request_id));
        }
    };
    let work = Box::pin(work(app.clone(), scanned, identity, authentication, party, media));
    app.lanes.run(Weight { cost, party, is_new }, work).await
}

/// None of the call is kept but what the operation takes of it, here and in `scan`.
fn choose(documents: &Documents, proven: &Proven, call: Call) -> Result<Scanned, Refusal> {
    documents.choose(proven, call.operation_name.as_deref(), call.variables)
}

async fn scan(app: App, lookup: Lookup, call: Call) -> Result<Scanned, Refusal> {
    let Call { query, operation_name, variables } = call;
    let asked = Asked { source: &query, operation_name: operation_name.as_deref(), variables };
    app.documents.scan(&app.schema, lookup, asked).await
}

/// Executes an operation, and writes its answer.
async fn work(
    app: App,
    scanned: Scanned,
    identity: Identity,
    authentication: Authentication,
    party: Party,
    media: MediaType,
) -> Response {
    let Scanned { document, variables, operation, cost: _ } = scanned;
    let challenge = identity.challenge(&authentication);
    let Identity { origin, bearer, session_cookie, device_cookie, .. } = identity;
    let viewer = match &authentication {
        Authentication::Viewer(viewer) => Some(viewer.clone()),
        Authentication::Anonymous(_) => None,
    };
    let caller =
        Caller { authentication, client: origin.clone(), bearer, session_cookie, device_cookie };
    // The text itself is needed no more.
    let mut request =
        Request::new(String::new()).variables(variables).data(caller).data(Loaders::default());
    request.set_parsed_query(document);
    let executing = app.schema.execute(request);
    let response = executing.instrument(span!(STEP, "execute")).await;
    let unseen = response.errors.iter().filter_map(ServerError::source::<Unseen>);
    for refusal in unseen.filter_map(|unseen| unseen.refusal) {
        app.refusals.tell(refusal, viewer.as_ref(), &origin);
    }
    let worked = Worked { response, party, operation, challenge };
    finish(&app, worked, media, request::id_of(&origin))
}

/// What is answered where there is nothing to execute.
fn unexecuted(no_call: NoCall) -> Result<GraphqlResponse, Response> {
    match no_call {
        NoCall::Malformed(message) => Err(refusal(StatusCode::BAD_REQUEST, message)),
        NoCall::Refused(refused) => Ok(refused_document(refused)),
        NoCall::PersistedQuery => Ok(failed(ApiError::persisted_query())),
    }
}

fn refused_document(refused: Refusal) -> GraphqlResponse {
    let message = refused.to_string();
    let (code, positions, limit) = match refused {
        Refusal::Errors(errors) => return GraphqlResponse::from_errors(errors),
        Refusal::Parse { positions, .. } => (Code::GraphqlParseFailed, positions, None),
        Refusal::Invalid { positions, .. } => (Code::GraphqlValidationFailed, positions, None),
        Refusal::Limit { limit, max } => (Code::DocumentLimit, Vec::new(), Some((limit, max))),
    };
    let mut error = ServerError::new(message, None);
    error.locations = positions;
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", code.as_str());
    if let Some((limit, max)) = limit {
        extensions.set("limit", limit);
        extensions.set("max", max);
    }
    GraphqlResponse::from_errors(vec![error])
}

fn failed(error: ApiError) -> GraphqlResponse {
    let error = async_graphql::Error::from(error).into_server_error(async_graphql::Pos::default());
    GraphqlResponse::from_errors(vec![ServerError { locations: Vec::new(), ..error }])
}

/// An error, elsewhere than at the endpoint, as the endpoint tells it.
pub(super) fn refused(app: &App, error: ApiError, origin: &Origin) -> Response {
    let request_id = request::id_of(origin);
    finish(app, Worked::failed(error), MediaType::GraphqlResponse, request_id)
}

/// Gives every error its code, logs what has a cause, and chooses status and headers.
fn finish(app: &App, worked: Worked, media: MediaType, request_id: Uuid) -> Response {
    let Worked { mut response, party, operation, challenge } = worked;
    response.errors.truncate(ERRORS_MAX);
    let mut codes = Vec::with_capacity(response.errors.len());
    for error in &mut response.errors {
        codes.push(complete(error, request_id));
    }
    let was_executed = response.errors.iter().all(|error| !error.path.is_empty());
    let has_data = response.data != Value::Null;
    let status = match (codes.first(), media) {
        (Some(code), MediaType::GraphqlResponse) if !has_data => code.status(),
        _ => StatusCode::OK,
    };
    let data = (has_data || was_executed).then_some(&response.data);
    let body = json::answer(data, &response.errors);
    let mut answer = Response::new(Body::from(app.lanes.answers.hold(party, body)));
    *answer.status_mut() = status;
    answer.extensions_mut().insert(Answered { operation, code: codes.first().copied() });
    let headers = answer.headers_mut();
    // Those below, and those that every response has.
    headers.reserve(HEADERS);
    // What resolvers say of the cookie.
    headers.extend(response.http_headers);
    headers.insert(CONTENT_TYPE, media.header());
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

/// Completes one error and says its code. An error without one comes from the library: without a
/// path it is about the document, with one about an argument's value.
fn complete(error: &mut ServerError, request_id: Uuid) -> Code {
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
            tracing::warn!(error = %cause, path = %path, "a resolver could not do its work now");
        }
        Some(cause) => tracing::error!(error = %cause, path = %path, "a resolver failed"),
        None => {}
    }
    extensions.set("code", code.as_str());
    if code == Code::InternalServerError {
        extensions.set("requestId", request_id.to_string());
    }
    code
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
