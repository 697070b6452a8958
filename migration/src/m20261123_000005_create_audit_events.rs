//! The audit log.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};

/// Security events. They outlive the users they name, so nothing here is a foreign key.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let table = Table::create()
            .table(AuditEvents::Table)
            .col(column::uuid(AuditEvents::Id).not_null().primary_key())
            .col(columns.time(AuditEvents::CreatedAt).not_null())
            .col(columns.key(AuditEvents::Kind, 64).not_null())
            .col(columns.key(AuditEvents::Outcome, 16).not_null())
            .col(columns.key(AuditEvents::ActorKind, 16).not_null())
            .col(column::uuid(AuditEvents::ActorId).null())
            .col(column::uuid(AuditEvents::TargetId).null())
            .col(column::digest(AuditEvents::SessionHash).null())
            .col(columns.key(AuditEvents::Ip, 45).null())
            .col(column::text(AuditEvents::UserAgent, 256).null())
            .col(columns.key(AuditEvents::RequestId, 64).null())
            .to_owned();
        create(
            manager,
            table,
            vec![
                column::index(
                    "audit_events_created_at_id",
                    AuditEvents::Table,
                    [AuditEvents::CreatedAt, AuditEvents::Id],
                ),
                column::index(
                    "audit_events_actor_id",
                    AuditEvents::Table,
                    [AuditEvents::ActorId, AuditEvents::CreatedAt],
                ),
                column::index(
                    "audit_events_target_id",
                    AuditEvents::Table,
                    [AuditEvents::TargetId, AuditEvents::CreatedAt],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(AuditEvents::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum AuditEvents {
    Table,
    Id,
    CreatedAt,
    Kind,
    Outcome,
    ActorKind,
    ActorId,
    TargetId,
    SessionHash,
    Ip,
    UserAgent,
    RequestId,
}
