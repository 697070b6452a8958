//! The link of an event in its own row.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::column;
use crate::{
    m20261125_000010_create_audit_chain, m20261126_000021_add_audit_details,
    m20261128_000024_sign_audit_chain,
};

/// An event and its link were two rows, and sealing wrote both with seven indexes. Now it is one row with four, in the
/// order of its id, which carries its time.
///
/// What does not change once it is sealed is what the digest covers, with the link itself; a prune only deletes. A sealed
/// event without a link is a sign of tampering. It gets a negative number, stays outside the chain, and `audit verify`
/// reports it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What digests cover, and the link.
const SEALED: [&str; 14] = [
    "id",
    "created_at",
    "kind",
    "outcome",
    "actor_kind",
    "actor_id",
    "target_id",
    "organization_id",
    "detail",
    "session_hash",
    "request_id",
    "occurrences",
    "seq",
    "digest",
];
/// The indexes of before, with what they were over.
const BEFORE: [(&str, [AuditEvents; 2]); 3] = [
    ("audit_events_created_at_id", [AuditEvents::CreatedAt, AuditEvents::Id]),
    ("audit_events_actor_id", [AuditEvents::ActorId, AuditEvents::CreatedAt]),
    ("audit_events_target_id", [AuditEvents::TargetId, AuditEvents::CreatedAt]),
];
const NOW: [&str; 4] =
    ["audit_events_actor", "audit_events_target", "audit_events_seq", "audit_events_unsealed"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (db, backend) = (manager.get_connection(), manager.get_database_backend());
        put_seal_back(manager).await?;
        let mut seq = ColumnDef::new(AuditEvents::Seq);
        column::add(manager, AuditEvents::Table, seq.big_integer().null()).await?;
        let mut digest = column::digest(AuditEvents::Digest);
        column::add(manager, AuditEvents::Table, digest.null()).await?;
        run(manager, &without_triggers(backend)).await?;
        if manager.has_table("audit_chain").await? {
            db.execute_unprepared(&joined(
                backend,
                "audit_chain",
                "event_id",
                "seq = c.seq, digest = c.digest",
            ))
            .await?;
            if manager.has_column("audit_events", "sealed_at").await? {
                let unlinked = "(SELECT id AS event_id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM audit_events \
                                WHERE sealed_at IS NOT NULL AND seq IS NULL)";
                db.execute_unprepared(&joined(backend, unlinked, "event_id", "seq = -c.n")).await?;
            }
            manager.drop_table(Table::drop().table(AuditChain::Table).to_owned()).await?;
        }
        drop_indexes(manager, &["audit_events_sealed_at_id"]).await?;
        drop_indexes(manager, &BEFORE.map(|(name, _)| name)).await?;
        column::drop(manager, AuditEvents::Table, AuditEvents::SealedAt).await?;
        for index in indexes(backend) {
            // One that was made before this was cut off is whole, where that can be.
            let name = index.split(' ').skip_while(|word| *word != "INDEX").nth(1);
            if !manager.has_index("audit_events", name.unwrap_or_default()).await? {
                db.execute_unprepared(&index).await?;
            }
        }
        run(manager, &triggers(backend)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (db, backend) = (manager.get_connection(), manager.get_database_backend());
        put_seal_back(manager).await?;
        run(manager, &without_triggers(backend)).await?;
        // What made the chain makes a seal beside it, and there is one.
        db.execute_unprepared("ALTER TABLE audit_seal RENAME TO audit_seal_kept").await?;
        m20261125_000010_create_audit_chain::Migration.up(manager).await?;
        put_seal_back(manager).await?;
        let links = "INSERT INTO audit_chain (seq, event_id, digest) \
                     SELECT seq, id, digest FROM audit_events WHERE seq > 0";
        db.execute_unprepared(links).await?;
        let seal = "UPDATE audit_events SET sealed_at = created_at WHERE seq IS NOT NULL";
        db.execute_unprepared(seal).await?;
        drop_indexes(manager, &NOW).await?;
        for column in [AuditEvents::Seq, AuditEvents::Digest] {
            column::drop(manager, AuditEvents::Table, column).await?;
        }
        for (name, columns) in BEFORE {
            manager.create_index(column::index(name, AuditEvents::Table, columns)).await?;
        }
        m20261126_000021_add_audit_details::Migration.up(manager).await?;
        m20261128_000024_sign_audit_chain::Migration.up(manager).await
    }
}

/// The seal that is kept is the one, whatever stands in its place: a `down` may have been cut off there.
async fn put_seal_back(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if !manager.has_table("audit_seal_kept").await? {
        return Ok(());
    }
    manager.drop_table(Table::drop().table(AuditSeal::Table).if_exists().to_owned()).await?;
    let rename = "ALTER TABLE audit_seal_kept RENAME TO audit_seal";
    manager.get_connection().execute_unprepared(rename).await.map(drop)
}

