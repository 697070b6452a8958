//! What a resolver asks of its request: who calls, from where, and the services.

use std::sync::OnceLock;

use async_graphql::{Context, QueryPathSegment};
use axum::http::HeaderName;
use axum::http::header::SET_COOKIE;
use secrecy::SecretString;

use super::cookie::{Cookie, Cookies};
use super::error::ApiError;
use crate::kernel::access::{Authentication, Origin, TokenMode, Viewer};
use crate::kernel::acting::Acting;

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// The caller of a request, resolved once before anything runs.
pub(crate) struct Caller {
    pub(crate) authentication: Authentication,
    pub(crate) client: Origin,
    /// As presented, for `logout`, which accepts it late.
    pub(crate) bearer: Option<SecretString>,
    /// The cookie that is the session, as presented. Only in cookie mode.
    pub(crate) session_cookie: Option<SecretString>,
    /// The device token in its cookie, as presented. Only in cookie mode.
    pub(crate) device_cookie: Option<SecretString>,
    /// What tells the browser apart that begins and finishes flows, as presented. Only in cookie mode.
    pub(crate) flow_cookie: Option<SecretString>,
    pub(crate) admitted: OnceLock<Admitted>,
}

/// Whom a field has signed in. What the field answers is theirs to read, and nothing else of the operation: the fields beside
/// it keep their caller. An operation signs in once at most, since it checks one secret.
pub(crate) struct Admitted {
    /// The name of the field in the answer.
    field: String,
    viewer: Viewer,
}

/// Short ways to what every resolver needs.
pub(crate) trait ContextExt {
    /// A service. Each is put into the schema where the program is wired.
    fn service<T: Send + Sync + 'static>(&self) -> &T;
    fn caller(&self) -> &Caller;
    fn client(&self) -> &Origin;
    /// The signed-in caller, or the error that says why there is none.
    fn viewer(&self) -> Result<&Viewer, ApiError>;
    /// Has what the field of this context answers resolved for whom it has just signed in, as their session has proved them.
    fn admit(&self, viewer: Viewer);
    /// The signed-in caller, as who does something from where they call.
    fn acting(&self) -> Result<Acting<'_>, ApiError>;
    /// Has the browser keep the cookie that is a session. The last word of an operation counts.
    fn keep_session(&self, text: &str, max_age_seconds: i64);
    /// Has the browser keep a device token beside.
    fn keep_device_token(&self, token: &str, max_age_seconds: i64);
    /// Has the browser keep what tells it apart that begins a flow.
    fn keep_flow(&self, token: &str, max_age_seconds: i64);
    /// Has the browser forget the cookie that was the caller's session, and the answers that it keeps from this server
    /// (RT-10). Only what this call has ended is forgotten: the browser may have another cookie by now. Without cookie mode
    /// there is nothing to forget.
    fn forget_session(&self);
}

impl ContextExt for Context<'_> {
    fn service<T: Send + Sync + 'static>(&self) -> &T {
        self.data_unchecked::<T>()
    }

    fn caller(&self) -> &Caller {
        self.data_unchecked::<Caller>()
    }

    fn client(&self) -> &Origin {
        &self.caller().client
    }

    fn viewer(&self) -> Result<&Viewer, ApiError> {
        let caller = self.caller();
        if let Some(Admitted { field, viewer }) = caller.admitted.get()
            && root(self) == Some(field)
        {
            return Ok(viewer);
        }
        match &caller.authentication {
            Authentication::Viewer(viewer) => Ok(viewer),
            Authentication::Anonymous(reason) => Err(ApiError::unauthenticated(*reason)),
        }
    }

    fn admit(&self, viewer: Viewer) {
        if let Some(field) = root(self) {
            let field = field.to_owned();
            self.caller().admitted.get_or_init(|| Admitted { field, viewer });
        }
    }

    fn acting(&self) -> Result<Acting<'_>, ApiError> {
        Ok(Acting::viewer(self.viewer()?, self.client()))
    }

    fn keep_session(&self, text: &str, max_age_seconds: i64) {
        let held = self.service::<Cookies>().holding(Cookie::Session, text, max_age_seconds);
        self.insert_http_header(SET_COOKIE, held);
    }

    fn keep_device_token(&self, token: &str, max_age_seconds: i64) {
        let cookies = self.service::<Cookies>();
        let held = cookies.holding(Cookie::DeviceToken, token, max_age_seconds);
        self.append_http_header(SET_COOKIE, held);
    }

    fn keep_flow(&self, token: &str, max_age_seconds: i64) {
        let held = self.service::<Cookies>().holding(Cookie::Flow, token, max_age_seconds);
        self.append_http_header(SET_COOKIE, held);
    }

    fn forget_session(&self) {
        if self.client().token_mode == TokenMode::Cookie {
            let gone = self.service::<Cookies>().gone(Cookie::Session);
            self.insert_http_header(SET_COOKIE, gone);
            self.insert_http_header(CLEAR_SITE_DATA, "\"cache\"");
        }
    }
}

/// The name in the answer of the root field that a field is below, or is.
fn root<'a>(ctx: &Context<'a>) -> Option<&'a str> {
    let mut node = ctx.path_node.as_ref()?;
    while let Some(parent) = node.parent {
        node = parent;
    }
    match node.segment {
        QueryPathSegment::Name(name) => Some(name),
        QueryPathSegment::Index(_) => None,
    }
}
