//! Responses with something changed in them, for comparing verifiers and for fuzzing: valid ones too.
//!
//! Each change has a name, and is made at one level: JSON, client data, authenticator data, CBOR, key or signature. Changes of what an
//! assertion signs are made before it is signed, unless their name says that nobody signed them.

mod client_data;
mod encoding;
mod json;
mod key;

use portcullis_kernel::secret::{base64url, from_base64url};
use serde_json::Value;

use super::{
    ATTESTED_CREDENTIAL, AssertionResponse, AttestationResponse, BACKED_UP, BACKUP_ELIGIBLE, Cbor,
    EXTENSIONS, SigningKey, SoftwareAuthenticator, USER_PRESENT, USER_VERIFIED,
};
use crate::{
    Algorithm, Assertion, Challenge, RelyingParty, StoredCredential, UserEntity, UserVerification,
    VerificationError,
};

const ORIGIN: &str = "https://login.example.com";

/// Where choices come from: gives a number less than the one given.
pub type Numbers<'a> = dyn FnMut(usize) -> usize + 'a;

/// One of several.
fn pick<T: Copy>(numbers: &mut Numbers<'_>, from: &[T]) -> T {
    from[numbers(from.len())]
}

/// Any byte.
fn byte(numbers: &mut Numbers<'_>) -> u8 {
    u8::try_from(numbers(256)).unwrap()
}

/// Changes something, and has a name.
type Change<T> = (&'static str, fn(&mut T, &mut Numbers<'_>));

/// A relying party, and authenticators of each kind.
pub struct Ceremonies {
    relying_party: RelyingParty,
    authenticators: Vec<SoftwareAuthenticator>,
    /// Whose credentials are none of the relying party's.
    strangers: Vec<SoftwareAuthenticator>,
}

/// A response, with what it is to be verified against.
#[derive(Clone, Debug)]
pub struct Case {
    /// What was changed. Nothing was in a valid one.
    pub changes: Vec<&'static str>,
    /// Who asked.
    pub relying_party: RelyingParty,
    /// Of the ceremony.
    pub challenge: Challenge,
    /// As it was asked for.
    pub verification: UserVerification,
    /// What the page sent.
    pub response: Value,
    /// The credential to verify an assertion with; `None` for a registration.
    pub stored: Option<Stored>,
}

/// What a server has of a credential.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The credential's id.
    pub id: Vec<u8>,
    /// A COSE_Key.
    pub public_key: Vec<u8>,
    /// As of the last assertion.
    pub sign_count: u32,
    /// As of the registration.
    pub backup_eligible: bool,
}

impl Case {
    /// What this crate says to it.
    pub fn verify(&self) -> Result<(), VerificationError> {
        let Self { relying_party, challenge, verification, response, stored, .. } = self;
        let Some(stored) = stored else {
            let registered =
                relying_party.verify_registration(challenge, *verification, response)?;
            drop(registered);
            return Ok(());
        };
        let stored = StoredCredential {
            id: &stored.id,
            public_key: &stored.public_key,
            sign_count: stored.sign_count,
            backup_eligible: stored.backup_eligible,
        };
        let assertion = Assertion::parse(response)?;
        relying_party.verify_assertion(challenge, *verification, &stored, &assertion).map(|_| ())
    }
}

impl Default for Ceremonies {
    fn default() -> Self {
        let made = || Algorithm::OFFERED.map(SoftwareAuthenticator::new).to_vec();
        let origins = vec![ORIGIN.to_owned(), "https://example.org".to_owned()];
        let (id, name) = ("example.com".to_owned(), "Example".to_owned());
        Self {
            relying_party: RelyingParty { id, name, origins },
            authenticators: made(),
            strangers: made(),
        }
    }
}

