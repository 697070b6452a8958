//! A transaction, on whichever database it is.

use std::pin::Pin;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};

use super::lending::{Borrowed, Unprepared};
use super::turns::{Earlier, Member};

/// What statements of a transaction run on. Dropped, it changes nothing.
#[derive(Debug)]
pub(crate) enum AnyTransaction {
    /// On a connection to a server.
    Server(DbBackend, Borrowed),
    /// On a connection that reads a SQLite file.
    Own(DatabaseTransaction),
    /// On the one connection that writes to a SQLite file.
    Member(Member),
}

impl AnyTransaction {
    pub(super) fn earlier(&self) -> Earlier {
        match self {
            Self::Server(..) | Self::Own(_) => Earlier::default(),
            Self::Member(member) => member.earlier(),
        }
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        match self {
            Self::Server(_, txn) => txn.commit().await,
            Self::Own(txn) => txn.commit().await,
            Self::Member(member) => member.commit().await,
        }
    }

    /// Commits if its statement has succeeded.
    pub(super) async fn committed<T>(self, outcome: Result<T, DbErr>) -> Result<T, DbErr> {
        match outcome {
            Ok(_) => self.commit().await?,
            Err(_) => self.rollback().await?,
        }
        outcome
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        match self {
            Self::Server(_, txn) => txn.rollback().await,
            Self::Own(txn) => txn.rollback().await,
            Self::Member(member) => {
                let earlier = member.earlier();
                drop(member);
                earlier.settled().await
            }
        }
    }
}

type Outcome<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'a>>;

impl ConnectionTrait for AnyTransaction {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Server(backend, _) => *backend,
            Self::Own(txn) => txn.get_database_backend(),
            Self::Member(_) => DbBackend::Sqlite,
        }
    }

    fn execute_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        Self: 'f,
    {
        match self {
            Self::Server(_, txn) => Box::pin(txn.ask(statement)),
            Self::Own(txn) => txn.execute_raw(statement),
            Self::Member(member) => Box::pin(member.run(|txn| txn.execute_raw(statement))),
        }
    }

    fn execute_unprepared<'a, 's, 'f>(&'a self, sql: &'s str) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        's: 'f,
        Self: 'f,
    {
        match self {
            Self::Server(backend, txn) => {
                let text = Statement::from_string(*backend, sql);
                Box::pin(async move { txn.ask(text).await.map(|Unprepared(done)| done) })
            }
            Self::Own(txn) => txn.execute_unprepared(sql),
            Self::Member(member) => Box::pin(member.run(|txn| txn.execute_unprepared(sql))),
        }
    }

    fn query_one_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Option<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        match self {
            Self::Server(_, txn) => Box::pin(txn.ask(statement)),
            Self::Own(txn) => txn.query_one_raw(statement),
            Self::Member(member) => Box::pin(member.run(|txn| txn.query_one_raw(statement))),
        }
    }

    fn query_all_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Vec<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        match self {
            Self::Server(_, txn) => Box::pin(txn.ask(statement)),
            Self::Own(txn) => txn.query_all_raw(statement),
            Self::Member(member) => Box::pin(member.run(|txn| txn.query_all_raw(statement))),
        }
    }
}
