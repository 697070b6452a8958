//! `/graphql`: from a request's bytes to its response, with the rules of GraphQL over HTTP.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_graphql::{Executor, Request, Response as GraphqlResponse, ServerError};
use axum::Extension;
use axum::body::Body;
use axum::extract::{self, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};
use tracing::{Instrument, span};

use super::accept::{Accepted, MediaType};
use super::answer::{Addressee, Worked, failed, finish, refused_document, unexecuted};
use super::call::{self, Call, NoCall, Source};
use super::identity::Identity;
use super::observe::Noted;
use super::origin::{self, Mode};
use super::streams::{sse, websocket};
use super::{body, change, content_type, failure, own_documents, pages, playground, refusal};
use crate::app::App;
use crate::config::RunDocuments;
use crate::graphql::context::Caller;
use crate::graphql::document::{Asked, Documents, Lookup, Proven, Refusal, Scanned};
use crate::graphql::error::{ApiError, Code, Unseen};
use crate::graphql::lanes::Weight;
use crate::graphql::loader::Loaders;
use crate::infra::metrics::Operation;
use crate::infra::telemetry::STEP;
use crate::infra::threads::{NoThread, Party};
use crate::kernel::access::permission::DOCUMENTS_ANY;
use crate::kernel::access::{self, Anonymity, Authentication, Origin, Refused, Viewer, network};

/// What decides on the answer to a GET beside its address. `Origin` is added for all.
const DECIDING_HEADERS: &str = "Accept, Accept-Language, Authorization, Cookie, Portcullis-Token-Mode, Portcullis-Organization";
/// The most a request may take once it has been read (GQ-13): a database that has gone silent in
/// the middle of a statement says nothing for ever. What was begun there is rolled back; only a
/// commit under way may yet happen, as when a client's connection breaks off.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Any operation, in the body of a POST.
pub(super) async fn post(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    Extension(noted): Extension<Noted>,
    request: extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(accepted) = Accepted::negotiate(&parts.headers) else { return not_acceptable() };
    let answered = answer_post(&app, (origin, noted), &parts.headers, body, accepted).await;
    answered.unwrap_or_else(|refused| typed(refused, accepted.media))
}

/// A query, in the address of a GET; or subscriptions, where it asks for a WebSocket. A browser that opens the endpoint gets the
/// playground instead.
pub(super) async fn get(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    Extension(noted): Extension<Noted>,
    request: extract::Request,
) -> Response {
    if websocket::is_meant(request.headers()) {
        return websocket::upgrade(app, origin, request).await;
    }
    let headers = request.headers();
    if app.config.playground && pages::is_meant(headers) {
        return playground::redirect();
    }
    let Some(accepted) = Accepted::negotiate(headers) else { return not_acceptable() };
    let answered =
        answer_get(&app, (origin, noted), headers, request.uri().query(), accepted).await;
    let mut response = answered.unwrap_or_else(|refused| typed(refused, accepted.media));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response.headers_mut().insert(VARY, HeaderValue::from_static(DECIDING_HEADERS));
    response
}

/// What requests by other methods are told.
pub(super) fn other_method() -> Response {
    let mut refused = refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "Send operations by POST, or queries by GET in the URL.",
    );
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    refused
}

/// What is no query has more to it than what the address says.
fn not_by_get(operation: Operation) -> Response {
    let message = match operation {
        Operation::Subscription => "Send subscriptions by POST or over a WebSocket.",
        _ => "Send mutations by POST.",
    };
    let mut refused = refusal(StatusCode::METHOD_NOT_ALLOWED, message);
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    refused
}

fn not_acceptable() -> Response {
    let message = "The server answers queries and mutations in JSON, and subscriptions as \
                   text/event-stream. Accept one \
                   of these in the Accept header.";
    refusal(StatusCode::NOT_ACCEPTABLE, message)
}

/// A refusal before GraphQL, as the media type that was asked for.
fn typed(mut refused: Response, media: MediaType) -> Response {
    refused.headers_mut().insert(CONTENT_TYPE, media.header());
    refused
}

async fn answer_post(
    app: &App,
    (origin, noted): (Origin, Noted),
    headers: &HeaderMap,
    body: Body,
    accepted: Accepted,
) -> Result<Response, Response> {
    content_type::check(headers)?;
    let identity = Identity::read(app, origin, headers)?;
    let (body, _place) = body::read(&app.lanes.bodies, body).await?;
    let parsed = call::parse(&body);
    drop(body);
    answer(app, parsed, (identity, noted), accepted).await
}

