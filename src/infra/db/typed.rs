//! Connections that bind values as the databases want them. [`Db`](super::Db) hands out nothing else, so no statement can
//! bind them in another way. They hand on the futures as they are.
//!
//! sqlx sends a `DateTime<Utc>` to MySQL and MariaDB as a `TIMESTAMP`, which ends in 2038 and begins in 1970,
//! although the columns are `DATETIME(6)`. And SQLite plans a statement again whenever a bound `LIMIT` was set, even to
//! the same number, since the plan may depend on it: so that stands in the text.

use std::pin::Pin;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value};

use super::pooled::Pooled;
use super::transaction::AnyTransaction;
use super::turns::Earlier;

/// A pool of connections.
pub(crate) type Connection = Typed<Pooled>;
/// A transaction.
pub(crate) type Transaction = Typed<AnyTransaction>;

/// What SeaORM runs statements on.
#[derive(Clone, Debug)]
pub(crate) struct Typed<C>(pub(super) C);

type Outcome<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'a>>;

// By hand, without `async_trait`: that would box a second future for each statement.
impl<C: ConnectionTrait> ConnectionTrait for Typed<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    fn execute_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        Self: 'f,
    {
        self.0.execute_raw(self.typed(statement))
    }

    fn execute_unprepared<'a, 's, 'f>(&'a self, sql: &'s str) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        's: 'f,
        Self: 'f,
    {
        self.0.execute_unprepared(sql)
    }

    fn query_one_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Option<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        self.0.query_one_raw(self.typed(statement))
    }

    fn query_all_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Vec<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        self.0.query_all_raw(self.typed(statement))
    }
}

impl<C: ConnectionTrait> Typed<C> {
    fn typed(&self, mut statement: Statement) -> Statement {
        let values = statement.values.as_mut().map(|values| &mut values.0);
        match (self.get_database_backend(), values) {
            (DbBackend::MySql, Some(values)) => {
                for value in values {
                    if let Value::ChronoDateTimeUtc(time) = value {
                        *value = Value::ChronoDateTime(time.take().map(|time| time.naive_utc()));
                    }
                }
            }
            (DbBackend::Sqlite, Some(values)) => {
                if let Some(rows) = statement.sql.strip_suffix("LIMIT ?")
                    && let Some(Value::BigUnsigned(Some(limit))) = values.last()
                {
                    statement.sql = format!("{rows}LIMIT {limit}");
                    values.pop();
                }
            }
            _ => {}
        }
        statement
    }
}

impl Transaction {
    /// The transactions whose changes it can read before they are committed. An answer without a commit waits until
    /// these are settled.
    pub(crate) fn earlier(&self) -> Earlier {
        self.0.earlier()
    }

    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        self.0.commit().await
    }

    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        self.0.rollback().await
    }
}
