//! The access policy, proven: every root field of a schema as every kind of caller.

mod caller;
mod generated;

use std::collections::BTreeSet;

use async_graphql::Value;
use async_graphql::parser::types::{
    ConstDirective, FieldDefinition, TypeKind, TypeSystemDefinition,
};
use serde_json::json;

pub use self::caller::Caller;
pub(crate) use self::generated::Types;
use crate::{Reply, SignedIn, TestApp, core_sdl, sdl_of};
use portcullis::Server;

/// What a directive says.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Anybody.
    Public,
    /// Anybody who is signed in.
    SignedIn,
    /// Admins.
    Admin,
    /// Those who hold a permission, as the schema calls it.
    Permission(String),
    /// An admin of the organization that the session acts in.
    OrganizationAdmin,
}

/// A root field, as the SDL has it.
#[derive(Clone, Debug)]
pub struct Field {
    /// `query`, `mutation` or `subscription`.
    pub operation: &'static str,
    /// Its name.
    pub name: String,
    /// All of them must be met.
    pub rules: Vec<Rule>,
    /// Whether it carries `@fresh`, for accounts without a second factor too.
    pub is_fresh: bool,
    pub(crate) definition: FieldDefinition,
}

/// A call of a field.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The field with its arguments and its selection set.
    pub call: String,
    /// What those are answered who may call it; `NONE` for no error.
    pub code: &'static str,
}

/// What a guard says.
const REFUSALS: [&str; 3] = ["UNAUTHENTICATED", "FORBIDDEN", "STEP_UP_REQUIRED"];

/// Codes that no caller gets for a generated call.
const MISTAKES: [&str; 3] = ["BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED", "INTERNAL_SERVER_ERROR"];

/// The root fields of a schema.
pub fn root_fields(sdl: &str) -> Vec<Field> {
    fields(sdl, |name| match name {
        "Query" => Some("query"),
        "Mutation" => Some("mutation"),
        "Subscription" => Some("subscription"),
        _ => None,
    })
}

fn fields(sdl: &str, operation: impl Fn(&str) -> Option<&'static str>) -> Vec<Field> {
    let mut fields = Vec::new();
    for definition in portcullis::schema::parse_sdl(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let Some(operation) = operation(definition.node.name.node.as_str()) else { continue };
        let TypeKind::Object(object) = definition.node.kind else { continue };
        fields.extend(object.fields.into_iter().map(|field| Field {
            operation,
            name: field.node.name.node.to_string(),
            rules: rules(&field.node),
            is_fresh: field.node.directives.iter().any(|used| {
                let used = &used.node;
                used.name.node == "fresh" && used.get_argument("ifSecondFactor").is_none()
            }),
            definition: field.node,
        }));
    }
    fields
}

/// The fields of an object type of a schema.
pub fn fields_of(sdl: &str, of: &str) -> Vec<Field> {
    fields(sdl, |name| (name == of).then_some("query"))
}

/// The root fields of a schema that the core does not have.
pub fn of_extension(sdl: &str) -> Vec<Field> {
    let core: BTreeSet<_> = root_fields(core_sdl()).into_iter().map(|field| field.name).collect();
    root_fields(sdl).into_iter().filter(|field| !core.contains(&field.name)).collect()
}

fn rules(field: &FieldDefinition) -> Vec<Rule> {
    let mut rules = Vec::new();
    for directive in &field.directives {
        // How often, how long after a sign-in, on what server, in which organization, of what and whom, what null means and what it costs, not
        // by whom.
        if [
            "rateLimit",
            "fresh",
            "needs",
            "private",
            "member",
            "owner",
            "covers",
            "enrolling",
            "semanticNonNull",
            "cost",
            "listSize",
        ]
        .contains(&directive.node.name.node.as_str())
        {
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
            other => panic!("{}: the tests do not know {other:?}", field.name.node),
        });
    }
    rules
}

impl Field {
    /// A call of the field, made of the schema.
    pub fn call(&self, sdl: &str) -> String {
        Types::of(sdl).call(&self.definition)
    }

