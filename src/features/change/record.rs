//! What a change tells the audit log.

use uuid::Uuid;

use crate::features::audit::{Detail, Kind};
use crate::kernel::acting::{Acting, Actor};
use crate::kernel::id::{SessionId, UserId};

/// An event of a change. Its actor is who makes the change, unless it names another.
pub(crate) struct Record {
    pub(super) kind: Kind,
    pub(super) target: Option<Uuid>,
    pub(super) detail: Detail,
    actor: Option<Actor>,
    session: Option<SessionId>,
    pub(super) is_from_elsewhere: bool,
}

impl From<Kind> for Record {
    fn from(kind: Kind) -> Self {
        Self::of(kind)
    }
}

impl Record {
    /// That something of this kind has happened.
    pub(crate) fn of(kind: Kind) -> Self {
        let detail = Detail::default();
        Self { kind, target: None, detail, actor: None, session: None, is_from_elsewhere: false }
    }

    /// To whom or what it has happened.
    pub(crate) fn about(self, target: impl Into<Uuid>) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    /// What else it is worth to know.
    pub(crate) fn in_detail(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    /// That a user has done it whom the change makes or recognises.
    pub(crate) fn by(self, user: UserId) -> Self {
        Self { actor: Some(Actor::User(user)), ..self }
    }

    /// That it has happened in a session that the change makes or recognises.
    pub(crate) fn within(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// That who has done it is not where the request comes from.
    pub(crate) fn elsewhere(self) -> Self {
        Self { is_from_elsewhere: true, ..self }
    }

    /// What has happened, and what else it is worth to know: for a change that comes later.
    pub(crate) fn what(self) -> (Kind, Option<String>) {
        (self.kind, self.detail.subject)
    }

    /// By whom and in which session a change that somebody makes has it.
    pub(super) fn whose(&self, acting: &Acting<'_>) -> (Actor, Option<SessionId>) {
        match self.actor {
            // In no session but one that it names.
            Some(actor) => (actor, self.session),
            None => (acting.actor, self.session.or(acting.session)),
        }
    }
}
