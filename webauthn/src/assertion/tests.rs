//! Every clause of §7.2, with what it refuses.

use portcullis_kernel::secret::{base64url, from_base64url};
use serde_json::{Value, json};

use crate::VerificationError as Refused;
use crate::authenticator::{
    ATTESTED_CREDENTIAL, AssertionResponse, BACKED_UP, BACKUP_ELIGIBLE, Cbor, EXTENSIONS,
    SoftwareAuthenticator, USER_PRESENT, USER_VERIFIED, edit_client_data, edit_map, encode,
};
use crate::fixture::{Fixture, HANDLE};
use crate::{Algorithm, Asserted, Assertion, Challenge, Malformed, StoredCredential};

/// Verifies a valid assertion with one thing changed before it is signed.
fn with(change: impl FnOnce(&mut AssertionResponse)) -> Result<Asserted, Refused> {
    let fixture = Fixture::new();
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::Es256);
    let mut response = fixture.get(&mut authenticator);
    change(&mut response);
    fixture.assert(&authenticator, &response.to_json())
}

/// The same, changed after it was signed.
fn with_json(change: impl FnOnce(&mut Value)) -> Result<Asserted, Refused> {
    let fixture = Fixture::new();
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::Es256);
    let mut response = fixture.get(&mut authenticator).to_json();
    change(&mut response);
    fixture.assert(&authenticator, &response)
}

fn with_client_data(name: &str, value: impl Into<Value>) -> Result<Asserted, Refused> {
    with(|response| {
        edit_client_data(&mut response.client_data, |members| {
            members.insert(name.to_owned(), value.into());
        });
    })
}

fn malformed(what: &'static str) -> Result<Asserted, Refused> {
    Err(Refused::Malformed(Malformed(what)))
}

const ASSERTED: Asserted = Asserted { sign_count: 0, user_verified: true, backed_up: false };

#[test]
fn what_was_registered_asserts_with_each_algorithm() {
    for algorithm in Algorithm::OFFERED {
        let fixture = Fixture::new();
        let mut authenticator = SoftwareAuthenticator::new(algorithm);
        authenticator.sign_count = 41;
        let created = fixture.create(&mut authenticator);
        let registered = fixture.register(&created.to_json()).unwrap();
        let assertion = Assertion::parse(&fixture.get(&mut authenticator).to_json()).unwrap();

        assert_eq!(assertion.credential_id(), registered.credential_id);
        assert_eq!(assertion.user_handle(), Some(&HANDLE[..]));
        let stored = StoredCredential {
            id: &registered.credential_id,
            public_key: registered.public_key.to_cose(),
            sign_count: registered.sign_count,
            backup_eligible: registered.backup_eligible,
        };
        let Fixture { relying_party, challenge, verification } = &fixture;
        let asserted =
            relying_party.verify_assertion(challenge, *verification, &stored, &assertion);
        assert_eq!(asserted, Ok(Asserted { sign_count: 42, ..ASSERTED }));
    }
}

#[test]
fn client_data_are_of_an_assertion_with_this_challenge_on_our_page() {
    assert_eq!(with_client_data("type", "webauthn.create"), Err(Refused::Type));
    let other = Challenge::generate().unwrap().to_base64url();
    assert_eq!(with_client_data("challenge", other), Err(Refused::Challenge));
    assert_eq!(with_client_data("origin", "https://example.com"), Err(Refused::Origin));
    assert_eq!(with_client_data("crossOrigin", true), Err(Refused::CrossOrigin));
    assert_eq!(with_client_data("topOrigin", "https://a.example"), Err(Refused::CrossOrigin));
}

#[test]
fn the_authenticator_answers_for_this_relying_party_and_a_user() {
    let other = with(|response| response.relying_party_id = "example.org".to_owned());
    assert_eq!(other, Err(Refused::RelyingParty));
    let absent = with(|response| response.flags &= !USER_PRESENT);
    assert_eq!(absent, Err(Refused::UserNotPresent));
    let unverified = with(|response| response.flags &= !USER_VERIFIED);
    assert_eq!(unverified, Err(Refused::UserNotVerified));
}

