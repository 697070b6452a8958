//! A transaction, on whichever database it is.

use std::pin::Pin;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};

use super::turns::{Seen, Shared};

/// What statements of a transaction run on. Dropped, it changes nothing.
#[derive(Debug)]
pub(crate) enum Begun {
    /// With a connection of its own.
    Own(DatabaseTransaction),
    /// On the one connection that writes to a SQLite file.
    Shared(Shared),
}

impl Begun {
    pub(super) fn seen(&self) -> Seen {
        match self {
            Self::Own(_) => Seen::default(),
            Self::Shared(shared) => shared.seen(),
        }
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        match self {
            Self::Own(txn) => txn.commit().await,
            Self::Shared(shared) => shared.commit().await,
        }
    }

    /// Commits if the last statement has succeeded.
    pub(super) async fn committed<T>(self, outcome: Result<T, DbErr>) -> Result<T, DbErr> {
        let value = outcome?;
        self.commit().await?;
        Ok(value)
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        match self {
            Self::Own(txn) => txn.rollback().await,
            Self::Shared(shared) => {
                let seen = shared.seen();
                drop(shared);
                seen.settled().await
            }
        }
    }
}

type Outcome<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'a>>;

impl ConnectionTrait for Begun {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Own(txn) => txn.get_database_backend(),
            Self::Shared(_) => DbBackend::Sqlite,
        }
    }

    fn execute_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        Self: 'f,
    {
        match self {
            Self::Own(txn) => txn.execute_raw(statement),
            Self::Shared(shared) => Box::pin(shared.run(|txn| txn.execute_raw(statement))),
        }
    }

    fn execute_unprepared<'a, 's, 'f>(&'a self, sql: &'s str) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        's: 'f,
        Self: 'f,
    {
        match self {
            Self::Own(txn) => txn.execute_unprepared(sql),
            Self::Shared(shared) => Box::pin(shared.run(|txn| txn.execute_unprepared(sql))),
        }
    }

    fn query_one_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Option<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        match self {
            Self::Own(txn) => txn.query_one_raw(statement),
            Self::Shared(shared) => Box::pin(shared.run(|txn| txn.query_one_raw(statement))),
        }
    }

    fn query_all_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Vec<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        match self {
            Self::Own(txn) => txn.query_all_raw(statement),
            Self::Shared(shared) => Box::pin(shared.run(|txn| txn.query_all_raw(statement))),
        }
    }
}
