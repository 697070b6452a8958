//! One's own sessions in the schema: how they go on and end.

use async_graphql::{Context, ID, Object, SimpleObject};
use portcullis_macros::{Row, rules};
use sea_orm::DbErr;
use secrecy::{ExposeSecret, SecretString};

use crate::features::sessions::{
    Attempt, Ended, OwnSession, REFRESH_FAILURES, REFRESHES_OF_SESSION, RefreshError, RevokeError,
    Sessions, Unrecognised,
};
use crate::graphql::connection::Connection;
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::id::Id;
use crate::graphql::page::{ByAge, Window};
use crate::graphql::whole::Whole;
use crate::kernel::access::{Anonymity, Refusal, Refused, TokenMode, Viewer};
use crate::kernel::device::Device;
use crate::kernel::id::{OrganizationId, SessionId};
use crate::kernel::invalid::Reason;
use crate::schema::sign_in::{AuthPayload, presented};
use crate::schema::user::User;

/// A sign-in of a user on one device.
#[derive(SimpleObject, Row, Clone)]
pub(crate) struct Session {
    /// An opaque id that is unique across all types.
    pub(crate) id: Id,
    /// When the user signed in.
    created_at: DateTime,
    /// When the session was last refreshed or, in cookie mode, last used, accurate to a minute.
    last_used_at: DateTime,
    /// When the session expires unless it is used again. Each use extends it, up to an absolute end.
    expires_at: DateTime,
    /// When the session ended; null while it is active.
    ended_at: Option<DateTime>,
    /// The IP address of the sign-in.
    ip: Option<String>,
    /// The `User-Agent` header of the sign-in.
    user_agent: Option<String>,
    /// The browser and the operating system, as in "Firefox on Windows"; null if the server does not recognize them.
    device: Option<String>,
    /// The browser; null if the server does not recognize it.
    browser: Option<String>,
    /// Whether the caller is using this session.
    current: bool,
}

pub(crate) type SessionConnection = Connection<Whole<Session>>;

impl SessionConnection {
    /// The caller's own.
    pub(crate) async fn load(sessions: &Sessions, window: Window, viewer: &Viewer) -> Result<Self> {
        let load = async || Ok(sessions.list(viewer.user.id).await?);
        let id = |session: &OwnSession| session.id.0;
        let node = |session| Session::seen_from(viewer.session_id, session);
        Whole::load(window, ByAge::NewestFirst, load, id, node).await
    }
}

impl Session {
    pub(crate) fn seen_from(current: SessionId, session: OwnSession) -> Self {
        let device = session.user_agent.as_deref().map(Device::of);
        Self {
            id: Id::from(session.id),
            created_at: session.created_at.into(),
            last_used_at: session.last_used_at.into(),
            expires_at: session.expires_at.into(),
            ended_at: session.ended_at.map(Into::into),
            device: device.and_then(Device::name),
            browser: device.and_then(|device| device.browser).map(str::to_owned),
            ip: session.ip,
            user_agent: session.user_agent,
            current: session.id == current,
        }
    }
}

/// Those of the ids that are living sessions of the caller.
pub(crate) async fn visible(
    sessions: &Sessions,
    viewer: &Viewer,
    ids: &[Id],
) -> Result<Vec<Session>, DbErr> {
    let ids = Id::all::<SessionId>(ids);
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // A user has at most a hundred.
    let own = sessions.list(viewer.user.id).await?;
    let asked = own.into_iter().filter(|session| ids.contains(&session.id));
    Ok(asked.map(|session| Session::seen_from(viewer.session_id, session)).collect())
}

#[derive(Default)]
pub(crate) struct SessionMutation;

