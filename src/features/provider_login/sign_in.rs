//! What a provider says about somebody, for a session.

use chrono::{DateTime, Utc};

use super::flow::{Flow, Purpose, nonce_of};
use super::linking::{Account, is_proven};
use super::{Asked, ProviderLogin, ProviderLoginError, Returned, told};
use crate::features::accounts::identity::{Email, Identifier};
use crate::features::accounts::{Accounts, CreateError};
use crate::features::audit::{Detail, kind};
use crate::features::change::{Record, Tx};
use crate::features::identities::{self, Identity, Vouched};
use crate::features::sessions::Admitted;
use crate::infra::limits::{self, Ip, Judged, Limit};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::metrics::{self, Outcome};
use crate::infra::providers::{Assertion, Provider};
use crate::kernel::access::{Origin, Proofs, Proven, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::LinkTokenId;

/// How often a sign-in is tried when somebody else is faster: with the identity, the address or the username.
const TRIES_MAX: usize = 3;

/// What a sign-in leads to.
#[expect(clippy::large_enum_variant, reason = "made once a request, to be taken apart at once")]
pub(crate) enum SignedIn {
    Admitted(User, Admitted),
    /// The address is written to, whether there is an account with it or not.
    AddressToProve {
        email: String,
    },
}

/// What a sign-in counts under: when it fails, when it makes an account, and when it has an address written to.
pub(crate) type SignInLimits<'a> = (&'a Limit<Ip>, &'a Limit<Ip>, &'a Limit<limits::Identifier>);

/// Somebody who came back from a provider.
pub(super) struct Arrival<'a> {
    pub(super) provider: &'a Provider,
    pub(super) assertion: &'a Assertion,
    /// The mail whose reader they are.
    pub(super) mailed: Option<LinkTokenId>,
}

impl<'a> Arrival<'a> {
    /// Who they are.
    pub(super) fn vouched(&self) -> Vouched<'a> {
        let Self { provider, assertion, .. } = *self;
        Vouched {
            provider: provider.id(),
            issuer: &assertion.issuer,
            subject: &assertion.subject,
            email: assertion.email.as_deref(),
        }
    }

    /// The address that the provider tells, if mail reaches it.
    pub(super) fn email(&self) -> Option<Email> {
        self.assertion.email.as_deref().and_then(|text| Email::parse(text).ok())
    }

    /// When they have proven who they are: just now, unless the provider says that it was before. Then a session begins that is as
    /// old as that, and its holder proves anew who they are before they do what needs a recent proof.
    pub(super) fn proven(&self, now: DateTime<Utc>) -> Proven {
        let at = self.assertion.auth_time.map_or(now, |at| at.min(now));
        Proven { at, by: Proofs::PROVIDER }
    }

    /// What of it the audit log tells.
    pub(super) fn detail(&self) -> Detail {
        Detail::of(self.provider.id())
    }
}

impl ProviderLogin {
    /// Signs in whoever came back from a provider.
    pub(crate) async fn finish_sign_in(
        &self,
        origin: &Origin,
        returned: &Returned<'_>,
        limits: SignInLimits<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let admission = self.limits.attempt([limits.0.of(origin.ip)]).await?;
        let finish = async {
            let (provider, flow, assertion) = self.vouched(Purpose::SignIn, None, returned).await?;
            let arrival = Arrival { provider, assertion: &assertion, mailed: flow.mailed };
            self.admit(origin, &arrival, limits).await
        };
        let outcome = Box::pin(finish).await;
        let flow = Flow::open(&self.master, returned.flow, self.clock.now());
        self.count(flow.map(|flow| flow.provider).as_deref(), &outcome);
        admission.settle(&outcome).await;
        outcome
    }

    /// Signs in whoever has an ID token of a provider, which was issued for the nonce of a flow of ours.
    pub(crate) async fn sign_in_with_id_token(
        &self,
        origin: &Origin,
        (named, id_token, flow): (&str, &str, &str),
        limits: SignInLimits<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let admission = self.limits.attempt([limits.0.of(origin.ip)]).await?;
        let sign_in = async {
            let opened = Flow::open(&self.master, flow, self.clock.now());
            let opened = opened.filter(|flow| flow.purpose == Purpose::IdToken);
            let opened = opened.ok_or(ProviderLoginError::Flow)?;
            let provider = self.providers.find(named);
            let provider = provider.ok_or(ProviderLoginError::UnknownProvider)?;
            if !provider.has_id_tokens() {
                return Err(ProviderLoginError::NoIdTokens);
            }
            self.use_up(&opened).await?;
            let nonce = nonce_of(flow);
            let asserted: Asked<'_, Assertion> =
                Box::pin(provider.verify_id_token(id_token, &nonce));
            let assertion = told(provider, asserted.await)?;
            let arrival = Arrival { provider, assertion: &assertion, mailed: None };
            self.admit(origin, &arrival, limits).await
        };
        let outcome = Box::pin(sign_in).await;
        self.count(Some(named), &outcome);
        admission.settle(&outcome).await;
        outcome
    }

    /// Counts what became of a sign-in with a provider of ours. A registration that waits for a mail signs nobody in yet.
    fn count(&self, provider: Option<&str>, outcome: &Result<SignedIn, ProviderLoginError>) {
        let provider = provider.and_then(|provider| self.providers.find(provider));
        let outcome = match outcome {
            Ok(SignedIn::Admitted(..)) => Outcome::Success,
            Ok(SignedIn::AddressToProve { .. }) => return,
            Err(error) if error.is_ours() => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        };
        if let Some(provider) = provider {
            metrics::provider_login(provider.id(), outcome);
        }
    }

