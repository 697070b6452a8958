//! What is known of live sessions without asking the database each time.
//!
//! A bounded cache from session, and the organization that a call names, to viewer. An entry is used for at most [`FRESH_FOR`] after its
//! loading *began*, and never after this process has changed its user: that is what makes a
//! revocation take effect on the next request here, and within that time everywhere else (JW-14).

use std::time::Duration;

use moka::sync::Cache;

use super::recognition::store::Known;
use crate::infra::metrics;
use crate::kernel::clock::Clock;
use crate::kernel::epochs::Epochs;
use crate::kernel::id::{OrganizationId, SessionId, UserId};

/// How long another instance may go on trusting what this one has revoked, less a second for the
/// loading itself: the promise is 5 s.
const FRESH_FOR: Duration = Duration::from_secs(4);
/// Sessions remembered at once; the least used make room.
const SESSIONS_MAX: u64 = 20_000;

/// The cache; clones share it.
#[derive(Clone)]
pub(super) struct Facts {
    entries: Cache<Place, Entry>,
    epochs: Epochs,
    clock: Clock,
}

/// A session, and where a call of it acts.
type Place = (SessionId, Option<OrganizationId>);

#[derive(Clone)]
struct Entry {
    /// `None`: the session is over, and will never live again.
    known: Option<Known>,
    epoch: u64,
    load_began: Duration,
}

impl Facts {
    pub(super) fn new(clock: Clock, epochs: Epochs) -> Self {
        Self { entries: Cache::new(SESSIONS_MAX), epochs, clock }
    }

    /// What is known of a session, from memory or by `load`. What does not tell of the `generation` that the caller has
    /// shown is too old.
    ///
    /// The epoch is read before the loading starts. If a change ends it meanwhile, what was
    /// loaded is filed under an epoch that is already over, and no later request will use it.
    pub(super) async fn of<E>(
        &self,
        user: UserId,
        place: Place,
        generation: u32,
        load: impl Future<Output = Result<Option<Known>, E>>,
    ) -> Result<Option<Known>, E> {
        let epoch = self.epochs.current(user);
        let now = self.clock.uptime();
        if let Some(entry) = self.entries.get(&place)
            && entry.epoch == epoch
            && now.saturating_sub(entry.load_began) < FRESH_FOR
            && entry.known.as_ref().is_none_or(|known| known.generation >= generation)
        {
            metrics::session_looked_up(true);
            return Ok(entry.known);
        }
        metrics::session_looked_up(false);
        let known = load.await?;
        // Whoever names organizations of others fills no memory.
        if known.as_ref().is_none_or(|known| known.is_member_of(place.1)) {
            self.entries.insert(place, Entry { known: known.clone(), epoch, load_began: now });
        }
        Ok(known)
    }

