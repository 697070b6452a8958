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
    pub(crate) changes: Vec<Change>,
}

/// Which older programs work on what a migration leaves.
#[derive(Clone, Copy)]
enum Older {
    None,
    /// All that worked before it.
    All,
    /// Those of this level or a later one.
    From(u32),
}

/// What a migration does to one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Creates it, which nobody waits for.
    Table(&'static str),
    /// Changes its definition, but none of its rows: a short lock that nobody else has meanwhile.
    Definition(&'static str),
    /// Builds an index from all its rows.
    Index(&'static str),
    /// Writes all its rows.
    Rows(&'static str),
}

impl Step {
    /// A migration after which no older program works, unless said otherwise.
    #[must_use]
    pub fn new(migration: impl MigrationTrait + 'static) -> Self {
        Self { migration: Box::new(migration), older: Older::None, changes: Vec::new() }
    }

    /// Programs that work before it work after it: it adds what they need not know.
    #[must_use]
    pub fn expands(self) -> Self {
        Self { older: Older::All, ..self }
    }

    /// Programs of this level or a later one work after it: it removes what they have stopped to need.
    #[must_use]
    pub fn contracts_to(self, level: u32) -> Self {
        Self { older: Older::From(level), ..self }
    }

    /// What it does, for `portcullis migrate plan`.
    #[must_use]
    pub fn change(mut self, change: Change) -> Self {
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
    (1..).zip(steps).fold(0, |oldest, (level, step)| match step.older {
        Older::None => level,
        Older::All => oldest,
        Older::From(from) => oldest.max(from),
    })
}

#[cfg(test)]
mod tests {
    use sea_orm_migration::prelude::*;

    use super::*;

    struct Named;

    impl MigrationName for Named {
        fn name(&self) -> &'static str {
            "m1"
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
        let step = || Step::new(Named);
        assert_eq!(oldest_allowed(&[]), 0);
        assert_eq!(oldest_allowed(&[step(), step()]), 2);
        assert_eq!(oldest_allowed(&[step(), step(), step().expands(), step().expands()]), 2);
        let contracted = [step(), step().expands(), step().expands(), step().contracts_to(2)];
        assert_eq!(oldest_allowed(&contracted), 2);
        let strict = [step(), step().expands(), step().contracts_to(1), step()];
        assert_eq!(oldest_allowed(&strict), 4);
        let never_back = [step(), step(), step(), step().contracts_to(1)];
        assert_eq!(oldest_allowed(&never_back), 3);
    }
}