    /// Signs in whoever has arrived.
    async fn admit(
        &self,
        origin: &Origin,
        arrival: &Arrival<'_>,
        (_failures, registrations, of_address): SignInLimits<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let Vouched { issuer, subject, .. } = arrival.vouched();
        let is_known = identities::find(self.db.reader(), issuer, subject).await?.is_some();
        // Counted before the transaction, which asks again: a look decides nothing else. A mail that was asked for is counted already.
        if !is_known && arrival.mailed.is_none() {
            if self.is_new(arrival).await? {
                self.admit_newcomers()?;
                self.limits.take([registrations.of(origin.ip)]).await?;
            }
            if !is_proven(arrival.provider, arrival.assertion) {
                let email = arrival.email().ok_or(ProviderLoginError::NoAddress)?;
                self.limits.take([of_address.of(email.key())]).await?;
            }
        }
        for _ in 0..TRIES_MAX {
            let sign_in = |tx| self.sign_in(tx, arrival);
            let acting = Acting::unknown(origin);
            match self.changes.run("sign in with a provider", acting, sign_in).await {
                Err(
                    ProviderLoginError::Taken | ProviderLoginError::Account(CreateError::Taken(_)),
                ) => {}
                outcome => return outcome,
            }
        }
        Err(ProviderLoginError::Contended)
    }

    /// Whether an account is to be made, or asked for. Of an address that nobody has proven it is, whatever account has it.
    async fn is_new(&self, arrival: &Arrival<'_>) -> Result<bool, ProviderLoginError> {
        if !is_proven(arrival.provider, arrival.assertion) {
            return Ok(true);
        }
        let email = arrival.email().ok_or(ProviderLoginError::NoAddress)?;
        let identifier = Identifier::Email(email.key().to_owned());
        let owner = Accounts::identified(self.db.reader(), &identifier).await?;
        Ok(owner.is_none_or(|owner| owner.is_active && !owner.email_verified))
    }

    async fn sign_in(
        &self,
        tx: Tx<'_>,
        arrival: &Arrival<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let Vouched { issuer, subject, .. } = arrival.vouched();
        if let Some(identity) = identities::find(&tx, issuer, subject).await? {
            return self.sign_in_known(tx, &identity, arrival).await;
        }
        if let Some(mailed) = arrival.mailed {
            return self.finish_registration(tx, mailed, arrival).await;
        }
        let email = arrival.email().ok_or(ProviderLoginError::NoAddress)?;
        if !is_proven(arrival.provider, arrival.assertion) {
            return self.ask_for_proof(tx, &email, arrival).await;
        }
        let account = Self::find_account(&tx, &email, issuer).await?;
        // While the account was waited for, the same identity may have made it: then it is known at the next try.
        if identities::find(&tx, issuer, subject).await?.is_some() {
            return Err(ProviderLoginError::Taken);
        }
        match account {
            Account::None => self.register(tx, &email, arrival).await,
            Account::Verified(user) => self.link_and_sign_in(tx, user, arrival).await,
            Account::Unverified(user) => {
                self.admit_newcomers()?;
                self.accounts.release(&tx, &user).await?;
                self.register(tx, &email, arrival).await
            }
            Account::Deactivated(user) => {
                Err(ProviderLoginError::Refused { account: Some(user.id) })
            }
            Account::Reserved | Account::UnverifiedWithRights | Account::VerifiedWithOther => {
                Err(ProviderLoginError::AccountExists)
            }
        }
    }

    /// Opens the account of an identity, if it still is that.
    async fn sign_in_known(
        &self,
        tx: Tx<'_>,
        identity: &Identity,
        arrival: &Arrival<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let user = Accounts::lock(&tx, identity.user).await?;
        let refused = ProviderLoginError::Refused { account: Some(identity.user) };
        let Some(user) = user.filter(|user| user.is_active) else { return Err(refused) };
        // Before the lock somebody may have unlinked it.
        let Vouched { issuer, subject, .. } = arrival.vouched();
        let still = identities::find(&tx, issuer, subject).await?;
        let still = still.filter(|still| still.id == identity.id);
        let identity = still.ok_or(ProviderLoginError::Taken)?;
        identities::touch(&tx, identity.id).await?;
        self.signed_in(tx, user, arrival).await
    }

    async fn link_and_sign_in(
        &self,
        tx: Tx<'_>,
        user: User,
        arrival: &Arrival<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        identities::link(&tx, user.id, arrival.vouched()).await?;
        let linked = Record::of(kind::IDENTITY_LINKED).about(user.id).by(user.id);
        tx.note(linked.in_detail(arrival.detail()));
        let letter = Letter::to(&user, MailKind::IdentityLinked, tx.acting().origin);
        tx.write(letter.naming(arrival.provider.name())).await?;
        self.signed_in(tx, user, arrival).await
    }

    /// Begins the session, and commits.
    pub(super) async fn signed_in(
        &self,
        tx: Tx<'_>,
        user: User,
        arrival: &Arrival<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let begun = Record::of(kind::SIGNED_IN).in_detail(arrival.detail());
        let (user, admitted) =
            self.accounts.sign_in(&tx, user, begun, arrival.proven(tx.now())).await?;
        Ok(tx.commit(SignedIn::Admitted(user, admitted)).await?)
    }
}
