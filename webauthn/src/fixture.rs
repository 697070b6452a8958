//! One relying party, one ceremony, for the tests of all modules.

use serde_json::Value;

use crate::authenticator::{AssertionResponse, AttestationResponse, SoftwareAuthenticator};
use crate::{
    Algorithm, Asserted, Assertion, Challenge, Registered, RelyingParty, StoredCredential,
    UserEntity, UserVerification, VerificationError,
};

pub(crate) const ORIGIN: &str = "https://login.example.com";
pub(crate) const HANDLE: [u8; 16] = [9; 16];

pub(crate) struct Fixture {
    pub(crate) relying_party: RelyingParty,
    pub(crate) challenge: Challenge,
    pub(crate) verification: UserVerification,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let origins = vec!["https://example.org".to_owned(), ORIGIN.to_owned()];
        let relying_party =
            RelyingParty { id: "example.com".into(), name: "Example".into(), origins };
        let challenge = Challenge::generate().unwrap();
        Self { relying_party, challenge, verification: UserVerification::Required }
    }

    pub(crate) fn creation_options(&self) -> Value {
        let user = UserEntity { handle: &HANDLE, name: "ann", display_name: "Ann" };
        self.relying_party.creation_options(&user, &self.challenge, &[], self.verification, 300)
    }

    pub(crate) fn create(&self, authenticator: &mut SoftwareAuthenticator) -> AttestationResponse {
        authenticator.create(&self.creation_options(), ORIGIN)
    }

    pub(crate) fn get(&self, authenticator: &mut SoftwareAuthenticator) -> AssertionResponse {
        let options =
            self.relying_party.request_options(&self.challenge, &[], self.verification, 300);
        authenticator.get(&options, ORIGIN)
    }

    /// An answer of a new authenticator.
    pub(crate) fn created(&self) -> AttestationResponse {
        self.create(&mut SoftwareAuthenticator::new(Algorithm::Es256))
    }

    pub(crate) fn register(&self, response: &Value) -> Result<Registered, VerificationError> {
        self.relying_party.verify_registration(&self.challenge, self.verification, response)
    }

    /// Verifies with the authenticator's key, against the counter and the eligibility given.
    pub(crate) fn assert_stored(
        &self,
        authenticator: &SoftwareAuthenticator,
        response: &Value,
        sign_count: u32,
        backup_eligible: bool,
    ) -> Result<Asserted, VerificationError> {
        let stored = StoredCredential {
            id: &authenticator.credential_id,
            public_key: &authenticator.public_key(),
            sign_count,
            backup_eligible,
        };
        let assertion = Assertion::parse(response)?;
        self.relying_party.verify_assertion(&self.challenge, self.verification, &stored, &assertion)
    }

    pub(crate) fn assert(
        &self,
        authenticator: &SoftwareAuthenticator,
        response: &Value,
    ) -> Result<Asserted, VerificationError> {
        self.assert_stored(authenticator, response, 0, false)
    }
}
