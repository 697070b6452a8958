//! The audit log in the schema: all of it for who may see it, one's own for everybody.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::Utc;
use portcullis_macros::{Row, rules};
use sea_orm::DbErr;

use crate::features::audit::{
    EventPlace as Place, Filter, Kind, Listing, Log, Outcome, Recorded, Side,
};
use crate::graphql::connection::{Connection, Edge, Source};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Result};
use crate::graphql::id::Id;
use crate::graphql::json::put_plain;
use crate::graphql::loader::load_one;
use crate::graphql::page::{Beyond, Cursor, Window};
use crate::graphql::row::{leaves, put_enum};
use crate::graphql::rule::Rule;
use crate::kernel::access::permission::AUDIT_READ;
use crate::kernel::access::{self, Viewer, permission};
use crate::kernel::acting;
use crate::kernel::clock::Clock;
use crate::kernel::id::{AuditEventId, UserId};
use crate::kernel::invalid::{Invalid, Reason};
use crate::kernel::named;
use crate::schema::subscription::{self, Occurrence, Topic};
use crate::schema::user::{User, UserLoader};

/// The order's name inside cursors: there is one.
const ORDER: &str = "CREATED_AT DESC";

/// The outcome of the action.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Outcome")]
pub(crate) enum AuditEventOutcome {
    /// The action was carried out.
    Done,
    /// The server refused the action.
    Refused,
}

leaves!(ActorType, AuditEventOutcome => put_enum);
named!(Kind as "AuditEventType", "The type of an audit event.", Kind::parse);
leaves!(Kind => |kind: &Kind, json: &mut _| put_plain(kind.into_str(), json));

/// The kind of actor that caused an event.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "acting::ActorType")]
pub(crate) enum ActorType {
    /// A signed-in user.
    User,
    /// The operator, on the command line.
    Cli,
    /// The server itself.
    System,
    /// An unidentified client, or one that presented a token it was not entitled to use.
    Unknown,
}

/// A security-relevant event in the audit log.
#[derive(SimpleObject, Row, Clone)]
#[graphql(complex)]
pub(crate) struct AuditEvent {
    /// An opaque id that is unique across all types.
    pub(crate) id: Id,
    /// When the event happened. An event that stands for several refusals has the time of the first one.
    created_at: DateTime,
    /// The type of the event; null for a type that only a newer version of the server knows.
    r#type: Option<Kind>,
    /// The outcome of the action.
    outcome: AuditEventOutcome,
    /// The kind of actor that caused the event; null for a kind that only a newer version of the server knows.
    actor_type: Option<ActorType>,
    /// The user, key, organization or mail that the event affected.
    target: Option<Id>,
    /// The organization that the event happened in, unless the organization is the target.
    organization: Option<Id>,
    /// Details that depend on the type. For roles and permissions: the role, or the permission and its expiry, as in
    /// "USERS_READ until 2030-01-01T00:00:00Z". For AUDIT_PRUNED and AUDIT_SIGNED: the links of the log's chain that
    /// were removed or present, as the first and the last one with its digest. For MAIL_RETRIED: the number of mails,
    /// if the operator retried all of them. For METADATA_UPDATED: publicMetadata, privateMetadata or both. For events
    /// of other providers: the provider's id, as in signInProviders.
    detail: Option<String>,
    /// The IP address of the request; null once the server has erased it.
    ip: Option<String>,
    /// The `User-Agent` header of the request.
    user_agent: Option<String>,
    /// The id of the request, as in the server's log.
    request_id: Option<String>,
    /// The number of identical refusals that this event stands for; 1 for any other event.
    occurrences: i32,
    #[graphql(skip)]
    actor_id: Option<UserId>,
}

#[ComplexObject]
impl AuditEvent {
    /// The user who caused the event. Null if no user did, if that account no longer exists, or if the caller may not
    /// see it: other users are visible only with the permission USERS_READ.
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
    caller.id == id || caller.may(permission::USERS_READ, ctx.service::<Clock>().now())
}

impl From<Recorded> for AuditEvent {
    fn from(event: Recorded) -> Self {
        Self {
            id: Id::from(event.place.id),
            created_at: event.place.created_at.into(),
            r#type: event.kind,
            outcome: event.outcome.into(),
            actor_type: event.actor_type.map(Into::into),
            target: event.target_id(),
            organization: event.organization.map(Id::from),
            detail: event.detail,
            ip: event.ip.map(|ip| ip.to_string()),
            user_agent: event.user_agent,
            request_id: event.request_id,
            occurrences: i32::try_from(event.occurrences).unwrap_or(i32::MAX),
            actor_id: event.actor,
        }
    }
}

