//! The code flow as a whole: what is sent, and what becomes of each answer.

use std::collections::HashMap;

use super::server::Reply;
use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";

async fn query(provider: &Provider, prompt: Prompt) -> (String, HashMap<String, String>) {
    let request = Authorization { state: "s&", nonce: NONCE, code_challenge: "c", prompt };
    let url = provider.authorization_url(&request).await.unwrap();
    let url = url::Url::parse(&url).unwrap();
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let query: HashMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(pairs.len(), query.len(), "{url}");
    (format!("{}{}", url.origin().ascii_serialization(), url.path()), query)
}

fn pairs(expected: &[(&str, &str)]) -> HashMap<String, String> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn people_are_sent_where_the_provider_says() {
    let fixture = Fixture::start().await;
    let (url, sent) = query(&fixture.provider, Prompt::Choose).await;
    assert_eq!(url, format!("{}/authorize", fixture.server.url));
    let usual = [
        ("of", "us"),
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", "https://auth.example.com/callback/company"),
        ("scope", "openid email"),
        ("state", "s&"),
        ("nonce", NONCE),
        ("code_challenge", "c"),
        ("code_challenge_method", "S256"),
    ];
    assert_eq!(sent, pairs(&usual));
    let (_, sent) = query(&fixture.provider, Prompt::Reauthenticate).await;
    let again = [&usual[..], &[("prompt", "login"), ("max_age", "0")]].concat();
    assert_eq!(sent, pairs(&again));
    let posting = Fixture::with(|settings| settings.posts_answers = true).await;
    let (_, sent) = query(&posting.provider, Prompt::Choose).await;
    assert_eq!(sent["response_mode"], "form_post");
    assert!(posting.provider.posts_answers());
}

#[tokio::test]
async fn the_secret_is_sent_as_the_provider_wants_it() {
    let basic = "Basic dGhlLWNsaWVudDp0aGUrc2VjcmV0JTJG";
    for (methods, set, header, in_body) in [
        (json!(null), None, Some(basic), false),
        (json!(["client_secret_post", "client_secret_basic"]), None, Some(basic), false),
        (json!(["client_secret_post"]), None, None, true),
        (json!(["private_key_jwt"]), None, Some(basic), false),
        (json!(["client_secret_post"]), Some(TokenAuth::ClientSecretBasic), Some(basic), false),
        (json!(["client_secret_basic"]), Some(TokenAuth::ClientSecretPost), None, true),
    ] {
        let fixture = Fixture::with(|settings| settings.token_auth = set).await;
        let methods = json!({ "token_endpoint_auth_methods_supported": methods });
        fixture.server.json(DISCOVERY, changed(fixture.metadata(), methods.clone()));
        fixture.judge(&fixture.claims()).await.unwrap();
        let asked = fixture.server.asked("/token").remove(0);
        assert_eq!(asked.headers.get("authorization").map(String::as_str), header, "{methods}");
        assert_eq!(asked.body.contains("client_secret=the+secret%2F"), in_body, "{methods}");
        let sent = pairs_of(&asked.body);
        for (name, value) in [
            ("grant_type", "authorization_code"),
            ("code", "the-code"),
            ("code_verifier", "the-verifier"),
            ("redirect_uri", "https://auth.example.com/callback/company"),
        ] {
            assert_eq!(sent[name], value);
        }
        assert!(asked.headers["user-agent"].starts_with("Portcullis/"));
    }
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let fixture = Fixture::with(|settings| settings.credential = Credential::None).await;
    fixture.judge(&fixture.claims()).await.unwrap();
    let asked = fixture.server.asked("/token").remove(0);
    let sent = pairs_of(&asked.body);
    assert_eq!(sent["client_id"], CLIENT_ID);
    assert_eq!(sent["code_verifier"], "the-verifier");
    assert!(!sent.contains_key("client_secret") && !asked.headers.contains_key("authorization"));
}

