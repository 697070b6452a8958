//! Random documents over the real schema, all of them valid: whatever is refused of them but for a
//! limit is a fault. Where the choices are used up the simplest one is taken, so that a case shrinks.

use std::collections::BTreeMap;

use async_graphql::parser::types::Type;
use serde_json::{Value, json};

use portcullis_testing::conformance::schema::{NamedType, Schema, innermost};

const DEPTH_MAX: usize = 6;
/// Selections in one set.
const SELECTIONS_MAX: usize = 5;
/// Fields with an alias, of which the server allows fifteen once fragments are expanded.
const ALIASES_MAX: usize = 5;
/// Pages inside each other: the server bounds the rows that a document can load.
const PAGES_MAX: usize = 2;
/// How many ways there are to give a field its arguments.
const VARIANTS: usize = 4;
/// Mutations that change little, whose arguments `World` has.
const MUTATIONS: [&str; 4] = ["createTask", "deleteTask", "endUserSessions", "updateProfile"];

/// What there is to ask for.
pub(crate) struct World {
    pub(crate) ids: Vec<String>,
    pub(crate) cursors: Vec<String>,
}

/// A document with what is sent beside it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) query: String,
    pub(crate) variables: Value,
    pub(crate) operation_name: Option<&'static str>,
}

/// Numbers that were drawn, and zeros after them.
struct Choices<'a>(std::slice::Iter<'a, u16>);

impl Choices<'_> {
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) * end / (usize::from(u16::MAX) + 1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    fn of<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[self.below(all.len())]
    }
}

struct Fragment {
    name: String,
    on: String,
    body: String,
    is_shared: bool,
}

struct Variable {
    definition: String,
    /// None leaves it to the default.
    given: Option<Value>,
}

struct Writer<'a> {
    schema: &'a Schema,
    world: &'a World,
    choices: Choices<'a>,
    fragments: Vec<Fragment>,
    variables: BTreeMap<String, Variable>,
    /// What stands for the arguments of a field under a key: one key means one thing wherever it
    /// stands, so that any two may be merged.
    arguments: BTreeMap<String, String>,
    aliases: usize,
    pages: usize,
    selections: usize,
}

/// Where a selection set stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    of: &'a str,
    depth: usize,
    /// Whether an object of another type may answer in its stead.
    is_shared: bool,
}

/// The document that these choices make.
pub(crate) fn document(schema: &Schema, world: &World, choices: &[u16]) -> Document {
    let mut choices = Choices(choices.iter());
    let selections = 5 + choices.below(60);
    let is_mutation = choices.chance(8);
    let is_named = choices.chance(60);
    let is_among_others = is_named && choices.chance(20);
    let mut writer = Writer {
        schema,
        world,
        choices,
        fragments: Vec::new(),
        variables: BTreeMap::new(),
        arguments: BTreeMap::new(),
        aliases: 0,
        pages: 0,
        selections,
    };
    let (keyword, set) = if is_mutation {
        let field = *writer.choices.of(&MUTATIONS);
        let place = Place { of: "Mutation", depth: 1, is_shared: false };
        ("mutation", format!("{{{}}}", writer.field_of(place, field)))
    } else {
        ("query", writer.set(Place { of: "Query", depth: 1, is_shared: false }))
    };
    let Writer { fragments, variables, .. } = writer;
    let definitions: Vec<&str> = variables.values().map(|it| it.definition.as_str()).collect();
    let definitions = match definitions.is_empty() {
        true => String::new(),
        false => format!("({})", definitions.join(", ")),
    };
    let name = if is_named { "Main" } else { "" };
    let mut query = format!("{keyword} {name}{definitions} {set}");
    for Fragment { name, on, body, .. } in &fragments {
        query = format!("{query}\nfragment {name} on {on} {body}");
    }
    if is_among_others {
        query = format!("query Other {{ __typename }}\n{query}");
    }
    let given = variables.into_iter().filter_map(|(name, it)| Some((name, it.given?)));
    let operation_name = is_among_others.then_some("Main");
    Document { query, variables: Value::Object(given.collect()), operation_name }
}

