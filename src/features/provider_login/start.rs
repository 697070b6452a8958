//! How a flow begins, and how it comes back to whoever began it.

use super::flow::{BrowserToken, Flow, Purpose, State, nonce_of};
use super::newcomers::PendingRegistration;
use super::{Asked, ProviderLogin, ProviderLoginError, Returned, told};
use crate::features::links::{self, LinkToken};
use crate::infra::limits::{Ip, Limit};
use crate::infra::providers::{Authorization, Prompt, Provider};
use crate::kernel::access::{Origin, TokenMode, Viewer};
use crate::kernel::id::LinkTokenId;

/// What somebody asks for who begins a flow.
#[derive(Clone, Copy)]
pub(crate) struct Begin<'a> {
    pub(crate) provider: &'a str,
    /// Where to send them back to; by default the first place that the operator allows.
    pub(crate) return_to: Option<&'a str>,
    /// What tells the browser apart that has begun flows before; only in cookie mode.
    pub(crate) browser: Option<&'a str>,
}

/// A flow that has begun.
pub(crate) struct Begun {
    /// Where to send the person.
    pub(crate) authorization_url: String,
    /// What its holder keeps until they finish it.
    pub(crate) flow: String,
    /// What the browser keeps, in cookie mode.
    pub(crate) browser: Option<BrowserToken>,
}

/// A flow for an app that gets an ID token by itself.
pub(crate) struct IdTokenFlow {
    pub(crate) flow: String,
    /// What the app asks the provider to put into the token.
    pub(crate) nonce: String,
}

impl ProviderLogin {
    /// Begins a sign-in; or, with what a mail carries that proves an address, the end of a registration.
    pub(crate) async fn start_sign_in(
        &self,
        origin: &Origin,
        begin: Begin<'_>,
        mailed: Option<&str>,
        (starts, links): (&Limit<Ip>, &Limit<Ip>),
    ) -> Result<Begun, ProviderLoginError> {
        self.limits.take([starts.of(origin.ip)]).await?;
        let (provider, return_to) = self.parse(begin)?;
        let mut flow = self.flow(origin, Purpose::SignIn, provider, begin)?;
        if let Some(token) = mailed {
            let token = LinkToken::parse(token);
            let find = self.find_mailed(token.as_ref(), provider);
            let found = self.link_gate.admit(origin, token.as_ref(), links, find).await?;
            flow.0.mailed = Some(found);
        }
        self.begun(provider, return_to, flow, Prompt::Choose).await
    }

    /// Begins the linking of an identity to the caller, or another proof that they are who they are.
    pub(crate) async fn start_as_holder(
        &self,
        origin: &Origin,
        viewer: &Viewer,
        begin: Begin<'_>,
        prompt: Prompt,
        starts: &Limit<Ip>,
    ) -> Result<Begun, ProviderLoginError> {
        self.limits.take([starts.of(origin.ip)]).await?;
        let (provider, return_to) = self.parse(begin)?;
        if prompt == Prompt::Reauthenticate && self.sessions.needs_two_factors(&viewer.user) {
            return Err(ProviderLoginError::SecondFactorNeeded);
        }
        if prompt == Prompt::Reauthenticate && !provider.can_reauthenticate() {
            return Err(ProviderLoginError::NoReauthentication);
        }
        let purpose = match prompt {
            Prompt::Choose => Purpose::Link,
            Prompt::Reauthenticate => Purpose::Reauthentication,
        };
        let mut flow = self.flow(origin, purpose, provider, begin)?;
        flow.0.holder = Some((viewer.session_id, viewer.user.id));
        self.begun(provider, return_to, flow, prompt).await
    }

    /// Begins the sign-in of an app that gets an ID token by itself.
    pub(crate) async fn start_id_token(
        &self,
        origin: &Origin,
        starts: &Limit<Ip>,
    ) -> Result<IdTokenFlow, ProviderLoginError> {
        self.limits.take([starts.of(origin.ip)]).await?;
        let flow = Flow::begin(Purpose::IdToken, "", None, self.clock.now())?;
        let flow = flow.seal(&self.master)?;
        Ok(IdTokenFlow { nonce: nonce_of(&flow), flow })
    }

