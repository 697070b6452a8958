//! Streams: what a subscription answers, event by event, whatever carries it (`streams/sse.rs`, `streams/websocket.rs`).
//!
//! Nothing of a moment is kept for the next: before each event the caller is recognised again, by what they showed when the
//! stream opened, and the event is an execution of its own, whose rules judge them as they are now. Whenever something
//! about them has changed, the rules are asked again without an event. A stream ends with the first refusal.

pub(super) mod sse;
pub(super) mod websocket;

use std::collections::VecDeque;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use async_graphql::{Request, Response as GraphqlResponse, Variables};
use chrono::DateTime;
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
use crate::features::sessions::CallerWatch;
use crate::graphql::document::{Chosen, Scanned};
use crate::graphql::error::{ApiError, Code};
use crate::graphql::json::Json;
use crate::graphql::lanes::Weight;
use crate::graphql::loader::Loaders;
use crate::infra::metrics;
use crate::infra::streams::{Holding, StreamPermit};
use crate::infra::telemetry::STEP;
use crate::infra::threads::{NoThread, Party};
use crate::kernel::access::{Anonymity, Authentication, Credential, Permission, Viewer};
use crate::schema::session_event::Happening;
use crate::schema::subscription::{Moment, Occurrence, Opening, Topic};

/// How often it is looked at the latest whether the caller is still the same.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How long it takes at least until they are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Bytes of memory that a byte of variables takes, as JSON has it.
const SIZE_OF_VARIABLES: usize = 4;

/// An open stream.
pub(super) struct Stream {
    /// Given back before the document is, by whose address it counts: fields are dropped in this order.
    _place: StreamPermit,
    execution: Execution,
    topic: Topic,
    /// The caller as they were when they were looked at last, and what they might do by then.
    viewer: Viewer,
    permissions: Vec<Permission>,
    watch: CallerWatch,
    events: Option<Receiver<Arc<Recorded>>>,
    /// Whether the last look at them has failed.
    is_unsure: bool,
    /// What has happened to the caller and is not told yet.
    happened: VecDeque<Happening>,
    is_over: bool,
}

/// What a stream says next.
pub(super) enum Next {
    /// One answer.
    Event(Json),
    /// There is nothing more to say.
    Complete,
    /// It breaks off, since the server stops or cannot tell an event at the moment. It may be opened again, here or elsewhere.
    BrokenOff,
}

/// There was no time or no room for an execution, or the database is away. It may be otherwise in a moment.
struct Unavailable;

/// What is executed for each moment, and for whom. All streams with the same document share it.
struct Execution {
    app: App,
    identity: Arc<Identity>,
    chosen: Chosen,
    variables: Variables,
    cost: u32,
}

