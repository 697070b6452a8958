//! The servers as processes, and what the kernel says of them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use argon2_rust::params::Memory;
use argon2_rust::{Algorithm, Argon2, Params, Version};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// A server, killed when it is dropped.
pub(super) struct Server {
    process: Child,
    pub(super) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// This program as the bare server, in one of its roles.
    pub(super) fn bare(role: &str) -> Result<Self> {
        Self::listening(Command::new(std::env::current_exe()?).arg(role))
    }

    pub(super) fn portcullis(database_url: &str, folder: &Path) -> Result<Self> {
        let mut command = Command::new(BINARY);
        command
            // Without a grace every refresh replaces its token.
            .args(["--listen=127.0.0.1:0", "--rate-limits=off", "--refresh-grace-seconds=0"])
            .args(["--database-url", database_url])
            .arg("--data-dir")
            .arg(folder)
            .current_dir(folder)
            .stdout(Stdio::null());
        Self::listening(&mut command)
    }

    fn listening(command: &mut Command) -> Result<Self> {
        let mut process = command.stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(process.stderr.take().context("a pipe")?).lines();
        let mut server = Self { process, port: 0 };
        for line in lines.by_ref() {
            if let Some((_, port)) = line?.rsplit_once("listening on http://127.0.0.1:") {
                server.port = port.parse()?;
                break;
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        anyhow::ensure!(server.port > 0, "the server ended before it listened");
        Ok(server)
    }

    /// What it has used of the processors so far, in microseconds.
    pub(super) fn cpu_micros(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name before it may have spaces.
        let fields = stat.rsplit_once(')').context("a stat line")?.1;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        let ticks: u32 = ticks.sum::<Result<_, _>>()?;
        Ok(f64::from(ticks) * 1e6 / 100.0)
    }

    pub(super) fn memory_kib(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most since it started, or since [`Server::forget_peak`].
    pub(super) fn memory_peak_kib(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    pub(super) fn forget_peak(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5")?)
    }

    fn status(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("a line")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

/// How many passwords this machine hashes in a second, with all cores and nothing else to do: the
/// server's own implementation and cost, its memory used again and wiped each time.
pub(super) fn bare_hash_rate(time: Duration) -> Result<f64> {
    let cores = std::thread::available_parallelism()?.get();
    let threads: Vec<_> = (0..cores).map(|_| std::thread::spawn(move || hash_for(time))).collect();
    let mut rate = 0.0;
    for thread in threads {
        rate += thread.join().map_err(|_panic| anyhow::anyhow!("a hash panicked"))??;
    }
    Ok(rate)
}

fn hash_for(time: Duration) -> Result<f64> {
    let params =
        Params::builder().memory(Memory::kib(19_456)).passes(2).lanes(1).threads(1).build()?;
    let mut hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hasher();
    let (began, mut count, mut tag) = (Instant::now(), 0_u32, [0; 32]);
    while began.elapsed() < time {
        hasher.hash_into(b"correct horse battery", &[7; 16], &mut tag)?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