impl Writer<'_> {
    fn set(&mut self, place: Place<'_>) -> String {
        let most = SELECTIONS_MAX.min(self.selections).max(1);
        let count = 1 + self.choices.below(most);
        let selections: Vec<String> = (0..count).map(|_| self.selection(place)).collect();
        format!("{{ {} }}", selections.join(" "))
    }

    fn selection(&mut self, place: Place<'_>) -> String {
        let is_abstract = !matches!(self.schema.kind(place.of), Some(NamedType::Object { .. }));
        let place = Place { is_shared: place.is_shared || is_abstract, ..place };
        if self.choices.chance(if is_abstract { 60 } else { 18 }) {
            return self.fragment(place);
        }
        self.selections = self.selections.saturating_sub(1);
        let fields = self.schema.fields(place.of).cloned().unwrap_or_default();
        let fields: Vec<&String> = fields
            .iter()
            .filter(|(name, _)| !name.starts_with("__"))
            .filter(|(name, ty)| self.has_room_for(place, name, ty))
            .map(|(name, _)| name)
            .collect();
        // A null there is the end of nothing else.
        let contained: Vec<&String> = fields
            .iter()
            .copied()
            .filter(|name| place.of == "Query" && self.contains_errors(name))
            .collect();
        let is_contained = !contained.is_empty() && self.choices.chance(70);
        let fields = if is_contained { contained } else { fields };
        if fields.is_empty() || self.choices.chance(8) {
            return format!("__typename{}", self.literal_directive());
        }
        let field = (*self.choices.of(&fields)).clone();
        self.field_of(place, &field)
    }

    fn has_room_for(&self, place: Place<'_>, field: &str, ty: &Type) -> bool {
        let is_leaf = self.schema.possible(innermost(ty)).is_empty();
        let is_deep = place.depth >= DEPTH_MAX || self.selections == 0;
        (is_leaf || !is_deep) && (self.pages < PAGES_MAX || !self.is_page(place.of, field))
    }

    /// Whether an error below a field of the root leaves the others as they are.
    fn contains_errors(&self, root_field: &str) -> bool {
        let ty = self.schema.field("Query", root_field);
        root_field == "nodes" || root_field == "viewer" || ty.is_some_and(|ty| ty.nullable)
    }

    fn is_page(&self, of: &str, field: &str) -> bool {
        self.schema.arguments(of, field).iter().any(|(name, _)| name == "first")
    }

    fn fragment(&mut self, place: Place<'_>) -> String {
        let possible: Vec<&str> = self
            .schema
            .composites()
            .filter(|on| {
                let objects = self.schema.possible(place.of);
                self.schema.possible(on).iter().any(|object| objects.contains(object))
            })
            .collect();
        let on = *self.choices.of(&possible);
        let known: Vec<&Fragment> = self
            .fragments
            .iter()
            .filter(|it| it.on == on && it.is_shared == place.is_shared)
            .collect();
        if !known.is_empty() && self.choices.chance(40) {
            let name = self.choices.of(&known).name.clone();
            return format!("...{name}{}", self.directive());
        }
        let body = self.set(Place { of: on, ..place });
        if self.choices.chance(40) {
            let name = format!("F{}", self.fragments.len());
            let is_shared = place.is_shared;
            self.fragments.push(Fragment {
                name: name.clone(),
                on: on.to_owned(),
                body,
                is_shared,
            });
            return format!("...{name}{}", self.directive());
        }
        let condition = match on == place.of && self.choices.chance(30) {
            true => String::new(),
            false => format!(" on {on}"),
        };
        format!("...{condition}{} {body}", self.directive())
    }

    fn field_of(&mut self, place: Place<'_>, field: &str) -> String {
        let schema = self.schema;
        let given = schema.arguments(place.of, field);
        let is_required = given.iter().any(|(_, ty)| !ty.nullable);
        let variant = match given.is_empty() {
            true => 0,
            false => usize::from(is_required) + self.choices.below(VARIANTS),
        };
        let is_clashing = place.is_shared && self.means_several(field);
        let is_aliased = is_clashing || variant > 0;
        if is_aliased && self.aliases == ALIASES_MAX {
            return format!("__typename{}", self.literal_directive());
        }
        let owner = if is_clashing { format!("{}_", place.of) } else { String::new() };
        let key = format!("{owner}{field}_{variant}");
        let (alias, arguments) = match is_aliased {
            true => {
                self.aliases += 1;
                (format!("{key}: "), self.arguments(given, &key))
            }
            false => (String::new(), String::new()),
        };
        let directive = self.directive();
        let ty = schema.field(place.of, field).unwrap();
        let name = innermost(&ty);
        if schema.possible(name).is_empty() {
            return format!("{alias}{field}{arguments}{directive}");
        }
        let pages = usize::from(self.is_page(place.of, field));
        self.pages += pages;
        let set = self.set(Place { of: name, depth: place.depth + 1, ..place });
        self.pages -= pages;
        format!("{alias}{field}{arguments}{directive} {set}")
    }

    /// Whether a field of this name has another type elsewhere.
    fn means_several(&self, field: &str) -> bool {
        let types = self.schema.composites().filter_map(|of| self.schema.fields(of)?.get(field));
        let types: Vec<&Type> = types.collect();
        types.iter().any(|ty| *ty != types[0])
    }

    fn arguments(&mut self, of: &[(String, Type)], key: &str) -> String {
        if let Some(known) = self.arguments.get(key) {
            return known.clone();
        }
        let mut given = Vec::new();
        for (name, ty) in of {
            if !ty.nullable || self.choices.chance(if name == "first" { 80 } else { 20 }) {
                given.push(format!("{name}: {}", self.value(name, ty)));
            }
        }
        let all = match given.is_empty() {
            true => String::new(),
            false => format!("({})", given.join(", ")),
        };
        self.arguments.insert(key.to_owned(), all.clone());
        all
    }

    fn value(&mut self, argument: &str, ty: &Type) -> String {
        let values = self.values(argument, ty);
        let (literal, value) = self.choices.of(&values).clone();
        if self.choices.chance(60) {
            return literal;
        }
        let name = format!("v{}", self.variables.len());
        let (default, given) = match self.choices.chance(30) {
            true => (format!(" = {literal}"), None),
            false => (String::new(), Some(value)),
        };
        let definition = format!("${name}: {ty}{default}");
        self.variables.insert(name.clone(), Variable { definition, given });
        format!("${name}")
    }

    /// As a literal and as a variable.
    fn values(&self, argument: &str, ty: &Type) -> Vec<(String, Value)> {
        let World { ids, cursors } = self.world;
        let same = |values: Vec<Value>| values.into_iter().map(|it| (it.to_string(), it)).collect();
        let texts = |all: &[String], more: &[&str]| {
            same(all.iter().map(|it| json!(it)).chain(more.iter().map(|it| json!(it))).collect())
        };
        let literal = |literal: &str, value: Value| (literal.to_owned(), value);
        match argument {
            "first" => same([2, 1, 2, 3, 1, 2, 0, -1, 101].map(|it| json!(it)).to_vec()),
            "last" => same(vec![json!(1), json!(2), json!(-1)]),
            "after" | "before" => texts(cursors, &["no cursor", ""]),
            "id" => texts(ids, &["unknown", ""]),
            "ids" => same(vec![
                json!(ids),
                json!([]),
                json!([ids[0], "unknown", ids[0]]),
                // A single value where a list is expected.
                json!(ids[1]),
            ]),
            "field" => texts(&[], &["Mutation.deleteUser", "Query.me", "Query.nothing"]),
            "fields" => same(vec![
                json!(["Mutation.deleteUser", "Query.me", "Query.me"]),
                json!([]),
                json!("Viewer.id"),
                json!(["Query.me", "Query.nothing"]),
            ]),
            "username" => texts(&[], &["alice", "somebody", "x"]),
            "filter" => same(vec![json!({}), Value::Null]),
            "input" if innermost(ty) == "CreateTaskInput" => {
                vec![literal("{ title: \"A\" }", json!({ "title": "A" }))]
            }
            "input" if innermost(ty) == "UpdateProfileInput" => {
                vec![literal("{ fullName: \"A\" }", json!({ "fullName": "A" }))]
            }
            "input" => ids
                .iter()
                .map(|id| literal(&format!("{{ id: {id:?} }}"), json!({ "id": id })))
                .collect(),
            "orderBy" => vec![
                literal(
                    "{ field: USERNAME, direction: ASC }",
                    json!({ "field": "USERNAME", "direction": "ASC" }),
                ),
                literal("null", Value::Null),
            ],
            _ => panic!("no value for {argument}"),
        }
    }

    fn directive(&mut self) -> String {
        match self.choices.chance(15) {
            true => {
                let condition = self.condition();
                format!(" @{}(if: {condition})", self.choices.of(&["include", "skip"]))
            }
            false => String::new(),
        }
    }

    /// The library does not see a variable that only a `__typename` uses.
    fn literal_directive(&mut self) -> String {
        match self.choices.chance(10) {
            true => self.choices.of(&[" @skip(if: false)", " @include(if: false)"]).to_string(),
            false => String::new(),
        }
    }

    fn condition(&mut self) -> String {
        let (name, ty, given) = match self.choices.below(5) {
            0 => return "true".to_owned(),
            1 => return "false".to_owned(),
            2 => ("yes", "Boolean!", Some(json!(true))),
            3 => ("no", "Boolean!", Some(json!(false))),
            _ => ("byDefault", "Boolean = false", None),
        };
        let definition = format!("${name}: {ty}");
        self.variables.insert(name.to_owned(), Variable { definition, given });
        format!("${name}")
    }
}
