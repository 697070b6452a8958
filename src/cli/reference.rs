//! `portcullis reference`: the pages of `docs/reference` that the program derives from itself.
//!
//! Each page begins with prose, which stands beside this module as Markdown, and goes on with tables.

mod audit_events;
mod errors;
mod limits;
mod mails;
mod markdown;
mod policy;
mod sdl;
mod settings;

use clap::ValueEnum;

use self::sdl::Sdl;
use super::output;
use crate::graphql::policy::Visible;
use crate::infra::limits::Rates;
use crate::schema::Roots;

/// A page that is printed, named like its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Page {
    /// The kinds of audit events
    AuditEvents,
    /// The codes of errors
    Errors,
    /// The limits on attempts
    Limits,
    /// The kinds of mail
    Mails,
    /// The rule of every field
    Policy,
    /// The settings
    Settings,
}

/// Prints a page. `settings` is a command with all settings and nothing else.
pub(super) fn run(page: Page, settings: &clap::Command, roots: &Roots) -> anyhow::Result<()> {
    // As the schema stands in the repository: without the rates that an operator has set.
    let sdl = || Sdl::parse(&roots.export(Visible::All, &Rates::default()));
    output::text(&match page {
        Page::AuditEvents => audit_events::page(),
        Page::Errors => errors::page(&sdl()?),
        Page::Limits => limits::page(&sdl()?),
        Page::Mails => mails::page(),
        Page::Policy => policy::page(&sdl()?),
        Page::Settings => settings::page(settings),
    })
}