#[rules(mutation)]
#[Object]
impl SessionMutation {
    /// Ends one of the caller's sessions. Also cancels an unconfirmed change of address.
    #[auth]
    #[owner]
    #[defence]
    #[payload(session = "The ended session.")]
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session's id.")] id: ID,
    ) -> Result<Session> {
        let id = SessionId::parse(&id).ok_or(RevokeError::NotFound)?;
        let session = ctx.service::<Sessions>().revoke(ctx.acting()?, owner.of(id)).await?;
        let current = ctx.viewer()?.session_id;
        if current == id {
            ctx.forget_session();
        }
        Ok(Session::seen_from(current, session))
    }

    /// Ends all sessions of the caller except the current one. Also cancels an unconfirmed change of address.
    #[auth]
    #[defence]
    #[payload(
        user = "The caller, with the remaining session.",
        ended_sessions = "The number of sessions that this call ended."
    )]
    async fn revoke_other_sessions(&self, ctx: &Context<'_>) -> Result<(User, u64)> {
        let ended = ctx.service::<Sessions>().revoke_others(ctx.acting()?).await?;
        Ok((User::from(&*ctx.viewer()?.user), ended))
    }

    /// Ends all sessions of the caller, including the current one. Also invalidates links that the server mailed about
    /// the account. As long as the address is not verified, links to verify it or to reset the password stay valid.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(
        user = "The caller, whose sessions have all ended.",
        ended_sessions = "The number of sessions that this call ended."
    )]
    async fn revoke_all_sessions(&self, ctx: &Context<'_>) -> Result<(User, u64)> {
        let sessions = ctx.service::<Sessions>();
        let ended = sessions.revoke_all(ctx.acting()?).await?;
        ctx.forget_session();
        Ok((User::from(&*ctx.viewer()?.user), ended))
    }

    /// Exchanges a refresh token for a new access token and refresh token. A repeated exchange of the same token within
    /// ten seconds returns the same pair, so that browser tabs can share it. Later reuse of a replaced token ends the
    /// session. A client that lost the answer can repeat the call with the same `attempt`. In cookie mode the cookie
    /// does not change; the call returns an access token for other services, which this server does not accept where a
    /// recent proof is required. Fails with INVALID_TOKEN if the token is invalid or the session has ended, and with
    /// FORBIDDEN and the reason NOT_A_MEMBER if the caller does not belong to the organization.
    #[public]
    #[limit(REFRESH_FAILURES, REFRESHES_OF_SESSION)]
    async fn refresh_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token of the last pair. Leave it out in cookie mode.")]
        refresh_token: Option<String>,
        #[graphql(
            desc = "128 random bits in base64url. Store them beside the refresh token before you send the call. \
                If the answer gets lost, send the same values again, at any time: the server returns the \
                same new refresh token as long as it has not been used."
        )]
        attempt: Option<String>,
        #[graphql(
            desc = "The organization that the access token acts in; null for none. The caller must be a member."
        )]
        organization_id: Option<ID>,
    ) -> Result<AuthPayload> {
        let sessions = ctx.service::<Sessions>();
        let organization = organization_id.as_ref().map(organization).transpose()?;
        let refresh = presented_refresh(ctx, refresh_token)?;
        let refreshed = match ctx.client().token_mode {
            TokenMode::Body => {
                let attempt = attempt.as_deref().map(noted).transpose()?;
                let refresh = refresh.as_ref().map(ExposeSecret::expose_secret);
                let (client, attempt) = (ctx.client(), attempt.as_ref());
                sessions.rotate(client, refresh, attempt, organization, limits).await?
            }
            TokenMode::Cookie => {
                presented(ctx, None, "input.attempt", attempt)?;
                let viewer = ctx.viewer()?;
                let active = viewer.organization.map(|active| active.id);
                sessions.exchange(viewer, organization.or(active), limits).await?
            }
        };
        Ok(AuthPayload::hand_over(ctx, refreshed))
    }

    /// Signs the caller out: ends the session of the cookie or the access token, or else that of the refresh token. An
    /// invalid or expired token is not an error.
    #[public]
    #[payload(
        session_id = "The id of the ended session; null if the call did not identify a session."
    )]
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The refresh token, for callers without an access token. Leave it out in cookie mode."
        )]
        refresh_token: Option<String>,
    ) -> Result<Option<Id>> {
        let bearer = ctx.caller().bearer.as_ref().map(ExposeSecret::expose_secret);
        let refresh = presented_refresh(ctx, refresh_token)?;
        let refresh = refresh.as_ref().map(ExposeSecret::expose_secret);
        let ended = ctx.service::<Sessions>().end_named(ctx.client(), bearer, refresh).await?;
        if let Ended::Now(_) = ended {
            ctx.forget_session();
        }
        Ok(match ended {
            Ended::Now(session) | Ended::Before(session) => Some(Id::from(session)),
            Ended::Unnamed => None,
        })
    }
}

/// The refresh token of a call. In cookie mode there is none.
fn presented_refresh(ctx: &Context<'_>, argument: Option<String>) -> Result<Option<SecretString>> {
    presented(ctx, None, "input.refreshToken", argument)
}

fn noted(attempt: &str) -> Result<Attempt> {
    Attempt::parse(attempt).ok_or_else(|| {
        let message = "Send 16 random bytes in base64url, without padding.";
        ApiError::argument("input.attempt", Reason::InvalidFormat, message)
    })
}

/// A malformed id names none that the caller belongs to, as an unknown one does.
fn organization(id: &ID) -> Result<OrganizationId> {
    OrganizationId::parse(id).ok_or_else(|| RefreshError::NotAMember.into())
}

impl From<RevokeError> for ApiError {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotFound => Self::new(Code::NotFound, "This session does not exist."),
            RevokeError::Fault(fault) => fault.into(),
        }
    }
}

impl From<Unrecognised> for ApiError {
    fn from(error: Unrecognised) -> Self {
        match error {
            Unrecognised::Db(cause) => Self::database(cause),
            Unrecognised::KeyOnItsWay => Self::unavailable(1),
        }
    }
}

impl From<RefreshError> for ApiError {
    fn from(error: RefreshError) -> Self {
        match error {
            // One answer for both: a thief must not learn that the theft was noticed.
            RefreshError::Unknown => Self::new(Code::InvalidToken, "Please sign in again.")
                .auditing(Refusal { refused: Refused::Refresh, target: None }),
            // Its event is in the transaction that has ended the session.
            RefreshError::Reused => Self::new(Code::InvalidToken, "Please sign in again."),
            RefreshError::NotAMember => Self::unauthenticated(Anonymity::NotAMember),
            RefreshError::Limited(limited) => limited.into(),
            RefreshError::Unsettled => Self::unavailable(1),
            RefreshError::Fault(fault) => fault.into(),
        }
    }
}
