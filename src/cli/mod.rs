//! The command line: one file a verb.

mod admin;
mod audit;
mod backup;
mod doctor;
mod environment;
mod hash_bench;
mod keys;
mod mail;
mod manual;
mod migrate;
mod new;
mod output;
mod policy;
mod purge;
mod reference;
mod restore;
mod serve;

use std::any::TypeId;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use secrecy::SecretString;
use tokio::runtime::{Builder, Runtime};

use crate::config::{Config, Settings};
use crate::graphql::policy::{Policies, Visible};
use crate::infra::causes::causes;

use crate::infra::{db, telemetry, tls};
use crate::server::Server;

/// With the commit and its date, where the build knew them (`build.rs`).
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("BUILT_FROM"));

/// What to do about a pooler that does not keep connections apart.
const POOLER: &str = "Connect to the database itself, or use the pooler in session mode. PgBouncer needs \
                      `ignore_startup_parameters = extra_float_digits`.";

/// A self-hosted GraphQL auth server: the schema is the access policy.
#[derive(Parser)]
#[command(name = "portcullis", version = VERSION, about, max_term_width = 100)]
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
    /// Migrate the database's schema, or show its state
    #[command(subcommand)]
    Migrate(migrate::Verb),
    /// Print the GraphQL schema with its access policy; needs no database
    Schema {
        /// Print a subgraph of Apollo Federation, with the rules as gateways read them
        #[arg(long)]
        federation: bool,
        /// Add @policy for the rules that no scope names, which the router must evaluate
        #[arg(long, requires = "federation")]
        policies: bool,
    },
    /// Check the access rules of other subgraphs in a federated graph; needs no database
    #[command(subcommand)]
    Policy(policy::Verb),
    /// Manage accounts
    #[command(subcommand)]
    Admin(admin::Verb),
    /// Manage the keys for tokens and their encryption
    #[command(subcommand)]
    Keys(keys::Verb),
    /// List and retry undelivered mail
    #[command(subcommand)]
    Mail(mail::Verb),
    /// Verify, sign or prune the audit log
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Delete expired data, as servers do every minute
    Purge,
    /// Write a backup of the database into a new file, while servers run. SECRET_KEY is not in it
    Backup(backup::Backup),
    /// Restore a backup into a database that does not exist yet or is empty. Stop all servers before
    Restore(restore::Restore),
    /// Check everything that a server needs and report what to do; changes nothing
    Doctor(doctor::Doctor),
    /// Measure password hashing on this machine and suggest parameters
    HashBench(hash_bench::HashBench),
    /// Generate the code of an extension; needs no database
    #[command(subcommand)]
    New(new::Verb),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a page of the documentation that is derived from the program; needs no database
    #[command(hide = true)]
    Reference {
        /// The page
        page: reference::Page,
    },
    /// Write the manual, a page a verb, for those who make packages
    #[command(hide = true)]
    Manual {
        /// The folder to write into
        folder: PathBuf,
    },
}

