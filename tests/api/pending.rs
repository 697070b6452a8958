//! What waits for a link in a mail to be used, as pages show it: to whom it concerns, as long as it can be used, and
//! without what the mail carries.

use std::time::Duration;

use sea_orm::DbBackend;
use serde_json::{Value, json};

use crate::support::organizations::{
    Cast, found_organization, invite, invite_member, join_organization, set_role,
};
use crate::support::{PASSWORD, Reply, SignedIn, TestApp, call};

const HOUR: Duration = Duration::from_hours(1);
const ALMOST_AN_HOUR: Duration = Duration::from_secs(3_599);
const PENDING: &str = "{ me { pendingEmailChange { newEmail expiresAt } } }";

async fn pending(app: &TestApp, user: &SignedIn) -> Value {
    app.query(PENDING, &user.access).await.data()["me"]["pendingEmailChange"].take()
}

async fn ask_for(app: &TestApp, user: &SignedIn, email: &str) {
    let call = format!(
        "changeEmail(input: {{ newEmail: \"{email}\" }}) {{ user {{ id pendingEmailChange {{ newEmail }} }} linkExpiresIn }}"
    );
    let told = app.mutate(user, &call).await.data();
    let changed = json!({ "id": user.id, "pendingEmailChange": { "newEmail": email } });
    assert_eq!(told["changeEmail"], json!({ "user": changed, "linkExpiresIn": 3600 }));
}

async fn verify(app: &TestApp, user: &SignedIn) {
    let address = format!("{}@example.com", user.username);
    let token = app.mail("verify-email", &address).await.token();
    app.use_link("verifyEmail", &token).await.data();
}

#[tokio::test]
async fn a_change_of_address_is_shown_to_its_owner_until_it_is_confirmed_or_void() {
    let app = TestApp::start().await;
    let (alice, fellow) = (app.register("alice").await, app.register("fellow").await);
    let boss = app.admin("boss").await;
    let organization = found_organization(&app, &alice).await;
    join_organization(&app, &alice, &organization, &fellow, "MEMBER").await;
    assert_eq!(pending(&app, &alice).await, Value::Null);
    ask_for(&app, &alice, "First@example.org").await;
    ask_for(&app, &alice, "Second@example.org").await;
    let shown = pending(&app, &alice).await;
    assert_eq!(shown["newEmail"], "Second@example.org");
    let of_alice = format!(
        "{{ node(id: \"{}\") {{ ... on User {{ pendingEmailChange {{ newEmail }} }} }} }}",
        alice.id
    );
    for other in [&fellow, &boss] {
        let refused = app.query(&of_alice, &other.access).await;
        assert_eq!(refused.code(), "FORBIDDEN", "{}", other.username);
        assert_eq!(refused.json()["data"]["node"], json!({ "pendingEmailChange": null }));
        assert_eq!(pending(&app, other).await, Value::Null);
    }
    let token = app.mail("confirm-email-change", "Second@example.org").await.token();
    app.use_link("verifyEmail", &token).await.data();
    assert_eq!(pending(&app, &alice).await, Value::Null, "confirmed");

    ask_for(&app, &alice, "third@example.org").await;
    app.mutate(&alice, "revokeOtherSessions { endedSessions }").await.data();
    assert_eq!(pending(&app, &alice).await, Value::Null, "void");
    ask_for(&app, &alice, "fourth@example.org").await;
    app.clock.advance(ALMOST_AN_HOUR);
    let alice = app.again("alice").await;
    assert_eq!(pending(&app, &alice).await["newEmail"], "fourth@example.org");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(pending(&app, &alice).await, Value::Null, "expired");
}

