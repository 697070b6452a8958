//! The claims that the operator adds to access tokens.

use super::super::{Settings, read_text};
use super::Reader;
use crate::infra::jwt::CustomClaims;

impl Reader {
    /// Names the file by its setting, and what is wrong in it by the claim. Nothing in there is secret.
    pub(super) fn custom_claims(&mut self, settings: &Settings) -> CustomClaims {
        let Some(file) = &settings.claims_file else { return CustomClaims::default() };
        let claims = read_text(file)
            .map_err(|unreadable| unreadable.to_string())
            .and_then(|text| CustomClaims::parse(&text).map_err(|error| error.to_string()));
        claims.unwrap_or_else(|problem| {
            self.refuse(format!("CLAIMS_FILE {problem}"));
            CustomClaims::default()
        })
    }
}
