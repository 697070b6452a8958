//! Signatures over the chain of the audit log.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::column;

/// The row of `audit_seal` says how far the chain was pruned and where it ends, and signs both under
/// a key that the database does not hold. Nobody who only writes the database can move either.
///
/// A migration has no secret. Whoever applies this one, `portcullis migrate up` or the start of a
/// development server, signs the chain right afterwards as it stands: up to `seq` as pruned, and up
/// to its last link. So a log that was pruned before can be verified from where it begins now. This
/// is done once. A row without a signature is an error at any later time, because somebody may have
/// removed it. When the process dies in between, the operator runs `portcullis audit sign`.
///
/// On a server database triggers also refuse to empty the tables, where the database has such
/// triggers, and to delete the row itself.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const FUNCTION: &str = "portcullis_audit_kept";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for seq in [AuditSeal::PrunedSeq, AuditSeal::HeadSeq] {
            let mut seq = ColumnDef::new(seq);
            column::add(manager, AuditSeal::Table, seq.big_integer().null()).await?;
        }
        for digest in [AuditSeal::PrunedDigest, AuditSeal::HeadDigest, AuditSeal::Signature] {
            let mut digest = column::digest(digest);
            column::add(manager, AuditSeal::Table, digest.null()).await?;
        }
        drop_triggers(manager).await?;
        for statement in triggers(manager.get_database_backend()) {
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_triggers(manager).await?;
        for column in [
            AuditSeal::Signature,
            AuditSeal::HeadDigest,
            AuditSeal::HeadSeq,
            AuditSeal::PrunedDigest,
            AuditSeal::PrunedSeq,
        ] {
            column::drop(manager, AuditSeal::Table, column).await?;
        }
        Ok(())
    }
}

fn triggers(backend: DbBackend) -> Vec<String> {
    match backend {
        DbBackend::Postgres => {
            let mut statements = vec![format!(
                "CREATE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 RAISE EXCEPTION 'the audit log is pruned, and never emptied'; END $$"
            )];
            for table in ["audit_events", "audit_chain", "audit_seal"] {
                statements.push(format!(
                    "CREATE TRIGGER {table}_kept BEFORE TRUNCATE ON {table} \
                     FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()"
                ));
            }
            statements.push(format!(
                "CREATE TRIGGER audit_seal_kept_row BEFORE DELETE ON audit_seal \
                 FOR EACH ROW EXECUTE FUNCTION {FUNCTION}()"
            ));
            statements
        }
        // No trigger fires there when a table is truncated.
        DbBackend::MySql => vec![
            "CREATE TRIGGER audit_seal_kept_row BEFORE DELETE ON audit_seal FOR EACH ROW \
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the audit log is pruned, and never emptied'"
                .to_owned(),
        ],
        // Whoever can write the file can drop its triggers too.
        _ => Vec::new(),
    }
}

async fn drop_triggers(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let drop = match manager.get_database_backend() {
        DbBackend::Postgres => format!("DROP FUNCTION IF EXISTS {FUNCTION}() CASCADE"),
        DbBackend::MySql => "DROP TRIGGER IF EXISTS audit_seal_kept_row".to_owned(),
        _ => return Ok(()),
    };
    manager.get_connection().execute_unprepared(&drop).await.map(|_| ())
}

#[derive(Clone, Copy, DeriveIden)]
enum AuditSeal {
    Table,
    PrunedSeq,
    PrunedDigest,
    HeadSeq,
    HeadDigest,
    Signature,
}
