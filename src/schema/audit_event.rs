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

/// How it ended.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Outcome")]
pub(crate) enum AuditEventOutcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

leaves!(ActorType, AuditEventOutcome => put_enum);
named!(Kind as "AuditEventType", "What happened.", Kind::parse);
leaves!(Kind => |kind: &Kind, json: &mut _| put_plain(kind.into_str(), json));

/// What kind of actor did something.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "acting::ActorType")]
pub(crate) enum ActorType {
    /// A user, in their own name.
    User,
    /// The operator, at the command line.
    Cli,
    /// The server itself.
    System,
    /// Somebody who was not recognised, or presented a token that was not theirs to use.
    Unknown,
}

/// Something that matters to security.
#[derive(SimpleObject, Row, Clone)]
#[graphql(complex)]
pub(crate) struct AuditEvent {
    /// Unique over all types; opaque.
    pub(crate) id: Id,
    /// When it happened; of several refusals the first.
    created_at: DateTime,
    /// What happened; null for what only a newer version of the server knows.
    r#type: Option<Kind>,
    /// How it ended.
    outcome: AuditEventOutcome,
    /// What kind of actor did it; null for a kind that only a newer version of the server knows.
    actor_type: Option<ActorType>,
    /// The user, the key, the organization or the mail it happened to.
    target: Option<Id>,
    /// The organization it happened in, where that is not the target.
    organization: Option<Id>,
    /// What was given or taken: a role, or a permission and until when, as in "USERS_READ until
    /// 2030-01-01T00:00:00Z". Of AUDIT_PRUNED which links of the log's chain were removed, and of AUDIT_SIGNED
    /// which were there: the first, and the last with its digest. Of MAIL_RETRIED how many mails, if all of them. Of
    /// METADATA_UPDATED which: publicMetadata, privateMetadata or both. Of what is done with another provider, its id, as
    /// signInProviders has it.
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

/// Which events are meant; what is given must all be true.
#[derive(InputObject, Default)]
pub(crate) struct AuditEventFilter {
    /// Only events of these types.
    types: Option<Vec<Kind>>,
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
    /// What happened that matters to security, in pages, the newest first.
    #[auth(permission = AUDIT_READ)]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn audit_events(
        &self,
        ctx: &Context<'_>,
        window: Window,
        #[graphql(desc = "Which events are meant; all by default.")] filter: Option<
            AuditEventFilter,
        >,
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
    /// What the audit log seals from now on: each event once, a second or two after it happened. The server ends the stream of a
    /// client that reads too slowly; read the missed events with the query of the same name.
    #[auth(permission = AUDIT_READ)]
    async fn audit_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which events are meant; all by default.")] filter: Option<
            AuditEventFilter,
        >,
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
        let message = "A filter has at most as many types as there are";
        return Err(Invalid::too_long(Kind::all().len(), message).at("filter.types").into());
    }
    let refused = |path| ApiError::argument(path, Reason::InvalidFormat, "This is not an id");
    let actor = filter.actor.map(|id| UserId::parse(&id).ok_or_else(|| refused("filter.actor")));
    let target = filter.target.map(|id| Id::parse(&id).ok_or_else(|| refused("filter.target")));
    Ok(Filter {
        kinds: filter.types,
        actor: actor.transpose()?,
        target: target.transpose()?.map(|id| id.uuid),
        about: None,
        from: filter.from.map(Into::into),
        until: filter.until.map(Into::into),
    })
}
