//! What opens an account: its password, the identities of providers that this server works with, and passkeys whose
//! authenticators verify their users. The last one is never taken away (MF-08).

use sea_orm::{ConnectionTrait, DbErr};

use super::Accounts;
use crate::features::authenticators::passkeys;
use crate::features::identities;
use crate::infra::providers::Providers;
use crate::kernel::id::{IdentityId, PasskeyId, UserId};

/// Something that may open an account, beside its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WayIn {
    Identity(IdentityId),
    Passkey(PasskeyId),
}

impl Accounts {
    /// The providers that open accounts here.
    pub(crate) fn providers(&self) -> &Providers {
        &self.setup.providers
    }

    /// Whether nothing would open an account without this. The caller holds the lock on the user's row, so that two that are
    /// taken away at once are not each the other's last but one.
    pub(crate) async fn is_last_way_in(
        &self,
        txn: &impl ConnectionTrait,
        user: UserId,
        way: WayIn,
    ) -> Result<bool, DbErr> {
        if Self::has_password(txn, user).await? {
            return Ok(false);
        }
        let identities = identities::list(txn, user).await?;
        let held = passkeys::list(txn, user).await?;
        let by_identity = identities
            .iter()
            .filter(|identity| self.setup.providers.of_issuer(&identity.issuer).is_some())
            .map(|identity| WayIn::Identity(identity.id));
        let by_passkey = held
            .iter()
            .filter(|passkey| passkey.user_verified)
            .map(|passkey| WayIn::Passkey(passkey.id));
        Ok(by_identity.chain(by_passkey).all(|other| other == way))
    }
}
