//! Every clause of §7.1, with what it refuses.

use portcullis_kernel::secret::base64url;
use serde_json::{Value, json};

use crate::VerificationError as Refused;
use crate::authenticator::{
    ATTESTED_CREDENTIAL, AttestationResponse, BACKED_UP, BACKUP_ELIGIBLE, Cbor, EXTENSIONS,
    SoftwareAuthenticator, USER_PRESENT, USER_VERIFIED, edit_client_data, encode,
};
use crate::cbor::Entries;
use crate::fixture::{Fixture, HANDLE, ORIGIN};
use crate::{Algorithm, Challenge, Malformed, Transport, UserVerification};

/// Verifies a valid response with one thing changed.
fn with(change: impl FnOnce(&mut AttestationResponse)) -> Result<(), Refused> {
    let fixture = Fixture::new();
    let mut response = fixture.created();
    change(&mut response);
    fixture.register(&response.to_json()).map(|_| ())
}

/// The same, in the JSON that was sent.
fn with_json(change: impl FnOnce(&mut Value)) -> Result<(), Refused> {
    let fixture = Fixture::new();
    let mut response = fixture.created().to_json();
    change(&mut response);
    fixture.register(&response).map(|_| ())
}

fn with_client_data(name: &str, value: impl Into<Value>) -> Result<(), Refused> {
    with(|response| {
        edit_client_data(&mut response.client_data, |members| {
            members.insert(name.to_owned(), value.into());
        });
    })
}

fn malformed(what: &'static str) -> Result<(), Refused> {
    Err(Refused::Malformed(Malformed(what)))
}

#[test]
fn a_credential_of_each_algorithm_is_registered() {
    for algorithm in Algorithm::OFFERED {
        let fixture = Fixture::new();
        let mut authenticator = SoftwareAuthenticator::new(algorithm);
        authenticator.sign_count = 7;
        authenticator.flags |= BACKUP_ELIGIBLE | BACKED_UP;
        let mut response = fixture.create(&mut authenticator);
        response.aaguid = [3; 16];

        let registered = fixture.register(&response.to_json()).unwrap();

        assert_eq!(registered.credential_id, authenticator.credential_id);
        assert_eq!(registered.public_key.to_cose(), authenticator.public_key());
        assert_eq!(registered.public_key.algorithm(), algorithm);
        assert_eq!(registered.sign_count, 7);
        assert!(registered.user_verified && registered.backup_eligible && registered.backed_up);
        assert_eq!(registered.transports, [Transport::Internal]);
        assert_eq!(registered.aaguid, [3; 16]);
        assert_eq!(registered.is_discoverable, Some(true));
        assert_eq!(authenticator.user_handle.as_deref(), Some(&HANDLE[..]));
    }
}

#[test]
fn client_data_are_of_a_registration_with_this_challenge_on_our_page() {
    assert_eq!(with_client_data("other_keys_can_be_added_here", "do not compare"), Ok(()));
    for kind in ["webauthn.get", "webauthn.create ", "Webauthn.create", "payment.get", ""] {
        assert_eq!(with_client_data("type", kind), Err(Refused::Type), "{kind:?}");
    }
    let other = Challenge::generate().unwrap().to_base64url();
    for challenge in [&other, "", "AAAA", &format!("{other}=")] {
        assert_eq!(with_client_data("challenge", challenge), Err(Refused::Challenge));
    }
    for origin in [
        "https://example.com",
        "http://login.example.com",
        "https://login.example.com/",
        "https://login.example.com:443",
        "https://login.example.com:8443",
        "https://login.example.com.evil.example",
        "https://evil.login.example.com",
        "HTTPS://login.example.com",
        "https://LOGIN.example.com",
        "null",
        "",
    ] {
        assert_eq!(with_client_data("origin", origin), Err(Refused::Origin), "{origin:?}");
    }
    assert_eq!(with_client_data("origin", "https://example.org"), Ok(()), "the other of two");
}

#[test]
fn a_page_within_one_of_another_origin_is_refused() {
    assert_eq!(with_client_data("crossOrigin", true), Err(Refused::CrossOrigin));
    assert_eq!(with_client_data("crossOrigin", false), Ok(()));
    for value in [json!(null), json!("true"), json!(0)] {
        let refused = malformed("clientDataJSON.crossOrigin is not a boolean");
        assert_eq!(with_client_data("crossOrigin", value), refused);
    }
    for top in [json!(ORIGIN), json!("https://example.org"), json!(null)] {
        assert_eq!(with_client_data("topOrigin", top), Err(Refused::CrossOrigin));
    }
    let without = with(|response| {
        edit_client_data(&mut response.client_data, |members| {
            members.remove("crossOrigin");
        });
    });
    assert_eq!(without, Ok(()));
}