/// Runs the command line of this process, over what the program serves.
pub(crate) fn run(server: &Server) -> ExitCode {
    tls::choose_cryptography();
    let environment = match environment::load(&Cli::command()) {
        Ok(environment) => environment,
        Err(problems) => return refuse(&problems),
    };
    // Made anew, since it reads the variables while it is made.
    let command = Cli::command().mut_args(|arg| environment.apply(arg.hide_env_values(true)));
    let secrets = secrets(&command);
    let matches = with_short_help(command).get_matches();
    let mut cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    cli.settings.secret_flags = secrets
        .into_iter()
        .filter(|(id, _)| matches.value_source(id) == Some(ValueSource::CommandLine))
        .map(|(_, name)| name)
        .collect();
    let extended = match server.extended() {
        Ok(extended) => extended,
        Err(problems) => return refuse(&problems),
    };
    let done = match cli.verb {
        Some(Verb::Schema { federation, policies }) => match Config::rates(&cli.settings) {
            Ok(rates) if federation => {
                let policies = if policies { Policies::Stated } else { Policies::LeftOut };
                output::text(&extended.roots.export_subgraph(policies, &rates))
            }
            Ok(rates) => output::text(&extended.roots.export(Visible::All, &rates)),
            Err(problems) => return refuse(&problems),
        },
        Some(Verb::New(verb)) => new::run(&verb),
        Some(Verb::Policy(verb)) => policy::run(&verb, &extended.roots.policy()),
        Some(Verb::Reference { page }) => reference::run(page, &Bare::command(), &extended.roots),
        Some(Verb::Completions { shell }) => completions(shell),
        Some(Verb::Manual { folder }) => manual::write(Cli::command(), &folder),
        Some(Verb::Doctor(doctor)) => runtime()
            .and_then(|runtime| runtime.block_on(doctor::run(&doctor, server, &cli.settings))),
        verb => match server.config(&cli.settings) {
            Ok(config) => start(verb, config),
            Err(problems) => return refuse(&problems),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", causes(error.as_ref()));
            if error.chain().any(db::is_of_pooler) {
                eprintln!("{POOLER}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Leaves the settings of the server out of the help of the other verbs, which take them all the same.
fn with_short_help(mut command: clap::Command) -> clap::Command {
    // Gives the verbs the settings, which are flags of each.
    command.build();
    let told =
        "Takes the settings of the server too, as flags or variables: see portcullis serve --help.";
    command.mut_subcommands(|verb| match verb.get_name() {
        "serve" => verb,
        _ => manual::without_settings(verb, told),
    })
}

fn refuse(problems: &dyn Display) -> ExitCode {
    eprintln!("error: {problems}");
    ExitCode::from(2)
}

impl Verb {
    /// Whether a database is to be made at this path. What only reads or changes one is run in the wrong folder then.
    fn makes_database(&self, file: &Path) -> anyhow::Result<bool> {
        Ok(match self {
            Self::Serve
            | Self::HashBench(_)
            | Self::Migrate(migrate::Verb::Up)
            | Self::Restore(_) => true,
            Self::Admin(verb) => verb.makes_database(file)?,
            _ => false,
        })
    }
}

fn start(verb: Option<Verb>, config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(config.log_format, &config.log_filter)?;
    let verb = verb.unwrap_or(Verb::Serve);
    if let Some(file) = config.missing_database()
        && !verb.makes_database(&file)?
    {
        bail!(
            "there is no database at {}: start the server once, run this command in the server's working folder, or \
             create one with `portcullis admin create --new-database`",
            file.display()
        );
    }
    runtime()?.block_on(async {
        match verb {
            Verb::Serve => Box::pin(serve::run(config)).await,
            Verb::Migrate(verb) => migrate::run(&verb, &config).await,
            Verb::Admin(verb) => admin::run(&verb, config).await,
            Verb::Keys(verb) => keys::run(&verb, config).await,
            Verb::Mail(verb) => mail::run(&verb, config).await,
            Verb::Audit(verb) => audit::run(&verb, config).await,
            Verb::Purge => purge::run(config).await,
            Verb::Backup(backup) => backup::run(&backup, &config).await,
            Verb::Restore(restore) => Box::pin(restore::run(&restore, &config)).await,
            Verb::HashBench(bench) => hash_bench::run(&bench, &config),
            Verb::Schema { .. }
            | Verb::Policy(_)
            | Verb::Doctor(_)
            | Verb::New(_)
            | Verb::Reference { .. }
            | Verb::Completions { .. }
            | Verb::Manual { .. } => Ok(()),
        }
    })
}

/// The settings that are secrets: their ids and their variables.
fn secrets(command: &clap::Command) -> Vec<(String, String)> {
    let secret = TypeId::of::<SecretString>();
    command
        .get_arguments()
        .filter(|arg| arg.get_value_parser().type_id() == secret)
        .filter_map(|arg| Some((arg.get_id().to_string(), arg.get_long()?)))
        .map(|(id, flag)| (id, flag.replace('-', "_").to_ascii_uppercase()))
        .collect()
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "portcullis", &mut script);
    output::text(&String::from_utf8(script)?)
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