/// EN-05: whether an address is another account's, only mail to it tells.
#[tokio::test]
async fn a_change_to_an_address_that_is_taken_is_shown_like_any_other() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    verify(&app, &app.register("carol").await).await;
    ask_for(&app, &alice, "free@example.com").await;
    ask_for(&app, &bob, "carol@example.com").await;
    let both = async || {
        let (mut free, mut taken) = (pending(&app, &alice).await, pending(&app, &bob).await);
        (free["newEmail"].take(), taken["newEmail"].take(), free, taken)
    };
    let assert_alike = async |why: &str| {
        let (free_email, taken_email, free, taken) = both().await;
        assert_eq!(free_email, "free@example.com", "{why}");
        assert_eq!(taken_email, "carol@example.com", "{why}");
        assert_eq!(free, taken, "{why}");
    };
    assert_alike("asked for").await;
    // Whoever writes to the address changes nothing of it.
    for email in ["free@example.com", "carol@example.com"] {
        let call = "mutation($input: RequestEmailVerificationInput!) { \
                    requestEmailVerification(input: $input) { linkExpiresIn } }";
        app.call(call, json!({ "input": { "email": email } }), None).await.data();
        let call = "mutation($input: RequestPasswordResetInput!) { \
                    requestPasswordReset(input: $input) { linkExpiresIn } }";
        app.call(call, json!({ "input": { "identifier": email } }), None).await.data();
    }
    assert_alike("written to").await;
    app.clock.advance(ALMOST_AN_HOUR);
    app.app.purge().await.unwrap();
    let (alice, bob) = (app.again("alice").await, app.again("bob").await);
    assert_eq!(pending(&app, &alice).await["newEmail"], "free@example.com");
    assert_eq!(pending(&app, &bob).await["newEmail"], "carol@example.com");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(pending(&app, &alice).await, Value::Null);
    assert_eq!(pending(&app, &bob).await, Value::Null);
}

const NONE: [Value; 0] = [];
const RECEIVED: &str = "{ myInvitations { totalCount nodes { id organizationName role email createdAt \
                        expiresAt } } }";

async fn received(app: &TestApp, user: &SignedIn) -> Vec<Value> {
    let mut list = app.query(RECEIVED, &user.access).await.data()["myInvitations"].take();
    let nodes = list["nodes"].as_array().unwrap().clone();
    assert_eq!(list["totalCount"].take(), nodes.len());
    nodes
}

#[tokio::test]
async fn who_is_invited_to_organizations_sees_so_once_their_address_is_verified() {
    let it = Cast::meet().await;
    let app = &it.app;
    let other = app.register("other").await;
    let id = invite_member(app, &it.admin, &it.organization, &it.stranger, "MEMBER").await;
    assert_eq!(received(app, &it.stranger).await, NONE, "not verified");
    let of_id = format!("{{ node(id: \"{id}\") {{ id }} }}");
    let found =
        async |user: &SignedIn| app.query(&of_id, &user.access).await.data()["node"]["id"].clone();
    assert_eq!(found(&it.stranger).await, Value::Null, "not verified");
    verify(app, &it.stranger).await;
    verify(app, &other).await;
    let list = received(app, &it.stranger).await;
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["id"], id);
    assert_eq!(list[0]["organizationName"], "Acme");
    assert_eq!(list[0]["role"], "MEMBER");
    assert_eq!(list[0]["email"], "stranger@example.com");
    assert_eq!(found(&it.stranger).await, id);
    assert_eq!(found(&it.admin).await, id);
    for user in [&other, &it.member, &it.owner] {
        assert_eq!(received(app, user).await, NONE, "{}", user.username);
        assert_eq!(found(user).await == id, user.username == it.owner.username);
    }
    // It opens nothing else of the organization.
    let of_organization = format!("{{ organization(id: \"{}\") {{ name }} }}", it.organization);
    let hidden = app.query(&of_organization, &it.stranger.access).await.data();
    assert_eq!(hidden["organization"], Value::Null);
    let anonymous = app.call(RECEIVED, json!({}), None).await;
    assert_eq!(anonymous.code(), "UNAUTHENTICATED");

    let elsewhere = found_organization(app, &other).await;
    app.mutate(&other, &invite(&elsewhere, "Stranger@Example.com", "ADMIN")).await.data();
    let list = received(app, &it.stranger).await;
    let roles: Vec<_> = list.iter().map(|one| one["role"].as_str().unwrap()).collect();
    assert_eq!(roles.len(), 2);
    assert!(roles.contains(&"ADMIN") && roles.contains(&"MEMBER"));
    let token = app.mail("organization-invitation", "Stranger@example.com").await.token();
    let accept = format!(
        "acceptInvitation(input: {{ token: \"{token}\" }}) {{ organization {{ id }} deletedInvitationId }}"
    );
    let accepted = app.mutate(&it.stranger, &accept).await.data()["acceptInvitation"].take();
    assert_eq!(accepted["organization"]["id"], elsewhere);
    let left = received(app, &it.stranger).await;
    assert_eq!(left.iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&json!(id)], "accepted");
    let gone = list.iter().find(|one| one["id"] != id).unwrap();
    assert_eq!(accepted["deletedInvitationId"], gone["id"]);
}

