//! Organizations, who belongs to them, and who is asked to.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create};

/// Memberships and invitations go with their organization, and memberships with their user.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        create_organizations(manager, &columns).await?;
        create_memberships(manager, &columns).await?;
        create_invitations(manager, &columns).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Invitations::Table).if_exists().to_owned()).await?;
        manager.drop_table(Table::drop().table(Memberships::Table).if_exists().to_owned()).await?;
        manager.drop_table(Table::drop().table(Organizations::Table).if_exists().to_owned()).await
    }
}

async fn create_organizations(manager: &SchemaManager<'_>, columns: &Columns) -> Result<(), DbErr> {
    let table = Table::create()
        .table(Organizations::Table)
        .col(column::uuid(Organizations::Id).not_null().primary_key())
        .col(column::text(Organizations::Name, 100).not_null())
        .col(columns.time(Organizations::CreatedAt).not_null())
        .col(columns.time(Organizations::UpdatedAt).not_null())
        .to_owned();
    create(manager, table, vec![]).await
}

async fn create_memberships(manager: &SchemaManager<'_>, columns: &Columns) -> Result<(), DbErr> {
    use Memberships::{CreatedAt, Id, OrganizationId, Role, Table, UserId};
    let mut organization = ForeignKey::create();
    organization
        .from(Table, OrganizationId)
        .to(Organizations::Table, Organizations::Id)
        .on_delete(ForeignKeyAction::Cascade);
    let mut user = ForeignKey::create();
    user.from(Table, UserId).to(Users::Table, Users::Id).on_delete(ForeignKeyAction::Cascade);
    let table = sea_orm_migration::prelude::Table::create()
        .table(Table)
        .col(column::uuid(Id).not_null().primary_key())
        .col(column::uuid(OrganizationId).not_null())
        .col(column::uuid(UserId).not_null())
        .col(columns.key(Role, 16).not_null())
        .col(columns.time(CreatedAt).not_null())
        .foreign_key(&mut organization)
        .foreign_key(&mut user)
        .to_owned();
    // Each begins with a foreign key and ends with what its list is ordered by.
    let indexes = vec![
        column::unique("memberships_organization_id_user_id", Table, [OrganizationId, UserId]),
        column::index("memberships_organization_id_id", Table, [OrganizationId, Id]),
        column::index("memberships_user_id_id", Table, [UserId, Id]),
    ];
    create(manager, table, indexes).await
}

async fn create_invitations(manager: &SchemaManager<'_>, columns: &Columns) -> Result<(), DbErr> {
    use Invitations::{
        CreatedAt, Email, EmailKey, ExpiresAt, Id, InvitedBy, OrganizationId, Role, Table,
    };
    let mut organization = ForeignKey::create();
    organization
        .from(Table, OrganizationId)
        .to(Organizations::Table, Organizations::Id)
        .on_delete(ForeignKeyAction::Cascade);
    let mut inviter = ForeignKey::create();
    inviter.from(Table, InvitedBy).to(Users::Table, Users::Id).on_delete(ForeignKeyAction::SetNull);
    let table = sea_orm_migration::prelude::Table::create()
        .table(Table)
        .col(column::uuid(Id).not_null().primary_key())
        .col(column::uuid(OrganizationId).not_null())
        .col(column::text(Email, 254).not_null())
        .col(columns.key(EmailKey, 254).not_null())
        .col(columns.key(Role, 16).not_null())
        .col(column::uuid(InvitedBy).null())
        .col(columns.time(CreatedAt).not_null())
        .col(columns.time(ExpiresAt).not_null())
        .foreign_key(&mut organization)
        .foreign_key(&mut inviter)
        .to_owned();
    let indexes = vec![
        column::unique("invitations_organization_id_email_key", Table, [OrganizationId, EmailKey]),
        column::index("invitations_organization_id_id", Table, [OrganizationId, Id]),
        column::index("invitations_invited_by", Table, [InvitedBy]),
        column::index("invitations_expires_at", Table, [ExpiresAt]),
    ];
    create(manager, table, indexes).await
}

#[derive(Clone, Copy, DeriveIden)]
enum Organizations {
    Table,
    Id,
    Name,
    CreatedAt,
    UpdatedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Memberships {
    Table,
    Id,
    OrganizationId,
    UserId,
    Role,
    CreatedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Invitations {
    Table,
    Id,
    OrganizationId,
    Email,
    EmailKey,
    Role,
    InvitedBy,
    CreatedAt,
    ExpiresAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    Id,
}
