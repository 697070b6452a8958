//! Argon2id, version 19: two implementations of it, and the few workers that run the chosen one.
//!
//! `argon2-rust` is the default: it chooses its SIMD code when it runs and takes about half the
//! time. It is also young and full of `unsafe`, so the cargo feature `rustcrypto-argon2` puts
//! RustCrypto's `argon2` in its place. Nothing else knows which of them is at work.
//!
//! A hash holds a core for some ten milliseconds and 19 MiB for as long, so every hash needs a
//! worker, and the number of workers bounds both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argon2::Params;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::platform::{metrics, telemetry};

#[cfg(not(feature = "rustcrypto-argon2"))]
pub(super) use self::simd::Simd as Worker;

#[cfg(feature = "rustcrypto-argon2")]
pub(super) use self::rustcrypto::RustCrypto as Worker;

/// Tokio has this many threads for work that blocks; a worker beyond them would only wait for one.
pub(super) const COUNT_MAX: usize = 512;

/// How long anyone waits for a worker.
pub(super) const WAIT_SECONDS_MAX: u32 = 2;

/// How far the threads of the workers stand back, of 19: a tenth of an async thread's share.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// What goes into a hash.
pub(super) struct Input<'a> {
    pub(super) password: &'a [u8],
    pub(super) salt: &'a [u8],
    pub(super) params: &'a Params,
}

/// An implementation, with the memory that it keeps from one hash to the next.
///
/// Memory asked for anew is zeroed and mapped page by page; with memory that stays, a hash of 19 MiB
/// takes a fifth less time or better. It is wiped before `compute` returns.
pub(super) trait Argon2id: Default {
    /// Computes a tag of the length of `tag`.
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), Failed>;
}

/// The implementation refused the input, or found no memory.
#[derive(Debug, thiserror::Error)]
#[error("Argon2 failed: {0}")]
pub(super) struct Failed(String);

/// The workers of this process, shared by all clones.
#[derive(Clone)]
pub(super) struct Workers {
    /// One place a worker, whether or not it has been needed yet.
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Worker>>>,
}

/// Why no worker did the work.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoWorker {
    #[error("no worker was free within {WAIT_SECONDS_MAX} s")]
    Busy,
    #[error("the worker died")]
    Died,
}

impl Workers {
    /// 1 to [`COUNT_MAX`] workers.
    pub(super) fn new(count: usize) -> Option<Self> {
        let is_possible = (1..=COUNT_MAX).contains(&count);
        is_possible.then(|| Self { places: Arc::new(Semaphore::new(count)), idle: Arc::default() })
    }

    /// Does `work` off the async threads, as soon as a worker is free.
    ///
    /// Dropping the future gives the place in the queue up. Work that has begun is finished, and
    /// keeps its worker until then: the bound is on what runs, not on who still waits for it.
    #[expect(clippy::disallowed_methods, reason = "the one place that may block a thread so long")]
    #[tracing::instrument(level = telemetry::STEP, name = "hash a password", skip_all)]
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, NoWorker> {
        let wait = Duration::from_secs(WAIT_SECONDS_MAX.into());
        let (began, waiting) = (Instant::now(), metrics::hash_waits());
        let place = timeout(wait, Arc::clone(&self.places).acquire_owned()).await;
        drop(waiting);
        let place = place.map_err(|_elapsed| {
            metrics::hash_was_refused();
            NoWorker::Busy
        })?;
        let place = place.map_err(|_closed| NoWorker::Died)?;
        metrics::hash_waited(began.elapsed());

        let idle = Arc::clone(&self.idle);
        let (reply, answer) = oneshot::channel();
        spawn_blocking(move || {
            yield_to_others();
            // The thread may have been long in coming, and the client gone meanwhile.
            if reply.is_closed() {
                return;
            }
            // A worker that panics is not put back; the next hash makes another.
            let mut worker = lock(&idle).pop().unwrap_or_default();
            let began = Instant::now();
            let outcome = work(&mut worker);
            metrics::hash_took(began.elapsed());
            // In this order there are never more workers, and so never more memory, than places.
            lock(&idle).push(worker);
            drop(place);
            // Nobody is left to hear of it when the client has gone.
            let _unheard = reply.send(outcome);
        });
        answer.await.map_err(|_dropped| NoWorker::Died)
    }
}

/// From now on this thread runs when no other of the process wants to: a hash may take its time,
/// and requests that need none are answered meanwhile. The thread never does anything else.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    // Of the calling thread, on Linux. Where it is forbidden, hashes merely compete.
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