fn pairs_of(body: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn metadata_must_be_the_issuers_own_and_safe() {
    for (changes, expected) in [
        (json!({ "issuer": "https://evil.example" }), Away::OtherIssuer),
        (json!({ "issuer": null }), Away::Nonsense("a provider's metadata")),
        (json!({ "jwks_uri": null }), Away::Nonsense("a provider's metadata")),
        (json!({ "token_endpoint": 1 }), Away::Nonsense("a provider's metadata")),
        (json!({ "token_endpoint": "http://id.example.com/token" }), Away::InsecureEndpoint),
        (json!({ "jwks_uri": "file:///etc/passwd" }), Away::InsecureEndpoint),
        (json!({ "userinfo_endpoint": "/userinfo" }), Away::InsecureEndpoint),
        (json!({ "authorization_endpoint": "javascript:alert(1)" }), Away::InsecureEndpoint),
        (json!({ "authorization_endpoint": "https://a.example/#x" }), Away::InsecureEndpoint),
        (json!({ "authorization_endpoint": "https://u:p@a.example/" }), Away::InsecureEndpoint),
        (json!({ "token_endpoint": "http://evil.example/?host=/a" }), Away::InsecureEndpoint),
    ] {
        let fixture = Fixture::start().await;
        fixture.server.json(DISCOVERY, changed(fixture.metadata(), changes.clone()));
        let request =
            Authorization { state: "s", nonce: "n", code_challenge: "c", prompt: Prompt::Choose };
        let refused = fixture.provider.authorization_url(&request).await.unwrap_err();
        assert_eq!(refused, expected.into(), "{changes}");
        let refused = fixture.judge(&fixture.claims()).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Unavailable(_)), "{changes}");
        assert_eq!(fixture.server.asked("/token").len(), 0);
    }
}

#[tokio::test]
async fn an_issuer_with_a_slash_at_its_end_is_found_and_compared_to_the_letter() {
    let fixture = Fixture::with(|settings| settings.issuer.push('/')).await;
    assert_eq!(fixture.judge(&fixture.claims()).await.unwrap_err(), Away::OtherIssuer.into());
    let issuer = format!("{}/", fixture.server.url);
    fixture.server.json(DISCOVERY, changed(fixture.metadata(), json!({ "issuer": issuer })));
    let refused = fixture.judge(&fixture.claims()).await.unwrap_err();
    assert_eq!(refused, Refusal::Issuer.into());
    fixture.judge(&changed(fixture.claims(), json!({ "iss": issuer }))).await.unwrap();
}

#[tokio::test]
async fn an_answer_names_the_issuer_it_comes_from() {
    let fixture = Fixture::start().await;
    fixture.give(&fixture.signer.sign(&fixture.claims()));
    let named = |iss| Answer { iss, ..answer() };
    let own = fixture.server.url.as_str();
    fixture.provider.exchange(&named(Some(own))).await.unwrap();
    let other = fixture.provider.exchange(&named(Some("https://evil.example"))).await;
    assert_eq!(other.unwrap_err(), Refusal::AnswerIssuer.into());
    // The code of a mix-up goes nowhere.
    assert_eq!(fixture.server.asked("/token").len(), 1);

    let strict = Fixture::start().await;
    let promise = json!({ "authorization_response_iss_parameter_supported": true });
    strict.server.json(DISCOVERY, changed(strict.metadata(), promise));
    strict.give(&strict.signer.sign(&strict.claims()));
    let missing = strict.provider.exchange(&named(None)).await;
    assert_eq!(missing.unwrap_err(), Refusal::AnswerIssuer.into());
    strict.provider.exchange(&named(Some(&strict.server.url))).await.unwrap();
}

#[tokio::test]
async fn errors_of_the_token_endpoint_tell_nothing_but_what_they_are() {
    let fixture = Fixture::start().await;
    let json = |status, code: &str| Reply::Json(status, json!({ "error": code }));
    let html = || Reply::Raw(200, "content-type: text/html\r\n".to_owned(), b"<p>Hi".to_vec());
    for (reply, expected) in [
        (json(400, "invalid_grant"), ProviderError::Refused(Refusal::Code)),
        (json(400, "<script>alert(1)</script>"), Refusal::Code.into()),
        (json(400, "invalid_request"), Refusal::Code.into()),
        (Reply::Json(400, json!({ "error": 7 })), Refusal::Code.into()),
        // As GitHub does.
        (json(200, "bad_verification_code"), Refusal::Code.into()),
        (json(200, "incorrect_client_credentials"), Away::UnknownClient.into()),
        (json(401, "invalid_client"), Away::UnknownClient.into()),
        (json(400, "unauthorized_client"), Away::UnknownClient.into()),
        (json(400, "temporarily_unavailable"), Away::Status(503).into()),
        (json(500, "invalid_grant"), Away::Status(500).into()),
        (json(429, "slow_down"), Away::Status(429).into()),
        (Reply::Json(404, json!({})), Away::Status(404).into()),
        (Reply::Json(201, json!({})), Away::Status(201).into()),
        (Reply::Json(200, json!({})), Away::Nonsense("an access token").into()),
        (Reply::Json(200, json!([])), Away::Nonsense("an access token").into()),
        (html(), Away::ContentType.into()),
        (
            Reply::Json(200, json!({ "access_token": "a", "token_type": "DPoP", "id_token": "a" })),
            Away::Nonsense("an access token").into(),
        ),
        (
            Reply::Json(200, json!({ "access_token": "a\nb", "token_type": "bearer" })),
            Refusal::NoIdToken.into(),
        ),
        (
            Reply::Json(
                200,
                json!({ "access_token": "a", "token_type": "bearer", "id_token": "" }),
            ),
            Refusal::Malformed.into(),
        ),
        (
            Reply::Raw(302, format!("location: {}/token\r\n", fixture.server.url), Vec::new()),
            Away::Redirect.into(),
        ),
    ] {
        fixture.server.answer("/token", reply);
        assert_eq!(fixture.exchange().await.unwrap_err(), expected);
    }
}

