//! What happens, to whom it matters: the root of subscriptions, and what its streams are about.
//!
//! A stream opens with an execution in which its field says what it is about ([`Topic`]); each event is a further one
//! (`graphql/subscription.rs`). `http/streams` waits for events in between.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, MergedObject};

use super::audit_event::AuditSubscription;
use super::session_event::{Happening, SessionSubscription};
use crate::features::audit::{Filter, Recorded};

/// The root of all subscriptions.
#[derive(MergedObject, Default)]
#[graphql(name = "Subscription")]
pub(crate) struct Subscription(SessionSubscription, AuditSubscription);

/// What a stream is about.
#[derive(Clone, Debug)]
pub(crate) enum Topic {
    /// The session of the caller, and what they may do.
    Session,
    /// What is written to the audit log.
    Audit(Filter),
}

/// Something that has happened.
#[derive(Clone, Debug)]
pub(crate) enum Occurrence {
    Session(Happening),
    Audit(Arc<Recorded>),
}

/// What a field of the root is resolved for.
pub(crate) enum Moment {
    /// Its stream opens, and is told what it is about.
    Opening(Opening),
    /// Something has happened.
    Now(Occurrence),
}

/// What the stream that opens is about, once its field has said it. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Opening(Arc<Mutex<Option<Topic>>>);

impl Opening {
    fn tell(&self, topic: Topic) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(topic);
    }

    /// What the field has said.
    pub(crate) fn take(&self) -> Option<Topic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The event that a field of the root is resolved for; `None` while its stream opens, which is told what it is about.
pub(super) fn event<'a>(ctx: &Context<'a>, topic: Topic) -> Option<&'a Occurrence> {
    match ctx.data_opt::<Moment>()? {
        Moment::Now(event) => Some(event),
        Moment::Opening(opening) => {
            opening.tell(topic);
            None
        }
    }
}
