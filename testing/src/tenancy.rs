//! Tenancy, proven: nobody reaches rows of an entity beyond their scope, by any field of the schema.

use std::collections::BTreeSet;

use async_graphql::parser::types::FieldDefinition;
use portcullis::Server;
use serde_json::{Value, json};

use crate::conformance::schema::innermost;
use crate::organizations::{act_in, found_organization, join_organization};
use crate::policy::{Field, Rule, Types, root_fields};
use crate::{SECOND, SignedIn, TestApp, dump};

/// The entity to prove it for.
#[derive(Clone, Copy, Debug)]
pub struct Entity<'a> {
    /// The object that shows its rows, as the schema calls it.
    pub of: &'a str,
    /// A mutation that makes a row, as in `createTask(input: { title: "x" })`. Its payload has the object.
    pub create: &'a str,
    /// Whether a row belongs to the organization that it was made in.
    pub in_organizations: bool,
    /// The permission to see all rows, as the schema calls it.
    pub read_all: Option<&'a str>,
    /// The permission to change all rows.
    pub write_all: Option<&'a str>,
}

/// Who belongs where: three organizations, by the role of each of five people.
const ROLES: [[Option<&str>; 3]; 5] = [
    [Some("OWNER"), Some("MEMBER"), None],
    [None, Some("OWNER"), Some("ADMIN")],
    [Some("ADMIN"), None, Some("OWNER")],
    [Some("MEMBER"), Some("MEMBER"), None],
    [None, None, None],
];

/// Who is removed from where, after they made rows there.
const REMOVED: (usize, usize) = (3, 1);

/// A row that was made.
struct Row {
    id: String,
    owner: usize,
    place: Option<usize>,
}

/// Somebody who calls.
struct Caller<'a> {
    access: &'a str,
    person: Option<usize>,
    place: Option<usize>,
    sees_all: bool,
    changes_all: bool,
}

struct World<'a> {
    app: &'a TestApp,
    entity: Entity<'a>,
    fields: Vec<Field>,
    types: Types,
    rows: Vec<Row>,
}

/// Fails unless callers of each kind, wherever they act, get the rows that they may see by each field, and change none
/// that they may not change. A field is one of the roots that gives the object, a connection of it, or that changes
/// what has its name.
pub async fn assert_rows_stay_within_reach(server: &Server, entity: Entity<'_>) {
    let app = TestApp::start(server.clone()).await;
    let sdl = server.sdl().unwrap();
    let mut people = Vec::new();
    for name in ["anna", "bert", "cleo", "dirk", "emma"] {
        people.push(app.register(name).await);
    }
    let organizations = gather(&app, &people).await;
    let (fields, types) = (root_fields(&sdl), Types::of(&sdl));
    let mut world = World { app: &app, entity, fields, types, rows: Vec::new() };
    world.fill(&people, &organizations).await;
    for (person, user) in people.iter().enumerate() {
        for place in World::places(person) {
            let there = go(&app, user, place.map(|place| &*organizations[place])).await;
            let caller = Caller {
                access: &there.access,
                person: Some(person),
                place,
                sees_all: false,
                changes_all: false,
            };
            world.check(&caller).await;
        }
    }
    for permission in [entity.read_all, entity.write_all].into_iter().flatten() {
        let holder = app.granted(&permission.to_lowercase().replace('_', "-"), permission).await;
        let caller = Caller {
            access: &holder.access,
            person: None,
            place: None,
            sees_all: entity.read_all == Some(permission),
            changes_all: entity.write_all == Some(permission),
        };
        world.check(&caller).await;
    }
}

/// Makes the organizations, and has everybody join who is to belong there.
async fn gather(app: &TestApp, people: &[SignedIn]) -> Vec<String> {
    let mut organizations = Vec::new();
    for place in 0..3 {
        let owner = ROLES.iter().position(|roles| roles[place] == Some("OWNER")).unwrap();
        let organization = found_organization(app, &people[owner]).await;
        for (person, roles) in ROLES.iter().enumerate() {
            if let Some(role) = roles[place].filter(|_| person != owner) {
                let (owner, guest) = (&people[owner], &people[person]);
                join_organization(app, owner, &organization, guest, role).await;
            }
        }
        organizations.push(organization);
    }
    organizations
}

async fn go(app: &TestApp, user: &SignedIn, organization: Option<&str>) -> SignedIn {
    match organization {
        Some(organization) => act_in(app, user, organization).await,
        None => user.clone(),
    }
}