impl Ceremonies {
    /// The next response. One in eight is valid; most have one change, and some two or three.
    pub fn case(&mut self, numbers: &mut Numbers<'_>) -> Case {
        let count = pick(numbers, &[0, 1, 1, 1, 1, 1, 2, 3]);
        if numbers(2) == 0 {
            self.registration(count, numbers)
        } else {
            self.assertion(count, numbers)
        }
    }

    fn registration(&mut self, count: usize, numbers: &mut Numbers<'_>) -> Case {
        let (challenge, verification) = ceremony(numbers);
        let user = UserEntity { handle: &[5; 16], name: "ann", display_name: "Ann" };
        let options =
            self.relying_party.creation_options(&user, &challenge, &[], verification, 300);
        let at = numbers(self.authenticators.len());
        let mut spoken = self.authenticators[at].create(&options, ORIGIN);
        spoken.flags |= pick(numbers, &[0, BACKUP_ELIGIBLE, BACKUP_ELIGIBLE | BACKED_UP]);
        let mut changes = Vec::new();
        let mut later = Vec::new();
        for _ in 0..count {
            match numbers(10) {
                0 | 1 => changes.push(client_data::change(&mut spoken.client_data, numbers)),
                2 | 3 => changes.push(key::change(&mut spoken.public_key, numbers)),
                4..=6 => {
                    let (name, change) = pick(numbers, REGISTRATION);
                    change(&mut spoken, numbers);
                    changes.push(name);
                }
                level => later.push(level),
            }
        }
        let mut response = spoken.to_json();
        for level in later {
            changes.push(match level {
                _ if !json::is_whole(&response) => json::change(&mut response, numbers),
                7 => bytes(&mut response, "attestationObject", numbers, encoding::of_object),
                8 => {
                    let member = pick(numbers, &["attestationObject", "clientDataJSON"]);
                    bytes(&mut response, member, numbers, encoding::of_bytes)
                }
                _ => json::change(&mut response, numbers),
            });
        }
        let relying_party = self.relying_party.clone();
        Case { changes, relying_party, challenge, verification, response, stored: None }
    }

    fn assertion(&mut self, count: usize, numbers: &mut Numbers<'_>) -> Case {
        let (challenge, verification) = ceremony(numbers);
        let options = self.relying_party.request_options(&challenge, &[], verification, 300);
        let at = numbers(self.authenticators.len());
        let authenticator = &mut self.authenticators[at];
        let mut stored = Stored {
            id: authenticator.credential_id.clone(),
            public_key: authenticator.public_key(),
            sign_count: pick(numbers, &[0, 0, 7]),
            backup_eligible: false,
        };
        let mut spoken = authenticator.get(&options, ORIGIN);
        let counts = if stored.sign_count == 0 { [0, 1] } else { [8, 9] };
        spoken.sign_count = pick(numbers, &counts);
        let mut changes = Vec::new();
        let mut later = Vec::new();
        for _ in 0..count {
            match numbers(10) {
                0 | 1 => changes.push(client_data::change(&mut spoken.client_data, numbers)),
                2..=4 => {
                    let (name, change) = pick(numbers, ASSERTION);
                    change(&mut spoken, numbers);
                    changes.push(name);
                }
                5 => {
                    let (name, change) = pick(numbers, STORED);
                    change(&mut stored, numbers);
                    changes.push(name);
                }
                level => later.push(level),
            }
        }
        let mut response = spoken.to_json();
        for level in later {
            changes.push(match level {
                _ if !json::is_whole(&response) => json::change(&mut response, numbers),
                6 => bytes(&mut response, "signature", numbers, encoding::of_signature),
                7 => {
                    let stranger = &mut self.strangers[at];
                    let forged = stranger.get(&options, ORIGIN).to_json();
                    response["response"]["signature"] = forged["response"]["signature"].clone();
                    "signature of another key"
                }
                8 => {
                    let members = ["authenticatorData", "clientDataJSON", "signature"];
                    let member = pick(numbers, &members);
                    bytes(&mut response, member, numbers, encoding::of_bytes)
                }
                _ => json::change(&mut response, numbers),
            });
        }
        let relying_party = self.relying_party.clone();
        Case { changes, relying_party, challenge, verification, response, stored: Some(stored) }
    }
}

