//! What no event tells the metrics: how old keys are, what is in use, and how long something waits.

use sea_orm::DbErr;
use tokio::time::timeout;

use super::{App, PROBE_MAX};
use crate::infra::causes::causes;
use crate::infra::metrics;

impl App {
    /// Measures what this process knows by itself.
    pub(crate) fn measure(&self) {
        self.db.measure();
        metrics::process();
        for (purpose, age) in self.keys.current().ages(self.clock.now()) {
            metrics::key_age(purpose.into_str(), age);
        }
    }

    /// Measures what waits in the database. While that cannot be asked, the last answer counts: the readiness tells that.
    pub(crate) async fn measure_waiting(&self) {
        let waiting = async {
            self.outbox.measure().await?;
            metrics::audit_unsealed(self.chain.oldest_unsealed().await?);
            Ok::<_, DbErr>(())
        };
        if let Ok(Err(error)) = timeout(PROBE_MAX, waiting).await {
            tracing::debug!(error = %causes(&error), "cannot measure what waits in the database");
        }
    }
}
