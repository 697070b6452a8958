//! What callers are told they may do, against what they may: `viewer { can }`.

use serde_json::{Value, json};

use crate::authorization::{root_fields, sample};
use crate::introspection::{CALLERS, bearer, defined};
use crate::support::organizations::{Cast, act_in, invite_member};
use crate::support::{PASSWORD, SignedIn, TestApp, sdl};

/// What a guard says.
const REFUSALS: [&str; 3] = ["UNAUTHENTICATED", "FORBIDDEN", "STEP_UP_REQUIRED"];

async fn can(app: &TestApp, field: &str, bearer: Option<&str>) -> Value {
    let query = "query($field: String!) { viewer { can(field: $field) { \
                 allowed code reason rule } } }";
    let reply = app.call(query, json!({ "field": field }), bearer).await;
    reply.data()["viewer"]["can"].clone()
}

#[tokio::test]
async fn what_a_caller_is_told_is_what_a_call_is_answered_with() {
    let (mut allowed, mut refused) = (0, 0);
    for caller in CALLERS {
        let app = TestApp::start().await;
        let bearer = bearer(&app, caller).await;
        let mut asked = Vec::new();
        for (of, fields) in &defined(sdl()) {
            for field in fields.iter().filter(|_| ["Query", "Mutation"].contains(&of.as_str())) {
                let access = can(&app, &format!("{of}.{field}"), bearer.as_deref()).await;
                asked.push((of.to_lowercase(), field.clone(), access));
            }
        }
        let mut scene = None;
        for (operation, field, access) in asked {
            let (app, target, bearer) = if let Some(unchanged) = scene.take() {
                unchanged
            } else {
                let app = TestApp::start().await;
                let target = app.register("target").await;
                let bearer = crate::introspection::bearer(&app, caller).await;
                (app, target, bearer)
            };
            let query = format!("{operation} {{ {} }}", sample(&field, &target));
            let reply = app.call(&query, json!({}), bearer.as_deref()).await;
            let told = access["code"].as_str();
            let is_refused = REFUSALS.contains(&reply.code().as_str());
            let called = is_refused.then(|| reply.code());
            assert_eq!(told, called.as_deref(), "{field} as {caller}");
            assert_eq!(access["allowed"], !is_refused, "{field} as {caller}");
            assert_eq!(access["rule"].is_null(), !is_refused, "{field} as {caller}");
            // Of what may be called, the rows may still say no, for a reason of theirs.
            let reason = if is_refused { reply.extension("reason") } else { Value::Null };
            assert_eq!(access["reason"], reason, "{field} as {caller}");
            *(if is_refused { &mut refused } else { &mut allowed }) += 1;
            // What ends the caller's session must not end it for the next field.
            if operation == "query" || reply.code() != "NONE" {
                scene = Some((app, target, bearer));
            }
        }
    }
    assert!(allowed > 30 && refused > 30, "{allowed} allowed, {refused} refused");
}

#[tokio::test]
async fn the_rule_that_is_missing_is_told_as_it_stands_in_the_schema() {
    let app = TestApp::start().await;
    let user = app.register("alice").await;
    let delete = can(&app, "Mutation.deleteUser", Some(&user.access)).await;
    let missing = "@auth(permission: USERS_WRITE)";
    assert_eq!(
        delete,
        json!({ "allowed": false, "code": "FORBIDDEN", "reason": null, "rule": missing })
    );
    assert!(sdl().contains(missing));
    let me = can(&app, "Query.me", None).await;
    let missing = json!({ "allowed": false, "code": "UNAUTHENTICATED", "reason": "MISSING_TOKEN", "rule": "@auth" });
    assert_eq!(me, missing);
    app.clock.advance(std::time::Duration::from_secs(301));
    let change = can(&app, "Mutation.changeEmail", Some(&user.access)).await;
    assert_eq!(change["code"], "STEP_UP_REQUIRED");
    assert_eq!(change["rule"], "@fresh(maxAgeSeconds: 300)");
}