#[tokio::test]
async fn an_invitation_is_shown_to_whom_it_is_for_as_long_as_it_can_be_accepted() {
    let it = Cast::meet().await;
    let (app, id) = (&it.app, it.organization.as_str());
    verify(app, &it.stranger).await;
    let invited = async || invite_member(app, &it.admin, id, &it.stranger, "MEMBER").await;
    let count = async || received(app, &it.stranger).await.len();
    let invitation = invited().await;
    let revoke =
        format!("revokeInvitation(input: {{ id: \"{invitation}\" }}) {{ deletedInvitationId }}");
    app.mutate(&it.owner, &revoke).await.data();
    assert_eq!(count().await, 0, "taken back");
    invited().await;
    let newer = invited().await;
    let list = received(app, &it.stranger).await;
    assert_eq!(list.iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&json!(newer)]);
    app.mutate(&it.owner, &set_role(id, &it.admin, "MEMBER")).await.data();
    assert_eq!(count().await, 0, "the sender may not invite any more");
    app.mutate(&it.owner, &set_role(id, &it.admin, "ADMIN")).await.data();
    assert_eq!(count().await, 1);
    let change = format!(
        "changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"another horse battery\" }}) \
         {{ user {{ id }} }}"
    );
    app.mutate(&it.admin, &change).await.data();
    assert_eq!(count().await, 0, "void with the sender's links");
    invited().await;
    ask_for(app, &it.stranger, "stranger@example.org").await;
    let token = app.mail("confirm-email-change", "stranger@example.org").await.token();
    app.use_link("verifyEmail", &token).await.data();
    assert_eq!(count().await, 0, "to another address than they have now");
    let call = format!(
        "{{ organization(id: \"{id}\") {{ invitations {{ nodes {{ organizationName }} }} }} }}"
    );
    let list = app.query(&call, &it.owner.access).await.data();
    let acme = json!([{ "organizationName": "Acme" }]);
    assert_eq!(list["organization"]["invitations"]["nodes"], acme, "to its admins");

    app.mutate(&it.owner, &invite(id, "stranger@example.org", "MEMBER")).await.data();
    assert_eq!(count().await, 1);
    app.clock.advance(24 * HOUR);
    let stranger = app.again("stranger").await;
    assert_eq!(received(app, &stranger).await.len(), 0, "expired");
}

const INVITED: &str =
    "{ userInvitations(first: 10) { totalCount nodes { email role invitedBy expiresAt } } }";

