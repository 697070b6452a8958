//! Who sees what of whom: on every path to an object, and in random worlds of organizations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::pending::invite_user;
use crate::support::organizations::{act_in, found_organization, invite_member, join_organization};
use crate::support::sdl;
use crate::support::{SignedIn, TestApp};

/// The fields below the roots that carry a rule, as `Type.field`.
fn guarded_object_fields() -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for definition in portcullis::schema::parse_sdl(sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let of = definition.node.name.node.to_string();
        let TypeKind::Object(object) = definition.node.kind else { continue };
        for field in object.fields {
            let is_guarded = field.node.directives.iter().any(|one| one.node.name.node == "auth");
            let is_root = ["Query", "Mutation", "Subscription"].contains(&of.as_str());
            if is_guarded && !is_root {
                fields.push((of.clone(), field.node.name.node.to_string()));
            }
        }
    }
    fields
}

const CALLERS: [&str; 10] = [
    "anonymous",
    "expired",
    "deactivated",
    "self",
    "other user",
    "member",
    "organization admin",
    "member of another",
    "support",
    "admin",
];

/// What a caller is answered who asks for a field of the target, or of the target's organization.
fn expected(of: &str, field: &str, caller: &str) -> &'static str {
    match (of, field, caller) {
        (_, _, "anonymous" | "expired" | "deactivated") => "UNAUTHENTICATED",
        ("Organization", "invitations", "member")
        | (
            "User",
            "leftovers" | "pendingEmailChange" | "sessions" | "securityEvents" | "identities"
            | "hasPassword" | "mayChooseUsername" | "secondFactors" | "passkeys"
            | "passkeyUserHandle",
            "support" | "admin" | "member" | "organization admin",
        )
        | ("User", "privateMetadata", "self" | "member" | "organization admin") => "FORBIDDEN",
        // Nobody has taken their account back, and the target has never begun to register a passkey.
        ("User", "leftovers" | "passkeyUserHandle", "self") => "NOTHING",
        (_, _, "self")
        | ("User", "privateMetadata", "support" | "admin")
        | ("Organization", _, "member" | "organization admin") => "SEEN",
        // There is nobody.
        ("User" | "Organization", _, _) => "NOTHING",
        other => panic!("write down what is expected of {other:?}"),
    }
}

#[tokio::test]
async fn every_guarded_field_of_an_object_keeps_its_rule_for_every_kind_of_caller() {
    let fields = guarded_object_fields();
    assert!(fields.len() >= 5, "{fields:?}");
    let app = TestApp::start().await;
    let target = app.register("target").await;
    let organization = found_organization(&app, &target).await;
    let bearers = bearers(&app, &target, &organization).await;
    let change = "changeEmail(input: { newEmail: \"target@example.org\" }) { linkExpiresIn }";
    app.mutate(&app.again("target").await, change).await.data();
    let metadata = format!(
        "updateUserMetadata(input: {{ id: \"{}\", privateMetadata: {{ risk: 1 }} }}) {{ user {{ id }} }}",
        target.id
    );
    app.mutate(&app.admin("keeper").await, &metadata).await.data();
    for (of, field) in fields {
        let id = if of == "User" { &target.id } else { &organization };
        let selection = match field.as_str() {
            "leftovers" => "leftovers { takenBackAt }".to_owned(),
            "privateMetadata" | "hasPassword" | "mayChooseUsername" | "passkeyUserHandle" => {
                field.clone()
            }
            "identities" | "passkeys" => format!("{field} {{ id }}"),
            "secondFactors" => "secondFactors { __typename }".to_owned(),
            "pendingEmailChange" => "pendingEmailChange { newEmail }".to_owned(),
            page => format!("{page}(first: 1) {{ pageInfo {{ hasNextPage }} }}"),
        };
        let query = format!("{{ node(id: \"{id}\") {{ ... on {of} {{ {selection} }} }} }}");
        for caller in CALLERS {
            let reply = app.call(&query, json!({}), bearers[caller].as_deref()).await;
            let node = &reply.json()["data"]["node"];
            let outcome = match reply.code().as_str() {
                "NONE" if !node[&field].is_null() => "SEEN".to_owned(),
                "NONE" => "NOTHING".to_owned(),
                code => code.to_owned(),
            };
            assert_eq!(outcome, expected(&of, &field, caller), "{of}.{field} as {caller}");
        }
    }
}

