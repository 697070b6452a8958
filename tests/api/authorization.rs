//! The access policy, proven: every root field of the schema as every kind of caller.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{FieldDefinition, TypeKind, TypeSystemDefinition};
use serde_json::json;

use crate::support::{PASSWORD, SignedIn, TestApp, organizations};
use crate::tasks;

/// What a directive says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    Public,
    SignedIn,
    Admin,
    Permission(String),
    /// An admin of the organization that the session acts in.
    OrganizationAdmin,
}

/// Sample calls that stand beside the tests of their entity.
const SAMPLES: &[fn(field: &str, id: &str) -> Option<String>] = &[tasks::sample];

/// Mutations of what somebody made with the `create…` of the same name.
const OWN: &[&str] = &["updateTask", "deleteTask"];

/// A root field, as the SDL has it.
pub(crate) struct Field {
    pub(crate) operation: &'static str,
    pub(crate) name: String,
    pub(crate) rules: Vec<Rule>,
    /// Whether it carries `@fresh`.
    is_fresh: bool,
}

fn rule(field: &FieldDefinition) -> Vec<Rule> {
    let mut rules = Vec::new();
    for directive in &field.directives {
        // How often, how long after a sign-in and what null means, not by whom.
        if ["rateLimit", "fresh", "semanticNonNull"].contains(&directive.node.name.node.as_str()) {
            continue;
        }
        let argument = directive.node.arguments.first();
        let argument = argument.map(|(name, value)| (name.node.as_str(), value.node.to_string()));
        rules.push(match (directive.node.name.node.as_str(), argument) {
            ("public", None) => Rule::Public,
            ("auth", None) => Rule::SignedIn,
            ("auth", Some(("role", role))) if role == "ADMIN" => Rule::Admin,
            ("auth", Some(("orgRole", role))) if role == "ADMIN" => Rule::OrganizationAdmin,
            ("auth", Some(("permission", permission))) => Rule::Permission(permission),
            other => panic!("{}: no test knows {other:?}", field.name.node),
        });
    }
    rules
}

pub(crate) fn root_fields() -> Vec<Field> {
    let mut fields = Vec::new();
    for definition in parse_schema(portcullis::schema::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let operation = match definition.node.name.node.as_str() {
            "Query" => "query",
            "Mutation" => "mutation",
            _ => continue,
        };
        let TypeKind::Object(object) = definition.node.kind else { continue };
        fields.extend(object.fields.into_iter().map(|field| Field {
            operation,
            name: field.node.name.node.to_string(),
            rules: rule(&field.node),
            is_fresh: field.node.directives.iter().any(|used| used.node.name.node == "fresh"),
        }));
    }
    fields
}

/// A valid call of a field about `target`. A field without one fails the test.
pub(crate) fn sample(field: &str, target: &SignedIn) -> String {
    let id = &target.id;
    match field {
        "me" => "me { id }".to_owned(),
        "viewer" => "viewer { permissions }".to_owned(),
        "user" => format!("user(id: \"{id}\") {{ id }}"),
        "auditEvents" => "auditEvents(first: 2) { edges { node { id } } }".to_owned(),
        "users" => "users { totalCount }".to_owned(),
        "register" => format!(
            "register(input: {{ username: \"fresh\", email: \"fresh@example.com\", password: \
             \"{PASSWORD}\" }}) {{ __typename }}"
        ),
        "login" => format!(
            "login(input: {{ identifier: \"{}\", password: \"{PASSWORD}\" }}) {{ __typename }}",
            target.username
        ),
        "refreshToken" => {
            format!("refreshToken(refreshToken: \"{}\") {{ expiresIn }}", target.refresh)
        }
        "logout" => format!("logout(refreshToken: \"{}\")", target.refresh),
        "setUserRole" => format!("setUserRole(id: \"{id}\", role: USER) {{ id }}"),
        "grantPermission" => {
            format!("grantPermission(id: \"{id}\", permission: USERS_READ) {{ permission }}")
        }
        "revokePermission" => {
            format!("revokePermission(id: \"{id}\", permission: USERS_READ) {{ permission }}")
        }
        "node" => format!("node(id: \"{id}\") {{ id }}"),
        "nodes" => format!("nodes(ids: [\"{id}\"]) {{ id }}"),
        "deactivateUser" => format!("deactivateUser(id: \"{id}\") {{ id }}"),
        "reactivateUser" => format!("reactivateUser(id: \"{id}\") {{ id }}"),
        "deleteUser" => format!("deleteUser(id: \"{id}\")"),
        "endUserSessions" => format!("endUserSessions(id: \"{id}\")"),
        "inviteUser" => "inviteUser(email: \"guest@example.com\", role: USER)".to_owned(),
        "updateProfile" => "updateProfile(input: { fullName: \"Some Body\" }) { id }".to_owned(),
        "changeEmail" => "changeEmail(newEmail: \"other@example.com\")".to_owned(),
        "deactivateAccount" => "deactivateAccount".to_owned(),
        "deleteAccount" => "deleteAccount".to_owned(),
        "exportMyData" => "exportMyData { ticket }".to_owned(),
        "revokeOtherSessions" => "revokeOtherSessions".to_owned(),
        "revokeAllSessions" => "revokeAllSessions".to_owned(),
        "reauthenticate" => format!("reauthenticate(password: \"{PASSWORD}\") {{ expiresIn }}"),
        "changePassword" => format!(
            "changePassword(currentPassword: \"{PASSWORD}\", newPassword: \"another horse\")"
        ),
        "requestEmailVerification" => {
            format!("requestEmailVerification(email: \"{}@example.com\")", target.username)
        }
        "requestPasswordReset" => {
            format!("requestPasswordReset(identifier: \"{}\")", target.username)
        }
        // What they name is nothing, which is told to whoever may call them at all.
        "revokeSession" => format!("revokeSession(id: \"{id}\")"),
        "keepLeftovers" | "dropLeftovers" => field.to_owned(),
        "verifyEmail" => format!("verifyEmail(token: \"pco_\", password: \"{PASSWORD}\")"),
        "undoEmailChange" => "undoEmailChange(token: \"pco_\")".to_owned(),
        "resetPassword" => {
            "resetPassword(token: \"pco_\", newPassword: \"another horse\")".to_owned()
        }
        "acceptUserInvitation" => format!(
            "acceptUserInvitation(token: \"pco_\", input: {{ username: \"guest\", password: \
             \"{PASSWORD}\" }}) {{ expiresIn }}"
        ),
        other => SAMPLES
            .iter()
            .find_map(|sample| sample(other, id))
            .unwrap_or_else(|| organizations::sample(other, id)),
    }
}

