//! What clients are asked for, in the JSON forms that `PublicKeyCredential.parseCreationOptionsFromJSON()` and
//! `parseRequestOptionsFromJSON()` read (§5.1.8, §5.1.9).

use portcullis_kernel::secret::base64url;
use serde_json::{Value, json};

use crate::public_key::Algorithm;
use crate::relying_party::{Challenge, RelyingParty, UserVerification};
use crate::transport::Descriptor;

/// The account that a credential is made for (`PublicKeyCredentialUserEntity`, §5.4.3).
#[derive(Clone, Copy, Debug)]
pub struct UserEntity<'a> {
    /// 1 to 64 bytes that say nothing about the person, and that assertions bring back.
    pub handle: &'a [u8],
    /// Tells accounts of one person apart: a username or an address.
    pub name: &'a str,
    /// What the person is called.
    pub display_name: &'a str,
}

impl RelyingParty {
    /// Asks for a new credential that can be found without a username.
    ///
    /// Pages pass the value to `parseCreationOptionsFromJSON()` as it is. `exclude` names the account's credentials: their
    /// authenticators make no second one. `requireResidentKey` is for clients that know Level 1 only. `attestation` is
    /// `none`: nothing depends on the model of an authenticator, and clients ask people before they tell it.
    #[must_use]
    pub fn creation_options(
        &self,
        user: &UserEntity<'_>,
        challenge: &Challenge,
        exclude: &[Descriptor],
        verification: UserVerification,
        timeout_seconds: u32,
    ) -> Value {
        let algorithms = Algorithm::OFFERED
            .map(|algorithm| json!({ "type": "public-key", "alg": algorithm.cose_identifier() }));
        json!({
            "rp": { "id": self.id, "name": self.name },
            "user": {
                "id": base64url(user.handle),
                "name": user.name,
                "displayName": user.display_name,
            },
            "challenge": challenge.to_base64url(),
            "pubKeyCredParams": algorithms,
            "timeout": milliseconds(timeout_seconds),
            "excludeCredentials": descriptors(exclude),
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": <&str>::from(verification),
            },
            "attestation": "none",
            "extensions": { "credProps": true },
        })
    }

    /// Asks for an assertion by one of the credentials in `allow`, or by any discoverable one when it is empty.
    ///
    /// Pages pass the value to `parseRequestOptionsFromJSON()` as it is.
    #[must_use]
    pub fn request_options(
        &self,
        challenge: &Challenge,
        allow: &[Descriptor],
        verification: UserVerification,
        timeout_seconds: u32,
    ) -> Value {
        json!({
            "challenge": challenge.to_base64url(),
            "timeout": milliseconds(timeout_seconds),
            "rpId": self.id,
            "allowCredentials": descriptors(allow),
            "userVerification": <&str>::from(verification),
        })
    }
}

fn milliseconds(seconds: u32) -> u64 {
    u64::from(seconds) * 1000
}

fn descriptors(of: &[Descriptor]) -> Vec<Value> {
    let one = |Descriptor { id, transports }: &Descriptor| {
        let transports: Vec<&str> = transports.iter().map(Into::into).collect();
        json!({ "type": "public-key", "id": base64url(id), "transports": transports })
    };
    of.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Transport;

    fn relying_party() -> RelyingParty {
        RelyingParty { id: "example.com".into(), name: "Example".into(), origins: Vec::new() }
    }

    #[test]
    fn a_credential_is_asked_for_in_the_json_form() {
        let user = UserEntity { handle: &[0xff; 2], name: "ann", display_name: "Ann" };
        let known = Descriptor {
            id: vec![1, 2, 3],
            transports: vec![Transport::Internal, Transport::SmartCard],
        };
        let options = relying_party().creation_options(
            &user,
            &Challenge::from_bytes([0; 32]),
            &[known],
            UserVerification::Preferred,
            300,
        );
        let expected = json!({
            "rp": { "id": "example.com", "name": "Example" },
            "user": { "id": "__8", "name": "ann", "displayName": "Ann" },
            "challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "pubKeyCredParams": [
                { "type": "public-key", "alg": -7 },
                { "type": "public-key", "alg": -8 },
                { "type": "public-key", "alg": -257 },
            ],
            "timeout": 300_000,
            "excludeCredentials": [
                { "type": "public-key", "id": "AQID", "transports": ["internal", "smart-card"] },
            ],
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": "preferred",
            },
            "attestation": "none",
            "extensions": { "credProps": true },
        });
        assert_eq!(options, expected);
    }

    #[test]
    fn an_assertion_is_asked_for_in_the_json_form() {
        let challenge = Challenge::from_bytes([0; 32]);
        let options =
            relying_party().request_options(&challenge, &[], UserVerification::Required, 60);
        let expected = json!({
            "challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "timeout": 60_000,
            "rpId": "example.com",
            "allowCredentials": [],
            "userVerification": "required",
        });
        assert_eq!(options, expected);
    }
}
