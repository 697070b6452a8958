//! Loaders: what the fields of one operation look up by key, each kind in one statement.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use sea_orm::DbErr;

use super::error::{ApiError, Result};

/// A loader that is made when a request first asks it: most ask none.
pub(crate) trait RequestLoader: Send + Sync + Sized + 'static {
    /// Makes it of the services and of who calls.
    fn of(ctx: &Context<'_>) -> Result<Self>;
}

/// The loaders of one request.
#[derive(Default)]
pub(crate) struct Loaders(Mutex<Made>);

type Made = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

impl Loaders {
    fn get<L: RequestLoader>(&self) -> Option<Arc<DataLoader<L>>> {
        let made = self.lock().get(&TypeId::of::<L>()).cloned();
        made?.downcast().ok()
    }

    /// Keeps a loader, unless another field was quicker: then it is the other one that is used.
    fn keep<L: RequestLoader>(&self, made: DataLoader<L>) -> Arc<DataLoader<L>> {
        let made = Arc::new(made);
        let kept: Arc<dyn Any + Send + Sync> = Arc::clone(&made) as _;
        let kept = Arc::clone(self.lock().entry(TypeId::of::<L>()).or_insert(kept));
        kept.downcast().unwrap_or(made)
    }

    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

fn loader<L: RequestLoader>(ctx: &Context<'_>) -> Result<Arc<DataLoader<L>>> {
    let loaders = ctx.data_unchecked::<Loaders>();
    if let Some(made) = loaders.get() {
        return Ok(made);
    }
    let (spawner, timer) = (TokioSpawner::current(), TokioTimer::default());
    Ok(loaders.keep(DataLoader::new(L::of(ctx)?, spawner, timer)))
}

fn failed(cause: Arc<DbErr>) -> ApiError {
    ApiError::database(Arc::unwrap_or_clone(cause))
}
