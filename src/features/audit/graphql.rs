//! The audit log in the schema: all of it for who may see it, one's own for everybody.

mod event_type;

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::Utc;
use portcullis_macros::rules;
use sea_orm::DbErr;
use uuid::Uuid;

pub(crate) use self::event_type::AuditEventType;
use super::listing::{Filter, Listing, Log, Page, Place, Recorded, Side};
use crate::features::accounts::graphql::{User, UserLoader};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Result};
use crate::graphql::loader::load_one;
use crate::graphql::page::{Cursor, PageInfo, Size, Window};
use crate::kernel::access::{self, Permission, Viewer};
use crate::kernel::clock::Clock;
use crate::kernel::id::{AuditEventId, UserId};
use crate::kernel::rfc3339;

/// The order's name inside cursors: there is one.
const ORDER: &str = "CREATED_AT DESC";
/// More kinds than there are say nothing.
const TYPES_MAX: usize = 64;

/// How it ended.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuditEventOutcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

/// Something that matters to security.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub(crate) struct AuditEvent {
    /// Unique over all types; opaque.
    pub(crate) id: ID,
    /// When it happened; of several refusals the first.
    created_at: DateTime,
    /// What happened; null for what only a newer version of the server knows.
    r#type: Option<AuditEventType>,
    /// How it ended.
    outcome: AuditEventOutcome,
    /// USER, CLI for the operator, SYSTEM for the server, or UNKNOWN.
    actor_type: String,
    /// The user, the key, the organization or the mail it happened to.
    target: Option<ID>,
    /// The organization it happened in, where that is not the target.
    organization: Option<ID>,
    /// What was given or taken: a role, or a permission and until when, as in "USERS_READ until
    /// 2030-01-01T00:00:00Z". Of AUDIT_PRUNED which links of the log's chain were removed, and of AUDIT_SIGNED
    /// which were there: the first, and the last with its digest. Of MAIL_RETRIED how many mails, if all of them.
    detail: Option<String>,
    /// The address it came from, until that is erased.
    ip: Option<String>,
    /// The program it came from, as that calls itself.
    user_agent: Option<String>,
    /// The request it happened in, as the log names it.
    request_id: Option<String>,
    /// How many alike refusals this stands for; else 1.
    occurrences: i32,
    #[graphql(skip)]
    actor_id: Option<UserId>,
}

#[ComplexObject]
impl AuditEvent {
    /// The user who did it, if one did who still exists. Null for callers who may not see them: of others, that
    /// takes permission USERS_READ.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let Some(id) = self.actor_id else { return Ok(None) };
        match sees_actor(ctx, &ctx.viewer()?.user, id) {
            true => load_one::<UserLoader, _>(ctx, id).await,
            false => Ok(None),
        }
    }
}

/// Whether a caller may see that this user did something.
fn sees_actor(ctx: &Context<'_>, caller: &access::User, id: UserId) -> bool {
    caller.id == id || caller.may(Permission::UsersRead, ctx.service::<Clock>().now())
}

impl From<&Recorded> for AuditEvent {
    fn from(event: &Recorded) -> Self {
        Self {
            id: event.place.id.to_string().into(),
            created_at: event.place.created_at.into(),
            r#type: event.kind.map(Into::into),
            outcome: match event.is_done {
                true => AuditEventOutcome::Done,
                false => AuditEventOutcome::Refused,
            },
            actor_type: event.actor_kind.clone(),
            target: event.target.map(|id| id.to_string().into()),
            organization: event.organization.map(|id| id.to_string().into()),
            detail: event.detail.clone(),
            ip: event.ip.map(|ip| ip.to_string()),
            user_agent: event.user_agent.clone(),
            request_id: event.request_id.clone(),
            occurrences: i32::try_from(event.occurrences).unwrap_or(i32::MAX),
            actor_id: event.actor,
        }
    }
}

impl AuditEvent {
    /// The event as its owner may see it: of somebody else who acted on the account, an admin,
    /// neither who it was nor from where.
    fn of_owner(event: &Recorded, owner: UserId) -> Self {
        let shown = Self::from(event);
        if event.actor.is_none_or(|actor| actor == owner) {
            return shown;
        }
        Self { ip: None, user_agent: None, request_id: None, actor_id: None, ..shown }
    }
}

/// Those of the ids that are events the caller sees: with permission all, else what they did or what
/// happened to their account.
pub(crate) async fn visible(
    log: &Log,
    viewer: &Viewer,
    ids: &[Uuid],
    now: chrono::DateTime<Utc>,
) -> Result<Vec<AuditEvent>, DbErr> {
    let ids: Vec<_> = ids.iter().copied().map(AuditEventId).collect();
    if viewer.user.may(Permission::AuditRead, now) {
        let events = log.find_all(&ids, None).await?;
        return Ok(events.iter().map(AuditEvent::from).collect());
    }
    let owner = viewer.user.id;
    let events = log.find_all(&ids, Some(owner)).await?;
    Ok(events.iter().map(|event| AuditEvent::of_owner(event, owner)).collect())
}

/// Which events are meant; what is given must all be true.
#[derive(InputObject, Default)]
pub(crate) struct AuditEventFilter {
    /// Only events of these types.
    types: Option<Vec<AuditEventType>>,
    /// Only what this user did. For another than the caller it takes permission USERS_READ, as to see the
    /// actor of an event does.
    actor: Option<ID>,
    /// Only what happened to this user, key or organization.
    target: Option<ID>,
    /// Only events at this time or later.
    from: Option<DateTime>,
    /// Only events before this time.
    until: Option<DateTime>,
}

