//! What a team adds to the server in a crate of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_graphql::ObjectType;

use crate::features::accounts::Holding;
use crate::features::audit::{Kind, kind};
use crate::features::entities::{Owned, holding};
use crate::graphql::rule::PERMISSIONS_MAX;
use crate::kernel::access::{Permission, permission};
use crate::kernel::id::{self, TypedId};
use crate::kernel::registered::Clash;
use crate::schema::entity::Shown;
use crate::schema::node::NodeType;
use crate::schema::{RootError, Roots};

/// The lists that the export of any server has.
const OWN_LISTS: [&str; 7] = [
    "exportedAt",
    "account",
    "sessions",
    "securityEvents",
    "organizations",
    "identities",
    "authenticators",
];

/// Entities of a team's own, with their part of the schema. A server has one extension; of several parts, one merges
/// the roots and the additions.
pub trait Extension: 'static {
    /// What can be read of it. Its `impl` stands under `#[rules(query)]`.
    type Query: ObjectType + Default + 'static;
    /// What can be changed of it. Its `impl` stands under `#[rules(mutation)]`.
    type Mutation: ObjectType + Default + 'static;

    /// What else it adds.
    fn additions() -> Additions;
}

/// What an extension adds beside its roots.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    permissions: Vec<Permission>,
    kinds: Vec<Kind>,
    ids: Vec<&'static str>,
    nodes: Vec<NodeType>,
    holdings: Vec<Holding>,
    migrations: Vec<Migrator>,
    /// What its entities speak of.
    references: Vec<Reference>,
}

/// What an entity's declaration names, which must be registered.
#[derive(Clone, Debug)]
enum Reference {
    Permission(Permission),
    Kind(Kind),
}

impl Additions {
    /// Permissions, which [`permissions!`](crate::permissions) declares.
    #[must_use]
    pub fn permissions(mut self, permissions: &[Permission]) -> Self {
        self.permissions.extend(permissions);
        self
    }

    /// Kinds of audit events, which [`audit_kinds!`](crate::audit_kinds) declares.
    #[must_use]
    pub fn audit_kinds(mut self, kinds: &[Kind]) -> Self {
        self.kinds.extend(kinds);
        self
    }

    /// An entity, by the object that shows it: its rows are nodes, and part of what is exported of their owner.
    #[must_use]
    pub fn entity<T: Shown>(mut self) -> Self {
        self.ids.push(<T::Entity as Owned>::Id::OF);
        let permissions = [T::Entity::READ_ALL, T::Entity::WRITE_ALL].into_iter().flatten();
        let kinds = [T::Entity::CREATED, T::Entity::UPDATED, T::Entity::DELETED];
        self.references.extend(permissions.map(Reference::Permission));
        self.references.extend(kinds.map(Reference::Kind));
        self.nodes.push(NodeType::of::<T>());
        self.holdings.push(holding::<T::Entity>());
        self
    }

    /// The migrations that make its tables, oldest first. They have a table of records of their own, and run after
    /// those of the server.
    #[must_use]
    pub fn migrations(mut self, all: Migrator) -> Self {
        self.migrations.push(all);
        self
    }

    /// A name that an entity speaks of and that nobody has registered.
    fn unregistered(&self) -> Option<&'static str> {
        self.references.iter().find_map(|reference| match reference {
            Reference::Permission(one) => {
                let is_known =
                    self.permissions.contains(one) || permission::PERMISSIONS.contains(one);
                (!is_known).then(|| one.into_str())
            }
            Reference::Kind(one) => {
                let is_known = self.kinds.contains(one) || kind::AUDIT_KINDS.contains(one);
                (!is_known).then(|| one.into_str())
            }
        })
    }
}

/// Makes the migrations of an extension.
type Migrator = fn() -> Vec<migration::Step>;

/// An extension, registered.
#[derive(Clone, Debug)]
pub(crate) struct Extended {
    pub(crate) roots: Roots,
    pub(crate) holdings: Arc<[Holding]>,
    pub(crate) migrations: migration::Migrations,
}

impl Default for Extended {
    /// None.
    fn default() -> Self {
        let migrations = migration::Migrations::default();
        Self { roots: Roots::default(), holdings: Arc::default(), migrations }
    }
}

