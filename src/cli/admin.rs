//! `portcullis admin`.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use zeroize::Zeroizing;

use super::output::{self, line, time};
use crate::app::App;
use crate::config::Config;
use crate::features::accounts::{
    Accounts, Capacity, CreateError, Filter, Listing, NewAccount, Order, OrderField,
    SetPasswordError, search_key,
};
use crate::kernel::access::{Language, Role, User};
use crate::kernel::acting::Acting;
use crate::kernel::clock::Clock;
use crate::kernel::page::Part;

/// Of a file with a password; its first line counts.
const PASSWORD_FILE_MAX: u64 = 64 * 1024;
/// Accounts read at once while listing.
const PAGE_SIZE: u64 = 500;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Create an admin. The command asks for the password or reads it from a file; it is never an argument
    Create {
        /// The new admin's username
        #[arg(long)]
        username: String,
        /// The new admin's email address
        #[arg(long)]
        email: String,
        /// The new admin's full name
        #[arg(long)]
        full_name: Option<String>,
        /// The language of mails to the new admin: en or de
        #[arg(long, default_value = "en", value_parser = language)]
        locale: Language,
        /// A file with the password on its first line
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// Create the database without asking if it does not exist
        #[arg(long)]
        new_database: bool,
        /// Print the new account as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a user an admin
    Promote(Named),
    /// Make an admin an ordinary user, except the last active admin
    Demote(Named),
    /// Deactivate a user and end all their sessions, except the last active admin
    Deactivate(Named),
    /// Let a deactivated user sign in again
    Reactivate(Named),
    /// Set the password of a user and end all their sessions. The command asks for the password or reads it from a
    /// file; it is never an argument
    SetPassword {
        #[command(flatten)]
        named: Named,
        /// A file with the password on its first line
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Unlock a user after too many failed attempts
    Unlock(Named),
    /// Remove all second factors and passkeys of a user who lost them, and end all their sessions
    ResetFactors(Named),
    /// End all sessions of a user
    EndSessions(WhoseSessions),
    /// List the admins or all accounts, oldest first
    List(ListArgs),
}

/// One account, or all.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("whose").required(true))]
pub(super) struct WhoseSessions {
    /// The user's username, email address or id
    #[arg(group = "whose")]
    user: Option<String>,
    /// End the sessions of all users, for example after a backup was restored
    #[arg(long, group = "whose")]
    all: bool,
}

/// One account.
#[derive(Args)]
pub(super) struct Named {
    /// The user's username, email address or id
    user: String,
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// List all accounts, not only the admins
    #[arg(long)]
    all: bool,
    /// Only accounts whose username or email address starts with this text
    #[arg(long)]
    search: Option<String>,
    /// Only active or only inactive accounts
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Status {
    Active,
    Inactive,
}

fn language(tag: &str) -> Result<Language, &'static str> {
    Language::named(tag).ok_or("the server does not write mails in this language")
}

impl Verb {
    /// Whether a database is to be made at this path, which somebody may have mistaken for another.
    pub(super) fn makes_database(&self, file: &Path) -> anyhow::Result<bool> {
        let Self::Create { new_database, .. } = self else { return Ok(false) };
        let question = format!("There is no database at {} yet. Create it?", file.display());
        Ok(*new_database || output::confirm(&question)?)
    }
}

pub(super) async fn run(verb: &Verb, config: Config) -> anyhow::Result<()> {
    let app = match verb {
        Verb::Create { .. } => App::build(config, Clock::system()).await?,
        _ => App::open(config, Clock::system()).await?,
    };
    let outcome = act(verb, &app).await;
    app.close().await?;
    outcome
}

async fn act(verb: &Verb, app: &App) -> anyhow::Result<()> {
    let accounts = &app.accounts;
    match verb {
        Verb::Create {
            username,
            email,
            full_name,
            locale,
            password_file,
            new_database: _,
            json,
        } => {
            let password = read_password(password_file.as_ref())?;
            let full_name = full_name.as_deref();
            let new =
                NewAccount { username, email, password: &password, full_name, locale: *locale };
            create(accounts, &new, *json).await
        }
        Verb::Promote(named) => set_role(accounts, named, Role::Admin).await,
        Verb::Demote(named) => set_role(accounts, named, Role::User).await,
        Verb::Deactivate(named) => {
            let user = find(accounts, named).await?;
            accounts.deactivate(Acting::operator(), Capacity::Operator, user.id).await?;
            done(&user, "is deactivated, and all their sessions have ended")
        }
        Verb::Reactivate(named) => {
            let user = find(accounts, named).await?;
            accounts.reactivate(Acting::operator(), Capacity::Operator, user.id).await?;
            done(&user, "can sign in")
        }
        Verb::SetPassword { named, password_file } => {
            // Nobody is asked for the password of somebody who is not there.
            let user = find(accounts, named).await?;
            let password = read_password(password_file.as_ref())?;
            match accounts.set_password(&user, &password).await {
                Ok(user) => done(&user, "has a new password, and all their sessions have ended"),
                Err(SetPasswordError::Invalid(invalid)) => {
                    bail!("the password was not set: {}", invalid.message)
                }
                Err(error) => Err(error).context("the password was not set"),
            }
        }
        Verb::Unlock(named) => {
            let user = find(accounts, named).await?;
            accounts.unlock(user.id).await?;
            done(&user, "can sign in; running servers know within a few seconds")
        }
        Verb::ResetFactors(named) => {
            let user = find(accounts, named).await?;
            accounts.reset_factors(Acting::operator(), Capacity::Operator, user.id).await?;
            done(
                &user,
                "no longer has second factors or passkeys, and all their sessions have ended",
            )
        }
        Verb::EndSessions(WhoseSessions { user: None, .. }) => {
            let ended = app.sessions.end_everybody(Acting::operator()).await?;
            Ok(line(format!("all sessions have ended ({ended} ended)"))?)
        }
        Verb::EndSessions(WhoseSessions { user: Some(user), .. }) => {
            let user = find(accounts, &Named { user: user.clone() }).await?;
            let ended =
                accounts.end_sessions(Acting::operator(), Capacity::Operator, user.id).await?;
            done(&user, &format!("no longer has sessions ({ended} ended)"))
        }
        Verb::List(args) => list(accounts, args).await,
    }
}

async fn create(accounts: &Accounts, new: &NewAccount<'_>, as_json: bool) -> anyhow::Result<()> {
    match accounts.create(new, Role::Admin).await {
        Ok(user) if as_json => output::json(&as_object(&user)),
        Ok(user) => done(&user, &format!("is an admin now (id {})", user.id)),
        Err(CreateError::Invalid(problems)) => {
            let told = problems.iter().map(|problem| {
                let field = problem.path.trim_start_matches("input.");
                format!("\n  {field}: {}", problem.invalid.message)
            });
            bail!("the account was not created:{}", told.collect::<String>())
        }
        Err(error) => Err(error).context("the account was not created"),
    }
}

async fn set_role(accounts: &Accounts, named: &Named, role: Role) -> anyhow::Result<()> {
    let user = find(accounts, named).await?;
    accounts.set_role(Acting::operator(), Capacity::Operator, user.id, role).await?;
    match role {
        Role::Admin => done(&user, "is an admin"),
        Role::User => done(&user, "is an ordinary user"),
    }
}

async fn find(accounts: &Accounts, named: &Named) -> anyhow::Result<User> {
    let found = accounts.find(&named.user).await?;
    found.with_context(|| {
        format!("no account has the username, email address or id {:?}", named.user)
    })
}

fn done(user: &User, what: &str) -> anyhow::Result<()> {
    Ok(line(format!("{} {what}", user.username))?)
}

async fn list(accounts: &Accounts, args: &ListArgs) -> anyhow::Result<()> {
    let filter = Filter {
        search: args.search.as_deref().map(search_key),
        role: (!args.all).then_some(Role::Admin),
        is_active: args.status.map(|status| matches!(status, Status::Active)),
    };
    let order = Order { field: OrderField::CreatedAt, descending: false };
    let part = Part { after: None, before: None, size: PAGE_SIZE, from_end: false };
    let mut listing = Listing { filter, order, part, includes_places: false };
    let mut users = Vec::new();
    loop {
        let page = accounts.list(&listing).await?;
        listing.part.after = page.rows.last().map(|user| order.place(user));
        users.extend(page.rows);
        if !page.has_more {
            break;
        }
    }
    if args.json {
        return output::json(&users.iter().map(as_object).collect::<Vec<_>>());
    }
    let rows: Vec<_> = users
        .iter()
        .map(|user| {
            let status = if user.is_active { "active" } else { "inactive" };
            let last_login = user.last_login_at.map_or_else(|| "-".to_owned(), time);
            let (name, email) = (user.username.clone(), user.email.clone());
            [
                user.id.to_string(),
                name,
                email,
                user.role.into_str().to_owned(),
                status.to_owned(),
                last_login,
            ]
        })
        .collect();
    Ok(output::table(["ID", "USERNAME", "EMAIL", "ROLE", "STATUS", "LAST LOGIN"], &rows)?)
}

fn as_object(user: &User) -> serde_json::Value {
    json!({
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "emailVerified": user.email_verified,
        "fullName": user.full_name,
        "role": user.role.into_str(),
        "isActive": user.is_active,
        "createdAt": time(user.created_at),
        "lastLoginAt": user.last_login_at.map(time),
    })
}

fn read_password(file: Option<&PathBuf>) -> anyhow::Result<Zeroizing<String>> {
    if let Some(file) = file {
        let mut text = Zeroizing::new(String::new());
        // A device may have no end.
        File::open(file)
            .and_then(|file| file.take(PASSWORD_FILE_MAX).read_to_string(&mut text))
            .context("cannot read the password file")?;
        return Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()));
    }
    let ask = |prompt| {
        rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => anyhow!("no password was typed"),
            _ => anyhow!("there is no terminal to ask for the password: use --password-file"),
        })
    };
    let password = ask("Password: ")?;
    if *password != *ask("Again: ")? {
        bail!("the two passwords differ");
    }
    Ok(password)
}
