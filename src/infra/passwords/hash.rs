//! Hashing passwords: the one place that does, off the async threads, a few at a time.
//!
//! Every hash needs one of a few workers, and whoever waits too long for one is told to come back.
//! A client that leaves gives its place up.
//!
//! A failed check takes as long whether the account exists or not, and whether its hash is current
//! or cheaper. It takes longer for a hash *costlier* than the current cost: lowering the cost shows
//! which accounts were there before, until they sign in again.
//!
//! This module knows no accounts and no database. It says when a hash should be replaced; the
//! caller replaces it.

use std::fmt;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{self, Output, Salt};
use argon2::{ARGON2ID_IDENT, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

use super::argon2id::{Argon2id, Input, Worker};
use super::policy::Password;
use super::workers::{COUNT_MAX, WAIT_SECONDS_MAX, Workers};
use crate::infra::threads::NoThread;
use crate::kernel::secret;

const SALT_LENGTH: usize = 16;
const TAG_LENGTH: usize = 32;

/// The costliest hash that is computed. A damaged row cannot ask for more, nor can a setting.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const ITERATIONS_MAX: u32 = 20;

/// What a hash costs whoever computes it. There is always one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) iterations: u32,
}

impl Cost {
    /// Whether hashes of this cost may protect real accounts (PW-07).
    pub(crate) fn meets_floor(self) -> bool {
        // OWASP and ASVS 5 take these for equally strong.
        let floors = [(47_104, 1), (19_456, 2), (12_288, 3)];
        floors.iter().any(|floor| self.memory_kib >= floor.0 && self.iterations >= floor.1)
    }
}

/// A hash as it is stored: `$argon2id$v=19$m=…,t=…,p=1$salt$tag`. It is read only when a password is
/// checked against it. An account without a password has none.
pub(crate) struct PasswordHash(String);

impl PasswordHash {
    /// That of an account without a password, which none opens.
    pub(crate) fn none() -> Self {
        Self(String::new())
    }

    /// Whether it is that.
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The text to store.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for PasswordHash {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// What checking a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// Another password, or no such account.
    Wrong,
    /// The password of a hash at the current cost.
    Right,
    /// The password of a hash at another cost, which the caller should replace now that it can.
    RightButOutdated,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    /// All workers stayed busy for as long as anyone waits.
    #[error("no worker was free to hash a password within {WAIT_SECONDS_MAX} s")]
    Busy { retry_after_seconds: u32 },
    /// Not a hash that this module writes or may check: a damaged row.
    #[error("the stored password hash is malformed or costs more than is allowed")]
    Malformed,
    /// Nothing that a caller did: no memory, no random bytes, a worker that died.
    #[error("the password could not be hashed: {0}")]
    Failed(String),
}

impl From<NoThread> for HashError {
    fn from(cause: NoThread) -> Self {
        match cause {
            // Whoever was in the queue now has an answer by then.
            NoThread::Busy => Self::Busy { retry_after_seconds: WAIT_SECONDS_MAX },
            NoThread::Died => failed(cause),
        }
    }
}

/// Why these settings hash nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("Argon2 refuses these parameters: {0}")]
    Refused(#[from] argon2::Error),
    #[error("a hash may take at most {MEMORY_KIB_MAX} KiB and {ITERATIONS_MAX} iterations")]
    TooCostly,
    #[error("there must be 1 to {COUNT_MAX} hash workers")]
    Workers,
}

/// Hashes passwords and checks them. Clones share their workers.
#[derive(Clone)]
pub(crate) struct Hasher {
    current: Params,
    workers: Workers,
}

impl Hasher {
    /// At most `workers` hashes run at once, each new one at `cost`.
    pub(crate) fn new(cost: Cost, workers: usize) -> Result<Self, SetupError> {
        let current = Params::new(cost.memory_kib, cost.iterations, 1, Some(TAG_LENGTH))?;
        if !is_affordable(&current) {
            return Err(SetupError::TooCostly);
        }
        Ok(Self { current, workers: Workers::new(workers).ok_or(SetupError::Workers)? })
    }

