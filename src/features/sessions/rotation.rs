//! How refresh works: a refresh token gives its successor, and the session's row counts.
//!
//! No row is made, and none but the session's is written. One statement reads session, user and organization, and says what
//! the token is; one conditional statement raises the generation, if nothing of what makes the token the live one has
//! changed. That needs no transaction: whatever shuts a user out ends the sessions in its own, so the second statement
//! settles which came first, and the claims are those of `iat`, before the first. Several tabs,
//! and clients that lose an answer, present the same token more than once. Within the grace all of them converge on the
//! session's one live token, which whoever holds the one before it can be told, since it is the same secret under a new
//! seal. There is one rotation a grace at most, so that what is one behind is always led to the live one. After the
//! grace a token that was replaced proves that two parties hold the session, and it ends (RFC 9700, section 4.14.2).

mod standing;

use chrono::{DateTime, Utc};

pub(crate) use self::standing::Attempt;
pub(super) use self::standing::CLOCKS_APART;
use self::standing::Standing;
use super::credential::{Credential, Kind, Presentable, Unopened};
use super::store::{self, Presented};
use super::{EndReason, Sessions, Tokens};
use crate::features::audit::kind;
use crate::features::change::{Fault, Record, Tx, with_fault};
use crate::infra::jwt::Subject;
use crate::infra::limits::{self, Ip, Judged, Limit, Limited};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::metrics::{self, Outcome};
use crate::kernel::access::{Origin, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::OrganizationId;

/// What slows down whoever presents tokens that give nothing. Whoever presents one of a living session is not held up by
/// those who share their address.
pub(crate) static REFRESH_FAILURES: Limit<Ip> = Limit::failures("refreshToken.ip", 60, 60);

/// What one session can make the server do, whether its tokens are good or not: far more than as many tabs as people have,
/// which all refresh at once.
pub(crate) static REFRESHES_OF_SESSION: Limit<limits::Session> =
    Limit::stream("refreshToken.session", 120, 60, 100);

/// How often the row may change under one refresh, which takes another instance each time.
const LOOKS_MAX: usize = 3;

/// What a refresh counts under: [`REFRESH_FAILURES`] and [`REFRESHES_OF_SESSION`].
pub(crate) type RefreshLimits<'a> = (&'a Limit<Ip>, &'a Limit<limits::Session>);

/// Why a refresh token gives nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefreshError {
    #[error("the refresh token is malformed, unknown or expired, or its session has ended")]
    Unknown,
    #[error("the refresh token was presented twice, so the server ended its session")]
    Reused,
    /// Never taken for a reuse: a race has not settled yet, or a key has not arrived.
    #[error("this instance cannot tell yet whether the token is valid")]
    Unsettled,
    #[error("the user does not belong to the organization")]
    NotAMember,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(RefreshError);

impl Judged for RefreshError {
    fn is_ours(&self) -> bool {
        matches!(self, Self::Unsettled | Self::Fault(_))
    }
}

impl Sessions {
    /// Exchanges a refresh token for a new pair. `attempt` is what the client has noted of the exchange before it asked:
    /// with it a token that was replaced is answered again, as long as its successor is not used. The access token acts in
    /// the `organization`, if one is named.
    pub(crate) async fn rotate(
        &self,
        origin: &Origin,
        presented: Option<&str>,
        attempt: Option<&Attempt>,
        organization: Option<OrganizationId>,
        (failures, of_session): RefreshLimits<'_>,
    ) -> Result<(User, Tokens), RefreshError> {
        let outcome =
            self.rotate_counted(origin, presented, attempt, organization, of_session).await;
        let outcome = match outcome {
            // Not before: whether a token is sealed costs one HMAC, and what is sealed counts for its session.
            Err(RefreshError::Unknown) => match self.limits.take([failures.of(origin.ip)]).await {
                Ok(()) => Err(RefreshError::Unknown),
                Err(limited) => Err(limited.into()),
            },
            outcome => outcome,
        };
        metrics::refresh(match &outcome {
            Ok(_) => Outcome::Success,
            Err(RefreshError::Reused) => Outcome::Reused,
            Err(error) if error.is_ours() => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        });
        outcome
    }

    async fn rotate_counted(
        &self,
        origin: &Origin,
        presented: Option<&str>,
        attempt: Option<&Attempt>,
        organization: Option<OrganizationId>,
        of_session: &Limit<limits::Session>,
    ) -> Result<(User, Tokens), RefreshError> {
        let presented = presented.ok_or(RefreshError::Unknown)?;
        let (keys, now) = (self.keys.current(), self.clock.now());
        let presented = match Credential::open(Kind::RefreshToken, presented, &keys, now) {
            Ok(presented) => presented,
            Err(Unopened::NotYet) if !self.keys.are_current() => {
                return Err(RefreshError::Unsettled);
            }
            Err(Unopened::NotYet | Unopened::Forged) => return Err(RefreshError::Unknown),
        };
        self.limits.take([of_session.of(presented.session)]).await?;
        let _turn = self.rotations.take(presented.session, 1).await;
        for _ in 0..LOOKS_MAX {
            let look = self.rotate_presented(origin, &presented, attempt, organization);
            if let Some(answer) = look.await? {
                return Ok(answer);
            }
        }
        Err(RefreshError::Unsettled)
    }

    /// One look at the session's row, and what follows from it; nothing, if the row has changed meanwhile.
    async fn rotate_presented(
        &self,
        origin: &Origin,
        presented: &Credential,
        attempt: Option<&Attempt>,
        organization: Option<OrganizationId>,
    ) -> Result<Option<(User, Tokens)>, RefreshError> {
        // The claims are of this time, however long what follows waits.
        let now = self.clock.now();
        let mode = origin.token_mode;
        let found = store::find_presented(&self.db, presented.session, organization).await?;
        let found = found.filter(|found| {
            let is_missed = self.second_factor.is_missed_by(&found.user, presented.proven.by);
            found.user.is_active && found.token_mode == mode && !is_missed
        });
        let Some(mut found) = found else { return Err(RefreshError::Unknown) };
        match found.standing_of(presented, attempt, &self.lifetimes, now) {
            Standing::Next => {
                let next = presented.at(presented.generation.saturating_add(1));
                found.last_used_at = now;
                // Made before the row is written: what is refused replaces nothing.
                let answer = self.handed(found, &next, organization, now)?;
                let rotate = || {
                    store::rotate(self.db.writer(), presented, mode, attempt, &self.lifetimes, now)
                };
                Ok(self.changes.by_statement("refresh", rotate).await?.then_some(answer))
            }
            Standing::Live => {
                let live = presented.at(found.generation);
                self.handed(found, &live, organization, now).map(Some)
            }
            Standing::Over | Standing::Late => Err(RefreshError::Unknown),
            Standing::Forged => Err(self.note_forged(origin, &found).await?),
            Standing::Replaced => Err(self.end_for(origin, &found, EndReason::Reuse).await?),
            Standing::Ahead => Err(self.end_for(origin, &found, EndReason::Restored).await?),
        }
    }

    /// What a caller gets whose live token this is.
    fn handed(
        &self,
        found: Presented,
        live: &Credential,
        named: Option<OrganizationId>,
        now: DateTime<Utc>,
    ) -> Result<(User, Tokens), RefreshError> {
        if named.is_some() && found.organization.is_none() {
            return Err(RefreshError::NotAMember);
        }
        let ends = (found.last_used_at + self.lifetimes.idle).min(found.expires_at);
        let Presented { user, organization, .. } = found;
        let subject = Subject::of(&user, live.session, organization, live.proven, now);
        Ok((user, self.pair(&subject, self.present(live, now), ends - now, now)?))
    }

    /// A credential as its holder gets it.
    pub(super) fn present(&self, credential: &Credential, now: DateTime<Utc>) -> Presentable {
        credential.seal(self.keys.current().refresh(now))
    }

    async fn note_forged(&self, origin: &Origin, found: &Presented) -> Result<RefreshError, Fault> {
        let note = async |tx: Tx<'_>| {
            tx.note(Record::of(kind::REFRESH_FORGED).about(found.user.id).within(found.id));
            tx.commit(()).await
        };
        self.changes.run("note a forged token", Acting::unknown(origin), note).await?;
        tracing::error!(session.id = %found.id, "a refresh token has a valid seal of this server but not the secret of \
                                                 its session: somebody may have the refresh key; run `portcullis keys \
                                                 rotate --refresh`");
        Ok(RefreshError::Unknown)
    }

    /// Ends the session of a token that shows that not only its owner holds it, or that the database has forgotten.
    /// Returns what its holder is told.
    async fn end_for(
        &self,
        origin: &Origin,
        found: &Presented,
        reason: EndReason,
    ) -> Result<RefreshError, Fault> {
        let (id, user) = (found.id, &found.user);
        let (kind, told) = match reason {
            EndReason::Reuse => (kind::REFRESH_REUSED, RefreshError::Reused),
            _ => (kind::REFRESH_AHEAD, RefreshError::Unknown),
        };
        let end = async |tx: Tx<'_>| {
            store::lock_user(&tx, user.id).await?;
            if self.end(&tx, id, user.id, reason).await? {
                tx.note(Record::of(kind).about(user.id).within(id));
                if reason == EndReason::Reuse {
                    let letter = Letter::to(user, MailKind::RefreshTokenReused, origin);
                    tx.write(letter).await?;
                }
            }
            Ok::<_, Fault>(tx.commit(()).await?)
        };
        self.changes.run("end a session by its token", Acting::unknown(origin), end).await?;
        tracing::warn!(session.id = %id, user.id = %user.id, reason = reason.into_str(), "a refresh token ended its session");
        Ok(told)
    }
}