impl AuditEvent {
    /// The event as its owner may see it: of somebody else who acted on the account, an admin,
    /// neither who it was nor from where.
    fn of_owner(event: Recorded, owner: UserId) -> Self {
        let shown = Self::from(event);
        if shown.actor_id.is_none_or(|actor| actor == owner) {
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
    ids: &[Id],
    now: chrono::DateTime<Utc>,
) -> Result<Vec<AuditEvent>, DbErr> {
    let ids = Id::all::<AuditEventId>(ids);
    if viewer.user.may(permission::AUDIT_READ, now) {
        let events = log.find_all(&ids, None).await?;
        return Ok(events.into_iter().map(AuditEvent::from).collect());
    }
    let owner = viewer.user.id;
    let events = log.find_all(&ids, Some(owner)).await?;
    Ok(events.into_iter().map(|event| AuditEvent::of_owner(event, owner)).collect())
}

/// A filter for events. An event must match every given condition.
#[derive(InputObject, Default)]
pub(crate) struct AuditEventFilter {
    /// Only events of these types.
    types: Option<Vec<Kind>>,
    /// Only events that this user caused. The id of another user requires the permission USERS_READ, as the field actor
    /// does.
    actor_id: Option<ID>,
    /// Only events that affected this user, key or organization.
    target_id: Option<ID>,
    /// Only events at this time or later.
    from: Option<DateTime>,
    /// Only events before this time.
    until: Option<DateTime>,
}

/// The log, or those of its events that a filter means, the newest first. They are not counted: that would read the
/// whole log.
pub(crate) struct Events(Listing);

pub(crate) type AuditEventConnection = Connection<Events>;

impl AuditEventConnection {
    /// What was done by a user or to them.
    pub(crate) async fn about(log: &Log, window: Window, owner: UserId) -> Result<Self> {
        Self::load(log, window, Filter { about: Some(owner), ..Filter::default() }).await
    }

    async fn load(log: &Log, window: Window, filter: Filter) -> Result<Self> {
        let (part, about) = (window.part(ORDER)?, filter.about);
        let listing = Listing { filter, part: part.map(place) };
        let page = log.list(&listing).await?;
        Ok(Self::new(Events(listing), part, page, |event| {
            let Place { created_at, id } = event.place;
            let node = match about {
                Some(owner) => AuditEvent::of_owner(event, owner),
                None => AuditEvent::from(event),
            };
            Edge::new(node, Cursor { order: ORDER, key: created_at, id: id.into() })
        }))
    }
}

impl Source for Events {
    type Node = AuditEvent;
    type Key = chrono::DateTime<Utc>;
    const IS_COUNTED: bool = false;

    async fn reaches(&self, ctx: &Context<'_>, beyond: Beyond<'_, Self::Key>) -> Result<bool> {
        let Beyond { is_before, inclusive, .. } = beyond;
        let (log, side) = (ctx.service::<Log>(), Side { is_before, inclusive });
        Ok(log.exists_beyond(&self.0, place(*beyond.place), side).await?)
    }
}

fn place(Cursor { key, id, .. }: Cursor<chrono::DateTime<Utc>>) -> Place {
    Place { created_at: key, id: AuditEventId(id) }
}

#[derive(Default)]
pub(crate) struct AuditQuery;

#[rules(query)]
#[Object]
impl AuditQuery {
    /// The events in the audit log, newest first.
    #[auth(permission = AUDIT_READ)]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn audit_events(
        &self,
        ctx: &Context<'_>,
        window: Window,
        #[graphql(desc = "Selects events; all by default.")] filter: Option<AuditEventFilter>,
    ) -> Result<AuditEventConnection> {
        let filter = filter_of(ctx, filter)?;
        AuditEventConnection::load(ctx.service::<Log>(), window, filter).await
    }
}

#[derive(Default)]
pub(crate) struct AuditSubscription;

#[rules(subscription)]
#[Object]
impl AuditSubscription {
    /// Streams new events of the audit log: each event once, a second or two after it happened. The server ends the
    /// stream of a client that reads too slowly; read missed events with Query.auditEvents.
    #[auth(permission = AUDIT_READ)]
    async fn audit_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects events; all by default.")] filter: Option<AuditEventFilter>,
    ) -> Result<Option<AuditEvent>> {
        let about = Topic::Audit(filter_of(ctx, filter)?);
        Ok(match subscription::event(ctx, about) {
            Some(Occurrence::Audit(event)) => Some(AuditEvent::from(Recorded::clone(event))),
            Some(Occurrence::Session(_)) | None => None,
        })
    }
}

/// The events that a caller means, who must be allowed to mean them.
fn filter_of(ctx: &Context<'_>, filter: Option<AuditEventFilter>) -> Result<Filter> {
    let filter = parse_filter(filter.unwrap_or_default())?;
    let viewer = &ctx.viewer()?.user;
    if filter.actor.is_some_and(|id| !sees_actor(ctx, viewer, id)) {
        return Err(Rule::Permission(permission::USERS_READ).unmet());
    }
    Ok(filter)
}

fn parse_filter(filter: AuditEventFilter) -> Result<Filter> {
    if filter.types.as_ref().is_some_and(|types| types.len() > Kind::all().len()) {
        let message = "A filter must not list more types than exist.";
        return Err(Invalid::too_long(Kind::all().len(), message).at("filter.types").into());
    }
    let refused = |path| ApiError::argument(path, Reason::InvalidFormat, "This is not an id.");
    let actor =
        filter.actor_id.map(|id| UserId::parse(&id).ok_or_else(|| refused("filter.actorId")));
    let target =
        filter.target_id.map(|id| Id::parse(&id).ok_or_else(|| refused("filter.targetId")));
    Ok(Filter {
        kinds: filter.types,
        actor: actor.transpose()?,
        target: target.transpose()?.map(|id| id.uuid),
        about: None,
        from: filter.from.map(Into::into),
        until: filter.until.map(Into::into),
    })
}