    /// Where an answer goes on that a provider has sent to this browser. Looking changes nothing: whoever holds the flow
    /// finishes it (OI-07). `None` for an answer that belongs to no living flow of the browser.
    pub(crate) fn destination(
        &self,
        provider: &str,
        state: &str,
        browser: Option<&str>,
    ) -> Option<String> {
        let state = self.returned(provider, state)?;
        state.is_at_home(browser).then_some(state.return_to)
    }

    /// The same where it is not known yet which browser it is.
    pub(crate) fn destination_elsewhere(&self, provider: &str, state: &str) -> Option<String> {
        self.returned(provider, state).map(|state| state.return_to)
    }

    fn returned(&self, provider: &str, state: &str) -> Option<State> {
        let state = State::open(&self.master, state, self.clock.now())?;
        (state.provider == provider && self.is_allowed(&state.return_to)).then_some(state)
    }

    /// The flow that an answer belongs to, if it is for this purpose and this browser.
    pub(super) fn matching(&self, purpose: Purpose, returned: &Returned<'_>) -> Option<Flow> {
        let now = self.clock.now();
        let flow = Flow::open(&self.master, returned.flow, now)?;
        let state = State::open(&self.master, returned.state, now)?;
        (flow.purpose == purpose && flow.is_of(&state, returned.browser)).then_some(flow)
    }

    fn parse<'a>(
        &'a self,
        begin: Begin<'a>,
    ) -> Result<(&'a Provider, &'a str), ProviderLoginError> {
        let provider = self.providers.find(begin.provider);
        let provider = provider.ok_or(ProviderLoginError::UnknownProvider)?;
        let return_to = begin.return_to.or_else(|| self.destinations.allowed.first());
        let return_to = return_to.filter(|url| self.is_allowed(url));
        Ok((provider, return_to.ok_or(ProviderLoginError::ReturnTo)?))
    }

    fn is_allowed(&self, url: &str) -> bool {
        url == self.destinations.own || self.destinations.allowed.allows(url)
    }

    fn flow(
        &self,
        origin: &Origin,
        purpose: Purpose,
        provider: &Provider,
        begin: Begin<'_>,
    ) -> Result<(Flow, Option<BrowserToken>), ProviderLoginError> {
        let browser = match origin.token_mode {
            TokenMode::Cookie => Some(BrowserToken::of(begin.browser)?),
            TokenMode::Body => None,
        };
        let flow = Flow::begin(purpose, provider.id(), browser.as_ref(), self.clock.now())?;
        Ok((flow, browser))
    }

    async fn begun(
        &self,
        provider: &Provider,
        return_to: &str,
        (flow, browser): (Flow, Option<BrowserToken>),
        prompt: Prompt,
    ) -> Result<Begun, ProviderLoginError> {
        let state = flow.state(&self.master, return_to)?;
        let (challenge, nonce) = flow.challenge();
        let request = Authorization { state: &state, nonce, code_challenge: &challenge, prompt };
        let asked: Asked<'_, String> = Box::pin(provider.authorization_url(&request));
        let authorization_url = told(provider, asked.await)?;
        Ok(Begun { authorization_url, flow: flow.seal(&self.master)?, browser })
    }

    /// The mail of a registration with this provider whose address its reader has proven.
    async fn find_mailed(
        &self,
        token: Option<&LinkToken>,
        provider: &Provider,
    ) -> Result<LinkTokenId, ProviderLoginError> {
        let purposes = [links::Purpose::ProviderRegistration];
        let found = links::find(self.db.reader(), self.clock.now(), token, &purposes).await?;
        let pending: PendingRegistration = found.details()?;
        match pending.provider == provider.id() {
            true => Ok(found.id),
            false => Err(ProviderLoginError::Link),
        }
    }
}
