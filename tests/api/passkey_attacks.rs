//! Answers of authenticators and browsers in which something is wrong. Nobody is told what.

use portcullis_webauthn::authenticator::{
    ATTESTED_CREDENTIAL, AssertionResponse, AttestationResponse, BACKED_UP, BACKUP_ELIGIBLE, Cbor,
    EXTENSIONS, USER_PRESENT, edit_client_data, edit_map,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::passkey::{
    Ceremony, ORIGIN, add, base64url, forgery_of, from_base64url, me, prove, refusal, sign_in,
    verifying, without_pin,
};
use crate::support::{Reply, SignedIn, TestApp};

/// One thing to be wrong, under the name of the case.
type Named<T> = (&'static str, fn(&mut T));

const EVIL: &str = "https://evil.example.com";

fn say(client_data: &mut Vec<u8>, member: &str, value: Value) {
    edit_client_data(client_data, |members| {
        members.insert(member.to_owned(), value);
    });
}

/// What an authenticator signs that it should not have been asked.
const ASSERTIONS: [Named<AssertionResponse>; 19] = [
    ("another origin", |it| say(&mut it.client_data, "origin", json!(EVIL))),
    ("no origin", |it| say(&mut it.client_data, "origin", Value::Null)),
    ("another type", |it| say(&mut it.client_data, "type", json!("webauthn.create"))),
    ("no type", |it| say(&mut it.client_data, "type", json!(""))),
    ("another challenge", |it| say(&mut it.client_data, "challenge", json!(base64url([0; 32])))),
    ("no challenge", |it| say(&mut it.client_data, "challenge", json!(""))),
    ("a frame", |it| say(&mut it.client_data, "crossOrigin", json!(true))),
    ("a frame of text", |it| say(&mut it.client_data, "crossOrigin", json!("false"))),
    ("a page around", |it| say(&mut it.client_data, "topOrigin", json!(ORIGIN))),
    ("another party", |it| "evil.example.com".clone_into(&mut it.relying_party_id)),
    ("nobody there", |it| it.flags &= !USER_PRESENT),
    ("another eligibility", |it| it.flags |= BACKUP_ELIGIBLE),
    ("backed up and not eligible", |it| it.flags |= BACKED_UP),
    ("a credential that is not there", |it| it.flags |= ATTESTED_CREDENTIAL),
    ("extensions that are not there", |it| it.flags |= EXTENSIONS),
    ("more than there is", |it| it.trailing = vec![0]),
    ("client data of no members", |it| it.client_data = b"[]".to_vec()),
    ("client data of no text", |it| it.client_data = vec![0xff; 40]),
    ("client data without an end", |it| it.client_data = vec![b'['; 3_000]),
];

/// What somebody changes on the way.
const CHANGES: [Named<Value>; 12] = [
    ("the party", |it| change(it, "authenticatorData", |bytes| bytes[0] ^= 1)),
    ("the flags", |it| change(it, "authenticatorData", |bytes| bytes[32] ^= 1 << 5)),
    ("the counter", |it| change(it, "authenticatorData", |bytes| bytes[36] ^= 1)),
    ("the client data", |it| change(it, "clientDataJSON", |bytes| bytes.push(b' '))),
    ("the signature", |it| change(it, "signature", |bytes| bytes[8] ^= 1)),
    ("a part of the signature", |it| change(it, "signature", |bytes| bytes.truncate(20))),
    ("all of the signature", |it| change(it, "signature", Vec::clear)),
    ("no signature", |it| it["response"]["signature"] = Value::Null),
    ("another kind", |it| it["type"] = json!("password")),
    ("another raw id", |it| it["rawId"] = json!(base64url([9; 32]))),
    ("padding", |it| it["id"] = json!(format!("{}=", it["id"].as_str().unwrap()))),
    ("no response", |it| it["response"] = Value::Null),
];

fn change(credential: &mut Value, member: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    let text = &mut credential["response"][member];
    let mut bytes = from_base64url(text.as_str().unwrap());
    edit(&mut bytes);
    *text = base64url(bytes).into();
}

/// What an authenticator makes that nobody has asked it for.
const REGISTRATIONS: [Named<AttestationResponse>; 23] = [
    ("another origin", |it| say(&mut it.client_data, "origin", json!(EVIL))),
    ("another type", |it| say(&mut it.client_data, "type", json!("webauthn.get"))),
    ("another challenge", |it| say(&mut it.client_data, "challenge", json!(base64url([0; 32])))),
    ("a frame", |it| say(&mut it.client_data, "crossOrigin", json!(true))),
    ("a page around", |it| say(&mut it.client_data, "topOrigin", json!(ORIGIN))),
    ("another party", |it| "evil.example.com".clone_into(&mut it.relying_party_id)),
    ("nobody there", |it| it.flags &= !USER_PRESENT),
    ("backed up and not eligible", |it| it.flags |= BACKED_UP),
    ("no credential", |it| it.flags &= !ATTESTED_CREDENTIAL),
    ("extensions that are not there", |it| it.flags |= EXTENSIONS),
    ("more than there is", |it| it.trailing = vec![0]),
    ("an attestation of something else", |it| {
        it.attest();
        it.sign_count += 1;
    }),
    ("an unknown attestation", |it| "tpm".clone_into(&mut it.format)),
    ("a statement of none", |it| it.statement = Cbor::Map(vec![("x".into(), Cbor::Null)])),
    ("another id", |it| it.id = vec![9; 32]),
    ("no id", |it| set_id(it, 0)),
    ("a long id", |it| set_id(it, 1024)),
    ("an algorithm not offered", |it| sign_by(&mut it.public_key, -35)),
    ("an algorithm of another key", |it| sign_by(&mut it.public_key, -257)),
    ("no algorithm", |it| sign_by(&mut it.public_key, 0)),
    ("half a key", |it| it.public_key.truncate(40)),
    ("no key", |it| it.public_key.clear()),
    ("client data without an end", |it| it.client_data = vec![b'['; 3_000]),
];

fn set_id(made: &mut AttestationResponse, length: usize) {
    made.id = vec![1; length];
    made.credential_id = vec![1; length];
}

/// Has a COSE_Key name another algorithm (label 3).
fn sign_by(public_key: &mut Vec<u8>, algorithm: i64) {
    edit_map(public_key, |entries| {
        for (label, value) in entries {
            if *label == Cbor::from(3_i64) {
                *value = Cbor::from(algorithm);
            }
        }
    });
}

/// What all that is wrong is answered with in a sign-in.
async fn wrong(app: &TestApp, user: &SignedIn) -> String {
    let mut authenticator = verifying();
    add(&app.app, user, &mut authenticator).await;
    let reply = sign_in(&app.app, &mut forgery_of(&authenticator)).await;
    let told = reply.json()["errors"][0]["extensions"].take();
    assert_eq!(told, json!({ "code": "INVALID_CREDENTIALS" }));
    reply.text
}

#[tokio::test]
async fn an_assertion_in_which_anything_is_wrong_signs_nobody_in() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let wrong = wrong(&app, &alice).await;
    let mut authenticator = verifying();
    add(&app.app, &alice, &mut authenticator).await;
    let sessions = app.count("sessions").await;
    for (what, tamper) in ASSERTIONS {
        let begun = Ceremony::of_sign_in(&app.app).await;
        let mut shown = authenticator.get(&begun.options, ORIGIN);
        tamper(&mut shown);
        let reply = begun.finish_sign_in(&app.app, &shown.to_json()).await;
        assert_eq!(reply.text, wrong, "{what}");
    }
    for (what, change) in CHANGES {
        let begun = Ceremony::of_sign_in(&app.app).await;
        let mut shown = authenticator.get(&begun.options, ORIGIN).to_json();
        change(&mut shown);
        let reply = begun.finish_sign_in(&app.app, &shown).await;
        assert_eq!(reply.text, wrong, "{what}");
    }
    let other = Ceremony::of_sign_in(&app.app).await;
    let begun = Ceremony::of_sign_in(&app.app).await;
    let shown = authenticator.get(&other.options, ORIGIN).to_json();
    assert_eq!(begun.finish_sign_in(&app.app, &shown).await.text, wrong, "another ceremony's");
    assert_eq!(app.count("sessions").await, sessions);
    other.finish_sign_in(&app.app, &shown).await.signed_in("finishPasskeySignIn");
}

#[tokio::test]
async fn an_assertion_in_which_anything_is_wrong_proves_nothing() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = without_pin();
    add(&app.app, &alice, &mut authenticator).await;
    let wrong = prove(&app.app, &alice, &mut forgery_of(&authenticator)).await;
    assert_eq!(refusal(&wrong), "INVALID_CREDENTIALS");
    // Ten wrong ones would end the session.
    for (what, tamper) in ASSERTIONS {
        let session = app.again("alice").await;
        let begun = Ceremony::of_proof(&app.app, &session.access).await;
        let mut shown = authenticator.get(&begun.options, ORIGIN);
        tamper(&mut shown);
        let reply = begun.reauthenticate(&app.app, &shown.to_json(), &session.access).await;
        assert_eq!(reply.text, wrong.text, "{what}");
    }
    for (what, change) in CHANGES {
        let session = app.again("alice").await;
        let begun = Ceremony::of_proof(&app.app, &session.access).await;
        let mut shown = authenticator.get(&begun.options, ORIGIN).to_json();
        change(&mut shown);
        let reply = begun.reauthenticate(&app.app, &shown, &session.access).await;
        assert_eq!(reply.text, wrong.text, "{what}");
    }
    prove(&app.app, &alice, &mut authenticator).await.signed_in("reauthenticate");
}

