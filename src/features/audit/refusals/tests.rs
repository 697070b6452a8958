//! How many rows an attack leaves behind.

use std::net::Ipv4Addr;

use sea_orm::{ConnectionTrait, Statement};

use super::*;
use crate::kernel::access::Refused;

struct Fixture {
    db: Db,
    clock: Clock,
    refusals: Refusals,
    _folder: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display());
    let db = Db::connect(&url, 2).await.unwrap();
    db.migrate_up(migration::Migrations::default()).await.unwrap();
    let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
    let refusals = Refusals::new(db.clone(), clock.clone());
    Fixture { db, clock, refusals, _folder: folder }
}

impl Fixture {
    fn refuse(&self, target: u128, ip: &str) {
        let refusal = Refusal { refused: Refused::SignIn, target: Some(Uuid::from_u128(target)) };
        let origin = Origin { ip: Some(ip.parse().unwrap()), ..Origin::CLI };
        self.refusals.tell(refusal, None, &origin);
    }

    /// How many events there are, and how many refusals they stand for.
    async fn written(&self) -> (i64, i64) {
        let sql = "SELECT COUNT(*), COALESCE(SUM(occurrences), 0) FROM audit_events";
        let statement = Statement::from_string(self.db.reader().get_database_backend(), sql);
        let row = self.db.reader().query_one_raw(statement).await.unwrap().unwrap();
        (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())
    }
}

#[tokio::test]
async fn the_first_refusal_is_written_at_once_and_those_like_it_once_a_minute() {
    let it = fixture().await;
    it.refuse(1, "203.0.113.7");
    it.refusals.write().await.unwrap();
    assert_eq!(it.written().await, (1, 1));

    for host in 0..100 {
        it.refuse(1, "203.0.113.7");
        it.refuse(2, &format!("2001:db8::{host:x}"));
        it.refusals.write().await.unwrap();
    }
    assert_eq!(it.written().await, (2, 2), "one network is one, and the rest is counted");

    it.clock.advance(WINDOW);
    it.refusals.write().await.unwrap();
    assert_eq!(it.written().await, (4, 201));
    it.clock.advance(WINDOW);
    it.refusals.write().await.unwrap();
    assert_eq!(it.written().await, (4, 201), "nothing happened");
    assert!(it.refusals.windows().is_empty(), "and nothing is remembered");
}

#[tokio::test]
async fn a_million_refusals_of_everybody_from_everywhere_leave_few_rows_and_none_uncounted() {
    let it = fixture().await;
    for n in 0..1_000_000_u32 {
        it.refuse(u128::from(n % 5_000), &Ipv4Addr::from_bits(n).to_string());
        if n % 100_000 == 0 {
            it.clock.advance(WINDOW);
            it.refusals.write().await.unwrap();
        }
    }
    assert!(it.refusals.windows().len() <= KEYS_MAX + 1);
    it.refusals.write_all().await.unwrap();
    let (rows, refused) = it.written().await;
    assert_eq!(refused, 1_000_000);
    assert!(rows <= 11 * 2 * i64::try_from(KEYS_MAX).unwrap(), "{rows} rows");
}

#[tokio::test]
async fn what_the_database_does_not_take_is_written_later() {
    let it = fixture().await;
    let rename = "ALTER TABLE audit_events RENAME TO elsewhere";
    it.db.writer().execute_unprepared(rename).await.unwrap();
    for target in 0..250 {
        it.refuse(target, "203.0.113.7");
        it.refuse(target, "203.0.113.7");
    }
    assert!(it.refusals.write().await.is_err());
    it.refuse(1, "203.0.113.7");

    let back = "ALTER TABLE elsewhere RENAME TO audit_events";
    it.db.writer().execute_unprepared(back).await.unwrap();
    it.refusals.write().await.unwrap();
    assert_eq!(it.written().await, (250, 501));
}