#[test]
fn client_data_are_one_plain_json_object() {
    let raw = |make: &dyn Fn(&str) -> Vec<u8>| {
        with(|response| {
            let text = String::from_utf8(response.client_data.clone()).unwrap();
            response.client_data = make(&text);
        })
    };
    let object = malformed("clientDataJSON is not a JSON object");
    let utf_8 = malformed("clientDataJSON is not UTF-8");
    assert_eq!(raw(&|text| format!(" {text}\n").into()), Ok(()));
    assert_eq!(raw(&|text| format!("\u{feff}{text}").into()), object);
    assert_eq!(raw(&|text| format!("{text}{{}}").into()), object);
    assert_eq!(raw(&|text| format!("[{text}]").into()), object);
    assert_eq!(raw(&|_| Vec::new()), object);
    let twice = |text: &str| text.replacen('{', r#"{"origin":"https://evil.example","#, 1);
    assert_eq!(raw(&|text| twice(text).into()), object);
    let unknown_twice = |text: &str| text.replacen('{', r#"{"a":1,"a":1,"#, 1);
    assert_eq!(raw(&|text| unknown_twice(text).into()), object);
    let deep = |text: &str| text.replacen('{', &format!(r#"{{"a":{}"#, "[".repeat(2000)), 1);
    assert_eq!(raw(&|text| deep(text).into()), object);
    assert_eq!(raw(&|text| [text.as_bytes(), &[0xff]].concat()), utf_8);
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(raw(&utf_16), object);
    assert_eq!(with_client_data("padding", "x".repeat(4096)), malformed("clientDataJSON"));
    for (name, refused) in [
        ("type", "clientDataJSON.type is not a string"),
        ("challenge", "clientDataJSON.challenge is not a string"),
        ("origin", "clientDataJSON.origin is not a string"),
    ] {
        for value in [json!(null), json!(1), json!([ORIGIN])] {
            assert_eq!(with_client_data(name, value), malformed(refused));
        }
    }
}

#[test]
fn token_binding_may_only_be_said_to_be_supported() {
    assert_eq!(with_client_data("tokenBinding", json!({ "status": "supported" })), Ok(()));
    let refused = malformed("clientDataJSON.tokenBinding is not supported");
    for binding in [
        json!({ "status": "present", "id": "AAAA" }),
        json!({ "status": "not-supported" }),
        json!({}),
        json!("supported"),
        json!(null),
    ] {
        assert_eq!(with_client_data("tokenBinding", binding), refused);
    }
}

#[test]
fn the_authenticator_answers_for_this_relying_party() {
    for id in ["example.org", "login.example.com", "com", "", "EXAMPLE.com"] {
        let refused = with(|response| id.clone_into(&mut response.relying_party_id));
        assert_eq!(refused, Err(Refused::RelyingParty), "{id:?}");
    }
}

#[test]
fn the_user_is_present_and_verified_where_required() {
    let absent = with(|response| response.flags &= !USER_PRESENT);
    assert_eq!(absent, Err(Refused::UserNotPresent));
    let unverified = with(|response| response.flags &= !USER_VERIFIED);
    assert_eq!(unverified, Err(Refused::UserNotVerified));

    let fixture = Fixture { verification: UserVerification::Preferred, ..Fixture::new() };
    let mut response = fixture.created();
    response.flags &= !USER_VERIFIED;
    assert!(!fixture.register(&response.to_json()).unwrap().user_verified);
}

#[test]
fn a_credential_made_without_asking_needs_nobody() {
    let fixture = Fixture::new();
    let mut response = fixture.created();
    response.flags &= !(USER_PRESENT | USER_VERIFIED);
    let verify = |response: &AttestationResponse| {
        let Fixture { relying_party, challenge, .. } = &fixture;
        relying_party.verify_conditional_registration(challenge, &response.to_json())
    };

    assert!(!verify(&response).unwrap().user_verified);
    response.relying_party_id = "example.org".to_owned();
    assert_eq!(verify(&response).unwrap_err(), Refused::RelyingParty);
}

#[test]
fn a_backup_needs_eligibility() {
    let backed_up = with(|response| response.flags |= BACKED_UP);
    assert_eq!(backed_up, Err(Refused::Backup));
    assert_eq!(with(|response| response.flags |= BACKUP_ELIGIBLE), Ok(()));
    assert_eq!(with(|response| response.flags |= BACKUP_ELIGIBLE | BACKED_UP), Ok(()));
    let reserved = 1 << 1 | 1 << 5;
    assert_eq!(with(|response| response.flags |= reserved), Ok(()), "for later use");
}

#[test]
fn an_attestation_is_none_or_by_the_key_itself() {
    for algorithm in Algorithm::OFFERED {
        let fixture = Fixture::new();
        let mut response = fixture.create(&mut SoftwareAuthenticator::new(algorithm));
        response.attest();
        assert_eq!(fixture.register(&response.to_json()).map(|_| ()), Ok(()), "{algorithm:?}");
        let other_statement: [fn(&mut Entries); 5] = [
            |entries| entries[0].1 = (-37).into(),
            |entries| entries[1].1 = Cbor::Bytes(vec![0; 64]),
            |entries| entries[1].1 = Cbor::Null,
            |entries| entries.truncate(1),
            |entries| entries.push(("x5c".into(), Cbor::Array(Vec::new()))),
        ];
        for (at, change) in other_statement.into_iter().enumerate() {
            let mut response = response.clone();
            change(response.statement.as_map_mut().unwrap());
            let refused = fixture.register(&response.to_json()).map(|_| ());
            assert_eq!(refused, Err(Refused::Attestation), "{algorithm:?}, change {at}");
        }
        let signed: [fn(&mut AttestationResponse); 5] = [
            |response| response.flags ^= BACKUP_ELIGIBLE,
            |response| response.aaguid[0] ^= 1,
            |response| response.client_data.push(b' '),
            |response| "none".clone_into(&mut response.format),
            |response| "fido-u2f".clone_into(&mut response.format),
        ];
        for (at, change) in signed.into_iter().enumerate() {
            let mut response = response.clone();
            change(&mut response);
            let refused = fixture.register(&response.to_json()).map(|_| ());
            assert_eq!(refused, Err(Refused::Attestation), "{algorithm:?}, change {at}");
        }
    }
}

#[test]
fn an_attestation_of_another_format_is_refused() {
    for format in ["packed", "None", "none ", "", "fido-u2f", "apple"] {
        let refused = with(|response| format.clone_into(&mut response.format));
        assert_eq!(refused, Err(Refused::Attestation), "{format:?}");
    }
    let statement = Cbor::Map(vec![("sig".into(), Cbor::Bytes(vec![0; 64]))]);
    let refused = with(|response| response.statement = statement);
    assert_eq!(refused, Err(Refused::Attestation));
    let null = with(|response| response.statement = Cbor::Null);
    assert_eq!(null, malformed("attestationObject.attStmt is not a map"));
}

#[test]
fn the_attestation_object_is_one_canonical_map() {
    let with_object = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let fixture = Fixture::new();
        let response = fixture.created();
        let mut json = response.to_json();
        let object = change(response.attestation_object());
        json["response"]["attestationObject"] = base64url(object).into();
        fixture.register(&json).map(|_| ())
    };
    let canonical = malformed("attestationObject is not a canonical CBOR map");
    assert_eq!(with_object(&|object| object), Ok(()));
    assert_eq!(with_object(&|object| [object, vec![0]].concat()), canonical);
    assert_eq!(with_object(&|object| object[..object.len() - 1].to_vec()), canonical);
    // A map of open length with the same entries.
    let open = |object: Vec<u8>| [&[0xbf], &object[1..], &[0xff]].concat();
    assert_eq!(with_object(&open), canonical);
    assert_eq!(with_object(&|object| encode(&Cbor::Array(vec![Cbor::Bytes(object)]))), canonical);
    assert_eq!(with_object(&|_| Vec::new()), canonical);
    assert_eq!(with_object(&|_| vec![0x81; 8000]), canonical);
    assert_eq!(with_object(&|_| vec![0; 8193]), malformed("attestationObject"));
    for (name, refused) in [
        ("fmt", "attestationObject.fmt is not text"),
        ("attStmt", "attestationObject.attStmt is not a map"),
        ("authData", "attestationObject.authData are not bytes"),
    ] {
        let without = |mut object: Vec<u8>| {
            crate::authenticator::edit_map(&mut object, |entries| {
                entries.retain(|(key, _)| key.as_text() != Some(name));
            });
            object
        };
        assert_eq!(with_object(&without), malformed(refused));
    }
}

#[test]
fn authenticator_data_hold_what_their_flags_say_and_no_more() {
    let follows = malformed("more bytes follow the authenticator data");
    assert_eq!(with(|response| response.trailing = vec![0]), follows);
    let extensions = malformed("the outputs of extensions are not a canonical CBOR map");
    let credential_missing = malformed("the authenticator data contain no credential");
    assert_eq!(with(|response| response.flags |= EXTENSIONS), extensions);
    let output = encode(&Cbor::Map(vec![("credProtect".into(), 2.into())]));
    let trailing = |trailing: Vec<u8>| {
        with(|response| {
            response.flags |= EXTENSIONS;
            response.trailing = trailing;
        })
    };
    assert_eq!(trailing(output.clone()), Ok(()));
    assert_eq!(trailing([&output[..], &[0]].concat()), follows);
    assert_eq!(trailing(vec![0x80]), extensions);
    assert_eq!(with(|response| response.trailing = output), follows, "without the flag");
    assert_eq!(with(|response| response.flags &= !ATTESTED_CREDENTIAL), credential_missing);

    let fixture = Fixture::new();
    let response = fixture.created();
    for length in [0, 36, 37, 52, 55, 80] {
        let mut json = response.to_json();
        let data = response.authenticator_data()[..length].to_vec();
        let object = encode(&Cbor::Map(vec![
            ("fmt".into(), "none".into()),
            ("attStmt".into(), Cbor::Map(Vec::new())),
            ("authData".into(), Cbor::Bytes(data)),
        ]));
        json["response"]["attestationObject"] = base64url(object).into();
        let refused = malformed("the authenticator data are cut off");
        assert_eq!(fixture.register(&json).map(|_| ()), refused, "{length}");
    }
}

#[test]
fn credential_ids_are_the_same_everywhere_and_bounded() {
    let other = with(|response| response.credential_id = vec![1; 32]);
    assert_eq!(other, Err(Refused::CredentialMismatch));
    let id = |length: usize| {
        with(|response| {
            response.credential_id = vec![1; length];
            response.id = vec![1; length];
        })
    };
    assert_eq!(id(1), Ok(()));
    assert_eq!(id(1023), Ok(()));
    assert_eq!(id(1024), malformed("id"));
    assert_eq!(id(0), malformed("id is missing"));
    let bounds = malformed("the id of the credential is empty or has more than 1023 bytes");
    assert_eq!(with(|response| response.credential_id = vec![1; 1024]), bounds);
    assert_eq!(with(|response| response.credential_id = Vec::new()), bounds);

    let different = malformed("rawId differs from id");
    assert_eq!(with_json(|json| json["rawId"] = "AAAA".into()), different);
    assert_eq!(with_json(|json| json["rawId"] = Value::Null), different);
    for text in ["AA==", "AB", "A", "A+/A", "AA A", "AA\n"] {
        let refused = with_json(|json| {
            json["id"] = text.into();
            json["rawId"] = text.into();
        });
        assert_eq!(refused, malformed("id"), "{text:?}");
    }
}

#[test]
fn the_json_has_its_members_in_their_types() {
    let ignored = with_json(|json| {
        json["unknown"] = json!([1]);
        json["response"]["publicKey"] = json!(7);
        json["response"]["publicKeyAlgorithm"] = json!("no");
        json["response"]["authenticatorData"] = json!("AAAA");
        json["authenticatorAttachment"] = Value::Null;
    });
    assert_eq!(ignored, Ok(()));
    assert_eq!(with_json(|json| *json = json!([])), malformed("it is not an object"));
    let changes: [(&str, Value, &'static str); 8] = [
        ("/type", json!("password"), "type is not \"public-key\""),
        ("/type", Value::Null, "type is not \"public-key\""),
        ("/id", json!(7), "id"),
        ("/response", json!("x"), "response is not an object"),
        ("/response/clientDataJSON", Value::Null, "clientDataJSON"),
        ("/response/attestationObject", json!({}), "attestationObject"),
        (
            "/authenticatorAttachment",
            json!("cable"),
            "authenticatorAttachment has an unknown value",
        ),
        ("/clientExtensionResults", json!([]), "clientExtensionResults is not an object"),
    ];
    for (at, value, refused) in changes {
        let change = |json: &mut Value| *json.pointer_mut(at).unwrap() = value;
        assert_eq!(with_json(change), malformed(refused), "{at}");
    }
}

#[test]
fn transports_are_those_that_are_known_each_once() {
    let fixture = Fixture::new();
    let mut json = fixture.created().to_json();
    json["response"]["transports"] = json!(["usb", "cable", "smart-card", "usb", "USB", "hybrid"]);
    let registered = fixture.register(&json).unwrap();
    assert_eq!(registered.transports, [Transport::Usb, Transport::SmartCard, Transport::Hybrid]);

    for wrong in [json!("usb"), json!([1]), json!(vec!["usb"; 17]), Value::Null] {
        let refused = with_json(|json| json["response"]["transports"] = wrong.clone());
        assert_eq!(refused, malformed("transports"), "{wrong}");
    }
}

#[test]
fn whether_a_credential_is_discoverable_is_told_where_it_is_said() {
    let fixture = Fixture::new();
    for (results, expected) in [
        (json!({ "credProps": { "rk": false } }), Some(false)),
        (json!({ "credProps": {} }), None),
        (json!({ "other": 1 }), None),
    ] {
        let mut json = fixture.created().to_json();
        json["clientExtensionResults"] = results;
        assert_eq!(fixture.register(&json).unwrap().is_discoverable, expected);
    }
    let results = json!({ "credProps": { "rk": "yes" } });
    let refused = with_json(|json| json["clientExtensionResults"] = results);
    assert_eq!(refused, malformed("credProps.rk"));
}
