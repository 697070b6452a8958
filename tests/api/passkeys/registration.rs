//! How a passkey comes to an account.

use portcullis_webauthn::Algorithm;
use portcullis_webauthn::authenticator::{
    BACKED_UP, BACKUP_ELIGIBLE, SoftwareAuthenticator, USER_PRESENT, USER_VERIFIED,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::passkey::{
    Ceremony, ORIGIN, add, ask, base64url, delete, forgery_of, from_base64url, me, refusal,
    sign_in, try_add, verifying,
};
use crate::support::sign_in::Instance;
use crate::support::{SECOND, SignedIn, TestApp};

const FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";

#[tokio::test]
async fn a_passkey_of_each_offered_algorithm_is_registered_and_signs_in() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut registered = Vec::new();
    for algorithm in Algorithm::OFFERED {
        // The oldest is the first in the list, by the millisecond.
        app.clock.advance(SECOND);
        let mut authenticator = SoftwareAuthenticator::new(algorithm);
        let passkey = add(&app.app, &alice, &mut authenticator).await;
        let id = base64url(&authenticator.credential_id);
        assert_eq!(passkey["credentialId"], json!(id), "{algorithm:?}");
        assert_eq!(passkey["lastUsedAt"], Value::Null, "{algorithm:?}");
        let signed_in = sign_in(&app.app, &mut authenticator).await;
        assert_eq!(signed_in.signed_in("finishPasskeySignIn").id, alice.id, "{algorithm:?}");
        registered.push(passkey["id"].clone());
    }
    let listed = me(&app.app, &alice).await["passkeys"].take();
    let listed = listed.as_array().unwrap();
    let ids: Vec<Value> = listed.iter().map(|passkey| passkey["id"].clone()).collect();
    assert_eq!(ids, registered);
    assert!(listed.iter().all(|passkey| passkey["lastUsedAt"].is_string()), "{listed:?}");
}

#[tokio::test]
async fn a_passkey_is_listed_with_what_its_authenticator_has_said() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    for (flags, aaguid) in [
        (USER_PRESENT, [0; 16]),
        (USER_PRESENT | USER_VERIFIED, [7; 16]),
        (USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE, [0; 16]),
        (USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE | BACKED_UP, [0; 16]),
    ] {
        let begun = Ceremony::of_registration(&app.app, &alice.access).await;
        let mut made = verifying().create(&begun.options, ORIGIN);
        made.flags = made.flags & !USER_VERIFIED | flags;
        made.aaguid = aaguid;
        let reply = begun.finish_registration(&app.app, &made.to_json(), &alice.access).await;
        let passkey = reply.data()["finishPasskeyRegistration"]["passkey"].take();
        for (name, flag) in [
            ("userVerified", USER_VERIFIED),
            ("backupEligible", BACKUP_ELIGIBLE),
            ("backedUp", BACKED_UP),
        ] {
            assert_eq!(passkey[name], flags & flag != 0, "{name} of {flags:b}");
        }
        let model = match aaguid[0] {
            0 => "00000000-0000-0000-0000-000000000000",
            _ => "07070707-0707-0707-0707-070707070707",
        };
        assert_eq!(passkey["aaguid"], model);
        let listed = me(&app.app, &alice).await["passkeys"].take();
        assert!(listed.as_array().unwrap().contains(&passkey), "{listed}");
    }
}

#[tokio::test]
async fn the_browser_is_told_which_passkeys_an_account_has() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let begun = Ceremony::of_registration(&app.app, &alice.access).await;
    assert_eq!(begun.options["excludeCredentials"], json!([]));
    assert_eq!(begun.options["user"]["name"], "alice");
    assert_eq!(begun.options["rp"]["id"], "localhost");

    let passkey = add(&app.app, &alice, &mut verifying()).await;
    let id = &passkey["credentialId"];
    let known = json!([{ "type": "public-key", "id": id, "transports": ["internal"] }]);
    let begun = Ceremony::of_registration(&app.app, &alice.access).await;
    assert_eq!(begun.options["excludeCredentials"], known);
    let begun = Ceremony::of_registration(&app.app, &bob.access).await;
    assert_eq!(begun.options["excludeCredentials"], json!([]), "what others have is theirs");
}

#[tokio::test]
async fn passkeys_know_their_user_by_one_random_handle() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    assert_eq!(me(&app.app, &alice).await["passkeyUserHandle"], Value::Null);
    let mut handles = Vec::new();
    for user in [&alice, &alice, &bob] {
        let begun = Ceremony::of_registration(&app.app, &user.access).await;
        let handle = begun.options["user"]["id"].as_str().unwrap().to_owned();
        assert_eq!(from_base64url(&handle).len(), 32);
        assert!(!handle.contains(&user.id) && !user.id.contains(&handle));
        let made = verifying().create(&begun.options, ORIGIN).to_json();
        begun.finish_registration(&app.app, &made, &user.access).await.data();
        assert_eq!(me(&app.app, user).await["passkeyUserHandle"], json!(handle));
        handles.push(handle);
    }
    assert_eq!(handles[0], handles[1]);
    assert_ne!(handles[0], handles[2]);
}