#[tokio::test]
async fn what_the_server_does_not_offer_is_not_allowed_and_a_call_says_the_same() {
    let lacking = |setting: &str| match setting {
        "--registration=open" => &[][..],
        "--registration=invite" => &["OPEN_REGISTRATION"],
        _ => &["OPEN_REGISTRATION", "NEW_ACCOUNTS"],
    };
    for setting in ["--registration=open", "--registration=invite", "--registration=closed"] {
        let app = TestApp::start().await;
        app.admin("boss").await;
        let app = app.restarted_with(&[setting]).await;
        let boss = app.again("boss").await;
        let mut refused = 0;
        for field in root_fields() {
            let needed = field.needs();
            let lacks = needed.iter().find(|needed| lacking(setting).contains(&needed.as_str()));
            if needed.is_empty() {
                continue;
            }
            let of = if field.operation == "query" { "Query" } else { "Mutation" };
            let access = can(&app, &format!("{of}.{}", field.name), Some(&boss.access)).await;
            let call = format!("{} {{ {} }}", field.operation, sample(&field.name, &boss));
            let reply = app.query(&call, &boss.access).await;
            let rule = lacks.map(|lacks| format!("@needs(features: [{lacks}])"));
            assert_eq!(access["rule"].as_str(), rule.as_deref(), "{} {setting}", field.name);
            let feature = reply.extension("feature");
            assert_eq!(feature.as_str(), lacks.map(String::as_str), "{}", reply.text);
            assert_eq!(reply.code() == "FORBIDDEN", lacks.is_some(), "{}", reply.text);
            refused += usize::from(lacks.is_some());
        }
        assert_eq!(refused, [0, 1, 4][lacking(setting).len()], "{setting}");
    }
}