impl World<'_> {
    /// Everybody makes a row wherever they may; then one is removed.
    async fn fill(&mut self, people: &[SignedIn], organizations: &[String]) {
        let Entity { of, create, .. } = self.entity;
        let name = create.split(['(', ' ', '{']).next().unwrap();
        let field = self.fields.iter().find(|field| field.name == name).unwrap();
        let payload = innermost(&field.definition.ty.node);
        let made_as = self.types.field_with(payload, of).unwrap().to_owned();
        let create = format!("{create} {{ {made_as} {{ id }} }}");
        for (person, user) in people.iter().enumerate() {
            let belongs = (0..3).filter(|place| ROLES[person][*place].is_some());
            for place in [None].into_iter().chain(belongs.map(Some)) {
                let there = go(self.app, user, place.map(|place| &*organizations[place])).await;
                self.app.clock.advance(SECOND);
                let made = self.app.mutate(&there, &create).await.data();
                let id = made[name][&made_as]["id"].as_str().unwrap().to_owned();
                self.rows.push(Row { id, owner: person, place });
            }
        }
        let (person, place) = REMOVED;
        let owner = ROLES.iter().position(|roles| roles[place] == Some("OWNER")).unwrap();
        let (organization, user) = (&organizations[place], &people[person].id);
        let remove = format!(
            "removeMember(input: {{ organizationId: \"{organization}\", userId: \"{user}\" }}) {{ deletedMembershipId }}"
        );
        self.app.mutate(&people[owner], &remove).await.data();
    }

    /// Where somebody may act by now.
    fn places(person: usize) -> Vec<Option<usize>> {
        let belongs =
            (0..3).filter(|place| ROLES[person][*place].is_some() && (person, *place) != REMOVED);
        [None].into_iter().chain(belongs.map(Some)).collect()
    }

    /// Whether it is a row of the caller's own, where they act.
    fn is_own(&self, caller: &Caller<'_>, row: &Row) -> bool {
        let is_there = !self.entity.in_organizations || row.place == caller.place;
        Some(row.owner) == caller.person && is_there
    }

    fn sees(&self, caller: &Caller<'_>, row: &Row) -> bool {
        let is_shared = self.entity.in_organizations && caller.place.is_some();
        caller.sees_all || self.is_own(caller, row) || (is_shared && row.place == caller.place)
    }

    async fn check(&self, caller: &Caller<'_>) {
        let ids: Vec<&str> = self.rows.iter().map(|row| row.id.as_str()).collect();
        let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
        let nodes = self.app.call(query, json!({ "ids": ids }), Some(caller.access)).await.data();
        for (row, node) in self.rows.iter().zip(nodes["nodes"].as_array().unwrap()) {
            self.compare(caller, row, node, "nodes");
        }
        for field in &self.fields {
            let name = innermost(&field.definition.ty.node);
            if field.operation == "mutation" {
                self.check_change(caller, field).await;
            } else if name == self.entity.of {
                for row in &self.rows {
                    let Some(call) = self.about(&field.definition, row) else { continue };
                    let call = call.replace("__typename", "__typename id");
                    let reply = self.app.query(&format!("{{ {call} }}"), caller.access).await;
                    let told = &reply.data()[&field.name];
                    self.compare(caller, row, told, &field.name);
                }
            } else if name == format!("{}Connection", self.entity.of) {
                self.check_list(caller, field).await;
            }
        }
    }

    /// A row that the caller sees is told, and another is null.
    fn compare(&self, caller: &Caller<'_>, row: &Row, told: &Value, field: &str) {
        let Caller { person, place, .. } = caller;
        let Row { id, owner, place: made_in } = row;
        let expected = if self.sees(caller, row) { json!(id) } else { Value::Null };
        assert_eq!(
            told["id"], expected,
            "{field} as {person:?} in {place:?}, of a row of {owner} made in {made_in:?}"
        );
    }

    /// A list holds nothing beyond, and what the caller is not to have is not counted either.
    async fn check_list(&self, caller: &Caller<'_>, field: &Field) {
        let query = format!(
            "{{ list: {}(first: 100) {{ totalCount nodes {{ id }} edges {{ node {{ id }} }} }} }}",
            field.name
        );
        let reply = self.app.query(&query, caller.access).await;
        let is_open = field.rules.iter().all(|rule| match rule {
            Rule::Permission(permission) => {
                caller.sees_all && self.entity.read_all == Some(permission)
            }
            rule => *rule == Rule::SignedIn,
        });
        if !is_open {
            assert_eq!(reply.code(), "FORBIDDEN", "{}", field.name);
            return;
        }
        let list = &reply.data()["list"];
        let nodes = list["nodes"].as_array().unwrap();
        let told: BTreeSet<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
        let seen = self.rows.iter().filter(|row| self.sees(caller, row));
        let seen: BTreeSet<&str> = seen.map(|row| row.id.as_str()).collect();
        let beyond: Vec<_> = told.difference(&seen).collect();
        let Caller { person, place, .. } = caller;
        assert!(beyond.is_empty(), "{} as {person:?} in {place:?}: {beyond:?}", field.name);
        assert_eq!(list["totalCount"], told.len(), "{}", field.name);
        assert_eq!(list["edges"].as_array().unwrap().len(), told.len(), "{}", field.name);
    }

    /// What the caller may not change is not there for them, and stays as it is.
    async fn check_change(&self, caller: &Caller<'_>, field: &Field) {
        if !field.name.contains(self.entity.of) || caller.changes_all {
            return;
        }
        for row in self.rows.iter().filter(|row| !self.is_own(caller, row)) {
            let Some(call) = self.about(&field.definition, row) else { return };
            let db = self.app.database.connection().await;
            let before = dump(&db).await;
            let reply = self.app.query(&format!("mutation {{ {call} }}"), caller.access).await;
            let Caller { person, place, .. } = caller;
            let told = format!("{call} as {person:?} in {place:?}: {}", reply.text);
            assert_eq!(reply.code(), "NOT_FOUND", "{told}");
            let changed = dump(&db).await;
            let changed: Vec<_> =
                changed.iter().filter(|(table, rows)| before.get(*table) != Some(rows)).collect();
            assert!(changed.is_empty(), "{told}: {changed:?}");
        }
    }

    /// A call about a row, where the field takes an id.
    fn about(&self, field: &FieldDefinition, row: &Row) -> Option<String> {
        self.types.call_about(field, &row.id)
    }
}
