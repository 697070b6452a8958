//! `portcullis doctor`: looks at everything a server needs, changes nothing, and says what to do.

mod checks;
mod clock;
mod connection;
mod files;
mod growth;
mod hosts;
mod jobs;
mod keys;
mod live;
mod log;
mod mail;
mod probe;
mod providers;
mod redis;
mod running;
mod seeds;
mod space;
mod writing;

use std::error::Error;

use clap::Args;
use serde_json::json;

use super::output::{self, Level};
use crate::config::Settings;
use crate::infra::causes::causes;
use crate::server::Server;

#[derive(Args)]
pub(super) struct Doctor {
    /// Only ask the server at LISTEN whether it is alive, as a health check does
    #[arg(long)]
    live: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What one look found.
struct Finding {
    level: Level,
    /// What was looked at.
    about: &'static str,
    message: String,
    /// What to do about it.
    advice: Option<String>,
}

/// Collects findings.
#[derive(Default)]
struct Report(Vec<Finding>);

impl Report {
    fn ok(&mut self, about: &'static str, message: impl Into<String>) {
        self.0.push(Finding { level: Level::Ok, about, message: message.into(), advice: None });
    }

    fn add(
        &mut self,
        level: Level,
        about: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let (message, advice) = (message.into(), Some(advice.into()));
        self.0.push(Finding { level, about, message, advice });
    }

    /// What the database does not tell.
    fn unreadable(&mut self, what: &str, error: &(dyn Error + 'static)) {
        let message = format!("{what} cannot be read: {}", causes(error));
        self.add(Level::Problem, "database", message, "read the log of the database server");
    }

    fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }
}

/// Prints the findings; fails when one is a problem.
pub(super) async fn run(
    doctor: &Doctor,
    server: &Server,
    settings: &Settings,
) -> anyhow::Result<()> {
    let mut report = Report::default();
    match server.config(settings) {
        Ok(config) if doctor.live => live::check(&mut report, config.listen).await,
        Ok(config) => checks::all(&mut report, &config).await,
        Err(problems) => {
            for problem in problems.0 {
                let advice = "see `portcullis --help` and .env.example";
                report.add(Level::Problem, "configuration", problem, advice);
            }
        }
    }
    let printed = if doctor.json { print_json(&report) } else { print(&report) };
    output::verdict(report.0.iter().map(|finding| finding.level), printed)
}

fn print(report: &Report) -> anyhow::Result<()> {
    for Finding { level, about, message, advice } in &report.0 {
        output::finding(*level, about, message, advice.as_deref())?;
    }
    Ok(())
}

fn print_json(report: &Report) -> anyhow::Result<()> {
    let findings = report.0.iter().map(|Finding { level, about, message, advice }| {
        json!({ "level": level.into_str(), "about": about, "message": message, "advice": advice })
    });
    output::json(&json!({
        "ok": report.worst() < Level::Problem,
        "findings": findings.collect::<Vec<_>>(),
    }))
}
