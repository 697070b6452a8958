//! Recurring jobs, each done by one instance at a time.
//!
//! How far a job got and when it last succeeded stands in the database: an instance that ends, or fails, leaves the rest to
//! the next. Two at once would do no harm, but twice the work.

mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use strum::{IntoStaticStr, VariantArray};
use uuid::Uuid;

use super::db::Db;
use super::metrics;
use crate::kernel::clock::Clock;
use crate::kernel::id::uuid_v7;

/// How long an instance has a job to itself without renewing its lease.
const LEASE_LENGTH: TimeDelta = TimeDelta::minutes(5);
/// How often it renews the lease.
const RENEW_EVERY: Duration = Duration::from_mins(1);

/// A job. Its name is a value of a metric and of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum Job {
    /// Removes sessions that are past their end, and sign-ins that were not completed.
    Sessions,
    /// Removes expired links of mails, with their registrations and invitations.
    Links,
    /// Removes expired invitations into organizations.
    MemberInvitations,
    /// Removes undelivered mail that was kept for its time.
    UndeliveredMail,
    /// Forgets which flows and ceremonies were finished.
    FinishedFlows,
    /// Removes refresh keys that no session needs.
    RefreshKeys,
    /// Replaces a signing key that is older than KEY_ROTATION_DAYS.
    KeyRotation,
    /// Erases addresses and user agents from old audit events.
    AuditOrigins,
    /// Removes audit events that are older than AUDIT_RETENTION_DAYS.
    AuditRetention,
}

impl Job {
    /// How long after its last success it is due again.
    pub(crate) fn every(self) -> TimeDelta {
        match self {
            Self::AuditRetention | Self::KeyRotation => TimeDelta::hours(1),
            Self::Sessions
            | Self::Links
            | Self::MemberInvitations
            | Self::UndeliveredMail
            | Self::FinishedFlows
            | Self::RefreshKeys
            | Self::AuditOrigins => TimeDelta::minutes(1),
        }
    }
}

/// The jobs, as one instance sees them.
#[derive(Clone)]
pub(crate) struct Jobs {
    db: Db,
    clock: Clock,
    holder: Uuid,
}

/// When a job last succeeded and failed.
pub(crate) struct JobHistory {
    pub(crate) job: Job,
    pub(crate) succeeded_at: Option<DateTime<Utc>>,
    pub(crate) failed_at: Option<DateTime<Utc>>,
    /// Until when an instance has it that has neither succeeded nor failed yet.
    pub(crate) held_until: Option<DateTime<Utc>>,
}

/// A job that this instance has to itself.
pub(crate) struct Lease {
    jobs: Jobs,
    pub(crate) job: Job,
    /// How far the job got, if it has saved that.
    pub(crate) progress: Option<String>,
}

impl Jobs {
    pub(crate) fn new(db: Db, clock: Clock) -> Self {
        let holder = uuid_v7(clock.now());
        for job in Job::VARIANTS {
            metrics::job_succeeded(job.into_str(), None);
        }
        Self { db, clock, holder }
    }

    /// Which jobs are due and free, and tells the metrics how all of them stand.
    pub(crate) async fn due(&self) -> Result<Vec<Job>, DbErr> {
        let now = self.clock.now();
        let rows = store::list(self.db.reader()).await?;
        let held = store::list_held(self.db.reader(), self.holder, now).await?;
        let mut due = Vec::new();
        for &job in Job::VARIANTS {
            let row = rows.iter().find(|row| row.name == job.into_str());
            let succeeded_at = row.and_then(|row| row.succeeded_at);
            metrics::job_succeeded(job.into_str(), succeeded_at);
            let is_due = succeeded_at.is_none_or(|last| last + job.every() <= now || last > now);
            if is_due && !held.iter().any(|name| name == job.into_str()) {
                due.push(job);
            }
        }
        Ok(due)
    }

    /// Does a job, unless another instance is at it: then there is no outcome.
    pub(crate) async fn run<T, F>(
        &self,
        job: Job,
        work: impl FnOnce(Lease) -> F,
    ) -> anyhow::Result<Option<T>>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let Some(lease) = self.claim(job).await? else { return Ok(None) };
        // At the same time: a renewal may wait for a transaction of the work.
        let outcome = tokio::select! {
            outcome = work(lease) => outcome,
            outcome = self.keep(job) => outcome,
        };
        let now = self.clock.now();
        let ended = store::end(self.db.writer(), job, self.holder, now, outcome.is_ok()).await;
        // The first failure is the one to tell.
        let outcome = outcome?;
        ended?;
        metrics::job_succeeded(job.into_str(), Some(now));
        Ok(Some(outcome))
    }

    /// Keeps a job for this instance, for as long as it is polled.
    async fn keep<T>(&self, job: Job) -> T {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let until = self.clock.now() + LEASE_LENGTH;
            // It is tried again before the time is over.
            let _away = store::renew(self.db.writer(), job, self.holder, until).await;
        }
    }

    async fn claim(&self, job: Job) -> Result<Option<Lease>, DbErr> {
        let (db, now) = (self.db.writer(), self.clock.now());
        for _made in 0..2 {
            if store::claim(db, job, self.holder, now).await? {
                let progress = store::progress(db, job).await?;
                return Ok(Some(Lease { jobs: self.clone(), job, progress }));
            }
            if !store::make(db, job).await? {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

/// The history of all jobs that ever ran.
pub(crate) async fn history(db: &impl ConnectionTrait) -> Result<Vec<JobHistory>, DbErr> {
    let rows = store::list(db).await?;
    let of = |job: Job| {
        let row = rows.iter().find(|row| row.name == job.into_str())?;
        let (succeeded_at, failed_at) = (row.succeeded_at, row.failed_at);
        Some(JobHistory { job, succeeded_at, failed_at, held_until: row.held_until })
    };
    Ok(Job::VARIANTS.iter().copied().filter_map(of).collect())
}

impl Lease {
    /// Saves how far the job got, and returns whether this instance still has it: another one has taken it over when
    /// this one was silent for too long.
    pub(crate) async fn save(&self, progress: &str) -> Result<bool, DbErr> {
        let until = self.jobs.clock.now() + LEASE_LENGTH;
        store::save(self.jobs.db.writer(), self.job, self.jobs.holder, progress, until).await
    }
}
