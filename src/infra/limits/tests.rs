//! One contract, kept in memory and in Redis alike.

use ::redis as redis_driver;
use proptest::prelude::*;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use std::net::IpAddr;

use super::*;
use crate::kernel::id::uuid_v7;

const REDIS: &str = "redis://127.0.0.1:6379";
const MAIL: &str = "alice@example.com";

static STREAM: Limit<Ip> = Limit::stream("stream", 20, 60, 10);
static FAILURES: Limit<Ip> = Limit::failures("failures", 60, 60);
static ROW: Limit<Identifier> = Limit::failures_in_a_row("row", 5, 900);
static SPRAY: Limit<Distinct<Ip, Identifier>> = Limit::distinct("spray", 20, 3600);
static ALL_SPRAY: Limit<Distinct<Ip, Identifier>> = Limit::distinct("all spray", 20, 3600);

/// What an attempt is counted under, from an address at a name.
type Scene = fn(ip: IpAddr, identifier: &str) -> Vec<Counted>;

const STREAMED: Scene = |ip, _| vec![STREAM.of(Some(ip))];
const FAILED: Scene = |ip, _| vec![FAILURES.of(Some(ip))];
const IN_A_ROW: Scene = |_, name| vec![ROW.of(name)];
const SPRAYED: Scene = |ip, name| vec![SPRAY.of((Some(ip), name))];
const ALL: Scene =
    |ip, name| vec![STREAM.of(Some(ip)), ROW.of(name), ALL_SPRAY.of((Some(ip), name))];

struct Backend {
    name: &'static str,
    limits: Limits,
    clock: Clock,
}

impl Backend {
    fn memory() -> Self {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        Self { name: "memory", limits: Limits::in_memory(clock.clone(), Rates::default()), clock }
    }

    fn redis_at(url: &str) -> Self {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let namespace = uuid_v7(Clock::system().now()).to_string();
        let limits =
            Limits::in_redis(clock.clone(), Rates::default(), &url.into(), &namespace).unwrap();
        Self { name: "redis", limits, clock }
    }

    #[expect(clippy::disallowed_methods, reason = "the tests' own setting, not the program's")]
    async fn redis() -> Option<Self> {
        let backend = Self::redis_at(REDIS);
        if backend.limits.reach().await == Some(Ok(())) {
            return Some(backend);
        }
        assert!(std::env::var("CI").as_deref() != Ok("true"), "there must be a Redis");
        eprintln!("skipped: there is no Redis at {REDIS}");
        None
    }

    async fn all() -> Vec<Self> {
        [Some(Self::memory()), Self::redis().await].into_iter().flatten().collect()
    }

    async fn admit(&self, scene: Scene, ip: &str, identifier: &str) -> Result<Admission, u32> {
        let counted = scene(ip.parse().unwrap(), identifier);
        self.limits.admit(&counted, 1).await.map_err(|limited| limited.retry_after_seconds)
    }

    /// How many attempts are admitted before one is not, and how long that one has to wait.
    async fn exhaust(&self, scene: Scene, ip: &str, identifier: &str) -> (u32, u32) {
        let mut admitted = 0;
        loop {
            match self.admit(scene, ip, identifier).await {
                Ok(_failed) => admitted += 1,
                Err(retry_after_seconds) => return (admitted, retry_after_seconds),
            }
            assert!(admitted < 1000, "{}: there is no limit", self.name);
        }
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn attempts_come_in_a_burst_and_then_evenly_spread() {
    for it in Backend::all().await {
        assert_eq!(it.exhaust(STREAMED, "192.0.2.1", "").await, (10, 3), "{}", it.name);
        it.pass(2);
        assert_eq!(it.exhaust(STREAMED, "192.0.2.1", "").await, (0, 1));
        it.pass(1);
        assert_eq!(it.exhaust(STREAMED, "192.0.2.1", "").await, (1, 3));
        it.pass(60);
        assert_eq!(it.exhaust(STREAMED, "192.0.2.1", "").await, (10, 3));
        assert_eq!(it.exhaust(STREAMED, "192.0.2.2", "").await, (10, 3), "another address");
        let succeeded = it.admit(STREAMED, "192.0.2.3", "").await.unwrap();
        succeeded.succeeded().await;
        assert_eq!(it.exhaust(STREAMED, "192.0.2.3", "").await.0, 9, "a success counts as well");
    }
}

#[tokio::test]
async fn an_ipv6_network_is_one_subject_and_a_mapped_address_is_what_it_maps() {
    for it in Backend::all().await {
        it.exhaust(STREAMED, "2001:db8:0:1::1", "").await;
        assert_eq!(it.exhaust(STREAMED, "2001:db8:0:1:ffff::2", "").await.0, 0, "{}", it.name);
        assert_eq!(it.exhaust(STREAMED, "2001:db8:0:2::1", "").await.0, 10);
        it.exhaust(STREAMED, "192.0.2.9", "").await;
        assert_eq!(it.exhaust(STREAMED, "::ffff:192.0.2.9", "").await.0, 0);
    }
}

#[tokio::test]
async fn failures_in_a_row_bring_pauses_that_double_up_to_an_hour() {
    for it in Backend::all().await {
        assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (5, 30), "{}", it.name);
        for pause in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
            it.pass(pause - 1);
            assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (0, 1), "{pause}");
            it.pass(1);
            let next = u32::try_from((pause * 2).min(3600)).unwrap();
            // From wherever it comes: what counts is who is meant.
            assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.2", MAIL).await, (1, next), "{pause}");
        }
        assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", "bob").await, (5, 30), "somebody else");
        it.pass(3600 + 899);
        assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (1, 3600), "not yet forgotten");
        it.pass(3600 + 900);
        assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (5, 30), "forgotten");
    }
}

