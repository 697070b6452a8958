//! Streams: what a subscription answers, event by event, whatever carries it (`streams/sse.rs`, `streams/socket.rs`).
//!
//! Nothing of a moment is kept for the next: before each event the caller is recognised again, by what they showed when the
//! stream opened, and the event is an execution of its own, whose rules judge them as they are now. Whenever something
//! about them has changed, the rules are asked again without an event. What is refused is the last that a stream tells.

pub(super) mod socket;
pub(super) mod sse;

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Request, Response as GraphqlResponse, Variables};
use chrono::{DateTime, Utc};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{Instrument, Span, span};

use super::accept::MediaType;
use super::answer::{self, Addressee, failed, refused_document};
use super::graphql::{ANSWER_MAX, Ready, stranger, tell_refusals};
use super::identity::Identity;
use super::request;
use crate::app::App;
use crate::features::audit::Recorded;
use crate::features::sessions::Watch;
use crate::graphql::document::{Chosen, Scanned};
use crate::graphql::error::{ApiError, Code};
use crate::graphql::json::Json;
use crate::graphql::lanes::Weight;
use crate::graphql::loader::Loaders;
use crate::infra::metrics;
use crate::infra::streams::Held;
use crate::infra::telemetry::STEP;
use crate::infra::threads::Party;
use crate::kernel::access::{Anonymity, Authentication, Credential, Viewer};
use crate::schema::session_event::Happening;
use crate::schema::subscription::{Moment, Occurrence, Opening, Source};

/// How often it is looked whether a cookie is still good when nothing happens. It counts as a use of the session, as
/// any request of an open page does.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How long it takes at least until a credential is looked at again whose time seems to be over.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// An open stream.
pub(super) struct Stream {
    call: Call,
    source: Source,
    /// The caller as they were when they were looked at last.
    viewer: Viewer,
    watch: Watch,
    events: Option<Receiver<Arc<Recorded>>>,
    /// What has happened to the caller and is not told yet.
    happened: VecDeque<Happening>,
    is_over: bool,
    _place: Held,
}

/// What a stream says next.
pub(super) enum Next {
    /// One answer.
    Event(Json),
    /// There is nothing more to say.
    Complete,
    /// The server stops. Another may go on.
    GoingAway,
}

/// What is executed for each moment, and for whom. All streams with the same document share it.
struct Call {
    app: App,
    identity: Arc<Identity>,
    chosen: Chosen,
    variables: Variables,
    cost: u32,
}

/// Opens a stream, unless its caller may not have it.
pub(super) async fn open(
    app: &App,
    Ready { scanned, is_new }: Ready,
    identity: Arc<Identity>,
) -> Result<Stream, GraphqlResponse> {
    let Scanned { origin: chosen, variables, cost, .. } = scanned;
    let call = Call { app: app.clone(), identity, chosen, variables, cost };
    let authentication = call.authenticate().await.map_err(failed)?;
    let opening = Opening::default();
    let moment = Moment::Opening(opening.clone());
    let response = call.execute(authentication.clone(), moment, is_new).await;
    if !response.errors.is_empty() {
        return Err(response);
    }
    let (Some(source), Authentication::Viewer(viewer)) = (opening.take(), authentication) else {
        let message = "The subscription selects nothing";
        return Err(failed(ApiError::new(Code::GraphqlValidationFailed, message)));
    };
    let place = app.streams.open(viewer.user.id);
    let place = place.map_err(|full| failed(ApiError::too_many_streams(full)))?;
    let watch = app.sessions.watch(&viewer);
    let events = match &source {
        Source::Session => None,
        Source::Audit(_) => {
            let listening = app.log.listen().await;
            Some(listening.map_err(|error| failed(ApiError::database(error)))?)
        }
    };
    let happened = VecDeque::new();
    Ok(Stream { call, source, viewer, watch, events, happened, is_over: false, _place: place })
}