#[tokio::test]
async fn a_passkey_is_called_as_its_owner_says_or_after_their_browser() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    assert_eq!(add(&app.app, &alice, &mut verifying()).await["name"], "Passkey");

    let begun = Ceremony::of_registration(&app.app, &alice.access).await;
    let made = verifying().create(&begun.options, ORIGIN).to_json();
    let input = json!({ "ceremony": begun.text, "credential": made });
    let query = "mutation($input: FinishPasskeyRegistrationInput!) { \
                 finishPasskeyRegistration(input: $input) { passkey { name } } }";
    let body = json!({ "query": query, "variables": { "input": input } }).to_string();
    let bearer = format!("Bearer {}", alice.access);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
        ("user-agent", FIREFOX),
    ];
    let reply = Instance::App(&app.app).ask("POST", "/graphql", &headers, &body).await;
    let named = json!({ "passkey": { "name": "Firefox on Windows" } });
    assert_eq!(reply.data()["finishPasskeyRegistration"], named);

    let begun = Ceremony::of_registration(&app.app, &alice.access).await;
    let made = verifying().create(&begun.options, ORIGIN).to_json();
    let longest = "x".repeat(100);
    for name in ["", " ", "two\nlines", &format!("{longest}x"), &longest] {
        let input = json!({ "ceremony": begun.text, "credential": made, "name": name });
        let field = "finishPasskeyRegistration";
        let reply = ask(&app.app, field, input, Some(&alice.access)).await;
        if name == longest {
            assert_eq!(reply.data()[field]["passkey"]["name"], json!(longest));
        } else {
            assert_eq!(reply.code(), "BAD_USER_INPUT", "{name:?}");
            assert_eq!(reply.refused_field().0, "input.name", "{name:?}");
        }
    }
}

#[tokio::test]
async fn a_passkey_is_renamed_by_its_owner_alone() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let id = add(&app.app, &alice, &mut verifying()).await["id"].take();
    let rename = async |user: &SignedIn, id: &Value, name: &str| {
        let input = json!({ "id": id, "name": name });
        ask(&app.app, "renamePasskey", input, Some(&user.access)).await
    };
    let renamed = rename(&alice, &id, "The key on the hook").await.data();
    assert_eq!(renamed["renamePasskey"]["passkey"]["name"], "The key on the hook");
    assert_eq!(rename(&bob, &id, "Mine").await.code(), "NOT_FOUND");
    for unknown in [json!(alice.id), json!(""), json!("passkey_x")] {
        assert_eq!(rename(&alice, &unknown, "Mine").await.code(), "NOT_FOUND", "{unknown}");
    }
    for name in ["", "two\nlines", &"x".repeat(101)] {
        let reply = rename(&alice, &id, name).await;
        assert_eq!(
            (reply.code(), reply.refused_field().0),
            ("BAD_USER_INPUT".into(), "input.name".into())
        );
    }
    assert_eq!(me(&app.app, &alice).await["passkeys"][0]["name"], "The key on the hook");
}

#[tokio::test]
async fn an_account_has_twenty_passkeys_at_most() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let mut passkey = Value::Null;
    for _ in 0..20 {
        passkey = add(&app.app, &alice, &mut verifying()).await;
    }
    let refused = ask(&app.app, "startPasskeyRegistration", json!({}), Some(&alice.access)).await;
    assert_eq!(refusal(&refused), "CONFLICT TOO_MANY");
    assert_eq!(app.count("passkeys").await, 20);
    delete(&app.app, &alice, &passkey).await.data();
    add(&app.app, &alice, &mut verifying()).await;
    assert_eq!(app.count("passkeys").await, 20);
}

#[tokio::test]
async fn a_passkey_is_one_accounts() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let mut authenticator = verifying();
    add(&app.app, &alice, &mut authenticator).await;
    for user in [&bob, &alice] {
        let refused = try_add(&app.app, user, &mut authenticator.clone()).await;
        assert_eq!(refusal(&refused), "CONFLICT PASSKEY_TAKEN", "{}", user.username);
    }
    // Nor does another key get in under its id.
    let refused = try_add(&app.app, &bob, &mut forgery_of(&authenticator)).await;
    assert_eq!(refusal(&refused), "CONFLICT PASSKEY_TAKEN");
    assert_eq!(app.count("passkeys").await, 1);
    let signed_in = sign_in(&app.app, &mut authenticator).await;
    assert_eq!(signed_in.signed_in("finishPasskeySignIn").id, alice.id);
}

