//! All that is kept of a person, for them to take along (DP-01).
//!
//! It may be hundreds of thousands of entries, so it is no answer of the API: that gives a ticket, by
//! which it is fetched for a minute ([`Accounts::open_export`]) and made page by page, as fast as it is taken.
//! Nothing is held meanwhile but the page.

mod under_way;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::under_way::Exports;
use self::under_way::Place;
use super::{Accounts, Holding, Metadata, store};
use crate::features::audit::{EventPlace, Filter, Kind, Listing, Log, kind};
use crate::features::change::{Fault, Tx, with_fault};
use crate::features::sessions::{OwnSession, Sessions};
use crate::infra::db::Db;
use crate::infra::keys::SealedToken;
use crate::infra::limits::{self, Limit, Limited};
use crate::kernel::access::{Grant, Origin, User};
use crate::kernel::acting::{Acting, Gone};
use crate::kernel::clock::Clock;
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::page;
use crate::kernel::rfc3339::text;

/// What keeps somebody from having all of it read again and again.
pub(crate) static EXPORTS: Limit<limits::User> = Limit::quota("exportMyData.user", 10, 60 * 60);

/// How long a ticket is good for.
pub(crate) const TICKET_TTL_SECONDS: u32 = 60;
const TICKET: SealedToken =
    SealedToken { prefix: "pce_", context: "export-ticket", length_max: 200 };
/// Entries read by one statement.
pub(crate) const PAGE_SIZE: u64 = 500;

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(ExportError);

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoExport {
    #[error("the ticket is unknown or has expired, or its session has ended")]
    Unknown,
    #[error("another export of the account is in progress")]
    UnderWay,
    #[error("too many exports are in progress")]
    Full,
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Some entries of a kind.
pub(crate) struct Entries {
    pub(crate) entries: Vec<Value>,
    /// After which the next ones come, if there are any.
    pub(crate) next: Option<Uuid>,
}

/// An export under way.
pub(crate) struct Export {
    db: Db,
    clock: Clock,
    sessions: Sessions,
    holdings: Arc<[Holding]>,
    place: Place,
    session: SessionId,
    part: Part,
}

/// What comes next in it.
enum Part {
    Beginning,
    Events {
        after: Option<EventPlace>,
    },
    /// Of the holding with this index.
    Holding {
        index: usize,
        after: Option<Uuid>,
    },
    Nothing,
}

impl Accounts {
    /// A ticket by which the caller may fetch all that is kept of them, from now on for a minute.
    pub(crate) async fn issue_export(
        &self,
        acting: Acting<'_>,
        exports: &Limit<limits::User>,
    ) -> Result<String, ExportError> {
        let viewer = acting.caller()?;
        self.limits.take([exports.of(viewer.user.id)]).await?;
        self.sessions.confirmed(self.db.reader(), viewer).await?;
        let now = self.clock.now();
        let ends = now + TimeDelta::seconds(TICKET_TTL_SECONDS.into());
        let plain = [
            &viewer.user.id.0.as_bytes()[..],
            viewer.session_id.0.as_bytes(),
            &ends.timestamp().to_be_bytes(),
        ];
        Ok(TICKET.seal(&self.setup.master, &plain.concat())?)
    }

    /// The export that a ticket is for.
    pub(crate) async fn open_export(
        &self,
        origin: &Origin,
        ticket: &str,
    ) -> Result<Export, NoExport> {
        let (user, session, ends) = self.read_ticket(ticket).ok_or(NoExport::Unknown)?;
        let is_over = self.clock.now().timestamp() >= ends;
        if is_over || !self.sessions.lives(self.db.reader(), session, user).await? {
            return Err(NoExport::Unknown);
        }
        let place = self.exports.enter(user)?;
        let acting = Acting::user(user, origin).within(session);
        let record = async |tx: Tx<'_>| {
            tx.record(kind::DATA_EXPORTED, user);
            tx.commit(()).await
        };
        self.changes.run("export", acting, record).await?;
        Ok(Export {
            db: self.db.clone(),
            clock: self.clock.clone(),
            sessions: self.sessions.clone(),
            holdings: Arc::clone(&self.setup.holdings),
            place,
            session,
            part: Part::Beginning,
        })
    }

    fn read_ticket(&self, ticket: &str) -> Option<(UserId, SessionId, i64)> {
        let plain = TICKET.open(&self.setup.master, ticket)?;
        let (user, rest) = plain.split_first_chunk::<16>()?;
        let (session, rest) = rest.split_first_chunk::<16>()?;
        let ends = i64::from_be_bytes(rest.try_into().ok()?);
        Some((UserId(Uuid::from_bytes(*user)), SessionId(Uuid::from_bytes(*session)), ends))
    }
}