/// An access token for each kind of caller.
async fn bearers(
    app: &TestApp,
    target: &SignedIn,
    organization: &str,
) -> BTreeMap<&'static str, Option<String>> {
    let early = app.register("early").await;
    app.clock.advance(Duration::from_secs(906));
    let again = async |user: &SignedIn| app.again(&user.username).await;
    let target = again(target).await;
    let (member, admin) = (app.register("member").await, app.register("deputy").await);
    join_organization(app, &target, organization, &member, "MEMBER").await;
    join_organization(app, &target, organization, &admin, "ADMIN").await;
    let (founder, other) = (app.register("founder").await, app.register("elsewhere").await);
    let another = found_organization(app, &founder).await;
    join_organization(app, &founder, &another, &other, "ADMIN").await;
    let (boss, shut) = (app.admin("boss").await, app.register("shut").await);
    let shutting = format!("deactivateUser(input: {{ id: \"{}\" }}) {{ user {{ id }} }}", shut.id);
    app.mutate(&boss, &shutting).await.data();
    let bearers = [
        ("expired", early.access),
        ("deactivated", shut.access),
        ("self", act_in(app, &target, organization).await.access),
        ("other user", app.register("other").await.access),
        ("member", act_in(app, &member, organization).await.access),
        ("organization admin", act_in(app, &admin, organization).await.access),
        ("member of another", act_in(app, &other, &another).await.access),
        ("support", app.granted("caller", "USERS_READ").await.access),
        ("admin", boss.access),
    ];
    let bearers = bearers.map(|(caller, bearer)| (caller, Some(bearer)));
    bearers.into_iter().chain([("anonymous", None)]).collect()
}

/// What a world is made of: two organizations with a founder each, and three more people.
#[derive(Clone, Debug)]
struct Plan {
    /// By person and organization.
    roles: Vec<[Option<&'static str>; 2]>,
    /// Where each person acts at last, if they may.
    acting: Vec<Option<usize>>,
    /// Who is taken out of which organization after that.
    removed: Vec<[bool; 2]>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let role = || option::of(prop_oneof![Just("MEMBER"), Just("ADMIN")]);
    let roles = vec([role(), role()], 3);
    let acting = vec(option::of(0..2_usize), 5);
    let removed = vec([prop::bool::weighted(0.2), prop::bool::weighted(0.2)], 3);
    (roles, acting, removed).prop_map(|(roles, acting, removed)| Plan { roles, acting, removed })
}

/// A world as it should be, without a database.
struct World {
    /// Each with the access token that acts where they do.
    users: Vec<SignedIn>,
    /// The access token of each that acts in no organization.
    plain: Vec<String>,
    organizations: Vec<String>,
    /// By user and organization.
    roles: BTreeMap<(usize, usize), &'static str>,
    acting: Vec<Option<usize>>,
    tasks: Vec<Task>,
    /// With their organizations.
    memberships: Vec<(String, usize)>,
    invitations: Vec<(String, usize)>,
    /// An invitation to make an account.
    user_invitation: String,
}

struct Task {
    id: String,
    owner: usize,
    organization: Option<usize>,
}

impl World {
    async fn make(app: &TestApp, plan: &Plan) -> Self {
        let mut users = Vec::new();
        for name in ["founder0", "founder1", "alice", "bob", "carol"] {
            users.push(app.register(name).await);
        }
        let (mut organizations, mut roles) = (Vec::new(), BTreeMap::new());
        let mut invitations = Vec::new();
        let guest = app.register("visitor").await;
        for place in 0..2 {
            let organization = found_organization(app, &users[place]).await;
            roles.insert((place, place), "OWNER");
            for (person, wanted) in plan.roles.iter().enumerate() {
                let Some(role) = wanted[place] else { continue };
                let user = &users[person + 2];
                join_organization(app, &users[place], &organization, user, role).await;
                roles.insert((person + 2, place), role);
            }
            let invited = invite_member(app, &users[place], &organization, &guest, "MEMBER").await;
            invitations.push((invited, place));
            organizations.push(organization);
        }
        let boss = app.admin("boss").await;
        let mut world = Self {
            user_invitation: invite_user(app, &boss, ("new@example.com", "USER"), &boss).await,
            plain: users.iter().map(|user| user.access.clone()).collect(),
            users,
            organizations,
            roles,
            acting: vec![None; 5],
            tasks: Vec::new(),
            memberships: Vec::new(),
            invitations,
        };
        world.fill(app, plan).await;
        world
    }

