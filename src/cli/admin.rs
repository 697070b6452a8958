//! `portcullis admin`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use zeroize::Zeroizing;

use crate::app::App;
use crate::config::Config;
use crate::features::accounts::{CreateError, NewAccount};
use crate::platform::access::Role;
use crate::platform::clock::Clock;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Make an admin. The password is asked for, or read from a file; never an argument
    Create {
        /// The new admin's username
        #[arg(long)]
        username: String,
        /// The new admin's e-mail address
        #[arg(long)]
        email: String,
        /// The new admin's full name
        #[arg(long)]
        full_name: Option<String>,
        /// A file with the password on its first line
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
}

pub(super) async fn run(verb: &Verb, config: Config) -> anyhow::Result<()> {
    let Verb::Create { username, email, full_name, password_file } = verb;
    let password = read_password(password_file.as_ref())?;
    let app = App::build(config, Clock::system()).await?;
    let new = NewAccount { username, email, password: &password, full_name: full_name.as_deref() };
    let created = app.accounts.create(&new, Role::Admin).await;
    app.close().await?;
    match created {
        Ok(user) => {
            println!("{} is an admin now (id {})", user.username, user.id);
            Ok(())
        }
        Err(CreateError::Invalid(problems)) => {
            let told = problems.iter().map(|problem| {
                let field = problem.path.trim_start_matches("input.");
                format!("\n  {field}: {}", problem.invalid.message)
            });
            bail!("the account was not made:{}", told.collect::<String>())
        }
        Err(error) => Err(error).context("the account was not made"),
    }
}

fn read_password(file: Option<&PathBuf>) -> anyhow::Result<Zeroizing<String>> {
    if let Some(file) = file {
        let text = fs::read_to_string(file).context("the password file cannot be read")?;
        let text = Zeroizing::new(text);
        return Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()));
    }
    let password = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("Again: ")?);
    if *password != *again {
        bail!("the two passwords differ");
    }
    Ok(password)
}