/// Nothing panics while it holds this lock, and a vector of workers has no half-done state.
fn lock(idle: &Mutex<Vec<Worker>>) -> MutexGuard<'_, Vec<Worker>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(any(test, not(feature = "rustcrypto-argon2")))]
mod simd {
    use argon2_rust::params::{Memory, TagLen};
    use argon2_rust::{Algorithm, Argon2, Error, Hasher, Params, Version};

    use super::{Argon2id, Failed, Input};

    /// `argon2-rust`, whose hasher wipes its memory whenever a hash ends, in success, error or
    /// panic (its feature `zeroize-memory`).
    pub(in super::super) struct Simd(Hasher);

    impl Default for Simd {
        fn default() -> Self {
            Self(with(Params::DEFAULT).hasher())
        }
    }

    impl Argon2id for Simd {
        fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), Failed> {
            let params = Params::builder()
                .memory(Memory::kib(input.params.m_cost().into()))
                .passes(input.params.t_cost())
                .lanes(input.params.p_cost())
                // A worker is one thread; the lanes of a stored hash are filled one after another.
                .threads(1)
                .tag_len(TagLen::bytes(tag.len() as u64))
                .build()?;
            self.0.set_argon2(with(params));
            Ok(self.0.hash_into(input.password, input.salt, tag)?)
        }
    }

    fn with(params: Params) -> Argon2 {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    impl From<Error> for Failed {
        fn from(error: Error) -> Self {
            Self(error.to_string())
        }
    }
}

#[cfg(any(test, feature = "rustcrypto-argon2"))]
mod rustcrypto {
    use argon2::{Algorithm, Argon2, Block, Error, Version};
    use zeroize::{Zeroize as _, Zeroizing};

    use super::{Argon2id, Failed, Input};

    /// RustCrypto's `argon2`. It wipes no memory of its own, so this does.
    #[derive(Default)]
    pub(in super::super) struct RustCrypto(pub(super) Zeroizing<Vec<Block>>);

