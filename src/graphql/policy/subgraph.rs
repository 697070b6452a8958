//! The schema as a gateway takes it into its graph: a subgraph of Apollo Federation, whose rules stand in the directives
//! that gateways enforce.
//!
//! async-graphql would write the `@link` itself, and leave out half of what is imported; so this is ours.

use async_graphql::Value;
use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{MetaDirectiveInvocation, MetaType, Registry};

use super::{Terms, objects};
use crate::graphql::document::of_subgraph;
use crate::graphql::rule::Rule;

/// Whether a subgraph states the rules that a token does not show: `@policy`, which a gateway must be able to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policies {
    LeftOut,
    Stated,
}

/// What the text begins with. The version is the first that has `@cost` and `@listSize`. `@oneOf` is defined, since composers
/// do not know it of themselves.
pub(crate) fn link(policies: Policies) -> String {
    let policy = match policies {
        Policies::LeftOut => "",
        Policies::Stated => "\"@policy\", ",
    };
    format!(
        "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@authenticated\", \"@cost\", \
         \"@key\", \"@listSize\", {policy}\"@requiresScopes\", \"@shareable\"])\n\ndirective @oneOf on INPUT_OBJECT\n\n"
    )
}

/// The interface of what has an id, by which other services refer to it.
const NODE: &str = "Node";
/// The one object that other subgraphs have as well, with the same fields.
const SHARED: &str = "PageInfo";

/// Says each rule, as far as a token shows whether it is met, by the directives of gateways instead of ours. What those do not say, as
/// how long ago a sign-in was, each call is judged by all the same.
pub(super) fn shape(registry: &mut Registry, policies: Policies) {
    for field in objects(registry).flat_map(IndexMap::values_mut) {
        let terms = Terms::read(&field.directive_invocations);
        let policy = match policies {
            Policies::LeftOut => None,
            Policies::Stated => policy(&terms),
        };
        let costs = of_subgraph(field);
        let rules = terms.rule.map(enforced).into_iter().chain(policy);
        field.directive_invocations = rules.chain(costs).collect();
    }
    let Registry { types, implements, .. } = registry;
    for of in types.values_mut() {
        if let MetaType::Interface { fields, .. } = of {
            fields.values_mut().for_each(|field| field.directive_invocations = of_subgraph(field));
        }
        let MetaType::Object { name, directive_invocations, .. } = of else { continue };
        if implements.get(name).is_some_and(|interfaces| interfaces.contains(NODE)) {
            directive_invocations.push(used("key", [("fields", "id".into())]));
        } else if name == SHARED {
            directive_invocations.push(used("shareable", []));
        }
    }
    registry.directives.clear();
    registry.remove_unused_types();
}

fn enforced(rule: Rule) -> MetaDirectiveInvocation {
    match rule {
        Rule::Permission(permission) => {
            let all_of = Value::List(vec![permission.scope().into()]);
            used("requiresScopes", [("scopes", Value::List(vec![all_of]))])
        }
        Rule::SignedIn | Rule::Role(_) | Rule::OrganizationRole(_) => used("authenticated", []),
    }
}

/// The rules that no scope names. All of them must be met, so they stand in one list; docs/how-to/federation.md says what a
/// gateway answers for each.
fn policy(terms: &Terms) -> Option<MetaDirectiveInvocation> {
    let by_caller = match terms.rule {
        Some(Rule::Role(role)) => Some(format!("role:{}", role.into_str())),
        Some(Rule::OrganizationRole(role)) => Some(format!("orgRole:{}", role.into_str())),
        Some(Rule::SignedIn | Rule::Permission(_)) | None => None,
    };
    let names = by_caller
        .into_iter()
        .chain(terms.member.map(|role| format!("member:{}", role.into_str())))
        .chain(terms.owner.map(|_| "owner".to_owned()))
        .chain(terms.covers.map(|_| "covers".to_owned()))
        .map(Value::from);
    let all_of: Vec<_> = names.collect();
    let is_none = all_of.is_empty();
    let policies = Value::List(vec![Value::List(all_of)]);
    (!is_none).then(|| used("policy", [("policies", policies)]))
}

fn used<const N: usize>(name: &str, args: [(&str, Value); N]) -> MetaDirectiveInvocation {
    let args = args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    MetaDirectiveInvocation { name: name.to_owned(), args }
}