/// Why a server is not built with an extension.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExtensionError {
    #[error(transparent)]
    Name(#[from] Clash),
    #[error(transparent)]
    Field(#[from] RootError),
    #[error("it adds {0} permissions, and the server can have at most {max}", max = PERMISSIONS_MAX)]
    Permissions(usize),
    #[error("the list {0} of an export is declared twice: rename one of them")]
    Holding(&'static str),
    #[error(
        "an entity names {0}, which is neither a permission nor an audit kind: add it to the extension"
    )]
    Unregistered(&'static str),
    #[error("its entities need migrations that create their tables")]
    NoMigrations,
    #[error("it adds migrations twice: add them as one list")]
    Migrations,
}

impl Extended {
    /// Registers the names of an extension, for good, and sees that its parts fit.
    pub(crate) fn of<E: Extension>() -> Result<Self, ExtensionError> {
        let additions = E::additions();
        if let Some(name) = additions.unregistered() {
            return Err(ExtensionError::Unregistered(name));
        }
        let Additions { permissions, kinds, ids, nodes, holdings, migrations, .. } = additions;
        let migrations = only(&migrations, !holdings.is_empty())?;
        permission::KNOWN.add(&permissions)?;
        if Permission::all().len() > PERMISSIONS_MAX {
            return Err(ExtensionError::Permissions(permissions.len()));
        }
        kind::KNOWN.add(&kinds)?;
        id::TYPES.add(&ids)?;
        let mut names = BTreeSet::from(OWN_LISTS);
        for holding in &holdings {
            if !names.insert(holding.name) {
                return Err(ExtensionError::Holding(holding.name));
            }
        }
        let roots = Roots::with::<E::Query, E::Mutation>(nodes)?;
        Ok(Self { roots, holdings: holdings.into(), migrations })
    }
}

/// The migrations that were added, where there may or must be some.
fn only(added: &[Migrator], has_tables: bool) -> Result<migration::Migrations, ExtensionError> {
    match added {
        [] if has_tables => Err(ExtensionError::NoMigrations),
        [] => Ok(migration::Migrations::default()),
        [all] => Ok(migration::Migrations::with(*all)),
        _ => Err(ExtensionError::Migrations),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, Object};
    use portcullis_macros::rules;

    use super::*;

    #[derive(Default)]
    struct Taking;

    #[rules(query)]
    #[Object]
    impl Taking {
        #[public]
        async fn users(&self) -> i32 {
            1
        }
    }

    #[derive(Default)]
    struct Unruled;

    #[Object]
    impl Unruled {
        async fn invoice(&self) -> i32 {
            1
        }
    }

    #[test]
    fn what_an_entity_speaks_of_must_be_added() {
        const OWN: Permission = Permission::new("INVOICES_READ_ALL", "See all invoices.");
        let references =
            |permission| vec![Reference::Permission(permission), Reference::Kind(kind::SIGNED_IN)];
        let lacking = Additions { references: references(OWN), ..Additions::default() };
        assert_eq!(lacking.unregistered(), Some("INVOICES_READ_ALL"));
        assert_eq!(lacking.permissions(&[OWN]).unregistered(), None);
        let of_the_server =
            Additions { references: references(permission::USERS_READ), ..Additions::default() };
        assert_eq!(of_the_server.unregistered(), None);
    }

    #[test]
    fn entities_need_migrations_and_one_list_of_them() {
        let all: Migrator = Vec::new;
        assert_eq!(only(&[], true).unwrap_err(), ExtensionError::NoMigrations);
        assert_eq!(only(&[all, all], true).unwrap_err(), ExtensionError::Migrations);
        assert!(only(&[], false).is_ok() && only(&[all], true).is_ok());
    }

    #[test]
    fn roots_take_no_field_that_there_is_and_none_without_a_rule() {
        let refused = |roots: Result<Roots, RootError>| roots.unwrap_err().to_string();
        let taken = refused(Roots::with::<Taking, EmptyMutation>(Vec::new()));
        assert_eq!(taken, "the schema already has a field users: choose another name");
        // Also where the other root has it.
        assert_eq!(refused(Roots::with::<EmptyMutation, Taking>(Vec::new())), taken);
        let unruled = refused(Roots::with::<Unruled, EmptyMutation>(Vec::new()));
        assert!(unruled.starts_with("the field invoice has no access rule: "), "{unruled}");
    }
}
