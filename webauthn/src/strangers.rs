//! Whatever strangers send: nothing panics, and nothing is accepted that no authenticator made.

use std::sync::{LazyLock, Mutex};

use portcullis_kernel::secret::{base64url, from_base64url};
use proptest::prelude::*;
use serde_json::Value;

use crate::authenticator::SoftwareAuthenticator;
use crate::authenticator::mutations::Ceremonies;
use crate::fixture::Fixture;
use crate::{Algorithm, Assertion, PublicKey};

struct Valid {
    fixture: Fixture,
    authenticator: SoftwareAuthenticator,
    registration: Value,
    assertion: Value,
}

static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let fixture = Fixture::new();
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::Es256);
    let registration = fixture.create(&mut authenticator).to_json();
    let assertion = fixture.get(&mut authenticator).to_json();
    Valid { fixture, authenticator, registration, assertion }
});

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip { at: prop::sample::Index, bit: u8 },
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<prop::sample::Index>(), 0..8u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        any::<prop::sample::Index>().prop_map(Change::Cut),
        (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        any::<prop::sample::Index>().prop_map(Change::Remove),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip { at, bit } => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Insert(at, inserted) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Self::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
        }
    }
}

/// Changes one member of a response.
fn changed(response: &Value, name: &str, change: &Change) -> Value {
    let mut response = response.clone();
    let mut bytes = from_base64url(response["response"][name].as_str().unwrap()).unwrap();
    change.apply(&mut bytes);
    response["response"][name] = base64url(bytes).into();
    response
}

proptest! {
    // A failure is of keys that are made anew, so keeping its numbers would reproduce nothing.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let Valid { fixture, registration, assertion, authenticator } = &*VALID;
        prop_assert!(PublicKey::from_cose(&bytes).is_err());
        let text = Value::from(base64url(&bytes));
        for name in ["clientDataJSON", "attestationObject"] {
            let mut response = registration.clone();
            response["response"][name] = text.clone();
            prop_assert!(fixture.register(&response).is_err());
        }
        for name in ["clientDataJSON", "authenticatorData", "signature"] {
            let mut response = assertion.clone();
            response["response"][name] = text.clone();
            prop_assert!(fixture.assert(authenticator, &response).is_err());
        }
    }

    /// Signed, so that any change at all is refused.
    #[test]
    fn a_changed_assertion_is_refused(
        name in prop::sample::select(vec!["clientDataJSON", "authenticatorData", "signature"]),
        change in change(),
    ) {
        let Valid { fixture, assertion, authenticator, .. } = &*VALID;
        let response = changed(assertion, name, &change);
        prop_assert!(response == *assertion || fixture.assert(authenticator, &response).is_err());
    }

    /// Not signed, as attestation `none` is: what is accepted is still a credential of that id, with a valid key.
    #[test]
    fn a_changed_registration_is_refused_or_sound(
        name in prop::sample::select(vec!["clientDataJSON", "attestationObject"]),
        change in change(),
    ) {
        let Valid { fixture, registration, authenticator, .. } = &*VALID;
        if let Ok(registered) = fixture.register(&changed(registration, name, &change)) {
            prop_assert_eq!(registered.credential_id, authenticator.credential_id.clone());
            prop_assert!(PublicKey::from_cose(registered.public_key.to_cose()).is_ok());
            prop_assert!(registered.user_verified);
        }
    }

    #[test]
    fn any_json_is_read_without_a_panic(value in json()) {
        let Valid { fixture, .. } = &*VALID;
        prop_assert!(fixture.register(&value).is_err());
        prop_assert!(Assertion::parse(&value).is_err());
    }

    #[test]
    fn a_response_is_accepted_when_nothing_was_changed_in_it(
        choices in prop::collection::vec(any::<usize>(), 1..64),
    ) {
        let mut choices = choices.iter().cycle();
        let mut ceremonies = CEREMONIES.lock().unwrap();
        let case = ceremonies.case(&mut |end| choices.next().unwrap() % end);
        prop_assert!(case.verify().is_ok() || !case.changes.is_empty(), "{case:?}");
    }
}

static CEREMONIES: LazyLock<Mutex<Ceremonies>> = LazyLock::new(Mutex::default);

/// JSON with the names that count.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["public-key", "AAAA", "", "usb"]).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let names =
        vec!["id", "rawId", "type", "response", "clientDataJSON", "signature", "transports"];
    leaf.prop_recursive(4, 32, 8, move |inner| {
        let name = prop::sample::select(names.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..8).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}