    impl Argon2id for RustCrypto {
        fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), Failed> {
            let blocks = input.params.block_count();
            if self.0.len() < blocks {
                self.0.resize(blocks, Block::new());
            }
            let memory = &mut self.0[..blocks];
            let outcome = Argon2::new(Algorithm::Argon2id, Version::V0x13, input.params.clone())
                .hash_password_into_with_memory(input.password, input.salt, tag, &mut *memory);
            memory.iter_mut().zeroize();
            Ok(outcome?)
        }
    }

    impl From<Error> for Failed {
        fn from(error: Error) -> Self {
            Self(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;

    use argon2::{AssociatedData, ParamsBuilder};
    use argon2_rust::params::Memory;
    use proptest::prelude::*;
    use tokio::task::{JoinHandle, JoinSet};
    use tokio::time::Instant;

    use super::rustcrypto::RustCrypto;
    use super::simd::Simd;
    use super::*;

    /// The test vector of RFC 9106, section 5.3.
    const RFC_9106_TAG: [u8; 32] = [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53,
        0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01,
        0xe6, 0x59,
    ];

    fn tag<const N: usize>(implementation: &mut impl Argon2id, input: &Input<'_>) -> [u8; N] {
        let mut tag = [0; N];
        implementation.compute(input, &mut tag).unwrap();
        tag
    }

    #[test]
    fn argon2_rust_yields_the_tag_of_rfc_9106() {
        let params = argon2_rust::Params::builder().memory(Memory::kib(32)).passes(3).lanes(4);
        let argon2 = argon2_rust::Argon2::new(
            argon2_rust::Algorithm::Argon2id,
            argon2_rust::Version::V0x13,
            params.build().unwrap(),
        );
        let mut tag = [0; 32];
        argon2.hash_into_with_ad(&[1; 32], &[2; 16], &[3; 8], &[4; 12], &mut tag).unwrap();
        assert_eq!(tag, RFC_9106_TAG);
    }

    #[test]
    fn rustcrypto_yields_the_tag_of_rfc_9106() {
        let mut params = ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).data(AssociatedData::new(&[4; 12]).unwrap());
        let argon2 = argon2::Argon2::new_with_secret(
            &[3; 8],
            argon2::Algorithm::Argon2id,
            argon2::Version::V0x13,
            params.build().unwrap(),
        );
        let mut tag = [0; 32];
        argon2.unwrap().hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        assert_eq!(tag, RFC_9106_TAG);
    }

    /// A pool of two, and what happens in it.
    fn two_workers() -> (Workers, Arc<AtomicUsize>) {
        (Workers::new(2).unwrap(), Arc::default())
    }

    /// Keeps a worker busy until the sender is dropped; returns once it is.
    async fn occupy(workers: &Workers) -> (mpsc::Sender<()>, JoinHandle<Result<(), NoWorker>>) {
        let (release, released) = mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let workers = workers.clone();
        let task = tokio::spawn(async move {
            let work = move |_: &mut Worker| {
                started.send(()).unwrap();
                let _disconnected = released.recv();
            };
            workers.run(work).await
        });
        has_started.await.unwrap();
        (release, task)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_workers_never_run_more_than_two_hashes_nor_keep_more_memory() {
        let (workers, running) = two_workers();
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            let (workers, running) = (workers.clone(), Arc::clone(&running));
            tasks.spawn(async move {
                let work = move |worker: &mut Worker| {
                    let at_once = running.fetch_add(1, SeqCst) + 1;
                    let params = Params::new(256, 1, 1, None).unwrap();
                    tag::<32>(worker, &Input { password: b"", salt: &[0; 16], params: &params });
                    // Lets a third one in, if there is one.
                    (0..20).for_each(|_| std::thread::yield_now());
                    running.fetch_sub(1, SeqCst);
                    at_once
                };
                workers.run(work).await.unwrap()
            });
        }
        assert!(tasks.join_all().await.into_iter().max() <= Some(2));
        assert!((1..=2).contains(&lock(&workers.idle).len()));
    }

    #[tokio::test]
    async fn work_whose_client_left_the_queue_is_never_done() {
        let (workers, done) = two_workers();
        let busy = (occupy(&workers).await, occupy(&workers).await);
        let mut clients = JoinSet::new();
        for _ in 0..100 {
            let (workers, done) = (workers.clone(), Arc::clone(&done));
            clients.spawn(async move { workers.run(move |_| done.fetch_add(1, SeqCst)).await });
        }
        tokio::task::yield_now().await;
        clients.shutdown().await;
        drop(busy);
        let _all_places = workers.places.acquire_many(2).await.unwrap();
        assert_eq!(done.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn work_whose_client_left_keeps_its_worker_until_it_ends() {
        let (workers, _) = two_workers();
        let (release, client) = occupy(&workers).await;
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        assert_eq!(workers.places.available_permits(), 1);
        drop(release);
        let _all_places = workers.places.acquire_many(2).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_two_seconds_is_told_that_all_are_busy() {
        let (workers, _) = two_workers();
        let _all_places = workers.places.acquire_many(2).await.unwrap();
        let start = Instant::now();
        assert_eq!(workers.run(|_| ()).await, Err(NoWorker::Busy));
        assert_eq!(start.elapsed().as_secs(), 2);
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_no_place() {
        let (workers, _) = two_workers();
        assert_eq!(workers.run(|_| panic!("on purpose")).await, Err::<(), _>(NoWorker::Died));
        let _all_places = workers.places.acquire_many(2).await.unwrap();
    }

    #[test]
    fn there_is_at_least_one_worker_and_a_thread_for_each() {
        let is_possible = |count| Workers::new(count).is_some();
        assert_eq!([0, 1, 512, 513].map(is_possible), [false, true, true, false]);
    }

    #[test]
    fn rustcrypto_leaves_no_trace_in_the_memory_that_is_kept() {
        let mut rustcrypto = RustCrypto::default();
        let params = Params::new(64, 1, 1, None).unwrap();
        tag::<32>(&mut rustcrypto, &Input { password: b"", salt: &[0; 16], params: &params });
        assert_eq!(rustcrypto.0.len(), 64);
        assert!(rustcrypto.0.iter().flat_map(AsRef::<[u64]>::as_ref).all(|word| *word == 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The memory is the same for all hashes of a case, so what one left behind would spoil
        /// the next.
        #[test]
        fn both_implementations_agree_on_every_hash_in_used_memory(
            passwords in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..160), 1..4),
            salt in prop::collection::vec(any::<u8>(), 8..48),
            spare_kib in prop::collection::vec(0_u32..248, 4),
            iterations in 1_u32..4,
            lanes in 1_u32..3,
        ) {
            let (mut simd, mut rustcrypto) = (Simd::default(), RustCrypto::default());
            for (password, spare_kib) in passwords.iter().zip(spare_kib) {
                let params = Params::new(8 * lanes + spare_kib, iterations, lanes, None).unwrap();
                let input = Input { password, salt: &salt, params: &params };
                prop_assert_eq!(tag::<32>(&mut simd, &input), tag::<32>(&mut rustcrypto, &input));
                prop_assert_eq!(tag::<64>(&mut simd, &input), tag::<64>(&mut rustcrypto, &input));
            }
        }
    }
}
