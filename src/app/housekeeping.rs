//! What runs beside the requests, until the process ends.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use strum::VariantArray;
use tokio::time::timeout;

use super::{App, PROBE_MAX};
use crate::features::audit::{self, kind};
use crate::features::flows;
use crate::features::links;
use crate::features::login::unlocks::Unlocks;
use crate::infra::causes::causes;
use crate::infra::jobs::{Job, Lease};
use crate::infra::keys::rotation;

/// What is told of a database whose answer was waited for in vain.
const SILENT: &str = "the database does not answer in time";
/// What is told of a clock that nothing is deleted by.
const UNDELETED: &str = "nothing was deleted";
/// How often each instance reads what it must not miss for long: keys, and unlocked accounts.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether a job is due.
const PURGE_EVERY: Duration = Duration::from_mins(1);
/// How often an instance shows that it is there.
const SHOW_EVERY: Duration = Duration::from_mins(1);
/// How often counted refusals are looked at.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);
/// How often mail that is due is looked for.
const MAIL_EVERY: Duration = Duration::from_secs(1);
/// How often audit events are sealed.
const SEAL_EVERY: Duration = Duration::from_secs(1);
/// How often the head of their chain is logged.
const HEAD_EVERY: Duration = Duration::from_hours(1);

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Sessions past their absolute end, and those that ended longer ago than they are kept.
    pub sessions: u64,
    /// Links in mails that nobody used in time, and with them registrations and invitations.
    pub links: u64,
    /// Audit events older than they are kept.
    pub events: u64,
}

impl Purged {
    fn add(&mut self, job: Job, count: u64) {
        match job {
            Job::Sessions => self.sessions += count,
            Job::Links => self.links += count,
            Job::AuditRetention => self.events += count,
            Job::MemberInvitations
            | Job::UndeliveredMail
            | Job::FinishedFlows
            | Job::RefreshKeys
            | Job::KeyRotation
            | Job::AuditOrigins => {}
        }
    }
}

impl App {
    /// Starts it.
    pub(crate) fn spawn_housekeeping(&self) {
        tokio::spawn(self.clone().keep_up());
        tokio::spawn(self.clone().clean_up());
        tokio::spawn(self.clone().stay_shown());
        tokio::spawn(self.clone().watch_readiness());
        self.spawn_refusals();
        self.spawn_sealer();
        self.spawn_mail();
    }

