//! What a migration means for the programs that run on its database.

use sea_orm_migration::MigrationTrait;

/// A migration, which programs may run on what it leaves, and what it does to tables that have rows.
///
/// A program knows the first so many migrations: that number is its level. An older program goes on running on a newer
/// schema for as long as its level is allowed there. So a change comes in two releases: one expands the schema, with
/// columns that older programs need not know, and a later one contracts it, once no program that needs the old form runs.
pub struct Step {
    pub(crate) migration: Box<dyn MigrationTrait>,
    older: Older,
    pub(crate) changes: Vec<TableChange>,
    pub(crate) holds_audit_log: bool,
}

/// Which older programs work on what a migration leaves.
#[derive(Clone, Copy)]
enum Older {
    None,
    /// All that worked before it.
    All,
    /// Those that know the migration of this name.
    Knowing(&'static str),
}

/// What a migration does to one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableChange {
    /// Creates it, which nobody waits for.
    Table(&'static str),
    /// Changes its definition, but none of its rows: a short lock that nobody else has meanwhile.
    Definition(&'static str),
    /// Builds an index from all its rows.
    Index(&'static str),
    /// The same while others write them.
    IndexOnline(&'static str),
    /// Writes all its rows.
    Rows(&'static str),
}

impl Step {
    /// A migration after which no older program works, unless said otherwise.
    #[must_use]
    pub fn new(migration: impl MigrationTrait + 'static) -> Self {
        Self {
            migration: Box::new(migration),
            older: Older::None,
            changes: Vec::new(),
            holds_audit_log: false,
        }
    }

    /// Programs that work before it work after it: it adds what they need not know.
    #[must_use]
    pub fn expands(self) -> Self {
        Self { older: Older::All, ..self }
    }

    /// Programs that know the earlier migration of this name work after it: it removes what they no longer need.
    #[must_use]
    pub fn contracts_to(self, migration: &'static str) -> Self {
        Self { older: Older::Knowing(migration), ..self }
    }

    /// Events of the audit log are verified by what it creates, so it is not reverted while there are any.
    #[must_use]
    pub(crate) fn holds_audit_log(self) -> Self {
        Self { holds_audit_log: true, ..self }
    }

    /// What it does, for `portcullis migrate plan`.
    #[must_use]
    pub fn change(mut self, change: TableChange) -> Self {
        self.changes.push(change);
        self
    }

    /// Its name, by which migrations are ordered and recorded.
    #[must_use]
    pub fn name(&self) -> &str {
        self.migration.name()
    }
}

/// The oldest level that is allowed after the last of these steps.
pub(crate) fn oldest_allowed(steps: &[Step]) -> u32 {
    // One that does not exist allows nobody.
    let level_of = |name: &str| {
        (1..).zip(steps).find(|(_, step)| step.name() == name).map_or(u32::MAX, |(level, _)| level)
    };
    (1..).zip(steps).fold(0, |oldest, (level, step)| match step.older {
        Older::None => level,
        Older::All => oldest,
        Older::Knowing(name) => oldest.max(level_of(name)),
    })
}

#[cfg(test)]
mod tests {
    use sea_orm_migration::prelude::*;

    use super::*;

    struct Named(&'static str);

    impl MigrationName for Named {
        fn name(&self) -> &str {
            self.0
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Named {
        async fn up(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
            Ok(())
        }
    }

    #[test]
    fn older_programs_are_allowed_until_a_migration_takes_away_what_they_need() {
        let strict = |name| Step::new(Named(name));
        let expanding = |name| strict(name).expands();
        for (steps, oldest) in [
            (vec![], 0),
            (vec![strict("a"), strict("b")], 2),
            (vec![strict("a"), strict("b"), expanding("c"), expanding("d")], 2),
            (vec![strict("a"), expanding("b"), strict("c").contracts_to("b")], 2),
            (vec![strict("a"), expanding("b"), strict("c").contracts_to("a"), strict("d")], 4),
            (vec![strict("a"), strict("b"), strict("c").contracts_to("a")], 2),
            (vec![strict("a"), strict("b").contracts_to("typo")], u32::MAX),
        ] {
            assert_eq!(oldest_allowed(&steps), oldest);
        }
    }
}