#[tokio::test]
async fn only_the_pages_of_the_server_use_its_passkeys() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let wrong = wrong(&app, &alice).await;
    let mut authenticator = verifying();
    add(&app.app, &alice, &mut authenticator).await;
    for origin in [
        "",
        "null",
        "localhost",
        "localhost:8000",
        "http://localhost",
        "http://localhost:8001",
        "https://localhost:8000",
        "http://localhost:8000/",
        "http://localhost:8000/page",
        "HTTP://LOCALHOST:8000",
        "http://localhost:8000.evil.example.com",
        "http://user@localhost:8000",
        "http://app.localhost:8000",
        "http://127.0.0.1:8000",
        " http://localhost:8000",
        "https://evil.example.com/?http://localhost:8000",
    ] {
        let begun = Ceremony::of_sign_in(&app.app).await;
        let shown = authenticator.get(&begun.options, origin).to_json();
        let reply = begun.finish_sign_in(&app.app, &shown).await;
        assert_eq!(reply.text, wrong, "{origin}");
    }
    sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
}

fn assert_is_not_acceptable(reply: &Reply, what: &str) {
    assert_eq!(reply.code(), "BAD_USER_INPUT", "{what}: {}", reply.text);
    let field = ("input.credential".to_owned(), "NOT_ALLOWED".to_owned());
    assert_eq!(reply.refused_field(), field, "{what}");
}

