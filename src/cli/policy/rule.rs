//! The rules of root fields, in words that are the same whichever subgraph states them.

use std::collections::BTreeSet;

use apollo_parser::cst;

use super::federation::FederationDirective;
use crate::graphql::guard::Fresh;
use crate::graphql::policy::RootField;
use crate::graphql::rule::Rule;

/// The rule of what is public.
pub(super) const ANYBODY: &str = "anybody";

/// The letters of all names in one list of alternatives, which is written out for each field of a type.
pub(super) const NAMES_BYTES_MAX: usize = 2_000;

/// The rule of one of Portcullis's own root fields.
pub(super) fn own(field: &RootField) -> String {
    let who = match field.rule {
        None => ANYBODY.to_owned(),
        // A token carries a permission as a scope, and other subgraphs know it by that.
        Some(Rule::Permission(permission)) => format!("the scope {}", permission.scope()),
        Some(rule @ (Rule::SignedIn | Rule::Role(_) | Rule::OrganizationRole(_))) => {
            rule.to_string()
        }
    };
    match field.fresh {
        None => who,
        Some(Fresh { max_age_seconds, if_second_factor }) => {
            let of = if if_second_factor { " if they have a second factor" } else { "" };
            format!("{who}; signed in within {} minutes{of}", max_age_seconds.div_ceil(60))
        }
    }
}

/// What directives state of a field, or of a type for all its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) is_public: bool,
    pub(super) is_authenticated: bool,
    /// Each must be met.
    pub(super) scopes: BTreeSet<AnyOf>,
    /// Each must be met.
    pub(super) policies: BTreeSet<AnyOf>,
}

impl Stated {
    /// Whether it keeps anybody out.
    pub(super) fn restricts(&self) -> bool {
        self.is_authenticated || !self.scopes.is_empty() || !self.policies.is_empty()
    }

    /// Whether it has a rule from this directive already.
    pub(super) fn has(&self, directive: FederationDirective) -> bool {
        match directive {
            FederationDirective::Authenticated => self.is_authenticated,
            FederationDirective::RequiresScopes => !self.scopes.is_empty(),
            FederationDirective::Policy => !self.policies.is_empty(),
            // It marks, and may do so often.
            FederationDirective::Tag => false,
        }
    }

    /// What holds where both hold.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.is_public |= other.is_public;
        self.is_authenticated |= other.is_authenticated;
        self.scopes.extend(other.scopes.iter().cloned());
        self.policies.extend(other.policies.iter().cloned());
        self
    }

    /// The rule in words; `None` where nothing is stated.
    pub(super) fn rule(&self) -> Option<String> {
        if !self.restricts() {
            return self.is_public.then(|| ANYBODY.to_owned());
        }
        // Who has a scope has a token.
        let signed_in =
            (self.is_authenticated && self.scopes.is_empty()).then(|| Rule::SignedIn.to_string());
        let scopes = self.scopes.iter().map(|all| all.words(["the scope", "the scopes"]));
        let policies = self.policies.iter().map(|all| all.words(["the policy", "the policies"]));
        let parts: Vec<_> = signed_in.into_iter().chain(scopes).chain(policies).collect();
        Some(parts.join("; "))
    }
}

/// Alternatives, each of which asks for all of its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AnyOf(BTreeSet<BTreeSet<String>>);

/// Why a list of alternatives is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Routers leave out what they do not expect, until nothing is left to ask for.
    NoListOfLists,
    /// There is no alternative, or one that asks for nothing.
    AdmitsEverybody,
    TooLong,
}

impl AnyOf {
    /// Reads an argument like `[["a", "b"], ["c"]]`.
    pub(super) fn read(argument: Option<cst::Value>) -> Result<Self, Unfit> {
        let alternatives = list(argument.ok_or(Unfit::NoListOfLists)?)?.map(|alternative| {
            list(alternative)?
                .map(|name| match name {
                    cst::Value::StringValue(name) => Ok(String::from(name)),
                    _ => Err(Unfit::NoListOfLists),
                })
                .collect::<Result<BTreeSet<_>, _>>()
        });
        let alternatives = alternatives.collect::<Result<BTreeSet<_>, _>>()?;
        if alternatives.is_empty() || alternatives.iter().any(BTreeSet::is_empty) {
            return Err(Unfit::AdmitsEverybody);
        }
        let bytes: usize = alternatives.iter().flatten().map(String::len).sum();
        if bytes > NAMES_BYTES_MAX { Err(Unfit::TooLong) } else { Ok(Self(alternatives)) }
    }

