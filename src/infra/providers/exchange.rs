//! From what comes back from a provider to what it says about who has signed in.

use url::Url;

use super::claims::Claims;
use super::error::{ProviderError, Refusal};
use super::id_token::{Expected, Unverified};
use super::metadata::Metadata;
use super::tokens::Tokens;
use super::{Answer, Assertion, Kind, Provider, profile};

impl Provider {
    pub(super) async fn exchange_in_time(
        &self,
        answer: &Answer<'_>,
    ) -> Result<Assertion, ProviderError> {
        let metadata = self.metadata().await?;
        let is_its_own = match answer.iss {
            Some(name) => self.issuer_rule.answers_as(name),
            None => !metadata.names_itself,
        };
        if !is_its_own {
            return Err(Refusal::AnswerIssuer.into());
        }
        let tokens = self.tokens(&metadata, answer).await?;
        match (self.kind(), &metadata.userinfo) {
            (Kind::Github, Some(user)) => self.github_account(user, tokens.access_token()).await,
            (Kind::Oauth2, Some(userinfo)) => {
                let profile = self.profile(userinfo, tokens.access_token()).await?;
                let names = &self.settings.claims;
                Ok(profile::of_userinfo(&self.settings.issuer, &profile, names)?)
            }
            (_, userinfo) => {
                self.signed_assertion(&metadata, userinfo.as_ref(), &tokens, answer).await
            }
        }
    }

    async fn signed_assertion(
        &self,
        metadata: &Metadata,
        userinfo: Option<&Url>,
        tokens: &Tokens,
        answer: &Answer<'_>,
    ) -> Result<Assertion, ProviderError> {
        let id_token = tokens.id_token().ok_or(Refusal::NoIdToken)?;
        let expected = Expected {
            audiences: &[&self.settings.client_id],
            nonce: answer.nonce,
            now: self.clock.now(),
            access_token: Some(tokens.access_token()),
        };
        let claims = self.verified(metadata, id_token, &expected).await?;
        if answer.iss.is_some_and(|name| claims.text("iss") != Some(name)) {
            return Err(Refusal::AnswerIssuer.into());
        }
        let is_wanted = self.settings.scopes.iter().any(|scope| scope == "email")
            && claims.get("email").is_none();
        let profile = match userinfo.filter(|_| is_wanted) {
            None => Claims::default(),
            Some(userinfo) => {
                let profile = self.profile(userinfo, tokens.access_token()).await?;
                // Another token may have been slipped in (OpenID Connect Core, section 5.3.2).
                if profile.get("sub") != claims.get("sub") {
                    return Err(Refusal::OtherSubject.into());
                }
                profile
            }
        };
        Ok(profile::of_id_token(self.kind(), &claims, &profile, answer.user)?)
    }

    pub(super) async fn verify_id_token_in_time(
        &self,
        id_token: &str,
        nonce: &str,
    ) -> Result<Assertion, ProviderError> {
        if !self.kind().has_id_tokens() {
            return Err(Refusal::WithoutIdTokens.into());
        }
        let metadata = self.metadata().await?;
        let audiences: Vec<&str> = std::iter::once(&self.settings.client_id)
            .chain(&self.settings.audiences)
            .map(String::as_str)
            .collect();
        let expected =
            Expected { audiences: &audiences, nonce, now: self.clock.now(), access_token: None };
        let claims = self.verified(&metadata, id_token, &expected).await?;
        Ok(profile::of_id_token(self.kind(), &claims, &Claims::default(), None)?)
    }

    /// The claims of a token, by the keys that the provider lists by now.
    async fn verified(
        &self,
        metadata: &Metadata,
        id_token: &str,
        expected: &Expected<'_>,
    ) -> Result<Claims, ProviderError> {
        let token = Unverified::parse(id_token, &metadata.algorithms)?;
        let url = metadata.keys.as_ref().ok_or(Refusal::WithoutIdTokens)?;
        let now = self.clock.uptime();
        let keys = self.keys.get(now, self.fetch_keys(url)).await?;
        let newer;
        let (claims, key) = match token.verify(&keys, expected) {
            // Another key may have taken the place of the one that it does not name.
            Err(refusal @ (Refusal::UnknownKey | Refusal::Signature))
                if refusal == Refusal::UnknownKey || !token.names_its_key() =>
            {
                newer = self.keys.newer(&keys, now, self.fetch_keys(url)).await?.ok_or(refusal)?;
                token.verify(&newer, expected)?
            }
            verified => verified?,
        };
        let issuer = claims.text("iss").ok_or(Refusal::Issuer)?;
        if !self.issuer_rule.signs_as(issuer, claims.text("tid"), key.issuer()) {
            return Err(Refusal::Issuer.into());
        }
        Ok(claims)
    }
}
