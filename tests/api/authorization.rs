//! The access policy, proven: every root field of the schema as every kind of caller.

use portcullis_testing::policy::{
    self, Caller, Field, Sample, assert_every_root_field_keeps_its_rule,
};
use serde_json::json;

use crate::pending::invite_user;
use crate::support::{PASSWORD, SignedIn, TestApp, organizations, passkey, sdl, tasks, totp};

/// Sample calls that stand beside the tests of their entity.
const SAMPLES: &[fn(field: &str, id: &str) -> Option<String>] = &[tasks::sample];

/// Mutations of what somebody made with the `create…` of the same name.
const OWN: &[&str] = &["updateTask", "deleteTask"];

pub(crate) fn root_fields() -> Vec<Field> {
    policy::root_fields(sdl())
}

/// A valid call of a field about `target`. A field without one fails the test.
pub(crate) fn sample(field: &str, target: &SignedIn) -> String {
    let id = &target.id;
    match field {
        "me" => "me { id }".to_owned(),
        "signInProviders" => "signInProviders { id }".to_owned(),
        "startIdTokenSignIn" => "startIdTokenSignIn { nonce }".to_owned(),
        "viewer" => "viewer { permissions }".to_owned(),
        "userInvitations" => "userInvitations { totalCount }".to_owned(),
        "config" => "config { registration version }".to_owned(),
        "user" => format!("user(id: \"{id}\") {{ id }}"),
        "auditEvents" => "auditEvents(first: 2) { edges { node { id } } }".to_owned(),
        "users" => "users { totalCount }".to_owned(),
        "usernameAvailability" => {
            "usernameAvailability(username: \"some\") { available }".to_owned()
        }
        "node" => format!("node(id: \"{id}\") {{ id }}"),
        "nodes" => format!("nodes(ids: [\"{id}\"]) {{ id }}"),
        "deactivateAccount"
        | "deleteAccount"
        | "exportMyData"
        | "revokeOtherSessions"
        | "revokeAllSessions"
        | "startTotpEnrollment"
        | "startPasskeySignIn"
        | "startPasskeyRegistration"
        | "enableSecondFactor"
        | "disableSecondFactor"
        | "disableTotp"
        | "regenerateRecoveryCodes"
        | "keepLeftovers"
        | "dropLeftovers" => format!("{field} {{ __typename }}"),
        other => match given(other, target) {
            Some(given) => format!("{other}(input: {{ {given} }}) {{ __typename }}"),
            None => SAMPLES
                .iter()
                .find_map(|sample| sample(other, id))
                .unwrap_or_else(|| organizations::sample(other, id)),
        },
    }
}

/// A valid subscription of a field.
pub(crate) fn stream_sample(field: &str) -> String {
    match field {
        "sessionEvents" => "sessionEvents { type }".to_owned(),
        "auditEvents" => "auditEvents { id }".to_owned(),
        other => panic!("no sample of the subscription {other}"),
    }
}

