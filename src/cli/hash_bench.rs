//! `portcullis hash-bench`.

use std::thread;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::output::{self, line};
use crate::config::Config;
use crate::infra::passwords::hash::{Cost, measure};

/// Memory that is tried, in KiB: the three floors, and what larger machines can spare.
const MEMORIES_KIB: [u32; 6] = [12_288, 19_456, 47_104, 65_536, 131_072, 262_144];
const ITERATIONS_MAX: u32 = 20;
const ROUNDS: u32 = 5;

#[derive(Args)]
pub(super) struct HashBench {
    /// The target time of one hash in milliseconds: 1 to 5000
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..=5000))]
    target_ms: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What this machine does with the current settings.
struct Current {
    cost: Cost,
    workers: usize,
    alone: Duration,
    /// One hash while all workers are busy.
    together: Duration,
}

pub(super) fn run(bench: &HashBench, config: &Config) -> anyhow::Result<()> {
    let current = Current {
        cost: config.hash_cost,
        workers: config.hash_workers,
        alone: measure(config.hash_cost, ROUNDS)?,
        together: measure_together(config.hash_cost, config.hash_workers)?,
    };
    let target = Duration::from_millis(bench.target_ms);
    let fitting = MEMORIES_KIB
        .into_iter()
        .filter_map(|memory_kib| fit(memory_kib, target).transpose())
        .collect::<anyhow::Result<Vec<_>>>()?;
    if bench.json {
        print_json(bench, &current, &fitting)?;
    } else {
        print(bench, &current, &fitting)?;
    }
    if fitting.is_empty() {
        bail!(
            "no sufficiently strong parameters fit into {} ms on this machine: raise --target-ms",
            bench.target_ms
        );
    }
    Ok(())
}

/// As many hashes at once as there are workers, and the time each of them takes.
fn measure_together(cost: Cost, workers: usize) -> anyhow::Result<Duration> {
    let measured: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(|| measure(cost, ROUNDS))).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut slowest = Duration::ZERO;
    for outcome in measured {
        match outcome {
            Ok(time) => slowest = slowest.max(time?),
            Err(_panic) => bail!("a hash worker panicked"),
        }
    }
    Ok(slowest)
}

/// The most iterations over so much memory that stay within `target`, if they are enough.
fn fit(memory_kib: u32, target: Duration) -> anyhow::Result<Option<(Cost, Duration)>> {
    let mut cost = Cost { memory_kib, iterations: 1 };
    let mut time = measure(cost, 2)?;
    cost.iterations = affordable(cost, time, target).min(ITERATIONS_MAX);
    // Measured again, for a machine that is busy now and then.
    while cost.iterations > 0 && cost.meets_floor() {
        time = measure(cost, 2)?;
        if time <= target {
            return Ok(Some((cost, time)));
        }
        cost.iterations = affordable(cost, time, target).min(cost.iterations - 1);
    }
    Ok(None)
}

/// How many iterations take `target`, if those of `cost` take `time`.
fn affordable(cost: Cost, time: Duration, target: Duration) -> u32 {
    let iterations = target.as_nanos() * u128::from(cost.iterations) / time.as_nanos().max(1);
    u32::try_from(iterations).unwrap_or(u32::MAX)
}

fn print(bench: &HashBench, current: &Current, fitting: &[(Cost, Duration)]) -> anyhow::Result<()> {
    let Current { cost, workers, alone, together } = current;
    line(format!(
        "Argon2id with the current settings: {} KiB, {} iterations{}",
        cost.memory_kib,
        cost.iterations,
        if cost.meets_floor() { "" } else { " (too weak for production)" }
    ))?;
    line(format!("  one hash alone            {} ms", ms(*alone)))?;
    line(format!(
        "  {workers} at once (HASH_WORKERS)  {} ms each, {:.0} per second, {} MiB",
        ms(*together),
        per_second(*workers, *together),
        u64::from(cost.memory_kib) * *workers as u64 / 1024
    ))?;
    line(format!("\nParameters for at most {} ms per hash on this machine:", bench.target_ms))?;
    let rows: Vec<_> = fitting
        .iter()
        .map(|(cost, time)| {
            [cost.memory_kib.to_string(), cost.iterations.to_string(), format!("{} ms", ms(*time))]
        })
        .collect();
    Ok(output::table(["ARGON2_MEMORY_KIB", "ARGON2_ITERATIONS", "TIME"], &rows)?)
}

fn print_json(
    bench: &HashBench,
    current: &Current,
    fitting: &[(Cost, Duration)],
) -> anyhow::Result<()> {
    let Current { cost, workers, alone, together } = current;
    let fitting = fitting.iter().map(|(cost, time)| {
        json!({
            "memoryKib": cost.memory_kib, "iterations": cost.iterations, "milliseconds": number(*time),
        })
    });
    output::json(&json!({
        "current": {
            "memoryKib": cost.memory_kib,
            "iterations": cost.iterations,
            "meetsFloor": cost.meets_floor(),
            "workers": workers,
            "millisecondsAlone": number(*alone),
            "millisecondsTogether": number(*together),
            "hashesPerSecond": per_second(*workers, *together).round(),
        },
        "targetMilliseconds": bench.target_ms,
        "parameters": fitting.collect::<Vec<_>>(),
    }))
}

fn per_second(workers: usize, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are at most 512 workers")]
    let workers = workers as f64;
    workers / time.as_secs_f64().max(f64::EPSILON)
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// Milliseconds to a tenth.
fn number(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
