//! What a database's failures mean: who was first, who should try again, who should wait.

use std::error::Error;
use std::io;

use sea_orm::sqlx;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlErr};

/// An error that may have come from the database.
pub(crate) trait DbFailure {
    /// The database's own error, if that is what it was.
    fn db(&self) -> Option<&DbErr>;
}

impl DbFailure for DbErr {
    fn db(&self) -> Option<&DbErr> {
        Some(self)
    }
}

/// Whether the unique constraint of this name refused the statement. Constraints are named after their table and their
/// columns, as in `users_email_key`, which is what SQLite tells of them.
pub(crate) fn violates(error: &DbErr, constraint: &str) -> bool {
    if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
        return false;
    }
    let Some(sqlx::Error::Database(cause)) = sqlx_error(error) else { return false };
    if let Some(name) = cause.constraint() {
        return name == constraint;
    }
    told_constraint(cause.message()) == constraint
}

/// The name of a constraint, from what SQLite, MySQL or MariaDB tells of it.
fn told_constraint(message: &str) -> String {
    let Some(columns) = message.strip_prefix("UNIQUE constraint failed: ") else {
        // MySQL tells the table too. What was to be written stands before, whatever is in it.
        let key = message.trim_end_matches('\'').rsplit('\'').next().unwrap_or_default();
        return key.rsplit('.').next().unwrap_or_default().to_owned();
    };
    let (table, _) = columns.split_once('.').unwrap_or_default();
    let columns = columns.split(", ").filter_map(|column| column.split('.').nth(1));
    columns.fold(table.to_owned(), |name, column| format!("{name}_{column}"))
}

/// Whether the database is away, full or overloaded, so that the same call may succeed later.
pub(crate) fn is_unavailable(error: &DbErr) -> bool {
    if let DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed)
    | DbErr::Conn(_) = error
    {
        return true;
    }
    match sqlx_error(error) {
        Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
        Some(sqlx::Error::Database(cause)) => match Code::of(&**cause) {
            // Busy, locked, read-only, I/O error, disk full, cannot open.
            Code::Sqlite(code) => matches!(code, 5 | 6 | 8 | 10 | 13 | 14),
            Code::MySql(number) => is_passing_on_mysql(number),
            // Connection (08), serialization (40), resources (53), operator (57), system (58);
            // and read-only, as a standby is, idle for too long inside a transaction, locked.
            Code::State(state) => {
                ["08", "40", "53", "57", "58"].iter().any(|class| state.starts_with(class))
                    || matches!(&*state, "25006" | "25P03" | "55P03")
            }
        },
        _ => false,
    }
}