#[tokio::test]
async fn two_who_register_one_passkey_at_once_do_not_both_have_it() {
    let app = TestApp::start().await;
    let other = app.second_instance().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let authenticator = verifying();
    let mut finishing = JoinSet::new();
    for (instance, user) in [(&app.app, &alice), (&other, &bob)] {
        let begun = Ceremony::of_registration(instance, &user.access).await;
        let made = authenticator.clone().create(&begun.options, ORIGIN).to_json();
        let (instance, bearer) = (instance.clone(), user.access.clone());
        finishing.spawn(async move {
            refusal(&begun.finish_registration(&instance, &made, &bearer).await)
        });
    }
    let mut outcomes = finishing.join_all().await;
    outcomes.sort();
    assert_eq!(outcomes, ["CONFLICT PASSKEY_TAKEN", "NONE"]);
    assert_eq!(app.count("passkeys").await, 1);
}

#[tokio::test]
async fn registering_a_passkey_takes_a_recent_proof() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let begun = Ceremony::of_registration(&app.app, &alice.access).await;
    // Whoever has begun in time may take their time.
    app.clock.advance(SECOND * 299);
    let made = verifying().create(&begun.options, ORIGIN).to_json();
    begun.finish_registration(&app.app, &made, &alice.access).await.data();

    app.clock.advance(SECOND * 2);
    let field = "startPasskeyRegistration";
    let refused = ask(&app.app, field, json!({}), Some(&alice.access)).await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED");
    assert_eq!(refused.extension("factors"), json!(["PASSKEY", "PASSWORD"]));
    assert_eq!(ask(&app.app, field, json!({}), None).await.code(), "UNAUTHENTICATED");
    let begun = Ceremony::of_sign_in(&app.app).await;
    let input = json!({ "ceremony": begun.text, "credential": {} });
    let anonymous = ask(&app.app, "finishPasskeyRegistration", input, None).await;
    assert_eq!(anonymous.code(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_new_passkey_is_told_by_mail_and_in_the_audit_log() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let told = async || {
        let mails = app.mails().await;
        let mails = mails.iter().filter(|mail| mail.kind == "passkey-added").count();
        (app.count("audit_events WHERE kind = 'PASSKEY_ADDED'").await, mails)
    };
    let begun = Ceremony::of_registration(&app.app, &alice.access).await;
    let elsewhere = verifying().create(&begun.options, "https://evil.example.com").to_json();
    let refused = begun.finish_registration(&app.app, &elsewhere, &alice.access).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert_eq!(told().await, (0, 0));
    add(&app.app, &alice, &mut verifying()).await;
    assert_eq!(told().await, (1, 1));
    app.mail("passkey-added", "alice@example.com").await;
}

#[tokio::test]
async fn only_what_was_begun_as_conditional_may_be_made_without_presence() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let field = "startPasskeyRegistration";
    for (conditional, code) in
        [(json!(true), "NONE"), (json!(false), "BAD_USER_INPUT"), (Value::Null, "BAD_USER_INPUT")]
    {
        let input = json!({ "conditional": conditional });
        let reply = ask(&app.app, field, input, Some(&alice.access)).await;
        let begun = Ceremony::of(&reply, field);
        let mut authenticator = verifying();
        authenticator.flags = 0;
        let made = authenticator.create(&begun.options, ORIGIN).to_json();
        let reply = begun.finish_registration(&app.app, &made, &alice.access).await;
        assert_eq!(reply.code(), code, "{conditional}: {}", reply.text);
    }
    let passkeys = me(&app.app, &alice).await["passkeys"].take();
    assert_eq!(passkeys.as_array().unwrap().len(), 1);
    assert_eq!(passkeys[0]["userVerified"], true, "a browser makes none on a key without a PIN");
}

#[tokio::test]
async fn what_a_browser_has_made_without_asking_opens_the_account_to_its_verified_user() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let field = "startPasskeyRegistration";
    let reply = ask(&app.app, field, json!({ "conditional": true }), Some(&alice.access)).await;
    let begun = Ceremony::of(&reply, field);
    let mut authenticator = verifying();
    let able = std::mem::take(&mut authenticator.flags);
    let made = authenticator.create(&begun.options, ORIGIN).to_json();
    begun.finish_registration(&app.app, &made, &alice.access).await.data();
    for (flags, code) in [(USER_PRESENT, "INVALID_CREDENTIALS"), (able, "NONE")] {
        authenticator.flags = flags;
        let reply = sign_in(&app.app, &mut authenticator).await;
        assert_eq!(reply.code(), code, "{flags:b}: {}", reply.text);
    }
}