    /// Hashes a new password at the current cost, under a salt of its own.
    pub(crate) async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let salt: [u8; SALT_LENGTH] = secret::random().map_err(failed)?;
        let (password, params) = (copy(password), self.current.clone());
        let computed = self.workers.run(move |worker| {
            let mut tag = [0; TAG_LENGTH];
            let input = Input { password: &password, salt: &salt, params: &params };
            worker.compute(&input, &mut tag).map(|()| tag)
        });
        let tag = computed.await?.map_err(failed)?;
        let parts = Parts::new(&self.current, &salt, &tag)?;
        Ok(PasswordHash(parts.to_string()))
    }

    /// Checks a password; without a stored hash (no such account) at the price of a wrong one.
    pub(crate) async fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verdict, HashError> {
        let check = Check::new(password, stored, &self.current)?;
        self.workers.run(move |worker| check.run(worker)).await?
    }
}

/// Measures one hash at `cost` on this thread, in memory that is already mapped: the quickest of
/// `rounds`.
pub(crate) fn measure(cost: Cost, rounds: u32) -> Result<Duration, HashError> {
    let params = Params::new(cost.memory_kib, cost.iterations, 1, Some(TAG_LENGTH));
    let params = params.map_err(failed)?;
    let input = Input { password: b"correct horse battery", salt: &[7; 16], params: &params };
    let (mut worker, mut tag) = (Worker::default(), [0; TAG_LENGTH]);
    worker.compute(&input, &mut tag).map_err(failed)?;
    let mut quickest = Duration::MAX;
    for _ in 0..rounds.max(1) {
        let began = Instant::now();
        worker.compute(&input, &mut tag).map_err(failed)?;
        quickest = quickest.min(began.elapsed());
    }
    Ok(quickest)
}

/// One check of a password, as a worker does it.
struct Check {
    password: Zeroizing<Vec<u8>>,
    stored: Parts,
    current: Params,
    /// Whether there is an account. If not, `stored` is a decoy that no password opens.
    is_known: bool,
}

impl Check {
    fn new(
        password: &Password,
        stored: Option<&PasswordHash>,
        current: &Params,
    ) -> Result<Self, HashError> {
        // An account without a password is as one that is not there.
        let stored = stored.filter(|stored| !stored.is_none());
        let parts = match stored {
            Some(PasswordHash(text)) => Parts::parse(text).ok_or(HashError::Malformed)?,
            None => Parts::new(current, &[0; SALT_LENGTH], &[0; TAG_LENGTH])?,
        };
        let (password, current) = (copy(password), current.clone());
        Ok(Self { password, stored: parts, current, is_known: stored.is_some() })
    }

    fn run<A: Argon2id>(&self, worker: &mut A) -> Result<Verdict, HashError> {
        // A larger hash gets memory for itself; what a worker keeps is for current ones.
        let mut larger = A::default();
        let is_larger = self.stored.params.m_cost() > self.current.m_cost();
        let worker = if is_larger { &mut larger } else { worker };

        let (password, salt) = (&*self.password, &*self.stored.salt);
        let mut buffer = Zeroizing::new([0; Output::MAX_LENGTH]);
        let tag = &mut buffer[..self.stored.tag.len()];
        let input = Input { password, salt, params: &self.stored.params };
        worker.compute(&input, tag).map_err(failed)?;
        let is_equal = verify_slices_are_equal(tag, self.stored.tag.as_bytes()).is_ok();

        if is_equal && self.is_known {
            let is_current = *input.params == self.current && salt.len() == SALT_LENGTH;
            return Ok(if is_current { Verdict::Right } else { Verdict::RightButOutdated });
        }
        // A cheaper hash must not say by a quicker refusal that there is an account.
        if let Some(params) = filler(&self.stored.params, &self.current) {
            worker.compute(&Input { params: &params, ..input }, tag).map_err(failed)?;
        }
        Ok(Verdict::Wrong)
    }
}

/// A stored hash taken apart.
struct Parts {
    params: Params,
    salt: Salt,
    tag: Output,
}

impl Parts {
    fn new(params: &Params, salt: &[u8], tag: &[u8]) -> Result<Self, HashError> {
        let (salt, tag) = (Salt::new(salt).map_err(failed)?, Output::new(tag).map_err(failed)?);
        Ok(Self { params: params.clone(), salt, tag })
    }