impl Export {
    /// The next piece of it: all of them together are one JSON object. Of no secret it holds more than that
    /// there is one.
    ///
    /// It goes no further when the session ends that it was asked from.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Fault> {
        if !self.sessions.lives(self.db.reader(), self.session, self.place.user).await? {
            return Err(Gone.into());
        }
        let piece = match self.part {
            Part::Beginning => self.begin().await?,
            Part::Events { after } => self.events(after).await?,
            Part::Holding { index, after } => self.holding(index, after).await?,
            Part::Nothing => return Ok(None),
        };
        Ok(Some(piece))
    }

    async fn begin(&mut self) -> Result<String, DbErr> {
        let now = self.clock.now();
        let user = store::find_all(&self.db, &[self.place.user]).await?.pop();
        let metadata = Accounts::find_metadata(&self.db, &[self.place.user]).await?.pop();
        let metadata = metadata.map(|(_, metadata)| metadata).unwrap_or_default();
        let account = json!(user.as_ref().map(|user| account(user, &metadata, now)));
        let sessions = self.sessions.list_kept(self.place.user).await?;
        let sessions: Value = sessions.iter().map(session).collect();
        self.part = Part::Events { after: None };
        let exported_at = json!(text(now));
        Ok(format!(
            "{{\"exportedAt\":{exported_at},\"account\":{account},\"sessions\":{sessions},\
             \"securityEvents\":["
        ))
    }

    async fn events(&mut self, after: Option<EventPlace>) -> Result<String, DbErr> {
        let owner = self.place.user;
        let log = Log::new(self.db.clone());
        let filter = Filter { about: Some(owner), ..Filter::default() };
        let part = page::Part { after, before: None, size: PAGE_SIZE, from_end: false };
        let listing = Listing { filter, part };
        let page = log.list(&listing).await?;
        let entries = page.rows.iter().map(|event| {
            // Of an admin who acted on the account, neither who it was nor from where.
            let is_own = event.actor.is_none_or(|actor| actor == owner);
            json!({
                "id": event.place.id,
                "createdAt": text(event.place.created_at),
                "type": event.kind.map(Kind::into_str),
                "ip": event.ip.filter(|_| is_own),
                "userAgent": event.user_agent.as_ref().filter(|_| is_own),
            })
        });
        let mut piece = list(after.is_none(), entries);
        let last = page.rows.last().map(|event| event.place);
        match last.filter(|_| page.has_more) {
            Some(last) => self.part = Part::Events { after: Some(last) },
            None => piece += &self.enter(0),
        }
        Ok(piece)
    }

    async fn holding(&mut self, index: usize, after: Option<Uuid>) -> Result<String, DbErr> {
        let export = self.holdings[index].export;
        let Entries { entries, next } = export(&self.db, self.place.user, after).await?;
        let mut piece = list(after.is_none(), entries);
        match next {
            Some(_) => self.part = Part::Holding { index, after: next },
            None => piece += &self.enter(index + 1),
        }
        Ok(piece)
    }

    /// Ends a list, and begins that of the holding with this index, if there is one.
    fn enter(&mut self, index: usize) -> String {
        let Some(holding) = self.holdings.get(index) else {
            self.part = Part::Nothing;
            return "]}".to_owned();
        };
        self.part = Part::Holding { index, after: None };
        format!("],{}:[", json!(holding.name))
    }
}

/// Entries of a list, which is at its first ones or not.
fn list(is_first: bool, entries: impl IntoIterator<Item = Value>) -> String {
    let mut text = String::new();
    for (index, entry) in entries.into_iter().enumerate() {
        if index > 0 || !is_first {
            text.push(',');
        }
        text += &entry.to_string();
    }
    text
}

fn session(session: &OwnSession) -> Value {
    json!({
        "id": session.id,
        "createdAt": text(session.created_at),
        "lastUsedAt": text(session.last_used_at),
        "ip": session.ip,
        "endedAt": session.ended_at.map(text),
        "userAgent": session.user_agent,
    })
}

fn account(user: &User, metadata: &Metadata, now: DateTime<Utc>) -> Value {
    let grant = |grant: Grant| {
        json!({
            "permission": grant.permission.into_str(),
            "expiresAt": grant.expires_at.map(text),
        })
    };
    let object =
        |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "emailVerified": user.email_verified,
        "fullName": user.full_name,
        "avatarUrl": user.avatar_url,
        "publicMetadata": object(metadata.public.as_deref()),
        // What is kept of a person is theirs to know, whoever else sees it.
        "privateMetadata": object(metadata.private.as_deref()),
        "locale": user.locale.into_str(),
        "role": user.role.into_str(),
        "secondFactor": user.second_factor,
        "permissionGrants": user.grants.at(now).map(grant).collect::<Vec<_>>(),
        "createdAt": text(user.created_at),
        "updatedAt": text(user.updated_at),
        "lastLoginAt": user.last_login_at.map(text),
    })
}
