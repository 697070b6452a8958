//! `portcullis manual`: the manual, a page for the program and one for each verb.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;

/// Writes the pages into a folder, for those who make packages.
pub(super) fn write(command: Command, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be created", folder.display()))?;
    // Its own usage would name every setting.
    let command = command.override_usage("portcullis [OPTIONS] [COMMAND]");
    let mut command = command.disable_help_subcommand(true);
    let source = format!("Portcullis {}", command.get_version().unwrap_or_default());
    // Gives the verbs their whole names, and the settings, which are flags of each.
    command.build();
    let told = "Settings are flags here too: see portcullis(1).";
    let command = command.mut_subcommands(|verb| without_settings(verb, told));
    write_page(command, &source, folder)
        .with_context(|| format!("{} cannot be written", folder.display()))
}

/// A verb that says of the settings only where they are described once for all verbs.
pub(super) fn without_settings(verb: Command, told: &'static str) -> Command {
    let verb = verb.mut_args(|arg| {
        let is_setting = arg.is_global_set();
        arg.hide(is_setting)
    });
    verb.after_help(told).mut_subcommands(|verb| without_settings(verb, told))
}

fn write_page(command: Command, source: &str, folder: &Path) -> std::io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_page(verb.clone(), source, folder)?;
    }
    Man::new(command).source(source).manual("Portcullis").generate_to(folder).map(drop)
}