/// An event in a list.
#[derive(SimpleObject)]
pub(crate) struct AuditEventEdge {
    /// The event.
    node: AuditEvent,
    /// Where the event stands; opaque.
    cursor: String,
}

/// A page of events, the newest first.
pub(crate) struct AuditEventConnection {
    listing: Listing,
    events: Vec<Recorded>,
    has_more: bool,
}

impl AuditEventConnection {
    /// What was done by a user or to them.
    pub(crate) async fn about(log: &Log, window: Window, owner: UserId) -> Result<Self> {
        Self::load(log, window, Filter { about: Some(owner), ..Filter::default() }).await
    }

    async fn load(log: &Log, window: Window, filter: Filter) -> Result<Self> {
        let size = Size::parse(window.first, window.last)?;
        let listing = Listing {
            filter,
            after: window.after.map(|text| parse_place("after", &text)).transpose()?,
            before: window.before.map(|text| parse_place("before", &text)).transpose()?,
            size: size.count,
            from_end: size.from_end,
        };
        let Page { events, has_more } = log.list(&listing).await.map_err(ApiError::database)?;
        Ok(Self { listing, events, has_more })
    }

    /// Whether anything stands before the page, or else after it: known without asking on the side
    /// the page was read towards, and on a side without a cursor.
    async fn has_beyond(&self, log: &Log, is_before: bool) -> Result<bool> {
        if is_before == self.listing.from_end && self.has_more {
            return Ok(true);
        }
        let bound = if is_before { self.listing.after } else { self.listing.before };
        let Some(bound) = bound else { return Ok(false) };
        let edge = if is_before { self.events.first() } else { self.events.last() };
        let (place, inclusive) = edge.map_or((bound, true), |event| (event.place, false));
        let side = Side { is_before, inclusive };
        log.exists_beyond(&self.listing, place, side).await.map_err(ApiError::database)
    }
}

/// A page of events, the newest first. They are not counted: that would read the whole log.
#[Object]
impl AuditEventConnection {
    /// The events of this page.
    async fn edges(&self) -> Vec<AuditEventEdge> {
        let node = |event: &Recorded| match self.listing.filter.about {
            Some(owner) => AuditEvent::of_owner(event, owner),
            None => AuditEvent::from(event),
        };
        let edge = |event| AuditEventEdge { node: node(event), cursor: cursor(event) };
        self.events.iter().map(edge).collect()
    }

    /// Which part of the list this is.
    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        let (log, asked) = (ctx.service::<Log>(), ctx.look_ahead());
        let mut page = PageInfo {
            has_next_page: false,
            has_previous_page: false,
            start_cursor: self.events.first().map(cursor),
            end_cursor: self.events.last().map(cursor),
        };
        if asked.field("hasNextPage").exists() {
            page.has_next_page = self.has_beyond(log, false).await?;
        }
        if asked.field("hasPreviousPage").exists() {
            page.has_previous_page = self.has_beyond(log, true).await?;
        }
        Ok(page)
    }
}

#[derive(Default)]
pub(crate) struct AuditQuery;

#[rules(query)]
#[Object]
impl AuditQuery {
    /// What happened that matters to security, in pages, the newest first.
    #[auth(permission = AuditRead)]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn audit_events(
        &self,
        ctx: &Context<'_>,
        window: Window,
        #[graphql(desc = "Which events are meant; all by default.")] filter: Option<
            AuditEventFilter,
        >,
    ) -> Result<AuditEventConnection> {
        let filter = parse_filter(filter.unwrap_or_default())?;
        let viewer = &ctx.viewer()?.user;
        if filter.actor.is_some_and(|id| !sees_actor(ctx, viewer, UserId(id))) {
            return Err(ApiError::forbidden());
        }
        AuditEventConnection::load(ctx.service::<Log>(), window, filter).await
    }
}

fn parse_filter(filter: AuditEventFilter) -> Result<Filter> {
    if filter.types.as_ref().is_some_and(|types| types.len() > TYPES_MAX) {
        let message = "A filter has at most 64 types";
        return Err(ApiError::argument("filter.types", "TOO_LONG", message));
    }
    let id = |path, id: Option<ID>| id.map(|id| parse_id(path, &id)).transpose();
    Ok(Filter {
        kinds: filter.types.map(|types| types.into_iter().map(Into::into).collect()),
        actor: id("filter.actor", filter.actor)?,
        target: id("filter.target", filter.target)?,
        about: None,
        from: filter.from.map(Into::into),
        until: filter.until.map(Into::into),
    })
}

fn parse_id(path: &'static str, id: &ID) -> Result<Uuid> {
    let refused = |_| ApiError::argument(path, "INVALID_FORMAT", "This is not an id");
    Uuid::try_parse(id).map_err(refused)
}

fn cursor(event: &Recorded) -> String {
    let Place { created_at, id } = event.place;
    let key = rfc3339::text(created_at);
    Cursor { order: ORDER.to_owned(), key, id: id.to_string() }.encode()
}

fn parse_place(path: &'static str, text: &str) -> Result<Place> {
    let cursor = Cursor::parse(path, text, ORDER)?;
    rfc3339::parse(&cursor.key)
        .zip(Uuid::try_parse(&cursor.id).ok())
        .map(|(time, id)| Place { created_at: time, id: AuditEventId(id) })
        .ok_or_else(|| ApiError::argument(path, "INVALID_FORMAT", "This is not a cursor"))
}