#[tokio::test]
async fn a_success_clears_the_row_and_an_unjudged_attempt_leaves_it_as_it_was() {
    for it in Backend::all().await {
        for _ in 0..4 {
            let _failed = it.admit(IN_A_ROW, "192.0.2.1", MAIL).await.unwrap();
        }
        it.admit(IN_A_ROW, "192.0.2.1", MAIL).await.unwrap().succeeded().await;
        assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (5, 30), "{}", it.name);

        it.pass(30);
        it.admit(IN_A_ROW, "192.0.2.1", MAIL).await.unwrap().unjudged().await;
        assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (1, 60));

        it.limits.forget([ROW.of(MAIL)]).await;
        assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (5, 30));
    }
}

#[tokio::test]
async fn only_failures_count_where_only_they_are_counted() {
    for it in Backend::all().await {
        for _ in 0..200 {
            it.admit(FAILED, "192.0.2.1", "").await.unwrap().succeeded().await;
        }
        assert_eq!(it.exhaust(FAILED, "192.0.2.1", "").await, (60, 1), "{}", it.name);
    }
}

#[tokio::test]
async fn one_address_may_fail_for_twenty_identifiers_and_try_those_again() {
    for it in Backend::all().await {
        let name = |number: u32| format!("user{number}");
        for number in 0..20 {
            let _failed = it.admit(SPRAYED, "192.0.2.1", &name(number)).await.unwrap();
            it.pass(1);
        }
        let refused = it.admit(SPRAYED, "192.0.2.1", "another").await.unwrap_err();
        assert_eq!(refused, 3600 - 20, "{}", it.name);
        it.admit(SPRAYED, "192.0.2.1", &name(7)).await.unwrap().succeeded().await;
        let _failed = it.admit(SPRAYED, "192.0.2.1", "another").await.unwrap();
        it.admit(SPRAYED, "192.0.2.1", "and another").await.unwrap_err();
        let _other = it.admit(SPRAYED, "192.0.2.2", "and another").await.unwrap();
        it.pass(3600 - 20);
        let _failed = it.admit(SPRAYED, "192.0.2.1", "and another").await.unwrap();
    }
}

