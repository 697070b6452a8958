//! Statements about all tables.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, Iterable};

use super::{Events, Lacking};
use crate::infra::db::{Db, Unwritable};
use crate::tables::{
    audit_event, audit_seal, finished_flow, identity, instance, invitation, job, key, membership,
    one_time_token, organization, outbox, passkey, recovery_code, session, sign_in_challenge,
    totp_secret, unlinked_issuer, user, user_metadata,
};

/// What a server does to the rows of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Select,
    Insert,
    Update,
    Delete,
}

use Right::{Delete, Insert, Select, Update};

const ALL: &[Right] = &[Select, Insert, Update, Delete];

impl Right {
    fn name(self) -> &'static str {
        match self {
            Select => "SELECT",
            Insert => "INSERT",
            Update => "UPDATE",
            Delete => "DELETE",
        }
    }
}

/// What was tried.
pub(super) struct Tries<'a> {
    db: &'a Db,
    pub(super) tables: Vec<&'static str>,
    pub(super) lacking: Vec<Lacking>,
}

/// Tries on each table what servers do to it.
pub(super) async fn try_all(db: &Db, events: Events) -> Result<Tries<'_>, DbErr> {
    let mut tries = Tries { db, tables: Vec::new(), lacking: Vec::new() };
    macro_rules! whole {
        ($($table:ident)+) => { $(tries.table::<$table::Entity>(ALL).await?;)+ };
    }
    tries.audit_events(events).await?;
    // Its one row is there since the migrations.
    tries.table::<audit_seal::Entity>(&[Select, Update]).await?;
    whole! {
        finished_flow identity instance invitation job key membership one_time_token organization outbox passkey
        recovery_code session sign_in_challenge totp_secret unlinked_issuer user user_metadata
    }
    Ok(tries)
}

impl Tries<'_> {
    /// Of sealed events servers change nothing but their origin.
    async fn audit_events(&mut self, events: Events) -> Result<(), DbErr> {
        use audit_event::Column::{Digest, Ip, Seq, UserAgent};

        let rights: &[Right] = match events {
            Events::Kept => &[Select, Insert, Update],
            Events::Deleted => ALL,
        };
        self.columns::<audit_event::Entity>(rights, &[Ip, UserAgent, Seq, Digest]).await
    }

    async fn table<E: EntityTrait>(&mut self, rights: &[Right]) -> Result<(), DbErr> {
        let columns: Vec<E::Column> = E::Column::iter().collect();
        self.columns::<E>(rights, &columns).await
    }

    /// Tries these rights, to change on these columns.
    async fn columns<E: EntityTrait>(
        &mut self,
        rights: &[Right],
        changed: &[E::Column],
    ) -> Result<(), DbErr> {
        let table = E::default().table_name();
        self.tables.push(table);
        for &right in rights {
            match run::<E>(self.db, right, changed).await {
                Ok(()) => {}
                Err(error) if self.db.explain(&error).await == Some(Unwritable::Denied) => {
                    self.lacking.push(Lacking { right: right.name(), table });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Runs a statement that finds no row. Whether it is allowed is decided before.
async fn run<E: EntityTrait>(db: &Db, right: Right, changed: &[E::Column]) -> Result<(), DbErr> {
    let (table, no_row) = (E::default().table_ref(), Expr::cust("1 = 0"));
    let all = || E::Column::iter();
    let mut rows = Query::select();
    rows.columns(all()).from(table.clone()).and_where(no_row.clone());
    let db = db.writer();
    match right {
        Select => return db.query_one(&rows).await.map(drop),
        Insert => {
            let mut insert = Query::insert();
            insert.into_table(table).columns(all());
            insert.select_from(rows).map_err(|error| DbErr::Custom(error.to_string()))?;
            db.execute(&insert).await
        }
        Update => {
            let mut update = Query::update();
            update.table(table).and_where(no_row);
            update.values(changed.iter().map(|&column| (column, Expr::col(column))));
            db.execute(&update).await
        }
        Delete => db.execute(Query::delete().from_table(table).and_where(no_row)).await,
    }
    .map(drop)
}
