//! `cargo bench --bench load`: what the release binary costs, as a table and as ratios.
//!
//! One run measures everything it compares: the machine's bare hash rate, a bare async-graphql and
//! axum server with static answers (this same program, started again as `bare`), and the server over
//! a database of many users. CPU is the server's own, as the kernel counts it, so the load generator
//! beside it falsifies nothing but the requests per second. Nothing here passes or fails.

mod bare;
mod client;
mod process;
mod scale;
mod scenario;
mod seed;

use std::time::Duration;

use anyhow::Result;
use async_graphql::ValidationMode;
use clap::Parser;
use serde_json::Value;

use self::process::Server;
use self::scenario::{CONNECTIONS, Measured, Scenario};
use self::seed::World;

/// The load that `cargo bench --bench load -- …` makes.
#[derive(Parser)]
struct Options {
    /// How long each row is measured, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Users in the database [default: 10,000, or a million for `scale`]
    #[arg(long)]
    users: Option<u32>,
    /// Sessions in the database, for `scale`
    #[arg(long, default_value_t = 10_000_000)]
    sessions: u32,
    /// An empty database on a server, as in postgres://user@localhost/bench [default: a SQLite file]
    #[arg(long)]
    database_url: Option<String>,
    /// The rows to measure, as in `login,refreshToken` [default: all]
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// What to do instead of the comparison
    role: Option<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// Measure what a million users and ten million sessions change
    Scale,
    /// Be the bare server
    #[value(hide = true)]
    Bare,
    /// Be the bare server, and validate as little as async-graphql can
    #[value(hide = true)]
    BareFast,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let bare = match options.role {
        Some(Role::Bare) => Some(ValidationMode::Strict),
        Some(Role::BareFast) => Some(ValidationMode::Fast),
        Some(Role::Scale) | None => None,
    };
    if let Some(mode) = bare {
        return tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(bare::serve(mode));
    }
    // One thread, so that most of the machine is the server's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match options.role {
        Some(Role::Scale) => runtime.block_on(scale::run(&options)),
        _ => runtime.block_on(run(&options)),
    }
}

async fn run(options: &Options) -> Result<()> {
    let time = Duration::from_secs(options.seconds);
    let users = options.users.unwrap_or(10_000);
    let mut world = World::new(options.database_url.as_deref(), users)?;
    let (server, idle) = world.start().await?;
    println!("{}, beside a bare async-graphql and axum server\n", world.description());
    header();
    let mut ratios = Vec::new();
    let named = |name: &str| options.only.is_empty() || options.only.iter().any(|one| one == name);
    for scenario in Scenario::ALL.into_iter().filter(|scenario| named(scenario.name())) {
        // What is compared is measured one right after the other: the machine has its moods.
        let bare = match scenario.bare() {
            Some((name, query)) => Some(measure_bare("bare", name, query, time).await?),
            None => None,
        };
        let hashes = match scenario {
            Scenario::Login => Some(process::bare_hash_rate(time)?),
            _ => None,
        };
        let own = scenario.measure(&server, &mut world, time).await?;
        row(&own);
        if let Some(bare) = bare {
            let ratio = own.cpu_micros / bare.cpu_micros;
            ratios.push(format!("`{}`: {ratio:.2} × the CPU of the bare server's", own.name));
        }
        if let Some(before) = hashes {
            // The machine may have changed its mind meanwhile.
            let hashes = f64::midpoint(before, process::bare_hash_rate(time)?);
            let ratio = own.per_second / hashes;
            ratios.push(format!("`login`: {ratio:.2} of the {hashes:.0} bare hashes a second"));
            // They take all cores.
            let cores = u32::try_from(std::thread::available_parallelism()?.get())?;
            let ratio = own.cpu_micros / (f64::from(cores) * 1e6 / hashes);
            ratios.push(format!("`login`: {ratio:.2} × the CPU of a bare hash"));
        }
    }
    let has_all = options.only.is_empty();
    if has_all {
        // What a server could save that validates a document only once.
        measure_bare("bare-fast", "bare, me without validation", scenario::ME, time).await?;
    }
    println!();
    for ratio in ratios {
        println!("- {ratio}");
    }
    if !has_all {
        return world.end(server).await;
    }
    println!("- memory: {:.1} MB idle", mb(idle));
    let (calm, flooded) = scenario::flood(&server, &mut world, time).await?;
    println!(
        "- `me` while logins flood: p99 {:.2} ms, {:.1} × the {:.2} ms without",
        ms(flooded),
        flooded.as_secs_f64() / calm.as_secs_f64(),
        ms(calm)
    );
    world.end(server).await
}

async fn measure_bare(
    role: &str,
    name: &'static str,
    query: &str,
    time: Duration,
) -> Result<Measured> {
    let (server, request) = (Server::bare(role)?, client::request(query, &Value::Null, None));
    let measured = scenario::constant(&server, name, request, CONNECTIONS, time).await?;
    row(&measured);
    Ok(measured)
}

fn header() {
    println!("| | requests/s | p50 ms | p99 ms | CPU µs a request | MB at most |");
    println!("|---|---|---|---|---|---|");
}

fn row(measured: &Measured) {
    let Measured { name, per_second, p50, p99, cpu_micros, memory_peak_kib } = measured;
    let (p50, p99, peak) = (ms(*p50), ms(*p99), mb(*memory_peak_kib));
    println!("| {name} | {per_second:.0} | {p50:.2} | {p99:.2} | {cpu_micros:.1} | {peak:.1} |");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn mb(kib: u64) -> f64 {
    // A machine has less than 2^52 KiB.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let kib = kib as f64;
    kib * 1024.0 / 1e6
}