fn ceremony(numbers: &mut Numbers<'_>) -> (Challenge, UserVerification) {
    let challenge = std::array::from_fn(|_| byte(numbers));
    let verification = pick(numbers, &[UserVerification::Required, UserVerification::Preferred]);
    (Challenge::from_bytes(challenge), verification)
}

/// Changes the bytes of a member, if it still holds any.
fn bytes(
    response: &mut Value,
    member: &str,
    numbers: &mut Numbers<'_>,
    change: fn(&mut Vec<u8>, &mut Numbers<'_>) -> &'static str,
) -> &'static str {
    let of =
        |value: &Value| value.pointer(&format!("/response/{member}"))?.as_str().map(str::to_owned);
    match of(response).and_then(|text| from_base64url(&text)).filter(|bytes| !bytes.is_empty()) {
        Some(mut bytes) => {
            let name = change(&mut bytes, numbers);
            response["response"][member] = base64url(bytes).into();
            name
        }
        None => json::change(response, numbers),
    }
}

const OTHER_PARTIES: [&str; 5] =
    ["example.org", "login.example.com", "com", "EXAMPLE.COM", "https://login.example.com"];

const REGISTRATION: &[Change<AttestationResponse>] = &[
    ("another relying party", |of, numbers| {
        pick(numbers, &OTHER_PARTIES).clone_into(&mut of.relying_party_id);
    }),
    ("user not present", |of, _| of.flags &= !USER_PRESENT),
    ("user not verified", |of, _| of.flags &= !USER_VERIFIED),
    ("reserved flags", |of, numbers| of.flags |= pick(numbers, &[1 << 1, 1 << 5])),
    ("backed up, not eligible", |of, _| of.flags = of.flags & !BACKUP_ELIGIBLE | BACKED_UP),
    ("no credential", |of, _| of.flags &= !ATTESTED_CREDENTIAL),
    ("extensions missing", |of, _| of.flags |= EXTENSIONS),
    ("extensions", |of, numbers| {
        of.flags |= EXTENSIONS;
        of.trailing = encoding::extensions(numbers);
    }),
    ("extensions encoded wrongly", |of, numbers| {
        of.flags |= EXTENSIONS;
        of.trailing = encoding::wrong_extensions(numbers);
    }),
    ("bytes behind the authenticator data", |of, numbers| {
        of.trailing = vec![0xa0; 1 + numbers(3)];
    }),
    ("any counter", |of, numbers| of.sign_count = pick(numbers, &[1, 99, 1 << 31, u32::MAX])),
    ("any AAGUID", |of, numbers| of.aaguid = std::array::from_fn(|_| byte(numbers))),
    ("another id in the authenticator data", |of, numbers| {
        of.credential_id = vec![7; pick(numbers, &[1, 16, 32, 64])];
    }),
    ("no id in the authenticator data", |of, _| of.credential_id = Vec::new()),
    ("an id of any length", |of, numbers| {
        of.credential_id = vec![7; pick(numbers, &[1, 16, 64, 255, 256, 1022, 1023])];
        of.id.clone_from(&of.credential_id);
    }),
    ("an id that is too long", |of, numbers| {
        of.credential_id = vec![7; pick(numbers, &[1024, 2000])];
        of.id.clone_from(&of.credential_id);
    }),
    ("an attestation by its own key", |of, _| of.attest()),
    ("an attestation by another key", |of, _| {
        let own = std::mem::replace(&mut of.key, SigningKey::generate(Algorithm::Es256).into());
        of.attest();
        of.key = own;
    }),
    ("an attestation by its own key, of another algorithm", |of, numbers| {
        of.attest();
        of.statement.as_map_mut().into_iter().for_each(|of| {
            of[0].1 = pick(numbers, &[-7, -8, -257, -37, 0]).into();
        });
    }),
    ("an attestation with a certificate that is none", |of, numbers| {
        of.attest();
        let certificates =
            if numbers(2) == 0 { Vec::new() } else { vec![Cbor::Bytes(vec![0x30, 0])] };
        of.statement.as_map_mut().into_iter().for_each(|of| {
            of.push(("x5c".into(), Cbor::Array(certificates.clone())));
        });
    }),
    ("attestation of another format", |of, numbers| {
        let formats = ["packed", "fido-u2f", "apple", "tpm", "android-key", "None", "", "none\0"];
        pick(numbers, &formats).clone_into(&mut of.format);
    }),
    ("format none with a statement", |of, numbers| {
        let name = pick(numbers, &["sig", "alg", "x5c", "ver"]);
        of.statement = Cbor::Map(vec![(name.into(), Cbor::Bytes(vec![1]))]);
    }),
    ("format none with an unknown statement", |of, numbers| {
        let name = pick(numbers, &["x", "none", "Sig"]);
        of.statement = Cbor::Map(vec![(name.into(), 1.into())]);
    }),
    ("a statement that is no map", |of, numbers| {
        let kinds: [fn() -> Cbor; 4] =
            [|| Cbor::Null, || Cbor::Array(Vec::new()), || Cbor::Bytes(Vec::new()), || 0.into()];
        of.statement = pick(numbers, &kinds)();
    }),
];

