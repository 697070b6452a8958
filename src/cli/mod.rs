//! The command line: one file a verb.

mod admin;
mod environment;
mod keys;
mod migrate;
mod output;
mod serve;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, Settings};
use crate::platform::telemetry;
use crate::schema;

/// A self-hosted GraphQL auth server: the schema is the access policy.
#[derive(Parser)]
#[command(name = "portcullis", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the server (the default)
    Serve,
    /// Change or show the database's schema
    #[command(subcommand)]
    Migrate(migrate::Verb),
    /// Print the GraphQL schema with its access policy; needs no database
    Schema,
    /// Manage accounts, as the operator
    #[command(subcommand)]
    Admin(admin::Verb),
    /// Manage the keys that sign access tokens, and what seals them
    #[command(subcommand)]
    Keys(keys::Verb),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let command = Cli::command().mut_args(|arg| arg.hide_env_values(true));
    if let Err(problems) = environment::load(&command) {
        eprintln!("error: {problems}");
        return ExitCode::from(2);
    }
    let cli = match Cli::from_arg_matches(&command.get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if matches!(cli.verb, Some(Verb::Schema)) {
        print!("{}", schema::sdl());
        return ExitCode::SUCCESS;
    }
    let config = match Config::new(&cli.settings) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("error: {problems}");
            return ExitCode::from(2);
        }
    };
    match start(cli.verb, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(verb: Option<Verb>, config: Config) -> anyhow::Result<()> {
    telemetry::init(config.log_format, &config.log_filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match verb.unwrap_or(Verb::Serve) {
            Verb::Serve => serve::run(config).await,
            Verb::Migrate(verb) => migrate::run(&verb, &config).await,
            Verb::Admin(verb) => admin::run(&verb, config).await,
            Verb::Keys(verb) => keys::run(&verb, config).await,
            Verb::Schema => Ok(()),
        }
    })
}

/// The settings' own parser, for programs and tests that are not the command line.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct Bare {
    #[command(flatten)]
    settings: Settings,
}

/// Reads settings from flags alone, as in `["--listen", "127.0.0.1:0"]`.
pub fn settings(flags: &[String]) -> Result<Settings, clap::Error> {
    let command = Bare::command().mut_args(|arg| arg.env(None::<&str>));
    Ok(Bare::from_arg_matches(&command.try_get_matches_from(flags)?)?.settings)
}

/// The variables of all settings.
#[must_use]
pub fn setting_names() -> Vec<String> {
    Bare::command()
        .get_arguments()
        .filter_map(|arg| arg.get_env())
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}
