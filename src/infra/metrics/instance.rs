//! What is measured of this instance: its program, its process, whether it is ready, and what it waits for.

use std::fmt;
use std::time::Duration;

use metrics::{describe_gauge, gauge};
#[cfg(target_os = "linux")]
use procfs::process::{LimitValue, Process};

const BUILD: &str = "portcullis_build_info";
const READY: &str = "portcullis_ready";
const KEY_AGE: &str = "portcullis_key_age_seconds";
const AUDIT_UNSEALED: &str = "portcullis_audit_oldest_unsealed_seconds";
const CPU_SECONDS: &str = "process_cpu_seconds_total";
const OPEN_FILES: &str = "process_open_fds";
const OPEN_FILES_MAX: &str = "process_max_fds";
const RESIDENT_BYTES: &str = "process_resident_memory_bytes";
const THREADS: &str = "process_threads";
const STARTED_AT: &str = "process_start_time_seconds";

pub(super) fn describe() {
    describe_gauge!(
        BUILD,
        "1, with the version, the commit and the schema level of the program as labels"
    );
    describe_gauge!(READY, "1 while requests should come to this instance");
    describe_gauge!(KEY_AGE, "How long the current key has been in use, by purpose");
    describe_gauge!(AUDIT_UNSEALED, "How long the oldest audit event waits to be sealed");
    describe_gauge!(CPU_SECONDS, "CPU time of the process, user and system");
    describe_gauge!(OPEN_FILES, "Open files and connections");
    describe_gauge!(OPEN_FILES_MAX, "The most files and connections that may be open");
    describe_gauge!(RESIDENT_BYTES, "Memory that the process occupies");
    describe_gauge!(THREADS, "Threads of the process");
    describe_gauge!(STARTED_AT, "When the process started, in seconds since 1970");
}

/// What a program was made of, as its metric says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) version: String,
    /// Empty where nobody knows.
    pub(crate) commit: String,
    /// How many migrations it knows.
    pub(crate) schema_level: String,
}

impl Build {
    /// Of this program.
    pub(crate) fn own() -> Self {
        // As in ` (52113d1c5a0e 2026-11-30)`; empty where nobody knows.
        let commit = env!("BUILT_FROM").trim_start_matches([' ', '(']);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit.split([' ', ')']).next().unwrap_or_default().to_owned(),
            schema_level: migration::level().to_string(),
        }
    }

    /// Of the program that shows these metrics. One of an earlier release does not show its level.
    pub(crate) fn shown(metrics: &str) -> Option<Self> {
        let labels =
            metrics.lines().find_map(|line| line.strip_prefix(BUILD)?.strip_prefix('{'))?;
        let label = |name: &str| {
            let (_, value) = labels.split_once(&format!("{name}=\""))?;
            Some(value.split_once('"')?.0.to_owned())
        };
        Some(Self {
            version: label("version")?,
            commit: label("commit")?,
            schema_level: label("schema_level").unwrap_or_default(),
        })
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, commit, schema_level } = self;
        write!(f, "version {version}")?;
        if !commit.is_empty() {
            write!(f, " ({commit})")?;
        }
        match &**schema_level {
            "" => Ok(()),
            level => write!(f, " with schema level {level}"),
        }
    }
}

pub(super) fn begin() {
    let Build { version, commit, schema_level } = Build::own();
    gauge!(BUILD, "version" => version, "commit" => commit, "schema_level" => schema_level).set(1);
    ready(false);
    audit_unsealed(Duration::ZERO);
}

/// Whether requests should come to this instance.
pub(crate) fn ready(is_ready: bool) {
    gauge!(READY).set(if is_ready { 1.0 } else { 0.0 });
}

/// The current key of this purpose has been in use for so long.
pub(crate) fn key_age(purpose: &'static str, age: Duration) {
    gauge!(KEY_AGE, "purpose" => purpose).set(age);
}

/// The oldest audit event that is not sealed has waited for so long.
pub(crate) fn audit_unsealed(oldest: Duration) {
    gauge!(AUDIT_UNSEALED).set(oldest);
}

/// What the system says of this process, on Linux. What it does not say keeps its last value.
pub(crate) fn process() {
    #[cfg(target_os = "linux")]
    {
        let Ok(process) = Process::myself() else { return };
        if let Ok(stat) = process.stat() {
            usage(&stat);
        }
        if let Ok(open) = process.fd_count() {
            gauge!(OPEN_FILES).set(as_f64(open as u64));
        }
        if let Ok(limits) = process.limits()
            && let LimitValue::Value(most) = limits.max_open_files.soft_limit
        {
            gauge!(OPEN_FILES_MAX).set(as_f64(most));
        }
    }
}

#[cfg(target_os = "linux")]
fn usage(stat: &procfs::process::Stat) {
    // As a gauge: the counters of the library hold whole numbers, and Prometheus makes rates of both.
    let ticks = as_f64(procfs::ticks_per_second());
    gauge!(CPU_SECONDS).set(as_f64(stat.utime + stat.stime) / ticks);
    gauge!(RESIDENT_BYTES).set(as_f64(stat.rss * procfs::page_size()));
    gauge!(THREADS).set(as_f64(stat.num_threads.unsigned_abs()));
    if let Ok(booted_at) = procfs::boot_time_secs() {
        gauge!(STARTED_AT).set(as_f64(booted_at) + as_f64(stat.starttime) / ticks);
    }
}

#[cfg(target_os = "linux")]
#[expect(clippy::cast_precision_loss, reason = "of so many, the last does not matter")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
