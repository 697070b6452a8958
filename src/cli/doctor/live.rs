//! Whether the server at LISTEN lives.

use std::net::SocketAddr;

use super::probe::{self, Listener};
use super::{Level, Report};

pub(super) async fn check(report: &mut Report, listen: SocketAddr) {
    let address = probe::reachable(listen);
    match probe::listener(address).await {
        Listener::Server => report.ok("server", format!("the server at {address} is alive")),
        Listener::AnotherProgram => {
            let advice = "check which program listens there, and whether LISTEN is the address of the server";
            let message = format!("the program at {address} is not a running Portcullis");
            report.add(Level::Problem, "server", message, advice);
        }
        Listener::Hanging | Listener::Nobody => {
            let advice = "start the server, or read in its log why it ended or hangs";
            report.add(Level::Problem, "server", format!("no server answers at {address}"), advice);
        }
    }
}
