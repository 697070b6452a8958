//! What introspection lists of a schema to each caller, and what is left of it for callers of one kind.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{MetaType, MetaTypeName, Registry};

use super::{Terms, objects};
use crate::graphql::rule::Rule;

pub(super) fn list_to_each(registry: &mut Registry) {
    let mut givers: BTreeMap<String, BTreeSet<Option<Rule>>> = BTreeMap::new();
    for field in objects(registry).flat_map(IndexMap::values_mut) {
        let rule = Terms::read(&field.directive_invocations).rule;
        field.visible = rule.map(Rule::lister);
        let given = MetaTypeName::concrete_typename(&field.ty).to_owned();
        givers.entry(given).or_default().insert(rule);
    }
    leave_out_of_listings(registry);
    // The library lists an interface to whom it lists a type of it, and with it all its types. So it is
    // listed to whom a field gives it only.
    for of in registry.types.values_mut() {
        if let MetaType::Interface { name, visible, .. } = of {
            let rules = givers.get(name).map(|rules| rules.iter().collect::<Vec<_>>());
            *visible = match rules.as_deref() {
                None => Some(|_| false),
                Some([Some(rule)]) => Some(rule.lister()),
                // By several rules: that it is given at all is known, and not to whom.
                Some(_) => None,
            };
        }
    }
}

pub(super) fn leave_only(registry: &mut Registry, rules: &[Rule]) {
    for fields in objects(registry) {
        fields.retain(|_, field| {
            let rule = Terms::read(&field.directive_invocations).rule;
            rule.is_none_or(|rule| rules.contains(&rule))
        });
    }
    let has_fields = |name: &String| {
        registry.types.get(name).and_then(MetaType::fields).is_some_and(|it| !it.is_empty())
    };
    registry.subscription_type = registry.subscription_type.take().filter(has_fields);
    registry.remove_unused_types();
    let Registry { types, implements, .. } = registry;
    for interfaces in implements.values_mut() {
        interfaces.retain(|name| types.contains_key(name));
    }
}

/// An object without fields is no type. So a root whose fields all have rules is listed to who meets the least of them, being
/// signed in.
fn leave_out_of_listings(registry: &mut Registry) {
    let Some(name) = &registry.subscription_type else { return };
    if let Some(MetaType::Object { fields, visible, .. }) = registry.types.get_mut(name)
        && fields.values().all(|field| field.visible.is_some())
    {
        *visible = Some(Rule::SignedIn.lister());
    }
}
