use serde_json::json;

use crate::support::{LOGIN, PASSWORD, TestApp, call};

#[tokio::test]
async fn a_username_or_an_address_signs_in_whatever_its_case() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    for identifier in ["alice", "ALICE", "alice@example.com", "Alice@Example.COM"] {
        let signed_in = app.login(identifier, PASSWORD).await.signed_in("login");
        assert_eq!(signed_in.id, alice.id, "{identifier}");
    }
}

#[tokio::test]
async fn a_composed_and_a_decomposed_password_are_the_same() {
    let app = TestApp::start().await;
    app.try_register("alice", "alice@example.com", "caf\u{e9} au lait").await.data();
    assert_eq!(app.login("alice", "cafe\u{301} au lait").await.code(), "NONE");
    assert_eq!(app.login("alice", " caf\u{e9} au lait").await.code(), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_null_character_in_a_password_is_significant() {
    let app = TestApp::start().await;
    app.try_register("alice", "alice@example.com", "abc\0definitely").await.data();
    assert_eq!(app.login("alice", "abc\0definitely").await.code(), "NONE");
    assert_eq!(app.login("alice", "abc\0different!").await.code(), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn every_failed_login_looks_the_same() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let shut = app.register("bob").await;
    let admin = app.admin("chief").await;
    let query = format!(
        "mutation {{ deactivateUser(input: {{ id: \"{}\" }}) {{ user {{ isActive }} }} }}",
        shut.id
    );
    app.query(&query, &admin.access).await.data();

    let wrong = app.login("alice", "wrong password").await;
    for (identifier, password) in [
        ("nobody", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("not@an@address", PASSWORD),
        ("", PASSWORD),
        ("bob", PASSWORD),
        ("bob", "wrong password"),
    ] {
        let reply = app.login(identifier, password).await;
        assert_eq!(reply.text, wrong.text, "{identifier}");
        assert_eq!(reply.status, wrong.status);
        let names = |reply: &crate::support::Reply| -> Vec<String> {
            reply.headers.keys().map(ToString::to_string).collect()
        };
        assert_eq!(names(&reply), names(&wrong));
    }
    assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn an_outdated_hash_is_rewritten_by_the_next_login_and_not_by_a_failed_one() {
    let app = TestApp::start_with(&["--hash-workers=2"]).await;
    app.register("alice").await;
    // RFC 9106 parameters of another day: m=32, t=1, the same password.
    let old = argon2_phc(PASSWORD);
    app.sql(&format!("UPDATE users SET password_hash = '{old}'")).await;

    assert_eq!(app.login("alice", "wrong password").await.code(), "INVALID_CREDENTIALS");
    assert_eq!(app.count(&format!("users WHERE password_hash = '{old}'")).await, 1);
    assert_eq!(app.login("alice", PASSWORD).await.code(), "NONE");
    let current = "users WHERE password_hash LIKE '$argon2id$v=19$m=64,t=1,p=1$%'";
    assert_eq!(app.count(current).await, 1);
    assert_eq!(app.login("alice", PASSWORD).await.code(), "NONE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_logins_with_an_outdated_hash_all_succeed_and_leave_one_valid_hash() {
    let app = TestApp::start().await;
    let instances = [app.app.clone(), app.second_instance().await];
    app.register("alice").await;
    app.sql(&format!("UPDATE users SET password_hash = '{}'", argon2_phc(PASSWORD))).await;
    let logins: Vec<_> = (0..20)
        .map(|i| {
            let instance = instances[i % 2].clone();
            let input = json!({ "identifier": "alice", "password": PASSWORD });
            let variables = json!({ "input": input });
            tokio::spawn(async move { call(&instance, LOGIN, variables, None).await.code() })
        })
        .collect();
    for login in logins {
        assert_eq!(login.await.unwrap(), "NONE");
    }
    let current = "users WHERE password_hash LIKE '$argon2id$v=19$m=64,t=1,p=1$%'";
    assert_eq!(app.count(current).await, 1);
    assert_eq!(app.login("alice", PASSWORD).await.code(), "NONE");
}

#[tokio::test]
async fn an_overlong_password_is_refused_before_it_is_hashed() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let reply = app.login("alice", &"x".repeat(2000)).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert_eq!(reply.extension("fields")[0]["path"], json!("input.password"));
}

fn argon2_phc(password: &str) -> String {
    use argon2::{Algorithm, Argon2, Params, Version};
    use base64::Engine;
    let params = Params::new(32, 1, 1, Some(32)).unwrap();
    let salt = [7_u8; 16];
    let mut tag = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), &salt, &mut tag)
        .unwrap();
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    format!("$argon2id$v=19$m=32,t=1,p=1${}${}", encode(&salt), encode(&tag))
}
