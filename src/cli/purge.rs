//! `portcullis purge`.

use super::output;
use crate::app::App;
use crate::config::Config;
use crate::kernel::clock::Clock;

/// Removes what has expired, as every server does once a minute: with several at once, and beside
/// them, it is as safe as with one.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let app = App::build(config, Clock::system()).await?;
    let purged = app.purge().await?;
    app.erase_origins().await?;
    app.close().await?;
    output::text(&format!(
        "removed {} sessions, and {} links, registrations and invitations that expired\n",
        purged.sessions, purged.links
    ))
}
