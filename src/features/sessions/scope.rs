//! In which organization a session acts.
//!
//! A session acts in the organization that its user chose there, and in none at first. It keeps its
//! identity and its refresh token: choosing changes one column, and what is handed out is an access
//! token. So a refresh token still rotates in one place only, choosing proves nothing anew, and a
//! stolen access token gains no refresh token by it.

mod store;

use sea_orm::DbErr;

use super::Sessions;
use crate::features::change::Tx;
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
        tx: &Tx<'_>,
        viewer: &Viewer,
        organization: Option<OrganizationId>,
    ) -> Result<bool, DbErr> {
        tx.touch(viewer.user.id);
        store::set_organization(tx, viewer.session_id, organization).await
    }

    /// Has all sessions of a user that act in an organization act in none, inside the transaction that
    /// ends their membership: another one must not bring them back there.
    pub(crate) async fn withdraw(
        &self,
        tx: &Tx<'_>,
        user: UserId,
        organization: OrganizationId,
    ) -> Result<(), DbErr> {
        tx.touch(user);
        store::withdraw(tx, user, organization).await
    }

    /// Notes that whoever has a session that acts in an organization will act there no more.
    pub(crate) async fn touch_acting_in(
        &self,
        tx: &Tx<'_>,
        organization: OrganizationId,
    ) -> Result<(), DbErr> {
        store::users_of(tx, organization).await?.into_iter().for_each(|user| tx.touch(user));
        Ok(())
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