/// The fields of the input of a mutation.
fn given(field: &str, target: &SignedIn) -> Option<String> {
    let SignedIn { id, username, refresh, .. } = target;
    Some(match field {
        "register" => {
            format!("username: \"fresh\", email: \"fresh@example.com\", password: \"{PASSWORD}\"")
        }
        "login" => format!("identifier: \"{username}\", password: \"{PASSWORD}\""),
        "refreshToken" | "logout" => format!("refreshToken: \"{refresh}\""),
        "setUserRole" => format!("id: \"{id}\", role: USER"),
        "grantPermission" | "revokePermission" => {
            format!("id: \"{id}\", permission: USERS_READ")
        }
        // What the first four name is nothing, which is told to whoever may call them at all.
        "revokeSession"
        | "revokeUserInvitation"
        | "unlinkIdentity"
        | "deletePasskey"
        | "deactivateUser"
        | "reactivateUser"
        | "deleteUser"
        | "endUserSessions"
        | "resetSecondFactors" => format!("id: \"{id}\""),
        "inviteUser" => "email: \"guest@example.com\", role: USER".to_owned(),
        "updateUserMetadata" => format!("id: \"{id}\", publicMetadata: {{ plan: \"pro\" }}"),
        "updateProfile" => "fullName: \"Some Body\"".to_owned(),
        "changeEmail" => "newEmail: \"other@example.com\"".to_owned(),
        "reauthenticate" => format!("proof: {{ password: \"{PASSWORD}\" }}"),
        "completeSignIn" => "challenge: \"pcc_\", proof: { totp: \"000000\" }".to_owned(),
        "confirmTotpEnrollment" => "code: \"000000\"".to_owned(),
        "finishPasskeySignIn" | "finishPasskeyRegistration" => {
            "ceremony: \"pcw_\", credential: {}".to_owned()
        }
        "startPasskeyProof" => "challenge: \"pcc_\"".to_owned(),
        "renamePasskey" => format!("id: \"{id}\", name: \"Laptop\""),
        "changePassword" => {
            format!("currentPassword: \"{PASSWORD}\", newPassword: \"another horse\"")
        }
        // No provider is configured, and what is presented is none of ours: that is told to whoever may call them at all.
        "startSignIn" | "startLink" | "startReauthentication" => "providerId: \"acme\"".to_owned(),
        "finishSignIn" | "finishLink" | "finishReauthentication" => {
            "flow: \"pcf_\", code: \"code\", state: \"pcv_\"".to_owned()
        }
        "signInWithIdToken" => {
            "providerId: \"acme\", idToken: \"a.b.c\", flow: \"pcf_\"".to_owned()
        }
        "chooseUsername" => "username: \"chosen\"".to_owned(),
        "setPassword" => "newPassword: \"another horse\"".to_owned(),
        "requestEmailVerification" => format!("email: \"{username}@example.com\""),
        "requestPasswordReset" => format!("identifier: \"{username}\""),
        "verifyEmail" => format!("token: \"pco_\", password: \"{PASSWORD}\""),
        "undoEmailChange" => "token: \"pco_\"".to_owned(),
        "resetPassword" => "token: \"pco_\", newPassword: \"another horse\"".to_owned(),
        "acceptUserInvitation" => {
            format!("token: \"pco_\", username: \"guest\", password: \"{PASSWORD}\"")
        }
        _ => return None,
    })
}

async fn verify_address(app: &TestApp, user: &SignedIn) {
    let link = app.mail("verify-email", &format!("{}@example.com", user.username)).await.token();
    app.mutate(user, &format!("verifyEmail(input: {{ token: \"{link}\" }}) {{ outcome }}"))
        .await
        .data();
}

/// The id of a session that somebody begins beside the one they have.
async fn other_session(app: &TestApp, user: &SignedIn) -> String {
    let other = app.again(&user.username).await;
    let query = "{ me { sessions { nodes { id current } } } }";
    let sessions = app.query(query, &other.access).await.data()["me"]["sessions"]["nodes"].take();
    let other = sessions.as_array().unwrap().iter().find(|session| session["current"] == true);
    other.unwrap()["id"].as_str().unwrap().to_owned()
}

