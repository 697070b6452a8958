//! What is asked of providers over HTTP, within bounds that no provider can leave (OI-08).

use std::error::Error;
use std::iter::successors;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use oauth2::{HttpRequest, HttpResponse};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{redirect, retry};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::{Host, Url};

use super::addresses::{is_loopback, is_public};
use super::error::Away;
use crate::infra::causes::causes;
use crate::infra::metrics::{self, Outcome, ProviderRequest};

/// For a request with its whole answer, from the look-up of the name on.
const TIME_MAX: Duration = Duration::from_secs(5);
const BODY_LENGTH_MAX: usize = 1024 * 1024;
/// Under way at once to one provider.
const REQUESTS_MAX: usize = 32;
/// GitHub refuses whoever does not say who they are.
const USER_AGENT: &str = concat!("Portcullis/", env!("CARGO_PKG_VERSION"));

/// Asks one provider.
pub(super) struct Client {
    provider: Arc<str>,
    allows_private_addresses: bool,
    http: reqwest::Client,
    places: Semaphore,
}

/// Connects to addresses of the internet only, or to all.
#[derive(Clone)]
pub(super) struct Connector {
    allows_private_addresses: bool,
    http: reqwest::Client,
}

impl Connector {
    /// With `allows_private_addresses`, names may also lead to this machine and its network.
    pub(super) fn new(allows_private_addresses: bool) -> Result<Self, reqwest::Error> {
        Self::resolving(allows_private_addresses, System)
    }

    pub(super) fn resolving(
        allows_private_addresses: bool,
        names: impl Resolve + 'static,
    ) -> Result<Self, reqwest::Error> {
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .referer(false)
            .timeout(TIME_MAX);
        let builder = match allows_private_addresses {
            true => builder.dns_resolver(names),
            false => builder.dns_resolver(Public(Arc::new(names))),
        };
        Ok(Self { allows_private_addresses, http: builder.build()? })
    }
}

impl Client {
    pub(super) fn new(provider: &str, connector: Connector) -> Self {
        let provider = provider.into();
        metrics::begin_provider(&provider);
        Self {
            provider,
            allows_private_addresses: connector.allows_private_addresses,
            http: connector.http,
            places: Semaphore::new(REQUESTS_MAX),
        }
    }

    /// Whether requests may go there, as far as the URL tells.
    pub(super) fn check_url(&self, url: &Url) -> Result<(), Away> {
        let is_local = url.scheme() == "http" && self.allows_private_addresses && is_loopback(url);
        let is_anonymous = url.username().is_empty() && url.password().is_none();
        if !is_anonymous || !is_local && url.scheme() != "https" {
            return Err(Away::Insecure);
        }
        // Nobody resolves an address.
        let address: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) => None,
            None => return Err(Away::Insecure),
        };
        match address {
            Some(address) if !self.allows_private_addresses && !is_public(address) => {
                Err(Away::PrivateAddress)
            }
            _ => Ok(()),
        }
    }

    /// The answer, if it is one to read: a success, or a refusal of what was asked.
    pub(super) async fn send(
        &self,
        request: HttpRequest,
        what: ProviderRequest,
    ) -> Result<HttpResponse, Away> {
        let mut counted = Counted { client: self, what, outcome: Outcome::Unavailable };
        let ask = async {
            // Others wait for a place as long as for an answer.
            let _place = self.places.acquire().await.map_err(|_closed| Away::Slow)?;
            self.send_in_time(request).await
        };
        let answer = timeout(TIME_MAX, ask).await.unwrap_or(Err(Away::Slow))?;
        let status = answer.status();
        if status.is_redirection() {
            return Err(Away::Redirect);
        }
        let is_refusal = status.is_client_error() && !matches!(status.as_u16(), 408 | 429);
        if !status.is_success() && !is_refusal {
            return Err(Away::Status(status.as_u16()));
        }
        if !is_refusal && !is_json(answer.headers()) {
            return Err(Away::ContentType);
        }
        counted.outcome = if is_refusal { Outcome::Refused } else { Outcome::Success };
        Ok(answer)
    }

    async fn send_in_time(&self, request: HttpRequest) -> Result<HttpResponse, Away> {
        let request = reqwest::Request::try_from(request).map_err(away)?;
        self.check_url(request.url())?;
        let mut answer = self.http.execute(request).await.map_err(away)?;
        let is_long = |length| length > BODY_LENGTH_MAX as u64;
        if answer.content_length().is_some_and(is_long) {
            return Err(Away::TooLong);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > BODY_LENGTH_MAX {
                return Err(Away::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut whole = HttpResponse::new(body);
        *whole.status_mut() = answer.status();
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(whole)
    }
}

/// Whether an answer is called JSON, or something that is made of it, as `application/jwk-set+json`: a page that somebody
/// has put up at a provider is none of its answers.
fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.ends_with("+json")
}

/// Counts a request when it is over, given up or not.
struct Counted<'c> {
    client: &'c Client,
    what: ProviderRequest,
    outcome: Outcome,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        metrics::provider_request(&self.client.provider, self.what, self.outcome);
    }
}

fn away(error: reqwest::Error) -> Away {
    let chain = || successors(Some(&error as &(dyn Error + 'static)), |error| (*error).source());
    if chain().any(<dyn Error>::is::<NotPublic>) {
        return Away::PrivateAddress;
    }
    if error.is_timeout() {
        return Away::Slow;
    }
    // The URL may hold a code, and a certificate whatever its owner likes.
    Away::Unreachable(causes(&error.without_url()).escape_debug().to_string())
}

/// A name leads nowhere on the internet.
#[derive(Debug, thiserror::Error)]
#[error("the host name has no public address")]
struct NotPublic;

/// The resolver of the operating system.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port of the URL takes the place of this one.
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// What another resolver finds, but for addresses that are not of the internet. The connection is made to
/// what was looked at here, so a name that leads elsewhere by then gains nothing.
struct Public(Arc<dyn Resolve>);

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let finding = self.0.resolve(name);
        Box::pin(async move {
            let public: Vec<_> = finding.await?.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
