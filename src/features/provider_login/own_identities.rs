//! What holders of a session do with identities: link one, unlink it, and prove with it who they are.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::flow::Purpose;
use super::sign_in::Arrival;
use super::{ProviderLogin, ProviderLoginError, Returned};
use crate::features::accounts::WayIn;
use crate::features::audit::{Detail, kind};
use crate::features::change::{Record, Tx};
use crate::features::identities::{self, Identity, Vouched};
use crate::features::sessions::Tokens;
use crate::infra::limits::{self, Limit};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::providers::{Assertion, Provider};
use crate::kernel::access::{Own, User, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::{IdentityId, UserId};

/// So long ago may the proof be that a provider tells of.
const PROOF_SECONDS_MAX: i64 = 300;
/// So far may a provider's clock be ahead.
const CLOCKS_DIFFER_SECONDS: i64 = 30;

impl ProviderLogin {
    /// The identities of a user, the oldest first.
    pub(crate) async fn identities(&self, user: UserId) -> Result<Vec<Identity>, DbErr> {
        identities::list(self.db.reader(), user).await
    }

    /// Whether a provider of one of a user's identities can ask them again who they are.
    pub(crate) async fn can_reauthenticate(&self, user: UserId) -> Result<bool, DbErr> {
        let linked = self.identities(user).await?;
        let can = |identity: &Identity| {
            let provider = self.providers.of_issuer(&identity.issuer);
            provider.is_some_and(Provider::can_reauthenticate)
        };
        Ok(linked.iter().any(can))
    }

    /// Links the identity of whoever came back to the caller, who began the flow in the same session.
    pub(crate) async fn finish_link(
        &self,
        acting: Acting<'_>,
        returned: &Returned<'_>,
        failures: &Limit<limits::User>,
    ) -> Result<(User, Identity), ProviderLoginError> {
        let viewer = acting.caller()?;
        let admission = self.limits.attempt([failures.of(viewer.user.id)]).await?;
        let link = async {
            let vouched = self.vouched(Purpose::Link, Some(viewer), returned).await?;
            let (provider, _flow, assertion) = &vouched;
            let arrival = Arrival { provider, assertion, mailed: None };
            let link = |tx| self.link(tx, &arrival);
            self.changes.run("link an identity", acting, link).await
        };
        let outcome = Box::pin(link).await;
        admission.settle(&outcome).await;
        outcome
    }

    async fn link(
        &self,
        tx: Tx<'_>,
        arrival: &Arrival<'_>,
    ) -> Result<(User, Identity), ProviderLoginError> {
        let user = User::clone(&self.sessions.caller(&tx).await?.user);
        let Vouched { issuer, subject, .. } = arrival.vouched();
        match identities::find(&tx, issuer, subject).await? {
            Some(identity) if identity.user == user.id => return Ok((user, identity)),
            Some(_) => return Err(ProviderLoginError::Taken),
            None => {}
        }
        let identity = identities::link(&tx, user.id, arrival.vouched()).await?;
        tx.note(Record::of(kind::IDENTITY_LINKED).about(user.id).in_detail(arrival.detail()));
        let letter = Letter::to(&user, MailKind::IdentityLinked, tx.acting().origin);
        tx.write(letter.naming(arrival.provider.name())).await?;
        Ok(tx.commit((user, identity)).await?)
    }

    /// Takes an identity from the caller, unless nothing else would open their account.
    pub(crate) async fn unlink(
        &self,
        acting: Acting<'_>,
        own: Own<IdentityId>,
    ) -> Result<User, ProviderLoginError> {
        let id = own.named();
        let unlink = async |tx: Tx<'_>| {
            let user = User::clone(&self.sessions.caller(&tx).await?.user);
            let linked = identities::list(&tx, user.id).await?;
            let identity = linked.iter().find(|identity| identity.id == id);
            let identity = identity.ok_or(ProviderLoginError::NotFound)?;
            if self.accounts.is_last_way_in(&tx, user.id, WayIn::Identity(id)).await? {
                return Err(ProviderLoginError::LastWayIn);
            }
            identities::unlink(&tx, identity).await?;
            // A sign-in may have begun with it.
            self.sessions.void_challenges(&tx, user.id).await?;
            let detail = Detail::of(&identity.provider);
            tx.note(Record::of(kind::IDENTITY_UNLINKED).about(user.id).in_detail(detail));
            let letter = Letter::to(&user, MailKind::IdentityUnlinked, tx.acting().origin);
            let provider = self.providers.of_issuer(&identity.issuer);
            let name = provider.map_or(&*identity.provider, |provider| provider.name());
            tx.write(letter.naming(name)).await?;
            Ok(tx.commit(user).await?)
        };
        self.changes.run("unlink an identity", acting, unlink).await
    }

    /// Another credential for a caller of whom a provider says that they have just proved who they are: the same identity,
    /// within five minutes. Anything else proves nothing.
    pub(crate) async fn finish_reauthentication(
        &self,
        acting: Acting<'_>,
        cookie: Option<&str>,
        returned: &Returned<'_>,
        failures: &Limit<limits::User>,
    ) -> Result<(User, Tokens), ProviderLoginError> {
        let viewer = acting.caller()?;
        if self.sessions.needs_two_factors(&viewer.user) {
            return Err(ProviderLoginError::SecondFactorNeeded);
        }
        let admission = self.limits.attempt([failures.of(viewer.user.id)]).await?;
        let prove = async {
            let purpose = Purpose::Reauthentication;
            let vouched = self.vouched(purpose, Some(viewer), returned).await?;
            let (provider, _flow, assertion) = &vouched;
            if !is_recent(assertion, self.clock.now()) {
                return Err(ProviderLoginError::Stale);
            }
            let arrival = Arrival { provider, assertion, mailed: None };
            let prove = |tx| self.renew(tx, (viewer, cookie), &arrival);
            self.changes.run("prove with a provider", acting, prove).await
        };
        let outcome = Box::pin(prove).await;
        admission.settle(&outcome).await;
        outcome
    }

    async fn renew(
        &self,
        tx: Tx<'_>,
        (viewer, cookie): (&Viewer, Option<&str>),
        arrival: &Arrival<'_>,
    ) -> Result<(User, Tokens), ProviderLoginError> {
        let user = User::clone(&self.sessions.caller(&tx).await?.user);
        if self.sessions.needs_two_factors(&user) {
            return Err(ProviderLoginError::SecondFactorNeeded);
        }
        let Vouched { issuer, subject, .. } = arrival.vouched();
        let identity = identities::find(&tx, issuer, subject).await?;
        let identity = identity.filter(|identity| identity.user == user.id);
        let identity = identity.ok_or(ProviderLoginError::Refused { account: Some(user.id) })?;
        identities::touch(&tx, identity.id).await?;
        let record = Record::of(kind::REAUTHENTICATED).in_detail(arrival.detail());
        let proven = arrival.proven(tx.now());
        let tokens = self.sessions.renew(&tx, &user, (viewer, cookie), record, proven).await?;
        Ok(tx.commit((user, tokens)).await?)
    }
}

/// Whether somebody proved at a provider who they are within the last five minutes, as clocks that differ a little see it.
fn is_recent(assertion: &Assertion, now: DateTime<Utc>) -> bool {
    assertion.auth_time.is_some_and(|at| {
        let age = (now - at).num_seconds();
        (-CLOCKS_DIFFER_SECONDS..=PROOF_SECONDS_MAX).contains(&age)
    })
}
