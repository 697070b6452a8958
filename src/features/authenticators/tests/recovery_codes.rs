//! Recovery codes.

use super::*;
use crate::features::authenticators::recovery_codes::{
    CODES, RecoveryCode, count_left, issue, redeem,
};
use crate::features::change::Fault;

pub(super) async fn issued(it: &Fixture, user: UserId) -> Vec<RecoveryCode> {
    let codes: Result<Vec<RecoveryCode>, Fault> = change!(it.changes(), |tx| issue(&tx, user));
    codes.unwrap()
}

async fn redeem_on(changes: &Changes, user: UserId, code: &RecoveryCode) -> bool {
    let redeemed: Result<bool, DbErr> = change!(changes, |tx| redeem(&tx, user, code));
    redeemed.unwrap()
}

#[tokio::test]
async fn of_many_who_present_a_recovery_code_on_two_instances_one_is_accepted() {
    let it = Arc::new(fixture().await);
    let alice = it.user("alice").await;
    let code = issued(&it, alice).await.pop().unwrap();
    let redeeming: Vec<_> = (0..CROWD)
        .map(|number| {
            let (changes, code) = (it.instances[number % 2].clone(), code.clone());
            tokio::spawn(async move { redeem_on(&changes, alice, &code).await })
        })
        .collect();
    let mut accepted = 0;
    for redeemed in redeeming {
        accepted += usize::from(redeemed.await.unwrap());
    }
    assert_eq!(accepted, 1);
    assert_eq!(count_left(it.db.reader(), alice).await.unwrap(), 9);
}

#[tokio::test]
async fn each_code_is_its_users_and_good_once_until_others_are_issued() {
    let it = fixture().await;
    let (alice, bob) = (it.user("alice").await, it.user("bob").await);
    let (first, of_bob) = (issued(&it, alice).await, issued(&it, bob).await);
    let left = async |user| count_left(it.db.reader(), user).await.unwrap();
    assert_eq!((first.len(), left(alice).await), (CODES, 10));

    let typed = RecoveryCode::parse(&first[0].expose().to_lowercase()).unwrap();
    assert!(!redeem_on(it.changes(), bob, &typed).await, "it is another's");
    assert!(redeem_on(it.changes(), alice, &typed).await);
    assert!(!redeem_on(it.changes(), alice, &first[0]).await, "it was used");
    assert_eq!(left(alice).await, 9);

    let second = issued(&it, alice).await;
    for void in &first {
        assert!(!redeem_on(it.changes(), alice, void).await);
    }
    assert_eq!((left(alice).await, left(bob).await), (10, 10));
    for code in &second {
        assert!(redeem_on(it.changes(), alice, code).await);
    }
    assert_eq!(left(alice).await, 0);
    assert!(redeem_on(it.changes(), bob, &of_bob[9]).await);
}
