//! Sessions: who is signed in, from where, until when. How refresh works is [`rotation`]; what people
//! see and end of their own is [`own`], how a request is recognised is [`recognition`], and what wrong passwords of
//! session holders lead to is [`proofs`].
//!
//! A session has one live credential at a time; what it is, and what somebody gets who has one, or the database, or a
//! key, says [`credential`]. Access tokens carry the session's id; [`Sessions::authenticate`] turns one into a
//! [`Viewer`] of current data, so ending a session ends them too.
//!
//! Where its credential lives, in a body or in a cookie, is fixed when a session begins; presented the other way it
//! names nothing (RT-09). In which organization a call acts, the call says; a session is in none.
//!
//! Invariant: this slice reads users and never writes them.

mod credential;
mod device_token;
mod ending;
mod facts;
mod own;
mod proofs;
mod purge;
mod recognition;
mod requirement;
mod rotation;
mod sign_in;
mod store;
mod watch;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use sea_orm::ConnectionTrait;

use self::credential::{Credential, Kind as CredentialKind, Presentable};
use self::device_token::DeviceToken;
pub(crate) use self::ending::{EndReason, Ended};
use self::facts::Facts;
pub(crate) use self::own::{OwnSession, RevokeError};
pub(crate) use self::proofs::FAILURES_MAX as FAILURES_OF_SESSION_MAX;
pub(crate) use self::recognition::{Shown, Unrecognised};
pub(crate) use self::requirement::SecondFactorRequirement;
pub(crate) use self::rotation::{
    Attempt, REFRESH_FAILURES, REFRESHES_OF_SESSION, RefreshError, RefreshLimits,
};
pub(crate) use self::sign_in::{
    Admitted, Awaited, Challenge, MailedCode, Presented as PresentedChallenge, Unfinished,
};
use self::store::lock_user;
pub(crate) use self::watch::CallerWatch;
use self::watch::Watched;
use crate::features::change::{Changes, Fault, Record, Tx};
use crate::features::links;
use crate::infra::db::Db;
use crate::infra::jwt::{AccessToken, Jwt, Subject};
use crate::infra::keys::{Keys, Master};
use crate::infra::limits::Limits;
use crate::infra::mail::{Letter, MailKind, Outbox};
use crate::infra::passwords::hash::Hasher;
use crate::kernel::access::{self, ActiveOrganization, Proven, TokenMode, User, Viewer};
use crate::kernel::acting::Gone;
use crate::kernel::clock::Clock;
use crate::kernel::device::Device;
use crate::kernel::id::{OrganizationId, SessionId};
use crate::kernel::secret::CryptoError;
use crate::kernel::shares::Shares;

/// Sessions whose use is remembered to be noted.
const NOTED_MAX: u64 = 20_000;
/// Sessions a user has at most; the oldest make room (RT-14).
pub(crate) const SESSIONS_MAX: u64 = 100;

/// How long sessions and tokens live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    /// A session ends when it is not used for this long: not refreshed, or in a browser not called with.
    pub(crate) idle: TimeDelta,
    /// A session ends this long after sign-in, whatever happens.
    pub(crate) absolute: TimeDelta,
    /// For this long a refresh token that was replaced still leads to the live one, which is not replaced meanwhile.
    pub(crate) grace: TimeDelta,
}

/// What a client is given.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// None where the cookie does.
    pub(crate) access: Option<AccessToken>,
    /// The refresh token or the cookie; none where the one that the client has goes on.
    pub(crate) credential: Option<Issued>,
    /// What shows from now on that somebody has signed in here, with the seconds it is good for; only of a
    /// session that begins.
    pub(crate) device: Option<(DeviceToken, i64)>,
    /// Who has signed in, as the credential shows them; only of a session that begins.
    pub(crate) viewer: Option<Viewer>,
}

/// A refresh token or a cookie, with the seconds that it is good for if it is not used.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) text: Presentable,
    pub(crate) ttl_seconds: i64,
}

/// The one place that begins, refreshes, recognises and ends sessions.
#[derive(Clone)]
pub(crate) struct Sessions {
    db: Db,
    clock: Clock,
    keys: Keys,
    master: Arc<Master>,
    jwt: Jwt,
    limits: Limits,
    lifetimes: Lifetimes,
    second_factor: SecondFactorRequirement,
    changes: Changes,
    facts: Facts,
    /// Rotations of one session wait for each other's locks: they take turns before they have a connection.
    rotations: Arc<Shares<SessionId>>,
    /// Whose use was noted lately, and when.
    noted: Cache<SessionId, DateTime<Utc>>,
    watched: Watched,
}

