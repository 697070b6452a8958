//! Organizations: who may do what to whom, how people join and leave, and where a session acts.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::organizations::{
    Cast, act_in, found_organization, invite, invite_member, join_organization, remove, set_role,
};
use crate::support::{GRACE, PASSWORD, Reply, SECOND, SignedIn, TestApp, call, sdl};

const NOBODY: &str = "organization_01890000-0000-7000-8000-000000000000";

/// What an access token says.
fn claims(access: &str) -> Value {
    let payload = access.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn switch_to(organization: &str) -> String {
    format!(
        "switchOrganization(input: {{ id: \"{organization}\" }}) {{ accessToken refreshToken }}"
    )
}

fn transfer(organization: &str, user: &SignedIn) -> String {
    format!(
        "transferOwnership(input: {{ organizationId: \"{organization}\", userId: \"{}\" }}) {{ \
         organization {{ myRole }} membership {{ role user {{ username email }} }} \
         ownMembership {{ role user {{ username }} organization {{ myRole }} }} }}",
        user.id
    )
}

#[tokio::test]
async fn an_organization_is_made_joined_listed_and_deleted() {
    let it = Cast::meet().await;
    let query = format!(
        "{{ organization(id: \"{}\") {{ name myRole members {{ totalCount edges {{ node {{ role \
         user {{ username fullName }} organization {{ name }} }} }} }} }} \
         myOrganizations {{ totalCount edges {{ node {{ id }} }} }} }}",
        it.organization
    );
    let seen = it.app.query(&query, &it.member.access).await.data();
    assert_eq!(seen["organization"]["name"], "Acme");
    assert_eq!(seen["organization"]["myRole"], "MEMBER");
    let members = &seen["organization"]["members"];
    assert_eq!(members["totalCount"], 3);
    let of = |role: &str, name: &str| {
        json!({ "node": { "role": role, "user": { "username": name, "fullName": null },
                "organization": { "name": "Acme" } } })
    };
    let expected = [of("OWNER", "olivia"), of("ADMIN", "adam"), of("MEMBER", "member")];
    assert_eq!(members["edges"], json!(expected));
    assert_eq!(seen["myOrganizations"]["edges"][0]["node"]["id"], it.organization.as_str());

    let rename = |name: &str| {
        format!(
            "updateOrganization(input: {{ id: \"{}\", name: \"{name}\" }}) {{ organization {{ name }} }}",
            it.organization
        )
    };
    let renamed = it.app.mutate(&it.admin, &rename("  Acme &\u{301} Sons ")).await.data();
    assert_eq!(renamed["updateOrganization"]["organization"]["name"], "Acme &\u{301} Sons");
    for wrong in [String::new(), "a\\nb".to_owned(), "x".repeat(101)] {
        let call = rename("NAME").replace("NAME", &wrong);
        let reply = it.app.mutate(&it.admin, &call).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{wrong}");
        assert_eq!(reply.extension("fields")[0]["path"], "input.name");
    }
    for reserved in ["Acme Support", "Sеcurity", "localhost", "The Admins"] {
        let create = format!(
            "createOrganization(input: {{ name: \"{reserved}\" }}) {{ organization {{ id }} }}"
        );
        for call in [create, rename(reserved)] {
            let reply = it.app.mutate(&it.admin, &call).await;
            let field = &reply.extension("fields")[0];
            let expected = (&json!("input.name"), &json!("RESERVED"));
            assert_eq!((&field["path"], &field["code"]), expected, "{reserved}");
        }
    }
    it.app
        .mutate(
            &it.owner,
            &format!(
                "deleteOrganization(input: {{ id: \"{}\" }}) {{ deletedOrganizationId }}",
                it.organization
            ),
        )
        .await
        .data();
    let gone = it.app.query(&query, &it.member.access).await.data();
    assert_eq!(gone["organization"], json!(null));
    assert_eq!(it.app.count("memberships").await + it.app.count("invitations").await, 0);
}

#[tokio::test]
async fn an_access_token_cannot_be_exchanged_for_one_that_lives_longer() {
    let it = Cast::meet().await;
    let first = claims(&it.member.access)["exp"].as_i64().unwrap();
    let mut stolen = it.member.access.clone();
    for _ in 0..3 {
        it.app.clock.advance(Duration::from_mins(4));
        let call = "mutation { switchOrganization(input: { id: null }) { accessToken expiresIn } }";
        let reply = it.app.query(call, &stolen).await.data();
        let switched = &reply["switchOrganization"];
        assert_eq!(switched["expiresIn"], first - it.app.clock.now().timestamp());
        stolen = switched["accessToken"].as_str().unwrap().to_owned();
        assert_eq!(claims(&stolen)["exp"], first);
    }
    it.app.clock.advance(Duration::from_mins(4));
    let reply = it.app.query("{ me { id } }", &stolen).await;
    assert_eq!(reply.extension("reason"), "TOKEN_EXPIRED");

    // The refresh token is what a session goes on with.
    let refreshed = it.app.refresh(&it.member.refresh).await.data();
    assert_eq!(refreshed["refreshToken"]["expiresIn"], 15 * 60);
}

#[tokio::test]
async fn to_a_stranger_an_organization_does_not_exist() {
    let it = Cast::meet().await;
    let pending = invite_member(&it.app, &it.owner, &it.organization, &it.stranger, "MEMBER").await;
    for id in [it.organization.as_str(), NOBODY, "nonsense"] {
        let invitation = if id == it.organization { pending.as_str() } else { id };
        for call in [
            format!(
                "updateOrganization(input: {{ id: \"{id}\", name: \"Other\" }}) {{ organization {{ id }} }}"
            ),
            format!("deleteOrganization(input: {{ id: \"{id}\" }}) {{ deletedOrganizationId }}"),
            format!("leaveOrganization(input: {{ id: \"{id}\" }}) {{ deletedMembershipId }}"),
            invite(id, "guest@example.com", "MEMBER"),
            format!(
                "revokeInvitation(input: {{ id: \"{invitation}\" }}) {{ deletedInvitationId }}"
            ),
            set_role(id, &it.member, "ADMIN"),
            set_role(id, &it.stranger, "OWNER"),
            remove(id, &it.member),
            transfer(id, &it.stranger),
            switch_to(id),
        ] {
            assert_eq!(it.code(&it.stranger, &call).await, "NOT_FOUND", "{call}");
        }
        let query = format!("{{ organization(id: \"{id}\") {{ id }} }}");
        let seen = it.app.query(&query, &it.stranger.access).await.data();
        assert_eq!(seen["organization"], json!(null), "{id}");
    }
    let none = it.app.query("{ myOrganizations { totalCount } }", &it.stranger.access).await;
    assert_eq!(none.data()["myOrganizations"]["totalCount"], 0);
    assert_eq!(it.app.count("memberships").await, 3);
}

#[tokio::test]
async fn a_transfer_tells_both_memberships_as_they_are_now() {
    let it = Cast::meet().await;
    let of = |owner: Value, own: Value| {
        json!({
            "organization": { "myRole": own["role"] },
            "membership": owner,
            "ownMembership": { "role": own["role"], "user": own["user"],
                "organization": { "myRole": own["role"] } },
        })
    };
    let moved = async |to: &SignedIn| {
        let told = it.app.mutate(&it.owner, &transfer(&it.organization, to)).await.data();
        told["transferOwnership"].clone()
    };
    let olivia = json!({ "username": "olivia", "email": "olivia@example.com" });
    let own = |role: &str| json!({ "role": role, "user": { "username": "olivia" } });
    let kept = of(json!({ "role": "OWNER", "user": olivia }), own("OWNER"));
    assert_eq!(moved(&it.owner).await, kept, "to oneself");
    // Of a fellow member, the caller sees the names only.
    let member = json!({ "username": "member", "email": null });
    let given = of(json!({ "role": "OWNER", "user": member }), own("ADMIN"));
    assert_eq!(moved(&it.member).await, given);
}

#[tokio::test]
async fn what_a_member_may_do_follows_from_their_role() {
    let it = Cast::meet().await;
    let id = it.organization.as_str();
    let second = it.app.register("second").await;
    join_organization(&it.app, &it.owner, id, &second, "OWNER").await;
    let update = format!(
        "updateOrganization(input: {{ id: \"{id}\", name: \"Other\" }}) {{ organization {{ id }} }}"
    );
    let refused = "FORBIDDEN";
    for (call, member, admin) in [
        (update, refused, "NONE"),
        (invite(id, "guest@example.com", "MEMBER"), refused, "NONE"),
        (invite(id, "guest@example.com", "OWNER"), refused, refused),
        (set_role(id, &it.member, "MEMBER"), refused, "NONE"),
        (set_role(id, &it.member, "OWNER"), refused, refused),
        (set_role(id, &second, "MEMBER"), refused, refused),
        (set_role(id, &second, "OWNER"), refused, refused),
        (remove(id, &second), refused, refused),
        (transfer(id, &it.member), refused, refused),
        (
            format!("deleteOrganization(input: {{ id: \"{id}\" }}) {{ deletedOrganizationId }}"),
            refused,
            refused,
        ),
    ] {
        assert_eq!(it.code(&it.member, &call).await, member, "member: {call}");
        assert_eq!(it.code(&it.admin, &call).await, admin, "admin: {call}");
    }
    let query = format!(
        "{{ organization(id: \"{id}\") {{ invitations {{ totalCount edges {{ node {{ email role }} }} }} }} }}"
    );
    assert_eq!(it.app.query(&query, &it.member.access).await.code(), refused);
    let seen = it.app.query(&query, &it.admin.access).await.data();
    let pending = &seen["organization"]["invitations"];
    assert_eq!(
        pending["edges"],
        json!([{ "node": { "email": "guest@example.com", "role": "MEMBER" } }])
    );

    // Owners may do all of it, as long as one stays.
    assert_eq!(it.code(&it.owner, &set_role(id, &second, "MEMBER")).await, "NONE");
    for last in [
        set_role(id, &it.owner, "ADMIN"),
        remove(id, &it.owner),
        format!("leaveOrganization(input: {{ id: \"{id}\" }}) {{ deletedMembershipId }}"),
    ] {
        assert_eq!(it.code(&it.owner, &last).await, "CONFLICT", "{last}");
    }
    let moved = it.app.mutate(&it.owner, &transfer(id, &it.member)).await.data();
    assert_eq!(moved["transferOwnership"]["organization"]["myRole"], "ADMIN");
    assert_eq!(
        it.code(
            &it.owner,
            &format!("deleteOrganization(input: {{ id: \"{id}\" }}) {{ deletedOrganizationId }}")
        )
        .await,
        refused
    );
    assert_eq!(
        it.code(
            &it.owner,
            &format!("leaveOrganization(input: {{ id: \"{id}\" }}) {{ deletedMembershipId }}")
        )
        .await,
        "NONE"
    );
    assert_eq!(it.code(&it.member, &remove(id, &it.owner)).await, "NOT_FOUND");
    assert_eq!(it.app.count("memberships WHERE role = 'OWNER'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_owners_who_leave_at_once_one_stays() {
    let app = Arc::new(TestApp::start().await);
    let second = app.second_instance().await;
    let (one, two) = (app.register("one").await, app.register("two").await);
    for _ in 0..10 {
        let id = found_organization(&app, &one).await;
        join_organization(&app, &one, &id, &two, "OWNER").await;
        let leave = format!(
            "mutation {{ leaveOrganization(input: {{ id: \"{id}\" }}) {{ deletedMembershipId }} }}"
        );
        let here = {
            let (app, leave, bearer) = (Arc::clone(&app), leave.clone(), one.access.clone());
            tokio::spawn(async move { app.query(&leave, &bearer).await.code() })
        };
        let there = {
            let (second, bearer) = (second.clone(), two.access.clone());
            tokio::spawn(
                async move { call(&second, &leave, json!({}), Some(&bearer)).await.code() },
            )
        };
        let mut codes = [here.await.unwrap(), there.await.unwrap()];
        codes.sort();
        assert_eq!(codes, ["CONFLICT", "NONE"]);
        assert_eq!(app.count("memberships WHERE role = 'OWNER'").await, 1);
        app.sql("DELETE FROM organizations").await;
    }
}

#[tokio::test]
async fn a_session_acts_where_its_user_says_and_the_token_tells() {
    let it = Cast::meet().await;
    let plain = claims(&it.admin.access);
    let names: Vec<_> = plain.as_object().unwrap().keys().map(String::as_str).collect();
    let about_nobody = [
        "acr",
        "amr",
        "aud",
        "auth_time",
        "client_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "nbf",
        "permissions",
        "role",
        "sid",
        "sub",
    ];
    assert_eq!(names, about_nobody);
    assert!(plain.get("org").is_none() && plain.get("org_role").is_none());
    let began = "{ me { sessions { edges { node { id createdAt } } } } activeOrganization { id } }";
    let before = it.app.query(began, &it.admin.access).await.data();
    assert_eq!(before["activeOrganization"], json!(null));

    it.app.clock.advance(Duration::from_mins(2));
    let switched = it.app.mutate(&it.admin, &switch_to(&it.organization)).await.data();
    assert_eq!(switched["switchOrganization"]["refreshToken"], json!(null), "the old one goes on");
    let access = switched["switchOrganization"]["accessToken"].as_str().unwrap();
    let says = |access: &str| {
        let claims = claims(access);
        (claims["org"].clone(), claims["org_role"].clone(), claims["sid"].clone())
    };
    let expected = (json!(it.organization), json!("ADMIN"), plain["sid"].clone());
    assert_eq!(says(access), expected);
    let after = it.app.query(began, access).await.data();
    assert_eq!(after["me"], before["me"], "the same session");
    assert_eq!(after["activeOrganization"]["id"], it.organization.as_str());
    // What was issued before acts where it did: what counts is the call.
    let pending = "{ invitations { totalCount } }";
    assert_eq!(it.app.query(pending, access).await.code(), "NONE");
    assert_eq!(it.app.query(pending, &it.admin.access).await.code(), "FORBIDDEN");
    let before = it.app.query(began, &it.admin.access).await.data();
    assert_eq!(before["activeOrganization"], json!(null));

    let refreshed = refreshed_for(&it.app, &it.admin, &it.organization).await;
    assert_eq!(says(&refreshed.access), expected);
    let plain_again = it.app.refresh(&refreshed.refresh).await.data()["refreshToken"].clone();
    assert!(claims(plain_again["accessToken"].as_str().unwrap()).get("org").is_none());
    it.app.clock.advance(Duration::from_mins(4));
    let stale = format!(
        "deleteOrganization(input: {{ id: \"{}\" }}) {{ deletedOrganizationId }}",
        it.organization
    );
    let renewed = SignedIn { access: access.to_owned(), ..it.admin.clone() };
    assert_eq!(it.code(&renewed, &stale).await, "STEP_UP_REQUIRED", "switching proves nothing");

    let none = it.app.mutate(&renewed, "switchOrganization { accessToken }").await.data();
    let access = none["switchOrganization"]["accessToken"].as_str().unwrap();
    assert!(claims(access).get("org").is_none());
    assert_eq!(it.app.query(pending, access).await.code(), "FORBIDDEN");
}

/// The next pair, whose access token acts in an organization.
async fn refreshed_for(app: &TestApp, user: &SignedIn, organization: &str) -> SignedIn {
    let reply = refresh_for(app, user, organization).await;
    reply.signed_in("refreshToken")
}

async fn refresh_for(app: &TestApp, user: &SignedIn, organization: &str) -> Reply {
    let query = "mutation($token: String, $id: ID) { refreshToken(input: { refreshToken: $token, \
                 organizationId: $id }) { accessToken refreshToken user { id username } } }";
    app.call(query, json!({ "token": user.refresh, "id": organization }), None).await
}

#[tokio::test]
async fn a_lower_role_and_a_removal_count_on_the_next_request() {
    let it = Cast::meet().await;
    let id = it.organization.as_str();
    let pending = "{ invitations { totalCount } }";
    let there = act_in(&it.app, &it.admin, id).await;
    assert_eq!(it.app.query(pending, &there.access).await.code(), "NONE");
    it.app.mutate(&it.owner, &set_role(id, &it.admin, "MEMBER")).await.data();
    assert_eq!(it.app.query(pending, &there.access).await.code(), "FORBIDDEN");
    it.app.mutate(&it.owner, &set_role(id, &it.admin, "ADMIN")).await.data();
    assert_eq!(it.app.query(pending, &there.access).await.code(), "NONE");

    it.app.mutate(&it.owner, &remove(id, &it.admin)).await.data();
    // Never as if no organization were named: a task would be made elsewhere.
    for call in [
        pending,
        "{ me { id } }",
        "mutation { createTask(input: { title: \"T\" }) { task { id } } }",
    ] {
        let refused = it.app.query(call, &there.access).await;
        assert_eq!(
            (refused.code(), refused.extension("reason")),
            ("FORBIDDEN".into(), "NOT_A_MEMBER".into())
        );
    }
    assert_eq!(it.app.query("{ me { id } }", &it.admin.access).await.code(), "NONE");
    it.app.clock.advance(GRACE + SECOND);
    for unknown in [id, NOBODY, "nonsense"] {
        let refused = refresh_for(&it.app, &it.admin, unknown).await;
        assert_eq!(
            (refused.code(), refused.extension("reason")),
            ("FORBIDDEN".into(), "NOT_A_MEMBER".into())
        );
    }
    assert_eq!(
        it.app.count("sessions WHERE generation > 1").await,
        0,
        "what is refused replaces nothing"
    );
    // A replay is one wherever it is to act.
    let thief = it.app.again(&it.stranger.username).await;
    it.app.clock.advance(GRACE + SECOND);
    it.app.refresh(&thief.refresh).await.data();
    it.app.clock.advance(GRACE + SECOND * 6);
    assert_eq!(refresh_for(&it.app, &thief, id).await.code(), "INVALID_TOKEN");
    assert!(it.app.audit_events().await.contains(&"REFRESH_REUSED".to_owned()));
    join_organization(&it.app, &it.owner, id, &it.admin, "ADMIN").await;
    let back = refreshed_for(&it.app, &it.admin, id).await;
    assert_eq!(it.app.query(pending, &back.access).await.code(), "NONE");
}

#[tokio::test]
async fn two_tabs_of_one_session_act_where_each_says() {
    let it = Cast::meet().await;
    let own = found_organization(&it.app, &it.admin).await;
    let first = act_in(&it.app, &it.admin, &it.organization).await;
    let second = act_in(&it.app, &it.admin, &own).await;
    let create = "createTask(input: { title: \"T\" }) { task { organization { id } } }";
    for (tab, organization) in
        [(&first, &it.organization), (&second, &own), (&first, &it.organization)]
    {
        let made = it.app.mutate(tab, create).await.data();
        assert_eq!(made["createTask"]["task"]["organization"]["id"], json!(organization));
    }
    // What is deleted is nowhere to be any more.
    it.app
        .mutate(
            &it.admin,
            &format!("deleteOrganization(input: {{ id: \"{own}\" }}) {{ deletedOrganizationId }}"),
        )
        .await
        .data();
    let gone = it.app.query("{ activeOrganization { id } }", &second.access).await;
    assert_eq!(
        (gone.code(), gone.extension("reason")),
        ("FORBIDDEN".into(), "NOT_A_MEMBER".into())
    );
}

#[tokio::test]
async fn a_deleted_account_leaves_no_organization_without_an_owner() {
    let it = Cast::meet().await;
    let own = found_organization(&it.app, &it.owner).await;
    let boss = it.app.admin("boss").await;
    let delete = format!("deleteUser(input: {{ id: \"{}\" }}) {{ deletedUserId }}", it.owner.id);
    assert_eq!(it.code(&it.owner, "deleteAccount { deletedUserId }").await, "CONFLICT");
    assert_eq!(it.app.count("organizations").await, 2);

    // Others may delete them: then the admin of the organization is its owner.
    it.app.mutate(&boss, &delete).await.data();
    let role = format!("{{ organization(id: \"{}\") {{ myRole }} }}", it.organization);
    let role = it.app.query(&role, &it.admin.access).await.data();
    assert_eq!(role["organization"]["myRole"], "OWNER");
    assert_eq!(it.app.count("organizations").await, 1, "what had no other member goes too");
    assert_eq!(it.app.count("memberships").await, 2);
    assert_eq!(it.app.count("audit_events WHERE kind = 'ORGANIZATION_DELETED'").await, 1, "{own}");
    // A member may always go, also where nobody is left who may sign in.
    let shut = format!("deactivateUser(input: {{ id: \"{}\" }}) {{ user {{ id }} }}", it.admin.id);
    it.app.mutate(&boss, &shut).await.data();
    assert_eq!(it.code(&it.member, "deleteAccount { deletedUserId }").await, "NONE");
}

#[tokio::test]
async fn nobody_inherits_an_organization_by_deleting_its_owner() {
    let it = Cast::meet().await;
    let promote = "UPDATE users SET role = 'ADMIN' WHERE username_key IN ('adam', 'stranger')";
    it.app.sql(promote).await;
    let adam = it.app.login("adam", PASSWORD).await.signed_in("login");
    let delete = |user: &SignedIn| {
        format!("deleteUser(input: {{ id: \"{}\" }}) {{ deletedUserId }}", user.id)
    };
    it.app.mutate(&adam, &delete(&it.owner)).await.data();
    let query = format!("{{ organization(id: \"{}\") {{ myRole }} }}", it.organization);
    let role = async |user: &SignedIn| {
        it.app.query(&query, &user.access).await.data()["organization"]["myRole"].clone()
    };
    assert_eq!(role(&adam).await, "ADMIN");
    assert_eq!(role(&it.member).await, "OWNER");

    // Now there is nobody else who could have it.
    assert_eq!(it.app.mutate(&adam, &delete(&it.member)).await.code(), "CONFLICT");
    assert_eq!(role(&it.member).await, "OWNER");
    let stranger = it.app.login("stranger", PASSWORD).await.signed_in("login");
    it.app.mutate(&stranger, &delete(&it.member)).await.data();
    assert_eq!(role(&adam).await, "OWNER");
}

#[tokio::test]
async fn members_come_in_pages_and_show_no_more_than_their_names() {
    let it = Cast::meet().await;
    let page = |arguments: &str| {
        format!(
            "{{ organization(id: \"{}\") {{ members({arguments}) {{ edges {{ node {{ user {{ \
             username }} }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} \
             }} }} }}",
            it.organization
        )
    };
    let names = |members: &Value| {
        let edges = members["edges"].as_array().unwrap().iter();
        edges.map(|edge| edge["node"]["user"]["username"].clone()).collect::<Vec<_>>()
    };
    let read = async |arguments: &str| {
        let seen = it.app.query(&page(arguments), &it.member.access).await.data();
        seen["organization"]["members"].clone()
    };
    let first = read("first: 2").await;
    assert_eq!(names(&first), ["olivia", "adam"]);
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    assert_eq!(first["pageInfo"]["hasPreviousPage"], false);
    let rest = read(&format!("first: 2, after: {}", first["pageInfo"]["endCursor"])).await;
    assert_eq!(names(&rest), ["member"]);
    assert_eq!(rest["pageInfo"]["hasNextPage"], false);
    assert_eq!(rest["pageInfo"]["hasPreviousPage"], true);
    let last = read("last: 2").await;
    assert_eq!(names(&last), ["adam", "member"]);
    assert_eq!(last["pageInfo"]["hasPreviousPage"], true);
    let before = read(&format!("last: 2, before: {}", last["pageInfo"]["startCursor"])).await;
    assert_eq!(names(&before), ["olivia"]);
    assert_eq!(before["pageInfo"]["hasPreviousPage"], false);
    assert_eq!(before["pageInfo"]["hasNextPage"], true);
    // Nobody is there any more after whom, or before whom, anything could stand.
    it.app.mutate(&it.owner, &remove(&it.organization, &it.admin)).await.data();
    let alone = read(&format!("last: 2, before: {}", first["pageInfo"]["startCursor"])).await;
    assert_eq!(names(&alone), [] as [&str; 0]);
    assert_eq!(alone["pageInfo"]["hasNextPage"], true, "the one that the cursor names");
    assert_eq!(names(&read("first: 0").await), [] as [&str; 0]);
    for wrong in ["first: 101", "last: -1", "after: \"nonsense\"", "first: 1, last: 1"] {
        let reply = it.app.query(&page(wrong), &it.member.access).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{wrong}");
    }
    let sessions = page("first: 2").replace("username", "sessions { totalCount }");
    assert_eq!(it.app.query(&sessions, &it.owner.access).await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn the_export_names_the_organizations_of_its_owner() {
    let it = Cast::meet().await;
    let exported = it.app.export(&it.member).await;
    let organizations = &exported["organizations"];
    assert_eq!(organizations[0]["id"], it.organization.as_str());
    assert_eq!(organizations[0]["role"], "MEMBER");
}

/// What is asked of a user, and which of it others do not see.
fn of_user() -> (String, Vec<String>) {
    let user = sdl().split("\ntype User ").nth(1).unwrap().split("\n}").next().unwrap();
    let fields = user.lines().filter_map(|line| line.strip_prefix('\t')?.split_once(": "));
    let is_name = |name: &str| name.chars().all(|letter| letter.is_ascii_alphabetic());
    let fields: Vec<_> = fields.filter(|(name, _)| is_name(name)).collect();
    let asked = |(name, of): &(&str, &str)| match of.contains("PermissionGrant") {
        true => format!("{name} {{ permission }}"),
        false => (*name).to_owned(),
    };
    let is_open = |(_, of): &&(&str, &str)| !of.contains(" @auth");
    let asked: Vec<_> = fields.iter().filter(is_open).map(asked).collect();
    let private = fields.iter().filter(|(_, of)| of.contains(" @private(permission: USERS_READ)"));
    (asked.join(" "), private.map(|(name, _)| (*name).to_owned()).collect())
}

/// Normalized caches keep one object for each id: what a caller sees of it must not depend on the way to it.
#[tokio::test]
async fn a_user_is_the_same_object_by_every_way_to_them_and_tells_others_its_names_alone() {
    let it = Cast::meet().await;
    let reader = it.app.granted("reader", "USERS_READ").await;
    join_organization(&it.app, &it.owner, &it.organization, &reader, "MEMBER").await;
    let (asked, private) = of_user();
    assert_eq!(private.len(), 10, "{private:?}");
    let query = format!(
        "query($id: ID!, $ids: [ID!]!) {{ me {{ id }} nodes(ids: $ids) {{ ... on User {{ {asked} }} }} \
         organization(id: $id) {{ members {{ nodes {{ id user {{ {asked} }} }} }} }} }}"
    );
    let all = [&it.owner, &it.admin, &it.member, &reader];
    let ids: Vec<_> = all.iter().map(|user| &user.id).collect();
    for caller in all {
        let variables = json!({ "id": it.organization, "ids": ids });
        let seen = it.app.call(&query, variables, Some(&caller.access)).await.data();
        let members = seen["organization"]["members"]["nodes"].as_array().unwrap();
        for (user, one) in all.iter().zip(seen["nodes"].as_array().unwrap()) {
            let member = members.iter().find(|member| member["user"]["id"] == user.id.as_str());
            let member = member.unwrap();
            assert_eq!(member["user"], *one, "as {}", caller.username);
            let node = format!(
                "{{ node(id: {}) {{ ... on Membership {{ user {{ {asked} }} }} }} }}",
                member["id"]
            );
            let node = it.app.query(&node, &caller.access).await.data();
            assert_eq!(node["node"]["user"], *one, "as {}", caller.username);
            assert_eq!(one["username"], user.username.as_str());
            let sees_all = caller.id == user.id || caller.id == reader.id;
            for field in &private {
                assert_eq!(
                    one[field].is_null(),
                    !sees_all,
                    "{field} as {}: {one}",
                    caller.username
                );
            }
        }
    }
    let set =
        set_role(&it.organization, &it.member, "ADMIN").replace("{ role }", "{ user { email } }");
    let set = it.app.mutate(&it.owner, &set).await.data();
    assert_eq!(set["setMemberRole"]["membership"]["user"]["email"], json!(null));
}
