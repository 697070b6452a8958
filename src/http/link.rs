//! GET `/link/…`: where the links in mails lead when no front end has a page for them.
//!
//! Looking at a page does nothing: what the link carries stands after the `#`, which no browser sends
//! and no mail client follows, and the page posts it when its reader says so (RS-06).

use axum::http::HeaderName;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use super::{failure, request};
use crate::app::App;
use crate::infra::causes::causes;
use crate::infra::mail::LinkPage;
use crate::kernel::access::Origin;
use crate::kernel::secret;

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");

pub(super) fn routes(mut router: Router<App>) -> Router<App> {
    for page in [
        LinkPage::VerifyEmail,
        LinkPage::ResetPassword,
        LinkPage::UndoEmailChange,
        LinkPage::AcceptInvitation,
        LinkPage::AcceptOrganizationInvitation,
        LinkPage::FinishRegistration,
    ] {
        router = router.route(page.path(), get(self::page));
    }
    router
}

/// One page for all of them; it knows by its own path what it is for.
async fn page(Extension(origin): Extension<Origin>) -> Response {
    let nonce = match secret::random::<16>() {
        Ok(bytes) => secret::base64url(bytes),
        Err(error) => {
            tracing::error!(error = %causes(&error), "cannot render a page");
            return failure(request::id_of(&origin));
        }
    };
    let page = include_str!("link.html").replace("NONCE", &nonce);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; \
         object-src 'none'"
    );
    let headers =
        [(CONTENT_SECURITY_POLICY, policy), (CROSS_ORIGIN_OPENER_POLICY, "same-origin".to_owned())];
    (headers, Html(page)).into_response()
}
