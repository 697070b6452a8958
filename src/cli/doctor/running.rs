//! How the running server sees itself, as far as it can be asked.

use std::net::SocketAddr;

use super::probe::{self, Answer, Listener};
use super::{Level, Report};
use crate::config::Config;
use crate::infra::metrics::Build;

const ABOUT: &str = "server";

pub(super) async fn check(report: &mut Report, config: &Config) {
    let [listen, metrics] = [Some(config.listen), config.metrics_listen].map(|address| {
        // A port that the system chooses is not known here.
        address.filter(|address| address.port() != 0).map(probe::reachable)
    });
    let Some(listen) = listen else { return };
    match probe::listener(listen).await {
        Listener::Nobody => {
            let advice = "start it, unless it runs on another machine; if it should be running, read in its log why it ended";
            report.add(Level::Note, ABOUT, format!("no server runs at {listen} (LISTEN)"), advice);
        }
        Listener::Hanging => {
            let message = format!(
                "the server at {listen} (LISTEN) hangs: it accepts connections and does not answer"
            );
            let advice = "read in its log what it waits for, look at its load, and restart it";
            report.add(Level::Problem, ABOUT, message, advice);
        }
        Listener::AnotherProgram => {
            let message = format!("the program at {listen} (LISTEN) is not Portcullis");
            let advice = "find out which program listens there, or set LISTEN to another port";
            report.add(Level::Warning, ABOUT, message, advice);
        }
        Listener::Server => readiness(report, listen, metrics).await,
    }
    if let Some(metrics) = metrics {
        build(report, metrics).await;
    }
}

/// Asks at METRICS_LISTEN if it can, where the server gives the reason.
async fn readiness(report: &mut Report, listen: SocketAddr, metrics: Option<SocketAddr>) {
    let (address, advice) = match metrics {
        Some(metrics) => (metrics, "do what the reason says"),
        None => (
            listen,
            "read the reason in its log, or at METRICS_LISTEN/readyz if you set METRICS_LISTEN",
        ),
    };
    match probe::get(address, "/readyz").await {
        Answer::Http { status: 200, .. } => {
            report.ok(ABOUT, format!("the server at {listen} is ready"));
        }
        Answer::Http { status: 503, body } if metrics.is_some() => {
            let message = format!("the server at {listen} is not ready: {}", body.trim_end());
            report.add(Level::Problem, ABOUT, message, advice);
        }
        Answer::Http { status: 503, .. } => {
            report.add(
                Level::Problem,
                ABOUT,
                format!("the server at {listen} is not ready"),
                advice,
            );
        }
        Answer::Nobody | Answer::Silence | Answer::Nonsense | Answer::Http { .. } => {
            let message = format!(
                "the server at {listen} lives, but nobody says at {address} whether it is ready"
            );
            let advice = "set METRICS_LISTEN as the server has it, and read the log of the server";
            report.add(Level::Warning, ABOUT, message, advice);
        }
    }
}

/// Compares the program that runs with this one.
async fn build(report: &mut Report, metrics: SocketAddr) {
    let Answer::Http { status: 200, body } = probe::get(metrics, "/metrics").await else { return };
    let (Some(theirs), own) = (Build::shown(&body), Build::own()) else { return };
    if theirs == own {
        report.ok(ABOUT, format!("it runs this program: {own}"));
    } else {
        let message = format!("it runs {theirs}, and this program is {own}");
        let advice = "restart the server if you have upgraded it, or run the doctor of its release";
        report.add(Level::Warning, ABOUT, message, advice);
    }
}
