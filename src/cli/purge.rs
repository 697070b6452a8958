//! `portcullis purge`.

use super::output;
use crate::app::App;
use crate::config::Config;
use crate::kernel::clock::Clock;

/// Does the recurring jobs of the servers. It is safe while servers run.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let app = App::open(config, Clock::system()).await?;
    let purged = app.purge().await?;
    app.close().await?;
    output::text(&format!(
        "removed {} sessions, {} expired links, registrations and invitations, and {} audit events\n",
        purged.sessions, purged.links, purged.events
    ))
}