impl Stream {
    /// Waits for what is to be told next. What takes more than waiting is boxed: there are many streams, and nearly
    /// all of them wait.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            if self.is_over {
                return Next::Complete;
            }
            if let Some(happening) = self.happened.pop_front() {
                return Next::Event(Box::pin(self.tell(Occurrence::Session(happening))).await);
            }
            let look_at = self.look_at();
            tokio::select! {
                () = self.call.app.streams.stopping() => return Next::GoingAway,
                () = self.watch.changed() => {}
                () = sleep_until(look_at) => {}
                event = receive(self.events.as_mut()) => match event {
                    Ok(event) if self.means(&event) => {
                        return Next::Event(Box::pin(self.tell(Occurrence::Audit(event))).await);
                    }
                    Ok(_of_others) => continue,
                    Err(_lagged) => {
                        let message = "The events were read too slowly: some are missing from here on";
                        return Next::Event(self.last(failed(ApiError::limited(message, 1))));
                    }
                },
            }
            if let Some(last) = Box::pin(self.look()).await {
                return Next::Event(last);
            }
        }
    }

    fn means(&self, event: &Recorded) -> bool {
        matches!(&self.source, Source::Audit(filter) if filter.means(event))
    }

    /// When the caller is to be looked at if nothing happens before.
    fn look_at(&self) -> Instant {
        let (Credential::AccessToken { expires_at } | Credential::Cookie { expires_at }) =
            self.viewer.credential;
        let left = |until: DateTime<Utc>| (until - self.call.app.clock.now()).to_std();
        let left = left(expires_at).unwrap_or_default().max(LOOK_AGAIN);
        Instant::now()
            + match self.viewer.credential {
                Credential::AccessToken { .. } => left,
                Credential::Cookie { .. } => left.min(LOOK_EVERY),
            }
    }

    /// Looks who the caller is by now, and asks the rules again if that has changed. Returns what the stream ends with.
    async fn look(&mut self) -> Option<Json> {
        let viewer = match self.call.authenticate().await {
            Ok(Authentication::Viewer(viewer)) => viewer,
            Ok(Authentication::Anonymous(reason)) => return Some(self.end(reason).await),
            Err(error) => return Some(self.last(failed(error))),
        };
        let mut happened = Happening::between(&self.viewer, &viewer);
        if !happened.is_empty() {
            let moment = Moment::Opening(Opening::default());
            let authentication = Authentication::Viewer(viewer.clone());
            let response = self.call.execute(authentication, moment, false).await;
            if !response.errors.is_empty() {
                return Some(self.last(response));
            }
        }
        self.viewer = viewer;
        if matches!(self.source, Source::Session) {
            self.happened.extend(happened.drain(..));
        }
        None
    }

    /// Tells an event to the caller as they are now.
    async fn tell(&mut self, event: Occurrence) -> Json {
        let authentication = match self.call.authenticate().await {
            Ok(Authentication::Anonymous(reason)) => return self.end(reason).await,
            Ok(authentication @ Authentication::Viewer(_)) => authentication,
            Err(error) => return self.last(failed(error)),
        };
        let response = self.call.execute(authentication, Moment::Now(event), false).await;
        match is_refused(&response) {
            true => self.last(response),
            false => self.written(response),
        }
    }

    /// Tells a caller who counts as nobody by now why, and nothing else.
    async fn end(&mut self, reason: Anonymity) -> Json {
        // The session goes on, with another cookie than the one that the stream was opened with.
        let reason = if self.has_replaced_cookie() { Anonymity::TokenExpired } else { reason };
        let (authentication, moment) = match (&self.source, Happening::last(reason)) {
            // The event says nothing that they may not know, and would be refused to nobody.
            (Source::Session, Some(happening)) => {
                let caller = Authentication::Viewer(self.viewer.clone());
                (caller, Moment::Now(Occurrence::Session(happening)))
            }
            _ => (Authentication::Anonymous(reason), Moment::Opening(Opening::default())),
        };
        let response = self.call.execute(authentication, moment, false).await;
        self.last(response)
    }

    /// Whether the caller came with a cookie that was replaced, and only lingered when they were looked at last.
    fn has_replaced_cookie(&self) -> bool {
        let Viewer { credential, session_expires_at, .. } = &self.viewer;
        matches!(credential, Credential::Cookie { expires_at } if expires_at < session_expires_at)
    }

    /// An answer after which there is none.
    fn last(&mut self, response: GraphqlResponse) -> Json {
        self.is_over = true;
        self.written(response)
    }

    fn written(&self, response: GraphqlResponse) -> Json {
        metrics::stream_event();
        answer::event(response, addressee(&self.call.identity)).0
    }
}

impl Call {
    /// As the log names what is done for the request that the stream was asked for by. None is kept while nothing happens.
    fn span(&self) -> Span {
        tracing::info_span!("request", request.id = %request::id_of(&self.identity.origin))
    }

    /// Who calls, by now.
    async fn authenticate(&self) -> Result<Authentication, ApiError> {
        // By keys that may have been dropped nothing is decided (KY-03).
        if !self.app.keys.are_fresh() {
            return Err(ApiError::overdue());
        }
        let Identity { organization, .. } = *self.identity;
        let authenticating = self.app.sessions.authenticate(self.identity.shown(), organization);
        match timeout(ANSWER_MAX, authenticating.instrument(self.span())).await {
            Ok(recognised) => Ok(recognised?),
            Err(_elapsed) => Err(ApiError::overdue()),
        }
    }

    async fn execute(
        &self,
        authentication: Authentication,
        moment: Moment,
        is_new: bool,
    ) -> GraphqlResponse {
        let viewer = match &authentication {
            Authentication::Viewer(viewer) => Some(viewer.clone()),
            Authentication::Anonymous(_) => None,
        };
        let party = viewer.as_ref().map(|viewer| Party::Account(viewer.user.id));
        let party = party.unwrap_or_else(|| stranger(&self.identity.origin));
        let document = match self.app.documents.again(&self.chosen, &self.variables) {
            Ok(document) => document,
            Err(refused) => return refused_document(refused),
        };
        let mut request = Request::new(String::new())
            .variables(self.variables.clone())
            .data(self.identity.caller(authentication))
            .data(Loaders::default())
            .data(moment);
        request.set_parsed_query(document);
        let app = self.app.clone();
        let work = Box::pin(async move { app.schema.happen(request).await });
        let work = work.instrument(span!(parent: &self.span(), STEP, "execute"));
        let weight = Weight { cost: self.cost, party, is_new };
        let ran = timeout(ANSWER_MAX, self.app.lanes.run(weight, work)).await;
        let Ok(Ok(response)) = ran else { return failed(ApiError::overdue()) };
        tell_refusals(&self.app, &response, viewer.as_ref(), &self.identity.origin);
        response
    }
}

/// Whether the field of the root itself has no answer, rather than one within it.
fn is_refused(response: &GraphqlResponse) -> bool {
    response.errors.iter().any(|error| error.path.len() <= 1)
}

/// For whom a stream's answers are written.
fn addressee(identity: &Identity) -> Addressee {
    Addressee::of(&identity.origin, MediaType::GraphqlResponse)
}

async fn receive(events: Option<&mut Receiver<Arc<Recorded>>>) -> Result<Arc<Recorded>, RecvError> {
    match events {
        Some(events) => events.recv().await,
        None => pending().await,
    }
}
