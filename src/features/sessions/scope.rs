//! In which organization a session acts.
//!
//! A session acts in the organization that its user chose there, and in none at first. It keeps its
//! identity and its refresh token: choosing changes one column, and what is handed out is an access
//! token. So a refresh token still rotates in one place only, choosing proves nothing anew, and a
//! stolen access token gains no refresh token by it.

mod store;

use sea_orm::{ConnectionTrait, DbErr};

use super::Sessions;
use crate::infra::jwt::{AccessToken, Subject};
use crate::kernel::access::{ActiveOrganization, User, Viewer};
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::secret::CryptoError;

impl Sessions {
    /// Has the caller's session act in an organization, or in none, inside the caller's transaction. It
    /// holds the locks on their row and on the organization's, and has seen them to be a member. Says
    /// whether it acted elsewhere before.
    pub(crate) async fn act_in(
        &self,
        txn: &impl ConnectionTrait,
        viewer: &Viewer,
        organization: Option<OrganizationId>,
    ) -> Result<bool, DbErr> {
        store::set_organization(txn, viewer.session_id, organization).await
    }

    /// Has all sessions of a user that act in an organization act in none, inside the transaction that
    /// ends their membership: another one must not bring them back there.
    pub(crate) async fn withdraw(
        &self,
        txn: &impl ConnectionTrait,
        user: UserId,
        organization: OrganizationId,
    ) -> Result<(), DbErr> {
        store::withdraw(txn, user, organization).await
    }

    /// Whose sessions act in an organization.
    pub(crate) async fn acting_in(
        &self,
        txn: &impl ConnectionTrait,
        organization: OrganizationId,
    ) -> Result<Vec<UserId>, DbErr> {
        store::users_of(txn, organization).await
    }

    /// An access token for the caller's session that says where it acts from now on. It ends when the
    /// token that the caller came with does.
    pub(crate) fn access(
        &self,
        viewer: &Viewer,
        user: &User,
        organization: Option<ActiveOrganization>,
    ) -> Result<AccessToken, CryptoError> {
        let subject = Subject::of(user, viewer.session_id, organization, self.clock.now());
        self.jwt.issue(&subject, viewer.access_expires_at)
    }
}
