//! Where people are sent to, to say who they are.

use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, ClientId, CsrfToken, RedirectUrl, Scope};

use super::error::{Away, ProviderError, Refusal};
use super::metadata::Metadata;
use super::{Authorization, Kind, Prompt, Provider};

/// Has Google say when somebody has signed in there, which it does for the asking only.
const AUTH_TIME: &str = r#"{"id_token":{"auth_time":{"essential":true}}}"#;

impl Provider {
    pub(super) fn authorization_url_at(
        &self,
        metadata: &Metadata,
        request: &Authorization<'_>,
    ) -> Result<String, ProviderError> {
        let unusable = |_| Away::InsecureEndpoint;
        let authorization = AuthUrl::new(metadata.authorization.to_string()).map_err(unusable)?;
        let redirect = RedirectUrl::new(self.redirect_uri.clone()).map_err(unusable)?;
        let client = BasicClient::new(ClientId::new(self.settings.client_id.clone()))
            .set_auth_uri(authorization)
            .set_redirect_uri(redirect);
        let state = CsrfToken::new(request.state.to_owned());
        // The library makes a challenge of a verifier only, which is the flow's secret.
        let mut url = client
            .authorize_url(|| state)
            .add_scopes(self.settings.scopes.iter().cloned().map(Scope::new))
            .add_extra_param("code_challenge", request.code_challenge)
            .add_extra_param("code_challenge_method", "S256");
        if self.kind().has_id_tokens() {
            url = url.add_extra_param("nonce", request.nonce);
        }
        if self.posts_answers() {
            url = url.add_extra_param("response_mode", "form_post");
        }
        for (name, value) in prompt(self.kind(), request.prompt)? {
            url = url.add_extra_param(*name, *value);
        }
        let (url, _state) = url.url();
        Ok(url.into())
    }
}

/// What has a provider of this kind ask what it is to ask.
fn prompt(kind: Kind, prompt: Prompt) -> Result<&'static [(&'static str, &'static str)], Refusal> {
    Ok(match (prompt, kind) {
        (Prompt::Choose, Kind::Google | Kind::Microsoft) => &[("prompt", "select_account")],
        // Others refuse what they do not know.
        (Prompt::Choose, Kind::Apple | Kind::Oidc | Kind::Github | Kind::Oauth2) => &[],
        // It refuses `login`.
        (Prompt::Reauthenticate, Kind::Google) => {
            &[("prompt", "select_account"), ("max_age", "0"), ("claims", AUTH_TIME)]
        }
        (Prompt::Reauthenticate, Kind::Microsoft | Kind::Apple | Kind::Oidc) => {
            &[("prompt", "login"), ("max_age", "0")]
        }
        (Prompt::Reauthenticate, Kind::Github | Kind::Oauth2) => {
            return Err(Refusal::WithoutReauthentication);
        }
    })
}