/// Whether a pooler in front of PostgreSQL does not keep what belongs to a connection, or refuses what it is opened with.
pub(crate) fn is_of_pooler(error: &(dyn Error + 'static)) -> bool {
    let cause = match error.downcast_ref::<DbErr>() {
        Some(error) => sqlx_error(error),
        None => error.downcast_ref::<sqlx::Error>(),
    };
    let Some(sqlx::Error::Database(cause)) = cause else { return false };
    match Code::of(&**cause) {
        // A prepared statement that is there already, or no longer; a protocol violation.
        Code::State(state) => match &*state {
            "42P05" | "26000" => true,
            "08P01" => cause.message().contains("startup parameter"),
            _ => false,
        },
        Code::Sqlite(_) | Code::MySql(_) => false,
    }
}

/// Whether the database cannot be reached or is starting or stopping, which may pass without a change of settings.
pub(crate) fn is_away(error: &DbErr) -> bool {
    if is_pool_timeout(error) {
        return true;
    }
    match sqlx_error(error) {
        Some(sqlx::Error::Io(_)) => true,
        Some(sqlx::Error::Database(cause)) => match Code::of(&**cause) {
            Code::Sqlite(_) => false,
            // Too many connections, shutting down.
            Code::MySql(number) => matches!(number, 1040 | 1053),
            // The same, and starting up.
            Code::State(state) => matches!(&*state, "53300" | "57P01" | "57P02" | "57P03"),
        },
        // A pool that waited in vain, in words of our own.
        _ => matches!(error, DbErr::Conn(RuntimeErr::Internal(_))),
    }
}

/// The numbers that MySQL and MariaDB give to what may be over a moment later.
fn is_passing_on_mysql(number: u16) -> bool {
    matches!(
        number,
        // Disk full, table full, out of memory or of connections, I/O errors of the engine.
        1021 | 1026 | 1030 | 1037 | 1040 | 1041 | 1114 | 1203 | 1226
            // Record changed, lock wait, deadlock, a full lock table.
            | 1020 | 1205 | 1206 | 1213
            // Shutting down, killed, interrupted, over its time.
            | 1053 | 1077 | 1317 | 1927 | 1969 | 3024
            // Read-only: a replica, or one that is about to become the primary.
            | 1290 | 1792 | 1836
    )
}

/// Whether an error ends its connection, so that another may do what this one did not.
pub(super) fn ends_connection(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(cause) = error else { return true };
    match Code::of(&**cause) {
        Code::Sqlite(_) => false,
        // Shutting down, killed, idle for too long.
        Code::MySql(number) => matches!(number, 1053 | 1927 | 4031),
        // The connection's own errors, and those of a server or an administrator that ends it.
        Code::State(state) => {
            state.starts_with("08") || matches!(&*state, "57P01" | "57P02" | "57P03" | "57P05")
        }
    }
}

/// Whether a statement was refused since the server, or the connection to it, may only read.
pub(super) fn is_refused_as_read_only(error: &DbErr) -> bool {
    matches!(refusal(error), Some(Refusal::ReadOnly))
}

/// The same of what the driver says.
pub(super) fn is_read_only(cause: &dyn DatabaseError) -> bool {
    matches!(refusal_of(cause), Some(Refusal::ReadOnly))
}

/// Why a database refuses to write until somebody does something about it.
pub(super) enum Refusal {
    ReadOnly,
    Full,
    Denied,
}

/// Whether, and why, the database refuses to write.
pub(super) fn refusal(error: &DbErr) -> Option<Refusal> {
    match sqlx_error(error) {
        Some(sqlx::Error::Database(cause)) => refusal_of(&**cause),
        _ => None,
    }
}

fn refusal_of(cause: &dyn DatabaseError) -> Option<Refusal> {
    match Code::of(cause) {
        // What cannot be opened is a log that cannot be made beside the file.
        Code::Sqlite(8 | 14) | Code::MySql(1290 | 1792 | 1836) => Some(Refusal::ReadOnly),
        Code::Sqlite(13) | Code::MySql(1021 | 1114) => Some(Refusal::Full),
        Code::MySql(1044 | 1142 | 1143) => Some(Refusal::Denied),
        Code::State(state) => match &*state {
            "25006" => Some(Refusal::ReadOnly),
            "53100" => Some(Refusal::Full),
            "42501" => Some(Refusal::Denied),
            _ => None,
        },
        Code::Sqlite(_) | Code::MySql(_) => None,
    }
}

/// What SeaORM puts before an error, also where it is not itself one of the causes.
pub(crate) const WRAPPINGS: [&str; 4] =
    ["Connection Error: ", "Execution Error: ", "Query Error: ", ""];

/// If an error is one of a database: as what it is shown, and what the database itself has said.
pub(crate) fn told_by_database(error: &(dyn Error + 'static)) -> Option<(String, String)> {
    let cause = match error.downcast_ref::<DbErr>() {
        Some(DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) => Some(cause),
        Some(_) | None => error.downcast_ref::<RuntimeErr>(),
    };
    let cause = match cause {
        Some(RuntimeErr::SqlxError(cause)) => Some(cause.as_ref()),
        Some(RuntimeErr::Internal(why)) => return Some((error.to_string(), why.clone())),
        None => error.downcast_ref::<sqlx::Error>(),
    };
    let message = match cause? {
        sqlx::Error::Database(cause) => cause.message().to_owned(),
        _ => return None,
    };
    Some((error.to_string(), message))
}

/// An error for those who show it in the words of sqlx: with nothing in it than what the database has said.
pub(super) fn spoken(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::Database(cause) => io::Error::other(cause.message().to_owned()).into(),
        other => other,
    }
}

/// Whether nobody was given a connection, for which there may be many causes.
pub(super) fn is_pool_timeout(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
        || matches!(sqlx_error(error), Some(sqlx::Error::PoolTimedOut))
}

/// Deadlocks, serialization failures and lock timeouts, by the codes of each database.
pub(super) fn lost_a_race(error: &DbErr) -> bool {
    let Some(sqlx::Error::Database(cause)) = sqlx_error(error) else { return false };
    match Code::of(&**cause) {
        Code::Sqlite(code) => matches!(code, 5 | 6),
        Code::MySql(number) => matches!(number, 1020 | 1205 | 1213),
        Code::State(state) => matches!(&*state, "40001" | "40P01"),
    }
}

/// What a database calls its failure.
enum Code {
    /// SQLite's primary result code.
    Sqlite(u32),
    /// MySQL's and MariaDB's own number: their SQLSTATE is often only "general error".
    MySql(u16),
    /// SQLSTATE.
    State(String),
}

impl Code {
    fn of(cause: &dyn DatabaseError) -> Self {
        if let Some(cause) = cause.try_downcast_ref::<MySqlDatabaseError>() {
            return Self::MySql(cause.number());
        }
        let code = cause.code().unwrap_or_default();
        match (cause.try_downcast_ref::<SqliteError>(), code.parse::<u32>()) {
            // The extended codes keep the primary one in their low byte.
            (Some(_), Ok(extended)) => Self::Sqlite(extended & 0xff),
            _ => Self::State(code.into_owned()),
        }
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => Some(cause),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use sea_orm::sqlx::error::ErrorKind;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Refused(&'static str);

    impl DatabaseError for Refused {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn refused(state: &'static str) -> DbErr {
        let cause = sqlx::Error::Database(Box::new(Refused(state)));
        DbErr::Exec(RuntimeErr::SqlxError(cause.into()))
    }

    #[test]
    fn a_constraint_is_known_by_what_each_database_tells_of_it() {
        for (message, name) in [
            ("UNIQUE constraint failed: users.email_key", "users_email_key"),
            ("UNIQUE constraint failed: keys.purpose, keys.serial", "keys_purpose_serial"),
            ("Duplicate entry 'alice' for key 'users_username_key'", "users_username_key"),
            ("Duplicate entry 'o'x' for key 'users.users_email_key'", "users_email_key"),
        ] {
            assert_eq!(told_constraint(message), name);
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_is_our_fault() {
        // Shutdown, crash, starting up, too many connections, disk full, timeout, read-only.
        for state in ["57P01", "57P02", "57P03", "53300", "53100", "57014", "25006", "40P01"] {
            assert!(is_unavailable(&refused(state)), "{state}");
        }
        // Syntax, no such table, a constraint, a failed transaction that was used again.
        for state in ["42601", "42P01", "23505", "25P02"] {
            assert!(!is_unavailable(&refused(state)), "{state}");
        }
    }
}
