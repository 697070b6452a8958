//! Whichever way rows are read, they are the same.

use chrono::{DateTime, TimeDelta};
use sea_orm::QueryTrait as _;

use super::*;
use crate::features::accounts::identity::{Email, FullName, Username};
use crate::features::accounts::listing::Order;
use crate::features::accounts::store::{NewUser, find_all, insert, touch_login};
use crate::infra::passwords::hash::PasswordHash;
use crate::kernel::access::{Language, Role};
use crate::kernel::id::UserId;
use crate::kernel::page::Part;

async fn filled() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display());
    let db = Db::connect(&url, 2).await.unwrap();
    db.migrate_up(migration::Migrations::default()).await.unwrap();
    let hash = PasswordHash::from("$argon2id$".to_owned());
    // Whole seconds, milliseconds and microseconds are stored with as many digits.
    for (number, micros) in [0, 1_000, 1_001, 2_000_000].into_iter().enumerate() {
        let now = DateTime::from_timestamp_micros(1_790_000_000_000_000 + micros).unwrap();
        let username = Username::parse(&format!("User{number}")).unwrap();
        let email = Email::parse(&format!("User{number}@Example.com")).unwrap();
        let full_name = (number == 1).then(|| FullName::parse("Æ 名").unwrap().unwrap());
        let new = NewUser {
            id: UserId::new(now),
            username: &username,
            email: &email,
            email_verified: false,
            locale: if number == 3 { Language::German } else { Language::English },
            username_is_proposed: false,
            full_name: full_name.as_ref(),
            avatar_url: None,
            password_hash: &hash,
            role: if number == 2 { Role::Admin } else { Role::User },
            now,
        };
        let user = insert(db.writer(), new).await.unwrap();
        if number == 3 {
            touch_login(db.writer(), user.id, now + TimeDelta::microseconds(7)).await.unwrap();
        }
    }
    (folder, db)
}

#[tokio::test]
async fn a_page_read_quickly_is_the_page_read_in_the_ordinary_way() {
    let (_folder, db) = filled().await;
    let ordinary = db.without_quick();
    let mut listings = Vec::new();
    for field in [OrderField::CreatedAt, OrderField::Username] {
        for descending in [true, false] {
            for filter in [
                Filter::default(),
                Filter {
                    search: Some("user1".to_owned()),
                    role: Some(Role::User),
                    is_active: Some(true),
                },
            ] {
                let order = Order { field, descending };
                let part = Part { after: None, before: None, size: 3, from_end: false };
                listings.push(Listing { filter, order, part, includes_places: false });
            }
        }
    }
    for mut listing in listings {
        // From page to page, so that every stored value comes back as a parameter.
        loop {
            let rows = list(&db, &listing, 1).await.unwrap();
            assert_eq!(rows, list(&ordinary, &listing, 1).await.unwrap(), "{listing:?}");
            let ids: Vec<_> = rows.iter().map(|user| user.id).collect();
            assert_eq!(find_all(&db, &ids).await.unwrap(), rows);
            assert_eq!(find_all(&ordinary, &ids).await.unwrap(), rows);
            let Some(last) = rows.last() else { break };
            listing.part.after = Some(listing.order.place(last));
        }
    }
    assert!(db.was_quick(), "it was not the ordinary way both times");
}

/// Pages of every filter, order and kind of place, from either end.
fn listings(search: Option<&str>) -> Vec<Listing> {
    let mut listings = Vec::new();
    for role in [None, Some(Role::User)] {
        for is_active in [None, Some(true)] {
            for field in [OrderField::CreatedAt, OrderField::Username] {
                for (descending, from_end) in [(true, true), (true, false), (false, false)] {
                    let filter = Filter { search: search.map(str::to_owned), role, is_active };
                    let order = Order { field, descending };
                    let part = Part { after: None, before: None, size: 50, from_end };
                    let first = Listing { filter, order, part, includes_places: false };
                    let key = match field {
                        OrderField::CreatedAt => Key::CreatedAt(DateTime::UNIX_EPOCH),
                        OrderField::Username => Key::Username("user".to_owned()),
                    };
                    let place = Some(Place { key, id: UserId::new(DateTime::UNIX_EPOCH) });
                    let (mut further, mut earlier) = (first.clone(), first.clone());
                    further.part.after.clone_from(&place);
                    earlier.part.before = place;
                    listings.extend([first, further, earlier]);
                }
            }
        }
    }
    listings
}

async fn plan(db: &Db, select: &Select<user::Entity>) -> String {
    let mut statement = select.build(DbBackend::Sqlite);
    statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
    let rows = db.reader().query_all_raw(statement).await.unwrap();
    let steps: Vec<String> = rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect();
    steps.join("; ")
}