async fn answer_get(
    app: &App,
    (origin, noted): (Origin, Noted),
    headers: &HeaderMap,
    address: Option<&str>,
    accepted: Accepted,
) -> Result<Response, Response> {
    origin::check_page(&app.config, headers)?;
    let identity = Identity::read(app, origin, headers)?;
    let parsed = call::parse_address(address.unwrap_or_default());
    answer(app, parsed, (identity, noted), accepted).await
}

async fn answer(
    app: &App,
    parsed: Result<Call, NoCall>,
    (identity, noted): (Identity, Noted),
    accepted: Accepted,
) -> Result<Response, Response> {
    let addressee = Addressee::of(&identity.origin, accepted.media);
    let call = match parsed {
        Ok(call) => call,
        Err(no_call) => {
            return unexecuted(no_call)
                .map(|refused| finish(app, Worked::refused(refused), addressee));
        }
    };
    let begun = begin(app.clone(), call, (identity, noted), accepted);
    let overdue = || finish(app, Worked::failed(ApiError::overdue()), addressee);
    match tokio::time::timeout(ANSWER_MAX, begun).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(NoThread::Busy)) => Ok(overdue()),
        Ok(Err(NoThread::Died)) => Err(failure(addressee.request_id)),
        Err(_elapsed) => {
            tracing::error!("a request took too long and was aborted");
            Ok(overdue())
        }
    }
}

/// Recognises the caller and executes the operation, where it belongs by its cost and in
/// its caller's turn. What may change threads is boxed: each hand that it goes through would copy its several
/// kilobytes.
async fn begin(
    app: App,
    call: Call,
    (mut identity, noted): (Identity, Noted),
    accepted: Accepted,
) -> Result<Response, NoThread> {
    let (media, may_change) = (accepted.media, call.may_change);
    let addressee = Addressee::of(&identity.origin, media);
    let Ready { scanned, is_new, noted } = match prepare(&app, call, &identity, noted).await? {
        Ok(ready) => ready,
        Err(refused) => return Ok(finish(&app, Worked::refused(refused), addressee)),
    };
    let (operation, cost) = (scanned.operation, scanned.cost);
    if operation != Operation::Query && !may_change {
        return Ok(typed(not_by_get(operation), media));
    }
    match operation {
        Operation::Subscription if !accepted.events => return Ok(typed(not_acceptable(), media)),
        Operation::Subscription => {
            return Ok(sse::answer(&app, Ready { scanned, is_new, noted }, identity).await);
        }
        _ if !accepted.json => return Ok(typed(not_acceptable(), media)),
        _ => {}
    }
    if operation == Operation::Mutation && identity.mode == (Mode::Cookie { may_change: false }) {
        let message = "Name the page of this mutation in the Origin header. A server that renders for a \
                       browser must \
                       forward the Origin that it checked.";
        let failed = Worked::failed(ApiError::new(Code::Forbidden, message));
        return Ok(finish(&app, failed, addressee));
    }
    let authenticating = app.sessions.authenticate(identity.shown(), identity.organization);
    let authentication = match authenticating.instrument(span!(STEP, "authenticate")).await {
        Ok(authentication) => authentication,
        Err(error) => return Ok(finish(&app, Worked::failed(error.into()), addressee)),
    };
    identity.origin.cookie_session = match identity.cookie_session(&app, &authentication).await {
        Ok(session) => session,
        Err(error) => return Ok(finish(&app, Worked::failed(error.into()), addressee)),
    };
    let party = match &authentication {
        Authentication::Viewer(viewer) => {
            noted.caller(viewer);
            Party::Account(viewer.user.id)
        }
        Authentication::Anonymous(_) => stranger(&identity.origin),
    };
    let _turn = match change::admit(&app, &identity.origin, &authentication, &scanned).await? {
        Ok(turn) => turn,
        Err(limited) => {
            let failed = Worked { party, ..Worked::failed(limited) };
            return Ok(finish(&app, failed, addressee));
        }
    };
    let work = Box::pin(work(app.clone(), scanned, identity, authentication, party, media));
    app.lanes.run(Weight { cost, party, is_new }, work).await
}

/// An operation that may run, as far as its document tells.
pub(super) struct Ready {
    pub(super) scanned: Scanned,
    /// Nobody has sent the document before.
    pub(super) is_new: bool,
    pub(super) noted: Noted,
}

