//! All that is kept of a person, for them to take along (DP-01).

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde_json::{Value, json};
use tokio::task::yield_now;

use super::Accounts;
use crate::features::audit::{self, Actor, Event, Filter, Kind, Listing, Log};
use crate::features::sessions::OwnSession;
use crate::platform::access::{Client, Grant, User, Viewer};
use crate::platform::limits::{By, Counts, Limit, Limited, Subject};
use crate::platform::rfc3339::text;

/// What keeps somebody from having all of it read again and again.
pub(crate) static EXPORT_LIMITS: [Limit; 1] = [Limit {
    name: "exportMyData",
    by: &[By::User],
    max: 10,
    window_seconds: 60 * 60,
    counts: Counts::Attempts { at_once: 10 },
}];

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The one that it was asked from ended meanwhile.
    #[error("the session is over")]
    SessionEnded,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Events read by one statement.
const PAGE_SIZE: u64 = 500;
/// The most entries of one kind. The lists of the API page through all of them.
pub(crate) const EXPORT_ENTRIES_MAX: usize = 5_000;

impl Accounts {
    /// The caller's account, sessions and security events, and what other features keep of them, as JSON.
    /// Of no secret more than that there is one. `incomplete` names what has as many entries as are exported.
    pub(crate) async fn export(
        &self,
        client: &Client,
        viewer: &Viewer,
    ) -> Result<Value, ExportError> {
        let subject = Subject::of(client).by(viewer.user.id.0);
        self.limits.admit(&EXPORT_LIMITS, subject).await?.succeeded().await;
        if !self.sessions.is_alive(self.db.reader(), viewer).await? {
            return Err(ExportError::SessionEnded);
        }
        let user = Self::find_all(&self.db, &[viewer.user.id]).await?.pop();
        let now = self.clock.now();
        let mut exported = json!({
            "exportedAt": text(now),
            "account": user.as_ref().map(|user| account(user, now)),
            "sessions": self.export_sessions(viewer).await?,
            "securityEvents": self.export_events(viewer).await?,
        });
        for extension in self.extensions {
            exported[extension.name] = (extension.export)(&self.db, viewer.user.id).await?;
        }
        let parts = exported.as_object().into_iter().flatten();
        let is_full =
            |part: &Value| part.as_array().is_some_and(|all| all.len() >= EXPORT_ENTRIES_MAX);
        let full: Vec<_> = parts.filter(|(_, part)| is_full(part)).map(|(name, _)| name).collect();
        exported["incomplete"] = json!(full);
        let event = Event {
            kind: Kind::DataExported,
            actor: Actor::from(viewer),
            target: Some(viewer.user.id.0),
            session: Some(viewer.session_id),
            client,
        };
        audit::record(self.db.writer(), self.clock.now(), event).await?;
        Ok(exported)
    }

    async fn export_sessions(&self, viewer: &Viewer) -> Result<Vec<Value>, DbErr> {
        let sessions = self.sessions.list_kept(viewer.user.id).await?;
        let session = |session: &OwnSession| {
            json!({
                "id": session.id,
                "createdAt": text(session.created_at),
                "lastUsedAt": text(session.last_used_at),
                "ip": session.ip,
                "endedAt": session.ended_at.map(text),
                "userAgent": session.user_agent,
            })
        };
        Ok(sessions.iter().map(session).collect())
    }

    async fn export_events(&self, viewer: &Viewer) -> Result<Vec<Value>, DbErr> {
        let owner = viewer.user.id;
        let log = Log { db: self.db.clone() };
        let filter = Filter { about: Some(owner), ..Filter::default() };
        let mut listing =
            Listing { filter, after: None, before: None, size: PAGE_SIZE, from_end: false };
        let mut events = Vec::new();
        loop {
            let page = log.list(&listing).await?;
            listing.after = page.events.last().map(|event| event.place);
            events.extend(page.events.iter().map(|event| {
                // Of an admin who acted on the account, neither who it was nor from where.
                let is_own = event.actor.is_none_or(|actor| actor == owner);
                json!({
                    "id": event.place.id,
                    "createdAt": text(event.place.created_at),
                    "type": event.kind.map(Kind::as_str),
                    "ip": event.ip.filter(|_| is_own),
                    "userAgent": event.user_agent.as_ref().filter(|_| is_own),
                })
            }));
            if !page.has_more || events.len() >= EXPORT_ENTRIES_MAX {
                return Ok(events);
            }
            yield_now().await;
        }
    }
}

fn account(user: &User, now: DateTime<Utc>) -> Value {
    let grant = |grant: Grant| {
        json!({
            "permission": grant.permission.as_str(),
            "expiresAt": grant.expires_at.map(text),
        })
    };
    json!({
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "emailVerified": user.email_verified,
        "fullName": user.full_name,
        "role": user.role.as_str(),
        "permissionGrants": user.grants.at(now).map(grant).collect::<Vec<_>>(),
        "createdAt": text(user.created_at),
        "updatedAt": text(user.updated_at),
        "lastLoginAt": user.last_login_at.map(text),
    })
}