/// What a provider answers everywhere, for a token without an address, and what becomes of a sign-in without it.
fn documents(fixture: &Fixture) -> [(&'static str, Value, Away); 4] {
    let bare = changed(fixture.claims(), json!({ "email": null }));
    let id_token = fixture.signer.sign(&bare);
    let tokens = json!({ "access_token": "a", "token_type": "bearer", "id_token": id_token });
    let profile = json!({ "sub": "ada", "email": "b@example.com" });
    [
        (DISCOVERY, fixture.metadata(), Away::Nonsense("a provider's metadata")),
        ("/keys", json!({ "keys": [fixture.signer.jwk] }), Away::Nonsense("a list of keys")),
        ("/token", tokens, Away::Nonsense("an access token")),
        ("/userinfo", profile, Away::Nonsense("a profile")),
    ]
}

/// A document spoilt in every way that some reader might overlook, under its headers.
fn spoilt(document: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let json = "content-type: application/json\r\n";
    let good = document.to_string();
    let beside = |member: &[u8]| [b"{\"x\":", member, b",", &good.as_bytes()[1..]].concat();
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    vec![
        ("content-type: text/html\r\n", good.clone().into_bytes()),
        ("content-type: application/jwt\r\n", good.clone().into_bytes()),
        ("", good.clone().into_bytes()),
        (json, beside(b"\"\xff\xfe\"")),
        (json, beside(&deep)),
        (json, beside(b"1,\"x\":2")),
        (json, good.as_bytes()[..good.len() - 1].to_vec()),
        (json, format!("[{good}]").into_bytes()),
        (json, Vec::new()),
    ]
}

#[tokio::test]
async fn what_is_no_clean_json_is_refused_wherever_it_is_answered() {
    for place in 0..4 {
        for way in 0..9 {
            let fixture = Fixture::start().await;
            let documents = documents(&fixture);
            for (path, document, _) in &documents {
                fixture.server.json(path, document.clone());
            }
            let (path, document, expected) = documents[place].clone();
            let (headers, body) = spoilt(&document).remove(way);
            let expected = match headers.contains("/json") {
                true => expected,
                false => Away::ContentType,
            };
            fixture.server.answer(path, Reply::Raw(200, headers.to_owned(), body));
            let refused = fixture.exchange().await.unwrap_err();
            assert_eq!(refused, expected.into(), "{path}: {way}");
            let charset = "content-type: application/json; charset=utf-8\r\n".to_owned();
            let good = document.to_string().into_bytes();
            fixture.server.answer(path, Reply::Raw(200, charset, good));
            fixture.exchange().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_address_that_the_token_lacks_is_asked_for() {
    let fixture = Fixture::start().await;
    let bare = changed(fixture.claims(), json!({ "email": null }));
    let profile = json!({ "sub": "ada", "email": "b@example.com", "name": "Ada" });
    fixture.server.json("/userinfo", profile.clone());
    let assertion = fixture.judge(&bare).await.unwrap();
    // The token says that an address is proven, and not that this one is.
    assert_eq!(assertion.email.as_deref(), Some("b@example.com"));
    assert!(!assertion.email_verified);
    assert_eq!(assertion.full_name.as_deref(), Some("Ada"));
    let asked = fixture.server.asked("/userinfo").remove(0);
    assert_eq!(asked.headers["authorization"], "Bearer the-access-token");

    for (verified, expected) in [(json!(true), true), (json!("true"), false), (json!(1), false)] {
        let changes = json!({ "email_verified": verified });
        fixture.server.json("/userinfo", changed(profile.clone(), changes));
        assert_eq!(fixture.judge(&bare).await.unwrap().email_verified, expected, "{verified}");
    }
    for sub in [json!("eve"), json!(null), json!(1)] {
        fixture.server.json("/userinfo", changed(profile.clone(), json!({ "sub": sub })));
        let refused = fixture.judge(&bare).await.unwrap_err();
        assert_eq!(refused, Refusal::OtherSubject.into());
    }
    let twice = br#"{"sub":"eve","sub":"ada","email":"b@example.com"}"#.to_vec();
    let json = "content-type: application/json\r\n".to_owned();
    fixture.server.answer("/userinfo", Reply::Raw(200, json, twice));
    assert_eq!(fixture.judge(&bare).await.unwrap_err(), Away::Nonsense("a profile").into());
    fixture.server.answer("/userinfo", Reply::Json(401, json!({})));
    assert_eq!(fixture.judge(&bare).await.unwrap_err(), Away::Status(401).into());
    // With an address in the token nobody is asked.
    fixture.judge(&fixture.claims()).await.unwrap();
}

#[tokio::test]
async fn only_json_true_proves_an_address() {
    let fixture = Fixture::start().await;
    for (verified, expected) in [
        (json!(true), true),
        (json!(false), false),
        (json!("true"), false),
        (json!(1), false),
        (json!([true]), false),
        (json!(null), false),
    ] {
        let claims = changed(fixture.claims(), json!({ "email_verified": verified }));
        let assertion = fixture.judge(&claims).await.unwrap();
        assert_eq!(assertion.email_verified, expected, "{verified}");
        assert_eq!(assertion.email.as_deref(), Some("ada@example.com"));
    }
    let unusable = changed(fixture.claims(), json!({ "email": "ada" }));
    let assertion = fixture.judge(&unusable).await.unwrap();
    assert_eq!((assertion.email, assertion.email_verified), (None, false));
}

#[tokio::test]
async fn providers_are_found_by_their_ids_in_the_order_of_the_file() {
    let server = Server::start().await;
    let named = |id: &str| Settings { id: id.to_owned(), ..settings(&server) };
    let clock = Clock::manual(DateTime::from_timestamp(NOW, 0).unwrap());
    let all = vec![named("b"), named("a")];
    let providers = Providers::new(all, "https://auth.example.com/under", clock).unwrap();
    let ids: Vec<_> = providers.all().map(Provider::id).collect();
    assert_eq!(ids, ["b", "a"]);
    let found = providers.find("a").unwrap();
    assert_eq!(found.redirect_uri(), "https://auth.example.com/under/callback/a");
    assert_eq!(found.name(), "Company");
    assert!(!found.is_trusted());
    assert!(providers.find("c").is_none());
}

#[tokio::test]
async fn the_operator_is_told_what_works() {
    let fixture = Fixture::start().await;
    let date = |date: &str| {
        let headers = format!("date: {date}\r\ncontent-type: application/json\r\n");
        Reply::Raw(200, headers, fixture.metadata().to_string().into_bytes())
    };
    // 1 800 000 000.
    fixture.server.answer(DISCOVERY, date("Fri, 15 Jan 2027 08:01:00 GMT"));
    let checkup = fixture.provider.check().await;
    assert_eq!(checkup.metadata, Ok(()));
    assert_eq!(checkup.keys, Some(Ok(1)));
    assert_eq!(checkup.client_secret, None);
    assert_eq!(checkup.clock_ahead.unwrap().num_seconds(), 60);

    fixture.server.answer("/keys", Reply::Json(500, json!({})));
    assert_eq!(fixture.provider.check().await.keys, Some(Err(Away::Status(500))));
    let other = changed(fixture.metadata(), json!({ "issuer": "https://evil.example" }));
    fixture.server.json(DISCOVERY, other);
    let checkup = fixture.provider.check().await;
    assert_eq!(checkup.metadata, Err(Away::OtherIssuer));
    assert_eq!(checkup.keys, None);
}

#[tokio::test]
async fn whatever_is_asked_may_go_from_thread_to_thread() {
    fn is_send<T: Send>(_: &T) {}

    let fixture = Fixture::start().await;
    let answer = answer();
    is_send(&fixture.provider.exchange(&answer));
    is_send(&fixture.provider.verify_id_token("token", NONCE));
    is_send(&fixture.provider.check());
}
