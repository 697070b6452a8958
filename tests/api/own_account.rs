//! What people do with their own account and their own sessions.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Reply, SignedIn, TestApp, dump, holding, send};

const OTHER: &str = "another horse battery";
const HOUR: Duration = Duration::from_hours(1);
const FRESH: Duration = Duration::from_mins(5);
const ME: &str = "{ me { id } }";

async fn mutate(app: &TestApp, user: &SignedIn, call: &str) -> Reply {
    app.query(&format!("mutation {{ {call} }}"), &user.access).await
}

async fn again(app: &TestApp, username: &str) -> SignedIn {
    app.login(username, PASSWORD).await.signed_in("login")
}

#[tokio::test]
async fn proving_the_password_again_replaces_the_session_and_counts_as_a_sign_in() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.clock.advance(FRESH + Duration::from_secs(1));
    let refused = mutate(&app, &alice, "exportMyData").await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED");
    assert_eq!(refused.extension("maxAgeSeconds"), 300);

    let wrong =
        mutate(&app, &alice, "reauthenticate(password: \"wrong horse\") { expiresIn }").await;
    assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
    let call = format!(
        "reauthenticate(password: \"{PASSWORD}\") {{ accessToken refreshToken user {{ id username }} }}"
    );
    let fresh = mutate(&app, &alice, &call).await.signed_in("reauthenticate");
    assert_eq!(app.query(ME, &alice.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    mutate(&app, &fresh, "exportMyData").await.data();
    assert_eq!(app.count("sessions WHERE ended_at IS NULL").await, 1);
    let events = app.audit_events().await;
    assert!(events.contains(&"REAUTHENTICATED".to_owned()), "{events:?}");
}

#[tokio::test]
async fn changing_the_password_takes_the_current_one_and_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let phone = again(&app, "alice").await;
    let change = |current: &str, new: &str| {
        format!("changePassword(currentPassword: \"{current}\", newPassword: \"{new}\")")
    };
    for (current, new, code) in [
        ("not the password", OTHER, "INVALID_CREDENTIALS"),
        (PASSWORD, "short", "BAD_USER_INPUT"),
        (PASSWORD, "alice@example.com", "BAD_USER_INPUT"),
    ] {
        assert_eq!(mutate(&app, &alice, &change(current, new)).await.code(), code);
    }
    mutate(&app, &alice, &change(PASSWORD, OTHER)).await.data();
    app.query(ME, &alice.access).await.data();
    assert_eq!(app.query(ME, &phone.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    app.login("alice", OTHER).await.signed_in("login");
    app.mail("password-changed", "alice@example.com").await;
}

#[tokio::test]
async fn a_stolen_access_token_guesses_no_faster_than_a_stranger() {
    let app = TestApp::start_with(&["--rate-limits=on"]).await;
    let alice = app.register("alice").await;
    let guess =
        "changePassword(currentPassword: \"guess\", newPassword: \"another horse battery\")";
    for _ in 0..3 {
        assert_eq!(mutate(&app, &alice, guess).await.code(), "INVALID_CREDENTIALS");
    }
    let proof = "reauthenticate(password: \"guess\") { expiresIn }";
    for _ in 0..2 {
        assert_eq!(mutate(&app, &alice, proof).await.code(), "INVALID_CREDENTIALS");
    }
    assert_eq!(mutate(&app, &alice, guess).await.code(), "RATE_LIMITED");
    assert_eq!(mutate(&app, &alice, proof).await.code(), "RATE_LIMITED");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "RATE_LIMITED", "one count for all");
}

#[tokio::test]
async fn a_profile_is_what_its_owner_wants_it_to_be() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    for (input, full_name) in [
        ("{ fullName: \"  Alice Liddell \" }", json!("Alice Liddell")),
        ("{ }", json!("Alice Liddell")),
        ("{ fullName: null }", Value::Null),
    ] {
        let call = format!("updateProfile(input: {input}) {{ fullName }}");
        let reply = mutate(&app, &alice, &call).await.data();
        assert_eq!(reply["updateProfile"]["fullName"], full_name, "{input}");
        let me = app.query("{ me { fullName } }", &alice.access).await.data();
        assert_eq!(me["me"]["fullName"], full_name, "{input}");
    }
    let call = "updateProfile(input: { fullName: \"a\\u202eb\" }) { id }";
    assert_eq!(mutate(&app, &alice, call).await.code(), "BAD_USER_INPUT");
    let role = "updateProfile(input: { role: ADMIN }) { id }";
    assert_eq!(mutate(&app, &alice, role).await.code(), "GRAPHQL_VALIDATION_FAILED");
}

