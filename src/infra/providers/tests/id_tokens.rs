//! Which ID tokens are taken (OI-02, OI-03).

use super::*;

async fn refusal(fixture: &Fixture, id_token: &str) -> Refusal {
    fixture.give(id_token);
    match fixture.exchange().await {
        Err(ProviderError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_good_token_says_who_has_signed_in() {
    let fixture = Fixture::start().await;
    let more = json!({
        "name": "Ada\u{0}Lovelace", "preferred_username": "ada", "picture": "https://e.com/a.png",
        "auth_time": NOW - 60,
    });
    let assertion = fixture.judge(&changed(fixture.claims(), more)).await.unwrap();
    let expected = Assertion {
        issuer: fixture.server.url.clone(),
        subject: "ada".to_owned(),
        email: Some("ada@example.com".to_owned()),
        email_verified: true,
        username: Some("ada".to_owned()),
        full_name: Some("AdaLovelace".to_owned()),
        picture: Some("https://e.com/a.png".to_owned()),
        auth_time: DateTime::from_timestamp(NOW - 60, 0),
    };
    assert_eq!(assertion, expected);
}

#[tokio::test]
async fn claims_that_are_not_for_us_now_are_refused() {
    let fixture = Fixture::start().await;
    let week = 7 * 24 * 60 * 60;
    for (changes, expected) in [
        (json!({ "iss": "https://evil.example" }), Refusal::Issuer),
        (json!({ "iss": format!("{}/", fixture.server.url) }), Refusal::Issuer),
        (json!({ "iss": [fixture.server.url] }), Refusal::Issuer),
        (json!({ "iss": null }), Refusal::Issuer),
        (json!({ "aud": "another" }), Refusal::Audience),
        (json!({ "aud": "the-app" }), Refusal::Audience),
        (json!({ "aud": [] }), Refusal::Audience),
        (json!({ "aud": {} }), Refusal::Audience),
        (json!({ "aud": null }), Refusal::Audience),
        (json!({ "aud": ["another"], "azp": CLIENT_ID }), Refusal::Audience),
        (json!({ "aud": [CLIENT_ID, "another"] }), Refusal::Audience),
        (json!({ "aud": [CLIENT_ID, "another"], "azp": "another" }), Refusal::Audience),
        (json!({ "azp": "another" }), Refusal::Audience),
        (json!({ "azp": [CLIENT_ID] }), Refusal::Audience),
        (json!({ "exp": null }), Refusal::Time),
        (json!({ "exp": "1800000300" }), Refusal::Time),
        (json!({ "exp": 1_800_000_300.5 }), Refusal::Time),
        (json!({ "exp": NOW - 30, "iat": NOW - 60 }), Refusal::Time),
        (json!({ "exp": NOW - 1 }), Refusal::Time),
        (json!({ "exp": NOW + week + 1 }), Refusal::Time),
        (json!({ "exp": i64::MAX, "iat": i64::MIN }), Refusal::Time),
        (json!({ "iat": null }), Refusal::Time),
        (json!({ "iat": "1800000000" }), Refusal::Time),
        (json!({ "iat": NOW + 31 }), Refusal::Time),
        (json!({ "iat": NOW - 631 }), Refusal::Time),
        (json!({ "nbf": NOW + 31 }), Refusal::Time),
        (json!({ "nbf": "now" }), Refusal::Time),
        (json!({ "nonce": null }), Refusal::Nonce),
        (json!({ "nonce": "another" }), Refusal::Nonce),
        (json!({ "nonce": [NONCE] }), Refusal::Nonce),
        (json!({ "nonce": "" }), Refusal::Nonce),
        (json!({ "sub": null }), Refusal::Subject),
        (json!({ "sub": "" }), Refusal::Subject),
        (json!({ "sub": 7 }), Refusal::Subject),
        (json!({ "sub": "a".repeat(256) }), Refusal::Subject),
        (json!({ "sub": "a\u{0}" }), Refusal::Subject),
        (json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }), Refusal::AccessToken),
        (json!({ "at_hash": 1 }), Refusal::AccessToken),
    ] {
        let claims = changed(fixture.claims(), changes.clone());
        assert_eq!(refusal(&fixture, &fixture.signer.sign(&claims)).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn claims_within_the_bounds_are_taken() {
    let fixture = Fixture::start().await;
    // SHA-256 of "the-access-token", the left half.
    let digest = crate::kernel::secret::sha256(b"the-access-token");
    for changes in [
        json!({ "aud": [CLIENT_ID] }),
        json!({ "aud": [CLIENT_ID, "another"], "azp": CLIENT_ID }),
        json!({ "azp": CLIENT_ID }),
        json!({ "exp": NOW - 29, "iat": NOW - 60 }),
        json!({ "exp": NOW + 7 * 24 * 60 * 60 }),
        json!({ "iat": NOW + 30 }),
        json!({ "iat": NOW - 630 }),
        json!({ "nbf": NOW + 30 }),
        json!({ "sub": "a".repeat(255) }),
        json!({ "at_hash": base64url(&digest[..16]) }),
    ] {
        let claims = changed(fixture.claims(), changes.clone());
        fixture.judge(&claims).await.unwrap_or_else(|error| panic!("{changes}: {error:?}"));
    }
}

#[tokio::test]
async fn only_the_providers_own_keys_and_algorithms_count() {
    let fixture = Fixture::start().await;
    let claims = fixture.claims().to_string();
    let header = fixture.signer.header();
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg, "kid": "first" }).to_string();
        format!("{}.{}.", base64url(header), base64url(&claims))
    };
    let by_secret = |secret: &[u8]| {
        let header = json!({ "alg": "HS256", "kid": "first" }).to_string();
        let message = format!("{}.{}", base64url(header), base64url(&claims));
        let key = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
        format!("{message}.{}", signature.unwrap())
    };
    let public = fixture.signer.jwk["x"].as_str().unwrap().to_owned();
    let good = fixture.signer.sign(&fixture.claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let stranger = Signer::es256("first");
    // A key that the token brings along is not looked at.
    let url = &fixture.server.url;
    let brought = changed(header.clone(), json!({ "jwk": stranger.jwk, "jku": url, "x5u": url }));
    for (token, expected) in [
        (unsigned("none"), Refusal::Algorithm),
        (unsigned("None"), Refusal::Algorithm),
        (unsigned(""), Refusal::Algorithm),
        (by_secret(public.as_bytes()), Refusal::Algorithm),
        (by_secret(b"the secret/"), Refusal::Algorithm),
        (stranger.sign_text(&header.to_string(), &claims), Refusal::Signature),
        (stranger.sign_text(&brought.to_string(), &claims), Refusal::Signature),
        (format!("{message}."), Refusal::Signature),
        (good[..good.len() - 8].to_owned(), Refusal::Signature),
        (format!("{message}A.{signature}"), Refusal::Signature),
    ] {
        assert_eq!(refusal(&fixture, &token).await, expected, "{token}");
    }
}

#[tokio::test]
async fn only_signed_tokens_of_their_own_kind_are_id_tokens() {
    let fixture = Fixture::start().await;
    let claims = fixture.claims().to_string();
    let header = fixture.signer.header();
    for (changes, expected) in [
        (json!({ "alg": "ES384" }), Refusal::Algorithm),
        (json!({ "alg": "RS256" }), Refusal::UnknownKey),
        (json!({ "alg": null }), Refusal::Algorithm),
        (json!({ "kid": "second" }), Refusal::UnknownKey),
        (json!({ "kid": 1 }), Refusal::Malformed),
        (json!({ "crit": ["x"], "x": 1 }), Refusal::Malformed),
        (json!({ "b64": false }), Refusal::Malformed),
        (json!({ "typ": "at+jwt" }), Refusal::Malformed),
        (json!({ "typ": "logout+jwt" }), Refusal::Malformed),
        (json!({ "typ": 1 }), Refusal::Malformed),
    ] {
        let header = changed(header.clone(), changes.clone()).to_string();
        let token = fixture.signer.sign_text(&header, &claims);
        assert_eq!(refusal(&fixture, &token).await, expected, "{changes}");
    }
    let header = header.to_string();
    let repeated = claims.replacen('{', r#"{"sub":"eve","#, 1);
    let long = changed(fixture.claims(), json!({ "a": "a".repeat(16_384) }));
    let good = fixture.signer.sign(&fixture.claims());
    for token in [
        fixture.signer.sign_text(r#"{"alg":"ES256","kid":"first","kid":"first"}"#, &claims),
        fixture.signer.sign_text(&header, &repeated),
        fixture.signer.sign_text(&header, "[]"),
        fixture.signer.sign(&long),
        "token".to_owned(),
        format!("{good}.a.b"),
        format!("{good}."),
        format!(" {good}"),
        good.replacen('.', "=.", 1),
    ] {
        assert_eq!(refusal(&fixture, &token).await, Refusal::Malformed, "{token}");
    }
    for typ in [json!("jwt"), json!("JWT"), json!(null)] {
        let header = changed(fixture.signer.header(), json!({ "typ": typ })).to_string();
        fixture.give(&fixture.signer.sign_text(&header, &claims));
        fixture.exchange().await.unwrap();
    }
}

#[tokio::test]
async fn algorithms_are_those_that_the_provider_says_it_uses() {
    let fixture = Fixture::start().await;
    let metadata =
        changed(fixture.metadata(), json!({ "id_token_signing_alg_values_supported": ["RS256"] }));
    fixture.server.json("/.well-known/openid-configuration", metadata);
    let token = fixture.signer.sign(&fixture.claims());
    assert_eq!(refusal(&fixture, &token).await, Refusal::Algorithm);
}

#[tokio::test]
async fn a_token_without_a_kid_has_the_one_key_that_fits() {
    let fixture = Fixture::start().await;
    let nameless = changed(fixture.signer.header(), json!({ "kid": null })).to_string();
    let token = fixture.signer.sign_text(&nameless, &fixture.claims().to_string());
    let (edwards, other) = (Signer::ed25519("edwards"), Signer::es256("other"));
    fixture.publish(&[&fixture.signer, &edwards]);
    fixture.give(&token);
    fixture.exchange().await.unwrap();
    let token = edwards.sign(&fixture.claims());
    fixture.give(&token);
    fixture.exchange().await.unwrap();

    let fixture = Fixture { signer: fixture.signer, ..Fixture::start().await };
    fixture.publish(&[&fixture.signer, &other]);
    let token = fixture.signer.sign_text(&nameless, &fixture.claims().to_string());
    assert_eq!(refusal(&fixture, &token).await, Refusal::UnknownKey);
}

#[tokio::test]
async fn an_app_brings_its_own_token_for_a_nonce_of_ours() {
    let fixture = Fixture::start().await;
    let token = |audience: &str| {
        fixture.signer.sign(&changed(fixture.claims(), json!({ "aud": audience })))
    };
    for audience in [CLIENT_ID, "the-app"] {
        let verified = fixture.provider.verify_id_token(&token(audience), NONCE).await.unwrap();
        assert_eq!(verified.subject, "ada");
    }
    let both = changed(fixture.claims(), json!({ "azp": "the-app" }));
    fixture.provider.verify_id_token(&fixture.signer.sign(&both), NONCE).await.unwrap();
    for (token, nonce, expected) in [
        (token("another"), NONCE, Refusal::Audience),
        (token("the-app"), "another", Refusal::Nonce),
    ] {
        let refused = fixture.provider.verify_id_token(&token, nonce).await.unwrap_err();
        assert_eq!(refused, expected.into());
    }
    assert_eq!(fixture.server.asked("/userinfo").len(), 0);
}
