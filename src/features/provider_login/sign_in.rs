//! What a provider says about somebody, for a session.

use chrono::{DateTime, Utc};

use super::flow::{Flow, Purpose, nonce_of};
use super::linking::{Decision, decide, is_proven};
use super::{Asked, ProviderLogin, ProviderLoginError, Returned, judged};
use crate::features::accounts::identity::{Email, Identifier};
use crate::features::accounts::{Accounts, CreateError};
use crate::features::audit::{Detail, kind};
use crate::features::change::{Record, Tx};
use crate::features::identities::{self, Identity, Vouched};
use crate::features::sessions::Tokens;
use crate::infra::limits::{self, Ip, Limit};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::metrics::{self, Outcome};
use crate::infra::providers::{Assertion, Provider};
use crate::kernel::access::{Origin, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::LinkTokenId;

/// How often a sign-in is tried when somebody else is faster: with the identity, the address or the username.
const TRIES_MAX: usize = 3;

/// What a sign-in leads to.
#[expect(clippy::large_enum_variant, reason = "made once a request, to be taken apart at once")]
pub(crate) enum SignedIn {
    Session(User, Tokens),
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
            self.arrive(origin, &arrival, limits).await
        };
        let outcome = Box::pin(finish).await;
        admission.settle(&outcome).await;
        outcome
    }

    /// Signs in whoever has an ID token of a provider, which was issued for the nonce of a flow of ours.
    pub(crate) async fn sign_in_with_id_token(
        &self,
        origin: &Origin,
        (provider, id_token, flow): (&str, &str, &str),
        limits: SignInLimits<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let admission = self.limits.attempt([limits.0.of(origin.ip)]).await?;
        let sign_in = async {
            let opened = Flow::open(&self.master, flow, self.clock.now());
            let opened = opened.filter(|flow| flow.purpose == Purpose::IdToken);
            let opened = opened.ok_or(ProviderLoginError::Flow)?;
            let provider = self.providers.find(provider);
            let provider = provider.ok_or(ProviderLoginError::UnknownProvider)?;
            self.use_up(&opened).await?;
            let nonce = nonce_of(flow);
            let asserted: Asked<'_, Assertion> =
                Box::pin(provider.verify_id_token(id_token, &nonce));
            let assertion = judged(provider, asserted.await)?;
            let arrival = Arrival { provider, assertion: &assertion, mailed: None };
            self.arrive(origin, &arrival, limits).await
        };
        let outcome = Box::pin(sign_in).await;
        admission.settle(&outcome).await;
        outcome
    }

    /// Signs in whoever has arrived, and counts what becomes of it.
    async fn arrive(
        &self,
        origin: &Origin,
        arrival: &Arrival<'_>,
        limits: SignInLimits<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let outcome = self.admit(origin, arrival, limits).await;
        metrics::provider_login(
            arrival.provider.id(),
            match &outcome {
                Ok(_) => Outcome::Success,
                Err(ProviderLoginError::Fault(fault)) if fault.is_ours() => Outcome::Unavailable,
                Err(_) => Outcome::Refused,
            },
        );
        outcome
    }

    async fn admit(
        &self,
        origin: &Origin,
        arrival: &Arrival<'_>,
        (_failures, registrations, of_address): SignInLimits<'_>,
    ) -> Result<SignedIn, ProviderLoginError> {
        let Vouched { issuer, subject, .. } = arrival.vouched();
        let is_known = identities::find(self.db.reader(), issuer, subject).await?.is_some();
        // Counted before the transaction, which asks again: a look decides nothing else.
        if !is_known && self.is_new(arrival).await? {
            self.admit_newcomers()?;
            self.limits.take([registrations.of(origin.ip)]).await?;
        }
        if !is_known && !is_proven(arrival.provider, arrival.assertion) && arrival.mailed.is_none()
        {
            let email = arrival.email().ok_or(ProviderLoginError::NoAddress)?;
            self.limits.take([of_address.of(email.key())]).await?;
        }
        for _ in 0..TRIES_MAX {
            let sign_in = |tx| self.sign_in(tx, arrival);
            let acting = Acting::unknown(origin);
            match self.changes.run("sign in with a provider", acting, sign_in).await {
                Err(
                    ProviderLoginError::Taken | ProviderLoginError::Account(CreateError::Taken(_)),
                ) => {}
                // By the time the account was looked for, the same identity had made it.
                Err(ProviderLoginError::AccountExists)
                    if identities::find(self.db.reader(), issuer, subject).await?.is_some() => {}
                outcome => return outcome,
            }
        }
        Err(ProviderLoginError::Refused { account: None })
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
        let (account, user) = self.find_account(&tx, &email, issuer).await?;
        match (decide(true, account), user) {
            (Decision::Link, Some(user)) => self.link_and_sign_in(tx, user, arrival).await,
            (Decision::Replace, Some(user)) => {
                self.admit_newcomers()?;
                self.accounts.release(&tx, &user).await?;
                self.register(tx, &email, arrival).await
            }
            (Decision::Register, _) => self.register(tx, &email, arrival).await,
            (Decision::Refuse, user) => {
                Err(ProviderLoginError::Refused { account: user.map(|user| user.id) })
            }
            (Decision::Exists | Decision::Prove | Decision::Link | Decision::Replace, _) => {
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
        let (user, tokens) = self.accounts.sign_in(&tx, user, begun).await?;
        Ok(tx.commit(SignedIn::Session(user, tokens)).await?)
    }
}

/// Whether somebody proved at a provider who they are within the last five minutes, as clocks that differ a little see it.
pub(super) fn is_recent(assertion: &Assertion, now: DateTime<Utc>) -> bool {
    assertion.auth_time.is_some_and(|at| {
        let age = (now - at).num_seconds();
        (-super::holders::CLOCKS_DIFFER_SECONDS..=super::holders::PROOF_SECONDS_MAX).contains(&age)
    })
}
