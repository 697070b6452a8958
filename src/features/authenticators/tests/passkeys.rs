//! Passkeys.

use uuid::Uuid;

use super::*;
use crate::features::authenticators::passkeys::{
    AddError, NewPasskey, PASSKEYS_MAX, Passkey, PasskeyName, Use, add, find, find_handle,
    find_own, handle, list, note_use, remove, rename,
};
use crate::features::change::Fault;
use crate::kernel::id::PasskeyId;

fn used_at(sign_count: u32) -> Use {
    Use { sign_count, backed_up: true, user_verified: true }
}

async fn try_to_add(
    changes: &Changes,
    user: UserId,
    credential_id: &[u8],
    user_verified: bool,
) -> Result<Passkey, AddError> {
    let new = NewPasskey {
        rp_id: "example.com".to_owned(),
        credential_id: credential_id.to_vec(),
        public_key: vec![7; 4096],
        sign_count: 5,
        name: PasskeyName::parse("name", " Laptop ").unwrap(),
        transports: ["internal", "hybrid"].map(str::to_owned).to_vec(),
        aaguid: Uuid::from_u128(9),
        user_verified,
        conditional: false,
        backup_eligible: true,
        backed_up: false,
    };
    change!(changes, |tx| add(&tx, user, new.clone()))
}

pub(super) async fn added(
    it: &Fixture,
    user: UserId,
    credential_id: &[u8],
    user_verified: bool,
) -> Passkey {
    try_to_add(it.changes(), user, credential_id, user_verified).await.unwrap()
}

#[tokio::test]
async fn a_passkey_is_found_as_it_was_added_and_is_its_users_alone() {
    let it = fixture().await;
    let (alice, bob) = (it.user("alice").await, it.user("bob").await);
    let longest = [9; 1023];
    let passkey = added(&it, alice, &longest, true).await;
    assert_eq!((passkey.name.as_str(), passkey.created_at), ("Laptop", it.clock.now()));

    let db = it.db.reader();
    assert_eq!(find(db, &longest).await.unwrap().as_ref(), Some(&passkey));
    assert_eq!(find(db, &longest[1..]).await.unwrap(), None);
    assert_eq!(find_own(db, alice, passkey.id).await.unwrap().as_ref(), Some(&passkey));
    assert_eq!(find_own(db, bob, passkey.id).await.unwrap(), None);
    assert_eq!(list(db, alice).await.unwrap(), std::slice::from_ref(&passkey));
    assert_eq!(list(db, bob).await.unwrap(), []);

    let name = PasskeyName::parse("name", "Phone 名").unwrap();
    let rename = async |user, id: PasskeyId| -> Result<bool, DbErr> {
        change!(it.changes(), |tx| rename(&tx, user, id, &name))
    };
    let remove = async |user, id: PasskeyId| -> Result<bool, DbErr> {
        change!(it.changes(), |tx| remove(&tx, user, id))
    };
    assert!(!rename(bob, passkey.id).await.unwrap() && !remove(bob, passkey.id).await.unwrap());
    assert!(rename(alice, passkey.id).await.unwrap());
    let renamed = Passkey { name: "Phone 名".to_owned(), ..passkey.clone() };
    assert_eq!(list(db, alice).await.unwrap(), [renamed]);
    assert!(remove(alice, passkey.id).await.unwrap());
    assert!(!remove(alice, passkey.id).await.unwrap());
    assert_eq!(list(db, alice).await.unwrap(), []);
}

#[tokio::test]
async fn of_many_who_register_one_credential_one_has_it() {
    let it = Arc::new(fixture().await);
    let users = [it.user("alice").await, it.user("bob").await];
    let adding: Vec<_> = (0..10)
        .map(|number| {
            let changes = it.instances[number % 2].clone();
            let user = users[number / 5];
            tokio::spawn(async move { try_to_add(&changes, user, b"one", true).await })
        })
        .collect();
    let (mut added, mut taken) = (0, 0);
    for outcome in adding {
        match outcome.await.unwrap() {
            Ok(_) => added += 1,
            Err(AddError::Taken) => taken += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((added, taken), (1, 9));
}

#[tokio::test]
async fn a_user_has_twenty_passkeys_at_most() {
    let it = fixture().await;
    let (alice, bob) = (it.user("alice").await, it.user("bob").await);
    for number in 0..PASSKEYS_MAX {
        added(&it, alice, &[u8::try_from(number).unwrap()], false).await;
    }
    let further = try_to_add(it.changes(), alice, b"further", false).await;
    assert!(matches!(further, Err(AddError::TooMany)));
    added(&it, bob, b"further", false).await;
}

#[tokio::test]
async fn of_two_uses_with_one_count_one_is_noted() {
    let it = Arc::new(fixture().await);
    let alice = it.user("alice").await;
    let passkey = added(&it, alice, b"one", true).await;
    it.pass_steps(1);
    let using: Vec<_> = (0..10)
        .map(|number| {
            let (changes, passkey) = (it.instances[number % 2].clone(), passkey.clone());
            tokio::spawn(async move {
                let noted: Result<bool, DbErr> =
                    change!(changes, |tx| note_use(&tx, &passkey, &used_at(6)));
                noted.unwrap()
            })
        })
        .collect();
    let mut noted = 0;
    for used in using {
        noted += usize::from(used.await.unwrap());
    }
    assert_eq!(noted, 1);
    let last_used_at = Some(it.clock.now());
    let used = Passkey { sign_count: 6, backed_up: true, last_used_at, ..passkey };
    assert_eq!(list(it.db.reader(), alice).await.unwrap(), std::slice::from_ref(&used));

    // The greatest count there is, and an authenticator that does not count.
    let noted: Result<bool, DbErr> =
        change!(it.changes(), |tx| note_use(&tx, &used, &used_at(u32::MAX)));
    assert!(noted.unwrap());
    assert_eq!(list(it.db.reader(), alice).await.unwrap()[0].sign_count, u32::MAX);
}

#[tokio::test]
async fn a_user_has_one_handle_for_good_which_is_another_than_everybody_elses() {
    let it = fixture().await;
    let (alice, bob) = (it.user("alice").await, it.user("bob").await);
    let make = async |user| {
        let made: Result<Vec<u8>, Fault> = change!(it.changes(), |tx| handle(&tx, user));
        made.unwrap()
    };
    assert_eq!(find_handle(it.db.reader(), alice).await.unwrap(), None);
    let first = make(alice).await;
    assert_eq!(first.len(), 32);
    assert_ne!(make(bob).await, first);
    it.remove_all(alice).await.unwrap();
    assert_eq!(make(alice).await, first);
    assert_eq!(find_handle(it.db.reader(), alice).await.unwrap(), Some(first));
}

#[test]
fn the_name_of_a_passkey_is_one_line() {
    let longest = "名".repeat(100);
    for (typed, name) in [("Laptop", "Laptop"), (" My phone ", "My phone"), (&*longest, &*longest)]
    {
        assert_eq!(PasskeyName::parse("name", typed).unwrap().as_str(), name);
    }
    for wrong in ["", " ", "two\nlines", &format!("{longest}名")] {
        assert!(PasskeyName::parse("name", wrong).is_err(), "{wrong:?}");
    }
}
