//! Links that have done their work, and accounts that were taken back.

use sea_orm_migration::prelude::*;

use crate::column::{self, Columns};

/// A used token is kept until it would have expired, without what it was for, so that a second click on a link
/// can be told that the first one was enough. And an account remembers that its address was first proven by
/// choosing another password: what was in it before may be somebody else's.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager).await?;
        let mut used = columns.time(OneTimeTokens::UsedAt);
        column::add(manager, OneTimeTokens::Table, used.null()).await?;
        column::add(manager, Users::Table, columns.time(Users::TakenBackAt).null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let delete = Query::delete()
            .from_table(OneTimeTokens::Table)
            .and_where(Expr::col(OneTimeTokens::UsedAt).is_not_null())
            .to_owned();
        manager.execute(delete).await?;
        column::drop(manager, OneTimeTokens::Table, OneTimeTokens::UsedAt).await?;
        column::drop(manager, Users::Table, Users::TakenBackAt).await
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum OneTimeTokens {
    Table,
    UsedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    TakenBackAt,
}