/// What the caller is told of each field, as its code, by the organization, and by a token that acts in it.
async fn codes_of(it: &Cast, user: &SignedIn, fields: &[&str]) -> Vec<Option<String>> {
    let access = act_in(&it.app, user, &it.organization).await.access;
    let query = "query($id: ID!, $fields: [String!]!) {
        organization(id: $id) { viewerCan(fields: $fields) { field allowed code rule } }
        viewer { access(fields: $fields) { field allowed code rule } } }";
    let asked = json!({ "id": it.organization, "fields": fields });
    let told = it.app.call(query, asked, Some(&access)).await.data();
    let told_there = &told["organization"]["viewerCan"];
    assert_eq!(*told_there, told["viewer"]["access"]);
    let told = told_there.as_array().unwrap().iter();
    told.map(|access| access["code"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn an_organization_tells_each_member_what_a_call_is_answered_with() {
    let fields: Vec<_> = root_fields().into_iter().filter(|it| it.member().is_some()).collect();
    assert_eq!(fields.len(), 8, "fields that ask for a role in an organization");
    for field in fields {
        let it = Cast::meet().await;
        let invitation =
            invite_member(&it.app, &it.owner, &it.organization, &it.stranger, "MEMBER").await;
        let about = match field.name.as_str() {
            "revokeInvitation" => &invitation,
            _ => &it.organization,
        };
        // The call names the organization first, and then a user who does not belong to it.
        let call = sample(&field.name, &it.stranger).replacen(&it.stranger.id, about, 1);
        let name = format!("Mutation.{}", field.name);
        let least = field.member().unwrap();
        let ranks = ["MEMBER", "ADMIN", "OWNER"];
        for (user, role) in [&it.member, &it.admin, &it.owner].into_iter().zip(ranks) {
            let rank = |role: &str| ranks.iter().position(|ranked| *ranked == role);
            let refused = (rank(role) < rank(&least)).then(|| "FORBIDDEN".to_owned());
            let told = codes_of(&it, user, &[&name]).await.remove(0);
            let reply = it.app.mutate(user, &call).await;
            assert_eq!(reply.code() == "FORBIDDEN", refused.is_some(), "{role}: {}", reply.text);
            assert_eq!(told, refused, "{name} as {role}");
        }
    }
}

#[tokio::test]
async fn a_field_of_an_organization_tells_the_same() {
    let it = Cast::meet().await;
    let call = format!(
        "{{ organization(id: \"{}\") {{ invitations {{ totalCount }} }} }}",
        it.organization
    );
    for (user, code) in [(&it.member, Some("FORBIDDEN")), (&it.admin, None), (&it.owner, None)] {
        let fields = ["Organization.invitations", "Organization.members", "Query.invitations"];
        let code = code.map(str::to_owned);
        assert_eq!(codes_of(&it, user, &fields).await, [code.clone(), None, code.clone()]);
        assert_eq!(
            it.app.query(&call, &user.access).await.code(),
            code.as_deref().unwrap_or("NONE")
        );
    }
    // Of an organization that the call does not act in, too.
    let query = "query($id: ID!) { organization(id: $id) { viewerCan(fields: [\"Query.invitations\"]) { allowed } } }";
    let asked = json!({ "id": it.organization });
    let told = it.app.call(query, asked, Some(&it.owner.access)).await.data();
    assert_eq!(told["organization"]["viewerCan"][0]["allowed"], true);
}

#[tokio::test]
async fn a_field_without_a_rule_is_for_whoever_has_its_object() {
    let app = TestApp::start().await;
    for bearer in [None, bearer(&app, "user").await] {
        for (field, allowed) in [("User.email", true), ("User.sessions", bearer.is_some())] {
            assert_eq!(can(&app, field, bearer.as_deref()).await["allowed"], allowed, "{field}");
        }
    }
}

#[tokio::test]
async fn a_field_that_is_not_there_is_not_allowed() {
    let app = TestApp::start().await;
    for field in
        ["", "deleteUser", "Mutation.", ".me", "Query.mee", "query.me", "Role.ADMIN", "Query.me.id"]
    {
        let unknown = json!({ "allowed": false, "reason": null, "rule": null,
            "code": "GRAPHQL_VALIDATION_FAILED" });
        assert_eq!(can(&app, field, None).await, unknown, "{field}");
    }
}

/// What is asked beside is answered all the same.
#[tokio::test]
async fn too_many_fields_leave_the_viewer_and_the_organization_alone() {
    let it = Cast::meet().await;
    let query = "query($id: ID!, $fields: [String!]!) {
        organization(id: $id) { myRole viewerCan(fields: $fields) { allowed } }
        viewer { user { username } access(fields: $fields) { allowed } can(field: \"Query.mee\") { code } } }";
    let asked = json!({ "id": it.organization, "fields": vec!["Query.me"; 101] });
    let reply = it.app.call(query, asked, Some(&it.owner.access)).await;
    let told = &reply.json()["data"];
    assert_eq!(told["organization"], json!({ "myRole": "OWNER", "viewerCan": null }));
    assert_eq!(told["viewer"]["user"]["username"], it.owner.username);
    assert_eq!(told["viewer"]["access"], Value::Null);
    assert_eq!(told["viewer"]["can"]["code"], "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 2);
}

/// A front end asks once for a whole page of buttons.
#[tokio::test]
async fn many_fields_are_asked_about_at_once() {
    let app = TestApp::start().await;
    let user = app.register("alice").await;
    let query = "query($fields: [String!]!) { viewer { access(fields: $fields) { \
                 field allowed code reason rule } } }";
    let ask = async |fields: &[String]| {
        app.call(query, json!({ "fields": fields }), Some(&user.access)).await
    };

    let fields = defined(sdl());
    let names =
        |of: &str| fields[of].iter().map(|field| format!("{of}.{field}")).collect::<Vec<_>>();
    // In the order they are named, also if one is named again.
    let all = [names("Mutation"), names("Query"), vec!["Query.me".to_owned()]].concat();
    assert!(all.len() > 50, "{}", all.len());
    let reply = ask(&all).await;
    let access = reply.data()["viewer"]["access"].as_array().unwrap().clone();
    assert_eq!(access.len(), all.len());
    for (field, mut access) in all.iter().zip(access) {
        assert_eq!(access.as_object_mut().unwrap().remove("field"), Some(json!(field)));
        assert_eq!(access, can(&app, field, Some(&user.access)).await, "{field}");
    }
    assert_eq!(ask(&[]).await.data()["viewer"]["access"], json!([]));

    let mut fields = vec!["Query.me".to_owned(); 100];
    assert_eq!(ask(&fields).await.code(), "NONE");
    // A page that is newer than the server keeps its other buttons.
    fields[42] = "Query.mee".to_owned();
    let access = ask(&fields).await.data()["viewer"]["access"].clone();
    let unknown = json!({ "field": "Query.mee", "allowed": false, "reason": null, "rule": null,
        "code": "GRAPHQL_VALIDATION_FAILED" });
    assert_eq!((&access[42], &access[43]["allowed"]), (&unknown, &json!(true)));
    fields.push("Query.me".to_owned());
    let reply = ask(&fields).await;
    assert_eq!(reply.extension("fields")[0]["path"], "fields");
    assert_eq!(reply.extension("fields")[0]["code"], "TOO_LONG");
}

#[tokio::test]
async fn asking_is_no_attempt() {
    let app = TestApp::start().await;
    let user = app.register("alice").await;
    let before = app.audit_events().await;
    for field in ["Mutation.deleteUser", "Query.users", "Query.auditEvents"] {
        assert_eq!(can(&app, field, Some(&user.access)).await["allowed"], false);
    }
    app.app.write_refusals().await.unwrap();
    assert_eq!(app.audit_events().await, before);
}

#[tokio::test]
async fn a_viewer_is_whoever_calls() {
    let app = TestApp::start().await;
    let query = "{ viewer { user { username } permissions } }";
    let ask = async |bearer: Option<&str>| app.call(query, json!({}), bearer).await.data();
    let nobody = json!({ "viewer": { "user": null, "permissions": [] } });
    assert_eq!(ask(None).await, nobody);
    assert_eq!(ask(Some("e30.e30.AAAA")).await, nobody);
    let user = app.granted("alice", "AUDIT_READ").await;
    let boss = app.admin("boss").await;
    let alice = json!({ "user": { "username": "alice" }, "permissions": ["AUDIT_READ"] });
    assert_eq!(ask(Some(&user.access)).await["viewer"], alice);
    let all = ask(Some(&boss.access)).await["viewer"]["permissions"].as_array().unwrap().len();
    assert!(all > 1);
}

/// Without an id, an answer that asks for another part of them would replace what the cache has.
#[tokio::test]
async fn second_factors_have_an_id_of_their_own() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let id = async |user: &SignedIn| {
        let told = app.query("{ me { id secondFactors { id isOn } } }", &user.access).await.data();
        assert_ne!(told["me"]["secondFactors"]["id"], told["me"]["id"]);
        told["me"]["secondFactors"]["id"].clone()
    };
    assert_eq!(id(&alice).await, id(&alice).await);
    assert_ne!(id(&alice).await, id(&bob).await);
}

/// Without an id, Apollo's cache would replace all that it has of the viewer with each answer.
#[tokio::test]
async fn a_viewer_keeps_its_id_as_long_as_the_same_user_calls() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let id = async |bearer: Option<&str>| {
        app.call("{ viewer { id } }", json!({}), bearer).await.data()["viewer"]["id"].clone()
    };
    let again = app.login("alice", PASSWORD).await.data()["login"]["accessToken"].clone();
    assert_eq!(id(Some(&alice.access)).await, id(again.as_str()).await);
    assert_ne!(id(Some(&alice.access)).await, id(Some(&bob.access)).await);
    assert_eq!(id(None).await, "viewer");
    // It names no node, and not the account either.
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let found = app.call(node, json!({ "id": id(Some(&alice.access)).await }), Some(&alice.access));
    assert_eq!(found.await.data()["node"], Value::Null);
}
