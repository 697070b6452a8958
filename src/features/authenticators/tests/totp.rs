//! One-time codes.

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use super::*;
use crate::features::authenticators::totp::{
    ConfirmError, ENROLLMENT, FAILURES_MAX, RESEAL, RedeemError, Unsealed, begin, confirm,
    count_failure, count_unsealed, redeem, reset_failures,
};
use crate::features::change::Fault;
use crate::features::keyring::ResealedSeeds;
use crate::infra::totp::{Code, Seed};

/// Which session begins an enrollment.
const SESSION: Uuid = Uuid::from_u128(1);
const OTHER_SESSION: Uuid = Uuid::from_u128(2);

impl Fixture {
    async fn begin(&self, user: UserId) -> Seed {
        let seed: Result<Seed, Fault> =
            change!(self.changes(), |tx| begin(&tx, &self.master, user, SESSION));
        seed.unwrap()
    }

    async fn confirm_in(
        &self,
        session: Uuid,
        user: UserId,
        code: &Code,
    ) -> Result<(), ConfirmError> {
        change!(self.changes(), |tx| confirm(&tx, &self.master, user, session, code))
    }

    async fn confirm(&self, user: UserId, code: &Code) -> Result<(), ConfirmError> {
        self.confirm_in(SESSION, user, code).await
    }

    async fn redeem(&self, user: UserId, code: &Code) -> Result<(), RedeemError> {
        self.redeem_on(self.changes(), user, code).await
    }

    async fn redeem_on(
        &self,
        changes: &Changes,
        user: UserId,
        code: &Code,
    ) -> Result<(), RedeemError> {
        change!(changes, |tx| redeem(&tx, &self.master, user, code))
    }

    async fn fail(&self, user: UserId) -> bool {
        let counted: Result<bool, DbErr> = change!(self.changes(), |tx| count_failure(&tx, user));
        counted.unwrap()
    }

    async fn run(&self, sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) {
        let backend = self.db.writer().get_database_backend();
        let sql = match backend {
            sea_orm::DbBackend::Postgres => sql.replacen('?', "$1", 1).replacen('?', "$2", 1),
            _ => sql.to_owned(),
        };
        let statement = Statement::from_sql_and_values(backend, sql, values);
        self.db.writer().execute_raw(statement).await.unwrap();
    }
}

/// The seed of a user whose enrollment is finished, a step ago.
pub(super) async fn enrolled(it: &Fixture, user: UserId) -> Seed {
    let seed = it.begin(user).await;
    it.confirm(user, &seed.code_at(it.clock.now())).await.unwrap();
    seed
}

fn wrong(seed: &Seed, it: &Fixture) -> Code {
    let all = (0..).map(|number| Code::parse(&format!("{number:06}")).unwrap());
    let now = it.clock.now();
    all.into_iter().find(|code| seed.matching_step(code, now).is_none()).unwrap()
}

