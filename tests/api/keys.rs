//! Keys follow one another, and nobody's valid token is refused for it.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::app::App;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::load::{Load, Pair, REFRESH};
use crate::support::process::Server;
use crate::support::{GRACE, SECOND, SignedIn, TestApp, TestDatabase, call, refresh, send};

const ME: &str = "{ me { id } }";
const MINUTE: Duration = Duration::from_mins(1);

async fn get(app: &App, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).unwrap();
    send(app, request).await.json()
}

async fn jwks(app: &App) -> Vec<Value> {
    get(app, "/.well-known/jwks.json").await["keys"].as_array().unwrap().clone()
}

async fn kids(app: &App) -> Vec<String> {
    jwks(app).await.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn header(token: &str) -> Value {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&header).unwrap()
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

async fn accepts(app: &App, token: &str) -> bool {
    call(app, ME, json!({}), Some(token)).await.code() == "NONE"
}

/// The keys of `keys list --json` for signing, oldest first.
async fn listed(app: &TestApp) -> Vec<Value> {
    let keys = app.cli(&["keys", "list", "--json"]).await.json();
    let keys = keys.as_array().unwrap().iter();
    keys.filter(|key| key["purpose"] == "signing").cloned().collect()
}

#[tokio::test]
async fn tokens_are_signed_with_the_algorithm_that_is_set() {
    for (algorithm, kty, members) in [
        ("EdDSA", "OKP", vec!["x", "crv"]),
        ("ES256", "EC", vec!["x", "y", "crv"]),
        ("RS256", "RSA", vec!["n", "e"]),
        ("HS256", "", vec![]),
    ] {
        let app = TestApp::start_with(&[&format!("--jwt-algorithm={algorithm}")]).await;
        let alice = app.register("alice").await;
        assert_eq!(header(&alice.access)["alg"], algorithm);
        assert!(accepts(&app.app, &alice.access).await, "{algorithm}");

        let keys = jwks(&app.app).await;
        let metadata = get(&app.app, "/.well-known/oauth-authorization-server").await;
        let told = &metadata["access_token_signing_alg_values_supported"];
        if algorithm == "HS256" {
            assert_eq!((keys.len(), told), (0, &Value::Null), "a secret is published nowhere");
            continue;
        }
        assert_eq!(told, &json!([algorithm]));
        assert_eq!((&keys[0]["kty"], &keys[0]["alg"]), (&json!(kty), &json!(algorithm)));
        assert_eq!(keys[0]["kid"], kid(&alice.access));
        assert!(members.iter().all(|member| keys[0][member].is_string()), "{}", keys[0]);
    }
}

#[tokio::test]
async fn the_metadata_says_who_issues_and_where_the_keys_are() {
    let app = TestApp::start_with(&["--public-url=https://auth.example.org/"]).await;
    let metadata = get(&app.app, "/.well-known/oauth-authorization-server").await;

    assert_eq!(metadata["issuer"], "https://auth.example.org");
    assert_eq!(metadata["jwks_uri"], "https://auth.example.org/.well-known/jwks.json");
    assert!(metadata.get("token_endpoint").is_none(), "what does not exist is not named");
}

#[tokio::test]
async fn a_rotation_refuses_no_valid_token_on_any_instance_at_any_minute() {
    let app = TestApp::start_now(&[]).await;
    let second = app.second_instance().await;
    let mut user = app.register("alice").await;
    let old = kid(&user.access);
    app.cli(&["keys", "rotate"]).await.printed();
    let new = listed(&app).await[1]["kid"].as_str().unwrap().to_owned();

    let mut issued: Vec<(u32, SignedIn)> = Vec::new();
    for minute in 0..50 {
        app.app.reload_keys().await.unwrap();
        second.reload_keys().await.unwrap();
        let instances = [&app.app, &second];
        let server = instances[minute as usize % 2];
        user = refresh(server, &user.refresh).await.signed_in("refreshToken");
        issued.push((minute, user.clone()));
        issued.retain(|(at, _)| minute - at < 15);
        for (at, token) in &issued {
            for instance in instances {
                assert!(accepts(instance, &token.access).await, "of minute {at} in {minute}");
            }
        }
        // Published at once, at work when all caches of the old set have expired, and the old one
        // goes when all it has signed has.
        let signer = if minute < 15 { &old } else { &new };
        let published = kids(&second).await;
        if minute != 15 {
            assert_eq!(kid(&user.access), *signer, "minute {minute}");
        }
        assert!(published.contains(&new), "minute {minute}");
        assert_eq!(published.contains(&old), minute < 32, "minute {minute}");
        app.clock.advance(MINUTE);
    }

    // The key that has ended still lets a late caller sign out, and is forgotten in the end.
    app.app.purge().await.unwrap();
    assert_eq!(app.count("\"keys\" WHERE purpose = 'signing'").await, 2);
    app.clock.advance(Duration::from_hours(30 * 24));
    app.app.purge().await.unwrap();
    assert_eq!(app.count("\"keys\" WHERE purpose = 'signing'").await, 1);
}

#[tokio::test]
async fn a_signing_key_is_replaced_at_the_age_of_the_setting_and_not_before() {
    let app = TestApp::start_with(&["--key-rotation-days=90"]).await;
    let first = kids(&app.app).await;
    app.clock.advance(Duration::from_secs(90 * 24 * 60 * 60 - 1));
    app.app.purge().await.unwrap();
    let second = app.second_instance().await;
    assert_eq!(kids(&second).await, first);

    app.clock.advance(Duration::from_secs(1));
    for _once in 0..2 {
        app.app.purge().await.unwrap();
        let published = kids(&app.second_instance().await).await;
        assert_eq!(published.len(), 2, "one is added, and only one");
        assert!(published.contains(&first[0]));
    }
}

#[tokio::test]
async fn a_changed_setting_brings_its_algorithm_by_an_ordinary_rotation() {
    let app = TestApp::start().await;
    let mut user = app.register("alice").await;
    let second = app.second_instance_with(&["--jwt-algorithm=ES256"]).await;
    second.follow_algorithm().await.unwrap();
    second.follow_algorithm().await.unwrap(); // As a second instance does that starts with it.
    app.app.reload_keys().await.unwrap();

    let published: Vec<_> = jwks(&app.app).await.iter().map(|key| key["alg"].clone()).collect();
    assert_eq!(published, ["EdDSA", "ES256"]);
    user = refresh(&second, &user.refresh).await.signed_in("refreshToken");
    assert_eq!(header(&user.access)["alg"], "EdDSA", "other services do not know the new key yet");
    let old = user.access.clone();
    app.clock.advance(MINUTE * 15);
    let fresh = refresh(&app.app, &user.refresh).await.signed_in("refreshToken");
    assert_eq!(header(&fresh.access)["alg"], "ES256", "whatever this instance's setting is");
    assert!(accepts(&second, &fresh.access).await);
    assert!(accepts(&second, &old).await, "within the leeway of its expiry");
    // An instance without the setting, as a command line may be, changes nothing.
    app.app.follow_algorithm().await.unwrap();
    assert_eq!(app.count("\"keys\" WHERE purpose = 'signing'").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_instances_that_bring_an_algorithm_at_once_one_does() {
    let app = TestApp::start().await;
    let mut instances = Vec::new();
    for _ in 0..6 {
        instances.push(app.second_instance_with(&["--jwt-algorithm=ES256"]).await);
    }
    let start = |instance: App| tokio::spawn(async move { instance.follow_algorithm().await });
    for start in instances.into_iter().map(start).collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    assert_eq!(app.count("\"keys\" WHERE algorithm = 'ES256'").await, 1);
}

#[tokio::test]
async fn a_dropped_key_takes_its_tokens_along_and_nobody_is_signed_out() {
    let app = TestApp::start_now(&[]).await;
    let second = app.second_instance().await;
    let alice = app.register("alice").await;
    let old = kid(&alice.access);

    let told = app.cli(&["keys", "retire", &old]).await;
    assert!(told.complaint().contains("keys rotate --now"), "{told:?}");
    assert!(app.cli(&["keys", "rotate", "--now"]).await.printed().contains("keys retire"));
    app.cli(&["keys", "retire", &old]).await.printed();
    for instance in [&app.app, &second] {
        instance.reload_keys().await.unwrap();
        let refused = call(instance, ME, json!({}), Some(&alice.access)).await;
        assert_eq!(refused.extension("reason"), "INVALID_TOKEN");
        assert!(!kids(instance).await.contains(&old));
    }
    let out =
        call(&second, "mutation { logout { sessionId } }", json!({}), Some(&alice.access)).await;
    assert_eq!(
        out.data()["logout"]["sessionId"],
        json!(null),
        "whoever has the key could sign anybody out with it"
    );
    // The successor signs by now: it does not wait for its time when nobody else is left.
    let fresh = refresh(&second, &alice.refresh).await.signed_in("refreshToken");
    assert!(accepts(&app.app, &fresh.access).await);
    let events = app.audit_events().await;
    assert_eq!(events.iter().filter(|kind| kind.starts_with("KEY_")).count(), 2, "{events:?}");
}

/// Two real instances, each with its own clock and its own reading of the keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_a_change_of_keys_refuses_nobody_and_a_dropped_key_is_dead_in_five_seconds() {
    let database = TestDatabase::create().await;
    let instances = [Server::start(&database), Server::start(&database)];
    let load = Load::start(&instances, 6);
    load.go_on_for(60).await;
    let mut early = Pair::of(&instances[0].register("early").await["data"]["register"]).unwrap();
    let old = kid(&early.access);
    run(&database, &["keys", "rotate", "--now"]).await;
    for (number, instance) in instances.iter().enumerate() {
        let begun = Instant::now();
        for attempt in 0.. {
            let registered = instance.register(&format!("late{number}x{attempt}")).await;
            if kid(&Pair::of(&registered["data"]["register"]).unwrap().access) != old {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "the new key never signs");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    load.go_on_for(200).await; // Each client's token is of the new key by now.
    assert!(instances[1].accepts(&early).await, "what the old key signed is still good");

    run(&database, &["keys", "retire", &old]).await;
    let dropped = Instant::now();
    for instance in &instances {
        while instance.accepts(&early).await {
            assert!(dropped.elapsed() < Duration::from_secs(30), "a dropped key is honoured");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    eprintln!("dead on both instances after {:?}", dropped.elapsed());
    load.go_on_for(100).await;
    for instance in &instances {
        let refreshed = instance.call(REFRESH, json!({ "t": early.refresh }), "").await.unwrap();
        early = Pair::of(&refreshed["data"]["refreshToken"]).unwrap();
        assert!(instance.accepts(&early).await, "nobody was signed out");
    }
    load.stop().await.assert_told_only(&["NONE"]);
}

/// The command line beside instances that share a folder.
async fn run(database: &TestDatabase, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .arg(format!("--database-url={}", database.url))
        .arg(format!("--data-dir={}", database.folder.path().display()))
        .current_dir(database.folder.path())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_rotation_can_be_called_off_before_its_key_signs() {
    let app = TestApp::start_now(&[]).await;
    let first = listed(&app).await[0].clone();
    let added = app.cli(&["keys", "rotate", "--json"]).await.json();
    assert!(app.cli(&["keys", "rotate"]).await.complaint().contains("a rotation is in progress"));
    let [old, new] = &listed(&app).await[..] else { panic!("two keys") };
    assert_eq!((&old["state"], &new["state"]), (&json!("active"), &json!("pending")));
    assert_eq!(added["kid"], new["kid"]);
    assert_eq!(added["othersVerifyUntil"], old["verifiesUntil"]);

    app.cli(&["keys", "retire", new["kid"].as_str().unwrap()]).await.printed();
    assert_eq!(listed(&app).await, [first], "as it was");
}

/// Two changes of the setting within one lead, the first of them taken back.
#[tokio::test]
async fn a_key_signs_no_longer_than_it_verifies_whatever_is_called_off() {
    let app = TestApp::start_now(&[]).await;
    let bring = async |algorithm: &str| {
        let flag = format!("--jwt-algorithm={algorithm}");
        app.second_instance_with(&[&flag]).await.follow_algorithm().await.unwrap();
    };
    Box::pin(bring("ES256")).await;
    app.clock.advance(MINUTE * 10);
    Box::pin(bring("RS256")).await;
    let es256 = listed(&app).await[1]["kid"].as_str().unwrap().to_owned();
    app.cli(&["keys", "retire", &es256]).await.printed();

    let mut user = app.register("alice").await;
    for minute in 10..45 {
        assert!(accepts(&app.app, &user.access).await, "minute {minute}");
        let old = user.access.clone();
        user = refresh(&app.app, &user.refresh).await.signed_in("refreshToken");
        assert!(accepts(&app.app, &old).await, "minute {minute}");
        app.clock.advance(MINUTE);
    }
    assert_eq!(header(&user.access)["alg"], "RS256");
}

/// Which refresh key has sealed a token.
fn serial(token: &str) -> u8 {
    URL_SAFE_NO_PAD.decode(token.trim_start_matches("pcr_")).unwrap()[1]
}

#[tokio::test]
async fn a_refresh_key_is_replaced_without_signing_anybody_out() {
    let app = TestApp::start_now(&[]).await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let added = app.cli(&["keys", "rotate", "--refresh", "--json"]).await.json();
    assert_eq!(serial(&app.register("carol").await.refresh), 1, "not every instance has it yet");
    app.clock.advance(GRACE + SECOND);
    let next = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    assert_eq!([serial(&alice.refresh), serial(&next.refresh)], [1, 2]);
    let late = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    assert_eq!(late.refresh, next.refresh);

    let third = app.cli(&["keys", "rotate", "--refresh"]).await;
    assert!(third.complaint().contains("two refresh keys are still valid"), "{}", third.stderr);
    let keys = app.cli(&["keys", "list", "--json"]).await.json();
    let keys = keys.as_array().unwrap().iter().filter(|key| key["purpose"] == "refresh");
    let [old, new] = &keys.collect::<Vec<_>>()[..] else { panic!("two keys") };
    assert_eq!(new["kid"], added["kid"]);
    assert_eq!(old["verifiesUntil"], added["beforeVerifiesUntil"]);

    // In an emergency what the old one has sealed is worth nothing any more.
    tokio::time::sleep(SECOND * 5).await;
    let old_kid = old["kid"].as_str().unwrap();
    // No other is added while two are valid, so the older one goes first.
    let told = app.cli(&["keys", "retire", new["kid"].as_str().unwrap()]).await;
    assert!(told.complaint().contains(&format!("first run `portcullis keys retire {old_kid}`")));
    app.cli(&["keys", "retire", old_kid]).await.printed();
    assert_eq!(app.refresh(&bob.refresh).await.code(), "INVALID_TOKEN");
    app.clock.advance(GRACE + SECOND);
    assert_eq!(app.refresh(&next.refresh).await.code(), "NONE");
    assert_eq!(app.audit_events().await.iter().filter(|kind| *kind == "KEY_RETIRED").count(), 1);
}

#[tokio::test]
async fn keys_verbs_say_what_is_wrong_with_their_input() {
    let app = TestApp::start_now(&[]).await;
    let keys = app.cli(&["keys", "list", "--json"]).await.json();
    let refresh = keys.as_array().unwrap().iter().find(|key| key["purpose"] == "refresh").unwrap();
    let refresh = refresh["kid"].as_str().unwrap();

    assert!(app.cli(&["keys", "retire", "nonsense"]).await.complaint().contains("no key nonsense"));
    let told = app.cli(&["keys", "retire", refresh]).await;
    assert!(told.complaint().contains("first run `portcullis keys rotate --refresh`"));
    assert_eq!(app.cli(&["keys", "rotate", "--refresh", "--now"]).await.status, 2);
    assert_eq!(app.cli(&["keys", "retire"]).await.status, 2);
    assert_eq!(app.cli(&["keys", "nonsense"]).await.status, 2);
    assert_eq!(app.cli(&["keys", "rotate", "--jwt-algorithm=none"]).await.status, 2);
    assert!(app.cli(&["keys", "list"]).await.printed().starts_with("KID"));
}

#[tokio::test]
async fn another_secret_takes_over_without_a_stop() {
    const OLD: &str = "aRk7QmPz3vXw9TnB2cYd5eHf8gJu1LsM4oKi6pZq";
    const NEW: &str = "Zx9Wq2Er7Ty4Ui1Op8As5Df3Gh6Jk0LmNb7Vc2Xz";
    let secrets = |current: &str, previous: Option<&str>| -> Vec<String> {
        let mut flags = vec![format!("--secret-key={current}")];
        flags.extend(previous.map(|secret| format!("--secret-key-previous={secret}")));
        flags
    };
    let old_only = secrets(OLD, None);
    let (both, new_only) = (secrets(NEW, Some(OLD)), secrets(NEW, None));
    let app = TestApp::start_now(&[&old_only[0]]).await;
    let alice = app.register("alice").await;
    let run = async |verb: &[&str], secrets: &[String]| {
        let secrets = secrets.iter().map(String::as_str);
        app.cli(&verb.iter().copied().chain(secrets).collect::<Vec<_>>()).await
    };

    assert!(
        run(&["keys", "list"], &new_only).await.complaint().contains("SECRET_KEY does not decrypt")
    );
    let running = app.second_instance_with(&[&both[0], &both[1]]).await;
    assert!(accepts(&running, &alice.access).await);
    // No secret has sealed this seed.
    let seed = "INSERT INTO totp_secrets (user_id, sealed_secret) SELECT users.id, sealed_key \
                FROM users, \"keys\" WHERE purpose = 'refresh'";
    app.sql(seed).await;
    let resealed = run(&["keys", "reseal"], &both).await;
    let printed = resealed.printed();
    assert!(printed.contains("encrypted 2 keys and 0 seeds"), "{printed}");
    assert!(printed.contains("neither secret decrypts 1 further seeds"), "{printed}");

    // What runs goes on, what starts needs the new secret alone, and the old one is worth nothing.
    running.reload_keys().await.unwrap();
    assert!(accepts(&running, &alice.access).await);
    assert_eq!(refresh(&running, &alice.refresh).await.code(), "NONE");
    run(&["keys", "list"], &new_only).await.printed();
    assert!(
        run(&["keys", "list"], &old_only).await.complaint().contains("SECRET_KEY does not decrypt")
    );
    assert!(app.app.reload_keys().await.is_err(), "an instance that was left behind");
}
