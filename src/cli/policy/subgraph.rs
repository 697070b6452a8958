//! The root fields of one file, with what it states of them.

use std::collections::{BTreeSet, HashMap};

use apollo_parser::cst;

use super::federation::{FederationDirective, Linked, Meaning};
use super::rule::{AnyOf, NAMES_BYTES_MAX, Stated, Unfit};
use super::sdl::{Sdl, argument, string, text};
use super::{Finding, RootField};
use crate::cli::output::Level;
use crate::graphql::policy::ROOTS;
use crate::kernel::access::Permission;

const LINK: &str = "begin the file with extend schema @link(url: \"https://specs.apollo.dev/federation/v2.6\", \
                    import: [\"@authenticated\", \"@requiresScopes\", \"@policy\"])";

/// How many letters may be wrong in a scope that something like it is suggested for.
const TYPING_ERRORS_MAX: usize = 2;

/// What a file tells.
pub(super) struct Subgraph {
    pub(super) fields: Vec<RootField>,
    pub(super) findings: Vec<Finding>,
    /// The root types that state a rule themselves, and where.
    pub(super) type_rules: Vec<(&'static str, usize)>,
}

impl Subgraph {
    pub(super) fn read(sdl: &Sdl) -> Self {
        let mut reader =
            Reader { sdl, linked: Linked::of(sdl), used: BTreeSet::new(), findings: Vec::new() };
        let parts = parts(sdl);
        let mut types: HashMap<&str, Stated> = HashMap::new();
        let mut type_rules = Vec::new();
        for part in &parts {
            let of_type = types.entry(part.root).or_default();
            let did_restrict = of_type.restricts();
            reader.read(
                of_type,
                part.directives.clone(),
                &format!("type {}", part.name),
                part.line,
            );
            if !did_restrict && of_type.restricts() {
                type_rules.push((part.root, part.line));
            }
        }
        let mut fields = Vec::new();
        for part in &parts {
            let of_type = types.get(part.root).cloned().unwrap_or_default();
            for field in part.fields.iter().flat_map(cst::FieldsDefinition::field_definitions) {
                fields.extend(reader.field(part.root, &field, &of_type));
            }
        }
        reader.say_what_is_not_enforced();
        Self { fields, findings: reader.findings, type_rules }
    }
}

/// A definition or an extension of a root type.
struct Part {
    root: &'static str,
    name: String,
    line: usize,
    directives: Option<cst::Directives>,
    fields: Option<cst::FieldsDefinition>,
}

fn parts(sdl: &Sdl) -> Vec<Part> {
    let roots = roots(sdl);
    let parts = sdl.document.definitions().filter_map(|definition| {
        let (name, directives, fields) = match definition {
            cst::Definition::ObjectTypeDefinition(of) => {
                (of.name(), of.directives(), of.fields_definition())
            }
            cst::Definition::ObjectTypeExtension(of) => {
                (of.name(), of.directives(), of.fields_definition())
            }
            _ => return None,
        };
        let name = name?;
        let line = sdl.line(&name);
        let name = text(Some(name));
        Some(Part { root: roots.get(&name).copied()?, name, line, directives, fields })
    });
    parts.collect()
}

/// The types whose fields are root fields, and what composition calls these types.
///
/// A type with the name of a root is one unless the schema names another: composition merges types by their names, so its
/// fields become root fields where another subgraph makes it a root.
fn roots(sdl: &Sdl) -> HashMap<String, &'static str> {
    let mut named: HashMap<&str, String> = ROOTS.map(|root| (root, root.to_owned())).into();
    for definition in sdl.document.definitions() {
        let operations = match definition {
            cst::Definition::SchemaDefinition(schema) => schema.root_operation_type_definitions(),
            cst::Definition::SchemaExtension(schema) => schema.root_operation_type_definitions(),
            _ => continue,
        };
        for operation in operations {
            let root = operation.operation_type().map(|of| match of {
                of if of.mutation_token().is_some() => "Mutation",
                of if of.subscription_token().is_some() => "Subscription",
                _ => "Query",
            });
            let of = operation.named_type().and_then(|of| of.name());
            named.extend(root.map(|root| (root, text(of))));
        }
    }
    named.into_iter().map(|(root, name)| (name, root)).collect()
}

