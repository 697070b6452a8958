//! An authenticator in software, with the client in front of it, for tests: it registers and asserts as real ones do, and each
//! part of what it says can be made wrong before it is put together (feature `authenticator`).
//!
//! ```
//! # use portcullis_webauthn::{Algorithm, Challenge, RelyingParty, UserEntity, UserVerification};
//! use portcullis_webauthn::authenticator::{SoftwareAuthenticator, USER_PRESENT};
//!
//! let relying_party = RelyingParty {
//!     id: "example.com".into(),
//!     name: "Example".into(),
//!     origins: vec!["https://example.com".into()],
//! };
//! let (challenge, verification) = (Challenge::from_bytes([7; 32]), UserVerification::Required);
//! let user = UserEntity { handle: &[1; 16], name: "ann", display_name: "Ann" };
//! let options = relying_party.creation_options(&user, &challenge, &[], verification, 300);
//!
//! let mut authenticator = SoftwareAuthenticator::new(Algorithm::Es256);
//! let mut response = authenticator.create(&options, "https://example.com");
//! assert!(relying_party.verify_registration(&challenge, verification, &response.to_json()).is_ok());
//! response.flags &= !USER_PRESENT;
//! assert!(relying_party.verify_registration(&challenge, verification, &response.to_json()).is_err());
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on fails"
)]

pub mod mutations;

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
pub use ciborium::Value as Cbor;
use portcullis_kernel::secret::{base64url, from_base64url, random, sha256};
use serde_json::{Map, Value, json};

use crate::public_key::Algorithm;

/// Flag UP: somebody touched the authenticator.
pub const USER_PRESENT: u8 = 1;
/// Flag UV: the authenticator verified who that is.
pub const USER_VERIFIED: u8 = 1 << 2;
/// Flag BE: the credential can be backed up.
pub const BACKUP_ELIGIBLE: u8 = 1 << 3;
/// Flag BS: it is.
pub const BACKED_UP: u8 = 1 << 4;
/// Flag AT: the authenticator data bring a credential.
pub const ATTESTED_CREDENTIAL: u8 = 1 << 6;
/// Flag ED: the authenticator data end with the outputs of extensions.
pub const EXTENSIONS: u8 = 1 << 7;

/// One credential, and what its authenticator says with it from now on.
#[derive(Clone, Debug)]
pub struct SoftwareAuthenticator {
    key: Arc<SigningKey>,
    /// Random, of 32 bytes.
    pub credential_id: Vec<u8>,
    /// The account of the last registration.
    pub user_handle: Option<Vec<u8>>,
    /// 0 stays 0, as with synced passkeys; any other number rises with each assertion.
    pub sign_count: u32,
    /// At first [`USER_PRESENT`] and [`USER_VERIFIED`].
    pub flags: u8,
}

impl SoftwareAuthenticator {
    /// One with a new key.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self {
            key: Arc::new(SigningKey::generate(algorithm)),
            credential_id: random::<32>().unwrap().to_vec(),
            user_handle: None,
            sign_count: 0,
            flags: USER_PRESENT | USER_VERIFIED,
        }
    }

    /// Answers creation options on a page of the origin. The key is the same each time.
    pub fn create(&mut self, options: &Value, origin: &str) -> AttestationResponse {
        self.user_handle = from_base64url(options["user"]["id"].as_str().unwrap());
        AttestationResponse {
            key: Arc::clone(&self.key),
            id: self.credential_id.clone(),
            client_data: client_data("webauthn.create", options, origin),
            relying_party_id: options["rp"]["id"].as_str().unwrap().to_owned(),
            flags: self.flags | ATTESTED_CREDENTIAL,
            sign_count: self.sign_count,
            aaguid: [0; 16],
            credential_id: self.credential_id.clone(),
            public_key: self.key.to_cose(),
            trailing: Vec::new(),
            format: "none".to_owned(),
            statement: Cbor::Map(Vec::new()),
        }
    }

    /// Answers request options on a page of the origin.
    pub fn get(&mut self, options: &Value, origin: &str) -> AssertionResponse {
        self.sign_count += u32::from(self.sign_count > 0);
        AssertionResponse {
            key: Arc::clone(&self.key),
            id: self.credential_id.clone(),
            client_data: client_data("webauthn.get", options, origin),
            relying_party_id: options["rpId"].as_str().unwrap().to_owned(),
            flags: self.flags,
            sign_count: self.sign_count,
            trailing: Vec::new(),
            user_handle: self.user_handle.clone(),
        }
    }

    /// The COSE_Key of its credential.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.key.to_cose()
    }
}

