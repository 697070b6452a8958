//! In whose name something is done, and from where.

use strum::{EnumDiscriminants, EnumString, IntoStaticStr};
use uuid::Uuid;

use super::access::{Origin, Viewer};
use super::id::{SessionId, UserId};

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumDiscriminants)]
#[strum_discriminants(
    name(ActorType),
    vis(pub),
    doc = "What kind of actor did something, as the audit log keeps it.",
    derive(EnumString, IntoStaticStr),
    strum(serialize_all = "SCREAMING_SNAKE_CASE")
)]
pub enum Actor {
    /// A user, in their own name.
    User(UserId),
    /// The operator, at the command line.
    Cli,
    /// The server itself.
    System,
    /// Somebody who was not recognised, or presented a token that was not theirs to use.
    Unknown,
}

names!(ActorType);

impl From<&Viewer> for Actor {
    fn from(viewer: &Viewer) -> Self {
        Self::User(viewer.user.id)
    }
}

impl Actor {
    /// Whose id is recorded.
    #[must_use]
    pub fn id(self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(id.0),
            Self::Cli | Self::System | Self::Unknown => None,
        }
    }
}

/// Who does something, in which session if in any, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Acting<'a> {
    /// Who does it.
    pub actor: Actor,
    /// In which session, if in one.
    pub session: Option<SessionId>,
    /// From where.
    pub origin: &'a Origin,
    viewer: Option<&'a Viewer>,
}

/// Nobody is signed in, or their account or session has ended.
#[derive(Debug, thiserror::Error)]
#[error("the session has ended")]
pub struct Gone;

impl<'a> Acting<'a> {
    /// A signed-in caller.
    #[must_use]
    pub fn viewer(viewer: &'a Viewer, origin: &'a Origin) -> Self {
        let (actor, session) = (Actor::User(viewer.user.id), Some(viewer.session_id));
        Self { actor, session, origin, viewer: Some(viewer) }
    }

    /// Somebody who is known by something else than a session.
    #[must_use]
    pub fn user(user: UserId, origin: &'a Origin) -> Self {
        Self { actor: Actor::User(user), session: None, origin, viewer: None }
    }

    /// Anybody.
    #[must_use]
    pub fn unknown(origin: &'a Origin) -> Self {
        Self { actor: Actor::Unknown, session: None, origin, viewer: None }
    }

    /// The operator, at the command line.
    #[must_use]
    pub fn operator() -> Self {
        Self { actor: Actor::Cli, session: None, origin: &Origin::CLI, viewer: None }
    }

    /// The server itself.
    #[must_use]
    pub fn server() -> Self {
        Self { actor: Actor::System, ..Self::operator() }
    }

    /// The same in a session that is named otherwise than by signing in.
    #[must_use]
    pub fn within(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// The signed-in caller, as the request found them.
    pub fn caller(&self) -> Result<&'a Viewer, Gone> {
        self.viewer.ok_or(Gone)
    }
}
