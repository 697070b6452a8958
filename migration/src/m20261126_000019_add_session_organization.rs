//! In which organization a session acts.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::column;

/// None at first. A session that acted in an organization that is no more goes on without one.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INDEX: &str = "sessions_organization_id";
const KEY: &str = "sessions_organization_id_fk";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut organization = column::uuid(Sessions::OrganizationId);
        organization.null();
        if manager.get_database_backend() != DbBackend::MySql {
            // SQLite adds a foreign key with its column or never; MySQL passes over it there.
            organization.extra("REFERENCES organizations (id) ON DELETE SET NULL");
        }
        column::add(manager, Sessions::Table, &mut organization).await?;
        if !manager.has_index("sessions", INDEX).await? {
            let index = column::index(INDEX, Sessions::Table, [Sessions::OrganizationId]);
            manager.create_index(index).await?;
        }
        if manager.get_database_backend() == DbBackend::MySql && !has_key(manager).await? {
            let mut key = ForeignKey::create();
            key.name(KEY)
                .from(Sessions::Table, Sessions::OrganizationId)
                .to(Organizations::Table, Organizations::Id)
                .on_delete(ForeignKeyAction::SetNull);
            manager.create_foreign_key(key).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::MySql && has_key(manager).await? {
            let key = ForeignKey::drop().name(KEY).table(Sessions::Table).to_owned();
            manager.drop_foreign_key(key).await?;
        }
        if manager.has_index("sessions", INDEX).await? {
            let index = Index::drop().name(INDEX).table(Sessions::Table).to_owned();
            manager.drop_index(index).await?;
        }
        column::drop(manager, Sessions::Table, Sessions::OrganizationId).await
    }
}

/// Whether MySQL has the foreign key already.
async fn has_key(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    let sql = format!(
        "SELECT 1 FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = database() \
         AND TABLE_NAME = 'sessions' AND CONSTRAINT_NAME = '{KEY}'"
    );
    let db = manager.get_connection();
    Ok(db.query_one_raw(crate::sql(db, sql)).await?.is_some())
}

#[derive(Clone, Copy, DeriveIden)]
enum Sessions {
    Table,
    OrganizationId,
}

#[derive(Clone, Copy, DeriveIden)]
enum Organizations {
    Table,
    Id,
}