async fn verify_address(app: &TestApp, user: &SignedIn) {
    let link = app.mail("verify-email", &format!("{}@example.com", user.username)).await.token();
    app.mutate(user, &format!("verifyEmail(token: \"{link}\")")).await.data();
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
    let with_token = |token: String| sample(field, target).replace("pco_", &token);
    match field {
        "setUserRole" => sample(field, target).replace("USER", "ADMIN"),
        _ if OWN.contains(&field) => {
            let create = field.replace("update", "create").replace("delete", "create");
            let made = app.mutate(boss, &sample(&create, target)).await.data();
            let id = made[&create]["id"].as_str().unwrap();
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
            let other = app.login(&boss.username, PASSWORD).await.signed_in("login");
            let me =
                app.query("{ me { sessions { edges { node { id current } } } } }", &other.access);
            let edges = me.await.data()["me"]["sessions"]["edges"].clone();
            let other =
                edges.as_array().unwrap().iter().find(|edge| edge["node"]["current"] == true);
            let id = other.unwrap()["node"]["id"].as_str().unwrap();
            sample(field, target).replace(&target.id, id)
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
        "undoEmailChange" => {
            verify_address(app, boss).await;
            let other = format!("other-{}", address(boss));
            mutate(format!("changeEmail(newEmail: \"{other}\")")).await;
            let token = app.mail("confirm-email-change", &other).await.token();
            mutate(format!("verifyEmail(token: \"{token}\")")).await;
            with_token(app.mail("email-change-undo", &address(boss)).await.token())
        }
        "acceptUserInvitation" => {
            let guest = format!("guest-{}", address(target));
            mutate(format!("inviteUser(email: \"{guest}\", role: USER)")).await;
            let token = app.mail("invitation", &guest).await.token();
            with_token(token).replace("\"guest\"", &format!("\"guest-{}\"", target.username))
        }
        other => match organizations::prepared(app, other, target, boss).await {
            Some(call) => call,
            None => sample(other, target),
        },
    }
}

#[tokio::test]
async fn a_refused_field_leaves_its_siblings_their_answers() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let reply = app
        .query(
            "{ me { username tasks(first: 101) { totalCount } } users { totalCount } }",
            &alice.access,
        )
        .await;
    assert_eq!(
        reply.json()["data"],
        json!({ "me": { "username": "alice", "tasks": null }, "users": null })
    );
    let paths = reply.json()["errors"]
        .as_array()
        .unwrap()
        .clone()
        .into_iter()
        .map(|error| error["path"].clone());
    assert_eq!(paths.collect::<Vec<_>>(), [json!(["me", "tasks"]), json!(["users"])]);

    let calls = format!(
        "made: createTask(input: {{ title: \"Once\" }}) {{ title }} refused: deleteUser(id: \"{}\")",
        alice.id
    );
    let reply = app.mutate(&alice, &calls).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    assert_eq!(reply.json()["data"], json!({ "made": { "title": "Once" }, "refused": null }));
}

