//! Issuers that do something wrong, each in one way: nobody is signed in, and nothing that they say is shown.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::LOCATION;
use portcullis::app::App;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::http_client::visit;
use crate::support::issuer::fault::{
    AnswerFault, DiscoveryFault, Endpoint, ExchangeFault, Fault, TokenFault, Wire,
};
use crate::support::issuer::{Issuer, Person};
use crate::support::sign_in::{
    Back, Browser, Instance, ProvidersFile, RESULT, RETURN, Started, server_with,
};
use crate::support::{Reply, TestApp};

/// A flow takes the five seconds that an issuer has, for each of the few requests that it makes, and a machine that is busy takes
/// its time.
const FLOW_MAX: Duration = Duration::from_mins(1);
/// A server knows at most 64 providers, one of which is good here.
const FAULTS_MAX: usize = 60;
/// So many at once as no server minds.
const AT_ONCE: usize = 12;

/// A server with an issuer for each fault, and one without any, as its last.
async fn server_with_faulty(faults: &[Fault]) -> (TestApp, Vec<Arc<Issuer>>, ProvidersFile) {
    let mut issuers = Vec::new();
    for number in 0..=faults.len() {
        let issuer = Issuer::start(&format!("p{number}")).await;
        issuer.set(|conduct| conduct.person = Person::named(&format!("person{number}")));
        issuers.push(Arc::new(issuer));
    }
    let tables: Vec<String> = issuers
        .iter()
        .enumerate()
        .map(|(number, issuer)| issuer.table(&format!("p{number}"), "trusted = true"))
        .collect();
    let (app, file) = server_with(&tables, &[]).await;
    for (number, issuer) in issuers.iter().enumerate() {
        issuer.set(|conduct| {
            conduct.clock = app.clock.clone();
            conduct.fault = faults.get(number).copied();
        });
    }
    (app, issuers, file)
}

/// As far as it goes: the last answer, and where it was given.
async fn sign_in(app: &App, provider: &str) -> (&'static str, Reply) {
    let at = Instance::App(app);
    let mut browser = Browser::in_body_mode();
    let input = json!({ "providerId": provider, "returnTo": RETURN });
    let begun = browser.try_start(at, "startSignIn", input).await;
    if begun.code() != "NONE" {
        return ("begun", begun);
    }
    let begun = &begun.data()["startSignIn"];
    let text = |name: &str| begun[name].as_str().unwrap().to_owned();
    let started = Started { flow: text("flow"), url: text("authorizationUrl") };
    assert!(started.url.starts_with("http://127.0.0.1:"), "{}", started.url);
    let sent = visit(&started.url).await;
    let landed = browser.try_land(at, sent.headers[LOCATION].to_str().unwrap()).await;
    if landed.status != 303 {
        return ("landed", landed);
    }
    let back = Back::of(&landed);
    ("finished", browser.finish(at, "finishSignIn", &started, &back).await)
}

/// The codes that may tell of a fault: one, where it is clear whose fault it is.
fn codes(fault: Fault) -> &'static [&'static str] {
    const AWAY: &[&str] = &["SERVICE_UNAVAILABLE"];
    const REFUSED: &[&str] = &["INVALID_CREDENTIALS"];
    const EITHER: &[&str] = &["SERVICE_UNAVAILABLE", "INVALID_CREDENTIALS"];
    match fault {
        Fault::Wire(
            _,
            Wire::Redirect
            | Wire::ServerError
            | Wire::Html
            | Wire::Empty
            | Wire::Truncated
            | Wire::Drip
            | Wire::Hang
            | Wire::Huge,
        ) => AWAY,
        Fault::Answer(AnswerFault::OtherState) => &["INVALID_TOKEN"],
        Fault::Answer(AnswerFault::EmptyCode | AnswerFault::LongCode) => {
            &["INVALID_TOKEN", "INVALID_CREDENTIALS", "BAD_USER_INPUT"]
        }
        Fault::Answer(_)
        | Fault::Token(_)
        | Fault::Exchange(
            ExchangeFault::Refused
            | ExchangeFault::AccessTokenOfAnother
            | ExchangeFault::TokenOfAnotherFlow,
        ) => REFUSED,
        Fault::Wire(..) | Fault::Discovery(_) | Fault::Exchange(_) | Fault::Userinfo(_) => EITHER,
    }
}

/// What is wrong with how a fault was answered.
fn complaint(fault: Fault, stage: &str, reply: &Reply) -> Option<String> {
    if reply.status == 200 && reply.code() == "NONE" {
        return Some(format!("{fault:?} {stage}: somebody is signed in"));
    }
    let told = format!("{:?}\n{}", reply.headers, reply.text);
    let shown = ["script", "marked", "127.0.0.1:", "accounts.example.com", "/etc/passwd", "person"];
    if let Some(shown) = shown.into_iter().find(|text| told.contains(text)) {
        return Some(format!("{fault:?} shows {shown:?}: {told}"));
    }
    if stage == "landed" {
        return (!reply.status.is_client_error()).then(|| format!("{fault:?} landed: {told}"));
    }
    let code = reply.code();
    if !codes(fault).contains(&code.as_str()) {
        return Some(format!("{fault:?} {stage}: {code}: {told}"));
    }
    let says_when = reply.extension("retryAfter").as_u64().is_some_and(|seconds| seconds > 0);
    (code == "SERVICE_UNAVAILABLE" && !says_when)
        .then(|| format!("{fault:?} says not when: {told}"))
}

