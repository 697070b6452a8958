//! Why a database server lets nobody in.

use std::time::Duration;

use sea_orm::sqlx::{self, Connection, MySqlConnection, PgConnection};
use sea_orm::{DbErr, RuntimeErr};

/// How long a server has to say it.
const ASKED_MAX: Duration = Duration::from_secs(3);

/// The reason why no pool could be opened. A pool tries again while a server refuses for what may pass, as
/// for too many connections, and says only that its time was over; a single connection is told why.
pub(super) async fn explained(url: &str, error: DbErr) -> DbErr {
    let told = if url.starts_with("postgres") {
        refusal::<PgConnection>(url).await
    } else {
        refusal::<MySqlConnection>(url).await
    };
    told.map_or(error, |told| DbErr::Conn(RuntimeErr::SqlxError(told.into())))
}

async fn refusal<C: Connection>(url: &str) -> Option<sqlx::Error> {
    tokio::time::timeout(ASKED_MAX, C::connect(url)).await.ok()?.err()
}
