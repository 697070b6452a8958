//! A flow: what is kept of a sign-in with a provider from its beginning to its end.
//!
//! No instance remembers one. All of it is sealed under the master secret: the *flow* goes to whoever begins it and stands
//! in no URL; the *state* goes through the provider, and opens nothing without the flow. A flow lives for ten minutes and is
//! finished once (OI-01). In cookie mode it is the browser's that holds the cookie of flows; otherwise whoever holds the
//! flow itself is its owner.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Returned;
use crate::infra::keys::{Master, SealedToken};
use crate::infra::providers;
use crate::kernel::id::{FlowId, LinkTokenId, SessionId, UserId};
use crate::kernel::secret::{self, CryptoError, OpaqueToken, base64url, hex, sha256};

/// How long a flow lives.
pub(crate) const FLOW_TTL_SECONDS: u32 = 600;

const FLOW: SealedToken =
    SealedToken { prefix: "pcf_", context: "provider-flow", length_max: 2_000 };
const STATE: SealedToken =
    SealedToken { prefix: "pcv_", context: "provider-state", length_max: 2_000 };
/// Of the token that tells browsers apart.
const BROWSER: &str = "pcb_";

/// What a flow is for. One for one thing does nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    SignIn,
    /// An ID token that an app gets by itself.
    IdToken,
    Link,
    Reauthentication,
}

/// What its holder keeps, sealed.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flow {
    #[serde(rename = "i")]
    pub(super) id: FlowId,
    #[serde(rename = "p")]
    pub(super) purpose: Purpose,
    /// Empty for an ID token, which says itself by whom it is.
    #[serde(rename = "r")]
    pub(super) provider: String,
    /// The PKCE verifier (RFC 7636).
    #[serde(rename = "v")]
    verifier: String,
    #[serde(rename = "n")]
    nonce: String,
    /// The digest of the token of the browser that it is bound to.
    #[serde(rename = "b")]
    browser: Option<String>,
    /// By whom, and in which session, it was begun for themselves.
    #[serde(rename = "h")]
    pub(super) holder: Option<(SessionId, UserId)>,
    /// The mail that shows whose an address is.
    #[serde(rename = "m")]
    pub(super) mailed: Option<LinkTokenId>,
    #[serde(rename = "e")]
    pub(super) expires_at: DateTime<Utc>,
}

/// What goes through the provider, sealed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    #[serde(rename = "i")]
    pub(super) id: FlowId,
    #[serde(rename = "r")]
    pub(super) provider: String,
    #[serde(rename = "t")]
    pub(super) return_to: String,
    #[serde(rename = "b")]
    browser: Option<String>,
    #[serde(rename = "e")]
    expires_at: DateTime<Utc>,
}

/// What tells in cookie mode that it is the same browser: a random token in a cookie of its own, for all of its flows.
#[derive(Debug)]
pub(crate) struct BrowserToken(OpaqueToken);

impl BrowserToken {
    /// The one that a browser has, or else another.
    pub(super) fn of(presented: Option<&str>) -> Result<Self, CryptoError> {
        match presented.and_then(|text| OpaqueToken::parse(BROWSER, text)) {
            Some(token) => Ok(Self(token)),
            None => OpaqueToken::generate(BROWSER).map(Self),
        }
    }

    fn digest(&self) -> String {
        base64url(self.0.hash())
    }

    /// The token itself, for the browser.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flow({:?}, ..)", self.id)
    }
}

impl Flow {
    /// A new one.
    pub(super) fn begin(
        purpose: Purpose,
        provider: &str,
        browser: Option<&BrowserToken>,
        now: DateTime<Utc>,
    ) -> Result<Self, CryptoError> {
        Ok(Self {
            id: FlowId::new(now),
            purpose,
            provider: provider.to_owned(),
            verifier: base64url(secret::random::<32>()?),
            nonce: base64url(secret::random::<16>()?),
            browser: browser.map(BrowserToken::digest),
            holder: None,
            mailed: None,
            expires_at: now + TimeDelta::seconds(FLOW_TTL_SECONDS.into()),
        })
    }

    /// It as its holder keeps it.
    pub(super) fn seal(&self, master: &Master) -> Result<String, super::Fault> {
        Ok(FLOW.seal(master, &serde_json::to_vec(self)?)?)
    }

    /// The state of it for the provider.
    pub(super) fn state(&self, master: &Master, return_to: &str) -> Result<String, super::Fault> {
        let state = State {
            id: self.id,
            provider: self.provider.clone(),
            return_to: return_to.to_owned(),
            browser: self.browser.clone(),
            expires_at: self.expires_at,
        };
        Ok(STATE.seal(master, &serde_json::to_vec(&state)?)?)
    }

