//! How a session began, and sign-ins that wait for a second factor.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns, create, index, unique};

/// Sessions from before began with a password or with a provider, and nobody knows which: they count as one factor that
/// has no name. A challenge is removed when it is answered, when its time is over, and with its user.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let mut amr = column::text(Sessions::Amr, 64);
        column::add(manager, Sessions::Table, amr.not_null().default("")).await?;
        let mut acr = column::text(Sessions::Acr, 16);
        column::add(manager, Sessions::Table, acr.not_null().default("aal1")).await?;
        let mut user = ForeignKey::create();
        user.from(SignInChallenges::Table, SignInChallenges::UserId)
            .to(Users::Table, Users::Id)
            .on_delete(ForeignKeyAction::Cascade);
        let table = Table::create()
            .table(SignInChallenges::Table)
            .col(column::uuid(SignInChallenges::Id).not_null().primary_key())
            .col(column::uuid(SignInChallenges::UserId).not_null())
            .col(column::digest(SignInChallenges::Digest).not_null())
            .col(column::text(SignInChallenges::Amr, 64).not_null())
            .col(columns.time(SignInChallenges::ProvenAt).not_null())
            .col(column::text(SignInChallenges::Event, 64).not_null())
            .col(column::text(SignInChallenges::Detail, 100).null())
            .col(column::digest(SignInChallenges::MailedDigest).null())
            .col(ColumnDef::new(SignInChallenges::Failures).integer().not_null())
            .col(columns.time(SignInChallenges::ExpiresAt).not_null())
            .foreign_key(&mut user)
            .to_owned();
        let digest = [SignInChallenges::Digest];
        create(
            manager,
            table,
            vec![
                unique("sign_in_challenges_digest", SignInChallenges::Table, digest),
                index(
                    "sign_in_challenges_user_id",
                    SignInChallenges::Table,
                    [SignInChallenges::UserId],
                ),
                index(
                    "sign_in_challenges_expires_at",
                    SignInChallenges::Table,
                    [SignInChallenges::ExpiresAt],
                ),
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::drop().table(SignInChallenges::Table).if_exists().to_owned();
        manager.drop_table(table).await?;
        column::drop(manager, Sessions::Table, Sessions::Acr).await?;
        column::drop(manager, Sessions::Table, Sessions::Amr).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum SignInChallenges {
    Table,
    Id,
    UserId,
    Digest,
    Amr,
    ProvenAt,
    Event,
    Detail,
    MailedDigest,
    Failures,
    ExpiresAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Sessions {
    Table,
    Amr,
    Acr,
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    Id,
}
