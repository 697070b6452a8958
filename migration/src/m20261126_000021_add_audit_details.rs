//! In which organization something happened, and what was given or taken.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::column;

/// Events from before say neither. Once they are sealed these columns change no more than the others.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut organization = column::uuid(AuditEvents::OrganizationId);
        column::add(manager, AuditEvents::Table, organization.null()).await?;
        let mut detail = column::text(AuditEvents::Detail, 100);
        column::add(manager, AuditEvents::Table, detail.null()).await?;
        drop_trigger(manager).await?;
        let create = match manager.get_database_backend() {
            DbBackend::Postgres => {
                "CREATE TRIGGER audit_events_sealed_detail BEFORE UPDATE ON audit_events \
                 FOR EACH ROW WHEN (OLD.sealed_at IS NOT NULL AND \
                 (NEW.organization_id IS DISTINCT FROM OLD.organization_id OR \
                 NEW.detail IS DISTINCT FROM OLD.detail)) EXECUTE FUNCTION portcullis_sealed()"
            }
            DbBackend::MySql => {
                "CREATE TRIGGER audit_events_sealed_detail BEFORE UPDATE ON audit_events \
                 FOR EACH ROW BEGIN IF COALESCE(@portcullis_prune, 0) <> 1 AND \
                 OLD.sealed_at IS NOT NULL AND NOT (NEW.organization_id <=> OLD.organization_id \
                 AND NEW.detail <=> OLD.detail) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = \
                 'sealed audit events do not change'; END IF; END"
            }
            // Whoever can write the file can drop its triggers too.
            _ => return Ok(()),
        };
        manager.get_connection().execute_unprepared(create).await.map(|_| ())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_trigger(manager).await?;
        column::drop(manager, AuditEvents::Table, AuditEvents::Detail).await?;
        column::drop(manager, AuditEvents::Table, AuditEvents::OrganizationId).await
    }
}

async fn drop_trigger(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let drop = match manager.get_database_backend() {
        DbBackend::Postgres => "DROP TRIGGER IF EXISTS audit_events_sealed_detail ON audit_events",
        DbBackend::MySql => "DROP TRIGGER IF EXISTS audit_events_sealed_detail",
        _ => return Ok(()),
    };
    manager.get_connection().execute_unprepared(drop).await.map(|_| ())
}

#[derive(Clone, Copy, DeriveIden)]
enum AuditEvents {
    Table,
    OrganizationId,
    Detail,
}