    /// Everybody makes a task wherever they may, and goes where they are to act.
    async fn fill(&mut self, app: &TestApp, plan: &Plan) {
        for user in 0..self.users.len() {
            for place in [None, Some(0), Some(1)] {
                if self.go(app, user, place).await {
                    let call = "createTask(input: { title: \"Something\" }) { task { id } }";
                    let made = app.mutate(&self.users[user], call).await.data();
                    let id = made["createTask"]["task"]["id"].as_str().unwrap().to_owned();
                    self.tasks.push(Task { id, owner: user, organization: place });
                }
            }
            self.go(app, user, None).await;
            self.go(app, user, plan.acting[user]).await;
        }
        for (place, organization) in self.organizations.iter().enumerate() {
            for (person, removed) in plan.removed.iter().enumerate() {
                if !removed[place] || self.roles.remove(&(person + 2, place)).is_none() {
                    continue;
                }
                let id = &self.users[person + 2].id;
                let call = format!(
                    "removeMember(input: {{ organizationId: \"{organization}\", userId: \"{id}\" }}) {{ deletedMembershipId }}"
                );
                app.mutate(&self.users[place], &call).await.data();
                if self.acting[person + 2] == Some(place) {
                    self.acting[person + 2] = None;
                    self.users[person + 2].access.clone_from(&self.plain[person + 2]);
                }
            }
            let members = format!(
                "{{ organization(id: \"{organization}\") {{ members {{ edges {{ node {{ id }} }} }} }} }}"
            );
            let members = app.query(&members, &self.users[place].access).await.data();
            for edge in members["organization"]["members"]["edges"].as_array().unwrap() {
                let id = edge["node"]["id"].as_str().unwrap().to_owned();
                self.memberships.push((id, place));
            }
        }
    }

    /// Has somebody act somewhere, if they may; says whether they do.
    async fn go(&mut self, app: &TestApp, user: usize, place: Option<usize>) -> bool {
        let id =
            place.map_or("null".to_owned(), |place| format!("\"{}\"", self.organizations[place]));
        let call =
            format!("mutation {{ switchOrganization(input: {{ id: {id} }}) {{ accessToken }} }}");
        let may = place.is_none_or(|place| self.roles.contains_key(&(user, place)));
        let reply = app.query(&call, &self.plain[user]).await;
        assert_eq!(reply.code(), if may { "NONE" } else { "NOT_FOUND" });
        if may {
            let access = reply.data()["switchOrganization"]["accessToken"].clone();
            access.as_str().unwrap().clone_into(&mut self.users[user].access);
            self.acting[user] = place;
        }
        may
    }

    fn belongs(&self, user: usize, place: usize) -> bool {
        self.roles.contains_key(&(user, place))
    }

    fn sees_task(&self, user: usize, task: &Task) -> bool {
        match self.acting[user] {
            Some(place) => task.organization == Some(place),
            None => task.organization.is_none() && task.owner == user,
        }
    }

    /// What `nodes` should say of each id.
    fn types(&self, caller: usize) -> Vec<(&str, &'static str)> {
        let mut types = Vec::new();
        for (user, account) in self.users.iter().enumerate() {
            let share = |place: &usize| self.belongs(caller, *place) && self.belongs(user, *place);
            let shown = match user == caller {
                true => "User",
                false if (0..2).any(|place| share(&place)) => "User",
                false => "",
            };
            types.push((account.id.as_str(), shown));
        }
        for (place, id) in self.organizations.iter().enumerate() {
            types.push((id, if self.belongs(caller, place) { "Organization" } else { "" }));
        }
        for (id, place) in &self.memberships {
            types.push((id, if self.belongs(caller, *place) { "Membership" } else { "" }));
        }
        for (id, place) in &self.invitations {
            let leads =
                ["ADMIN", "OWNER"].map(Some).contains(&self.roles.get(&(caller, *place)).copied());
            types.push((id, if leads { "Invitation" } else { "" }));
        }
        for task in &self.tasks {
            types.push((&task.id, if self.sees_task(caller, task) { "Task" } else { "" }));
        }
        types.push((&self.user_invitation, ""));
        types
    }

