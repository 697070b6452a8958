//! `portcullis purge`.

use super::output;
use crate::app::App;
use crate::config::Config;
use crate::kernel::clock::Clock;

/// Does the jobs that the servers do in turn. Beside them it is as safe as without.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let app = App::build(config, Clock::system()).await?;
    let purged = app.purge().await?;
    app.close().await?;
    output::text(&format!(
        "removed {} sessions, {} expired links, registrations and invitations, and {} audit events\n",
        purged.sessions, purged.links, purged.events
    ))
}
