//! The chain that makes a change of the audit log show.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::column::{self, Columns, create};

/// What the digests of sealed events cover, and when they were sealed.
const SEALED: [&str; 11] = [
    "id",
    "created_at",
    "kind",
    "outcome",
    "actor_kind",
    "actor_id",
    "target_id",
    "session_hash",
    "request_id",
    "occurrences",
    "sealed_at",
];

/// Each sealed event has a link. What is sealed changes no more: on a server database a trigger
/// refuses it to everybody who does not say, in the session, that this is a prune.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        column::add(manager, AuditEvents::Table, columns.time(AuditEvents::SealedAt).null())
            .await?;
        if !manager.has_index("audit_events", "audit_events_sealed_at_id").await? {
            let index = column::index(
                "audit_events_sealed_at_id",
                AuditEvents::Table,
                [AuditEvents::SealedAt, AuditEvents::Id],
            );
            manager.create_index(index).await?;
        }
        let chain = Table::create()
            .table(AuditChain::Table)
            .col(ColumnDef::new(AuditChain::Seq).big_integer().not_null().primary_key())
            .col(column::uuid(AuditChain::EventId).not_null())
            .col(column::digest(AuditChain::Digest).not_null())
            .to_owned();
        let by_event =
            column::unique("audit_chain_event_id", AuditChain::Table, [AuditChain::EventId]);
        create(manager, chain, vec![by_event]).await?;
        let seal = Table::create()
            .table(AuditSeal::Table)
            .col(ColumnDef::new(AuditSeal::Id).integer().not_null().primary_key())
            .col(column::uuid(AuditSeal::Holder).null())
            .col(columns.time(AuditSeal::HeldUntil).null())
            .col(ColumnDef::new(AuditSeal::Seq).big_integer().not_null())
            .col(column::digest(AuditSeal::Digest).not_null())
            .to_owned();
        create(manager, seal, Vec::new()).await?;
        let db = manager.get_connection();
        let zeros = "00".repeat(32);
        let genesis = match manager.get_database_backend() {
            DbBackend::Postgres => format!("'\\x{zeros}'::bytea"),
            DbBackend::MySql => format!("x'{zeros}' FROM DUAL"),
            _ => format!("x'{zeros}'"),
        };
        db.execute_unprepared(&format!(
            "INSERT INTO audit_seal (id, seq, digest) SELECT 1, 0, {genesis} \
             WHERE NOT EXISTS (SELECT 1 FROM audit_seal)"
        ))
        .await?;
        for statement in triggers(manager.get_database_backend()) {
            db.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in without_triggers(manager.get_database_backend()) {
            db.execute_unprepared(&statement).await?;
        }
        manager.drop_table(Table::drop().table(AuditChain::Table).if_exists().to_owned()).await?;
        manager.drop_table(Table::drop().table(AuditSeal::Table).if_exists().to_owned()).await?;
        if manager.has_index("audit_events", "audit_events_sealed_at_id").await? {
            let index = Index::drop()
                .name("audit_events_sealed_at_id")
                .table(AuditEvents::Table)
                .to_owned();
            manager.drop_index(index).await?;
        }
        column::drop(manager, AuditEvents::Table, AuditEvents::SealedAt).await
    }
}

fn triggers(backend: DbBackend) -> Vec<String> {
    let same = |operator: &str| SEALED.map(|name| format!("NEW.{name} {operator} OLD.{name}"));
    let mut statements = without_triggers(backend);
    match backend {
        DbBackend::Postgres => {
            let changed = same("IS DISTINCT FROM").join(" OR ");
            statements.push(
                "CREATE FUNCTION portcullis_sealed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF COALESCE(current_setting('portcullis.prune', true), '') <> 'on' THEN \
                 RAISE EXCEPTION 'sealed audit events do not change'; END IF; \
                 IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$"
                    .to_owned(),
            );
            let call = "FOR EACH ROW";
            let run = "EXECUTE FUNCTION portcullis_sealed()";
            statements.extend([
                format!(
                    "CREATE TRIGGER audit_events_sealed_update BEFORE UPDATE ON audit_events \
                     {call} WHEN (OLD.sealed_at IS NOT NULL AND ({changed})) {run}"
                ),
                format!(
                    "CREATE TRIGGER audit_events_sealed_delete BEFORE DELETE ON audit_events \
                     {call} WHEN (OLD.sealed_at IS NOT NULL) {run}"
                ),
                format!(
                    "CREATE TRIGGER audit_chain_sealed BEFORE UPDATE OR DELETE ON audit_chain \
                     {call} {run}"
                ),
            ]);
        }
        DbBackend::MySql => {
            let same = same("<=>").join(" AND ");
            let refuse = |when: String| {
                format!(
                    "FOR EACH ROW BEGIN IF COALESCE(@portcullis_prune, 0) <> 1{when} THEN \
                     SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = \
                     'sealed audit events do not change'; END IF; END"
                )
            };
            let changed = refuse(format!(" AND OLD.sealed_at IS NOT NULL AND NOT ({same})"));
            let sealed = refuse(" AND OLD.sealed_at IS NOT NULL".to_owned());
            let always = refuse(String::new());
            statements.extend([
                format!(
                    "CREATE TRIGGER audit_events_sealed_update BEFORE UPDATE ON audit_events \
                     {changed}"
                ),
                format!(
                    "CREATE TRIGGER audit_events_sealed_delete BEFORE DELETE ON audit_events \
                     {sealed}"
                ),
                format!(
                    "CREATE TRIGGER audit_chain_sealed_update BEFORE UPDATE ON audit_chain {always}"
                ),
                format!(
                    "CREATE TRIGGER audit_chain_sealed_delete BEFORE DELETE ON audit_chain {always}"
                ),
            ]);
        }
        // Whoever can write the file can drop its triggers too.
        _ => {}
    }
    statements
}

fn without_triggers(backend: DbBackend) -> Vec<String> {
    let all = match backend {
        DbBackend::Postgres => vec!["DROP FUNCTION IF EXISTS portcullis_sealed() CASCADE"],
        DbBackend::MySql => vec![
            "DROP TRIGGER IF EXISTS audit_events_sealed_update",
            "DROP TRIGGER IF EXISTS audit_events_sealed_delete",
            "DROP TRIGGER IF EXISTS audit_chain_sealed_update",
            "DROP TRIGGER IF EXISTS audit_chain_sealed_delete",
        ],
        _ => Vec::new(),
    };
    all.into_iter().map(str::to_owned).collect()
}

#[derive(DeriveIden)]
enum AuditEvents {
    Table,
    Id,
    SealedAt,
}

#[derive(DeriveIden)]
enum AuditChain {
    Table,
    Seq,
    EventId,
    Digest,
}

#[derive(DeriveIden)]
enum AuditSeal {
    Table,
    Id,
    Holder,
    HeldUntil,
    Seq,
    Digest,
}
