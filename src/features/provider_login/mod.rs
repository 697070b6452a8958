//! Signing in with another provider: what Google, GitHub or any OpenID provider says about somebody, for a session.
//!
//! It begins with a [`flow`], which its holder keeps, and ends with what the provider sends back. What a provider says is
//! about an identity and never about an account: whose account it opens, and when an address is enough to find it, is
//! [`linking`]; what becomes of somebody who has none is [`newcomers`], and what holders of a session do with theirs is
//! [`own_identities`].

mod export;
mod flow;
mod linking;
mod newcomers;
mod own_identities;
mod sign_in;
mod start;

use std::pin::Pin;
use std::sync::Arc;

pub(crate) use self::export::HOLDING;
pub(crate) use self::flow::FLOW_TTL_SECONDS;
use self::flow::{Flow, Purpose};
pub(crate) use self::sign_in::SignedIn;
pub(crate) use self::start::{Begin, Begun};
use crate::features::accounts::{Accounts, CreateError};
use crate::features::change::{Changes, Fault, with_fault};
use crate::features::identities::LinkingError;
use crate::features::sessions::{Sessions, Tools};
use crate::features::{flows, links};
use crate::infra::causes::causes;
use crate::infra::db::Db;
use crate::infra::keys::Master;
use crate::infra::limits::{self, Ip, Judged, Limit, Limited, Limits};
use crate::infra::providers::{Assertion, Provider, ProviderError, Providers, ReturnUrls};
use crate::kernel::access::Viewer;
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;

/// What keeps one client from having a provider asked for its endpoints, and flows sealed, again and again.
pub(crate) static STARTS: Limit<Ip> = Limit::quota("startSignIn.ip", 60, 60);
/// What slows down whoever finishes flows that lead nowhere: each may cost a request to the provider (BF-09).
pub(crate) static FAILURES: Limit<Ip> = Limit::failures("finishSignIn.ip", 30, 60);
/// The same of whoever holds a session.
pub(crate) static FAILURES_OF_USER: Limit<limits::User> =
    Limit::failures("provider.user", 20, 60 * 60);

/// Why nobody was signed in, or no identity linked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderLoginError {
    #[error("no provider has this id")]
    UnknownProvider,
    #[error("the return URL is not in RETURN_URLS")]
    ReturnTo,
    #[error("the flow has expired, was already used, or belongs to another browser or purpose")]
    Flow,
    #[error("the link to finish a registration is invalid, or for another provider")]
    Link,
    /// What the provider says is not acceptable, or opens nothing.
    #[error("the identity at the provider does not open an account")]
    Refused {
        /// For the audit log only; nobody is told.
        account: Option<UserId>,
    },
    /// What the provider says shows that somebody was there too long ago, or does not say when.
    #[error("the provider does not report a recent sign-in")]
    Stale,
    #[error("the provider cannot confirm a user's identity again")]
    NoReauthentication,
    #[error("a provider is not sufficient for an account with a second factor")]
    SecondFactorNeeded,
    #[error("the provider issues no ID tokens")]
    NoIdTokens,
    /// Others were faster, with the identity, the address or the username, each time that it was tried.
    #[error("other requests took the identity, address or username first")]
    Contended,
    #[error("the provider is not available")]
    Unavailable(#[source] ProviderError),
    /// The address is that of an account to which its owner has to link the identity.
    #[error("an account already has the address")]
    AccountExists,
    #[error("registration is closed on this server")]
    Closed,
    #[error("the provider does not share a usable address")]
    NoAddress,
    #[error("the account requires a verified address, and the server does not send mail")]
    NoMail,
    #[error("the identity is linked to another account")]
    Taken,
    #[error("the account has too many identities")]
    TooMany,
    #[error("the identity does not exist")]
    NotFound,
    #[error("the account has no other way to sign in")]
    LastWayIn,
    #[error(transparent)]
    Account(CreateError),
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(ProviderLoginError);

impl From<CreateError> for ProviderLoginError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Fault(fault) => Self::Fault(fault),
            CreateError::Limited(limited) => Self::Limited(limited),
            error => Self::Account(error),
        }
    }
}

impl From<LinkingError> for ProviderLoginError {
    fn from(error: LinkingError) -> Self {
        match error {
            LinkingError::Taken => Self::Taken,
            LinkingError::TooMany => Self::TooMany,
            LinkingError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<ProviderError> for ProviderLoginError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Unavailable(_) => Self::Unavailable(error),
            ProviderError::Refused(_) => Self::Refused { account: None },
        }
    }
}