async fn invited(app: &TestApp, reader: &SignedIn) -> Vec<(String, String)> {
    let list = app.query(INVITED, &reader.access).await;
    assert!(!list.json().to_string().contains("pco_"));
    let nodes = list.data()["userInvitations"]["nodes"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    nodes.iter().map(|node| (text(&node["email"]), text(&node["role"]))).collect()
}

#[tokio::test]
async fn who_sees_users_sees_who_is_invited_to_be_one() {
    let app = TestApp::start().await;
    let (boss, deputy) = (app.admin("boss").await, app.admin("deputy").await);
    let reader = app.granted("reader", "USERS_READ").await;
    let writer = app.granted("writer", "USERS_WRITE").await;
    let send = async |by: &SignedIn, email: &str, role: &str| {
        app.clock.advance(Duration::from_millis(1));
        let call = format!(
            "inviteUser(input: {{ email: \"{email}\", role: {role} }}) {{ linkExpiresIn }}"
        );
        app.mutate(by, &call).await.data();
    };
    send(&boss, "One@example.com", "USER").await;
    send(&deputy, "two@example.com", "ADMIN").await;
    send(&writer, "three@example.com", "USER").await;
    send(&boss, "one@example.com", "ADMIN").await;
    for (by, code) in [(&writer, "FORBIDDEN"), (&reader, "NONE"), (&boss, "NONE")] {
        assert_eq!(app.query(INVITED, &by.access).await.code(), code, "{}", by.username);
    }
    let pair = |email: &str, role: &str| (email.to_owned(), role.to_owned());
    let (one, two, three) = (
        pair("one@example.com", "ADMIN"),
        pair("two@example.com", "ADMIN"),
        pair("three@example.com", "USER"),
    );
    assert_eq!(invited(&app, &reader).await, [one.clone(), three.clone(), two.clone()]);
    let first = "{ userInvitations(first: 1) { totalCount pageInfo { hasNextPage endCursor } nodes { \
                 invitedBy } } }";
    let first = app.query(first, &reader.access).await.data()["userInvitations"].take();
    assert_eq!(first["totalCount"], 3);
    assert_eq!(first["nodes"], json!([{ "invitedBy": boss.id }]));
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let next = format!(
        "{{ userInvitations(first: 1, after: {}) {{ nodes {{ email }} }} }}",
        first["pageInfo"]["endCursor"]
    );
    let next = app.query(&next, &reader.access).await.data();
    assert_eq!(next["userInvitations"]["nodes"], json!([{ "email": "three@example.com" }]));

    // Who may not invite any more has invited nobody.
    let demote =
        format!("setUserRole(input: {{ id: \"{}\", role: USER }}) {{ user {{ id }} }}", deputy.id);
    app.mutate(&boss, &demote).await.data();
    assert_eq!(invited(&app, &reader).await, [one.clone(), three.clone()]);
    let shut = format!("deactivateUser(input: {{ id: \"{}\" }}) {{ user {{ id }} }}", writer.id);
    app.mutate(&boss, &shut).await.data();
    assert_eq!(invited(&app, &reader).await, [one]);
    let token = app.mail("invitation", "one@example.com").await.token();
    accept_user(&app, &token, "visitor").await.data();
    assert_eq!(invited(&app, &reader).await, []);
    send(&boss, "late@example.com", "USER").await;
    app.clock.advance(24 * HOUR);
    let reader = app.again("reader").await;
    assert_eq!(invited(&app, &reader).await, []);
}

/// Who may invite and revoke need not be allowed to list invitations.
#[tokio::test]
async fn whoever_invites_is_told_the_invitation_and_can_revoke_it() {
    let app = TestApp::start().await;
    let (boss, writer) = (app.admin("boss").await, app.granted("writer", "USERS_WRITE").await);
    let fields = "id email role invitedBy createdAt expiresAt";
    let invite = format!(
        "inviteUser(input: {{ email: \"Guest@example.com\", role: USER }}) {{ invitation {{ {fields} }} }}"
    );
    let told = app.mutate(&writer, &invite).await.data()["inviteUser"]["invitation"].take();
    let listed = format!("{{ userInvitations {{ nodes {{ {fields} }} }} }}");
    let listed = app.query(&listed, &boss.access).await.data();
    assert_eq!(listed["userInvitations"]["nodes"], json!([told]));
    assert_eq!(told["invitedBy"], writer.id);
    let id = told["id"].as_str().unwrap();
    let revoke =
        format!("revokeUserInvitation(input: {{ id: \"{id}\" }}) {{ deletedUserInvitationId }}");
    let revoked = app.mutate(&writer, &revoke).await.data();
    assert_eq!(revoked["revokeUserInvitation"]["deletedUserInvitationId"], id);
    assert_eq!(invited(&app, &boss).await, []);
}

#[tokio::test]
async fn an_invitation_is_not_hidden_by_a_thousand_that_are_void() {
    let app = TestApp::start().await;
    let (boss, writer) = (app.admin("boss").await, app.granted("writer", "USERS_WRITE").await);
    let send = async |by: &SignedIn, email: &str| {
        app.clock.advance(Duration::from_millis(1));
        let call =
            format!("inviteUser(input: {{ email: \"{email}\", role: USER }}) {{ linkExpiresIn }}");
        app.mutate(by, &call).await.data();
    };
    send(&boss, "early@example.com").await;
    send(&writer, "bulk@example.com").await;
    let db = app.database.connection().await;
    let bytes = |hex: String| match db.get_database_backend() {
        DbBackend::Postgres => format!("decode('{hex}', 'hex')"),
        _ => format!("x'{hex}'"),
    };
    let rows = (0..1_000_u32).map(|i| {
        let id = uuid::Uuid::from_u128(u128::MAX - u128::from(i));
        let hash = bytes(format!("{i:064x}"));
        let id = match db.get_database_backend() {
            DbBackend::Postgres => format!("CAST('{id}' AS uuid)"),
            _ => bytes(id.simple().to_string()),
        };
        format!("SELECT {id} AS id, {hash} AS hash")
    });
    for rows in rows.collect::<Vec<_>>().chunks(100) {
        app.sql(&format!(
            "INSERT INTO one_time_tokens (id, purpose, hash, email_key, details, created_at, expires_at) \
             SELECT more.id, one.purpose, more.hash, one.email_key, one.details, one.created_at, one.expires_at \
             FROM (SELECT * FROM one_time_tokens WHERE email_key = 'bulk@example.com' LIMIT 1) one \
             CROSS JOIN ({}) more",
            rows.join(" UNION ALL ")
        ))
        .await;
    }
    let revoke = format!(
        "revokePermission(input: {{ id: \"{}\", permission: USERS_WRITE }}) {{ user {{ id }} }}",
        writer.id
    );
    app.mutate(&boss, &revoke).await.data();
    let early = ("early@example.com".to_owned(), "USER".to_owned());
    assert_eq!(invited(&app, &boss).await, [early]);
}

/// Has somebody invite an address to make an account with a role; the id of the invitation, as `reader` is told.
pub(crate) async fn invite_user(
    app: &TestApp,
    by: &SignedIn,
    to: (&str, &str),
    reader: &SignedIn,
) -> String {
    app.clock.advance(Duration::from_millis(1));
    let (email, role) = to;
    let call =
        format!("inviteUser(input: {{ email: \"{email}\", role: {role} }}) {{ linkExpiresIn }}");
    app.mutate(by, &call).await.data();
    let newest = "{ userInvitations(first: 1) { nodes { id email } } }";
    let newest = app.query(newest, &reader.access).await.data()["userInvitations"]["nodes"].take();
    assert_eq!(newest[0]["email"], email);
    newest[0]["id"].as_str().unwrap().to_owned()
}

fn revoke_user(id: &str) -> String {
    format!("revokeUserInvitation(input: {{ id: \"{id}\" }}) {{ deletedUserInvitationId }}")
}

fn accepting(token: &str, username: &str) -> String {
    format!(
        "mutation {{ acceptUserInvitation(input: {{ token: \"{token}\", username: \"{username}\", \
         password: \"{PASSWORD}\" }}) {{ ... on AuthPayload {{ expiresIn }} }} }}"
    )
}

async fn accept_user(app: &TestApp, token: &str, username: &str) -> Reply {
    app.call(&accepting(token, username), json!({}), None).await
}

/// Whether somebody finds an invitation by its id, with either field.
async fn finds(app: &TestApp, user: &SignedIn, id: &str) -> bool {
    let query = "query($id: ID!) { node(id: $id) { id ... on UserInvitation { role } } \
                 nodes(ids: [$id]) { __typename } }";
    let data = app.call(query, json!({ "id": id }), Some(&user.access)).await.data();
    let is_found = !data["node"].is_null();
    let (node, typename) = match is_found {
        true => (json!({ "id": id, "role": "ADMIN" }), json!({ "__typename": "UserInvitation" })),
        false => (Value::Null, Value::Null),
    };
    assert_eq!(data["node"], node);
    assert_eq!(data["nodes"], json!([typename]));
    is_found
}

#[tokio::test]
async fn an_invitation_is_a_node_to_who_may_list_it() {
    let app = TestApp::start().await;
    let (boss, deputy) = (app.admin("boss").await, app.admin("deputy").await);
    let reader = app.granted("reader", "USERS_READ").await;
    let writer = app.granted("writer", "USERS_WRITE").await;
    let other = app.register("alice").await;
    let first = invite_user(&app, &deputy, ("one@example.com", "ADMIN"), &reader).await;
    assert!(first.starts_with("user_invitation_"), "{first}");
    for user in [&reader, &boss] {
        assert!(finds(&app, user, &first).await, "{}", user.username);
    }
    for user in [&writer, &other] {
        assert!(!finds(&app, user, &first).await, "{}", user.username);
    }
    let token = app.mail("invitation", "one@example.com").await.token();
    let as_other = |of: &str| first.replace("user_invitation", of);
    for id in [as_other("link"), as_other("invitation"), format!("user_invitation_{token}")] {
        assert!(!finds(&app, &reader, &id).await, "{id}");
    }
    // Other tokens have rows there too, and are no invitations.
    app.sql("UPDATE one_time_tokens SET purpose = 'ORGANIZATION_INVITATION'").await;
    assert!(!finds(&app, &reader, &first).await, "for something else");
    assert_eq!(app.mutate(&boss, &revoke_user(&first)).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn an_invitation_is_a_node_and_can_be_taken_back_as_long_as_it_can_be_accepted() {
    let app = TestApp::start().await;
    let (boss, deputy) = (app.admin("boss").await, app.admin("deputy").await);
    let reader = app.granted("reader", "USERS_READ").await;
    let first = invite_user(&app, &deputy, ("one@example.com", "ADMIN"), &reader).await;
    let set_role = async |role: &str| {
        let id = &deputy.id;
        let call =
            format!("setUserRole(input: {{ id: \"{id}\", role: {role} }}) {{ user {{ id }} }}");
        app.mutate(&boss, &call).await.data();
    };
    set_role("USER").await;
    assert!(!finds(&app, &reader, &first).await, "its sender may not invite any more");
    assert_eq!(app.mutate(&boss, &revoke_user(&first)).await.code(), "NOT_FOUND");
    set_role("ADMIN").await;
    assert!(finds(&app, &reader, &first).await);
    let newer = invite_user(&app, &boss, ("one@example.com", "ADMIN"), &reader).await;
    assert!(!finds(&app, &reader, &first).await, "a newer one was sent");
    let token = app.mail("invitation", "one@example.com").await.token();
    accept_user(&app, &token, "visitor").await.data();
    assert!(!finds(&app, &reader, &newer).await, "accepted");
    assert_eq!(app.mutate(&boss, &revoke_user(&newer)).await.code(), "NOT_FOUND");
    let late = invite_user(&app, &boss, ("late@example.com", "ADMIN"), &reader).await;
    app.clock.advance(24 * HOUR);
    let boss = app.again("boss").await;
    assert!(!finds(&app, &boss, &late).await, "expired");
    assert_eq!(app.mutate(&boss, &revoke_user(&late)).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn an_invitation_that_is_taken_back_is_void_at_once_and_the_log_tells() {
    let app = TestApp::start().await;
    let (boss, deputy) = (app.admin("boss").await, app.admin("deputy").await);
    let reader = app.granted("reader", "USERS_READ").await;
    let id = invite_user(&app, &deputy, ("guest@example.com", "ADMIN"), &boss).await;
    let kept = invite_user(&app, &deputy, ("kept@example.com", "USER"), &boss).await;
    let token = app.mail("invitation", "guest@example.com").await.token();
    assert_eq!(app.mutate(&reader, &revoke_user(&id)).await.code(), "FORBIDDEN");
    let revoked = app.mutate(&boss, &revoke_user(&id)).await.data();
    assert_eq!(revoked["revokeUserInvitation"], json!({ "deletedUserInvitationId": id }));
    assert_eq!(accept_user(&app, &token, "visitor").await.code(), "INVALID_TOKEN");
    assert_eq!(app.mutate(&boss, &revoke_user(&id)).await.code(), "NOT_FOUND", "twice");
    let gone = app.query(&format!("{{ node(id: \"{id}\") {{ id }} }}"), &boss.access).await.data();
    assert_eq!(gone["node"], Value::Null);
    for none in [boss.id.as_str(), "", &id.replace("user_invitation", "link")] {
        assert_eq!(app.mutate(&boss, &revoke_user(none)).await.code(), "NOT_FOUND", "{none}");
    }
    let events = "{ auditEvents(filter: { types: [USER_INVITATION_REVOKED] }) { nodes { target detail \
                  actor { username } } } }";
    let events = app.query(events, &boss.access).await.data();
    let event = json!({ "target": deputy.id, "detail": "ADMIN", "actor": { "username": "boss" } });
    assert_eq!(events["auditEvents"]["nodes"], json!([event]));
    assert_eq!(invited(&app, &boss).await.len(), 1, "the other one stays");
    let token = app.mail("invitation", "kept@example.com").await.token();
    accept_user(&app, &token, "kept").await.data();
    assert_eq!(app.mutate(&boss, &revoke_user(&kept)).await.code(), "NOT_FOUND", "accepted");
}

#[tokio::test]
async fn who_sent_an_invitation_takes_it_back_and_nobody_who_may_do_less() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let (one, other) =
        (app.granted("one", "USERS_WRITE").await, app.granted("other", "USERS_WRITE").await);
    let by_boss = invite_user(&app, &boss, ("first@example.com", "USER"), &boss).await;
    assert_eq!(app.mutate(&one, &revoke_user(&by_boss)).await.code(), "FORBIDDEN");
    let token = app.mail("invitation", "first@example.com").await.token();
    for by in [&one, &other, &boss] {
        let id = invite_user(&app, &one, ("second@example.com", "USER"), &boss).await;
        app.mutate(by, &revoke_user(&id)).await.data();
    }
    let mails = app.mails().await;
    // What was not sent yet is not sent any more.
    let to_second = mails.iter().filter(|mail| mail.to == "second@example.com");
    assert_eq!(to_second.count(), 0);
    // What the sender may do beside inviting counts too.
    let grant = format!(
        "grantPermission(input: {{ id: \"{}\", permission: AUDIT_READ }}) {{ user {{ id }} }}",
        one.id
    );
    let id = invite_user(&app, &one, ("second@example.com", "USER"), &boss).await;
    app.mutate(&boss, &grant).await.data();
    assert_eq!(app.mutate(&other, &revoke_user(&id)).await.code(), "FORBIDDEN");
    app.mutate(&one, &revoke_user(&id)).await.data();
    accept_user(&app, &token, "visitor").await.data();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_invitation_that_is_accepted_and_taken_back_at_once_is_one_of_them() {
    let app = TestApp::start().await;
    let (boss, deputy) = (app.admin("boss").await, app.admin("deputy").await);
    for number in 0..6 {
        let email = format!("guest{number}@example.com");
        let id = invite_user(&app, &deputy, (&email, "USER"), &boss).await;
        let token = app.mail("invitation", &email).await.token();
        let (here, there) = (app.app.clone(), app.app.clone());
        let bearer = boss.access.clone();
        let accept = accepting(&token, &format!("visitor{number}"));
        let revoke = format!("mutation {{ {} }}", revoke_user(&id));
        let accept =
            tokio::spawn(async move { call(&here, &accept, json!({}), None).await.code() });
        // Hashing the password takes a while.
        tokio::time::sleep(Duration::from_millis(3 * number)).await;
        let revoke =
            tokio::spawn(
                async move { call(&there, &revoke, json!({}), Some(&bearer)).await.code() },
            );
        let codes = (accept.await.unwrap(), revoke.await.unwrap());
        let either = [("NONE", "NOT_FOUND"), ("INVALID_TOKEN", "NONE")];
        assert!(either.contains(&(codes.0.as_str(), codes.1.as_str())), "{codes:?}");
        let made = app.count(&format!("users WHERE username_key = 'visitor{number}'")).await;
        assert_eq!(made == 1, codes.0 == "NONE");
    }
}
