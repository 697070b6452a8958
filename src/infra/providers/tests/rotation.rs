//! Keys and metadata are remembered, and looked at again when that is needed.

use super::server::Reply;
use super::*;

#[tokio::test]
async fn keys_and_metadata_are_fetched_once_an_hour() {
    let fixture = Fixture::start().await;
    for _ in 0..3 {
        fixture.judge(&fixture.claims()).await.unwrap();
    }
    let count = |path| fixture.server.asked(path).len();
    assert_eq!((count("/keys"), count("/.well-known/openid-configuration")), (1, 1));
    fixture.clock.advance(Duration::from_hours(1));
    let later = json!({ "iat": NOW + 3600, "exp": NOW + 3900 });
    fixture.judge(&changed(fixture.claims(), later)).await.unwrap();
    assert_eq!((count("/keys"), count("/.well-known/openid-configuration")), (2, 2));
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_once_a_minute() {
    let fixture = Fixture::start().await;
    fixture.judge(&fixture.claims()).await.unwrap();
    let count = || fixture.server.asked("/keys").len();
    let second = Signer::es256("second");
    fixture.publish(&[&fixture.signer, &second]);
    fixture.give(&second.sign(&fixture.claims()));
    fixture.exchange().await.unwrap();
    assert_eq!(count(), 2);

    let third = Signer::es256("third");
    fixture.publish(&[&third]);
    fixture.give(&third.sign(&fixture.claims()));
    for _ in 0..3 {
        assert_eq!(fixture.exchange().await.unwrap_err(), Refusal::UnknownKey.into());
    }
    assert_eq!(count(), 2);
    fixture.clock.advance(Duration::from_mins(1));
    fixture.exchange().await.unwrap();
    assert_eq!(count(), 3);
    // What has gone is gone.
    fixture.give(&second.sign(&fixture.claims()));
    assert_eq!(fixture.exchange().await.unwrap_err(), Refusal::UnknownKey.into());
    assert_eq!(count(), 3);
}

#[tokio::test]
async fn many_who_need_a_new_key_at_once_share_one_request() {
    let fixture = Fixture::start().await;
    fixture.judge(&fixture.claims()).await.unwrap();
    let second = Signer::es256("second");
    fixture.publish(&[&second]);
    fixture.give(&second.sign(&fixture.claims()));
    let (one, two, three) =
        tokio::join!(fixture.exchange(), fixture.exchange(), fixture.exchange());
    for outcome in [one, two, three] {
        outcome.unwrap();
    }
    assert_eq!(fixture.server.asked("/keys").len(), 2);
}

#[tokio::test]
async fn a_key_without_a_name_may_have_been_replaced() {
    let fixture = Fixture::start().await;
    let nameless = |signer: &Signer| {
        let header = changed(signer.header(), json!({ "kid": null })).to_string();
        signer.sign_text(&header, &fixture.claims().to_string())
    };
    fixture.give(&nameless(&fixture.signer));
    fixture.exchange().await.unwrap();
    let second = Signer::es256("second");
    fixture.publish(&[&second]);
    fixture.give(&nameless(&second));
    fixture.exchange().await.unwrap();
}

#[tokio::test]
async fn a_failure_is_not_remembered_but_by_those_who_waited_for_it() {
    let fixture = Fixture::start().await;
    let path = "/.well-known/openid-configuration";
    fixture.server.answer(path, Reply::Json(503, json!({})));
    let (one, two) = tokio::join!(fixture.exchange(), fixture.exchange());
    let away = ProviderError::Unavailable(Away::Status(503));
    assert_eq!((one.unwrap_err(), two.unwrap_err()), (away.clone(), away));
    assert_eq!(fixture.server.asked(path).len(), 1);
    fixture.server.json(path, fixture.metadata());
    fixture.judge(&fixture.claims()).await.unwrap();
}

#[tokio::test]
async fn keys_that_cannot_be_told_apart_are_refused() {
    let fixture = Fixture::start().await;
    let keys: Vec<_> = (0..65).map(|number| json!({ "kty": "a", "kid": number })).collect();
    for (keys, expected) in [
        (json!({ "keys": [fixture.signer.jwk, Signer::es256("first").jwk] }), Away::Keys),
        (json!({ "keys": keys }), Away::Keys),
        (json!({ "keys": {} }), Away::Nonsense("a list of keys")),
        (json!([fixture.signer.jwk]), Away::Nonsense("a list of keys")),
    ] {
        fixture.server.json("/keys", keys);
        assert_eq!(fixture.judge(&fixture.claims()).await.unwrap_err(), expected.into());
    }
    // Those for something else, and those of a kind that we do not know, are no harm.
    let with = |changes| changed(fixture.signer.jwk.clone(), changes);
    let listed = json!({ "keys": [
        with(json!({ "use": "enc" })), { "kty": "new" }, { "kty": "oct", "k": "c2VjcmV0", "kid": "first" },
        fixture.signer.jwk,
    ] });
    fixture.server.json("/keys", listed);
    fixture.judge(&fixture.claims()).await.unwrap();
}

#[tokio::test]
async fn a_key_signs_only_what_it_is_for() {
    for changes in [
        json!({ "use": "enc" }),
        json!({ "key_ops": ["sign"] }),
        json!({ "alg": "ES384" }),
        json!({ "alg": "ECDH-ES" }),
        json!({ "alg": 1 }),
        json!({ "crv": "P-384" }),
        json!({ "kty": "RSA" }),
    ] {
        let fixture = Fixture::start().await;
        let jwk = changed(fixture.signer.jwk.clone(), changes.clone());
        fixture.server.json("/keys", json!({ "keys": [jwk] }));
        let refused = fixture.judge(&fixture.claims()).await.unwrap_err();
        assert_eq!(refused, Refusal::UnknownKey.into(), "{changes}");
    }
}