impl Judged for ProviderLoginError {
    fn is_ours(&self) -> bool {
        match self {
            Self::Fault(fault) => fault.is_ours(),
            Self::Account(error) => error.is_ours(),
            Self::Unavailable(_) | Self::Contended => true,
            Self::UnknownProvider
            | Self::ReturnTo
            | Self::Flow
            | Self::Link
            | Self::Refused { .. }
            | Self::Stale
            | Self::NoReauthentication
            | Self::NoIdTokens
            | Self::SecondFactorNeeded
            | Self::AccountExists
            | Self::Closed
            | Self::NoAddress
            | Self::NoMail
            | Self::Taken
            | Self::TooMany
            | Self::NotFound
            | Self::LastWayIn
            | Self::Limited(_) => false,
        }
    }

    fn is_failure(&self) -> bool {
        matches!(self, Self::Flow | Self::Link | Self::Refused { .. } | Self::Stale)
    }
}

/// What a provider sent back, with the flow that it belongs to.
pub(crate) struct Returned<'a> {
    /// As its holder has kept it.
    pub(crate) flow: &'a str,
    pub(crate) code: &'a str,
    pub(crate) state: &'a str,
    /// Who sent it (RFC 9207), where the provider says so.
    pub(crate) iss: Option<&'a str>,
    /// What Apple posts beside the code: a name that nobody vouches for.
    pub(crate) user: Option<&'a str>,
    /// What shows in cookie mode that it is the same browser.
    pub(crate) browser: Option<&'a str>,
}

/// Signs people in with what other providers say of them.
#[derive(Clone)]
pub(crate) struct ProviderLogin {
    db: Db,
    clock: Clock,
    limits: Limits,
    changes: Changes,
    sessions: Sessions,
    accounts: Accounts,
    link_gate: links::Gate,
    master: Arc<Master>,
    providers: Providers,
    destinations: Destinations,
}

/// Where people may be sent back to.
#[derive(Clone)]
pub(crate) struct Destinations {
    /// As the operator allows.
    pub(crate) allowed: ReturnUrls,
    /// The server's own page for what its mails about registrations lead to.
    pub(crate) own: String,
}

impl ProviderLogin {
    pub(crate) fn new(
        tools: Tools,
        accounts: Accounts,
        master: Arc<Master>,
        destinations: Destinations,
    ) -> Self {
        let providers = accounts.providers().clone();
        let Tools { db, clock, limits, changes, sessions, link_gate, .. } = tools;
        Self {
            db,
            clock,
            limits,
            changes,
            sessions,
            accounts,
            link_gate,
            master,
            providers,
            destinations,
        }
    }

    /// The providers that are configured, in their order.
    pub(crate) fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Has the provider of a flow say who came back, once: the flow is used up by it, whatever comes of it, so that it costs
    /// one exchange.
    async fn vouched(
        &self,
        purpose: Purpose,
        holder: Option<&Viewer>,
        returned: &Returned<'_>,
    ) -> Result<(&Provider, Flow, Assertion), ProviderLoginError> {
        let holder = holder.map(|viewer| (viewer.session_id, viewer.user.id));
        let flow = self.matching(purpose, returned).filter(|flow| flow.holder == holder);
        let flow = flow.ok_or(ProviderLoginError::Flow)?;
        let provider = self.providers.find(&flow.provider).ok_or(ProviderLoginError::Flow)?;
        self.use_up(&flow).await?;
        let answer = flow.answer(returned);
        let asserted: Asked<'_, Assertion> = Box::pin(provider.exchange(&answer));
        let assertion = told(provider, asserted.await)?;
        Ok((provider, flow, assertion))
    }

    /// Uses a flow up. Of many at once, one does: the primary key settles which.
    async fn use_up(&self, flow: &Flow) -> Result<(), ProviderLoginError> {
        let finish = || flows::finish(self.db.writer(), flow.id, flow.expires_at);
        match self.changes.by_statement("finish a flow", finish).await? {
            true => Ok(()),
            false => Err(ProviderLoginError::Flow),
        }
    }
}

/// What a provider is asked for. Its type says nothing of what its making borrows, which the compiler cannot see through.
type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// Says once in the log why a provider could not be asked, or why its answer is refused.
fn told<T>(provider: &Provider, answer: Result<T, ProviderError>) -> Result<T, ProviderLoginError> {
    answer.map_err(|error| {
        tracing::warn!(
            provider.id = provider.id(),
            error = %causes(&error),
            "the answer of a provider is not acceptable"
        );
        error.into()
    })
}
