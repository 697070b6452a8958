//! What is said to each server, and what it answers.

use std::fmt;

use sea_orm::sqlx::{self, AssertSqlSafe, Executor, MySql, Postgres, Row, SqlSafeStr};
use sea_orm::{DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx_core::transaction::TransactionManager;

use super::Purpose;
use crate::infra::db::address::Wanted;

/// What a server of several is, at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    is_read_only: bool,
    is_standby: bool,
}

impl Role {
    pub(super) fn is(self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Any | Wanted::PreferStandby => true,
            Wanted::ReadWrite => !self.is_read_only,
            Wanted::ReadOnly => self.is_read_only,
            Wanted::Primary => !self.is_standby,
            Wanted::Standby => self.is_standby,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_standby, self.is_read_only) {
            (true, _) => "a standby",
            (false, true) => "read-only",
            (false, false) => "a primary",
        })
    }
}

/// A kind of server.
pub(in super::super) trait Server: sqlx::Database {
    fn role(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Role, sqlx::Error>> + Send;

    fn execute(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> impl Future<Output = Result<ExecResult, sqlx::Error>> + Send;

    fn execute_unprepared(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> impl Future<Output = Result<ExecResult, sqlx::Error>> + Send;

    fn one(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> impl Future<Output = Result<Option<QueryResult>, sqlx::Error>> + Send;

    fn all(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> impl Future<Output = Result<Vec<QueryResult>, sqlx::Error>> + Send;

    fn begin(
        connection: &mut Self::Connection,
        purpose: Purpose,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

macro_rules! statements {
    ($server:ty) => {
        async fn execute(
            connection: &mut Self::Connection,
            statement: &Statement,
        ) -> Result<ExecResult, sqlx::Error> {
            let query = sqlx::query_with::<$server, _>(sql(statement), values(statement));
            Ok(query.execute(connection).await?.into())
        }

        async fn execute_unprepared(
            connection: &mut Self::Connection,
            statement: &Statement,
        ) -> Result<ExecResult, sqlx::Error> {
            Ok(connection.execute(sql(statement)).await?.into())
        }

        async fn one(
            connection: &mut Self::Connection,
            statement: &Statement,
        ) -> Result<Option<QueryResult>, sqlx::Error> {
            let query = sqlx::query_with::<$server, _>(sql(statement), values(statement));
            Ok(query.fetch_optional(connection).await?.map(QueryResult::from))
        }

        async fn all(
            connection: &mut Self::Connection,
            statement: &Statement,
        ) -> Result<Vec<QueryResult>, sqlx::Error> {
            let query = sqlx::query_with::<$server, _>(sql(statement), values(statement));
            let rows = query.fetch_all(connection).await?;
            Ok(rows.into_iter().map(QueryResult::from).collect())
        }
    };
}

impl Server for Postgres {
    statements!(Postgres);

    async fn role(connection: &mut Self::Connection) -> Result<Role, sqlx::Error> {
        let asked = "SELECT current_setting('transaction_read_only') = 'on', pg_is_in_recovery()";
        let told = sqlx::query::<Self>(asked).fetch_one(connection).await?;
        Ok(Role { is_read_only: told.try_get(0)?, is_standby: told.try_get(1)? })
    }

    async fn begin(connection: &mut Self::Connection, purpose: Purpose) -> Result<(), sqlx::Error> {
        let begin = match purpose {
            Purpose::Change => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Purpose::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Self::TransactionManager::begin(connection, Some(begin.into_sql_str())).await
    }
}

impl Server for MySql {
    statements!(MySql);

    /// There a replica is known by that.
    async fn role(connection: &mut Self::Connection) -> Result<Role, sqlx::Error> {
        let told = connection.fetch_one("SELECT @@read_only NOT IN ('0', 'OFF')").await?;
        let is_read_only = told.try_get::<i64, _>(0)? != 0;
        Ok(Role { is_read_only, is_standby: is_read_only })
    }

    /// That a change reads what is committed is the level of the whole connection.
    async fn begin(connection: &mut Self::Connection, purpose: Purpose) -> Result<(), sqlx::Error> {
        if purpose == Purpose::Snapshot {
            connection
                .execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                .await?;
        }
        Self::TransactionManager::begin(connection, None).await
    }
}

/// An answer to a statement.
pub(in super::super) trait Told: Sized + Send {
    /// Whether the metrics count it.
    const IS_MEASURED: bool = true;

    fn ask<D: Server>(
        connection: &mut D::Connection,
        statement: &Statement,
    ) -> impl Future<Output = Result<Self, sqlx::Error>> + Send;

    fn failed(error: sqlx::Error) -> DbErr {
        DbErr::Query(RuntimeErr::SqlxError(error.into()))
    }
}

impl Told for ExecResult {
    async fn ask<D: Server>(
        connection: &mut D::Connection,
        statement: &Statement,
    ) -> Result<Self, sqlx::Error> {
        D::execute(connection, statement).await
    }

    fn failed(error: sqlx::Error) -> DbErr {
        DbErr::Exec(RuntimeErr::SqlxError(error.into()))
    }
}

/// The answer to a text of statements, which have no values and are not prepared.
pub(in super::super) struct Unprepared(pub(in super::super) ExecResult);

impl Told for Unprepared {
    const IS_MEASURED: bool = false;

    async fn ask<D: Server>(
        connection: &mut D::Connection,
        statement: &Statement,
    ) -> Result<Self, sqlx::Error> {
        D::execute_unprepared(connection, statement).await.map(Self)
    }

    fn failed(error: sqlx::Error) -> DbErr {
        ExecResult::failed(error)
    }
}

impl Told for Option<QueryResult> {
    async fn ask<D: Server>(
        connection: &mut D::Connection,
        statement: &Statement,
    ) -> Result<Self, sqlx::Error> {
        D::one(connection, statement).await
    }
}

impl Told for Vec<QueryResult> {
    async fn ask<D: Server>(
        connection: &mut D::Connection,
        statement: &Statement,
    ) -> Result<Self, sqlx::Error> {
        D::all(connection, statement).await
    }
}

fn sql(statement: &Statement) -> AssertSqlSafe<&str> {
    AssertSqlSafe(&statement.sql)
}

fn values(statement: &Statement) -> SqlxValues {
    SqlxValues(statement.values.clone().unwrap_or(Values(Vec::new())))
}