#[tokio::test]
async fn every_root_field_keeps_its_rule_for_every_kind_of_caller() {
    for caller in [
        "anonymous",
        "forged",
        "expired",
        "user",
        "deactivated",
        "demoted",
        "stale",
        "support",
        "member",
        "organization admin",
        "admin",
        "stale admin",
    ] {
        let mut scene = None;
        for field in root_fields() {
            let (app, target, bearer) = if let Some(unchanged) = scene.take() {
                unchanged
            } else {
                let app = TestApp::start().await;
                let target = app.register("target").await;
                let bearer = bearer(&app, caller).await;
                (app, target, bearer)
            };
            let query = format!("{} {{ {} }}", field.operation, sample(&field.name, &target));
            // Its own session must not be what a signed-out caller presents.
            let reply = app.call(&query, json!({}), bearer.as_deref()).await;
            let expected = expected(&field, caller);
            assert_eq!(reply.code(), expected, "{} as {caller}: {}", field.name, reply.text);
            // What a mutation did must not decide about the next field.
            if field.operation == "query" || expected != "NONE" {
                scene = Some((app, target, bearer));
            }
        }
    }
}

async fn bearer(app: &TestApp, caller: &str) -> Option<String> {
    match caller {
        "anonymous" => None,
        "forged" => Some("e30.e30.AAAA".to_owned()),
        "expired" => {
            let user = app.admin("caller").await;
            app.clock.advance(std::time::Duration::from_secs(906));
            Some(user.access)
        }
        "user" => Some(app.register("caller").await.access),
        "admin" => Some(app.admin("caller").await.access),
        "member" => {
            let (owner, user) = (app.register("founder").await, app.register("caller").await);
            let organization = organizations::found_organization(app, &owner).await;
            organizations::join_organization(app, &owner, &organization, &user, "MEMBER").await;
            Some(organizations::act_in(app, &user, &organization).await)
        }
        "organization admin" => {
            let (owner, user) = (app.register("founder").await, app.register("caller").await);
            let organization = organizations::found_organization(app, &owner).await;
            organizations::join_organization(app, &owner, &organization, &user, "ADMIN").await;
            Some(organizations::act_in(app, &user, &organization).await)
        }
        "support" => Some(app.granted("caller", "USERS_READ").await.access),
        "stale" | "stale admin" => {
            let user = match caller {
                "stale" => app.register("caller").await,
                _ => app.admin("caller").await,
            };
            app.clock.advance(std::time::Duration::from_secs(301));
            // Refreshing is no sign-in.
            let refreshed = app.refresh(&user.refresh).await.data();
            Some(refreshed["refreshToken"]["accessToken"].as_str().unwrap().to_owned())
        }
        "deactivated" | "demoted" => {
            let user = app.admin("caller").await;
            let boss = app.admin("boss").await;
            app.query("{ me { id } }", &user.access).await.data();
            let change = if caller == "demoted" {
                format!("mutation {{ setUserRole(id: \"{}\", role: USER) {{ id }} }}", user.id)
            } else {
                format!("mutation {{ deactivateUser(id: \"{}\") {{ id }} }}", user.id)
            };
            app.query(&change, &boss.access).await.data();
            Some(user.access)
        }
        other => panic!("{other}"),
    }
}

fn expected(field: &Field, caller: &str) -> &'static str {
    let rule = &field.rules[0];
    match (rule, caller) {
        (Rule::Public, _) | (Rule::Permission(_) | Rule::Admin, "admin" | "stale admin") => {}
        (_, "anonymous" | "forged" | "expired" | "deactivated") => return "UNAUTHENTICATED",
        (Rule::SignedIn, _) | (Rule::OrganizationAdmin, "organization admin") => {}
        (Rule::Permission(permission), "support") if permission == "USERS_READ" => {}
        (Rule::Permission(_) | Rule::Admin | Rule::OrganizationAdmin, _) => return "FORBIDDEN",
    }
    match (rule, caller) {
        (_, "stale" | "stale admin") if field.is_fresh => "STEP_UP_REQUIRED",
        // There is nothing that the sample names, which only those are told who may call.
        _ => match field.name.as_str() {
            "revokeSession" | "updateOrganization" | "deleteOrganization" | "leaveOrganization"
            | "revokeInvitation" | "inviteMember" | "setMemberRole" | "removeMember"
            | "transferOwnership" => "NOT_FOUND",
            name if OWN.contains(&name) => "NOT_FOUND",
            "acceptInvitation"
            | "verifyEmail"
            | "undoEmailChange"
            | "resetPassword"
            | "acceptUserInvitation" => "INVALID_TOKEN",
            // None of them has verified an address; and the last admin must stay.
            "deactivateAccount" => "CONFLICT",
            "deleteAccount" if ["admin", "stale admin"].contains(&caller) => "CONFLICT",
            _ => "NONE",
        },
    }
}
