//! The metadata of users in the schema.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use portcullis_macros::rules;
use sea_orm::DbErr;

use super::User;
use super::administration::target;
use crate::features::accounts::{self as domain, Accounts, MetadataChange, MetadataError, Patch};
use crate::graphql::context::ContextExt;
use crate::graphql::error::{ApiError, Result};
use crate::graphql::loader::{RequestLoader, load_one};
use crate::graphql::metadata::Metadata;
use crate::infra::db::Db;
use crate::kernel::access::permission::USERS_WRITE;
use crate::kernel::id::UserId;

/// Loads the metadata of the users of one operation in one statement, when it is asked for.
pub(crate) struct MetadataLoader(Db);

impl RequestLoader for MetadataLoader {
    fn of(ctx: &Context<'_>) -> Result<Self> {
        Ok(Self(ctx.service::<Db>().clone()))
    }
}

impl Loader<UserId> for MetadataLoader {
    type Value = domain::Metadata;
    type Error = Arc<DbErr>;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, Self::Value>, Self::Error> {
        let found = Accounts::find_metadata(&self.0, ids).await.map_err(Arc::new)?;
        Ok(found.into_iter().collect())
    }
}

impl User {
    /// The user's metadata.
    pub(super) async fn metadata(&self, ctx: &Context<'_>) -> Result<domain::Metadata> {
        let Some(id) = self.id.typed::<UserId>() else { return Ok(domain::Metadata::default()) };
        Ok(load_one::<MetadataLoader, _>(ctx, id).await?.unwrap_or_default())
    }
}

/// The changes of a user's metadata. Omitted fields stay unchanged.
#[derive(InputObject)]
pub(crate) struct UpdateUserMetadataInput {
    /// The user's id.
    id: ID,
    /// A JSON Merge Patch (RFC 7396) for User.publicMetadata. An entry replaces the one with the same name, objects
    /// merge entry by entry, and null removes an entry. Null instead of an object removes everything.
    public_metadata: MaybeUndefined<Metadata>,
    /// A JSON Merge Patch for User.privateMetadata, as for publicMetadata.
    private_metadata: MaybeUndefined<Metadata>,
}

#[derive(Default)]
pub(crate) struct MetadataMutation;

#[rules(mutation)]
#[Object]
impl MetadataMutation {
    /// Changes the metadata that your own programs keep with a user, such as a plan or a customer id. Users without the
    /// permission cannot change their own metadata, so programs can rely on it.
    #[auth(permission = USERS_WRITE)]
    #[covers]
    #[payload(user = "The user with the new metadata.")]
    async fn update_user_metadata(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateUserMetadataInput,
    ) -> Result<User> {
        let id = target(&input.id)?;
        let (public, private) = (patch(input.public_metadata), patch(input.private_metadata));
        let change = MetadataChange { public, private };
        let accounts = ctx.service::<Accounts>();
        Ok(accounts.update_metadata(ctx.acting()?, covers, id, &change).await?.into())
    }
}

fn patch(given: MaybeUndefined<Metadata>) -> Patch {
    match given {
        MaybeUndefined::Undefined => Patch::Untouched,
        MaybeUndefined::Null => Patch::Removed,
        MaybeUndefined::Value(metadata) => Patch::Merged(metadata.into_entries()),
    }
}

impl From<MetadataError> for ApiError {
    fn from(error: MetadataError) -> Self {
        match error {
            MetadataError::Invalid(problem) => Self::invalid(&[problem]),
            MetadataError::Account(error) => error.into(),
            MetadataError::Fault(fault) => fault.into(),
        }
    }
}