#[tokio::test]
async fn every_page_lies_in_one_piece_of_one_index() {
    let (_folder, db) = filled().await;
    for listing in listings(None) {
        let plan = plan(&db, &page(DbBackend::Sqlite, &listing, AccessPath::Order)).await;
        let index = format!("users USING INDEX {}", index_of(&listing.filter, listing.order.field));
        assert!(plan.contains(&index) && !plan.contains(';'), "{plan} for {listing:?}");
        // A page that is not the first begins at its place, not at the beginning.
        let column = match listing.order.field {
            OrderField::CreatedAt => "created_at,id)",
            OrderField::Username => "username_key",
        };
        let has_place = ['<', '>'].iter().any(|sign| plan.contains(&format!("{column}{sign}")));
        assert_eq!(
            has_place,
            listing.part.after.is_some() || listing.part.before.is_some(),
            "{plan}"
        );
    }
}

#[test]
fn on_mariadb_a_page_names_its_index() {
    for listing in listings(None) {
        let sql = page(DbBackend::MySql, &listing, AccessPath::Order).build(DbBackend::MySql).sql;
        let index = index_of(&listing.filter, listing.order.field);
        assert!(sql.contains(&format!("FROM `users` FORCE INDEX (`{index}`)")), "{sql}");
    }
}

#[tokio::test]
async fn a_search_goes_by_the_keys_or_along_the_order() {
    let (_folder, db) = filled().await;
    let mut found = 0;
    for listing in listings(Some("user")) {
        let [narrow, broad] = [AccessPath::Search, AccessPath::Order]
            .map(|path| page(DbBackend::Sqlite, &listing, path).limit(51));
        let plan_narrow = plan(&db, &narrow).await;
        for index in ["users_username_key (username_key>", "users_email_key (email_key>"] {
            assert!(plan_narrow.contains(index), "{plan_narrow}");
        }
        let plan_broad = plan(&db, &broad).await;
        let index = format!("users USING INDEX {}", index_of(&listing.filter, listing.order.field));
        assert!(plan_broad.contains(&index) && !plan_broad.contains(';'), "{plan_broad}");
        let rows = read(&db, &listing, AccessPath::Search, 51).await.unwrap();
        assert_eq!(rows, read(&db, &listing, AccessPath::Order, 51).await.unwrap());
        found += rows.len();
    }
    assert!(found > 100, "{found}");
}

/// PostgreSQL, which knows how many rows it has, would walk half of a million along the index of the
/// order rather than sort eleven thousand.
#[test]
fn what_a_search_finds_is_sorted_by_nothing_that_an_index_holds() {
    for backend in [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql] {
        for listing in listings(Some("user")) {
            let sql = page(backend, &listing, AccessPath::Search).build(backend).sql;
            let (_, order) = sql.rsplit_once(" ORDER BY ").unwrap();
            let keys = match listing.order.field {
                OrderField::CreatedAt => 2,
                OrderField::Username => 1,
            };
            assert_eq!(order.matches("COALESCE(").count(), keys, "{sql}");
        }
    }
}

#[tokio::test]
async fn a_search_that_many_match_finds_them_wherever_they_are() {
    let (_folder, db) = filled().await;
    // The names that begin with `m` are the oldest, and those that begin with `x` the youngest.
    let fill = |prefix: &str, year: u32| {
        format!(
            "WITH RECURSIVE numbers(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM numbers \
             LIMIT {MATCHES_MANY}) INSERT INTO users (id, username, username_key, email, \
             email_key, password_hash, role, created_at, updated_at) SELECT randomblob(16), \
             '{prefix}' || n, '{prefix}' || n, n, '@' || '{prefix}' || n, '', 'USER', \
             '{year}-01-01T00:00:00.' || substr(1000000 + n, 2) || '+00:00', updated_at \
             FROM numbers, (SELECT * FROM users LIMIT 1)"
        )
    };
    for (prefix, year) in [("m", 2020), ("x", 2040)] {
        db.writer().execute_unprepared(&fill(prefix, year)).await.unwrap();
        assert!(has_many_matches(db.reader(), prefix).await.unwrap());
        let one_less = format!("DELETE FROM users WHERE username_key = '{prefix}20'");
        db.writer().execute_unprepared(&one_less).await.unwrap();
        assert!(!has_many_matches(db.reader(), prefix).await.unwrap());
        let by_email =
            format!("UPDATE users SET email_key = '{prefix}' WHERE username_key = '{prefix}30'");
        db.writer().execute_unprepared(&by_email).await.unwrap();
        assert!(!has_many_matches(db.reader(), prefix).await.unwrap());
    }
    for search in ["m", "x", "@m", "@x", "@"] {
        for listing in listings(Some(search)).into_iter().step_by(7) {
            let rows = list(&db, &listing, 51).await.unwrap();
            let expected = read(&db, &listing, AccessPath::Search, 51).await.unwrap();
            assert_eq!(rows, expected, "{listing:?}");
        }
    }
}
