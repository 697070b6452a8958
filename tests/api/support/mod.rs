//! What only the tests of the core need beside the test kit: its binary, and servers around it.

pub(crate) mod documents;
pub(crate) mod github;
pub(crate) mod http_client;
pub(crate) mod issuer;
pub(crate) mod listener;
pub(crate) mod load;
pub(crate) mod organizations;
pub(crate) mod passkey;
pub(crate) mod process;
#[cfg(target_os = "linux")]
pub(crate) mod redis;
#[cfg(target_os = "linux")]
pub(crate) mod relay;
#[cfg(target_os = "linux")]
pub(crate) mod servers;
pub(crate) mod sign_in;
pub(crate) mod streaming;
pub(crate) mod tasks;
pub(crate) mod totp;
pub(crate) mod untrusted;

use std::ops::Deref;
use std::path::Path;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use portcullis::Clock;
pub(crate) use portcullis_testing::{
    GRACE, LOGIN, Outcome, PASSWORD, REGISTER, Reply, SECOND, SignedIn, TestDatabase, assert_whole,
    call, dump, holding, named_server, over, refresh, send, send_as_it_is, skip, start_of_time,
    tables,
};

/// The schema of the servers of these tests, with tasks.
pub(crate) fn sdl() -> &'static str {
    static SDL: LazyLock<String> = LazyLock::new(|| task_manager::server().sdl().unwrap());
    &SDL
}

/// One instance over a database of its own. It has tasks: an extension's parts are to behave like the built-in ones.
pub(crate) struct TestApp(pub(crate) portcullis_testing::TestApp);

impl Deref for TestApp {
    type Target = portcullis_testing::TestApp;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with further flags, as on the command line.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::start_over(TestDatabase::migrated().await, start_of_time(), flags).await
    }

    /// Starts now: for tests that use the command line beside the server, whose clock is the
    /// machine's.
    pub(crate) async fn start_now(flags: &[&str]) -> Self {
        Self::start_over(TestDatabase::migrated().await, Clock::system().now(), flags).await
    }

    /// Starts over a server of databases that the test has.
    pub(crate) async fn start_on(server: String) -> Self {
        Self::start_over(TestDatabase::create_on(Some(server)).await, start_of_time(), &[]).await
    }

    async fn start_over(database: TestDatabase, start: DateTime<Utc>, flags: &[&str]) -> Self {
        let server = task_manager::server();
        Self(portcullis_testing::TestApp::start_over(server, database, start, flags).await)
    }

    /// The same server, started again with further flags.
    pub(crate) async fn restarted_with(self, flags: &[&str]) -> Self {
        Self(self.0.restarted_with(flags).await)
    }

    /// Runs the command line over the same database, with the same secret.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Outcome {
        self.run(Path::new(env!("CARGO_BIN_EXE_portcullis")), arguments).await
    }
}