/// What a client answers to creation options, before it is put together.
#[derive(Clone, Debug)]
pub struct AttestationResponse {
    key: Arc<SigningKey>,
    /// In `id` and `rawId`.
    pub id: Vec<u8>,
    /// JSON, see [`edit_client_data`].
    pub client_data: Vec<u8>,
    /// Whose hash stands in the authenticator data.
    pub relying_party_id: String,
    /// Without [`ATTESTED_CREDENTIAL`] the credential is left out.
    pub flags: u8,
    /// In the authenticator data.
    pub sign_count: u32,
    /// In the authenticator data.
    pub aaguid: [u8; 16],
    /// In the authenticator data.
    pub credential_id: Vec<u8>,
    /// A COSE_Key, see [`edit_map`].
    pub public_key: Vec<u8>,
    /// At the end of the authenticator data: the outputs of extensions, with flag [`EXTENSIONS`], or anything else.
    pub trailing: Vec<u8>,
    /// Of the attestation.
    pub format: String,
    /// Of the attestation.
    pub statement: Cbor,
}

impl AttestationResponse {
    /// Signs an attestation of format `packed` with the credential's own key (§8.2).
    pub fn attest(&mut self) {
        let signature = self.key.sign(&signed(&self.authenticator_data(), &self.client_data));
        "packed".clone_into(&mut self.format);
        self.statement = Cbor::Map(vec![
            ("alg".into(), self.key.algorithm().cose_identifier().into()),
            ("sig".into(), Cbor::Bytes(signature)),
        ]);
    }

    /// As the authenticator encodes them.
    #[must_use]
    pub fn authenticator_data(&self) -> Vec<u8> {
        let mut data = header(&self.relying_party_id, self.flags, self.sign_count);
        if self.flags & ATTESTED_CREDENTIAL != 0 {
            data.extend(self.aaguid);
            data.extend(u16::try_from(self.credential_id.len()).unwrap().to_be_bytes());
            data.extend(&self.credential_id);
            data.extend(&self.public_key);
        }
        data.extend(&self.trailing);
        data
    }

    /// As the client encodes it.
    #[must_use]
    pub fn attestation_object(&self) -> Vec<u8> {
        encode(&Cbor::Map(vec![
            ("fmt".into(), self.format.as_str().into()),
            ("attStmt".into(), self.statement.clone()),
            ("authData".into(), Cbor::Bytes(self.authenticator_data())),
        ]))
    }

    /// What the page sends: a `RegistrationResponseJSON`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        envelope(
            &self.id,
            &json!({
                "clientDataJSON": base64url(&self.client_data),
                "attestationObject": base64url(self.attestation_object()),
                "transports": ["internal"],
            }),
            &json!({ "credProps": { "rk": true } }),
        )
    }
}

/// What a client answers to request options, before it is signed and put together.
#[derive(Clone, Debug)]
pub struct AssertionResponse {
    key: Arc<SigningKey>,
    /// In `id` and `rawId`.
    pub id: Vec<u8>,
    /// JSON, see [`edit_client_data`].
    pub client_data: Vec<u8>,
    /// Whose hash stands in the authenticator data.
    pub relying_party_id: String,
    /// In the authenticator data.
    pub flags: u8,
    /// In the authenticator data.
    pub sign_count: u32,
    /// At the end of the authenticator data.
    pub trailing: Vec<u8>,
    /// Which is not signed.
    pub user_handle: Option<Vec<u8>>,
}