/// Goes through all of them, a few at a time.
async fn complaints<F>(
    app: &TestApp,
    faults: &[Fault],
    issuers: &[Arc<Issuer>],
    run: fn(App, String, Arc<Issuer>) -> F,
) -> Vec<String>
where
    F: Future<Output = (&'static str, Reply)> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (number, fault) in faults.iter().copied().enumerate() {
        let (room, issuer) = (Arc::clone(&room), Arc::clone(&issuers[number]));
        let app = app.app.clone();
        running.spawn(async move {
            let _place = room.acquire().await.unwrap();
            let flow = run(app, format!("p{number}"), issuer);
            match tokio::time::timeout(FLOW_MAX, flow).await {
                Ok((stage, reply)) => complaint(fault, stage, &reply),
                Err(_) => Some(format!("{fault:?} is waited for without an end")),
            }
        });
    }
    let mut told: Vec<String> = running.join_all().await.into_iter().flatten().collect();
    for table in ["users", "sessions", "identities"] {
        if app.count(table).await > 0 {
            told.push(format!("there are {table}"));
        }
    }
    for (issuer, fault) in issuers.iter().zip(faults) {
        for path in ["/.well-known/openid-configuration", "/jwks", "/token", "/userinfo"] {
            if issuer.hits(&format!("/trap{path}")) > 0 {
                told.push(format!("{fault:?} led to {path}"));
            }
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_fault_of_an_issuer_signs_anybody_in() {
    let faults = Fault::all();
    assert!(faults.len() > 36, "{}", faults.len());
    let mut told = Vec::new();
    for faults in faults.chunks(FAULTS_MAX) {
        let (app, issuers, _file) = server_with_faulty(faults).await;
        let run = |app, provider: String, _issuer| async move { sign_in(&app, &provider).await };
        told.extend(complaints(&app, faults, &issuers, run).await);
        let (_, reply) = sign_in(&app.app, &format!("p{}", faults.len())).await;
        assert_eq!(reply.code(), "NONE", "the same without a fault: {}", reply.text);
    }
    assert!(told.is_empty(), "{} of {}: {told:#?}", told.len(), faults.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_fault_of_an_id_token_signs_anybody_in_that_comes_without_a_code() {
    let of_keys = [Endpoint::Discovery, Endpoint::Jwks].into_iter().flat_map(|endpoint| {
        [Wire::Redirect, Wire::ServerError, Wire::Huge, Wire::Hang, Wire::DeepJson]
            .map(|wire| Fault::Wire(endpoint, wire))
    });
    let of_discovery =
        [DiscoveryFault::OtherIssuer, DiscoveryFault::NoKeys, DiscoveryFault::FileAsKeys];
    let faults: Vec<Fault> = Fault::all()
        .into_iter()
        .filter(|fault| fault.is_in_token())
        // No document is that long.
        .filter(|fault| {
            !matches!(fault, Fault::Token(TokenFault::TooLong | TokenFault::DeepClaims))
        })
        .chain(of_keys)
        .chain(of_discovery.map(Fault::Discovery))
        .collect();
    let mut told = Vec::new();
    for faults in faults.chunks(FAULTS_MAX) {
        let (app, issuers, _file) = server_with_faulty(faults).await;
        let run = |app, provider: String, issuer: Arc<Issuer>| async move {
            ("finished", with_id_token(&app, &provider, &issuer).await)
        };
        told.extend(complaints(&app, faults, &issuers, run).await);
        let good = faults.len();
        let reply = with_id_token(&app.app, &format!("p{good}"), &issuers[good]).await;
        assert_eq!(reply.code(), "NONE", "the same without a fault: {}", reply.text);
    }
    assert!(told.is_empty(), "{} of {}: {told:#?}", told.len(), faults.len());
}

async fn with_id_token(app: &App, provider: &str, issuer: &Issuer) -> Reply {
    let at = Instance::App(app);
    let mut browser = Browser::in_body_mode();
    let begun = "mutation { startIdTokenSignIn { flow nonce expiresIn } }";
    let begun = browser.call(at, begun, json!({})).await.data()["startIdTokenSignIn"].take();
    let finish = format!(
        "mutation($input: SignInWithIdTokenInput!) {{ signInWithIdToken(input: $input) {{ {RESULT} }} }}"
    );
    let id_token = issuer.id_token(begun["nonce"].as_str().unwrap());
    let input = json!({ "providerId": provider, "idToken": id_token, "flow": begun["flow"] });
    browser.call(at, &finish, json!({ "input": input })).await
}
