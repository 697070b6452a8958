//! What happens to the caller's session and to what they may do, as a stream.

use async_graphql::{Context, Enum, Object, SimpleObject};
use portcullis_macros::rules;

use super::subscription::{self, Occurrence, Topic};
use super::viewer::Asking;
use crate::graphql::error::Result;
use crate::kernel::access::{Anonymity, User, Viewer};

/// What has happened to a session, or to what its user may do.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEventType {
    /// The session is over: its user signed out or was deactivated, or it was revoked. It is the last event of the stream.
    SessionEnded,
    /// The user has another role.
    RoleChanged,
    /// The user was granted a permission, or one was taken from them.
    PermissionsChanged,
    /// The user has another role in the organization that the call acts in, or does not belong to it any more. Then this is
    /// the last event of the stream.
    OrganizationChanged,
    /// Anything else of the user's account was changed, such as its name.
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

/// Something that has happened to the caller's session, or to what they may do.
#[derive(SimpleObject)]
pub(crate) struct SessionEvent {
    /// What has happened.
    r#type: SessionEventType,
    /// The caller as they are now; null if the call would not be theirs any more.
    viewer: Option<Asking>,
    /// Why the caller counts as nobody from now on, as in `extensions.reason`; null unless this is the last event.
    reason: Option<Anonymity>,
}

#[derive(Default)]
pub(crate) struct SessionSubscription;

#[rules(subscription)]
#[Object]
impl SessionSubscription {
    /// What happens from now on to the caller's session and to what they may do: at once what this instance of the server
    /// changes, and within 5 seconds what another does. The stream ends with the session and with the access token that it was
    /// opened with.
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
