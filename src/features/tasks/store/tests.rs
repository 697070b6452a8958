//! Every statement keeps to its scope.

use chrono::{DateTime, TimeDelta};

use super::*;
use crate::infra::db::Db;

struct Fixture {
    db: Db,
    users: [UserId; 2],
    organizations: [OrganizationId; 2],
    /// The newest first.
    tasks: Vec<Task>,
    _folder: tempfile::TempDir,
}

/// Three tasks of each of two users in each of two organizations, and in none.
async fn filled() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display());
    let db = Db::connect(&url, 2).await.unwrap();
    db.migrate_up().await.unwrap();
    // Whom the tasks belong to is not what is tested here.
    db.writer().execute_unprepared("PRAGMA foreign_keys = OFF").await.unwrap();
    let start = DateTime::from_timestamp_micros(1_790_000_000_000_001).unwrap();
    let users = [UserId::new(start), UserId::new(start)];
    let organizations = [OrganizationId::new(start), OrganizationId::new(start)];
    let mut tasks = Vec::new();
    for number in 0..18 {
        let now = start + TimeDelta::milliseconds(number);
        let place = usize::try_from(number).unwrap();
        let task = Task {
            id: TaskId::new(now),
            owner: users[place % 2],
            organization: organizations.get(place / 2 % 3).copied(),
            title: format!("Task {number}"),
            is_done: false,
            created_at: now,
            updated_at: now,
        };
        insert(db.writer(), &task).await.unwrap();
        tasks.insert(0, task);
    }
    Fixture { db, users, organizations, tasks, _folder: folder }
}

impl Fixture {
    fn scopes(&self) -> Vec<Scope> {
        let mut scopes = vec![Scope::All];
        for user in self.users {
            scopes.extend([Scope::Personal(user), Scope::Everywhere(user)]);
            scopes.extend(self.organizations.map(|organization| Scope::Own(user, organization)));
        }
        scopes.extend(self.organizations.map(Scope::Organization));
        scopes
    }
}

/// What a scope means, said another way.
fn is_within(scope: Scope, task: &Task) -> bool {
    match scope {
        Scope::All => true,
        Scope::Everywhere(user) => task.owner == user,
        Scope::Personal(user) => task.owner == user && task.organization.is_none(),
        Scope::Own(user, organization) => {
            task.owner == user && task.organization == Some(organization)
        }
        Scope::Organization(organization) => task.organization == Some(organization),
    }
}

#[tokio::test]
async fn no_statement_reaches_a_task_outside_its_scope() {
    let it = filled().await;
    let ids: Vec<_> = it.tasks.iter().map(|task| task.id).collect();
    let whole = Part { after: None, before: None, size: 100, from_end: false };
    for scope in it.scopes() {
        let expected: Vec<_> =
            it.tasks.iter().filter(|task| is_within(scope, task)).cloned().collect();
        let mut found = find_all(it.db.reader(), scope, &ids).await.unwrap();
        found.sort_by_key(|task| std::cmp::Reverse(task.id));
        assert_eq!(found, expected, "{scope:?}");
        assert_eq!(list(it.db.reader(), scope, Of::All, whole).await.unwrap(), expected);
        for task in &it.tasks {
            // Each undone again.
            let txn = it.db.begin().await.unwrap();
            let is_mine = is_within(scope, task);
            let locked = lock(&txn, scope, task.id).await.unwrap();
            assert_eq!(locked.as_ref(), is_mine.then_some(task), "{scope:?}");
            let changed = Task { title: "Changed".to_owned(), ..task.clone() };
            update(&txn, scope, &changed).await.unwrap();
            let stored = find_all(&txn, Scope::All, &[task.id]).await.unwrap();
            assert_eq!(stored[0].title == "Changed", is_mine, "{scope:?}");
            assert_eq!(delete(&txn, scope, task.id).await.unwrap(), is_mine, "{scope:?}");
            txn.rollback().await.unwrap();
        }
    }
}

#[tokio::test]
async fn lists_read_together_are_those_read_one_by_one_and_keep_to_the_scope_too() {
    let it = filled().await;
    let middle = it.tasks[7].id.0;
    let (users, organizations) = (it.users.map(Of::User), it.organizations.map(Of::Organization));
    for scope in it.scopes() {
        for lists in [users, organizations] {
            for (after, before) in [(None, None), (Some(middle), None), (None, Some(middle))] {
                for from_end in [false, true] {
                    let part = Part { after, before, size: 1, from_end };
                    let together = list_each(it.db.reader(), scope, &lists, part).await.unwrap();
                    for of in lists {
                        let alone = list(it.db.reader(), scope, of, part).await.unwrap();
                        let of_it: Vec<_> =
                            together.iter().filter(|task| of.has(task)).cloned().collect();
                        assert_eq!(of_it, alone, "{scope:?} {of:?} {part:?}");
                        assert!(alone.iter().all(|task| is_within(scope, task)));
                    }
                }
            }
            let counts = count_each(it.db.reader(), scope, &lists).await.unwrap();
            for of in lists {
                let expected =
                    it.tasks.iter().filter(|task| is_within(scope, task) && of.has(task)).count();
                let counted = counts.iter().find(|(list, _)| *list == of);
                assert_eq!(counted.map_or(0, |(_, count)| *count), expected as u64, "{scope:?}");
            }
        }
    }
    let all = count_each(it.db.reader(), Scope::All, &[Of::All]).await.unwrap();
    assert_eq!(all, [(Of::All, 18)]);
}
