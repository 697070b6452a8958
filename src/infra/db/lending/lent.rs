//! A connection in the hands of one caller.

use std::time::Instant;

use sea_orm::Statement;
use sea_orm::sqlx::{self, pool::PoolConnection};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::OwnedSemaphorePermit;

use super::server::{Server, Told};
use super::{Lender, Purpose, TRUSTED_FOR, Trusted, silent};
use crate::infra::db::failure::{ends_connection, is_read_only};
use crate::infra::metrics;

/// A connection. Dropped, it goes back.
pub(super) struct Lent<D: Server> {
    /// Until it is dropped.
    connection: Option<PoolConnection<D>>,
    asked_at: Instant,
    /// Whether nobody has asked it before it was lent.
    pub(super) is_trusted: bool,
    state: State,
    lender: Lender<D>,
    _place: OwnedSemaphorePermit,
}

/// What a connection that is dropped was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Something that has not ended, or has failed.
    Busy,
    /// To begin a transaction: sqlx does not know of one until the server has answered.
    Beginning,
    /// A transaction is open.
    Open,
}

impl<D: Server> Lent<D> {
    pub(super) fn new(
        (connection, asked_at): (PoolConnection<D>, Instant),
        is_trusted: bool,
        lender: Lender<D>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let connection = Some(connection);
        Self { connection, asked_at, is_trusted, state: State::Idle, lender, _place: place }
    }

    pub(super) async fn ask<T: Told>(&mut self, statement: &Statement) -> Result<T, sqlx::Error> {
        let Self { connection: Some(connection), state, .. } = self else { return Err(silent()) };
        let before = *state;
        if before == State::Idle {
            *state = State::Busy;
        }
        let began = Instant::now();
        let outcome = T::ask::<D>(connection, statement).await;
        if T::IS_MEASURED {
            metrics::statement_took(began.elapsed());
        }
        match &outcome {
            Ok(_) => self.state = before,
            Err(sqlx::Error::Database(cause)) if is_read_only(&**cause) => self.lender.distrust(),
            Err(error) if ends_connection(error) => self.lender.distrust(),
            Err(_) => {}
        }
        outcome
    }

    pub(super) async fn begin(&mut self, purpose: Purpose) -> Result<(), sqlx::Error> {
        let Self { connection: Some(connection), state, .. } = self else { return Err(silent()) };
        *state = State::Beginning;
        D::begin(connection, purpose).await?;
        *state = State::Open;
        Ok(())
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let Some(connection) = &mut self.connection else { return Err(silent()) };
        D::TransactionManager::commit(connection).await?;
        self.state = State::Idle;
        Ok(())
    }

    pub(super) async fn rollback(mut self) -> Result<(), sqlx::Error> {
        let Some(connection) = &mut self.connection else { return Err(silent()) };
        D::TransactionManager::rollback(connection).await?;
        self.state = State::Idle;
        Ok(())
    }
}

impl<D: Server> Drop for Lent<D> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        match self.state {
            State::Idle if self.asked_at.elapsed() < TRUSTED_FOR => {
                if !self.lender.0.pool.is_closed() {
                    let kept = Trusted { connection, asked_at: self.asked_at };
                    self.lender.trusted().push(kept);
                }
            }
            State::Idle | State::Busy => {}
            // Whatever ran on it next would be part of a transaction that nobody ends.
            State::Beginning => connection.close_on_drop(),
            State::Open => D::TransactionManager::start_rollback(&mut connection),
        }
    }
}
