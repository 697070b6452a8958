//! What races and other instances can do to rows, on SQLite or the database that `TEST_DATABASE_URL` names.

mod passkeys;
mod recovery_codes;
mod totp;

use std::sync::Arc;
use std::time::Duration;

use portcullis_testing::TestDatabase;
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;

use super::*;
use crate::features::change::Changes;
use crate::infra::db::Db;
use crate::infra::keys::Master;
use crate::infra::mail::Outbox;
use crate::kernel::access::{Language, Role};
use crate::kernel::clock::Clock;
use crate::tables::{totp_secret, user};

/// Makes one change, which a function of this feature is, on an instance.
macro_rules! change {
    ($changes:expr, |$tx:ident| $made:expr) => {{
        let change = async |$tx: $crate::features::change::Tx<'_>| {
            let made = $made.await?;
            $tx.commit(made).await.map_err(Into::into)
        };
        $changes.run("test", $crate::kernel::acting::Acting::server(), change).await
    }};
}

use change;

/// How many do the same at once.
const CROWD: usize = 50;

/// Two instances of a server, on one database and by one clock.
struct Fixture {
    instances: [Changes; 2],
    db: Db,
    clock: Clock,
    master: Arc<Master>,
    _database: TestDatabase,
}

async fn fixture() -> Fixture {
    let database = TestDatabase::create().await;
    let db = Db::connect(&database.url, 4).await.unwrap();
    db.migrate_up(migration::Migrations::default()).await.unwrap();
    let other = Db::connect(&database.url, 4).await.unwrap();
    let start = DateTime::from_timestamp_micros(1_790_000_000_000_000).unwrap();
    let (clock, master) = (Clock::manual(start), Arc::new(Master::new(&[1; 32], None).unwrap()));
    let instance = |db: &Db| {
        let no_links = |_: &_, _, _: &_| unreachable!("no mail is written");
        let (clock, master) = (clock.clone(), Arc::clone(&master));
        let outbox = Outbox::new(db.clone(), clock.clone(), master, None, no_links).unwrap();
        Changes::new(db.clone(), clock, outbox)
    };
    let instances = [instance(&db), instance(&other)];
    Fixture { instances, db, clock, master, _database: database }
}

impl Fixture {
    fn changes(&self) -> &Changes {
        &self.instances[0]
    }

    /// The seconds that a code is shown for, so many times.
    fn pass_steps(&self, steps: u32) {
        self.clock.advance(Duration::from_secs(30) * steps);
    }

    async fn remove_all(&self, user: UserId) -> Result<(), DbErr> {
        change!(self.changes(), |tx| remove_all(&tx, user))
    }

    async fn user(&self, name: &str) -> UserId {
        let now = self.clock.now();
        let id = UserId::new(now);
        let row = user::ActiveModel {
            id: Set(id),
            username: Set(name.to_owned()),
            username_key: Set(name.to_owned()),
            email: Set(name.to_owned()),
            email_key: Set(name.to_owned()),
            email_verified: Set(true),
            full_name: Set(None),
            avatar_url: Set(None),
            password_hash: Set(String::new()),
            role: Set(Role::User),
            is_active: Set(true),
            created_at: Set(now),
            updated_at: Set(now),
            last_login_at: Set(None),
            locale: Set(Language::English),
            failed_logins: Set(0),
            unlocked_at: Set(None),
            taken_back_at: Set(None),
            grants: Set(None),
            username_is_proposed: Set(false),
            second_factor: Set(false),
            passkey_handle: Set(None),
        };
        user::Entity::insert(row).exec_without_returning(self.db.writer()).await.unwrap();
        id
    }
}

#[tokio::test]
async fn what_a_user_holds_is_told_and_taken() {
    let it = fixture().await;
    let (alice, bob) = (it.user("alice").await, it.user("bob").await);
    let nothing = Held { totp: None, recovery_codes_left: 0, passkeys: 0, passkeys_alone: 0 };
    assert_eq!(held(it.db.reader(), alice).await.unwrap(), nothing);
    assert!(!nothing.has_second_factor());

    for user in [alice, bob] {
        totp::enrolled(&it, user).await;
        recovery_codes::issued(&it, user).await;
        passkeys::added(&it, user, &[user.0.as_bytes()[15], 1], true).await;
        passkeys::added(&it, user, &[user.0.as_bytes()[15], 2], false).await;
    }
    let all = held(it.db.reader(), alice).await.unwrap();
    let totp = HeldTotp { confirmed_at: it.clock.now(), last_used_at: None, is_shut: false };
    let counted = (all.recovery_codes_left, all.passkeys, all.passkeys_alone);
    assert_eq!((all.totp, counted), (Some(totp), (10, 2, 1)));
    assert!(all.has_second_factor());

    it.remove_all(alice).await.unwrap();
    assert_eq!(held(it.db.reader(), alice).await.unwrap(), nothing);
    assert_eq!(held(it.db.reader(), bob).await.unwrap(), all);
}

#[tokio::test]
async fn what_a_user_holds_goes_with_the_account() {
    let it = fixture().await;
    let alice = it.user("alice").await;
    totp::enrolled(&it, alice).await;
    recovery_codes::issued(&it, alice).await;
    passkeys::added(&it, alice, b"1", true).await;

    user::Entity::delete_by_id(alice).exec(it.db.writer()).await.unwrap();
    let held = held(it.db.reader(), alice).await.unwrap();
    assert_eq!((held.totp, held.recovery_codes_left, held.passkeys), (None, 0, 0));
}

#[tokio::test]
async fn a_second_factor_is_turned_on_and_off_once() {
    let it = fixture().await;
    let (alice, bob) = (it.user("alice").await, it.user("bob").await);
    let is_on = async |user| {
        let row = user::Entity::find_by_id(user).one(it.db.reader()).await.unwrap();
        row.unwrap().second_factor
    };
    let on = async || -> Result<bool, DbErr> { change!(it.changes(), |tx| turn_on(&tx, alice)) };
    let off = async || -> Result<bool, DbErr> { change!(it.changes(), |tx| turn_off(&tx, alice)) };
    let epochs = it.changes().epochs();
    let epoch = epochs.current(alice);

    assert!(!is_on(alice).await);
    assert!(on().await.unwrap());
    assert!(is_on(alice).await && !is_on(bob).await);
    assert!(!on().await.unwrap(), "it was on");
    assert!(off().await.unwrap());
    assert!(!off().await.unwrap(), "it was off");
    assert!(!is_on(alice).await);
    assert_ne!(epochs.current(alice), epoch, "what is remembered of the user is out of date");
}
