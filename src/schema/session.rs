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

/// A place where the user is signed in.
#[derive(SimpleObject, Row, Clone)]
pub(crate) struct Session {
    /// Unique over all types; opaque.
    pub(crate) id: Id,
    /// When the user signed in.
    created_at: DateTime,
    /// When it was last used: refreshed, or with a cookie within a minute of that.
    last_used_at: DateTime,
    /// When it ends unless it is used again; with a use that moves on, up to an absolute end.
    expires_at: DateTime,
    /// When it was ended; null while it goes on.
    ended_at: Option<DateTime>,
    /// The address it was begun from.
    ip: Option<String>,
    /// The program it was begun from, as that calls itself.
    user_agent: Option<String>,
    /// The browser and the system, as in "Firefox on Windows", if they are recognised.
    device: Option<String>,
    /// The browser, if it is recognised.
    browser: Option<String>,
    /// Whether this is the session of the caller.
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
    /// Ends one of the caller's own sessions. A change of address that is not confirmed yet is void.
    #[auth]
    #[defence]
    #[payload(session = "The session, which is over.")]
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session's id.")] id: ID,
    ) -> Result<Session> {
        let id = SessionId::parse(&id).ok_or(RevokeError::NotFound)?;
        let session = ctx.service::<Sessions>().revoke(ctx.acting()?, id).await?;
        let current = ctx.viewer()?.session_id;
        if current == id {
            ctx.forget_session();
        }
        Ok(Session::seen_from(current, session))
    }

    /// Ends the caller's sessions but the one they call from. A change of address that is not confirmed yet is void.
    #[auth]
    #[defence]
    #[payload(
        user = "The caller, with the session that goes on.",
        ended_sessions = "How many sessions were ended."
    )]
    async fn revoke_other_sessions(&self, ctx: &Context<'_>) -> Result<(User, u64)> {
        let ended = ctx.service::<Sessions>().revoke_others(ctx.acting()?).await?;
        Ok((User::from(&*ctx.viewer()?.user), ended))
    }

    /// Ends all of the caller's sessions, this one too. Links that were mailed about the account become invalid; while its address is not verified, those to verify it or to
    /// reset the password stay valid.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(ended_sessions = "How many sessions were ended.")]
    async fn revoke_all_sessions(&self, ctx: &Context<'_>) -> Result<u64> {
        let sessions = ctx.service::<Sessions>();
        let ended = sessions.revoke_all(ctx.acting()?).await?;
        ctx.forget_session();
        Ok(ended)
    }

    /// Exchanges a refresh token for a new pair. Within ten seconds the same token gives the same pair, so that tabs may
    /// share it; later, using one that was replaced ends its session. With `attempt` a client can ask again when the
    /// answer is lost. In cookie mode the cookie stays as it is, and is exchanged for an access token for other services:
    /// here that opens nothing that needs a recent proof.
    #[public]
    #[limit(REFRESH_FAILURES, REFRESHES_OF_SESSION)]
    async fn refresh_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token of the last pair; none in cookie mode.")]
        refresh_token: Option<String>,
        #[graphql(
            desc = "128 random bits in base64url, kept beside the refresh token before it is sent. Who has had no answer \
                    sends both again, whenever that is: as long as the new refresh token is not used, they give it."
        )]
        attempt: Option<String>,
        #[graphql(
            desc = "The organization that the access token acts in, of which the caller is a member; null for none."
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

    /// Ends the session of the cookie or of the bearer token, or else that of the refresh token. Never fails for a stale
    /// token.
    #[public]
    #[payload(session_id = "The session that was named, which is over now; null if none was.")]
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token, for callers without a bearer; none in cookie mode.")]
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
        let message = "Send 16 random bytes in base64url, without padding";
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
            RevokeError::NotFound => Self::new(Code::NotFound, "There is no such session"),
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
            RefreshError::Unknown => Self::new(Code::InvalidToken, "Please sign in again")
                .auditing(Refusal { refused: Refused::Refresh, target: None }),
            // Its event is in the transaction that has ended the session.
            RefreshError::Reused => Self::new(Code::InvalidToken, "Please sign in again"),
            RefreshError::NotAMember => Self::unauthenticated(Anonymity::NotAMember),
            RefreshError::Limited(limited) => limited.into(),
            RefreshError::Unsettled => Self::unavailable(1),
            RefreshError::Fault(fault) => fault.into(),
        }
    }
}