struct Reader<'a> {
    sdl: &'a Sdl,
    linked: Linked,
    /// The directives of federation that say who may use something.
    used: BTreeSet<FederationDirective>,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    /// A root field, unless a router answers it by itself.
    fn field(
        &mut self,
        root: &str,
        field: &cst::FieldDefinition,
        of_type: &Stated,
    ) -> Option<RootField> {
        let name = field.name()?;
        let line = self.sdl.line(&name);
        let name = text(Some(name));
        let is_of_routers = name.starts_with("__")
            || root == "Query" && ["_service", "_entities"].contains(&name.as_str());
        if is_of_routers {
            return None;
        }
        let name = format!("{root}.{name}");
        let found = self.findings.len();
        let mut stated = Stated::default();
        self.read(&mut stated, field.directives(), &name, line);
        let is_marked = stated.is_public || of_type.is_public && of_type.restricts();
        let stated = stated.and(of_type);
        let rule = stated.rule();
        if is_marked && stated.restricts() {
            let message = format!("{name} is marked as public but states a rule");
            self.problem(line, message, "a router enforces the rule: remove one of the two");
        } else if rule.is_none() && self.findings.len() == found {
            let advice = "state @authenticated, @requiresScopes or @policy, or mark it as @public or \
                          @tag(name: \"public\")";
            self.problem(line, format!("{name} states no rule"), advice);
        }
        Some(RootField { name, subgraph: self.sdl.file.clone(), line: Some(line), rule })
    }

    /// Adds what directives state.
    fn read(
        &mut self,
        stated: &mut Stated,
        directives: Option<cst::Directives>,
        about: &str,
        line: usize,
    ) {
        for directive in directives.into_iter().flat_map(|all| all.directives()) {
            let name = text(directive.name());
            if name == "public" {
                stated.is_public = true;
                continue;
            }
            let Some(meaning) = self.linked.find(&name) else { continue };
            let (Meaning::Federation(of) | Meaning::Namesake(of)) = meaning;
            let is_mark = of == FederationDirective::Tag;
            // Other tags say nothing here.
            if is_mark && string(argument(&directive, "name")).as_deref() != Some("public") {
                continue;
            }
            if let Meaning::Namesake(_) = meaning {
                let message = format!(
                    "{about} states @{name}, but the @link does not import it: no router enforces it"
                );
                let advice = format!("add \"@{}\" to the imports of the @link", of.into_str());
                self.problem(line, message, advice);
                continue;
            }
            self.used.extend((!is_mark).then_some(of));
            if stated.has(of) {
                let advice = "composition fails on a repeated directive: join the two";
                self.problem(line, format!("{about} states @{name} twice"), advice);
                continue;
            }
            match of {
                FederationDirective::Tag => stated.is_public = true,
                FederationDirective::Authenticated => stated.is_authenticated = true,
                FederationDirective::RequiresScopes => {
                    let scopes = self.alternatives(&directive, "scopes", about, line);
                    if let Some(scopes) = &scopes {
                        self.know(scopes, about, line);
                    }
                    stated.scopes.extend(scopes);
                }
                FederationDirective::Policy => {
                    stated.policies.extend(self.alternatives(&directive, "policies", about, line));
                }
            }
        }
    }

    fn alternatives(
        &mut self,
        directive: &cst::Directive,
        name: &str,
        about: &str,
        line: usize,
    ) -> Option<AnyOf> {
        let unfit = match AnyOf::read(argument(directive, name)) {
            Ok(alternatives) => return Some(alternatives),
            Err(unfit) => unfit,
        };
        let directive = text(directive.name());
        let message = match unfit {
            Unfit::AdmitsEverybody => {
                format!(
                    "the {name} of @{directive} at {about} admit everybody, so they are not a rule"
                )
            }
            Unfit::NoListOfLists => {
                format!("the {name} of @{directive} at {about} must be a list of lists of strings")
            }
            Unfit::TooLong => {
                format!(
                    "the {name} of @{directive} at {about} exceed {NAMES_BYTES_MAX} bytes in total"
                )
            }
        };
        let advice = format!("write [[\"a\", \"b\"], [\"c\"]] to require the {name} a and b, or c");
        self.problem(line, message, advice);
        None
    }

    /// Tells of scopes that no token has.
    fn know(&mut self, scopes: &AnyOf, about: &str, line: usize) {
        let known: Vec<_> = Permission::all().iter().map(|one| one.scope()).collect();
        for scope in scopes.names() {
            if known.iter().any(|known| known == scope) {
                continue;
            }
            let written = scope.to_ascii_lowercase();
            let distance = |known: &&String| strsim::osa_distance(known, &written);
            let near = known.iter().filter(|known| distance(known) <= TYPING_ERRORS_MAX);
            let advice = match near.min_by_key(distance) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the scopes of tokens are {}", known.join(", ")),
            };
            let message = format!("{about}: no token has the scope \"{}\"", scope.escape_debug());
            self.problem(line, message, advice);
        }
    }

    /// Tells of directives that the file's version of federation does not have. Without any `@link` nothing is enforced,
    /// and what looks like a rule is worse than none: composition leaves out what it does not know.
    fn say_what_is_not_enforced(&mut self) {
        let (line, version, too_new) = match &self.linked {
            Linked::Other => return,
            Linked::Nothing if self.used.is_empty() => return,
            Linked::Nothing => {
                let message =
                    "there is no @link to federation, so no router enforces the rules of this file";
                return self.problem(1, message, LINK);
            }
            Linked::Federation(link) => (link.line, link.version, link.too_new(&self.used)),
        };
        for directive in too_new {
            let (name, since) = (directive.into_str(), directive.since());
            let message =
                format!("@{name} needs federation {since}, but the @link names {version}");
            self.problem(line, message, format!("raise the version of the @link to {since}"));
        }
    }

    fn problem(&mut self, line: usize, message: impl Into<String>, advice: impl Into<String>) {
        self.findings.push(Finding {
            level: Level::Problem,
            file: self.sdl.file.clone(),
            line,
            message: message.into(),
            advice: advice.into(),
        });
    }
}

#[cfg(test)]
mod tests;
