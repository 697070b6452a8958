//! Whose account an identity opens that is linked to none yet.
//!
//! An address finds an account only where three say that it is the person's: the provider, which the operator trusts; the
//! provider's word that the address is proven; and the account, whose address was proven here (OI-06). In all other cases
//! the owner of the account signs in and links the identity.

use sea_orm::DbErr;

use super::ProviderLogin;
use crate::features::accounts::Accounts;
use crate::features::accounts::identity::{Email, Identifier};
use crate::features::change::Tx;
use crate::features::identities;
use crate::features::links;
use crate::infra::providers::{Assertion, Provider};
use crate::kernel::access::{Role, User};

/// What an address that is proven leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// No account has it, nor does anybody who may take it back.
    None,
    /// It is the former address of an account whose owner may still take it back.
    Reserved,
    /// An account that was shut.
    Deactivated(User),
    /// An account whose address was never proven: whoever made it need not be who reads its mail.
    Unverified(User),
    /// The same with more rights than anybody gets by registering: the operator made it.
    UnverifiedWithRights,
    /// An account whose address was proven.
    Verified(User),
    /// The same, which has another identity of the issuer, or had one that was unlinked.
    VerifiedWithOther,
}

/// Whether the provider's word on the address is as good as a mail of ours.
pub(super) fn is_proven(provider: &Provider, assertion: &Assertion) -> bool {
    provider.is_trusted() && assertion.email_verified
}

impl ProviderLogin {
    /// What an address leads to, with the account's row locked where there is one.
    pub(super) async fn find_account(
        tx: &Tx<'_>,
        email: &Email,
        issuer: &str,
    ) -> Result<Account, DbErr> {
        let identifier = Identifier::Email(email.key().to_owned());
        let Some(found) = Accounts::identified(tx, &identifier).await? else {
            return Ok(match links::is_reserved(tx, email.key(), None, tx.now()).await? {
                true => Account::Reserved,
                false => Account::None,
            });
        };
        let locked = Accounts::lock(tx, found.id).await?.filter(|user| user.email == found.email);
        // It was deleted, or got another address, in between.
        let Some(user) = locked else { return Ok(Account::Reserved) };
        Ok(match (user.is_active, user.email_verified) {
            (false, _) => Account::Deactivated(user),
            (true, false) if has_rights(&user, tx) => Account::UnverifiedWithRights,
            (true, false) => Account::Unverified(user),
            (true, true) if has_other(tx, &user, issuer).await? => Account::VerifiedWithOther,
            (true, true) => Account::Verified(user),
        })
    }
}

fn has_rights(user: &User, tx: &Tx<'_>) -> bool {
    user.role > Role::User || user.grants.at(tx.now()).next().is_some()
}

async fn has_other(tx: &Tx<'_>, user: &User, issuer: &str) -> Result<bool, DbErr> {
    let linked = identities::list(tx, user.id).await?;
    Ok(linked.iter().any(|identity| identity.issuer == issuer)
        || identities::was_unlinked(tx, user.id, issuer).await?)
}