/// What the features above this one work with. Each takes what it needs of it.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    pub(crate) limits: Limits,
    pub(crate) outbox: Outbox,
    pub(crate) link_gate: links::Gate,
    pub(crate) changes: Changes,
    pub(crate) sessions: Sessions,
}

/// How tokens are made, and how long they live.
pub(crate) struct Issuing {
    pub(crate) jwt: Jwt,
    pub(crate) keys: Keys,
    pub(crate) master: Arc<Master>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) second_factor: SecondFactorRequirement,
}

impl Sessions {
    pub(crate) fn new(
        db: Db,
        clock: Clock,
        changes: Changes,
        limits: Limits,
        Issuing { jwt, keys, master, lifetimes, second_factor }: Issuing,
    ) -> Self {
        let facts = Facts::new(clock.clone(), changes.epochs());
        let rotations = Arc::new(Shares::new(1));
        let noted = Cache::new(NOTED_MAX);
        let watched = Watched::default();
        Self {
            db,
            clock,
            keys,
            master,
            jwt,
            limits,
            lifetimes,
            second_factor,
            changes,
            facts,
            rotations,
            noted,
            watched,
        }
    }

    /// Who may not be without a second factor.
    pub(crate) fn requirement(&self) -> SecondFactorRequirement {
        self.second_factor
    }

    /// Begins a session for `user` inside the caller's transaction, of which the audit log says
    /// what `begun` says. Whether what they have shown is enough, [`Self::sign_in`] has judged. One from a kind of device that is new to the account is told by
    /// mail; of too many sessions the oldest end, and so does that of the cookie that the request came with.
    ///
    /// The caller holds the lock on the user's row and has checked there that the user is active:
    /// that is what keeps a deactivation and a sign-in from missing each other.
    async fn begin(
        &self,
        tx: &Tx<'_>,
        user: &User,
        begun: Record,
        proven: Proven,
    ) -> Result<Tokens, Fault> {
        let (origin, now) = (tx.acting().origin, tx.now());
        if let Some((session, user)) = origin.cookie_session {
            self.end(tx, session, user, EndReason::Replaced).await?;
        }
        let id = SessionId::new(now);
        let credential_kind = match origin.token_mode {
            TokenMode::Body => CredentialKind::RefreshToken,
            TokenMode::Cookie => CredentialKind::Cookie,
        };
        let credential = Credential::first(credential_kind, id, user.id, proven)?;
        let session = store::Begun {
            id,
            user_id: user.id,
            created_at: now,
            expires_at: now + self.lifetimes.absolute,
            device: origin.user_agent.as_deref().and_then(|text| Device::of(text).name()),
            secret_digest: credential.digest(),
            proofs: proven.by,
        };
        if user.created_at == now {
            // An account that this transaction makes has no other.
            store::insert(tx, &session, origin).await?;
        } else {
            let devices = store::insert_beside(tx, &session, origin).await?;
            let is_known = devices.iter().any(|known| known.device == session.device);
            if !is_known && user.created_at < now {
                tx.write(Letter::to(user, MailKind::NewSignIn, origin)).await?;
            }
            let live: u64 = devices.iter().map(|known| known.live).sum();
            if live >= SESSIONS_MAX {
                store::evict(tx, &session, SESSIONS_MAX - 1).await?;
            }
        }
        tx.note(begun.about(user.id).by(user.id).within(session.id));
        let device = DeviceToken::issue(&self.master, session.id)?;
        let device = Some((device, self.lifetimes.absolute.num_seconds()));
        let text = self.present(&credential, now);
        let viewer = |credential| Viewer {
            user: Arc::new(user.clone()),
            session_id: session.id,
            session_mode: origin.token_mode,
            credential,
            proven,
            session_expires_at: session.expires_at,
            organization: None,
        };
        Ok(match credential_kind {
            CredentialKind::RefreshToken => {
                let ttl = self.lifetimes.idle.min(self.lifetimes.absolute);
                let subject = Subject::of(user, session.id, None, proven, now);
                let pair = self.pair(&subject, text, ttl, now)?;
                let seconds = pair.access.as_ref().map_or(0, |access| access.ttl_seconds);
                let expires_at = now + TimeDelta::seconds(seconds.into());
                let viewer = Some(viewer(access::Credential::AccessToken { expires_at }));
                Tokens { device, viewer, ..pair }
            }
            CredentialKind::Cookie => {
                let ttl_seconds = self.lifetimes.absolute.num_seconds();
                let credential = Some(Issued { text, ttl_seconds });
                let expires_at = session.expires_at;
                let viewer = Some(viewer(access::Credential::Cookie { expires_at }));
                Tokens { access: None, credential, device, viewer }
            }
        })
    }

