//! Providers differ in what they say, and in what it is worth.

use super::server::Reply;
use super::*;

async fn of_kind(kind: Kind) -> Fixture {
    Fixture::with(|settings| settings.kind = kind).await
}

#[tokio::test]
async fn google_vouches_for_addresses_that_it_gives_out() {
    let fixture = of_kind(Kind::Google).await;
    for (changes, expected) in [
        (json!({ "email": "ada@gmail.com" }), true),
        (json!({ "email": "ada@GMAIL.com" }), true),
        (json!({ "email": "ada@gmail.com", "email_verified": false }), false),
        (json!({ "email": "ada@gmail.com", "email_verified": "true" }), false),
        (json!({ "email": "ada@example.com" }), false),
        (json!({ "email": "ada@notgmail.com" }), false),
        (json!({ "email": "ada@gmail.com.example.com" }), false),
        (json!({ "email": "ada@example.com", "hd": "example.com" }), true),
        (json!({ "email": "ada@example.com", "hd": "" }), false),
        (json!({ "email": "ada@example.com", "hd": true }), false),
        (json!({ "email": "ada@example.com", "hd": "example.com", "email_verified": null }), false),
    ] {
        let assertion = fixture.judge(&changed(fixture.claims(), changes.clone())).await.unwrap();
        assert_eq!(assertion.email_verified, expected, "{changes}");
    }
    let request = Authorization {
        state: "s",
        nonce: "n",
        code_challenge: "c",
        prompt: Prompt::Reauthenticate,
    };
    let url = fixture.provider.authorization_url(&request).await.unwrap();
    assert!(url.contains("max_age=0&claims=%7B%22id_token%22%3A%7B%22auth_time%22"), "{url}");
    // It refuses what it does not know.
    assert!(!url.contains("prompt=login"), "{url}");
}

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