#[tokio::test]
async fn a_passkey_in_which_anything_is_wrong_is_not_registered() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut told = Vec::new();
    for (what, tamper) in REGISTRATIONS {
        let begun = Ceremony::of_registration(&app.app, &alice.access).await;
        let mut made = verifying().create(&begun.options, ORIGIN);
        tamper(&mut made);
        let reply = begun.finish_registration(&app.app, &made.to_json(), &alice.access).await;
        assert_is_not_acceptable(&reply, what);
        told.push(reply.text);
    }
    let other = Ceremony::of_registration(&app.app, &alice.access).await;
    let begun = Ceremony::of_registration(&app.app, &alice.access).await;
    let made = verifying().create(&other.options, ORIGIN).to_json();
    let reply = begun.finish_registration(&app.app, &made, &alice.access).await;
    assert_is_not_acceptable(&reply, "another ceremony's");
    told.push(reply.text);
    told.dedup();
    assert_eq!(told.len(), 1, "nobody is told what was wrong: {told:?}");
    assert_eq!(app.count("passkeys").await, 0);
    other.finish_registration(&app.app, &made, &alice.access).await.data();
}

/// Credentials that no browser makes.
fn malformed() -> Vec<Value> {
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let id = base64url([1; 32]);
    let with = |response: Value| json!({ "id": id, "rawId": id, "type": "public-key", "response": response });
    let mut all = vec![json!({}), json!({ "id": 1 }), json!({ "id": null }), json!({ "id": [] })];
    all.extend([json!({ "id": deep(60) }), json!({ "response": deep(100) })]);
    all.extend(["x".repeat(10_000), "é".repeat(100), "=".to_owned()].map(|id| json!({ "id": id })));
    all.extend([json!(1), json!("text"), json!([]), json!({}), Value::Null].map(with));
    for member in
        ["clientDataJSON", "authenticatorData", "attestationObject", "signature", "userHandle"]
    {
        for value in [json!(1), json!({}), json!(["AAAA"]), json!("A"), json!("x".repeat(10_000))] {
            all.push(with(json!({ member: value })));
        }
    }
    all
}

#[tokio::test]
async fn what_is_no_credential_is_answered_like_a_wrong_one() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let wrong = wrong(&app, &alice).await;
    for credential in malformed() {
        let begun = Ceremony::of_sign_in(&app.app).await;
        let reply = begun.finish_sign_in(&app.app, &credential).await;
        assert_eq!(reply.text, wrong, "{credential}");
        let begun = Ceremony::of_registration(&app.app, &alice.access).await;
        let reply = begun.finish_registration(&app.app, &credential, &alice.access).await;
        assert_is_not_acceptable(&reply, &credential.to_string());
    }
}

