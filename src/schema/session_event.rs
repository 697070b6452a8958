//! What happens to the caller's session and to what they may do, as a stream.

use async_graphql::{Context, Enum, Object, SimpleObject};
use portcullis_macros::rules;

use super::subscription::{self, Occurrence, Topic};
use super::viewer::Asking;
use crate::graphql::error::Result;
use crate::kernel::access::{Anonymity, User, Viewer};

/// A kind of change of a session, or of its user's account or permissions.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEventType {
    /// The session ended: the user signed out or was deactivated, or the session was revoked. This is the last event of
    /// the stream.
    SessionEnded,
    /// The user's role changed.
    RoleChanged,
    /// A permission of the user was granted or revoked, or it expired.
    PermissionsChanged,
    /// The user's role in the organization that the call acts in changed, or the user no longer belongs to it. In the
    /// latter case, this is the last event of the stream.
    OrganizationChanged,
    /// Another property of the user's account changed, such as the name.
    UserChanged,
}

/// What has happened to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    kind: SessionEventType,
    /// Why the caller counts as nobody from now on.
    reason: Option<Anonymity>,
}

impl Happening {
    /// What has happened to a caller who counts as nobody from now on. A token that has expired tells nothing about its
    /// session.
    pub(crate) fn last(reason: Anonymity) -> Option<Self> {
        let kind = match reason {
            // It authenticates nobody any more.
            Anonymity::SessionEnded | Anonymity::SecondFactorRequired => {
                SessionEventType::SessionEnded
            }
            Anonymity::NotAMember => SessionEventType::OrganizationChanged,
            Anonymity::TokenExpired | Anonymity::MissingToken | Anonymity::InvalidToken => {
                return None;
            }
        };
        Some(Self { kind, reason: Some(reason) })
    }

    /// What has happened to a caller between two moments. A permission may have come to its end without a change to them.
    pub(crate) fn between(
        before: &Viewer,
        after: &Viewer,
        has_other_permissions: bool,
    ) -> Vec<Self> {
        let (old, new) = (&*before.user, &*after.user);
        let role = |viewer: &Viewer| viewer.organization.map(|active| active.role);
        let mut kinds = Vec::new();
        if old.role != new.role {
            kinds.push(SessionEventType::RoleChanged);
        }
        if old.grants != new.grants || (has_other_permissions && kinds.is_empty()) {
            kinds.push(SessionEventType::PermissionsChanged);
        }
        if role(before) != role(after) {
            kinds.push(SessionEventType::OrganizationChanged);
        }
        // To sign in elsewhere changes nothing here.
        let is_same = *new == User { last_login_at: new.last_login_at, ..old.clone() };
        if kinds.is_empty() && !is_same {
            kinds.push(SessionEventType::UserChanged);
        }
        kinds.into_iter().map(|kind| Self { kind, reason: None }).collect()
    }
}

/// A change of the caller's session, account or permissions.
#[derive(SimpleObject)]
pub(crate) struct SessionEvent {
    /// The kind of change.
    r#type: SessionEventType,
    /// The caller after the change; null if the server no longer recognizes them.
    viewer: Option<Asking>,
    /// Why the server no longer recognizes the caller, as in `extensions.reason`; null unless this is the last event.
    reason: Option<Anonymity>,
}

#[derive(Default)]
pub(crate) struct SessionSubscription;

#[rules(subscription)]
#[Object]
impl SessionSubscription {
    /// Streams changes of the caller's session and permissions: immediately if this instance of the server makes the
    /// change, and within 5 seconds if another one does. The stream ends with the session, and with the access token
    /// that opened it.
    #[auth]
    async fn session_events(&self, ctx: &Context<'_>) -> Result<Option<SessionEvent>> {
        let Some(Occurrence::Session(happening)) = subscription::event(ctx, Topic::Session) else {
            return Ok(None);
        };
        let Happening { kind, reason } = *happening;
        let viewer = reason.is_none().then_some(Asking);
        Ok(Some(SessionEvent { r#type: kind, viewer, reason }))
    }
}