/// Opens a stream, unless its caller may not have it.
pub(super) async fn open(
    app: &App,
    Ready { scanned, is_new, noted }: Ready,
    identity: Arc<Identity>,
) -> Result<Stream, GraphqlResponse> {
    let Scanned { origin: chosen, variables, cost, .. } = scanned;
    let execution = Execution { app: app.clone(), identity, chosen, variables, cost };
    let unavailable = |Unavailable| failed(ApiError::overdue());
    let authentication = execution.authenticate().await.map_err(failed)?;
    if let Authentication::Viewer(viewer) = &authentication {
        noted.caller(viewer);
    }
    let opening = Opening::default();
    let moment = Moment::Opening(opening.clone());
    let response = execution.execute(authentication.clone(), moment, is_new).await;
    let response = response.map_err(unavailable)?;
    if !response.errors.is_empty() {
        let viewer = authentication.viewer();
        tell_refusals(app, &response, viewer, &execution.identity.origin);
        return Err(response);
    }
    let (Some(topic), Authentication::Viewer(viewer)) = (opening.take(), authentication) else {
        let message = "The subscription does not select a field.";
        return Err(failed(ApiError::new(Code::GraphqlValidationFailed, message)));
    };
    let place = app.streams.open(viewer.user.id, execution.holding());
    let place = place.map_err(|full| failed(ApiError::too_many_streams(full)))?;
    let events = match &topic {
        Topic::Session => None,
        Topic::Audit(_) => {
            let listening = app.log.listen().await;
            Some(listening.map_err(|error| failed(ApiError::database(error)))?)
        }
    };
    let watch = app.sessions.watch(&viewer);
    let permissions = viewer.user.permissions(app.clock.now());
    Ok(Stream {
        _place: place,
        execution,
        topic,
        viewer,
        permissions,
        is_unsure: false,
        watch,
        events,
        happened: VecDeque::new(),
        is_over: false,
    })
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
                return Box::pin(self.tell(Occurrence::Session(happening))).await;
            }
            let mut look_at = pin!(sleep_until(self.look_at()));
            loop {
                tokio::select! {
                    () = self.execution.app.streams.stopping() => return Next::BrokenOff,
                    () = self.watch.changed() => break,
                    () = &mut look_at => break,
                    event = receive(self.events.as_mut()) => match event {
                        Ok(event) if self.means(&event) => {
                            return Box::pin(self.tell(Occurrence::Audit(event))).await;
                        }
                        Ok(_of_others) => {}
                        Err(RecvError::Lagged(_)) => {
                            let message = "The client reads events too slowly, so the server skipped some.";
                            return self.last(failed(ApiError::limited(message, 1)));
                        }
                        Err(RecvError::Closed) => return Next::BrokenOff,
                    },
                }
            }
            match Box::pin(self.look()).await {
                Ok(None) => self.is_unsure = false,
                Ok(Some(last)) => return last,
                // Whoever cannot be recognised is told nothing meanwhile.
                Err(Unavailable) => self.is_unsure = true,
            }
        }
    }

    fn means(&self, event: &Recorded) -> bool {
        matches!(&self.topic, Topic::Audit(filter) if filter.means(event))
    }

    /// When the caller is to be looked at if nothing happens before: when their credential or one of their permissions ends,
    /// and once a minute whatever the clock says.
    fn look_at(&self) -> Instant {
        let now = self.execution.app.clock.now();
        let (Credential::AccessToken { expires_at } | Credential::Cookie { expires_at }) =
            self.viewer.credential;
        let granted = self.viewer.user.grants.at(now).filter_map(|grant| grant.expires_at);
        let ends = granted.fold(expires_at, DateTime::min);
        let left = (ends - now).to_std().unwrap_or_default();
        let most = if self.is_unsure { LOOK_AGAIN } else { LOOK_EVERY };
        Instant::now() + left.clamp(LOOK_AGAIN, most)
    }

    /// Looks who the caller is by now, and asks the rules again if that has changed. Returns what the stream ends with.
    async fn look(&mut self) -> Result<Option<Next>, Unavailable> {
        let authentication =
            self.execution.authenticate().await.map_err(|_told_later| Unavailable)?;
        let viewer = match authentication {
            Authentication::Viewer(viewer) => viewer,
            Authentication::Anonymous(reason) => return self.end(reason).await.map(Some),
        };
        let permissions = viewer.user.permissions(self.execution.app.clock.now());
        let has_other_permissions = self.permissions != permissions;
        let mut happened = Happening::between(&self.viewer, &viewer, has_other_permissions);
        if !happened.is_empty() {
            let moment = Moment::Opening(Opening::default());
            let authentication = Authentication::Viewer(viewer.clone());
            let response = self.execution.execute(authentication, moment, false).await?;
            if !response.errors.is_empty() {
                return Ok(Some(self.last(response)));
            }
        }
        (self.viewer, self.permissions) = (viewer, permissions);
        if matches!(self.topic, Topic::Session) {
            self.happened.extend(happened.drain(..));
        }
        Ok(None)
    }

    /// Tells an event to the caller as they are now.
    async fn tell(&mut self, event: Occurrence) -> Next {
        let told =
            match self.execution.authenticate().await {
                Ok(Authentication::Anonymous(reason)) => self.end(reason).await,
                Ok(caller) => self.execution.execute(caller, Moment::Now(event), false).await.map(
                    |response| match is_refused(&response) {
                        true => self.last(response),
                        false => self.written(response),
                    },
                ),
                Err(_told_later) => Err(Unavailable),
            };
        told.unwrap_or(Next::BrokenOff)
    }

    /// Tells a caller who counts as nobody by now why, and nothing else.
    async fn end(&mut self, reason: Anonymity) -> Result<Next, Unavailable> {
        // The session may go on, with another cookie than the one that the stream was opened with.
        let is_replaced = reason == Anonymity::SessionEnded && self.has_replaced_cookie();
        let reason = if is_replaced { Anonymity::TokenExpired } else { reason };
        let (authentication, moment) = match (&self.topic, Happening::last(reason)) {
            // The event says nothing that they may not know, and would be refused to nobody.
            (Topic::Session, Some(happening)) => {
                let caller = Authentication::Viewer(self.viewer.clone());
                (caller, Moment::Now(Occurrence::Session(happening)))
            }
            _ => (Authentication::Anonymous(reason), Moment::Opening(Opening::default())),
        };
        let response = self.execution.execute(authentication, moment, false).await?;
        Ok(self.last(response))
    }

    /// Whether the caller came with a cookie that was replaced, and that does not linger any more.
    fn has_replaced_cookie(&self) -> bool {
        let Viewer { credential, session_expires_at, .. } = self.viewer;
        let now = self.execution.app.clock.now();
        matches!(credential, Credential::Cookie { expires_at } if expires_at < session_expires_at && expires_at <= now)
    }

    /// An answer after which there is none.
    fn last(&mut self, response: GraphqlResponse) -> Next {
        self.is_over = true;
        self.written(response)
    }

    fn written(&self, response: GraphqlResponse) -> Next {
        metrics::stream_event();
        Next::Event(answer::event(response, addressee(&self.execution.identity)).0)
    }
}