    /// All names in it.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.0.iter().flatten().map(String::as_str).collect()
    }

    fn words(&self, [one, several]: [&str; 2]) -> String {
        let alternative = |names: &BTreeSet<String>| {
            // Text of others must not steer a terminal.
            let quoted: Vec<_> = names.iter().map(|name| name.escape_debug().to_string()).collect();
            format!("{} {}", if quoted.len() > 1 { several } else { one }, quoted.join(" and "))
        };
        self.0.iter().map(alternative).collect::<Vec<_>>().join(", or ")
    }
}

fn list(value: cst::Value) -> Result<impl Iterator<Item = cst::Value>, Unfit> {
    match value {
        cst::Value::ListValue(list) => Ok(list.values()),
        _ => Err(Unfit::NoListOfLists),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::policy::sdl::{Sdl, argument};
    use crate::graphql::rule::Rule;
    use crate::kernel::access::{OrganizationRole, Role, permission};

    /// The argument of a directive, read.
    fn read(value: &str) -> Result<AnyOf, Unfit> {
        let text = format!("scalar A @d(names: {value})");
        let sdl = Sdl::parse(String::new(), text).unwrap();
        let Some(cst::Definition::ScalarTypeDefinition(scalar)) = sdl.document.definitions().next()
        else {
            panic!("{value}")
        };
        AnyOf::read(argument(&scalar.directives().unwrap().directives().next().unwrap(), "names"))
    }

    #[test]
    fn what_admits_everybody_is_no_rule() {
        for value in ["[]", "[[]]", "[[\"a\"], []]"] {
            assert_eq!(read(value), Err(Unfit::AdmitsEverybody), "{value}");
        }
        for value in
            ["\"a\"", "[\"a\"]", "[[a]]", "[[\"a\", 1]]", "null", "{a: \"a\"}", "[[[\"a\"]]]"]
        {
            assert_eq!(read(value), Err(Unfit::NoListOfLists), "{value}");
        }
        assert_eq!(AnyOf::read(None), Err(Unfit::NoListOfLists));
        let of_length = |length| format!("[[\"{}\"]]", "a".repeat(length));
        assert_eq!(read(&of_length(NAMES_BYTES_MAX + 1)), Err(Unfit::TooLong));
        assert!(read(&of_length(NAMES_BYTES_MAX)).is_ok());
    }

    #[test]
    fn a_rule_reads_alike_however_it_is_written() {
        let words = |value: &str| read(value).unwrap().words(["the scope", "the scopes"]);
        assert_eq!(words("[[\"a\"]]"), "the scope a");
        assert_eq!(words("[[\"c\"], [\"b\", \"a\", \"b\"]]"), "the scopes a and b, or the scope c");
        assert_eq!(words("[[\"a\\u001b[31m\"]]"), "the scope a\\u{1b}[31m");

        let scopes = BTreeSet::from([read("[[\"a\"]]").unwrap()]);
        let policies = BTreeSet::from([read("[[\"p\"]]").unwrap()]);
        let signed_in = Stated { is_authenticated: true, ..Stated::default() };
        let public = Stated { is_public: true, ..Stated::default() };
        let with_scopes = Stated { scopes, ..Stated::default() };
        let with_policies = Stated { policies, ..Stated::default() };
        let rule = |stated: &Stated| stated.rule().unwrap_or_default();
        assert_eq!(Stated::default().rule(), None);
        assert_eq!(rule(&public), ANYBODY);
        assert_eq!(rule(&signed_in), "a signed-in caller");
        assert_eq!(rule(&public.and(&signed_in)), "a signed-in caller");
        assert_eq!(rule(&signed_in.clone().and(&with_scopes)), "the scope a");
        assert_eq!(rule(&signed_in.and(&with_policies)), "a signed-in caller; the policy p");
        assert_eq!(rule(&with_policies.and(&with_scopes)), "the scope a; the policy p");
    }

    #[test]
    fn rules_of_portcullis_read_as_those_of_others_do() {
        let words = |rule, fresh| own(&RootField { name: String::new(), rule, fresh });
        let fresh = |if_second_factor| Some(Fresh { max_age_seconds: 300, if_second_factor });
        assert_eq!(words(None, None), ANYBODY);
        assert_eq!(words(Some(Rule::SignedIn), None), "a signed-in caller");
        assert_eq!(
            words(Some(Rule::Permission(permission::USERS_READ)), fresh(false)),
            "the scope users:read; signed in within 5 minutes"
        );
        assert_eq!(
            words(Some(Rule::SignedIn), fresh(true)),
            "a signed-in caller; signed in within 5 minutes if they have a second factor"
        );
        assert_eq!(words(Some(Rule::Role(Role::Admin)), None), "the role ADMIN");
        assert_eq!(
            words(Some(Rule::OrganizationRole(OrganizationRole::Owner)), None),
            "the role OWNER in the active organization"
        );
    }
}