    /// Reads one that was presented and has not expired; `None` for whatever is none of ours.
    pub(super) fn open(master: &Master, text: &str, now: DateTime<Utc>) -> Option<Self> {
        let flow: Self = serde_json::from_slice(&FLOW.open(master, text)?).ok()?;
        (now < flow.expires_at).then_some(flow)
    }

    /// Whether it is the flow of a state that came back, in the browser that it was begun in.
    pub(super) fn is_of(&self, state: &State, browser: Option<&str>) -> bool {
        self.id == state.id
            && self.provider == state.provider
            && is_bound(self.browser.as_deref(), browser)
    }

    /// What the provider is asked with when its answer has come.
    pub(super) fn answer<'a>(&'a self, returned: &Returned<'a>) -> providers::Answer<'a> {
        providers::Answer {
            code: returned.code,
            code_verifier: &self.verifier,
            nonce: &self.nonce,
            iss: returned.iss,
            user: returned.user,
        }
    }

    /// What an authorization URL is made of.
    pub(super) fn challenge(&self) -> (String, &str) {
        (base64url(sha256(self.verifier.as_bytes())), &self.nonce)
    }
}

impl State {
    /// Reads one that came back and has not expired; `None` for whatever is none of ours.
    pub(super) fn open(master: &Master, text: &str, now: DateTime<Utc>) -> Option<Self> {
        let state: Self = serde_json::from_slice(&STATE.open(master, text)?).ok()?;
        (now < state.expires_at).then_some(state)
    }

    /// Whether it came back to the browser that it was begun in.
    pub(super) fn is_at_home(&self, browser: Option<&str>) -> bool {
        is_bound(self.browser.as_deref(), browser)
    }
}

/// Whether a browser presents the token that something is bound to, if it is bound to any.
fn is_bound(digest: Option<&str>, presented: Option<&str>) -> bool {
    let Some(digest) = digest else { return true };
    let presented = presented.and_then(|text| OpaqueToken::parse(BROWSER, text));
    presented.is_some_and(|token| BrowserToken(token).digest() == digest)
}

/// The nonce of an ID token that an app is to get for a flow, which it cannot be derived back from.
pub(super) fn nonce_of(flow: &str) -> String {
    hex(&sha256(flow.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(secret: u8, previous: Option<&[u8]>) -> Master {
        Master::new(&[secret; 32], previous).unwrap()
    }

    #[test]
    fn the_longest_flow_and_state_come_back_as_they_were() {
        let (master, now) = (master(1, None), DateTime::UNIX_EPOCH);
        let browser = BrowserToken::of(None).unwrap();
        let mut flow =
            Flow::begin(Purpose::Reauthentication, &"p".repeat(32), Some(&browser), now).unwrap();
        flow.holder = Some((SessionId::new(now), UserId::new(now)));
        flow.mailed = Some(LinkTokenId::new(now));
        let sealed = flow.seal(&master).unwrap();
        assert_eq!(Flow::open(&master, &sealed, now).as_ref(), Some(&flow));
        // The longest that RETURN_URLS takes.
        let return_to = format!("https://app.example.com/{}", "a".repeat(488));
        let text = flow.state(&master, &return_to).unwrap();
        let state = State::open(&master, &text, now).unwrap();
        assert_eq!(state.return_to, return_to);
        assert!(flow.is_of(&state, Some(browser.expose())) && !flow.is_of(&state, None));
        assert!(state.is_at_home(Some(browser.expose())) && !state.is_at_home(Some("pcb_")));
    }

    #[test]
    fn a_flow_opens_under_its_secret_and_the_next_one_for_ten_minutes() {
        let now = DateTime::UNIX_EPOCH;
        let flow = Flow::begin(Purpose::SignIn, "acme", None, now).unwrap();
        let old = master(1, None);
        let (sealed, state) =
            (flow.seal(&old).unwrap(), flow.state(&old, "https://a.example").unwrap());
        let turned = master(2, Some(&[1; 32]));
        assert!(Flow::open(&turned, &sealed, now).is_some());
        assert!(State::open(&turned, &state, now).is_some());
        let last = now + TimeDelta::seconds(599);
        assert!(Flow::open(&old, &sealed, last).is_some());
        for (master, at) in [(&master(2, None), now), (&old, last + TimeDelta::seconds(1))] {
            assert!(Flow::open(master, &sealed, at).is_none());
            assert!(State::open(master, &state, at).is_none());
        }
        // Neither is the other.
        assert!(Flow::open(&old, &state.replace("pcv_", "pcf_"), now).is_none());
        assert!(State::open(&old, &sealed.replace("pcf_", "pcv_"), now).is_none());
    }
}
