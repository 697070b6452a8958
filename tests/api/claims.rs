//! `CLAIMS_FILE`: what other services read in access tokens, and this server never does.

use std::fs;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::TestApp;

const HASURA: &str =
    concat!("--claims-file=", env!("CARGO_MANIFEST_DIR"), "/examples/claims/hasura.json");

/// What an access token says, to whoever reads it.
fn claims(access: &str) -> Value {
    let payload = access.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn tokens_carry_the_claims_of_the_file_wherever_they_are_issued() {
    let app = TestApp::start_with(&[HASURA]).await;
    let alice = app.register("alice").await;
    let session = |access: &str| claims(access)["https://hasura.io/jwt/claims"].clone();
    let expected = json!({
        "x-hasura-default-role": "user",
        "x-hasura-allowed-roles": ["user"],
        "x-hasura-user-id": alice.id,
    });
    assert_eq!(session(&alice.access), expected);
    let refreshed = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    assert_eq!(session(&refreshed.access), expected);

    let create = "createOrganization(input: { name: \"Acme\" }) { organization { id } }";
    let organization =
        app.mutate(&refreshed, create).await.data()["createOrganization"]["organization"]["id"]
            .clone();
    let switch = format!("switchOrganization(input: {{ id: {organization} }}) {{ accessToken }}");
    let switched = app.mutate(&refreshed, &switch).await.data();
    let access = switched["switchOrganization"]["accessToken"].as_str().unwrap();
    assert_eq!(session(access)["x-hasura-org-id"], organization);
    assert_eq!(session(access)["x-hasura-org-role"], "OWNER");
    assert_eq!(app.query("{ me { id } }", access).await.data()["me"]["id"], alice.id.as_str());
}

#[tokio::test]
async fn a_claim_of_the_file_gives_no_rights_here() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let all = json!({ "is_admin": true, "https://portcullis.example": { "role": "ADMIN", "permissions": ["USERS_READ"] } });
    fs::write(file.path(), all.to_string()).unwrap();
    let app = TestApp::start_with(&[&format!("--claims-file={}", file.path().display())]).await;
    let alice = app.register("alice").await;
    assert_eq!(claims(&alice.access)["is_admin"], true);
    assert_eq!(app.query("{ users { totalCount } }", &alice.access).await.code(), "FORBIDDEN");
    let me = app.query("{ me { role permissions } }", &alice.access).await.data();
    assert_eq!(me["me"], json!({ "role": "USER", "permissions": [] }));
}

#[tokio::test]
async fn the_doctor_lists_the_claims_of_the_file() {
    let app = TestApp::start_now(&[]).await;
    let told = app.cli(&["doctor", HASURA]).await.stdout;
    let claim = "CLAIMS_FILE adds \"https://hasura.io/jwt/claims\": \
                 {\"x-hasura-default-role\":\"user\",\"x-hasura-allowed-roles\":{\"{role}\":";
    assert!(told.contains(claim), "{told}");
    assert!(!app.cli(&["doctor"]).await.stdout.contains("CLAIMS_FILE"));
}

#[tokio::test]
async fn a_bad_file_stops_the_start_with_a_sentence_and_the_doctor_says_it_too() {
    let app = TestApp::start_now(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("claims.json");
    let flag = format!("--claims-file={}", file.display());
    let told = async |sentence: &str| {
        let start = app.cli(&["keys", "list", &flag]).await;
        assert_eq!(start.status, 2, "{start:?}");
        assert!(start.stderr.contains(sentence), "{start:?}");
        let doctor = app.cli(&["doctor", &flag]).await;
        assert!(doctor.stdout.contains(sentence), "{doctor:?}");
    };
    told("CLAIMS_FILE cannot be read: entity not found").await;
    for (text, sentence) in [
        (
            r#"{ "role": "{role}" }"#,
            "CLAIMS_FILE must not add the claim \"role\": the name is reserved",
        ),
        (
            r#"{ "x-name": "{username}" }"#,
            "CLAIMS_FILE adds the claim \"x-name\", whose template has the placeholder {username}, which does not exist",
        ),
        (r#"{ "x-a": 1, "x-a": 2 }"#, "CLAIMS_FILE adds the claim \"x-a\" twice"),
        ("x-a = 1", "CLAIMS_FILE must hold a JSON object: "),
    ] {
        fs::write(&file, text).unwrap();
        told(sentence).await;
    }
    fs::write(&file, vec![b' '; 64 * 1024 + 1]).unwrap();
    told("CLAIMS_FILE must not exceed 64 KiB").await;
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    told("CLAIMS_FILE must be a regular file").await;
}
