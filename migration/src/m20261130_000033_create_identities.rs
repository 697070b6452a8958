//! Who a user is to other providers.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create, index, unique};

/// An identity goes with its user, and so does what they have unlinked. Sign-ins that are finished are kept until they would
/// have expired, so that none is finished twice. A username that was proposed may be chosen anew once.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        create_identities(manager, &columns).await?;
        create_unlinked_issuers(manager, &columns).await?;
        let finished = Table::create()
            .table(FinishedFlows::Table)
            .col(column::uuid(FinishedFlows::Id).not_null().primary_key())
            .col(columns.time(FinishedFlows::ExpiresAt).not_null())
            .to_owned();
        let by_end =
            index("finished_flows_expires_at", FinishedFlows::Table, [FinishedFlows::ExpiresAt]);
        create(manager, finished, vec![by_end]).await?;
        let mut proposed = ColumnDef::new(Users::UsernameIsProposed);
        column::add(manager, Users::Table, proposed.boolean().not_null().default(false)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        column::drop(manager, Users::Table, Users::UsernameIsProposed).await?;
        for table in [
            FinishedFlows::Table.into_iden(),
            UnlinkedIssuers::Table.into_iden(),
            Identities::Table.into_iden(),
        ] {
            manager.drop_table(Table::drop().table(table).if_exists().to_owned()).await?;
        }
        Ok(())
    }
}

async fn create_identities(manager: &SchemaManager<'_>, columns: &Columns) -> Result<(), DbErr> {
    let mut user = ForeignKey::create();
    user.from(Identities::Table, Identities::UserId)
        .to(Users::Table, Users::Id)
        .on_delete(ForeignKeyAction::Cascade);
    let table = Table::create()
        .table(Identities::Table)
        .col(column::uuid(Identities::Id).not_null().primary_key())
        .col(column::uuid(Identities::UserId).not_null())
        .col(columns.key(Identities::Provider, 32).not_null())
        .col(columns.key(Identities::Issuer, 255).not_null())
        .col(columns.key(Identities::Subject, 255).not_null())
        .col(column::text(Identities::Email, 254).null())
        .col(columns.time(Identities::CreatedAt).not_null())
        .col(columns.time(Identities::LastUsedAt).not_null())
        .foreign_key(&mut user)
        .to_owned();
    let key = [Identities::Issuer, Identities::Subject];
    create(
        manager,
        table,
        vec![
            unique("identities_issuer_subject_key", Identities::Table, key),
            index("identities_user_id", Identities::Table, [Identities::UserId]),
        ],
    )
    .await
}

async fn create_unlinked_issuers(
    manager: &SchemaManager<'_>,
    columns: &Columns,
) -> Result<(), DbErr> {
    let mut user = ForeignKey::create();
    user.from(UnlinkedIssuers::Table, UnlinkedIssuers::UserId)
        .to(Users::Table, Users::Id)
        .on_delete(ForeignKeyAction::Cascade);
    let key = [UnlinkedIssuers::UserId, UnlinkedIssuers::Issuer];
    let table = Table::create()
        .table(UnlinkedIssuers::Table)
        .col(column::uuid(UnlinkedIssuers::UserId).not_null())
        .col(columns.key(UnlinkedIssuers::Issuer, 255).not_null())
        .primary_key(Index::create().col(key[0]).col(key[1]))
        .foreign_key(&mut user)
        .to_owned();
    create(manager, table, vec![]).await
}

#[derive(Clone, Copy, DeriveIden)]
enum Identities {
    Table,
    Id,
    UserId,
    Provider,
    Issuer,
    Subject,
    Email,
    CreatedAt,
    LastUsedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum UnlinkedIssuers {
    Table,
    UserId,
    Issuer,
}

#[derive(Clone, Copy, DeriveIden)]
enum FinishedFlows {
    Table,
    Id,
    ExpiresAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    Id,
    UsernameIsProposed,
}
