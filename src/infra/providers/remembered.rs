//! What a provider publishes, kept for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::error::Away;

/// For how long it is used.
const AGE_MAX: Duration = Duration::from_hours(1);
/// How often it is fetched at most because something seems to be missing in it.
const RENEWED_EVERY: Duration = Duration::from_mins(1);

/// One document of a provider's. It is fetched by one caller at a time; those who wait for it meanwhile share what came
/// of that, so that a provider that is away is asked once and not once for each of them.
pub(super) struct Remembered<T> {
    held: Mutex<Held<T>>,
    fetched: AtomicU64,
}

struct Held<T> {
    document: Option<(Arc<T>, Duration)>,
    /// Why the last attempt failed.
    failure: Option<Away>,
    /// When it was last fetched before its time.
    renewed: Option<Duration>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        let held = Held { document: None, failure: None, renewed: None };
        Self { held: Mutex::new(held), fetched: AtomicU64::new(0) }
    }
}

impl<T> Remembered<T> {
    /// The document, fetched if there is none or it is too old. `now` is the time since the start.
    pub(super) async fn get(
        &self,
        now: Duration,
        fetch: impl Future<Output = Result<T, Away>>,
    ) -> Result<Arc<T>, Away> {
        let fetched_before = self.fetched.load(Ordering::Acquire);
        let mut held = self.held.lock().await;
        match &held.document {
            Some((document, since)) if now.saturating_sub(*since) < AGE_MAX => {
                return Ok(Arc::clone(document));
            }
            _ => {}
        }
        if self.fetched.load(Ordering::Acquire) != fetched_before
            && let Some(failure) = &held.failure
        {
            return Err(failure.clone());
        }
        self.fetch(&mut held, now, fetch).await
    }

    /// A newer document than the one that lacks something, if there is one or it is time to fetch one.
    pub(super) async fn newer(
        &self,
        than: &Arc<T>,
        now: Duration,
        fetch: impl Future<Output = Result<T, Away>>,
    ) -> Result<Option<Arc<T>>, Away> {
        let mut held = self.held.lock().await;
        match &held.document {
            Some((document, _)) if !Arc::ptr_eq(document, than) => {
                return Ok(Some(Arc::clone(document)));
            }
            _ => {}
        }
        if held.renewed.is_some_and(|at| now.saturating_sub(at) < RENEWED_EVERY) {
            return Ok(None);
        }
        held.renewed = Some(now);
        self.fetch(&mut held, now, fetch).await.map(Some)
    }

    async fn fetch(
        &self,
        held: &mut Held<T>,
        now: Duration,
        fetch: impl Future<Output = Result<T, Away>>,
    ) -> Result<Arc<T>, Away> {
        let outcome = fetch.await.map(Arc::new);
        match &outcome {
            Ok(document) => {
                held.document = Some((Arc::clone(document), now));
                held.failure = None;
            }
            Err(away) => held.failure = Some(away.clone()),
        }
        self.fetched.fetch_add(1, Ordering::Release);
        outcome
    }
}