    /// Forgets what is known of a user's sessions: another instance has changed it.
    pub(super) fn forget(&self, user: UserId) {
        self.epochs.end(user);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use chrono::DateTime;
    use tokio::sync::oneshot;

    use super::*;
    use crate::kernel::access::{
        Credential, Grants, Language, Proofs, Proven, Role, TokenMode, User, Viewer,
    };

    fn known(user: UserId, session: SessionId, role: Role) -> Known {
        let now = DateTime::UNIX_EPOCH;
        let user = User {
            id: user,
            username: "alice".to_owned(),
            email: "alice@example.com".to_owned(),
            email_verified: false,
            full_name: None,
            avatar_url: None,
            role,
            is_active: true,
            created_at: now,
            updated_at: now,
            last_login_at: None,
            locale: Language::English,
            grants: Grants::default(),
            second_factor: false,
        };
        let viewer = Viewer {
            user: Arc::new(user),
            session_id: session,
            session_mode: TokenMode::Body,
            credential: Credential::Cookie { expires_at: now },
            proven: Proven { at: now, by: Proofs::PASSWORD },
            session_expires_at: now,
            organization: None,
        };
        Known {
            viewer,
            generation: 1,
            generation_at: now,
            last_used_at: now,
            secret_digest: Vec::new(),
        }
    }

    async fn role_seen(facts: &Facts, user: UserId, session: SessionId, stored: Role) -> Role {
        let load = async { Ok::<_, Infallible>(Some(known(user, session, stored))) };
        let known = facts.of(user, (session, None), 1, load).await.unwrap();
        known.unwrap().viewer.user.role
    }

    fn ids() -> (UserId, SessionId) {
        (UserId::new(DateTime::UNIX_EPOCH), SessionId::new(DateTime::UNIX_EPOCH))
    }

    #[tokio::test]
    async fn facts_are_kept_until_they_are_forgotten() {
        let facts = Facts::new(Clock::manual(DateTime::UNIX_EPOCH), Epochs::default());
        let (user, session) = ids();

        assert_eq!(role_seen(&facts, user, session, Role::Admin).await, Role::Admin);
        assert_eq!(role_seen(&facts, user, session, Role::User).await, Role::Admin);
        facts.epochs.end(user);
        assert_eq!(role_seen(&facts, user, session, Role::User).await, Role::User);
    }

    #[tokio::test]
    async fn facts_are_kept_for_four_seconds_at_most() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let facts = Facts::new(clock.clone(), Epochs::default());
        let (user, session) = ids();
        role_seen(&facts, user, session, Role::Admin).await;

        clock.advance(Duration::from_micros(3_999_999));
        assert_eq!(role_seen(&facts, user, session, Role::User).await, Role::Admin);
        clock.advance(Duration::from_micros(1));
        assert_eq!(role_seen(&facts, user, session, Role::User).await, Role::User);
    }

    #[tokio::test]
    async fn a_load_that_began_before_a_change_does_not_outlive_it() {
        let facts = Facts::new(Clock::manual(DateTime::UNIX_EPOCH), Epochs::default());
        let (user, session) = ids();
        let (release, paused) = oneshot::channel::<()>();
        let slow = tokio::spawn({
            let facts = facts.clone();
            async move {
                let load = async {
                    let read = known(user, session, Role::Admin); // Read before the demotion …
                    paused.await.unwrap();
                    Ok::<_, Infallible>(Some(read)) // … and answered after it.
                };
                facts.of(user, (session, None), 1, load).await.unwrap()
            }
        });
        tokio::task::yield_now().await;

        facts.epochs.end(user);
        release.send(()).unwrap();
        slow.await.unwrap();

        assert_eq!(role_seen(&facts, user, session, Role::User).await, Role::User);
    }

    #[tokio::test]
    async fn what_does_not_tell_of_a_generation_is_loaded_again() {
        let facts = Facts::new(Clock::manual(DateTime::UNIX_EPOCH), Epochs::default());
        let (user, session) = ids();
        role_seen(&facts, user, session, Role::Admin).await;
        let load = async {
            Ok::<_, Infallible>(Some(Known { generation: 2, ..known(user, session, Role::User) }))
        };
        let seen = facts.of(user, (session, None), 2, load).await.unwrap().unwrap();
        assert_eq!(seen.viewer.user.role, Role::User);
        assert_eq!(role_seen(&facts, user, session, Role::Admin).await, Role::User);
    }

    #[tokio::test]
    async fn an_organization_of_others_is_not_remembered() {
        let facts = Facts::new(Clock::manual(DateTime::UNIX_EPOCH), Epochs::default());
        let (user, session) = ids();
        let place = (session, Some(OrganizationId::new(DateTime::UNIX_EPOCH)));
        for _ in 0..2 {
            let (read, was_read) = oneshot::channel::<()>();
            let load = async {
                read.send(()).unwrap();
                Ok::<_, Infallible>(Some(known(user, session, Role::User)))
            };
            facts.of(user, place, 1, load).await.unwrap();
            was_read.await.unwrap();
        }
    }
}