#[test]
fn user_verification_is_told_where_it_is_not_required() {
    let fixture = Fixture { verification: crate::UserVerification::Preferred, ..Fixture::new() };
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::EdDsa);
    authenticator.flags = USER_PRESENT;
    let response = fixture.get(&mut authenticator).to_json();
    let asserted = fixture.assert(&authenticator, &response);
    assert_eq!(asserted, Ok(Asserted { user_verified: false, ..ASSERTED }));
}

#[test]
fn eligibility_for_backups_never_changes() {
    let fixture = Fixture::new();
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::EdDsa);
    for (flags, is_stored_eligible, expected) in [
        (0, false, Ok(false)),
        (BACKUP_ELIGIBLE, true, Ok(false)),
        (BACKUP_ELIGIBLE | BACKED_UP, true, Ok(true)),
        (0, true, Err(Refused::Backup)),
        (BACKUP_ELIGIBLE, false, Err(Refused::Backup)),
        (BACKED_UP, false, Err(Refused::Backup)),
        (BACKED_UP, true, Err(Refused::Backup)),
    ] {
        authenticator.flags = USER_PRESENT | USER_VERIFIED | flags;
        let response = fixture.get(&mut authenticator).to_json();
        let asserted = fixture.assert_stored(&authenticator, &response, 0, is_stored_eligible);
        assert_eq!(asserted.map(|asserted| asserted.backed_up), expected, "{flags}");
    }
}

#[test]
fn a_counter_rises_or_is_none() {
    let fixture = Fixture::new();
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::EdDsa);
    for (stored, presented, is_fine) in [
        (0, 0, true),
        (0, 1, true),
        (5, 6, true),
        (5, u32::MAX, true),
        (5, 5, false),
        (5, 4, false),
        (5, 0, false),
        (u32::MAX, 0, false),
        (u32::MAX, u32::MAX, false),
    ] {
        let mut response = fixture.get(&mut authenticator);
        response.sign_count = presented;
        let asserted = fixture.assert_stored(&authenticator, &response.to_json(), stored, false);
        let refused = Err(Refused::Counter { stored, presented });
        let expected =
            if is_fine { Ok(Asserted { sign_count: presented, ..ASSERTED }) } else { refused };
        assert_eq!(asserted, expected);
    }
}

#[test]
fn a_counter_that_nobody_signed_is_a_bad_signature() {
    let fixture = Fixture::new();
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::EdDsa);
    let response = fixture.get(&mut authenticator);
    let mut json = response.to_json();
    let mut data = response.authenticator_data();
    data[36] = 3;
    json["response"]["authenticatorData"] = base64url(data).into();
    let refused = fixture.assert_stored(&authenticator, &json, 5, false);
    assert_eq!(refused, Err(Refused::Signature));
}