#[tokio::test]
async fn an_attempt_that_one_limit_refuses_counts_under_none() {
    for it in Backend::all().await {
        it.exhaust(ALL, "192.0.2.1", MAIL).await;
        for _ in 0..50 {
            it.admit(ALL, "192.0.2.1", MAIL).await.unwrap_err();
        }
        // Five of the ten are left to the address, and nineteen of the twenty identifiers.
        for _ in 0..5 {
            it.admit(ALL, "192.0.2.1", "bob").await.unwrap().succeeded().await;
        }
        assert_eq!(it.admit(ALL, "192.0.2.1", "bob").await.unwrap_err(), 3, "{}", it.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_attempts_at_once_no_more_are_admitted_than_one_after_another() {
    for it in Backend::all().await {
        let attempts = (0..200).map(|_| {
            let limits = it.limits.clone();
            tokio::spawn(async move { limits.attempt([ROW.of(MAIL)]).await.is_ok() })
        });
        let mut admitted = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            admitted += u32::from(attempt.await.unwrap());
        }
        assert_eq!(admitted, 5, "{}", it.name);
    }
}

#[tokio::test]
async fn instances_share_what_they_count_in_redis() {
    let Some(it) = Backend::redis().await else { return };
    let namespace = uuid_v7(Clock::system().now()).to_string();
    let instance =
        || Limits::in_redis(it.clock.clone(), Rates::default(), &REDIS.into(), &namespace).unwrap();
    let (one, other) = (instance(), instance());
    for limits in [&one, &other, &one, &other, &one] {
        let _failed = limits.attempt([ROW.of(MAIL)]).await.unwrap();
    }
    assert_eq!(other.attempt([ROW.of(MAIL)]).await.unwrap_err().retry_after_seconds, 30);
    other.forget([ROW.of(MAIL)]).await;
    let _failed = one.attempt([ROW.of(MAIL)]).await.unwrap();
}

#[tokio::test]
async fn a_success_on_one_instance_is_heard_of_by_the_others() {
    let Some(it) = Backend::redis().await else { return };
    let namespace = uuid_v7(Clock::system().now()).to_string();
    let instance =
        || Limits::in_redis(it.clock.clone(), Rates::default(), &REDIS.into(), &namespace).unwrap();
    let (one, other) = (instance(), instance());
    for _ in 0..4 {
        let _failed = one.attempt([ROW.of(MAIL)]).await.unwrap();
    }
    it.pass(1);
    other.attempt([ROW.of(MAIL)]).await.unwrap().succeeded().await;
    it.pass(1);
    for _ in 0..5 {
        let _failed = one.attempt([ROW.of(MAIL)]).await.unwrap();
        it.pass(1);
    }
    assert_eq!(one.attempt([ROW.of(MAIL)]).await.unwrap_err().retry_after_seconds, 29);
}

#[tokio::test]
async fn a_redis_that_was_emptied_gives_no_fresh_attempts() {
    let Some(it) = Backend::redis().await else { return };
    let lose = || async {
        let prefix = &it.limits.0.as_ref().unwrap().redis.as_ref().unwrap().prefix_for_test();
        let client = redis_driver::Client::open(REDIS).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<Vec<u8>> = redis_driver::cmd("KEYS")
            .arg(format!("{prefix}*"))
            .query_async(&mut connection)
            .await
            .unwrap();
        assert!(!keys.is_empty());
        let () = redis_driver::cmd("DEL").arg(keys).query_async(&mut connection).await.unwrap();
    };
    for (scene, admitted) in [(STREAMED, 10), (FAILED, 60), (IN_A_ROW, 5)] {
        assert_eq!(it.exhaust(scene, "192.0.2.1", MAIL).await.0, admitted);
        lose().await;
        assert_eq!(it.exhaust(scene, "192.0.2.1", MAIL).await.0, 0);
        assert!(it.admit(scene, "192.0.2.2", "bob").await.is_ok(), "nobody else is kept out");
    }
    for number in 0..20 {
        let _failed = it.admit(SPRAYED, "192.0.2.1", &format!("user{number}")).await.unwrap();
    }
    lose().await;
    it.admit(SPRAYED, "192.0.2.1", "another").await.unwrap_err();

    // What was refused so has not been counted in Redis: when the memory's pause is over, Redis has none.
    it.pass(30);
    assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (1, 60));
}

#[tokio::test]
async fn without_redis_the_memory_decides_and_has_counted_along() {
    // Nobody listens there.
    let it = Backend::redis_at("redis://127.0.0.1:1");
    assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (5, 30));
    assert!(matches!(it.limits.reach().await, Some(Err(Unreached::Away(_)))));

    let Some(it) = Backend::redis().await else { return };
    for _ in 0..3 {
        let _failed = it.admit(IN_A_ROW, "192.0.2.1", MAIL).await.unwrap();
    }
    it.limits.0.as_ref().unwrap().redis.as_ref().unwrap().leave_for_test();
    assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (2, 30));
}