#[tokio::test]
async fn of_many_who_present_a_code_on_two_instances_one_is_accepted() {
    let it = Arc::new(fixture().await);
    let alice = it.user("alice").await;
    let seed = enrolled(&it, alice).await;
    it.pass_steps(2);
    let code = seed.code_at(it.clock.now());

    let redeeming: Vec<_> = (0..CROWD)
        .map(|number| {
            let (it, code) = (Arc::clone(&it), code.clone());
            tokio::spawn(async move { it.redeem_on(&it.instances[number % 2], alice, &code).await })
        })
        .collect();
    let (mut accepted, mut used) = (0, 0);
    for redeemed in redeeming {
        match redeemed.await.unwrap() {
            Ok(()) => accepted += 1,
            Err(RedeemError::Used) => used += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((accepted, used), (1, CROWD - 1));
}

#[tokio::test]
async fn each_step_is_accepted_once_and_none_after_a_later_one() {
    let it = fixture().await;
    let alice = it.user("alice").await;
    let seed = enrolled(&it, alice).await;
    let of_enrollment = seed.code_at(it.clock.now());
    assert!(matches!(it.redeem(alice, &of_enrollment).await, Err(RedeemError::Used)));
    it.pass_steps(3);
    let step = TimeDelta::seconds(30);
    let [before, now, after] =
        [-1, 0, 1].map(|steps: i32| seed.code_at(it.clock.now() + step * steps));

    it.redeem(alice, &now).await.unwrap();
    assert_eq!(
        held(it.db.reader(), alice).await.unwrap().totp.unwrap().last_used_at,
        Some(it.clock.now())
    );
    for used in [&now, &before] {
        assert!(matches!(it.redeem(alice, used).await, Err(RedeemError::Used)));
    }
    it.redeem(alice, &after).await.unwrap();
    it.pass_steps(1);
    assert!(matches!(it.redeem(alice, &after).await, Err(RedeemError::Used)), "its own time");
}

#[tokio::test]
async fn a_code_counts_a_step_before_and_after_its_own_and_for_its_user_alone() {
    let it = fixture().await;
    let (alice, bob, carol) =
        (it.user("alice").await, it.user("bob").await, it.user("carol").await);
    let (of_alice, _) = (enrolled(&it, alice).await, enrolled(&it, bob).await);
    it.pass_steps(10);
    let at = |steps: i32| of_alice.code_at(it.clock.now() + TimeDelta::seconds(30) * steps);

    for steps in [-2, 2] {
        assert!(matches!(it.redeem(alice, &at(steps)).await, Err(RedeemError::WrongCode)));
    }
    assert!(matches!(it.redeem(bob, &at(0)).await, Err(RedeemError::WrongCode)));
    assert!(matches!(it.redeem(carol, &at(0)).await, Err(RedeemError::NotEnrolled)));
    for steps in [-1, 0, 1] {
        it.redeem(alice, &at(steps)).await.unwrap();
    }
}

#[tokio::test]
async fn a_seed_counts_until_another_is_confirmed_where_it_was_begun() {
    let it = fixture().await;
    let alice = it.user("alice").await;
    let first = it.begin(alice).await;
    let code = |seed: &Seed| seed.code_at(it.clock.now());
    assert!(matches!(it.redeem(alice, &code(&first)).await, Err(RedeemError::NotEnrolled)));
    assert_eq!(held(it.db.reader(), alice).await.unwrap().totp, None, "nothing counts yet");
    let by_wrong = it.confirm(alice, &wrong(&first, &it)).await;
    assert!(matches!(by_wrong, Err(ConfirmError::WrongCode)));
    it.confirm(alice, &code(&first)).await.unwrap();
    assert!(matches!(it.confirm(alice, &code(&first)).await, Err(ConfirmError::NotBegun)));

    it.pass_steps(2);
    let voided = it.begin(alice).await;
    let second = it.begin(alice).await;
    assert!(matches!(it.confirm(alice, &code(&voided)).await, Err(ConfirmError::WrongCode)));
    let elsewhere = it.confirm_in(OTHER_SESSION, alice, &code(&second)).await;
    assert!(matches!(elsewhere, Err(ConfirmError::NotBegun)));
    it.redeem(alice, &code(&first)).await.unwrap();

    it.pass_steps(2);
    it.confirm(alice, &code(&second)).await.unwrap();
    it.pass_steps(2);
    assert!(matches!(it.redeem(alice, &code(&first)).await, Err(RedeemError::WrongCode)));
    it.redeem(alice, &code(&second)).await.unwrap();
}

#[tokio::test]
async fn an_enrollment_ends_after_ten_minutes() {
    let it = fixture().await;
    let (alice, bob) = (it.user("alice").await, it.user("bob").await);
    let (of_alice, of_bob) = (it.begin(alice).await, it.begin(bob).await);
    let moment = TimeDelta::microseconds(1);
    it.clock.advance((ENROLLMENT - moment).to_std().unwrap());
    it.confirm(alice, &of_alice.code_at(it.clock.now())).await.unwrap();
    it.clock.advance(moment.to_std().unwrap());
    let too_late = it.confirm(bob, &of_bob.code_at(it.clock.now())).await;
    assert!(matches!(too_late, Err(ConfirmError::NotBegun)));
}

#[tokio::test]
async fn a_hundred_wrong_codes_in_a_row_shut_out_right_ones_too() {
    let it = fixture().await;
    let alice = it.user("alice").await;
    let seed = enrolled(&it, alice).await;
    let code = |it: &Fixture| {
        it.pass_steps(2);
        seed.code_at(it.clock.now())
    };
    for _ in 0..FAILURES_MAX - 1 {
        assert!(!it.fail(alice).await);
    }
    it.redeem(alice, &code(&it)).await.unwrap();
    for number in 1..=FAILURES_MAX {
        assert_eq!(
            it.fail(alice).await,
            number == FAILURES_MAX,
            "{number}: a right one began anew"
        );
    }
    assert!(!it.fail(alice).await, "it is told once");
    assert!(matches!(it.redeem(alice, &code(&it)).await, Err(RedeemError::Shut)));
    assert!(held(it.db.reader(), alice).await.unwrap().totp.unwrap().is_shut);

    let forgotten: Result<(), DbErr> = change!(it.changes(), |tx| reset_failures(&tx, alice));
    forgotten.unwrap();
    it.redeem(alice, &code(&it)).await.unwrap();
    for _ in 0..FAILURES_MAX {
        it.fail(alice).await;
    }
    let other = it.begin(alice).await;
    assert!(matches!(it.redeem(alice, &code(&it)).await, Err(RedeemError::Shut)));
    it.confirm(alice, &other.code_at(it.clock.now())).await.unwrap();
    it.pass_steps(2);
    it.redeem(alice, &other.code_at(it.clock.now())).await.unwrap();
}

#[tokio::test]
async fn of_wrong_codes_that_come_at_once_each_is_counted() {
    let it = Arc::new(fixture().await);
    let alice = it.user("alice").await;
    enrolled(&it, alice).await;
    let reached: Vec<_> = (0..FAILURES_MAX + 10)
        .map(|number| {
            let it = Arc::clone(&it);
            let changes = it.instances[usize::from(number % 2 == 0)].clone();
            tokio::spawn(async move {
                let counted: Result<bool, DbErr> = change!(changes, |tx| count_failure(&tx, alice));
                counted.unwrap()
            })
        })
        .collect();
    let mut times = 0;
    for reached in reached {
        times += usize::from(reached.await.unwrap());
    }
    assert_eq!(times, 1);
    assert!(held(it.db.reader(), alice).await.unwrap().totp.unwrap().is_shut);
}

#[tokio::test]
async fn a_seed_is_kept_sealed_and_opens_for_its_user_alone() {
    let it = fixture().await;
    let (alice, bob) = (it.user("alice").await, it.user("bob").await);
    let (of_alice, _) = (enrolled(&it, alice).await, enrolled(&it, bob).await);
    it.begin(alice).await;
    let rows = totp_secret::Entity::find().all(it.db.reader()).await.unwrap();
    let kept = rows.iter().flat_map(|row| [&row.sealed_secret, &row.pending_secret]).flatten();
    let (mut count, seed) = (0, of_alice.as_bytes());
    for sealed in kept {
        assert!(!sealed.windows(seed.len()).any(|part| part == seed));
        count += 1;
    }
    assert_eq!(count, 3);

    let sealed = rows.iter().find(|row| row.user_id == alice).unwrap().sealed_secret.clone();
    it.run(
        "UPDATE totp_secrets SET sealed_secret = ? WHERE user_id = ?",
        [sealed.into(), bob.0.into()],
    )
    .await;
    it.pass_steps(2);
    let copied = it.redeem(bob, &of_alice.code_at(it.clock.now())).await;
    assert!(matches!(copied, Err(RedeemError::Fault(Fault::Crypto(_)))), "{copied:?}");
}

#[tokio::test]
async fn seeds_survive_a_change_of_the_secret_once_they_are_sealed_anew() {
    let mut it = fixture().await;
    let (alice, bob, carol) =
        (it.user("alice").await, it.user("bob").await, it.user("carol").await);
    let (of_alice, of_bob) = (enrolled(&it, alice).await, it.begin(bob).await);
    enrolled(&it, carol).await;
    it.run(
        "UPDATE totp_secrets SET sealed_secret = ? WHERE user_id = ?",
        [vec![1u8; 48].into(), carol.0.into()],
    )
    .await;
    let both = Arc::new(Master::new(&[2; 32], Some(&[1; 32])).unwrap());
    let new = Arc::new(Master::new(&[2; 32], None).unwrap());
    it.pass_steps(2);
    let now = it.clock.now();

    it.master = Arc::clone(&new);
    let unread = it.redeem(alice, &of_alice.code_at(now)).await;
    assert!(matches!(unread, Err(RedeemError::Fault(Fault::Crypto(_)))), "{unread:?}");
    assert_eq!(count_unsealed(&it.db, &both).await.unwrap(), Unsealed { previous: 2, unknown: 1 });
    let resealed = RESEAL(&it.db, &both).await.unwrap();
    assert_eq!(resealed, ResealedSeeds { sealed: 2, unreadable: 1 });
    assert_eq!(count_unsealed(&it.db, &new).await.unwrap(), Unsealed { previous: 0, unknown: 1 });
    it.redeem(alice, &of_alice.code_at(now)).await.unwrap();
    it.confirm(bob, &of_bob.code_at(now)).await.unwrap();

    let again = RESEAL(&it.db, &both).await.unwrap();
    assert_eq!(again, ResealedSeeds { sealed: 0, unreadable: 1 }, "nothing was left to do");
}
