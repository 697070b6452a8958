//! What becomes of somebody whose identity is linked to no account: another account, at once or once their address is
//! proven.
//!
//! Where the provider's word on the address does not count, the address is written to, and the answer is the same whatever
//! account has it. What the mail carries makes nothing of itself: its reader signs in with the same identity once more, in a
//! flow that was begun with it. So nobody gets an account by having somebody else open a link.

use serde::{Deserialize, Serialize};

use super::sign_in::{Arrival, SignedIn};
use super::{ProviderLogin, ProviderLoginError};
use crate::features::accounts::identity::{Email, Identifier};
use crate::features::accounts::{Accounts, Newcomer};
use crate::features::audit::kind;
use crate::features::change::{Record, Tx};
use crate::features::identities::{self, Vouched};
use crate::features::links::{self, LinkError, Purpose};
use crate::infra::mail::{Letter, MailKind, Recipient};
use crate::kernel::id::LinkTokenId;

use super::linking::Account;

/// The identity that has to come back to finish a registration, as the token keeps it.
#[derive(Serialize, Deserialize)]
pub(super) struct PendingRegistration {
    pub(super) provider: String,
    issuer: String,
    subject: String,
    /// As the provider tells it.
    email: String,
}

impl From<LinkError> for ProviderLoginError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Fault(fault) => Self::Fault(fault),
            LinkError::Invalid | LinkError::Used => Self::Link,
        }
    }
}

impl ProviderLogin {
    /// Fails unless anybody may get an account by themselves.
    pub(super) fn admit_newcomers(&self) -> Result<(), ProviderLoginError> {
        match self.accounts.are_open() {
            true => Ok(()),
            false => Err(ProviderLoginError::Closed),
        }
    }

    /// Makes the account of somebody whose address is proven, and signs them in.
    pub(super) async fn register(
        &self,
        tx: Tx<'_>,
        email: &Email,
        arrival: &Arrival<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        self.admit_newcomers()?;
        let assertion = arrival.assertion;
        let newcomer = Newcomer {
            email,
            username: assertion.username.as_deref(),
            full_name: assertion.full_name.as_deref(),
            picture: assertion.picture.as_deref(),
        };
        let user = self.accounts.welcome(&tx, &newcomer).await?;
        identities::link(&tx, user.id, arrival.vouched()).await?;
        links::void_registrations(&tx, email.key()).await?;
        let registered = Record::of(kind::REGISTERED).about(user.id).by(user.id);
        tx.note(registered.in_detail(arrival.detail()));
        self.signed_in(tx, user, arrival).await
    }

    /// Writes to an address. To its owner's, if it has one, that they have an account already.
    pub(super) async fn ask_for_proof(
        &self,
        tx: Tx<'_>,
        email: &Email,
        arrival: &Arrival<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        self.admit_newcomers()?;
        if !self.accounts.sends_mail() {
            return Err(ProviderLoginError::NoMail);
        }
        let (now, origin) = (tx.now(), tx.acting().origin);
        let owner = Accounts::identified(&tx, &Identifier::Email(email.key().to_owned())).await?;
        let is_reserved = links::is_reserved(&tx, email.key(), None, now).await?;
        let Vouched { provider, issuer, subject, .. } = arrival.vouched();
        let details = PendingRegistration {
            provider: provider.to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            email: email.as_typed().to_owned(),
        };
        let is_taken = owner.is_some() || is_reserved;
        let purpose = if is_taken { Purpose::Nothing } else { Purpose::ProviderRegistration };
        let new = links::New { purpose, user: None, email_key: email.key() };
        let token = links::issue_beside(&tx, now, new, Some(&details)).await?;
        let letter = if let Some(owner) = &owner {
            Letter::to(owner, MailKind::AlreadyRegistered, origin)
        } else {
            let to = Recipient::address(email.as_typed(), origin.language);
            let letter = Letter::to_nobody(MailKind::FinishRegistration, origin, token.expose());
            Letter { to, ..letter }.naming(arrival.provider.name())
        };
        match owner.is_none() && is_reserved {
            true => tx.pretend(letter).await?,
            false => tx.write(letter).await?,
        }
        tx.note(Record::of(kind::REGISTRATION_REQUESTED).in_detail(arrival.detail()));
        let email = email.as_typed().to_owned();
        Ok(tx.commit(SignedIn::AddressToProve { email }).await?)
    }

    /// Makes the account of somebody who reads the mail of its address, and is once more the identity that asked for it.
    pub(super) async fn finish_registration(
        &self,
        tx: Tx<'_>,
        mailed: LinkTokenId,
        arrival: &Arrival<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let (now, purpose) = (tx.now(), Purpose::ProviderRegistration);
        let found = links::find_unused(&tx, now, purpose, &[mailed]).await?.pop();
        let found = found.ok_or(ProviderLoginError::Link)?;
        let pending: PendingRegistration = found.details()?;
        let Vouched { issuer, subject, .. } = arrival.vouched();
        if pending.issuer != issuer || pending.subject != subject {
            return Err(ProviderLoginError::Refused { account: None });
        }
        let email = Email::parse(&pending.email).map_err(|_| ProviderLoginError::Link)?;
        links::take(&tx, &found, now).await?;
        let account = Self::find_account(&tx, &email, issuer).await?;
        match account {
            Account::None => self.register(tx, &email, arrival).await,
            Account::Reserved
            | Account::Deactivated(_)
            | Account::Unverified(_)
            | Account::UnverifiedWithRights
            | Account::Verified(_)
            | Account::VerifiedWithOther => Err(ProviderLoginError::AccountExists),
        }
    }
}
