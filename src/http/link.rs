//! GET `/link/…`: where the links in mails lead when no front end has a page for them.
//!
//! Looking at a page does nothing: what the link carries stands after the `#`, which no browser sends
//! and no mail client follows, and the page posts it when its reader says so (RS-06).

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};

use super::{own_documents, page};
use crate::app::App;
use crate::infra::mail::LinkPage;
use crate::kernel::access::Origin;

pub(super) fn routes(mut router: Router<App>) -> Router<App> {
    for page in [
        LinkPage::VerifyEmail,
        LinkPage::ResetPassword,
        LinkPage::UndoEmailChange,
        LinkPage::AcceptInvitation,
        LinkPage::AcceptOrganizationInvitation,
        LinkPage::FinishRegistration,
    ] {
        router = router.route(page.path(), get(link));
    }
    router
}

/// One page for all of them; it knows by its own path what it is for.
async fn link(State(app): State<App>, Extension(origin): Extension<Origin>) -> Response {
    page::with_nonce(&origin, |nonce| {
        let allowed = format!(
            "script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; form-action 'none'"
        );
        let page = include_str!("link.html")
            .replace("NONCE", nonce)
            .replace("OPERATIONS", own_documents::OF_LINKS)
            .replace("SITE", &page::escaped(&app.config.site_name));
        (allowed, page)
    })
}