    fn parse(text: &str) -> Option<Self> {
        let read: phc::PasswordHash = text.parse().ok()?;
        let (salt, tag) = (read.salt?, read.hash?);
        let params = Params::try_from(&read.params).ok()?;
        let (memory_kib, iterations, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
        let params = Params::new(memory_kib, iterations, lanes, Some(tag.len())).ok()?;
        let parts = Self { params, salt, tag };
        // The libraries take other algorithms, fill in what is missing and keep the last of two.
        // Only a text that comes out again as it went in was understood whole.
        (is_affordable(&parts.params) && parts.to_string() == text).then_some(parts)
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self { params, salt, tag }, version) = (self, u32::from(Version::V0x13));
        write!(f, "${ARGON2ID_IDENT}$v={version}${params}${salt}${tag}")
    }
}

fn is_affordable(params: &Params) -> bool {
    params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= ITERATIONS_MAX
}

/// The hash that takes the time by which one at `spent` is quicker than one at `current`.
fn filler(spent: &Params, current: &Params) -> Option<Params> {
    // Time is about proportional to this. It is below 2^25, for both are affordable.
    let work = |params: &Params| params.m_cost() * params.t_cost();
    let missing = work(current).saturating_sub(work(spent));
    // As few passes as keep within the memory of a worker. Below 8 KiB there is no hash.
    let iterations = missing.div_ceil(current.m_cost());
    Params::new(missing.checked_div(iterations)?, iterations, 1, None).ok()
}

/// The workers' own copy: the caller's may go before the hash begins.
fn copy(password: &Password) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(password.as_bytes().to_vec())
}