#[tokio::test]
async fn what_is_no_object_or_too_much_is_refused_before_anybody_looks_at_it() {
    let app = TestApp::start().await;
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    for (credential, code) in [
        (Value::Null, "GRAPHQL_VALIDATION_FAILED"),
        (json!(1), "GRAPHQL_VALIDATION_FAILED"),
        (json!(true), "GRAPHQL_VALIDATION_FAILED"),
        (json!("{}"), "GRAPHQL_VALIDATION_FAILED"),
        (json!([]), "GRAPHQL_VALIDATION_FAILED"),
        (json!([{}]), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "id": "x".repeat(20_000) }), "DOCUMENT_LIMIT"),
        (json!({ "id": vec![1; 2_000] }), "DOCUMENT_LIMIT"),
        (json!({ "id": deep }), "BAD_REQUEST"),
    ] {
        let begun = Ceremony::of_sign_in(&app.app).await;
        let reply = begun.finish_sign_in(&app.app, &credential).await;
        assert_eq!(reply.code(), code, "{}", reply.text);
        // Nothing was used up by it.
        let reply = begun.finish_sign_in(&app.app, &json!({})).await;
        assert_eq!(refusal(&reply), "INVALID_CREDENTIALS");
    }
}

const REFUSED_COUNTERS: &str = "audit_events WHERE kind = 'PASSKEY_COUNTER_REFUSED'";

#[tokio::test]
async fn a_counter_that_does_not_rise_is_refused_and_recorded() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let wrong = wrong(&app, &alice).await;
    let mut authenticator = verifying();
    authenticator.sign_count = 5;
    add(&app.app, &alice, &mut authenticator).await;
    sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    // It is 6 by now. A copy says it once more, or less.
    for (said, refused) in [(5, 1), (3, 2), (0, 3)] {
        let mut copy = authenticator.clone();
        copy.sign_count = said;
        assert_eq!(sign_in(&app.app, &mut copy).await.text, wrong, "after {said}");
        assert_eq!(app.count(REFUSED_COUNTERS).await, refused, "after {said}");
    }
    let mut copy = authenticator.clone();
    copy.sign_count = 1;
    assert_eq!(refusal(&prove(&app.app, &alice, &mut copy).await), "INVALID_CREDENTIALS");
    assert_eq!(app.count(REFUSED_COUNTERS).await, 4);
    // What nobody has signed says nothing.
    let mut forgery = forgery_of(&authenticator);
    forgery.sign_count = 1;
    assert_eq!(sign_in(&app.app, &mut forgery).await.text, wrong);
    assert_eq!(app.count(REFUSED_COUNTERS).await, 4);
    sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
}

#[tokio::test]
async fn who_does_not_count_stays_at_zero_until_they_do() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = verifying();
    add(&app.app, &alice, &mut authenticator).await;
    for _ in 0..3 {
        sign_in(&app.app, &mut authenticator).await.signed_in("finishPasskeySignIn");
    }
    assert_eq!(app.count(REFUSED_COUNTERS).await, 0);
    let mut counting = authenticator.clone();
    counting.sign_count = 1;
    sign_in(&app.app, &mut counting).await.signed_in("finishPasskeySignIn");
    assert_eq!(refusal(&sign_in(&app.app, &mut authenticator).await), "INVALID_CREDENTIALS");
    assert_eq!(app.count(REFUSED_COUNTERS).await, 1);
}

#[tokio::test]
async fn of_two_copies_with_one_count_at_once_one_is_let_in() {
    let app = TestApp::start().await;
    let other = app.second_instance().await;
    let alice = app.register("alice").await;
    let mut authenticator = verifying();
    authenticator.sign_count = 5;
    add(&app.app, &alice, &mut authenticator).await;
    let mut signing_in = JoinSet::new();
    for instance in [app.app.clone(), other] {
        let mut copy = authenticator.clone();
        signing_in.spawn(async move { refusal(&sign_in(&instance, &mut copy).await) });
    }
    let mut outcomes = signing_in.join_all().await;
    outcomes.sort();
    assert_eq!(outcomes, ["INVALID_CREDENTIALS", "NONE"]);
}

#[tokio::test]
async fn eligibility_for_backups_never_changes_and_being_backed_up_may() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut authenticator = verifying();
    authenticator.flags |= BACKUP_ELIGIBLE;
    add(&app.app, &alice, &mut authenticator).await;
    let plain = authenticator.flags;
    for (flags, code, backed_up) in [
        (plain | BACKED_UP, "NONE", true),
        (plain & !BACKUP_ELIGIBLE, "INVALID_CREDENTIALS", true),
        (plain & !BACKUP_ELIGIBLE | BACKED_UP, "INVALID_CREDENTIALS", true),
        (plain, "NONE", false),
    ] {
        authenticator.flags = flags;
        let reply = sign_in(&app.app, &mut authenticator).await;
        assert_eq!(refusal(&reply), code, "{flags:b}");
        let passkey = me(&app.app, &alice).await["passkeys"][0].take();
        assert_eq!(
            (&passkey["backupEligible"], &passkey["backedUp"]),
            (&json!(true), &json!(backed_up))
        );
    }
}