    /// Another credential for a caller who has just proved again who they are, whose row the transaction has locked: the
    /// next generation of the cookie that is their session, or another session in the place of theirs (RT-13).
    pub(crate) async fn renew(
        &self,
        tx: &Tx<'_>,
        user: &User,
        (viewer, cookie): (&Viewer, Option<&str>),
        record: Record,
        shown: Proven,
    ) -> Result<Tokens, Fault> {
        let proven = Proven { by: viewer.proven.by.renewed_by(shown.by), ..shown };
        if let Some(cookie) = cookie {
            let raised = self.raise(tx, viewer, cookie, proven).await?;
            tx.note(record.about(user.id));
            return Ok(raised);
        }
        if !self.end(tx, viewer.session_id, user.id, EndReason::Replaced).await? {
            // It was ended meanwhile, and must not live on as another.
            return Err(Gone.into());
        }
        self.begin(tx, user, record, proven).await
    }

    /// The caller as they are now, with their row locked: since the guard looked, they may have lost what they
    /// had, or moved.
    pub(crate) async fn caller(&self, tx: &Tx<'_>) -> Result<Viewer, Fault> {
        let viewer = tx.acting().caller()?;
        lock_user(tx, viewer.user.id).await?;
        self.confirmed(tx, viewer).await
    }

    /// A caller as they are now.
    pub(crate) async fn confirmed(
        &self,
        db: &impl ConnectionTrait,
        viewer: &Viewer,
    ) -> Result<Viewer, Fault> {
        let organization = viewer.organization.map(|active| active.id);
        let found =
            recognition::store::read_known(db, viewer.session_id, viewer.user.id, organization)
                .await?;
        let found = found.ok_or(Gone)?;
        if !found.is_member_of(organization) {
            return Err(Fault::NotAMember);
        }
        if found.viewer.user.second_factor && !viewer.user.second_factor {
            self.facts.forget(viewer.user.id);
            return Err(Fault::Overtaken);
        }
        let Viewer { credential, proven, .. } = *viewer;
        Ok(Viewer { credential, proven, ..found.viewer })
    }

    /// An access token for the caller's session that acts in one of the user's organizations, or in none. It ends when
    /// what the caller came with does, and is as fresh as that.
    pub(crate) fn access(
        &self,
        viewer: &Viewer,
        user: &User,
        organization: Option<ActiveOrganization>,
    ) -> Result<Tokens, CryptoError> {
        let now = self.clock.now();
        let until = match viewer.credential {
            access::Credential::AccessToken { expires_at } => expires_at,
            // An idle session authenticates nobody.
            access::Credential::Cookie { expires_at } => expires_at.min(now + self.lifetimes.idle),
        };
        let (session, proven) = (viewer.session_id, viewer.proven);
        let subject = Subject::of(user, session, organization, proven, now);
        let access = Some(self.jwt.issue(&subject, until)?);
        Ok(Tokens { access, credential: None, device: None, viewer: None })
    }

    /// Exchanges the caller's cookie for an access token for other services. The cookie stays as it is.
    pub(crate) async fn exchange(
        &self,
        viewer: &Viewer,
        organization: Option<OrganizationId>,
        (_failures, of_session): RefreshLimits<'_>,
    ) -> Result<(User, Tokens), RefreshError> {
        self.limits.take([of_session.of(viewer.session_id)]).await?;
        let (session, user) = (viewer.session_id, viewer.user.id);
        let known = recognition::store::find_known(&self.db, session, user, organization).await?;
        let known = known.ok_or(RefreshError::Unknown)?;
        if !known.is_member_of(organization) {
            return Err(RefreshError::NotAMember);
        }
        let user = User::clone(&known.viewer.user);
        let tokens = self.access(viewer, &user, known.viewer.organization)?;
        Ok((user, tokens))
    }

    /// What a caller gets who may refresh for `refresh_ttl` from now on. The access token does not outlive
    /// that, so a session that was idle for too long authenticates nobody.
    fn pair(
        &self,
        subject: &Subject,
        text: Presentable,
        refresh_ttl: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Tokens, CryptoError> {
        Ok(Tokens {
            access: Some(self.jwt.issue(subject, now + refresh_ttl)?),
            credential: Some(Issued { text, ttl_seconds: refresh_ttl.num_seconds() }),
            device: None,
            viewer: None,
        })
    }
}
