//! Whether the library does no more for a document than the pre-scan has counted: see README.md.

mod documents;
mod random;
mod schema;
mod trial;

/// The product's pre-scan itself, and what it needs of the modules around it.
#[path = "../../src/graphql"]
mod graphql {
    #[expect(dead_code, unused_imports, reason = "the fuzzer scans, and has no use for the rest")]
    pub(crate) mod document;

    pub(crate) mod page {
        pub(crate) const SIZE_DEFAULT: i32 = 20;
        pub(crate) const SIZE_MAX: i32 = 100;
    }
}

mod infra {
    pub(crate) mod metrics {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation {
            Query,
            Mutation,
            Subscription,
            None,
        }
    }
}

mod kernel {
    pub(crate) use portcullis_kernel::invalid;

    pub(crate) mod secret {
        /// Remembers nothing from one document to the next, so any digest does.
        pub(crate) fn sha256(_: &[u8]) -> [u8; 32] {
            [0; 32]
        }
    }
}

use std::process::ExitCode;
use std::time::{Duration, Instant};

use documents::{any, mutate, variables};
use random::Random;
use trial::{Bench, End, Outcome};

/// The most steps of the library that one count of the pre-scan may stand for.
const STEPS_PER_COUNT: f64 = 32.0;
/// How many documents are kept to make others of, those with the greatest ratios.
const KEPT: usize = 100;

/// A document that has a ratio beyond most others.
struct Kept {
    source: String,
    ratio: f64,
}

#[derive(Default)]
struct Report {
    refused: u64,
    invalid: u64,
    executed: u64,
    checking: (f64, String),
    executing: (f64, String),
    slowest: (Duration, String),
}

impl Report {
    fn add(&mut self, source: &str, outcome: &Outcome) {
        match outcome.end {
            End::Refused => self.refused += 1,
            End::Invalid => self.invalid += 1,
            End::Executed => self.executed += 1,
        }
        let found = [
            (&mut self.checking, outcome.checking.ratio()),
            (&mut self.executing, outcome.executing.ratio()),
        ];
        for (greatest, ratio) in found {
            if ratio > greatest.0 {
                *greatest = (ratio, source.to_owned());
            }
        }
        if outcome.time > self.slowest.0 {
            self.slowest = (outcome.time, source.to_owned());
        }
    }

    fn print(&self) {
        let Self { refused, invalid, executed, checking, executing, slowest } = self;
        println!("{refused} documents refused, {invalid} invalid, {executed} executed");
        println!("steps for each count when checking: {:.2}\n{}\n", checking.0, checking.1);
        println!("steps for each count when executing: {:.2}\n{}\n", executing.0, executing.1);
        println!("slowest: {:?}\n{}", slowest.0, slowest.1);
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|argument| argument == "document") {
        return one();
    }
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Ok(seconds), Ok(seed)) =
        (arguments.next().unwrap_or(Ok(60)), arguments.next().unwrap_or_else(|| Ok(seed())))
    else {
        eprintln!("usage: fuzz/run [SECONDS] [SEED]\n       fuzz/run document <FILE");
        return ExitCode::FAILURE;
    };
    println!("seed {seed}");
    let (end, mut random) = (Instant::now() + Duration::from_secs(seconds), Random::new(seed));
    let (bench, mut kept, mut report) = (Bench::new(), Vec::<Kept>::new(), Report::default());
    while Instant::now() < end {
        let source = next(&mut random, &kept);
        let name = source.contains("Q0").then_some("Q0");
        let variables = variables(&mut random);
        let mut outcome = bench.run(&source, name, &variables);
        for _ in 0..3 {
            if outcome.time > report.slowest.0 {
                // Unless the machine was busy with something else.
                outcome.time = outcome.time.min(bench.run(&source, name, &variables).time);
            }
        }
        report.add(&source, &outcome);
        if outcome.stray > 0 || outcome.ratio() > STEPS_PER_COUNT {
            let Outcome { checking, executing, stray, .. } = outcome;
            println!("checking {checking:?}, executing {executing:?}, beside them {stray} steps");
            println!("seed {seed}\n{source}");
            return ExitCode::FAILURE;
        }
        keep(&mut kept, source, outcome.ratio());
    }
    report.print();
    ExitCode::SUCCESS
}

/// Measures the document on standard input.
fn one() -> ExitCode {
    let Ok(source) = std::io::read_to_string(std::io::stdin()) else { return ExitCode::FAILURE };
    let outcome = Bench::new().run(&source, None, &variables(&mut Random::new(1)));
    println!("{outcome:?}, {:.2} steps for each count", outcome.ratio());
    if outcome.ratio() > STEPS_PER_COUNT { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Half of the documents are made of those that have been costly.
fn next(random: &mut Random, kept: &[Kept]) -> String {
    if kept.is_empty() || random.one_in(2) {
        let source = any(random);
        if random.one_in(3) { mutate(random, &source, &source) } else { source }
    } else {
        let (one, other) = (random.below(kept.len()), random.below(kept.len()));
        mutate(random, &kept[one].source, &kept[other].source)
    }
}

fn keep(kept: &mut Vec<Kept>, source: String, ratio: f64) {
    let least = kept.last().map_or(0.0, |last| last.ratio);
    if ratio > 0.0
        && (kept.len() < KEPT || ratio > least)
        && kept.iter().all(|of| of.source != source)
    {
        let at = kept.partition_point(|of| of.ratio >= ratio);
        kept.insert(at, Kept { source, ratio });
        kept.truncate(KEPT);
    }
}

/// Another one each time.
fn seed() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_secs()
}
