//! Rules about what a call names: whose object it is, and whether the caller's rights cover those of whom it is about.
//! Each field of the schema that carries one is tried, and `viewerCan` tells before what the call answers.

use portcullis_testing::policy::{self, Field, Rule};
use serde_json::{Value, json};

use crate::authorization::{prepared, root_fields, sample};
use crate::support::organizations::Cast;
use crate::support::{SignedIn, TestApp, sdl};

/// Has an admin grant permissions to a user.
async fn granted(app: &TestApp, boss: &SignedIn, name: &str, permissions: &[&str]) -> SignedIn {
    let user = app.register(name).await;
    for permission in permissions {
        let grant = format!(
            "grantPermission(input: {{ id: \"{}\", permission: {permission} }}) {{ user {{ id }} }}",
            user.id
        );
        app.mutate(boss, &grant).await.data();
    }
    user
}

/// What `viewerCan` tells of one field: whether it is allowed, the code and the rule.
fn told(access: &Value) -> (bool, Option<String>, Option<String>) {
    let text = |name: &str| access[name].as_str().map(str::to_owned);
    (access["allowed"] == true, text("code"), text("rule"))
}

#[tokio::test]
async fn an_object_of_another_does_not_exist_for_whoever_names_it() {
    let owned = root_fields().into_iter().filter(Field::is_for_owner);
    let mut names = Vec::new();
    for field in owned {
        let opening = field.opened_by();
        for caller in ["stranger", "peer", "holder", "owner"] {
            let app = TestApp::start().await;
            let (boss, target) = (app.admin("boss").await, app.register("target").await);
            let call = prepared(&app, &field.name, &target, &boss).await;
            let user = match (caller, &opening) {
                ("owner", _) => boss,
                ("stranger", _) => app.register("stranger").await,
                ("peer", _) => app.admin("peer").await,
                (_, Some(permission)) => app.granted("holder", permission).await,
                (_, None) => app.granted("holder", "USERS_WRITE").await,
            };
            // An admin holds every permission.
            let is_open = caller == "owner" || (opening.is_some() && caller != "stranger");
            let reply = app.mutate(&user, &call).await;
            let code = if is_open { "NONE" } else { "NOT_FOUND" };
            assert_eq!(reply.code(), code, "{} as {caller}: {}", field.name, reply.text);
        }
        names.push(field.name);
    }
    names.sort();
    assert_eq!(
        names,
        [
            "deletePasskey",
            "deleteTask",
            "renamePasskey",
            "revokeSession",
            "unlinkIdentity",
            "updateTask"
        ]
    );
}

#[tokio::test]
async fn what_a_user_shows_to_its_owner_alone_is_refused_to_all_who_see_the_user() {
    let it = Cast::meet().await;
    let (app, alice) = (&it.app, &it.member);
    let boss = app.admin("boss").await;
    let fields: Vec<_> = policy::fields_of(sdl(), "User");
    let fields: Vec<_> = fields.into_iter().filter(Field::is_for_owner).collect();
    assert_eq!(fields.len(), 10, "fields of a user for its owner alone");
    for field in fields {
        for (user, is_owner) in [(alice, true), (&it.owner, false), (&boss, false)] {
            let query = format!(
                "{{ node(id: \"{}\") {{ ... on User {{ {} viewerCan(fields: [\"User.{}\"]) {{ allowed code rule }} }} }} }}",
                alice.id,
                field.call(sdl()),
                field.name
            );
            let reply = app.query(&query, &user.access).await;
            let code = if is_owner { "NONE" } else { "FORBIDDEN" };
            assert_eq!(reply.code(), code, "{}: {}", field.name, reply.text);
            let rule = (!is_owner).then_some("@owner");
            assert_eq!(reply.extension("rule").as_str(), rule, "{}", reply.text);
            let can = told(&reply.json()["data"]["node"]["viewerCan"][0]);
            let refused = (!is_owner).then(|| "FORBIDDEN".to_owned());
            assert_eq!(can, (is_owner, refused, rule.map(str::to_owned)), "{}", field.name);
        }
    }
}

/// The fields about an account whose rights the caller's must cover.
fn about_accounts() -> Vec<Field> {
    let is_about_one = |field: &Field| {
        let names_one = !["inviteUser", "revokeUserInvitation"].contains(&field.name.as_str());
        field.covers() && field.member().is_none() && names_one
    };
    root_fields().into_iter().filter(is_about_one).collect()
}

