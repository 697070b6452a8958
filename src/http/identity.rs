//! Who sends a request, as far as it says so itself.

use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};

use super::origin::{self, Mode};
use super::{refusal, request};
use crate::app::App;
use crate::features::sessions::{Shown, Unrecognised};
use crate::graphql::context::Caller;
use crate::graphql::cookie::Cookie;
use crate::kernel::access::{
    self, Anonymity, Authentication, Credential, Origin, Refused, TokenMode,
};
use crate::kernel::id::{OrganizationId, SessionId, UserId};

/// Who sent a request, before it is known whether that is true.
pub(super) struct Identity {
    pub(super) origin: Origin,
    pub(super) mode: Mode,
    pub(super) bearer: Option<SecretString>,
    pub(super) session_cookie: Option<SecretString>,
    pub(super) device_cookie: Option<SecretString>,
    pub(super) flow_cookie: Option<SecretString>,
    pub(super) organization: Option<OrganizationId>,
}

impl Identity {
    /// What it shows of its session.
    pub(super) fn shown(&self) -> Shown<'_> {
        match (&self.bearer, &self.session_cookie) {
            (Some(token), _) => Shown::AccessToken(token.expose_secret()),
            (None, Some(cookie)) => Shown::Cookie(cookie.expose_secret()),
            (None, None) => Shown::Nothing,
        }
    }

    /// The caller, recognised, of one of several executions.
    pub(super) fn caller(&self, authentication: Authentication) -> Caller {
        Caller {
            authentication,
            client: self.origin.clone(),
            bearer: self.bearer.clone(),
            session_cookie: self.session_cookie.clone(),
            device_cookie: self.device_cookie.clone(),
            flow_cookie: self.flow_cookie.clone(),
            admitted: OnceLock::new(),
        }
    }

    /// What the response says if a bearer token was presented that is not good.
    pub(super) fn challenge(&self, authentication: &Authentication) -> Option<HeaderValue> {
        self.bearer.as_ref()?;
        match authentication {
            Authentication::Anonymous(Anonymity::MissingToken | Anonymity::NotAMember)
            | Authentication::Viewer(_) => None,
            Authentication::Anonymous(_reason) => {
                Some(HeaderValue::from_static("Bearer error=\"invalid_token\""))
            }
        }
    }

    /// Reads who sends a request. A call has one way to say who it is for and where it acts.
    pub(super) fn read(app: &App, origin: Origin, headers: &HeaderMap) -> Result<Self, Response> {
        let bearer = request::bearer(headers)?;
        let mode = origin::mode(&app.config, headers).inspect_err(|refused| {
            if refused.status() == StatusCode::FORBIDDEN {
                let refusal = access::Refusal { refused: Refused::Access, target: None };
                app.refusals.tell(refusal, None, &origin);
            }
        })?;
        if mode == Mode::Tokens {
            if headers.contains_key(request::ORGANIZATION) {
                let message = "Portcullis-Organization is for cookie mode: an access token says itself where it acts";
                return Err(refusal(StatusCode::BAD_REQUEST, message));
            }
            return Ok(Self {
                origin,
                mode,
                bearer,
                session_cookie: None,
                device_cookie: None,
                flow_cookie: None,
                organization: None,
            });
        }
        if bearer.is_some() {
            let message = "Send an access token or Portcullis-Token-Mode: cookie, not both.";
            return Err(refusal(StatusCode::BAD_REQUEST, message));
        }
        Ok(Self {
            origin: Origin { token_mode: TokenMode::Cookie, ..origin },
            mode,
            bearer,
            session_cookie: request::cookie(&app.cookies, Cookie::Session, headers)?,
            device_cookie: request::cookie(&app.cookies, Cookie::DeviceToken, headers)?,
            flow_cookie: request::cookie(&app.cookies, Cookie::Flow, headers)?,
            organization: request::organization(headers)?,
        })
    }

    /// The session of the cookie that a request came with. It is that also where the call names an organization of others: its
    /// holder can sign out all the same.
    pub(super) async fn cookie_session(
        &self,
        app: &App,
        authentication: &Authentication,
    ) -> Result<Option<(SessionId, UserId)>, Unrecognised> {
        let elsewhere;
        let authentication = match authentication {
            Authentication::Anonymous(Anonymity::NotAMember) => {
                elsewhere = app.sessions.authenticate(self.shown(), None).await?;
                &elsewhere
            }
            known => known,
        };
        Ok(match authentication {
            Authentication::Viewer(viewer)
                if matches!(viewer.credential, Credential::Cookie { .. }) =>
            {
                Some((viewer.session_id, viewer.user.id))
            }
            Authentication::Viewer(_) | Authentication::Anonymous(_) => None,
        })
    }
}
