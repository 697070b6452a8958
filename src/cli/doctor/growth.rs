//! How much the database holds, and what lags behind.

use super::space::size;
use super::{Level, Report};
use crate::config::Config;
use crate::infra::db::{Db, Replica, TableSize};

const ABOUT: &str = "growth";
/// So many of the largest tables are told.
const TABLES: usize = 4;
/// With this many events, somebody should decide for how long they are kept.
const EVENTS_MANY: u64 = 10_000_000;
/// Fewer dead rows than this are nothing to see to.
const DEAD_ROWS_MIN: u32 = 100_000;
/// A replica that is further behind would lose this much if it took over.
const LAG_SECONDS_MAX: u64 = 60;
const LAG_BYTES_MAX: u64 = 256 * 1024 * 1024;

pub(super) async fn check(report: &mut Report, config: &Config, db: &Db) {
    match db.largest_tables(TABLES).await {
        Ok(tables) => sizes(report, config, &tables),
        Err(error) => report.unreadable("the sizes of the tables", &error),
    }
    match db.dead_rows(DEAD_ROWS_MIN).await {
        Ok(None) => {}
        Ok(Some(found)) => {
            let message = format!(
                "{} has {} dead rows and {} live ones: autovacuum is behind",
                found.table, found.dead, found.live
            );
            let advice = "run `VACUUM ANALYZE` on the table, end transactions that have been open for long, and check the \
                          settings of autovacuum";
            report.add(Level::Warning, ABOUT, message, advice);
        }
        Err(error) => report.unreadable("the state of autovacuum", &error),
    }
    replication(report, db).await;
}

fn sizes(report: &mut Report, config: &Config, tables: &[TableSize]) {
    let told: Vec<_> = tables.iter().map(told).collect();
    report.ok(ABOUT, format!("the largest tables are {}", told.join(", ")));
    let events = tables.iter().find(|table| table.name == "audit_events");
    let events = events.and_then(|table| table.rows).unwrap_or_default();
    if events > EVENTS_MANY && config.retention.audit_events.is_none() {
        let message = format!("the audit log has about {events} events, and keeps all of them");
        let advice = "decide for how long you need them, and set AUDIT_RETENTION_DAYS";
        report.add(Level::Note, ABOUT, message, advice);
    }
}

fn told(table: &TableSize) -> String {
    let rows = match table.rows {
        Some(rows) => format!("about {rows} rows"),
        None => "not analyzed yet".to_owned(),
    };
    match table.bytes {
        Some(bytes) => format!("{} ({rows}, {})", table.name, size(bytes)),
        None => format!("{} ({rows})", table.name),
    }
}

async fn replication(report: &mut Report, db: &Db) {
    const ABOUT: &str = "replication";
    match db.replicas().await {
        Ok(replicas) => replicas.iter().for_each(|replica| lag(report, replica)),
        Err(error) => report.unreadable("the list of replicas", &error),
    }
    match db.idle_slots().await {
        Ok(slots) => {
            for slot in slots.iter().filter(|slot| slot.bytes > LAG_BYTES_MAX) {
                let message = format!(
                    "nobody reads the replication slot {}, for which the server keeps {} of its log",
                    slot.name,
                    size(slot.bytes)
                );
                let advice = "start its replica again, or drop the slot with pg_drop_replication_slot: otherwise the log \
                              fills the disk";
                report.add(Level::Warning, ABOUT, message, advice);
            }
        }
        Err(error) => report.unreadable("the list of replication slots", &error),
    }
}

fn lag(report: &mut Report, Replica { name, bytes, seconds }: &Replica) {
    const ABOUT: &str = "replication";
    let Some(bytes) = *bytes else {
        let message = format!("this user may not see how far the replica {name} is behind");
        return report.add(Level::Note, ABOUT, message, "grant it the role pg_monitor");
    };
    let seconds = seconds.unwrap_or_default();
    let message = format!("the replica {name} is {} and {seconds} s behind", size(bytes));
    if bytes > LAG_BYTES_MAX || seconds > LAG_SECONDS_MAX {
        let advice =
            "check the network and the load of the replica: what it lacks is lost if it takes over";
        report.add(Level::Warning, ABOUT, message, advice);
    } else {
        report.ok(ABOUT, message);
    }
}
