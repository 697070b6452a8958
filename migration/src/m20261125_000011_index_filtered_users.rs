//! Indexes for the filtered pages of users.

use sea_orm_migration::prelude::*;

use crate::column;

/// One index for each filter and order: each holds its page in one piece, at any depth, whatever the
/// database knows of its data. Neither the role nor the activity of a user changes often, so they
/// cost storage (some 250 bytes a user) rather than time.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const REPLACED: &str = "users_role_is_active";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for index in indexes() {
            let name = index.get_index_spec().get_name().unwrap_or_default();
            if !manager.has_index("users", name).await? {
                manager.create_index(index).await?;
            }
        }
        drop(manager, REPLACED).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_index("users", REPLACED).await? {
            let index = column::index(REPLACED, Users::Table, [Users::Role, Users::IsActive]);
            manager.create_index(index).await?;
        }
        for index in indexes() {
            drop(manager, index.get_index_spec().get_name().unwrap_or_default()).await?;
        }
        Ok(())
    }
}

fn indexes() -> [IndexCreateStatement; 6] {
    use Users::{CreatedAt, Id, IsActive, Role, Table, UsernameKey};
    [
        column::index("users_role_created_at_id", Table, [Role, CreatedAt, Id]),
        column::index("users_is_active_created_at_id", Table, [IsActive, CreatedAt, Id]),
        column::index("users_role_is_active_created_at_id", Table, [Role, IsActive, CreatedAt, Id]),
        column::index("users_role_username_key", Table, [Role, UsernameKey]),
        column::index("users_is_active_username_key", Table, [IsActive, UsernameKey]),
        column::index("users_role_is_active_username_key", Table, [Role, IsActive, UsernameKey]),
    ]
}

async fn drop(manager: &SchemaManager<'_>, name: &str) -> Result<(), DbErr> {
    if !manager.has_index("users", name).await? {
        return Ok(());
    }
    manager.drop_index(Index::drop().name(name).table(Users::Table).to_owned()).await
}

#[derive(Clone, Copy, DeriveIden)]
enum Users {
    Table,
    Id,
    UsernameKey,
    Role,
    IsActive,
    CreatedAt,
}