const ASSERTION: &[Change<AssertionResponse>] = &[
    ("another relying party", |of, numbers| {
        pick(numbers, &OTHER_PARTIES).clone_into(&mut of.relying_party_id);
    }),
    ("user not present", |of, _| of.flags &= !USER_PRESENT),
    ("user not verified", |of, _| of.flags &= !USER_VERIFIED),
    ("reserved flags", |of, numbers| of.flags |= pick(numbers, &[1 << 1, 1 << 5])),
    ("eligible for backups by now", |of, _| of.flags |= BACKUP_ELIGIBLE),
    ("backed up, not eligible", |of, _| of.flags |= BACKED_UP),
    ("a credential in an assertion", |of, _| {
        of.flags |= ATTESTED_CREDENTIAL;
        let key = of.key.to_cose();
        of.trailing = [&[0; 16][..], &[0, 1, 7], &key].concat();
    }),
    ("extensions missing", |of, _| of.flags |= EXTENSIONS),
    ("extensions", |of, numbers| {
        of.flags |= EXTENSIONS;
        of.trailing = encoding::extensions(numbers);
    }),
    ("extensions encoded wrongly", |of, numbers| {
        of.flags |= EXTENSIONS;
        of.trailing = encoding::wrong_extensions(numbers);
    }),
    ("bytes behind the authenticator data", |of, numbers| {
        of.trailing = vec![0xa0; 1 + numbers(3)];
    }),
    ("any counter", |of, numbers| {
        of.sign_count = pick(numbers, &[0, 1, 6, 7, 8, 1 << 31, u32::MAX]);
    }),
    ("another credential's id", |of, numbers| of.id = vec![7; pick(numbers, &[1, 16, 32])]),
    ("another user handle", |of, numbers| {
        of.user_handle = Some(vec![1; pick(numbers, &[0, 1, 16, 64])]);
    }),
    ("a user handle that is too long", |of, _| of.user_handle = Some(vec![1; 65])),
];

const STORED: &[Change<Stored>] = &[
    ("stored as eligible for backups", |of, _| of.backup_eligible = true),
    ("a higher counter is stored", |of, numbers| {
        of.sign_count = pick(numbers, &[100, 1 << 31, u32::MAX]);
    }),
    ("another key is stored", |of, _| {
        of.public_key = SoftwareAuthenticator::new(Algorithm::EdDsa).public_key();
    }),
];
