//! GitHub, which issues no ID tokens: who somebody is, its API tells.

use serde_json::Value;
use url::Url;

use super::claims::{self, Claims, email, full_name, picture, username};
use super::error::{Away, ProviderError, Refusal};
use super::settings::Endpoints;
use super::{Assertion, Provider};
use crate::infra::metrics::ProviderRequest;

/// The public one. An installation of a company's own has another.
pub(crate) const ISSUER: &str = "https://github.com";
/// The hosts of companies that GitHub runs the servers for.
const HOSTED: &str = ".ghe.com";
const JSON: &str = "application/vnd.github+json";

/// Where an installation of GitHub is asked.
pub(crate) fn endpoints(issuer: &str) -> Endpoints {
    let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let api = match host {
        Some(_) if issuer == ISSUER => "https://api.github.com".to_owned(),
        Some(host) if host.ends_with(HOSTED) => format!("https://api.{host}"),
        _ => format!("{issuer}/api/v3"),
    };
    Endpoints {
        authorization: format!("{issuer}/login/oauth/authorize"),
        token: format!("{issuer}/login/oauth/access_token"),
        userinfo: format!("{api}/user"),
    }
}

impl Provider {
    /// The account of an access token.
    pub(super) async fn github_account(
        &self,
        user: &Url,
        access_token: &str,
    ) -> Result<Assertion, ProviderError> {
        let mut addresses = user.clone();
        addresses.set_path(&format!("{}/emails", user.path()));
        let (account, addresses) = tokio::try_join!(
            self.ask(user, access_token, JSON, ProviderRequest::Profile),
            self.ask(&addresses, access_token, JSON, ProviderRequest::Addresses),
        )?;
        let nonsense = || Away::Nonsense("a profile");
        let account = match account.status().as_u16() {
            200 => Claims::parse(account.body()).ok_or_else(nonsense)?,
            other => return Err(Away::Status(other).into()),
        };
        let addresses = match addresses.status().as_u16() {
            200 => serde_json::from_slice(addresses.body()).map_err(|_opaque| nonsense())?,
            // The application, or the account's owner, does not show them.
            403 | 404 => Vec::new(),
            other => return Err(Away::Status(other).into()),
        };
        let email = proven(&addresses);
        Ok(Assertion {
            issuer: self.settings.issuer.clone(),
            // The login can be changed, and be somebody else's then.
            subject: account
                .get("id")
                .filter(|id| id.as_u64().is_some_and(|id| id > 0))
                .and_then(|id| claims::subject(Some(id)))
                .ok_or(Refusal::Subject)?,
            email_verified: email.is_some(),
            email,
            username: username(account.get("login")),
            full_name: full_name(account.get("name")),
            picture: picture(account.get("avatar_url")),
            auth_time: None,
        })
    }
}

/// The address that its owner uses and has proven. GitHub's own, which hide one, take no mail.
fn proven(addresses: &[Value]) -> Option<String> {
    let is = |address: &Value, what| address.get(what) == Some(&Value::Bool(true));
    let primary = addresses.iter().find(|one| is(one, "primary") && is(one, "verified"))?;
    email(primary.get("email")).filter(|address| !is_hidden(address))
}

fn is_hidden(address: &str) -> bool {
    let domain = address.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    domain.starts_with("users.noreply.") || domain == "noreply.github.com"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_installation_is_asked_where_its_api_is() {
        for (issuer, api) in [
            (ISSUER, "https://api.github.com/user"),
            ("https://octo.ghe.com", "https://api.octo.ghe.com/user"),
            ("https://git.example.com", "https://git.example.com/api/v3/user"),
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000/api/v3/user"),
        ] {
            let endpoints = endpoints(issuer);
            assert_eq!(endpoints.userinfo, api);
            assert_eq!(endpoints.token, format!("{issuer}/login/oauth/access_token"));
        }
    }

    #[test]
    fn only_the_primary_address_counts_and_only_if_it_is_proven_and_takes_mail() {
        let ada = |primary, verified| json!({"email": "ada@example.com", "primary": primary, "verified": verified});
        let other = json!({"email": "b@example.com", "primary": false, "verified": true});
        assert_eq!(proven(&[other.clone(), ada(true, true)]).as_deref(), Some("ada@example.com"));
        assert_eq!(proven(&[ada(true, false), other.clone()]), None);
        assert_eq!(proven(&[ada(false, true), other]), None);
        assert_eq!(proven(&[json!({"email": "a@b", "primary": true, "verified": "true"})]), None);
        assert_eq!(proven(&[]), None);
        for hidden in ["1+ada@users.noreply.github.com", "A@Users.NoReply.github.example.com"] {
            assert_eq!(
                proven(&[json!({"email": hidden, "primary": true, "verified": true})]),
                None
            );
        }
    }
}