/// Finds the document that is meant, and scans it, or says what is wrong with it.
pub(super) async fn prepare(
    app: &App,
    call: Call,
    identity: &Identity,
    noted: Noted,
) -> Result<Result<Ready, GraphqlResponse>, NoThread> {
    // By keys that may have been dropped nothing is decided (KY-03).
    if !app.keys.are_fresh() {
        return Ok(Err(failed(ApiError::overdue())));
    }
    let Call { source, operation_name, variables, may_change: _ } = call;
    let query = match text_of(app, source, identity).await {
        Ok(query) => query,
        Err(error) => return Ok(Err(failed(error))),
    };
    let call = Wanted { query, operation_name, variables };
    let lookup = app.documents.look_up(&call.query);
    let is_new = matches!(lookup, Lookup::New(_));
    let scanned = match lookup {
        Lookup::Known(proven) => choose(&app.documents, &proven, call),
        new @ Lookup::New(_) => {
            let scan = Box::pin(scan(app.clone(), new, call));
            app.lanes.check(stranger(&identity.origin), scan).await?
        }
    };
    let ready = |scanned| {
        noted.operation(&scanned);
        Ready { scanned, is_new, noted }
    };
    Ok(scanned.map(ready).map_err(refused_document))
}

/// Whose turn it is as long as nobody knows who calls.
pub(super) fn stranger(origin: &Origin) -> Party {
    origin.ip.map_or(Party::Anybody, |ip| Party::Address(network(ip)))
}

/// What is to be executed, with its text.
struct Wanted {
    query: String,
    operation_name: Option<String>,
    variables: Map<String, Value>,
}

/// The text of the document that is meant. Where only registered ones run, callers need a permission to send another.
async fn text_of(app: &App, source: Source, identity: &Identity) -> Result<String, ApiError> {
    let trusted = &app.config.trusted_documents;
    match source {
        Source::Id(id) => match trusted.find(&id) {
            Some(text) => Ok(text.to_owned()),
            None if trusted.is_empty() => Err(ApiError::no_documents()),
            None => Err(ApiError::no_such_document()),
        },
        Source::Text(text) => {
            let is_registered = || trusted.has(&text) || own_documents::has(&app.config, &text);
            if app.config.documents == RunDocuments::Trusted && !is_registered() {
                check_sender(app, identity).await?;
            }
            Ok(text)
        }
    }
}

/// Refuses callers who may not send a document that is not registered. Whose token or cookie is dead is told that, since another
/// may open it.
async fn check_sender(app: &App, identity: &Identity) -> Result<(), ApiError> {
    let authenticating = app.sessions.authenticate(identity.shown(), identity.organization);
    let viewer = match authenticating.await? {
        Authentication::Viewer(viewer) if viewer.user.may(DOCUMENTS_ANY, app.clock.now()) => {
            return Ok(());
        }
        Authentication::Viewer(viewer) => Some(viewer),
        Authentication::Anonymous(Anonymity::MissingToken) => None,
        Authentication::Anonymous(reason) => return Err(ApiError::unauthenticated(reason)),
    };
    let refusal = access::Refusal { refused: Refused::Access, target: None };
    app.refusals.tell(refusal, viewer.as_ref(), &identity.origin);
    Err(ApiError::untrusted_document())
}

/// None of the call is kept but what the operation takes of it, here and in `scan`.
fn choose(documents: &Documents, proven: &Arc<Proven>, call: Wanted) -> Result<Scanned, Refusal> {
    documents.choose(proven, call.operation_name.as_deref(), call.variables)
}

async fn scan(app: App, lookup: Lookup, call: Wanted) -> Result<Scanned, Refusal> {
    let Wanted { query, operation_name, variables } = call;
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
    let Scanned { document, variables, .. } = scanned;
    let challenge = identity.challenge(&authentication);
    let Identity { origin, bearer, session_cookie, device_cookie, flow_cookie, .. } = identity;
    let viewer = match &authentication {
        Authentication::Viewer(viewer) => Some(viewer.clone()),
        Authentication::Anonymous(_) => None,
    };
    let caller = Caller {
        authentication,
        client: origin.clone(),
        bearer,
        session_cookie,
        device_cookie,
        flow_cookie,
        admitted: OnceLock::new(),
    };
    // The text itself is needed no more.
    let mut request =
        Request::new(String::new()).variables(variables).data(caller).data(Loaders::default());
    request.set_parsed_query(document);
    let executing = app.schema.execute(request);
    let response = executing.instrument(span!(STEP, "execute")).await;
    tell_refusals(&app, &response, viewer.as_ref(), &origin);
    let worked = Worked { response, party, challenge };
    finish(&app, worked, Addressee::of(&origin, media))
}

/// Has the audit log hear of what was refused.
pub(super) fn tell_refusals(
    app: &App,
    response: &GraphqlResponse,
    viewer: Option<&Viewer>,
    origin: &Origin,
) {
    let unseen = response.errors.iter().filter_map(ServerError::source::<Unseen>);
    for refusal in unseen.filter_map(|unseen| unseen.refusal) {
        app.refusals.tell(refusal, viewer, origin);
    }
}