    async fn keep_up(self) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        let mut unlocks = self.unlocks();
        loop {
            every.tick().await;
            match timeout(PROBE_MAX, self.keys.reload()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(error = %causes(&error), "cannot read the key set");
                }
                Err(_elapsed) => tracing::error!(error = SILENT, "cannot read the key set"),
            }
            // What cannot be read now is looked for again; the keys have told that already.
            if let Ok(Err(error)) = timeout(PROBE_MAX, unlocks.follow()).await {
                tracing::debug!(error = %causes(&error), "cannot look for unlocked accounts");
            }
        }
    }

    async fn clean_up(self) {
        let mut every = tokio::time::interval(PURGE_EVERY);
        let mut has_warned = false;
        loop {
            every.tick().await;
            if let Err(doubt) = self.trust_clock_to_delete().await {
                if !has_warned {
                    tracing::warn!("expired data is not deleted for now: {doubt}");
                    has_warned = true;
                }
                continue;
            }
            has_warned = false;
            let due = match self.jobs.due().await {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(error = %causes(&error), "cannot read which jobs are due");
                    continue;
                }
            };
            for job in due {
                // One before may have taken long. The next round says why nothing is deleted.
                if self.trust_clock_to_delete().await.is_err() {
                    break;
                }
                let name = job.into_str();
                match self.jobs.run(job, |lease| self.work(lease)).await {
                    Ok(Some(rows)) => tracing::debug!(job.name = name, rows, "a job succeeded"),
                    Ok(None) => tracing::debug!(job.name = name, "another instance has the job"),
                    Err(error) => {
                        tracing::error!(job.name = name, error = %causes(error.as_ref()), "a job failed");
                    }
                }
            }
        }
    }

    /// Does a job to its end, and returns how many rows it removed or changed.
    async fn work(&self, lease: Lease) -> anyhow::Result<u64> {
        let now = self.clock.now();
        Ok(match lease.job {
            Job::Sessions => self.sessions.purge(self.config.retention.ended_sessions).await?,
            Job::Links => links::purge(&self.db, now).await?,
            Job::MemberInvitations => self.organizations.purge().await?,
            Job::UndeliveredMail => self.outbox.purge().await?,
            Job::FinishedFlows => flows::purge(&self.db, now).await?,
            // Sessions live that long, and a late caller may sign out with any token of theirs.
            Job::RefreshKeys => {
                rotation::purge(&self.db, now - self.config.lifetimes.absolute).await?
            }
            Job::KeyRotation => match self.config.retention.signing_key {
                Some(age) => self.rotate_aged(age).await?,
                None => 0,
            },
            Job::AuditOrigins => audit::erase_origins(&self.db, &lease, now).await?,
            Job::AuditRetention => match self.config.retention.audit_events {
                Some(kept) => self.chain.retain(now, kept).await?,
                None => 0,
            },
        })
    }

    /// Replaces a signing key of this age. Returns how many were added.
    async fn rotate_aged(&self, age: TimeDelta) -> anyhow::Result<u64> {
        let Some(added) = self.keyring.rotate_aged(age).await? else { return Ok(0) };
        tracing::info!(
            key.id = added.kid,
            "the signing key is as old as KEY_ROTATION_DAYS: the next one signs from {} on",
            added.signs_from.to_rfc3339()
        );
        Ok(1)
    }

    /// Shows this instance to the others.
    async fn stay_shown(self) {
        let (mut every, mut others) = (tokio::time::interval(SHOW_EVERY), 0);
        loop {
            every.tick().await;
            match self.instance.show().await {
                Ok(count) => {
                    if others == 0 && count > 0 {
                        self.advise_sharing(count);
                    }
                    others = count;
                }
                Err(error) => {
                    tracing::error!(error = %causes(&error), "cannot register this instance in the database");
                    self.note_unwritten(&error).await;
                }
            }
        }
    }

    /// Writes refusals: the first of its like at once, counts when their time is over.
    fn spawn_refusals(&self) {
        let refusals = self.refusals.clone();
        tokio::spawn(async move {
            loop {
                // What failed, and what was only counted, is looked at again a little later.
                let _either = timeout(REFUSALS_EVERY, refusals.told()).await;
                if let Err(error) = refusals.write().await {
                    tracing::error!(error = %causes(&error), "cannot write refusals to the audit log yet");
                    tokio::time::sleep(REFUSALS_EVERY).await;
                }
            }
        });
    }

    /// Sends mail.
    fn spawn_mail(&self) {
        let app = self.clone();
        tokio::spawn(async move {
            let mut every = tokio::time::interval(MAIL_EVERY);
            loop {
                every.tick().await;
                // A clock that is ahead would give up mails whose links still work.
                if app.trust_clock().is_err() {
                    continue;
                }
                if let Err(error) = app.outbox.deliver().await {
                    tracing::error!(error = %causes(&error), "cannot look for mail to send yet");
                }
            }
        });
    }

    /// Seals audit events, and tells the log the head of their chain once an hour.
    fn spawn_sealer(&self) {
        let app = self.clone();
        tokio::spawn(async move {
            let mut every = tokio::time::interval(SEAL_EVERY);
            let mut told_at: Option<Duration> = None;
            loop {
                every.tick().await;
                if let Err(error) = app.chain.seal().await {
                    tracing::error!(error = %causes(&error), "cannot seal audit events yet");
                    continue;
                }
                let now = app.clock.uptime();
                if told_at.is_some_and(|told_at| now < told_at + HEAD_EVERY) {
                    continue;
                }
                if let Ok(head) = app.chain.head().await {
                    tracing::info!(audit.head = %head, "the audit log's head");
                    told_at = Some(now);
                }
            }
        });
    }

    fn advise_sharing(&self, others: u64) {
        if self.config.rates.is_some() && self.config.redis_url.is_none() {
            tracing::warn!(
                instances.others = others,
                "other instances use this database, and each counts attempts by itself: set REDIS_URL so that they \
                 share their limits"
            );
        }
    }

    /// Forgets what was counted against those who have been unlocked, as the housekeeping does
    /// every two seconds.
    pub async fn follow_unlocks(&self) -> anyhow::Result<()> {
        Ok(self.unlocks().follow().await?)
    }

    fn unlocks(&self) -> Unlocks {
        Unlocks::new(self.db.clone(), self.clock.clone(), self.limits.clone())
    }

    /// Reads the key set, as the housekeeping does every two seconds.
    pub async fn reload_keys(&self) -> anyhow::Result<()> {
        Ok(self.keys.reload().await?)
    }

    /// Does all jobs now that no other instance is at, due or not; one that fails keeps none from being done.
    ///
    /// # Errors
    ///
    /// An outage, or why the clock is not believed.
    pub async fn purge(&self) -> anyhow::Result<Purged> {
        let (mut purged, mut failed) = (Purged::default(), None);
        for &job in Job::VARIANTS {
            self.trust_clock_to_delete().await.context(UNDELETED)?;
            match self.jobs.run(job, |lease| self.work(lease)).await {
                Ok(Some(count)) => purged.add(job, count),
                Ok(None) => {}
                Err(error) => failed = failed.or(Some(error.context(job.into_str()))),
            }
        }
        failed.map_or(Ok(purged), Err)
    }

    /// Says that this instance is about to end. Otherwise the others notice in a few minutes.
    pub(crate) async fn leave(&self) {
        if let Err(error) = self.instance.leave().await {
            tracing::debug!(error = %causes(&error), "cannot remove this instance from the database");
        }
    }

    /// Says that this instance is there, as the housekeeping does every minute, and returns how
    /// many others are.
    pub async fn show(&self) -> anyhow::Result<u64> {
        Ok(self.instance.show().await?)
    }

    /// Writes all refusals that are only counted yet.
    pub async fn write_refusals(&self) -> anyhow::Result<()> {
        Ok(self.refusals.write_all().await?)
    }

    /// Removes the audit events from before `age` ago, and returns when that was and how many there were.
    pub(crate) async fn prune_audit(&self, age: TimeDelta) -> anyhow::Result<(DateTime<Utc>, u64)> {
        self.trust_clock_to_delete().await.context(UNDELETED)?;
        let before = self.clock.now() - age;
        Ok((before, self.chain.prune(before).await?))
    }

    /// Sends the mail that is due, as the housekeeping does every second.
    pub async fn deliver_mail(&self) -> anyhow::Result<()> {
        Ok(self.outbox.deliver().await?)
    }

    /// Seals the audit events that are not sealed yet, as the housekeeping does every second.
    pub async fn seal_audit(&self) -> anyhow::Result<()> {
        Ok(self.chain.seal().await?)
    }

    /// Writes into the audit log that this instance begins to serve.
    pub(crate) async fn record_start(&self) -> anyhow::Result<()> {
        Ok(audit::record_server(&self.db, self.clock.now(), kind::SERVER_STARTED).await?)
    }

    /// Writes into the audit log what is still to be written, last that this instance has stopped.
    /// An outage must not keep it from stopping.
    pub(crate) async fn record_stop(&self) {
        let record = async {
            self.write_refusals().await?;
            audit::record_server(&self.db, self.clock.now(), kind::SERVER_STOPPED).await?;
            anyhow::Ok(())
        };
        match timeout(PROBE_MAX, record).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(error = %causes(error.as_ref()), "cannot record the stop in the audit log");
            }
            Err(_elapsed) => {
                tracing::error!(error = SILENT, "cannot record the stop in the audit log");
            }
        }
    }
}
