//! Which directives of a file are those of Apollo Federation, as its `@link` says.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use apollo_parser::cst;
use strum::{EnumString, IntoStaticStr};

use super::sdl::{Sdl, argument, string, text};

const FEDERATION: &str = "https://specs.apollo.dev/federation";

/// A directive of federation that says who may use a field, or marks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumString, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "camelCase")]
pub(super) enum FederationDirective {
    Authenticated,
    RequiresScopes,
    Policy,
    Tag,
}

impl FederationDirective {
    /// The first version of federation that has it.
    pub(super) fn since(self) -> Version {
        match self {
            Self::Authenticated | Self::RequiresScopes => Version(2, 5),
            Self::Policy => Version(2, 6),
            Self::Tag => Version(2, 0),
        }
    }

    fn named(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// A version of federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32);

impl Version {
    /// The version of federation that a `@link` names; `None` where it names another specification.
    fn linked(url: &str) -> Option<Self> {
        let (of, version) = url.trim_end_matches('/').rsplit_once('/')?;
        let (major, minor) = version.strip_prefix('v')?.split_once('.')?;
        let version = Self(major.parse().ok()?, minor.parse().ok()?);
        (of == FEDERATION).then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}", self.0, self.1)
    }
}

/// What a file links.
#[derive(Debug)]
pub(super) enum Linked {
    Federation(Link),
    /// Other specifications only.
    Other,
    /// Nothing: federation 1, or no subgraph.
    Nothing,
}

/// The `@link` to federation.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) line: usize,
    pub(super) version: Version,
    /// What stands before the names of what is not imported.
    prefix: String,
    /// The names that imports have in the file.
    imports: HashMap<String, FederationDirective>,
}

/// What the name of a directive means in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Federation(FederationDirective),
    /// It is called like one of federation, and is the file's own.
    Namesake(FederationDirective),
}

impl Linked {
    pub(super) fn of(sdl: &Sdl) -> Self {
        let directives = sdl.document.definitions().filter_map(|definition| match definition {
            cst::Definition::SchemaDefinition(schema) => schema.directives(),
            cst::Definition::SchemaExtension(schema) => schema.directives(),
            _ => None,
        });
        let mut linked = Self::Nothing;
        for directive in directives.flat_map(|all| all.directives()) {
            if text(directive.name()) != "link" {
                continue;
            }
            if let Some(link) = Link::read(sdl, &directive) {
                return Self::Federation(link);
            }
            linked = Self::Other;
        }
        linked
    }

    /// What a directive of this name means, if it matters here.
    pub(super) fn find(&self, name: &str) -> Option<Meaning> {
        let named = FederationDirective::named(name);
        match self {
            Self::Federation(link) => {
                link.find(name).map(Meaning::Federation).or(named.map(Meaning::Namesake))
            }
            Self::Other => named.map(Meaning::Namesake),
            Self::Nothing => named.map(Meaning::Federation),
        }
    }
}

impl Link {
    fn read(sdl: &Sdl, directive: &cst::Directive) -> Option<Self> {
        let version = Version::linked(&string(argument(directive, "url"))?)?;
        let name = string(argument(directive, "as")).unwrap_or_else(|| "federation".to_owned());
        let imports = match argument(directive, "import") {
            Some(cst::Value::ListValue(list)) => list.values().filter_map(import).collect(),
            _ => HashMap::new(),
        };
        Some(Self { line: sdl.line(directive), version, prefix: format!("{name}__"), imports })
    }

    /// The directives that are imported or used, and need a later version of federation.
    pub(super) fn too_new(
        &self,
        used: &BTreeSet<FederationDirective>,
    ) -> BTreeSet<FederationDirective> {
        let named = self.imports.values().chain(used).copied();
        named.filter(|one| one.since() > self.version).collect()
    }

    fn find(&self, name: &str) -> Option<FederationDirective> {
        let prefixed = || FederationDirective::named(name.strip_prefix(self.prefix.as_str())?);
        self.imports.get(name).copied().or_else(prefixed)
    }
}