async fn run(manager: &SchemaManager<'_>, statements: &[String]) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}

/// Sets columns of the events that have a row in `c`.
fn joined(backend: DbBackend, c: &str, key: &str, set: &str) -> String {
    match backend {
        DbBackend::MySql => {
            let set = set.replace("seq =", "e.seq =").replace("digest =", "e.digest =");
            format!("UPDATE audit_events e JOIN {c} c ON c.{key} = e.id SET {set}")
        }
        _ => format!("UPDATE audit_events SET {set} FROM {c} c WHERE c.{key} = audit_events.id"),
    }
}

async fn drop_indexes(manager: &SchemaManager<'_>, names: &[&str]) -> Result<(), DbErr> {
    for &name in names {
        if manager.has_index("audit_events", name).await? {
            let drop = Index::drop().name(name).table(AuditEvents::Table).to_owned();
            manager.drop_index(drop).await?;
        }
    }
    Ok(())
}

/// Partial where the database can: most events are sealed, and happen to whoever causes them.
fn indexes(backend: DbBackend) -> Vec<String> {
    let index = |kind: &str, name: &str, columns: &str, condition: &str| {
        let condition = match backend {
            DbBackend::MySql => "",
            _ => condition,
        };
        format!("CREATE {kind} {name} ON audit_events ({columns}){condition}")
    };
    let mut all = vec![
        index("INDEX", NOW[0], "actor_id, id", " WHERE actor_id IS NOT NULL"),
        index(
            "INDEX",
            NOW[1],
            "target_id, id",
            " WHERE target_id IS NOT NULL AND target_id IS DISTINCT FROM actor_id",
        ),
        index("UNIQUE INDEX", NOW[2], "seq", " WHERE seq IS NOT NULL"),
    ];
    if backend != DbBackend::MySql {
        all.push(index("INDEX", NOW[3], "id", " WHERE seq IS NULL"));
    }
    all
}

fn triggers(backend: DbBackend) -> Vec<String> {
    let same = |operator: &str| SEALED.map(|name| format!("NEW.{name} {operator} OLD.{name}"));
    match backend {
        DbBackend::Postgres => {
            let changed = same("IS DISTINCT FROM").join(" OR ");
            vec![
                "CREATE FUNCTION portcullis_sealed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF TG_OP = 'UPDATE' OR COALESCE(current_setting('portcullis.prune', true), '') <> 'on' THEN \
                 RAISE EXCEPTION 'sealed audit events do not change'; END IF; RETURN OLD; END $$"
                    .to_owned(),
                format!(
                    "CREATE TRIGGER audit_events_sealed_update BEFORE UPDATE ON audit_events FOR EACH ROW \
                     WHEN (OLD.seq IS NOT NULL AND ({changed})) EXECUTE FUNCTION portcullis_sealed()"
                ),
                "CREATE TRIGGER audit_events_sealed_delete BEFORE DELETE ON audit_events FOR EACH ROW \
                 WHEN (OLD.seq IS NOT NULL) EXECUTE FUNCTION portcullis_sealed()"
                    .to_owned(),
            ]
        }
        DbBackend::MySql => {
            let same = same("<=>").join(" AND ");
            let refuse = |when: &str| {
                format!(
                    "FOR EACH ROW BEGIN IF OLD.seq IS NOT NULL AND {when} \
                     THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'sealed audit events do not change'; \
                     END IF; END"
                )
            };
            let changed = refuse(&format!("NOT ({same})"));
            let always = refuse("COALESCE(@portcullis_prune, 0) <> 1");
            vec![
                format!(
                    "CREATE TRIGGER audit_events_sealed_update BEFORE UPDATE ON audit_events {changed}"
                ),
                format!(
                    "CREATE TRIGGER audit_events_sealed_delete BEFORE DELETE ON audit_events {always}"
                ),
            ]
        }
        // Whoever can write the file can drop its triggers too.
        _ => Vec::new(),
    }
}

/// Drops the triggers of the earlier schema and of this one.
fn without_triggers(backend: DbBackend) -> Vec<String> {
    match backend {
        DbBackend::Postgres => {
            vec!["DROP FUNCTION IF EXISTS portcullis_sealed() CASCADE".to_owned()]
        }
        DbBackend::MySql => [
            "audit_events_sealed_update",
            "audit_events_sealed_delete",
            "audit_events_sealed_detail",
            "audit_chain_sealed_update",
            "audit_chain_sealed_delete",
        ]
        .map(|name| format!("DROP TRIGGER IF EXISTS {name}"))
        .into(),
        _ => Vec::new(),
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum AuditEvents {
    Table,
    Id,
    CreatedAt,
    ActorId,
    TargetId,
    SealedAt,
    Seq,
    Digest,
}

#[derive(DeriveIden)]
enum AuditChain {
    Table,
}

#[derive(DeriveIden)]
enum AuditSeal {
    Table,
}