/// A call of a field by `boss`, an admin, about `target`, that does what the field is for, after what
/// that takes.
pub(crate) async fn prepared(
    app: &TestApp,
    field: &str,
    target: &SignedIn,
    boss: &SignedIn,
) -> String {
    let mutate = async |call: String| {
        app.query(&format!("mutation {{ {call} }}"), &boss.access).await.data();
    };
    let address = |user: &SignedIn| format!("{}@example.com", user.username);
    let guest = format!("guest-{}", address(target));
    let with_token = |token: String| sample(field, target).replace("pco_", &token);
    match field {
        "setUserRole" => sample(field, target).replace("USER", "ADMIN"),
        _ if OWN.contains(&field) => {
            let create = field.replace("update", "create").replace("delete", "create");
            let made = app.mutate(boss, &sample(&create, target)).await.data();
            let id = made[&create]["task"]["id"].as_str().unwrap();
            sample(field, target).replace(&target.id, id)
        }
        "revokePermission" => {
            mutate(sample("grantPermission", target)).await;
            sample(field, target)
        }
        "reactivateUser" => {
            mutate(sample("deactivateUser", target)).await;
            sample(field, target)
        }
        // The last admin must stay.
        "deactivateAccount" | "deleteAccount" => {
            verify_address(app, boss).await;
            app.admin(&format!("deputy-{}", boss.username)).await;
            sample(field, target)
        }
        "revokeSession" | "revokeOtherSessions" => {
            sample(field, target).replace(&target.id, &other_session(app, boss).await)
        }
        "keepLeftovers" | "dropLeftovers" => {
            let boss = &boss.username;
            let name = format!(
                "UPDATE users SET taken_back_at = created_at WHERE username_key = '{boss}'"
            );
            app.sql(&name).await;
            sample(field, target)
        }
        "verifyEmail" => with_token(app.mail("verify-email", &address(target)).await.token()),
        "resetPassword" => {
            mutate(sample("requestPasswordReset", target)).await;
            with_token(app.mail("password-reset", &address(target)).await.token())
        }
        "undoEmailChange" => with_token(undoing_token(app, boss).await),
        "revokeUserInvitation" => {
            let id = invite_user(app, boss, (&guest, "USER"), boss).await;
            sample(field, target).replace(&target.id, &id)
        }
        "acceptUserInvitation" => {
            invite_user(app, boss, (&guest, "USER"), boss).await;
            let token = app.mail("invitation", &guest).await.token();
            with_token(token).replace("\"guest\"", &format!("\"guest-{}\"", target.username))
        }
        "unlinkIdentity" | "chooseUsername" | "setPassword" => {
            prepared_newcomer(app, field, target, boss).await
        }
        "completeSignIn"
        | "confirmTotpEnrollment"
        | "enableSecondFactor"
        | "renamePasskey"
        | "deletePasskey" => prepared_factor(app, field, target, boss).await,
        other => match organizations::prepared(app, other, target, boss).await {
            Some(call) => call,
            None => sample(other, target),
        },
    }
}

/// What the mail carries that undoes a change of address of `boss`, which has just happened.
async fn undoing_token(app: &TestApp, boss: &SignedIn) -> String {
    verify_address(app, boss).await;
    let address = format!("{}@example.com", boss.username);
    let other = format!("other-{address}");
    let change = format!("changeEmail(input: {{ newEmail: \"{other}\" }}) {{ linkExpiresIn }}");
    app.mutate(boss, &change).await.data();
    let token = app.mail("confirm-email-change", &other).await.token();
    let verify = format!("verifyEmail(input: {{ token: \"{token}\" }}) {{ outcome }}");
    app.mutate(boss, &verify).await.data();
    app.mail("email-change-undo", &address).await.token()
}

/// The same of what sets second factors up and shows them.
async fn prepared_factor(app: &TestApp, field: &str, target: &SignedIn, boss: &SignedIn) -> String {
    match field {
        "completeSignIn" => {
            let codes = totp::guard(app, target.clone()).await.recovery_codes;
            let challenge = totp::challenge(app, &target.username).await;
            let proof = format!("proof: {{ recoveryCode: \"{}\" }}", codes[0]);
            format!(
                "completeSignIn(input: {{ challenge: \"{challenge}\", {proof} }}) {{ expiresIn }}"
            )
        }
        "confirmTotpEnrollment" => {
            let code = totp::begun(app, &boss.access).await.code(app);
            sample(field, target).replace("000000", &code)
        }
        _ => {
            let added = passkey::add(&app.app, boss, &mut passkey::verifying()).await;
            sample(field, target).replace(&target.id, added["id"].as_str().unwrap())
        }
    }
}