fn microsoft(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

async fn of_tenant(tenant: &str, published: &str) -> Fixture {
    let fixture = Fixture::with(|settings| {
        settings.kind = Kind::Microsoft;
        settings.tenant = Some(tenant.to_owned());
    });
    let fixture = fixture.await;
    let metadata = changed(fixture.metadata(), json!({ "issuer": microsoft(published) }));
    fixture.server.json("/.well-known/openid-configuration", metadata);
    fixture
}

#[tokio::test]
async fn each_tenant_of_microsofts_is_an_issuer() {
    for (tenant, published, signing, is_taken) in [
        ("common", "{tenantid}", TENANT, true),
        ("common", "{tenantid}", CONSUMERS, true),
        ("organizations", "{tenantid}", TENANT, true),
        ("organizations", "{tenantid}", CONSUMERS, false),
        ("consumers", CONSUMERS, CONSUMERS, true),
        ("consumers", CONSUMERS, TENANT, false),
        (TENANT, TENANT, TENANT, true),
        (TENANT, TENANT, CONSUMERS, false),
        ("common", "{tenantid}", "{tenantid}", false),
        ("common", "{tenantid}", "common", false),
        ("common", "{tenantid}", "72F988BF-86F1-41AF-91AB-2D7CD011DB47", false),
    ] {
        let fixture = of_tenant(tenant, published).await;
        let claims = json!({ "iss": microsoft(signing), "tid": signing });
        let claims = changed(fixture.claims(), claims);
        let what = format!("{tenant}: {signing}");
        match fixture.judge(&claims).await {
            Ok(assertion) => {
                assert!(is_taken, "{what}");
                assert_eq!(assertion.issuer, microsoft(signing));
            }
            Err(error) => {
                assert!(!is_taken && error == Refusal::Issuer.into(), "{what}: {error:?}");
            }
        }
    }
    for (tenant, published) in [
        ("common", TENANT),
        ("consumers", "{tenantid}"),
        (TENANT, CONSUMERS),
        (TENANT, "{tenantid}"),
    ] {
        let fixture = of_tenant(tenant, published).await;
        let error = fixture.judge(&fixture.claims()).await.unwrap_err();
        assert_eq!(error, Away::OtherIssuer.into(), "{tenant}: {published}");
    }
    let fixture = of_tenant("common", "{tenantid}").await;
    for (iss, tid) in [
        (microsoft(TENANT), json!(CONSUMERS)),
        (microsoft(TENANT), json!(null)),
        (format!("https://login.microsoftonline.com.evil.example/{TENANT}/v2.0"), json!(TENANT)),
        (fixture.server.url.clone(), json!(TENANT)),
    ] {
        let claims = changed(fixture.claims(), json!({ "iss": iss, "tid": tid }));
        assert_eq!(fixture.judge(&claims).await.unwrap_err(), Refusal::Issuer.into(), "{iss}");
    }
}

#[tokio::test]
async fn a_key_of_one_tenant_of_microsofts_signs_for_no_other() {
    for (issuer, is_taken) in [
        (json!(null), true),
        (json!(microsoft("{tenantid}")), true),
        (json!(microsoft(TENANT)), true),
        (json!(microsoft(CONSUMERS)), false),
        (json!("https://evil.example"), false),
    ] {
        let fixture = of_tenant("common", "{tenantid}").await;
        let key = changed(fixture.signer.jwk.clone(), json!({ "issuer": issuer }));
        fixture.server.json("/keys", json!({ "keys": [key] }));
        let claims = changed(fixture.claims(), json!({ "iss": microsoft(TENANT), "tid": TENANT }));
        match fixture.judge(&claims).await {
            Ok(_) => assert!(is_taken, "{issuer}"),
            Err(error) => {
                assert!(!is_taken && error == Refusal::Issuer.into(), "{issuer}: {error:?}");
            }
        }
    }
}

#[tokio::test]
async fn microsofts_word_on_an_address_is_the_domains_owners() {
    let fixture = of_tenant("common", "{tenantid}").await;
    for (changes, expected) in [
        (json!({}), false),
        (json!({ "email_verified": true }), false),
        (json!({ "xms_edov": true }), true),
        (json!({ "xms_edov": 1 }), true),
        (json!({ "xms_edov": false }), false),
        (json!({ "xms_edov": 0 }), false),
        (json!({ "xms_edov": "true" }), false),
    ] {
        let claims = changed(fixture.claims(), json!({ "iss": microsoft(TENANT), "tid": TENANT }));
        let assertion = fixture.judge(&changed(claims, changes.clone())).await.unwrap();
        assert_eq!(assertion.email_verified, expected, "{changes}");
    }
}

fn apple_key() -> AppleKey {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let text = STANDARD.encode(pair.unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    AppleKey::parse("TEAM".to_owned(), "KEY".to_owned(), &pem).unwrap()
}

#[tokio::test]
async fn apple_posts_a_name_once_and_takes_a_signed_secret() {
    let fixture = Fixture::with(|settings| {
        settings.kind = Kind::Apple;
        settings.credential = Credential::Apple(apple_key());
        settings.scopes = ["name", "email"].map(str::to_owned).to_vec();
    })
    .await;
    for (verified, expected) in
        [(json!("true"), true), (json!(true), true), (json!("false"), false), (json!(null), false)]
    {
        let claims = changed(fixture.claims(), json!({ "email_verified": verified }));
        assert_eq!(fixture.judge(&claims).await.unwrap().email_verified, expected, "{verified}");
    }
    let asked = fixture.server.asked("/token").remove(0);
    let secret = url::form_urlencoded::parse(asked.body.as_bytes())
        .find(|(name, _)| name == "client_secret")
        .unwrap()
        .1;
    let part = |at: usize| {
        let part = secret.split('.').nth(at).unwrap();
        let json = crate::kernel::secret::from_base64url(part).unwrap();
        serde_json::from_slice::<Value>(&json).unwrap()
    };
    assert_eq!(part(0), json!({ "typ": "JWT", "alg": "ES256", "kid": "KEY" }));
    assert_eq!(
        part(1),
        json!({ "iss": "TEAM", "iat": NOW, "exp": NOW + 300, "sub": CLIENT_ID,
                "aud": "https://appleid.apple.com" })
    );
    fixture.give(&fixture.signer.sign(&fixture.claims()));
    for (user, name) in [
        (
            r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"x@y"}"#,
            Some("Ada Lovelace"),
        ),
        (r#"{"name":{"firstName":"Ada\u0000","lastName":7}}"#, Some("Ada")),
        (r#"{"email":"eve@example.com"}"#, None),
        (r#"{"name":"Ada"}"#, None),
        ("<script>", None),
        (&format!(r#"{{"name":{{"firstName":"{}"}}}}"#, "a".repeat(5000)), None),
    ] {
        let posted = Answer { user: Some(user), ..answer() };
        let assertion = fixture.provider.exchange(&posted).await.unwrap();
        assert_eq!(assertion.full_name.as_deref(), name, "{user}");
        assert_eq!(assertion.email.as_deref(), Some("ada@example.com"));
    }
    assert_eq!(fixture.provider.check().await.client_secret, Some(true));
}

#[test]
fn only_a_key_for_p256_signs_apples_secrets() {
    let parse = |pem: &str| AppleKey::parse("TEAM".to_owned(), "KEY".to_owned(), pem);
    for pem in ["", "zanzibar", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        assert!(parse(pem).is_none(), "{pem}");
    }
    assert_eq!(format!("{:?}", apple_key()), "AppleKey(..)");
}

async fn github() -> Fixture {
    let fixture = Fixture::with(|settings| {
        settings.kind = Kind::Github;
        settings.endpoints = Some(github_endpoints(&settings.issuer));
        settings.scopes = ["read:user", "user:email"].map(str::to_owned).to_vec();
    });
    let fixture = fixture.await;
    let tokens = json!({ "access_token": "gho_x", "scope": "user:email", "token_type": "bearer" });
    fixture.server.json("/login/oauth/access_token", tokens);
    fixture.server.json("/api/v3/user", ada());
    let addresses = json!([
        { "email": "b@example.com", "primary": false, "verified": true, "visibility": null },
        { "email": "ada@example.com", "primary": true, "verified": true, "visibility": "private" },
    ]);
    fixture.server.json("/api/v3/user/emails", addresses);
    fixture
}

fn ada() -> Value {
    json!({
        "id": 583_231, "login": "ada", "name": "Ada Lovelace", "email": "public@example.com",
        "avatar_url": "https://avatars.githubusercontent.com/u/583231?v=4",
    })
}

#[tokio::test]
async fn github_is_asked_for_the_account_and_its_addresses() {
    let fixture = github().await;
    let request =
        Authorization { state: "s", nonce: "n", code_challenge: "c", prompt: Prompt::Choose };
    let url = fixture.provider.authorization_url(&request).await.unwrap();
    assert!(url.starts_with(&format!("{}/login/oauth/authorize?", fixture.server.url)), "{url}");
    assert!(url.contains("scope=read%3Auser+user%3Aemail") && url.contains("code_challenge=c"));
    assert!(!url.contains("nonce"), "{url}");

    let assertion = fixture.exchange().await.unwrap();
    let expected = Assertion {
        issuer: fixture.server.url.clone(),
        subject: "583231".to_owned(),
        email: Some("ada@example.com".to_owned()),
        email_verified: true,
        username: Some("ada".to_owned()),
        full_name: Some("Ada Lovelace".to_owned()),
        picture: Some("https://avatars.githubusercontent.com/u/583231?v=4".to_owned()),
        auth_time: None,
    };
    assert_eq!(assertion, expected);
    let token = fixture.server.asked("/login/oauth/access_token").remove(0);
    assert_eq!(token.headers["accept"], "application/json");
    assert!(token.body.contains("client_secret=") && token.body.contains("code_verifier="));
    for path in ["/api/v3/user", "/api/v3/user/emails"] {
        let asked = fixture.server.asked(path).remove(0);
        assert_eq!(asked.headers["authorization"], "Bearer gho_x");
        assert_eq!(asked.headers["accept"], "application/vnd.github+json");
        assert!(asked.headers["user-agent"].starts_with("Portcullis/"));
    }
}

#[tokio::test]
async fn an_account_at_github_is_its_number_and_its_address_may_be_hidden() {
    let fixture = github().await;
    for id in [json!("583231"), json!(0), json!(-1), json!(1.5), json!(null)] {
        fixture.server.json("/api/v3/user", changed(ada(), json!({ "id": id })));
        assert_eq!(fixture.exchange().await.unwrap_err(), Refusal::Subject.into(), "{id}");
    }
    fixture.server.json("/api/v3/user", ada());
    let hidden = "583231+ada@users.noreply.github.com";
    let addresses = json!([{ "email": hidden, "primary": true, "verified": true }]);
    for reply in [
        Reply::Json(200, addresses),
        Reply::Json(200, json!([])),
        Reply::Json(403, json!({})),
        Reply::Json(404, json!({})),
    ] {
        fixture.server.answer("/api/v3/user/emails", reply);
        let assertion = fixture.exchange().await.unwrap();
        assert_eq!((assertion.email, assertion.email_verified), (None, false));
    }
    for (reply, expected) in [
        (Reply::Json(500, json!([])), Away::Status(500)),
        (Reply::Json(401, json!([])), Away::Status(401)),
        (Reply::Json(200, json!({})), Away::Nonsense("a profile")),
    ] {
        fixture.server.answer("/api/v3/user/emails", reply);
        assert_eq!(fixture.exchange().await.unwrap_err(), expected.into());
    }
}

#[tokio::test]
async fn github_neither_signs_who_somebody_is_nor_asks_again() {
    let fixture = github().await;
    let token = fixture.signer.sign(&fixture.claims());
    let refused = fixture.provider.verify_id_token(&token, NONCE).await.unwrap_err();
    assert_eq!(refused, Refusal::WithoutIdTokens.into());
    let request = Authorization {
        state: "s",
        nonce: "n",
        code_challenge: "c",
        prompt: Prompt::Reauthenticate,
    };
    let refused = fixture.provider.authorization_url(&request).await.unwrap_err();
    assert_eq!(refused, Refusal::WithoutReauthentication.into());
    let named = |iss| Answer { iss: Some(iss), ..answer() };
    let own = format!("{}/login/oauth", fixture.server.url);
    fixture.provider.exchange(&named(&own)).await.unwrap();
    for other in ["https://evil.example", "https://evil.example/login/oauth"] {
        let refused = fixture.provider.exchange(&named(other)).await.unwrap_err();
        assert_eq!(refused, Refusal::AnswerIssuer.into());
    }
    fixture.server.answer("/api/v3/user", Reply::Json(401, json!({})));
    assert_eq!(fixture.provider.check().await.metadata, Ok(()));
}

#[tokio::test]
async fn a_provider_of_the_kind_oauth2_speaks_the_operators_words() {
    let fixture = Fixture::with(|settings| {
        settings.kind = Kind::Oauth2;
        let endpoint = |path: &str| format!("{}{path}", settings.issuer);
        settings.endpoints = Some(Endpoints {
            authorization: endpoint("/authorize"),
            token: endpoint("/token"),
            userinfo: endpoint("/me"),
        });
        let names = [("sub", "id"), ("email_verified", "verified"), ("name", "/profile/name")];
        settings.claims = names.map(|(ours, theirs)| (ours, theirs.to_owned())).into();
    })
    .await;
    fixture.server.json("/token", json!({ "access_token": "a", "token_type": "Bearer" }));
    let me = json!({
        "id": 7, "sub": "another", "email": "ada@example.com", "verified": true,
        "email_verified": false, "profile": { "name": "Ada" },
    });
    fixture.server.json("/me", me.clone());
    let assertion = fixture.exchange().await.unwrap();
    assert_eq!((assertion.subject.as_str(), assertion.email_verified), ("7", true));
    assert_eq!(assertion.full_name.as_deref(), Some("Ada"));
    assert_eq!(assertion.issuer, fixture.server.url);
    for verified in [json!("true"), json!(1), json!(null)] {
        fixture.server.json("/me", changed(me.clone(), json!({ "verified": verified })));
        assert!(!fixture.exchange().await.unwrap().email_verified, "{verified}");
    }
    fixture.server.json("/me", changed(me, json!({ "id": null })));
    assert_eq!(fixture.exchange().await.unwrap_err(), Refusal::Subject.into());
}