impl AssertionResponse {
    /// As the authenticator encodes them.
    #[must_use]
    pub fn authenticator_data(&self) -> Vec<u8> {
        let mut data = header(&self.relying_party_id, self.flags, self.sign_count);
        data.extend(&self.trailing);
        data
    }

    /// What the page sends: an `AuthenticationResponseJSON`, signed.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let data = self.authenticator_data();
        let mut response = json!({
            "clientDataJSON": base64url(&self.client_data),
            "authenticatorData": base64url(&data),
            "signature": base64url(self.key.sign(&signed(&data, &self.client_data))),
        });
        if let Some(handle) = &self.user_handle {
            response["userHandle"] = base64url(handle).into();
        }
        envelope(&self.id, &response, &json!({}))
    }
}

/// Changes members of client data.
pub fn edit_client_data(client_data: &mut Vec<u8>, edit: impl FnOnce(&mut Map<String, Value>)) {
    let mut members = serde_json::from_slice(client_data).unwrap();
    edit(&mut members);
    *client_data = serde_json::to_vec(&members).unwrap();
}

/// Changes entries of a CBOR map: a COSE_Key, for example.
pub fn edit_map(map: &mut Vec<u8>, edit: impl FnOnce(&mut Vec<(Cbor, Cbor)>)) {
    let mut entries = ciborium::from_reader::<Cbor, _>(&map[..]).unwrap().into_map().unwrap();
    edit(&mut entries);
    *map = encode(&Cbor::Map(entries));
}

/// The CBOR of a value.
#[must_use]
pub fn encode(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn client_data(kind: &str, options: &Value, origin: &str) -> Vec<u8> {
    let client_data = json!({
        "type": kind,
        "challenge": options["challenge"],
        "origin": origin,
        "crossOrigin": false,
    });
    client_data.to_string().into_bytes()
}

fn header(relying_party_id: &str, flags: u8, sign_count: u32) -> Vec<u8> {
    [&sha256(relying_party_id.as_bytes())[..], &[flags], &sign_count.to_be_bytes()].concat()
}

fn signed(authenticator_data: &[u8], client_data: &[u8]) -> Vec<u8> {
    [authenticator_data, &sha256(client_data)].concat()
}

fn envelope(id: &[u8], response: &Value, extension_results: &Value) -> Value {
    json!({
        "id": base64url(id),
        "rawId": base64url(id),
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": extension_results,
        "response": response,
    })
}

#[derive(Debug)]
enum SigningKey {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl SigningKey {
    fn generate(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => {
                Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
            }
            Algorithm::EdDsa => Self::EdDsa(Ed25519KeyPair::generate().unwrap()),
            Algorithm::Rs256 => Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::Es256,
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(key) => key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// In canonical order: by the length of the encoded label, then by its bytes.
    fn to_cose(&self) -> Vec<u8> {
        let bytes = |bytes: &[u8]| Cbor::Bytes(bytes.to_vec());
        let entries: Vec<(i64, Cbor)> = match self {
            Self::Es256(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = point[1..].split_at(32);
                vec![
                    (1, 2.into()),
                    (3, (-7).into()),
                    (-1, 1.into()),
                    (-2, bytes(x)),
                    (-3, bytes(y)),
                ]
            }
            Self::EdDsa(key) => {
                let x = key.public_key().as_ref();
                vec![(1, 1.into()), (3, (-8).into()), (-1, 6.into()), (-2, bytes(x))]
            }
            Self::Rs256(key) => {
                // An RSAPublicKey in DER: of 2048 bits, the modulus stands behind two headers and a zero, the exponent last.
                let der = key.public_key().as_ref();
                let (n, e) = (&der[9..9 + 256], &der[der.len() - 3..]);
                vec![(1, 3.into()), (3, (-257).into()), (-1, bytes(n)), (-2, bytes(e))]
            }
        };
        let entries = entries.into_iter().map(|(label, value)| (label.into(), value));
        encode(&Cbor::Map(entries.collect()))
    }
}