#[test]
fn nothing_that_is_signed_can_be_changed() {
    let fixture = Fixture::new();
    for algorithm in Algorithm::OFFERED {
        let mut authenticator = SoftwareAuthenticator::new(algorithm);
        let response = fixture.get(&mut authenticator).to_json();
        assert_eq!(fixture.assert(&authenticator, &response), Ok(ASSERTED));
        let bytes =
            |name: &str| from_base64url(response["response"][name].as_str().unwrap()).unwrap();
        // Another member in the client data, a reserved flag, and each byte of the signature.
        let mut changed = vec![("clientDataJSON", bytes("clientDataJSON"))];
        changed[0].1.splice(1..1, *br#""a":1,"#);
        let mut data = bytes("authenticatorData");
        data[32] |= 2;
        changed.push(("authenticatorData", data));
        let signature = bytes("signature");
        for at in 0..signature.len() {
            let mut signature = signature.clone();
            signature[at] ^= 1;
            changed.push(("signature", signature));
        }
        changed.push(("signature", signature[1..].to_vec()));
        changed.push(("signature", [&signature[..], &[0]].concat()));
        changed.push(("signature", Vec::new()));
        changed.push(("signature", vec![0; 64]));
        for (name, bytes) in changed {
            let mut response = response.clone();
            response["response"][name] = base64url(bytes).into();
            let refused = fixture.assert(&authenticator, &response);
            assert_eq!(refused, Err(Refused::Signature), "{algorithm:?} {name}");
        }
    }
}

#[test]
fn a_signature_with_another_key_is_refused() {
    let fixture = Fixture::new();
    for algorithm in Algorithm::OFFERED {
        let mut authenticator = SoftwareAuthenticator::new(algorithm);
        let mut other = SoftwareAuthenticator::new(algorithm);
        other.credential_id.clone_from(&authenticator.credential_id);
        let response = fixture.get(&mut other).to_json();
        assert_eq!(fixture.assert(&authenticator, &response), Err(Refused::Signature));
        let elsewhere = fixture.get(&mut SoftwareAuthenticator::new(algorithm)).to_json();
        let refused = fixture.assert(&authenticator, &elsewhere);
        assert_eq!(refused, Err(Refused::CredentialMismatch));
        let own = fixture.get(&mut authenticator).to_json();
        assert_eq!(fixture.assert(&authenticator, &own), Ok(ASSERTED));
    }
}

#[test]
fn an_assertion_brings_no_credential_and_nothing_beside_extensions() {
    let attested = with(|response| {
        response.flags |= ATTESTED_CREDENTIAL;
        let key = SoftwareAuthenticator::new(Algorithm::EdDsa).public_key();
        response.trailing = [&[0; 16][..], &[0, 1, 7], &key].concat();
    });
    assert_eq!(attested, malformed("the authenticator data contain a credential"));
    let trailing = with(|response| response.trailing = vec![0xa0]);
    assert_eq!(trailing, malformed("more bytes follow the authenticator data"));
    let extensions = with(|response| {
        response.flags |= EXTENSIONS;
        response.trailing = encode(&Cbor::Map(vec![("uvm".into(), Cbor::Array(Vec::new()))]));
    });
    assert_eq!(extensions, Ok(ASSERTED));
}

#[test]
fn the_json_has_its_members_in_their_types() {
    let long = base64url([0; 65]);
    let changes: [(&str, Value, &'static str); 7] = [
        ("authenticatorData", Value::Null, "authenticatorData"),
        ("authenticatorData", json!("AA="), "authenticatorData"),
        ("signature", json!(7), "signature"),
        ("signature", json!(base64url([0; 513])), "signature"),
        ("clientDataJSON", json!("~"), "clientDataJSON"),
        ("userHandle", json!({}), "userHandle"),
        ("userHandle", json!(long), "userHandle"),
    ];
    for (name, value, refused) in changes {
        let change = |json: &mut Value| json["response"][name] = value;
        assert_eq!(with_json(change), malformed(refused), "{name}");
    }
    assert_eq!(
        with_json(|json| json["type"] = "x".into()),
        malformed("type is not \"public-key\"")
    );
}

#[test]
fn a_user_handle_may_be_missing() {
    let fixture = Fixture::new();
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::EdDsa);
    let mut json = fixture.get(&mut authenticator).to_json();
    assert_eq!(Assertion::parse(&json).unwrap().user_handle(), None);
    for none in [Value::Null, json!("")] {
        json["response"]["userHandle"] = none;
        assert_eq!(Assertion::parse(&json).unwrap().user_handle(), None);
    }
    json["response"]["userHandle"] = base64url([1; 64]).into();
    assert_eq!(Assertion::parse(&json).unwrap().user_handle(), Some(&[1; 64][..]));
}

#[test]
fn a_stored_key_that_is_none_is_told() {
    let fixture = Fixture::new();
    let mut authenticator = SoftwareAuthenticator::new(Algorithm::Es256);
    let assertion = Assertion::parse(&fixture.get(&mut authenticator).to_json()).unwrap();
    let mut key = authenticator.public_key();
    edit_map(&mut key, |entries| {
        entries.pop();
    });
    let stored = StoredCredential {
        id: &authenticator.credential_id,
        public_key: &key,
        sign_count: 0,
        backup_eligible: false,
    };
    let Fixture { relying_party, challenge, verification } = &fixture;
    let refused = relying_party.verify_assertion(challenge, *verification, &stored, &assertion);
    assert_eq!(refused, Err(Refused::Key));
}