#[tokio::test]
async fn a_user_tells_whoever_may_change_accounts_what_a_call_is_answered_with() {
    let fields = about_accounts();
    assert_eq!(fields.len(), 9, "fields about an account");
    let (mut allowed, mut refused) = (0, 0);
    for field in fields {
        for caller in ["less", "as much", "admin"] {
            let app = TestApp::start().await;
            let boss = app.admin("boss").await;
            let user = match (caller, &field.rules[..]) {
                ("less", [Rule::Permission(needed)]) => {
                    granted(&app, &boss, "caller", &["USERS_READ", needed]).await
                }
                ("as much", [Rule::Permission(needed)]) => {
                    granted(&app, &boss, "caller", &["USERS_READ", "AUDIT_READ", needed]).await
                }
                ("admin", _) => app.admin("caller").await,
                // The role that the field asks for cannot be granted.
                _ => continue,
            };
            let targets = [
                ("user", app.register("other").await),
                ("auditor", granted(&app, &boss, "auditor", &["AUDIT_READ"]).await),
                ("admin", app.admin("peer").await),
                ("oneself", user.clone()),
            ];
            for (kind, target) in targets {
                let is_allowed = is_told_truly(&app, &field, &user, &target).await;
                let is_more = match kind {
                    "auditor" => caller == "less",
                    "admin" => caller != "admin",
                    "oneself" => field.name == "resetSecondFactors",
                    _ => false,
                };
                assert_eq!(is_allowed, !is_more, "{} of {kind} by {caller}", field.name);
                *(if is_allowed { &mut allowed } else { &mut refused }) += 1;
            }
        }
    }
    assert!(allowed > 30 && refused > 20, "{allowed} allowed, {refused} refused");
}

/// Asks a user whether a caller may use a field for them, has the caller use it, and returns what was told.
async fn is_told_truly(app: &TestApp, field: &Field, caller: &SignedIn, target: &SignedIn) -> bool {
    let ask = format!(
        "{{ user(id: \"{}\") {{ viewerCan(fields: [\"Mutation.{}\"]) {{ allowed code rule }} }} }}",
        target.id, field.name
    );
    let asked = app.query(&ask, &caller.access).await.data();
    let (is_allowed, code, rule) = told(&asked["user"]["viewerCan"][0]);
    let reply = app.mutate(caller, &sample(&field.name, target)).await;
    assert_eq!(is_allowed, reply.code() != "FORBIDDEN", "{}: {}", field.name, reply.text);
    assert_eq!(rule.as_deref(), reply.extension("rule").as_str(), "{}: {}", field.name, reply.text);
    assert_eq!(code.is_some(), !is_allowed, "{}", field.name);
    is_allowed
}

/// Whoever does not see the permissions of a user learns from `viewerCan` no more than a call tells.
#[tokio::test]
async fn a_user_tells_callers_without_the_permission_only_that_they_lack_it() {
    let it = Cast::meet().await;
    let ask = format!(
        "{{ node(id: \"{}\") {{ ... on User {{ viewerCan(fields: [\"Mutation.deactivateUser\"]) {{ allowed code rule }} }} }} }}",
        it.owner.id
    );
    let asked = it.app.query(&ask, &it.member.access).await.data();
    let missing =
        json!({ "allowed": false, "code": "FORBIDDEN", "rule": "@auth(permission: USERS_WRITE)" });
    assert_eq!(asked["node"]["viewerCan"][0], missing);
}

#[tokio::test]
async fn a_member_tells_each_other_member_what_a_call_is_answered_with() {
    let about = |field: &Field| field.covers() && field.member().is_some();
    let fields: Vec<_> = root_fields().into_iter().filter(about).collect();
    let fields = fields.into_iter().filter(|field| field.name != "inviteMember");
    let mut count = 0;
    for field in fields {
        for caller in 0..3 {
            for target in 0..3 {
                let it = Cast::meet().await;
                let people = [&it.member, &it.admin, &it.owner];
                let (user, target) = (people[caller], people[target]);
                let ask = format!(
                    "{{ organization(id: \"{}\") {{ members {{ nodes {{ user {{ id }} viewerCan(fields: [\"Mutation.{}\"]) {{ allowed code rule }} }} }} }} }}",
                    it.organization, field.name
                );
                let asked = it.app.query(&ask, &user.access).await.data();
                let members = asked["organization"]["members"]["nodes"].as_array().unwrap();
                let member =
                    members.iter().find(|member| member["user"]["id"] == target.id).unwrap();
                let (is_allowed, _, rule) = told(&member["viewerCan"][0]);
                let call = sample(&field.name, target).replacen(&target.id, &it.organization, 1);
                let reply = it.app.mutate(user, &call).await;
                let about = format!("{} by {}: {}", field.name, user.username, reply.text);
                assert_eq!(is_allowed, reply.code() != "FORBIDDEN", "{about}");
                assert_eq!(rule.as_deref(), reply.extension("rule").as_str(), "{about}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 18);
}