    async fn check(&self, app: &TestApp, caller: usize) {
        let (types, access) = (self.types(caller), &self.users[caller].access);
        let ids: Vec<_> = types.iter().map(|(id, _)| *id).collect();
        let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }";
        let seen = app.call(query, json!({ "ids": ids }), Some(access)).await.data();
        for ((id, shown), node) in types.iter().zip(seen["nodes"].as_array().unwrap()) {
            let typename = node["__typename"].as_str().unwrap_or_default();
            assert_eq!(typename, *shown, "{id} as {caller}");
        }
        for task in &self.tasks {
            let query = format!(
                "{{ task(id: \"{}\") {{ owner {{ id }} organization {{ id }} }} }}",
                task.id
            );
            let found = app.query(&query, access).await.data()["task"].clone();
            assert_eq!(!found.is_null(), self.sees_task(caller, task));
            assert!(found.is_null() || found["owner"]["id"] == self.users[task.owner].id.as_str());
            let call = format!("updateTask(input: {{ id: \"{}\", }}) {{ task {{ id }} }}", task.id);
            let is_own = task.owner == caller && task.organization == self.acting[caller];
            let code = app.mutate(&self.users[caller], &call).await.code();
            assert_eq!(code, if is_own { "NONE" } else { "NOT_FOUND" });
        }
        let own =
            self.tasks.iter().filter(|task| task.owner == caller && self.sees_task(caller, task));
        let own = own.count();
        let counts = "{ myTasks { totalCount } visibleTasks { totalCount } }";
        let counts = app.query(counts, access).await.data();
        assert_eq!(counts["myTasks"]["totalCount"], own);
        let seen = self.tasks.iter().filter(|task| self.sees_task(caller, task));
        assert_eq!(counts["visibleTasks"]["totalCount"], seen.count());
        for place in 0..2 {
            self.check_organization(app, caller, place).await;
        }
    }

    async fn check_organization(&self, app: &TestApp, caller: usize, place: usize) {
        let query = format!(
            "{{ organization(id: \"{}\") {{ myRole members {{ edges {{ node \
             {{ user {{ id }} }} }} }} }} }}",
            self.organizations[place]
        );
        let found =
            app.query(&query, &self.users[caller].access).await.data()["organization"].clone();
        let role = self.roles.get(&(caller, place));
        assert_eq!(found["myRole"], json!(role), "{found}");
        if role.is_none() {
            assert!(found.is_null(), "{found}");
            return;
        }
        let members = found["members"]["edges"].as_array().unwrap().iter();
        let members: BTreeSet<&str> =
            members.map(|edge| edge["node"]["user"]["id"].as_str().unwrap()).collect();
        let expected = (0..5).filter(|user| self.belongs(*user, place));
        let expected: BTreeSet<&str> = expected.map(|user| self.users[user].id.as_str()).collect();
        assert_eq!(members, expected);
    }
}

#[test]
fn in_random_worlds_everybody_sees_what_a_simple_model_says_and_nothing_else() {
    let runtime = Runtime::new().unwrap();
    let config = Config { cases: 6, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&plans(), |plan| {
        runtime.block_on(async {
            let app = TestApp::start().await;
            let world = World::make(&app, &plan).await;
            for caller in 0..world.users.len() {
                world.check(&app, caller).await;
            }
            // Who may look up users sees who they are and who is to be one, and nothing of what they have.
            let support = app.granted("caller", "USERS_READ").await;
            let all = world.types(0);
            let ids: Vec<_> = all.iter().map(|(id, _)| *id).collect();
            let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }";
            let seen = app.call(query, json!({ "ids": ids }), Some(&support.access)).await.data();
            let (users, others) = seen["nodes"].as_array().unwrap().split_at(world.users.len());
            assert!(users.iter().all(|node| node["__typename"] == "User"));
            let (invited, others) = others.split_last().unwrap();
            assert_eq!(invited["__typename"], "UserInvitation");
            assert!(others.iter().all(Value::is_null));
        });
        Ok(())
    });
    outcome.unwrap();
}
