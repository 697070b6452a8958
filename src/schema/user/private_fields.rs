//! What of a user takes more than their row: what nobody but they see, and what other programs keep.

use async_graphql::{ComplexObject, Context};
use portcullis_macros::rules;

use super::pending::PendingEmailChange;
use super::{Leftovers, PermissionGrant, User};
use crate::features::accounts::Accounts;
use crate::features::audit::Log;
use crate::features::factors::Factors;
use crate::features::provider_login::ProviderLogin;
use crate::features::sessions::Sessions;
use crate::graphql::context::ContextExt;
use crate::graphql::directive::{private, semantic_non_null};
use crate::graphql::error::Result;
use crate::graphql::guard::Personal;
use crate::graphql::id::Id;
use crate::graphql::metadata::Metadata;
use crate::graphql::page::Window;
use crate::graphql::policy::{About, Place};
use crate::infra::db::Db;
use crate::kernel::access::permission::USERS_READ;
use crate::kernel::access::{Permission, Rights};
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;
use crate::kernel::secret::base64url;
use crate::schema::audit_event::AuditEventConnection;
use crate::schema::factor::SecondFactors;
use crate::schema::identity::Identity;
use crate::schema::passkey::Passkey;
use crate::schema::session::SessionConnection;
use crate::schema::viewer::{Access, place};

impl Personal for User {
    fn owner(&self) -> Id {
        self.id
    }
}

#[rules]
#[ComplexObject]
impl User {
    /// Tells for each field whether the caller may use it for this user, as Viewer.access does for any user. The answer
    /// ignores what else the call names, such as the permission to grant.
    #[graphql(directive = semantic_non_null::apply())]
    async fn viewer_can(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The fields with their types, as in `Mutation.deactivateUser`: at most 100."
        )]
        fields: Vec<String>,
    ) -> Option<async_graphql::Result<Vec<Access>>> {
        let (role, grants) = &self.rights;
        let rights = self.id.typed::<UserId>().map(|id| Rights { id, role: *role, grants });
        let place = Place { about: rights.map(About::Account), ..place(ctx) };
        Access::answer(ctx, place, fields).await
    }

    /// All permissions of the user: those of their role and those granted to them.
    #[graphql(directive = private::apply(USERS_READ))]
    async fn permissions(&self, ctx: &Context<'_>) -> Option<Vec<Permission>> {
        let (role, grants) = &self.rights;
        self.is_open.then(|| grants.and_role(*role, ctx.service::<Clock>().now()))
    }

    /// The permissions that were granted to the user in addition to those of their role.
    #[graphql(directive = private::apply(USERS_READ))]
    async fn permission_grants(&self, ctx: &Context<'_>) -> Option<Vec<PermissionGrant>> {
        let (_, grants) = &self.rights;
        self.is_open.then(|| PermissionGrant::all_of(grants, ctx.service::<Clock>().now()))
    }

    /// Metadata that your own programs keep with the user. Everybody who can see the user can read it, including other
    /// members of their organizations. Only updateUserMetadata changes it. Null if the user has none.
    async fn public_metadata(&self, ctx: &Context<'_>) -> Result<Option<Metadata>> {
        Ok(self.metadata(ctx).await?.public.map(Metadata::kept))
    }

    /// Metadata that your own programs keep with the user. The user cannot read it here, but exportMyData includes it,
    /// because it is about them. Only updateUserMetadata changes it. Null if the user has none.
    #[auth(permission = USERS_READ)]
    async fn private_metadata(&self, ctx: &Context<'_>) -> Result<Option<Metadata>> {
        Ok(self.metadata(ctx).await?.private.map(Metadata::kept))
    }

    /// The change of address that the user requested by changeEmail and has not confirmed yet; null if there is no such
    /// change.
    #[auth]
    #[owner]
    async fn pending_email_change(&self, ctx: &Context<'_>) -> Result<Option<PendingEmailChange>> {
        let viewer = ctx.viewer()?;
        let pending = ctx.service::<Accounts>().pending_change(viewer).await?;
        Ok(pending.map(PendingEmailChange::from))
    }

    /// The identities of other providers with which the user can sign in, oldest first.
    #[auth]
    #[owner]
    async fn identities(&self, ctx: &Context<'_>) -> Result<Vec<Identity>> {
        let (viewer, login) = (ctx.viewer()?, ctx.service::<ProviderLogin>());
        let linked = login.identities(viewer.user.id).await?;
        Ok(linked.into_iter().map(|identity| Identity::of(login, identity)).collect())
    }

    /// The user's second factors.
    #[auth]
    #[owner]
    async fn second_factors(&self, ctx: &Context<'_>) -> Result<SecondFactors> {
        let owner = ctx.viewer()?.user.id;
        let held = ctx.service::<Factors>().held(owner).await?;
        Ok(SecondFactors::of(owner, self.has_second_factor, held))
    }

    /// The user's passkeys, oldest first.
    #[auth]
    #[owner]
    async fn passkeys(&self, ctx: &Context<'_>) -> Result<Vec<Passkey>> {
        let viewer = ctx.viewer()?;
        let held = ctx.service::<Factors>().passkeys(viewer.user.id).await?;
        Ok(held.into_iter().map(Passkey::from).collect())
    }

    /// The user's id in passkeys and the Signal API, in base64url; null until the user first starts to register a
    /// passkey.
    #[auth]
    #[owner]
    async fn passkey_user_handle(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let viewer = ctx.viewer()?;
        let handle = ctx.service::<Factors>().user_handle(viewer.user.id).await?;
        Ok(handle.map(base64url))
    }

    /// Whether the account has a password.
    #[auth]
    #[owner]
    async fn has_password(&self, ctx: &Context<'_>) -> Result<bool> {
        let viewer = ctx.viewer()?;
        let db = ctx.service::<Db>();
        Ok(Accounts::has_password(db.reader(), viewer.user.id).await?)
    }

    /// Whether the user can still replace the username that the server proposed: see chooseUsername. Only the owner of
    /// the account can read this.
    #[auth]
    #[owner]
    async fn may_choose_username(&self, ctx: &Context<'_>) -> Result<bool> {
        let viewer = ctx.viewer()?;
        Ok(ctx.service::<Accounts>().may_choose_username(viewer.user.id).await?)
    }

    /// The security events that the user caused or that affected the account, newest first. Only the owner of the
    /// account can read this.
    #[auth]
    #[owner]
    async fn security_events(
        &self,
        ctx: &Context<'_>,
        window: Window,
    ) -> Result<AuditEventConnection> {
        // Admins have auditEvents for the others.
        let owner = ctx.viewer()?.user.id;
        AuditEventConnection::about(ctx.service::<Log>(), window, owner).await
    }

    /// The leftovers in the account: its contents from before the user reclaimed it by choosing a password through a
    /// mailed link while the address was unverified. Somebody else may have created them. Null if the account was not
    /// reclaimed, and once the user has decided by keepLeftovers or dropLeftovers. Only the owner of the account can
    /// read this.
    #[auth]
    #[owner]
    async fn leftovers(&self, ctx: &Context<'_>) -> Result<Option<Leftovers>> {
        let viewer = ctx.viewer()?;
        let found = ctx.service::<Accounts>().leftovers(viewer).await;
        Ok(found?.map(Leftovers::from))
    }

    /// The user's sessions, newest first.
    #[auth]
    #[owner]
    async fn sessions(&self, ctx: &Context<'_>, window: Window) -> Result<SessionConnection> {
        let viewer = ctx.viewer()?;
        SessionConnection::load(ctx.service::<Sessions>(), window, viewer).await
    }
}
