//! Whichever way rows are read, they are the same.

use chrono::TimeDelta;

use super::*;

async fn filled() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display());
    let db = Db::connect(&url, 2).await.unwrap();
    migration::up(db.writer(), None).await.unwrap();
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
            full_name: full_name.as_ref(),
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
                let listing =
                    Listing { filter, order, after: None, before: None, size: 3, from_end: false };
                listings.push(listing);
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
            listing.after = Some(listing.order.place(last));
        }
    }
    assert!(db.was_quick(), "it was not the ordinary way both times");
}
