//! `portcullis migrate`.

use anyhow::bail;
use clap::Subcommand;
use migration::{Plan, Planned, Status, TableChange};
use serde_json::{Value, json};

use super::output;
use crate::app;
use crate::config::Config;
use crate::features::audit;
use crate::infra::db::Db;
use crate::kernel::clock::Clock;

/// Rows that a database surely reads and sorts for an index, or writes, in a second.
const ROWS_PER_SECOND: u64 = 200_000;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Apply the pending migrations
    Up,
    /// Show what `up` would do, which locks it would take, and whether the servers can run meanwhile
    Plan {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revert the last migrations and delete the data in the tables and columns that they created
    Down {
        /// The number of migrations to revert
        #[arg(long, default_value_t = 1)]
        steps: u32,
        /// Do not ask. Production requires an answer or this flag
        #[arg(long)]
        yes: bool,
    },
    /// List the applied and the pending migrations. Fails if the program cannot run on the schema
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(verb: &Verb, config: &Config) -> anyhow::Result<()> {
    let db = app::connect(config).await?;
    let acted = act(verb, config, &db).await;
    // Also after a failure: SQLite leaves no log behind when it is closed.
    db.close().await?;
    acted
}

async fn act(verb: &Verb, config: &Config, db: &Db) -> anyhow::Result<()> {
    let migrations = config.extended.migrations;
    match verb {
        Verb::Up => app::migrate_up(config, db).await?,
        Verb::Down { steps, yes } => revert(config, db, *steps, *yes).await?,
        Verb::Plan { json } => {
            let status = migrations.status(db.reader()).await?;
            if status.is_too_new {
                return Err(migration::Error::Newer { unknown: status.unknown }.into());
            }
            let plan = migrations.plan(db.reader()).await?;
            return if *json { output::json(&as_json(&plan)) } else { show(&plan) };
        }
        Verb::Status { .. } => {}
    }
    let status = migrations.status(db.reader()).await?;
    let printed = print(&status, matches!(verb, Verb::Status { json: true }));
    // The verdict stands whether or not anybody has read it.
    if matches!(verb, Verb::Status { .. }) && !status.is_compatible() {
        bail!("the schema does not match this program");
    }
    printed
}

/// Reverts the last migrations: those that it asks about, and no others.
async fn revert(config: &Config, db: &Db, steps: u32, is_wanted: bool) -> anyhow::Result<()> {
    let migrations = config.extended.migrations;
    let changing = app::changing_schema(config, db).await?;
    let status = migrations.revertible(changing.reader()).await?;
    let reverted = migration::last(&status.applied, steps);
    let Some(first) = reverted.first() else {
        return Ok(output::line("No migration is applied, so nothing was reverted.")?);
    };
    let holds_log = reverted.iter().find(|name| migration::holds_audit_log(name));
    if let Some(name) = holds_log {
        require_unaudited(&changing, name).await?;
    }
    if !config.is_development() && !is_wanted && !is_confirmed(reverted)? {
        bail!("nothing was reverted: answer the question with y, or add --yes");
    }
    // On an older schema this program cannot write events, and afterwards the schema is one.
    let is_recorded = holds_log.is_none() && status.pending.is_empty();
    if is_recorded {
        let what = match reverted.len() {
            1 => first.clone(),
            count => format!("{first} and {} later ones", count - 1),
        };
        audit::note_reverted(&changing, Clock::system().now(), &what).await?;
    }
    changing.revert(migrations, reverted).await?;
    for name in reverted.iter().rev() {
        output::line(format!("reverted {name}"))?;
    }
    if !is_recorded {
        output::line("The audit log does not record this: it has no place for it on this schema.")?;
    }
    Ok(())
}

/// Names what is lost, and asks.
fn is_confirmed(reverted: &[String]) -> anyhow::Result<bool> {
    let reverted = reverted.join(", ");
    let question = format!(
        "This deletes the data in all that {reverted} created: it can be sessions, second factors or organizations. \
         Go on?"
    );
    Ok(output::confirm(&question)?)
}

/// Fails when that would remove what the events in the audit log are verified by: it would look like tampering for good.
async fn require_unaudited(db: &Db, name: &str) -> anyhow::Result<()> {
    if audit::newest(db.reader()).await?.is_none() {
        return Ok(());
    }
    bail!(
        "the audit log cannot be verified without what {name} created: restore a backup from before that migration instead"
    )
}

fn print(status: &Status, as_json: bool) -> anyhow::Result<()> {
    let lists =
        [("applied", &status.applied), ("pending", &status.pending), ("unknown", &status.unknown)];
    if as_json {
        let mut told: serde_json::Map<String, Value> = lists
            .map(|(state, names)| (state.to_owned(), names.as_slice().into()))
            .into_iter()
            .collect();
        told.insert("isCompatible".to_owned(), status.is_compatible().into());
        return output::json(&told);
    }
    for (state, names) in lists {
        names.iter().try_for_each(|name| output::line(format!("{state}  {name}")))?;
    }
    Ok(())
}

/// The plan, for people.
fn show(plan: &Plan) -> anyhow::Result<()> {
    for Planned { name, changes } in &plan.steps {
        output::line(format!("pending  {name}"))?;
        if changes.is_empty() && !plan.is_new {
            output::line("         does not describe its locks")?;
        }
        changes.iter().try_for_each(|&(change, rows)| {
            output::line(format!("         {}", said(change, rows)))
        })?;
    }
    if plan.steps.is_empty() {
        return Ok(output::line("Nothing is pending.")?);
    }
    if plan.is_new {
        return Ok(output::line("The database has no tables yet, so nobody waits.")?);
    }
    let unknown = plan.steps.iter().filter(|planned| planned.changes.is_empty()).count();
    if unknown > 0 {
        output::line(format!(
            "It is not known which locks {unknown} of these migrations take and for how long. Measure that with a copy of \
             the database: the tables can be locked all the time."
        ))?;
    }
    if plan.needs_stop {
        let verdict = "Stop all servers before `portcullis migrate up`: their release does not work on the new schema.";
        return Ok(output::line(verdict)?);
    }
    output::line(
        "The servers can run during `portcullis migrate up`, and you can replace them one by one.",
    )?;
    if !plan.required.is_empty() {
        let required = plan.required.join(", ");
        output::line(format!(
            "Stop servers of an older release before, which do not know {required}."
        ))?;
    }
    Ok(())
}

/// What a change does, and what it holds up.
fn said(change: TableChange, rows: u64) -> String {
    let seconds = rows.div_ceil(ROWS_PER_SECOND);
    match change {
        TableChange::Table(table) => format!("creates the table {table}; nothing waits"),
        TableChange::Definition(table) => format!(
            "changes the definition of {table}; statements on the table wait a moment, and no row is written"
        ),
        TableChange::Index(table) => format!(
            "builds an index from about {rows} rows of {table}, for at most {seconds} s; whoever changes the table waits"
        ),
        TableChange::IndexOnline(table) => format!(
            "builds an index from about {rows} rows of {table}, for at most {} s; nobody waits",
            2 * seconds
        ),
        TableChange::Rows(table) => format!(
            "writes about {rows} rows of {table}, for at most {seconds} s; whoever changes these rows waits"
        ),
    }
}

fn as_json(plan: &Plan) -> Value {
    let steps = plan.steps.iter().map(|Planned { name, changes }| {
        let changes = changes.iter().map(|&(change, rows)| {
            let (kind, table) = match change {
                TableChange::Table(table) => ("table", table),
                TableChange::Definition(table) => ("definition", table),
                TableChange::Index(table) => ("index", table),
                TableChange::IndexOnline(table) => ("index_online", table),
                TableChange::Rows(table) => ("rows", table),
            };
            json!({ "kind": kind, "table": table, "rows": rows })
        });
        json!({ "name": name, "changes": changes.collect::<Vec<_>>() })
    });
    json!({ "pending": steps.collect::<Vec<_>>(), "needsStop": plan.needs_stop, "required": plan.required })
}