/// A user who has shown that their address is theirs.
async fn verified(app: &TestApp, username: &str) -> SignedIn {
    let user = app.register(username).await;
    let token = app.mail("verify-email", &format!("{username}@example.com")).await.token();
    use_link(app, "verifyEmail", &token).await.data();
    user
}

async fn use_link(app: &TestApp, field: &str, token: &str) -> Reply {
    app.call(&format!("mutation {{ {field}(token: \"{token}\") }}"), json!({}), None).await
}

#[tokio::test]
async fn an_address_changes_when_the_new_one_is_confirmed_and_changes_back_for_its_owner() {
    let app = TestApp::start().await;
    let alice = verified(&app, "alice").await;
    mutate(&app, &alice, "changeEmail(newEmail: \"New@example.org\")").await.data();
    let email =
        async || app.query("{ me { email } }", &alice.access).await.data()["me"]["email"].clone();
    assert_eq!(email().await, "alice@example.com");

    let token = app.mail("confirm-email-change", "New@example.org").await.token();
    use_link(&app, "verifyEmail", &token).await.data();
    assert_eq!(use_link(&app, "verifyEmail", &token).await.code(), "INVALID_TOKEN");
    assert_eq!(email().await, "New@example.org");
    app.mail("email-changed", "New@example.org").await;
    let told = app.mail("email-change-undo", "alice@example.com").await;
    assert!(told.text.contains("New@example.org"), "{}", told.text);
    app.login("new@example.org", PASSWORD).await.signed_in("login");

    // Whoever has the account changes it once more; the first owner's link still leads back.
    let thief = again(&app, "alice").await;
    mutate(&app, &thief, "changeEmail(newEmail: \"thief@example.net\")").await.data();
    let token = app.mail("confirm-email-change", "thief@example.net").await.token();
    use_link(&app, "verifyEmail", &token).await.data();
    let second = app.mail("email-change-undo", "New@example.org").await.token();
    use_link(&app, "undoEmailChange", &told.token()).await.data();
    assert_eq!(app.query(ME, &thief.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(use_link(&app, "undoEmailChange", &second).await.code(), "INVALID_TOKEN");
    assert_eq!(app.count("users WHERE email_key = 'alice@example.com'").await, 1);
    // The thief knows the password; its owner chooses another by mail.
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    let call = "mutation { requestPasswordReset(identifier: \"alice\") }";
    app.call(call, json!({}), None).await.data();
    let token = app.mail("password-reset", "alice@example.com").await.token();
    let call =
        format!("mutation {{ resetPassword(token: \"{token}\", newPassword: \"{OTHER}\") }}");
    app.call(&call, json!({}), None).await.data();
    app.login("alice", OTHER).await.signed_in("login");
}

#[tokio::test]
async fn an_address_that_can_be_given_back_is_nobody_elses_meanwhile() {
    let app = TestApp::start().await;
    let alice = verified(&app, "alice").await;
    mutate(&app, &alice, "changeEmail(newEmail: \"thief@example.net\")").await.data();
    let token = app.mail("confirm-email-change", "thief@example.net").await.token();
    use_link(&app, "verifyEmail", &token).await.data();
    let undo = app.mail("email-change-undo", "alice@example.com").await.token();

    let squatting = app.try_register("mallory", "alice@example.com", PASSWORD).await;
    assert_eq!(
        (squatting.code(), squatting.extension("field")),
        ("CONFLICT".into(), json!("email"))
    );
    let mallory = verified(&app, "mallory").await;
    mutate(&app, &mallory, "changeEmail(newEmail: \"alice@example.com\")").await.data();
    let mails = app.mails().await;
    let to_alice = mails.iter().filter(|mail| mail.to == "alice@example.com");
    assert_eq!(to_alice.filter(|mail| mail.kind == "confirm-email-change").count(), 0);
    // Whoever is deleted takes nothing of another's along.
    mutate(&app, &mallory, "deleteAccount").await.data();
    use_link(&app, "undoEmailChange", &undo).await.data();

    // After a day it is free.
    let boss = verified(&app, "boss").await;
    mutate(&app, &boss, "changeEmail(newEmail: \"boss@example.org\")").await.data();
    let token = app.mail("confirm-email-change", "boss@example.org").await.token();
    use_link(&app, "verifyEmail", &token).await.data();
    app.clock.advance(24 * HOUR);
    app.try_register("other", "boss@example.com", PASSWORD).await.signed_in("register");
}

#[tokio::test]
async fn who_never_had_an_address_is_given_no_way_back_to_it() {
    let app = TestApp::start().await;
    // A slip of the finger: it is a stranger's.
    let alice = app.register("alice").await;
    mutate(&app, &alice, "changeEmail(newEmail: \"alice@example.org\")").await.data();
    let token = app.mail("confirm-email-change", "alice@example.org").await.token();
    use_link(&app, "verifyEmail", &token).await.data();
    app.mail("email-changed", "alice@example.org").await;
    let told = app.mail("email-change-undo", "alice@example.com").await.text;
    assert!(!told.contains("pco_") && !told.contains("alice@example.org"), "{told}");
    assert!(told.contains("was changed on 2026-01-01"), "{told}");
}

#[tokio::test]
async fn a_session_that_ends_within_a_document_does_nothing_after_it() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let query = "mutation { revokeAllSessions changeEmail(newEmail: \"thief@example.net\") }";
    assert_eq!(app.query(query, &alice.access).await.code(), "UNAUTHENTICATED");
    let boss = app.admin("boss").await;
    let query = format!(
        "mutation {{ revokeAllSessions setUserRole(id: \"{}\", role: ADMIN) {{ id }} }}",
        alice.id
    );
    assert_eq!(app.query(&query, &boss.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.count("one_time_tokens WHERE purpose = 'EMAIL_CHANGE'").await, 0);
    assert_eq!(app.count("users WHERE role = 'ADMIN'").await, 1);
}

#[tokio::test]
async fn a_change_of_address_waits_an_hour_and_ends_with_a_reset_or_with_all_sessions() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let asked = async |email: &str| {
        let alice = again(&app, "alice").await;
        mutate(&app, &alice, &format!("changeEmail(newEmail: \"{email}\")")).await.data();
        (alice, app.mail("confirm-email-change", email).await.token())
    };
    let (_, late) = asked("late@example.org").await;
    app.clock.advance(HOUR);
    assert_eq!(use_link(&app, "verifyEmail", &late).await.code(), "INVALID_TOKEN");

    let (alice, voided) = asked("voided@example.org").await;
    mutate(&app, &alice, "revokeAllSessions").await.data();
    assert_eq!(use_link(&app, "verifyEmail", &voided).await.code(), "INVALID_TOKEN");

    // When an admin ends them too, or shuts the account.
    let boss = app.admin("boss").await;
    for end in ["endUserSessions(id: \"ID\")", "deactivateUser(id: \"ID\") { id }"] {
        let (alice, voided) = asked("voided@example.org").await;
        mutate(&app, &boss, &end.replace("ID", &alice.id)).await.data();
        app.sql("UPDATE users SET is_active = TRUE").await;
        assert_eq!(use_link(&app, "verifyEmail", &voided).await.code(), "INVALID_TOKEN");
    }

    let (_, reset) = asked("reset@example.org").await;
    let call = "mutation { requestPasswordReset(identifier: \"alice\") }";
    app.call(call, json!({}), None).await.data();
    let token = app.mail("password-reset", "alice@example.com").await.token();
    let call =
        format!("mutation {{ resetPassword(token: \"{token}\", newPassword: \"{PASSWORD}\") }}");
    app.call(&call, json!({}), None).await.data();
    assert_eq!(use_link(&app, "verifyEmail", &reset).await.code(), "INVALID_TOKEN");
    assert_eq!(app.count("users WHERE email_key = 'alice@example.com'").await, 1);
}

#[tokio::test]
async fn that_an_address_is_anothers_only_mail_to_it_tells() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.register("carol").await;
    let taken = mutate(&app, &alice, "changeEmail(newEmail: \"carol@example.com\")").await;
    let free = mutate(&app, &alice, "changeEmail(newEmail: \"free@example.com\")").await;
    assert_eq!((taken.status, &taken.text), (free.status, &free.text));
    let told = app.mail("already-registered", "carol@example.com").await;
    assert!(!told.text.contains("pco_"), "{}", told.text);

    // An address that somebody else registers before it is confirmed stays theirs.
    let link = app.mail("confirm-email-change", "free@example.com").await.token();
    app.try_register("dave", "free@example.com", PASSWORD).await.signed_in("register");
    assert_eq!(use_link(&app, "verifyEmail", &link).await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn an_account_is_deactivated_and_deleted_by_its_owner_but_not_the_last_admins() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    for call in ["deactivateAccount", "deleteAccount"] {
        assert_eq!(mutate(&app, &boss, call).await.code(), "CONFLICT", "{call}");
    }
    let (alice, carol) = (app.register("alice").await, app.register("carol").await);
    mutate(&app, &alice, "deactivateAccount").await.data();
    assert_eq!(app.query(ME, &alice.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    mutate(&app, &carol, "deleteAccount").await.data();
    assert_eq!(app.query(ME, &carol.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&carol.refresh).await.code(), "INVALID_TOKEN");
    app.mail("account-deleted", "carol@example.com").await;
    app.register("carol").await;
    assert_eq!(app.query(ME, &carol.access).await.code(), "UNAUTHENTICATED", "somebody else");
}

#[tokio::test]
async fn of_a_deleted_account_nothing_is_left_but_its_bare_id() {
    let app = TestApp::start().await;
    let from = |query: String, bearer: Option<&str>| {
        let mut request = Request::post("/graphql")
            .header("content-type", "application/json")
            .header("user-agent", "Quaint-Browser/7");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        request.body(Body::from(json!({ "query": query }).to_string())).unwrap()
    };
    let register = format!(
        "mutation {{ register(input: {{ username: \"quaintname\", email: \"quaint@example.com\", \
         password: \"{PASSWORD}\", fullName: \"Quaint Person\" }}) {{ ... on AuthPayload {{ \
         accessToken refreshToken user {{ id username }} }} }} }}"
    );
    let quaint = send(&app.app, from(register, None)).await.signed_in("register");
    let change = "mutation { changeEmail(newEmail: \"quaint2@example.com\") }".to_owned();
    send(&app.app, from(change, Some(&quaint.access))).await.data();
    app.login("quaintname", "wrong horse battery").await;
    app.app.write_refusals().await.unwrap();
    let delete = "mutation { deleteAccount }".to_owned();
    send(&app.app, from(delete, Some(&quaint.access))).await.data();
    app.mails().await;

    let db = app.database.connection().await;
    let stored = dump(&db).await;
    assert_eq!(holding(&stored, "USER_DELETED"), ["audit_events"]);
    assert_eq!(holding(&stored, "quaint"), [""; 0]);
    if app.database.url.starts_with("sqlite:") {
        app.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let path = app.database.url.trim_start_matches("sqlite://");
        let bytes = std::fs::read(path).unwrap().to_ascii_lowercase();
        let left = bytes.windows(6).filter(|bytes| bytes == b"quaint").count();
        assert_eq!(left, 0, "in the file");
    }
}

#[tokio::test]
async fn an_export_holds_what_is_kept_and_no_secret() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.register("carol").await;
    let exported = mutate(&app, &alice, "exportMyData").await.data()["exportMyData"].clone();
    assert_eq!(exported["account"]["email"], "alice@example.com");
    assert_eq!(exported["sessions"].as_array().unwrap().len(), 1);
    let mut events: Vec<_> = exported["securityEvents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    events.sort_unstable();
    assert_eq!(events, ["REGISTERED", "SIGNED_IN"]);
    assert!(app.audit_events().await.contains(&"DATA_EXPORTED".to_owned()));
    let text = exported.to_string();
    for secret in ["argon2", "pcr_", "carol", &alice.refresh] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

const SESSIONS: &str = "{ me { sessions { totalCount pageInfo { hasNextPage endCursor } edges { \
    cursor node { id createdAt lastUsedAt ip userAgent device browser current } } } } }";

async fn sessions(app: &TestApp, user: &SignedIn) -> Vec<Value> {
    let me = app.query(SESSIONS, &user.access).await.data();
    let edges = me["me"]["sessions"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"].clone()).collect()
}

#[tokio::test]
async fn people_see_where_they_are_signed_in_and_end_what_they_choose() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.clock.advance(HOUR);
    let query = format!(
        "mutation {{ login(input: {{ identifier: \"alice\", password: \"{PASSWORD}\" }}) {{ ... on \
         AuthPayload {{ accessToken refreshToken user {{ id username }} }} }} }}"
    );
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header(
            "user-agent",
            "Mozilla/5.0 (Windows NT 10.0; rv:146.0) Gecko/20100101 Firefox/146.0",
        )
        .body(Body::from(json!({ "query": query }).to_string()))
        .unwrap();
    let laptop = send(&app.app, request).await.signed_in("login");
    app.clock.advance(FRESH);
    let alice = app.refresh(&alice.refresh).await.signed_in("refreshToken");

    let seen = sessions(&app, &alice).await;
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0]["device"], "Firefox on Windows");
    assert_eq!(seen[0]["browser"], "Firefox");
    assert_eq!((&seen[0]["current"], &seen[1]["current"]), (&json!(false), &json!(true)));
    assert_eq!(seen[0]["createdAt"], "2026-01-01T01:00:00+00:00");
    assert_eq!(seen[1]["lastUsedAt"], "2026-01-01T01:05:00+00:00");

    // Another's does not exist, nor does one that is over.
    let carol = app.register("carol").await;
    let foreign = format!("revokeSession(id: \"{}\")", seen[0]["id"].as_str().unwrap());
    for id in [foreign.as_str(), "revokeSession(id: \"nonsense\")"] {
        assert_eq!(mutate(&app, &carol, id).await.code(), "NOT_FOUND", "{id}");
    }
    app.query(ME, &laptop.access).await.data();
    mutate(&app, &alice, &foreign).await.data();
    assert_eq!(app.query(ME, &laptop.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(mutate(&app, &alice, &foreign).await.code(), "NOT_FOUND");
    assert_eq!(sessions(&app, &alice).await.len(), 1);
    // Nobody reads another's, not even an admin.
    let boss = app.admin("boss").await;
    let of_alice = format!("{{ user(id: \"{}\") {{ sessions {{ totalCount }} }} }}", alice.id);
    assert_eq!(app.query(&of_alice, &boss.access).await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn the_other_sessions_or_all_of_them_end_at_once() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let mut signed_in = Vec::new();
    for _ in 0..4 {
        signed_in.push(again(&app, "alice").await);
    }
    let here = &signed_in[0];
    let ended = mutate(&app, here, "revokeOtherSessions").await.data();
    assert_eq!(ended, json!({ "revokeOtherSessions": 4 }));
    app.query(ME, &here.access).await.data();
    for other in &signed_in[1..] {
        assert_eq!(app.query(ME, &other.access).await.code(), "UNAUTHENTICATED");
    }
    again(&app, "alice").await;
    let ended = mutate(&app, here, "revokeAllSessions").await.data();
    assert_eq!(ended, json!({ "revokeAllSessions": 2 }));
    assert_eq!(app.query(ME, &here.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&here.refresh).await.code(), "INVALID_TOKEN");

    let boss = app.admin("boss").await;
    let alice = again(&app, "alice").await;
    let end = format!("endUserSessions(id: \"{}\")", alice.id);
    let ended = mutate(&app, &boss, &end).await.data();
    assert_eq!(ended, json!({ "endUserSessions": 1 }));
    assert_eq!(app.query(ME, &alice.access).await.code(), "UNAUTHENTICATED");
    let nobody = "endUserSessions(id: \"01930000-0000-7000-8000-000000000000\")";
    assert_eq!(mutate(&app, &boss, nobody).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn sessions_come_in_pages_from_either_end() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    for _ in 0..4 {
        app.clock.advance(Duration::from_secs(1));
        again(&app, "alice").await;
    }
    let page = async |window: &str| {
        let query = format!(
            "{{ me {{ sessions({window}) {{ totalCount pageInfo {{ hasNextPage hasPreviousPage \
             startCursor endCursor }} edges {{ node {{ createdAt }} }} }} }} }}"
        );
        app.query(&query, &alice.access).await.data()["me"]["sessions"].clone()
    };
    let seconds = |page: &Value| -> Vec<String> {
        let edges = page["edges"].as_array().unwrap().iter();
        edges.map(|edge| edge["node"]["createdAt"].as_str().unwrap()[17..19].to_owned()).collect()
    };
    let first = page("first: 2").await;
    assert_eq!(
        (seconds(&first), &first["totalCount"]),
        (vec!["04".into(), "03".into()], &json!(5))
    );
    let cursor = first["pageInfo"]["endCursor"].as_str().unwrap();
    let rest = page(&format!("first: 10, after: \"{cursor}\"")).await;
    assert_eq!(seconds(&rest), ["02", "01", "00"]);
    assert_eq!(rest["pageInfo"]["hasPreviousPage"], true);
    assert_eq!(rest["pageInfo"]["hasNextPage"], false);
    let cursor = rest["pageInfo"]["startCursor"].as_str().unwrap();
    let back = page(&format!("last: 1, before: \"{cursor}\"")).await;
    assert_eq!(seconds(&back), ["03"]);
    assert_eq!(seconds(&page("last: 2").await), ["01", "00"]);
    assert_eq!(seconds(&page("first: 0").await), [""; 0]);
    let query = "{ me { sessions(first: 101) { totalCount } } }";
    assert_eq!(app.query(query, &alice.access).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn of_more_than_a_hundred_sessions_the_oldest_make_room() {
    let app = TestApp::start().await;
    let first = app.register("alice").await;
    app.clock.advance(Duration::from_millis(5));
    let second = again(&app, "alice").await;
    for _ in 0..99 {
        app.clock.advance(Duration::from_millis(5));
        again(&app, "alice").await;
    }
    assert_eq!(app.count("sessions").await, 100);
    assert_eq!(app.query(ME, &first.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&first.refresh).await.code(), "INVALID_TOKEN");
    app.query(ME, &second.access).await.data();
}

#[tokio::test]
async fn a_sign_in_from_a_new_kind_of_device_is_told() {
    let app = TestApp::start().await;
    app.register("alice").await;
    app.clock.advance(HOUR);
    let login = async |user_agent: &str| {
        app.clock.advance(Duration::from_secs(1));
        let input = json!({ "identifier": "alice", "password": PASSWORD });
        let body = json!({ "query": crate::support::LOGIN, "variables": { "input": input } });
        let request = Request::post("/graphql")
            .header("content-type", "application/json")
            .header("user-agent", user_agent)
            .body(Body::from(body.to_string()))
            .unwrap();
        send(&app.app, request).await.signed_in("login");
        app.mails().await.iter().filter(|mail| mail.kind == "new-sign-in").count()
    };
    assert_eq!(login("Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Firefox/146.0").await, 1);
    assert_eq!(login("Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Firefox/147.0").await, 1);
    assert_eq!(login("Mozilla/5.0 (Windows NT 10.0; rv:147.0) Firefox/147.0").await, 2);
    assert_eq!(login("Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Firefox/147.0").await, 2);
    assert!(
        app.mail("new-sign-in", "alice@example.com").await.text.contains("(Firefox on Windows)")
    );
}