    /// The role that its caller must have in the organization, as `@member` names it.
    pub fn member(&self) -> Option<String> {
        Some(self.directive("member")?.get_argument("role")?.node.to_string())
    }

    /// Whether it is for the owner of its object, or of the object that its input names, as `@owner` says.
    pub fn is_for_owner(&self) -> bool {
        self.directive("owner").is_some()
    }

    /// The permission with which such a field is for the objects of everybody.
    pub fn opened_by(&self) -> Option<String> {
        let permission = self.directive("owner")?.get_argument("orPermission")?;
        Some(permission.node.to_string())
    }

    /// Whether the caller's rights must cover those of whom the call is about, as `@covers` says.
    pub fn covers(&self) -> bool {
        self.directive("covers").is_some()
    }

    fn directive(&self, name: &str) -> Option<&ConstDirective> {
        let mut directives = self.definition.directives.iter().map(|used| &used.node);
        directives.find(|used| used.name.node == name)
    }

    /// What a server must offer for anybody to call this, as `@needs` names it.
    pub fn needs(&self) -> Vec<String> {
        let features = self.directive("needs").and_then(|needs| needs.get_argument("features"));
        match features.map(|features| &features.node) {
            Some(Value::List(names)) => names.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// The code that this caller is refused with; `None` for one who may call.
    pub fn refusal(&self, caller: &Caller) -> Option<&'static str> {
        assert!(!self.rules.is_empty(), "{} has no rule", self.name);
        let refused = self.rules.iter().find_map(|rule| caller.refusal(rule));
        refused.or_else(|| (self.is_fresh && caller.is_stale()).then_some("STEP_UP_REQUIRED"))
    }
}

/// Fails unless each of the root fields that the core does not have keeps its rule, for every kind of
/// caller. Makes the calls of the schema.
pub async fn assert_extension_keeps_its_rules(server: &Server) {
    let fields = of_extension(&server.sdl().unwrap());
    assert!(!fields.is_empty(), "the extension has no root field");
    assert_every_root_field_keeps_its_rule(&fields, server, |_, _, _| None).await;
}

/// Fails unless these fields keep their rules, for every kind of caller. `sample` says how to call a
/// field about a user; where it says `None`, the call is made of the schema.
pub async fn assert_every_root_field_keeps_its_rule(
    fields: &[Field],
    server: &Server,
    sample: impl Fn(&Field, &Caller, &SignedIn) -> Option<Sample>,
) {
    let mut types = None;
    for caller in Caller::all(fields) {
        let mut scene = None;
        for field in fields {
            let (app, target, bearer) = if let Some(unchanged) = scene.take() {
                unchanged
            } else {
                let app = TestApp::start(server.clone()).await;
                let target = app.register("target").await;
                let bearer = caller.bearer(&app).await;
                (app, target, bearer)
            };
            let sample = sample(field, &caller, &target);
            let types = types.get_or_insert_with(|| Types::of(&sdl_of(&app.app)));
            let call = match &sample {
                Some(sample) => sample.call.clone(),
                None => types.call(&field.definition),
            };
            let query = format!("{} {{ {call} }}", field.operation);
            // Its own session must not be what a signed-out caller presents.
            let reply = app.call(&query, json!({}), bearer.as_deref()).await;
            assert_rule_is_kept(field, &caller, sample.map(|sample| sample.code), &reply);
            // What a mutation did must not decide about the next field.
            if field.operation != "mutation" || reply.code() != "NONE" {
                scene = Some((app, target, bearer));
            }
        }
    }
}

/// `allowed` is the code for those who may call, if it is known.
fn assert_rule_is_kept(
    field: &Field,
    caller: &Caller,
    allowed: Option<&'static str>,
    reply: &Reply,
) {
    let code = reply.code();
    let told = format!("{} as {caller:?}: {}", field.name, reply.text);
    if let Some(expected) = field.refusal(caller).or(allowed) {
        assert_eq!(code, expected, "{told}");
    } else {
        assert!(
            !REFUSALS.contains(&code.as_str()),
            "the server refuses a caller who may call: {told}"
        );
        assert!(!MISTAKES.contains(&code.as_str()), "the call is invalid: {told}");
    }
}