/// The same as if a provider had vouched for `boss`.
async fn prepared_newcomer(
    app: &TestApp,
    field: &str,
    target: &SignedIn,
    boss: &SignedIn,
) -> String {
    app.sql("UPDATE users SET username_is_proposed = true").await;
    if field == "setPassword" {
        app.sql("UPDATE users SET password_hash = ''").await;
    }
    let insert = "INSERT INTO identities (id, user_id, provider, issuer, subject, created_at, last_used_at) \
         SELECT id, id, 'acme', 'https://acme.example.com', username, created_at, created_at FROM users \
         WHERE username_key =";
    app.sql(&format!("{insert} '{}'", boss.username)).await;
    sample(field, target).replace(&target.id, &boss.id.replace("user_", "identity_"))
}

#[tokio::test]
async fn a_refused_field_leaves_its_siblings_their_answers() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let reply = app
        .query(
            "{ me { username sessions(first: 101) { totalCount } } users { totalCount } }",
            &alice.access,
        )
        .await;
    assert_eq!(
        reply.json()["data"],
        json!({ "me": { "username": "alice", "sessions": null }, "users": null })
    );
    let paths = reply.json()["errors"]
        .as_array()
        .unwrap()
        .clone()
        .into_iter()
        .map(|error| error["path"].clone());
    assert_eq!(paths.collect::<Vec<_>>(), [json!(["me", "sessions"]), json!(["users"])]);

    let calls = format!(
        "made: createTask(input: {{ title: \"Once\" }}) {{ task {{ title }} }} refused: deleteUser(input: {{ id: \"{}\" }}) {{ deletedUserId }}",
        alice.id
    );
    let reply = app.mutate(&alice, &calls).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    assert_eq!(
        reply.json()["data"],
        json!({ "made": { "task": { "title": "Once" } }, "refused": null })
    );
}

#[tokio::test]
async fn every_root_field_keeps_its_rule_for_every_kind_of_caller() {
    let sample = |field: &Field, caller: &Caller, target: &SignedIn| {
        let call = match field.operation {
            "subscription" => stream_sample(&field.name),
            _ => sample(&field.name, target),
        };
        let call = match caller {
            // They may only pass on what they hold.
            Caller::Holder(held) => {
                call.replace("permission: USERS_READ", &format!("permission: {held}"))
            }
            _ => call,
        };
        Some(Sample { call, code: allowed(field, caller) })
    };
    assert_every_root_field_keeps_its_rule(&root_fields(), &task_manager::server(), sample).await;
}

/// What the sample call of a field is answered to a caller who may make it.
fn allowed(field: &Field, caller: &Caller) -> &'static str {
    // There is nothing that the sample names, which only those are told who may call.
    match field.name.as_str() {
        "revokeSession"
        | "unlinkIdentity"
        | "renamePasskey"
        | "deletePasskey"
        | "updateOrganization"
        | "deleteOrganization"
        | "leaveOrganization"
        | "revokeInvitation"
        | "revokeUserInvitation"
        | "inviteMember"
        | "setMemberRole"
        | "removeMember"
        | "transferOwnership" => "NOT_FOUND",
        name if OWN.contains(&name) => "NOT_FOUND",
        "acceptInvitation"
        | "verifyEmail"
        | "undoEmailChange"
        | "resetPassword"
        | "acceptUserInvitation"
        | "finishSignIn"
        | "finishLink"
        | "finishReauthentication"
        | "signInWithIdToken"
        | "completeSignIn"
        | "startPasskeyProof"
        | "finishPasskeySignIn"
        | "finishPasskeyRegistration" => "INVALID_TOKEN",
        "startSignIn" | "startLink" | "startReauthentication" => "BAD_USER_INPUT",
        // None of them has verified an address or has a second factor, and the last admin must stay;
        // nor was anybody's name proposed, and all have a password.
        "deactivateAccount"
        | "chooseUsername"
        | "setPassword"
        | "confirmTotpEnrollment"
        | "enableSecondFactor"
        | "disableSecondFactor"
        | "disableTotp"
        | "regenerateRecoveryCodes" => "CONFLICT",
        "deleteAccount" if [Caller::Admin, Caller::StaleAdmin].contains(caller) => "CONFLICT",
        // To see that it is so already takes USERS_READ.
        "revokePermission" | "reactivateUser" if matches!(caller, Caller::Holder(_)) => "CONFLICT",
        _ => "NONE",
    }
}
