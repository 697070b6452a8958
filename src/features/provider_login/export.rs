//! What of identities people take along. They go with the account that they are linked to.

use sea_orm::DbErr;
use serde_json::json;

use crate::features::accounts::{Entries, Holding};
use crate::features::identities;
use crate::infra::db::Db;
use crate::kernel::id::UserId;
use crate::kernel::rfc3339::text;

/// An account that was taken back has none from before: they were removed with it.
pub(crate) const HOLDING: Holding = Holding {
    name: "identities",
    export: |db, user, _after| Box::pin(export(db, user)),
    leave: None,
    leftovers: None,
};

async fn export(db: &Db, user: UserId) -> Result<Entries, DbErr> {
    let identities = identities::list(db.reader(), user).await?;
    let entry = |identity: identities::Identity| {
        json!({
            "id": identity.id,
            "provider": identity.provider,
            "issuer": identity.issuer,
            "subject": identity.subject,
            "email": identity.email,
            "createdAt": text(identity.created_at),
            "lastUsedAt": text(identity.last_used_at),
        })
    };
    Ok(Entries { entries: identities.into_iter().map(entry).collect(), next: None })
}
