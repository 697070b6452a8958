//! Loaders: what the fields of one operation look up by key, each kind in one statement.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use sea_orm::DbErr;

use super::error::{ApiError, Result};

/// A loader that is made when a request first asks it: most ask none.
pub(crate) trait RequestLoader: Send + Sync + Sized + 'static {
    /// Makes it of the services and of who calls.
    fn of(ctx: &Context<'_>) -> Result<Self>;
}

/// A request's place for a loader.
pub(crate) struct Lazy<L: 'static>(OnceLock<DataLoader<L>>);

impl<L> Default for Lazy<L> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

/// What a key leads to.
pub(crate) async fn load_one<L, K>(ctx: &Context<'_>, key: K) -> Result<Option<L::Value>>
where
    L: RequestLoader + Loader<K, Error = Arc<DbErr>>,
    K: Clone + Eq + Hash + Send + Sync + 'static,
{
    loader::<L>(ctx)?.load_one(key).await.map_err(failed)
}

/// What each of several keys leads to; what leads to nothing is left out.
pub(crate) async fn load_many<L, K>(
    ctx: &Context<'_>,
    keys: impl Iterator<Item = K>,
) -> Result<HashMap<K, L::Value>>
where
    L: RequestLoader + Loader<K, Error = Arc<DbErr>>,
    K: Clone + Eq + Hash + Send + Sync + 'static,
{
    loader::<L>(ctx)?.load_many(keys).await.map_err(failed)
}

fn loader<'a, L: RequestLoader>(ctx: &Context<'a>) -> Result<&'a DataLoader<L>> {
    let Lazy(place) = ctx.data_unchecked::<Lazy<L>>();
    if let Some(made) = place.get() {
        return Ok(made);
    }
    let made = L::of(ctx)?;
    Ok(place.get_or_init(|| DataLoader::new(made, tokio::spawn)))
}

fn failed(cause: Arc<DbErr>) -> ApiError {
    ApiError::database(Arc::unwrap_or_clone(cause))
}