#[tokio::test]
async fn a_redis_that_hangs_is_waited_for_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let calls = tokio::spawn(async move {
        let mut calls = Vec::new();
        while let Ok((mut call, _)) = listener.accept().await {
            calls.push(tokio::spawn(async move { call.read_to_end(&mut Vec::new()).await }));
        }
    });
    let it = Backend::redis_at(&url);
    let began = std::time::Instant::now();
    assert_eq!(it.exhaust(IN_A_ROW, "192.0.2.1", MAIL).await, (5, 30));
    assert_eq!(it.exhaust(STREAMED, "192.0.2.1", MAIL).await, (10, 3));
    // Seventeen attempts; had each waited, it would have been four seconds.
    assert!(began.elapsed() < Duration::from_millis(3_500), "{:?}", began.elapsed());
    calls.abort();
}

#[test]
fn the_memory_is_bounded_and_what_ends_first_makes_room() {
    let memory = Memory::new(100);
    let check = |name: &str| ROW.of(name).check(&Rates::default());
    let paused = [check(MAIL)];
    for _ in 0..5 {
        memory.admit(&paused, 1).unwrap();
    }
    for number in 0..10_000 {
        memory.admit(&[check(&format!("user{number}"))], 1).unwrap();
        assert!(memory.len() <= 100);
    }
    memory.admit(&paused, 1).unwrap_err();
    // All of it has ended: nothing stays.
    for number in 0..200 {
        memory.admit(&[check(&format!("user{number}"))], 10_000_000).unwrap();
        memory.amend(&[(check(&format!("user{number}")), Amendment::Forget)], 10_000_000);
    }
    assert_eq!(memory.len(), 0);
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Fail { who: u8 },
    Succeed { who: u8 },
    Withdraw { who: u8 },
    Forget { who: u8 },
    Pass { millis: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0_u8..4;
    prop_oneof![
        8 => who.clone().prop_map(|who| Step::Fail { who }),
        2 => who.clone().prop_map(|who| Step::Succeed { who }),
        1 => who.clone().prop_map(|who| Step::Withdraw { who }),
        1 => who.prop_map(|who| Step::Forget { who }),
        2 => (0_u32..100_000).prop_map(|millis| Step::Pass { millis }),
    ]
}

static NARROW_STREAM: Limit<Ip> = Limit::stream("n1", 6, 60, 4);
static NARROW_ROW: Limit<Identifier> = Limit::failures_in_a_row("n2", 2, 900);
static NARROW_SPRAY: Limit<Distinct<Ip, Identifier>> = Limit::distinct("n3", 2, 60);
static NARROW_FAILURES: Limit<Ip> = Limit::failures("n4", 3, 60);

const NARROW: Scene = |ip, name| {
    let ip = Some(ip);
    vec![
        NARROW_STREAM.of(ip),
        NARROW_ROW.of(name),
        NARROW_SPRAY.of((ip, name)),
        NARROW_FAILURES.of(ip),
    ]
};

/// What a history looks like from outside.
async fn play(it: &Backend, steps: &[Step]) -> Vec<Result<(), u32>> {
    let mut seen = Vec::new();
    for step in steps {
        let (Step::Fail { who }
        | Step::Succeed { who }
        | Step::Withdraw { who }
        | Step::Forget { who }) = step
        else {
            let Step::Pass { millis } = step else { continue };
            it.clock.advance(Duration::from_millis((*millis).into()));
            continue;
        };
        let name = format!("user{who}");
        if let Step::Forget { .. } = step {
            it.limits.forget([NARROW_ROW.of(&name)]).await;
            continue;
        }
        let admitted = it.admit(NARROW, "192.0.2.1", &name).await;
        seen.push(admitted.as_ref().map(|_| ()).map_err(|seconds| *seconds));
        match (step, admitted) {
            (Step::Succeed { .. }, Ok(admission)) => admission.succeeded().await,
            (Step::Withdraw { .. }, Ok(admission)) => admission.unjudged().await,
            _ => {}
        }
    }
    seen
}

#[test]
fn memory_and_redis_agree_on_every_history() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    if runtime.block_on(Backend::redis()).is_none() {
        return;
    }
    let cases = ProptestConfig { cases: 64, ..ProptestConfig::default() };
    proptest!(cases, |(steps in proptest::collection::vec(step(), 1..80))| {
        let (memory, redis) = (Backend::memory(), Backend::redis_at(REDIS));
        let expected = runtime.block_on(play(&memory, &steps));
        let found = runtime.block_on(play(&redis, &steps));
        prop_assert_eq!(expected, found);
    });
}