fn failed(cause: impl std::error::Error) -> HashError {
    HashError::Failed(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::argon2id::{Failed, Worker};
    use super::*;

    /// Hashes of "password" from the tests of the reference implementation.
    const LARGER: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    const TWO_LANES: &str =
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";

    /// Remembers the memory and the passes of every hash.
    #[derive(Default)]
    struct Recorder(Vec<(u32, u32)>);

    impl Argon2id for Recorder {
        fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), Failed> {
            self.0.push((input.params.m_cost(), input.params.t_cost()));
            Worker::default().compute(input, tag)
        }
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    fn stored(text: &str) -> PasswordHash {
        PasswordHash::from(text.to_owned())
    }

    fn hasher(memory_kib: u32, iterations: u32) -> Hasher {
        Hasher::new(Cost { memory_kib, iterations }, 2).unwrap()
    }

    /// The hashes that a wrong password costs where the current cost is 64 KiB, 2 passes.
    fn hashes_of_a_refusal(stored: Option<&PasswordHash>) -> Vec<(u32, u32)> {
        let check = Check::new(&password("wrong"), stored, &hasher(64, 2).current).unwrap();
        let mut recorder = Recorder::default();
        assert_eq!(check.run(&mut recorder).unwrap(), Verdict::Wrong);
        recorder.0
    }

    #[tokio::test]
    async fn each_hash_has_a_salt_of_its_own_and_only_its_password_opens_it() {
        let hasher = hasher(64, 2);
        let (right, wrong) = (password("correct horse"), password("correct horsf"));
        let [one, other] = [hasher.hash(&right).await.unwrap(), hasher.hash(&right).await.unwrap()];
        assert_ne!(one.as_str(), other.as_str());
        assert_eq!(hasher.verify(&right, Some(&one)).await.unwrap(), Verdict::Right);
        assert_eq!(hasher.verify(&right, Some(&other)).await.unwrap(), Verdict::Right);
        assert_eq!(hasher.verify(&wrong, Some(&one)).await.unwrap(), Verdict::Wrong);
        assert_eq!(hasher.verify(&right, None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_is_stored_with_its_version_cost_salt_and_tag() {
        let hash = hasher(64, 2).hash(&password("correct horse")).await.unwrap();
        let read = phc::PasswordHash::new(hash.as_str()).unwrap();
        assert_eq!((read.algorithm, read.version), (ARGON2ID_IDENT, Some(19)));
        assert_eq!(read.params.as_str(), "m=64,t=2,p=1");
        assert_eq!((read.salt.unwrap().len(), read.hash.unwrap().len()), (16, 32));
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }

    #[tokio::test]
    async fn a_hash_at_another_cost_is_opened_and_called_outdated() {
        let (old, hasher) = (hasher(32, 1), hasher(64, 2));
        let (right, wrong) = (password("password"), password("Password"));
        let cheaper = old.hash(&right).await.unwrap();
        for hash in [cheaper, stored(TWO_LANES), stored(LARGER)] {
            let verdict = hasher.verify(&right, Some(&hash)).await.unwrap();
            assert_eq!(verdict, Verdict::RightButOutdated);
            assert_eq!(hasher.verify(&wrong, Some(&hash)).await.unwrap(), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn an_unknown_user_costs_the_one_hash_of_a_wrong_password() {
        let known = hasher(64, 2).hash(&password("correct horse")).await.unwrap();
        assert_eq!(hashes_of_a_refusal(None), [(64, 2)]);
        assert_eq!(hashes_of_a_refusal(Some(&known)), [(64, 2)]);
    }

    #[tokio::test]
    async fn refusing_a_cheaper_hash_costs_as_much_in_no_more_memory() {
        for (memory_kib, iterations) in [(8, 1), (24, 3), (32, 1), (56, 2), (64, 1)] {
            let hash = hasher(memory_kib, iterations).hash(&password("correct horse")).await;
            let hashes = hashes_of_a_refusal(Some(&hash.unwrap()));
            assert_eq!(hashes[0], (memory_kib, iterations));
            assert_eq!(hashes.iter().map(|(memory, passes)| memory * passes).sum::<u32>(), 128);
            assert!(hashes.iter().all(|(memory, _)| *memory <= 64), "{hashes:?}");
        }
        let costlier = hasher(64, 3).hash(&password("correct horse")).await.unwrap();
        assert_eq!(hashes_of_a_refusal(Some(&costlier)), [(64, 3)]);
    }

    #[tokio::test]
    async fn what_this_module_would_not_write_or_may_not_compute_is_malformed() {
        let changes = [
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("$v=19", ""),
            ("m=256,t=2,p=2", "t=2,m=256,p=2"),
            ("m=256,", ""),
            ("m=256,", "m=8,m=256,"),
            ("p=2", "p=2,data=c29tZXNhbHQ"),
            ("m=256", "m=1048577"),
            ("t=2", "t=21"),
            ("$c29tZXNhbHQ", ""),
            ("$argon", " $argon"),
        ];
        for (from, to) in changes {
            let hash = stored(&TWO_LANES.replacen(from, to, 1));
            let answer = hasher(64, 2).verify(&password("password"), Some(&hash)).await;
            assert!(matches!(answer, Err(HashError::Malformed)), "{from} -> {to}: {answer:?}");
        }
    }

    #[test]
    fn settings_that_argon2_or_the_machine_cannot_bear_are_refused() {
        let refusal = |memory_kib, iterations, workers| {
            Hasher::new(Cost { memory_kib, iterations }, workers).err()
        };
        assert_eq!(refusal(8, 1, 1), None);
        assert_eq!(refusal(7, 1, 1), Some(argon2::Error::MemoryTooLittle.into()));
        assert_eq!(refusal(8, 0, 1), Some(argon2::Error::TimeTooSmall.into()));
        assert_eq!(refusal(8, 21, 1), Some(SetupError::TooCostly));
        assert_eq!(refusal(1_048_577, 1, 1), Some(SetupError::TooCostly));
        assert_eq!(refusal(8, 1, 0), Some(SetupError::Workers));
    }

    #[test]
    fn the_floor_is_any_of_the_three_costs() {
        let meets = |(memory_kib, iterations)| Cost { memory_kib, iterations }.meets_floor();
        assert!([(47_104, 1), (19_456, 2), (12_288, 3), (65_536, 4)].into_iter().all(meets));
        assert!(![(47_103, 1), (19_455, 2), (12_287, 9), (8_192, 3)].into_iter().any(meets));
    }
}