impl Execution {
    /// As the log names what is done for the request that the stream was asked for by. None is kept while nothing happens.
    fn span(&self) -> Span {
        tracing::info_span!("request", request.id = %request::id_of(&self.identity.origin))
    }

    /// What the stream keeps in memory of its document, which all streams with the same one share, and of its own.
    fn holding(&self) -> Holding {
        let (document, document_size) = self.chosen.document();
        let own = self.variables.iter().map(|(name, value)| name.len() + value.to_string().len());
        Holding { document, document_size, own_size: SIZE_OF_VARIABLES * own.sum::<usize>() }
    }

    /// Who calls, by now.
    async fn authenticate(&self) -> Result<Authentication, ApiError> {
        // By keys that may have been dropped nothing is decided (KY-03).
        if !self.app.keys.are_fresh() {
            return Err(ApiError::overdue());
        }
        let Identity { organization, .. } = *self.identity;
        let sessions = &self.app.sessions;
        let authenticating = sessions.authenticate_again(self.identity.shown(), organization);
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
    ) -> Result<GraphqlResponse, Unavailable> {
        let party = match &authentication {
            Authentication::Viewer(viewer) => Party::Account(viewer.user.id),
            Authentication::Anonymous(_) => stranger(&self.identity.origin),
        };
        let document = match self.app.documents.again(&self.chosen, &self.variables) {
            Ok(document) => document,
            Err(refused) => return Ok(refused_document(refused)),
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
        match timeout(ANSWER_MAX, self.app.lanes.run(weight, work)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(NoThread::Busy)) => Err(Unavailable),
            Ok(Err(NoThread::Died)) => {
                let cause = anyhow!("the execution of an event panicked");
                Ok(failed(ApiError::internal(cause)))
            }
            Err(_elapsed) => {
                let _entered = self.span().entered();
                tracing::error!("an event took too long and was aborted");
                Err(Unavailable)
            }
        }
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