/// An import of a directive, `"@name"` or `{name: "@name", as: "@other"}`, by its name in the file.
fn import(value: cst::Value) -> Option<(String, FederationDirective)> {
    let (name, alias) = match value {
        cst::Value::ObjectValue(object) => {
            let member = |name: &str| {
                let found = object.object_fields().find(|field| text(field.name()) == name);
                string(found.and_then(|field| field.value()))
            };
            let name = member("name")?;
            let alias = member("as").unwrap_or_else(|| name.clone());
            (name, alias)
        }
        value => {
            let name = string(Some(value))?;
            (name.clone(), name)
        }
    };
    let alias = alias.strip_prefix('@')?.to_owned();
    Some((alias, FederationDirective::named(name.strip_prefix('@')?)?))
}

#[cfg(test)]
mod tests {
    use super::FederationDirective::{Authenticated, Policy, RequiresScopes, Tag};
    use super::Meaning::{Federation, Namesake};
    use super::*;

    fn linked(text: &str) -> Linked {
        Linked::of(&Sdl::parse(String::new(), text.to_owned()).unwrap())
    }

    #[test]
    fn imports_are_known_by_the_names_that_they_have_in_the_file() {
        let linked = linked(
            "extend schema @link(url: \"https://specs.apollo.dev/link/v1.0\")\n\
             @link(url: \"https://specs.apollo.dev/federation/v2.7\", as: \"fed\", import: \
             [\"@key\", \"FieldSet\", \"@authenticated\", {name: \"@requiresScopes\", as: \"@scopes\"}])",
        );
        for (name, meaning) in [
            ("authenticated", Some(Federation(Authenticated))),
            ("scopes", Some(Federation(RequiresScopes))),
            ("requiresScopes", Some(Namesake(RequiresScopes))),
            ("policy", Some(Namesake(Policy))),
            ("fed__policy", Some(Federation(Policy))),
            ("fed__tag", Some(Federation(Tag))),
            ("federation__policy", None),
            ("key", None),
        ] {
            assert_eq!(linked.find(name), meaning, "{name}");
        }
        assert!(matches!(linked, Linked::Federation(Link { line: 2, version: Version(2, 7), .. })));
    }

    #[test]
    fn a_schema_without_a_link_means_what_it_names() {
        let found = |text: &str, name: &str| linked(text).find(name);
        let plain = "type Query { a: Int }";
        assert_eq!(found(plain, "authenticated"), Some(Federation(Authenticated)));
        let other = "extend schema @link(url: \"https://example.com/authenticated/v2.5\")";
        assert_eq!(found(other, "authenticated"), Some(Namesake(Authenticated)));
        assert_eq!(found(other, "federation__authenticated"), None);
        let federation =
            "schema @link(url: \"https://specs.apollo.dev/federation/v2.5/\") { query: Q }";
        let named = found(federation, "federation__authenticated");
        assert_eq!(named, Some(Federation(Authenticated)));
        assert_eq!(found(federation, "authenticated"), Some(Namesake(Authenticated)));
    }

    #[test]
    fn an_older_federation_lacks_directives() {
        let too_new = |version: &str| {
            let link = linked(&format!(
                "extend schema @link(url: \"https://specs.apollo.dev/federation/{version}\", \
                 import: [\"@tag\", \"@policy\", {{name: \"@authenticated\"}}])"
            ));
            match link {
                Linked::Federation(link) => link.too_new(&BTreeSet::new()).into_iter().collect(),
                Linked::Other | Linked::Nothing => vec![],
            }
        };
        assert_eq!(too_new("v2.3"), [Authenticated, Policy]);
        assert_eq!(too_new("v2.5"), [Policy]);
        assert_eq!(too_new("v2.10"), []);
        assert_eq!(too_new("v1.0"), [Authenticated, Policy, Tag]);
    }
}
