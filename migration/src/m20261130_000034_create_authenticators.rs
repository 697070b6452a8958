//! What users hold to prove who they are, beside a password and other providers.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create, index, unique};

/// All of it goes with its user. Whether a user signs in with a second factor is in the user's own row: whoever reads or
/// locks a user knows it, at no further statement.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const HANDLE: &str = "users_passkey_handle";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        create_totp_secrets(manager, &columns).await?;
        create_recovery_codes(manager, &columns).await?;
        create_passkeys(manager, &columns).await?;
        let mut second_factor = ColumnDef::new(Users::SecondFactor);
        column::add(manager, Users::Table, second_factor.boolean().not_null().default(false))
            .await?;
        let mut handle = column::bytes(Users::PasskeyHandle, 64);
        column::add(manager, Users::Table, handle.null()).await?;
        if manager.has_index("users", HANDLE).await? {
            return Ok(());
        }
        manager.create_index(unique(HANDLE, Users::Table, [Users::PasskeyHandle])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_index("users", HANDLE).await? {
            let drop = Index::drop().name(HANDLE).table(Users::Table).to_owned();
            manager.drop_index(drop).await?;
        }
        column::drop(manager, Users::Table, Users::PasskeyHandle).await?;
        column::drop(manager, Users::Table, Users::SecondFactor).await?;
        for table in [
            Passkeys::Table.into_iden(),
            RecoveryCodes::Table.into_iden(),
            TotpSecrets::Table.into_iden(),
        ] {
            manager.drop_table(Table::drop().table(table).if_exists().to_owned()).await?;
        }
        Ok(())
    }
}

/// One row a user, with the seed that counts and the one that is being enrolled: the former stays until the latter is
/// confirmed.
async fn create_totp_secrets(manager: &SchemaManager<'_>, columns: &Columns) -> Result<(), DbErr> {
    let mut user = ForeignKey::create();
    user.from(TotpSecrets::Table, TotpSecrets::UserId)
        .to(Users::Table, Users::Id)
        .on_delete(ForeignKeyAction::Cascade);
    let mut last_step = ColumnDef::new(TotpSecrets::LastStep);
    let mut failures = ColumnDef::new(TotpSecrets::Failures);
    let table = Table::create()
        .table(TotpSecrets::Table)
        .col(column::uuid(TotpSecrets::UserId).not_null().primary_key())
        .col(column::bytes(TotpSecrets::SealedSecret, 255).null())
        .col(columns.time(TotpSecrets::ConfirmedAt).null())
        .col(last_step.big_integer().null())
        .col(columns.time(TotpSecrets::LastUsedAt).null())
        .col(failures.integer().not_null().default(0))
        .col(column::bytes(TotpSecrets::PendingSecret, 255).null())
        .col(columns.time(TotpSecrets::PendingUntil).null())
        .col(column::uuid(TotpSecrets::PendingFor).null())
        .foreign_key(&mut user)
        .to_owned();
    create(manager, table, vec![]).await
}

async fn create_recovery_codes(
    manager: &SchemaManager<'_>,
    columns: &Columns,
) -> Result<(), DbErr> {
    let mut user = ForeignKey::create();
    user.from(RecoveryCodes::Table, RecoveryCodes::UserId)
        .to(Users::Table, Users::Id)
        .on_delete(ForeignKeyAction::Cascade);
    let table = Table::create()
        .table(RecoveryCodes::Table)
        .col(column::uuid(RecoveryCodes::Id).not_null().primary_key())
        .col(column::uuid(RecoveryCodes::UserId).not_null())
        .col(column::digest(RecoveryCodes::Digest).not_null())
        .col(columns.time(RecoveryCodes::UsedAt).null())
        .foreign_key(&mut user)
        .to_owned();
    let by_user = index("recovery_codes_user_id", RecoveryCodes::Table, [RecoveryCodes::UserId]);
    create(manager, table, vec![by_user]).await
}

/// A credential id is nobody's but one user's (MF-11).
async fn create_passkeys(manager: &SchemaManager<'_>, columns: &Columns) -> Result<(), DbErr> {
    let mut user = ForeignKey::create();
    user.from(Passkeys::Table, Passkeys::UserId)
        .to(Users::Table, Users::Id)
        .on_delete(ForeignKeyAction::Cascade);
    let table = Table::create()
        .table(Passkeys::Table)
        .col(column::uuid(Passkeys::Id).not_null().primary_key())
        .col(column::uuid(Passkeys::UserId).not_null())
        .col(column::text(Passkeys::RpId, 253).not_null())
        .col(column::bytes(Passkeys::CredentialId, 1023).not_null())
        .col(column::bytes(Passkeys::PublicKey, 4096).not_null())
        .col(ColumnDef::new(Passkeys::SignCount).big_integer().not_null())
        .col(column::text(Passkeys::Name, 100).not_null())
        .col(column::text(Passkeys::Transports, 100).not_null())
        .col(column::uuid(Passkeys::Aaguid).not_null())
        .col(ColumnDef::new(Passkeys::UserVerified).boolean().not_null())
        .col(ColumnDef::new(Passkeys::Conditional).boolean().not_null())
        .col(ColumnDef::new(Passkeys::BackupEligible).boolean().not_null())
        .col(ColumnDef::new(Passkeys::BackedUp).boolean().not_null())
        .col(columns.time(Passkeys::CreatedAt).not_null())
        .col(columns.time(Passkeys::LastUsedAt).null())
        .foreign_key(&mut user)
        .to_owned();
    create(
        manager,
        table,
        vec![
            unique("passkeys_credential_id", Passkeys::Table, [Passkeys::CredentialId]),
            index("passkeys_user_id", Passkeys::Table, [Passkeys::UserId]),
        ],
    )
    .await
}

#[derive(Clone, Copy, DeriveIden)]
enum TotpSecrets {
    Table,
    UserId,
    SealedSecret,
    ConfirmedAt,
    LastStep,
    LastUsedAt,
    Failures,
    PendingSecret,
    PendingUntil,
    PendingFor,
}

#[derive(Clone, Copy, DeriveIden)]
enum RecoveryCodes {
    Table,
    Id,
    UserId,
    Digest,
    UsedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Passkeys {
    Table,
    Id,
    UserId,
    RpId,
    CredentialId,
    PublicKey,
    SignCount,
    Name,
    Transports,
    Aaguid,
    UserVerified,
    Conditional,
    BackupEligible,
    BackedUp,
    CreatedAt,
    LastUsedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    Id,
    SecondFactor,
    PasskeyHandle,
}
