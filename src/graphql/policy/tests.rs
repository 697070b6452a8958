use std::collections::BTreeSet;

use async_graphql::{
    EmptyMutation, EmptySubscription, ID, Interface, Object, Request, Schema, SimpleObject,
};
use chrono::DateTime;
use portcullis_macros::rules;
use uuid::Uuid;

use super::*;
use crate::graphql::context::Caller;
use crate::graphql::directive::{OwnerOnly, auth, covers, owner};
use crate::graphql::feature::{Offered, ServerFeature};
use crate::kernel::access::permission::USERS_READ;
use crate::kernel::access::{
    Anonymity, Authentication, Covers, Credential, Grants, Language, Origin, Proofs, Proven, Role,
    TokenMode, User, Viewer,
};
use crate::kernel::clock::Clock;
use crate::kernel::id::{SessionId, UserId};

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"))]
enum Thing {
    Shown(Shown),
    Kept(Kept),
}

#[derive(SimpleObject, Default)]
struct Shown {
    id: ID,
}

#[derive(SimpleObject, Default)]
struct Kept {
    id: ID,
}

struct Query;

#[rules(query)]
#[Object]
impl Query {
    /// A shown thing.
    #[public]
    async fn shown(&self) -> Shown {
        Shown::default()
    }

    /// A thing.
    #[auth]
    #[fresh]
    async fn thing(&self) -> Thing {
        Thing::Kept(Kept::default())
    }

    /// Mails.
    #[auth]
    #[needs(Mail)]
    async fn mails(&self) -> Shown {
        Shown::default()
    }

    /// The rule that a call of `mails` does not meet.
    #[public]
    async fn mails_rule(&self, ctx: &Context<'_>) -> Option<String> {
        let asked = ctx.data_unchecked::<Policy>().ask(ctx, Place::default(), "Query.mails");
        asked.unwrap().err().map(|unmet| unmet.rule)
    }
}

fn schema(visible: Visible) -> Schema<Query, EmptyMutation, EmptySubscription> {
    offering(visible, Vec::new())
}

fn offering(
    visible: Visible,
    features: Vec<ServerFeature>,
) -> Schema<Query, EmptyMutation, EmptySubscription> {
    let policy = Policy::default();
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .directive(policy.reader(
            Box::new(|_| ()),
            SharedTypes::default(),
            visible,
            Rates::default(),
        ))
        .data(policy)
        .data(Offered(features))
        .data(Clock::manual(DateTime::UNIX_EPOCH))
        .finish()
}

fn viewer() -> Authentication {
    let now = DateTime::UNIX_EPOCH;
    let user = User {
        id: UserId(Uuid::nil()),
        username: "alice".into(),
        email: "alice@example.com".into(),
        email_verified: false,
        full_name: None,
        avatar_url: None,
        role: Role::User,
        is_active: true,
        created_at: now,
        updated_at: now,
        last_login_at: None,
        locale: Language::English,
        grants: Grants::default(),
        second_factor: false,
    };
    Authentication::Viewer(Viewer {
        user: Arc::new(user),
        session_id: SessionId(Uuid::nil()),
        session_mode: TokenMode::Cookie,
        credential: Credential::Cookie { expires_at: now },
        proven: Proven { at: now, by: Proofs::PASSWORD },
        session_expires_at: now,
        organization: None,
    })
}

fn caller(authentication: Authentication) -> Caller {
    Caller {
        authentication,
        client: Origin::CLI,
        bearer: None,
        session_cookie: None,
        device_cookie: None,
        flow_cookie: None,
        admitted: OnceLock::new(),
    }
}

async fn listed(authentication: Authentication) -> Vec<String> {
    let request = Request::new("{ __schema { types { name } } }").data(caller(authentication));
    let answer = schema(Visible::OwnOfEach).execute(request).await.data.into_json().unwrap();
    let types = answer["__schema"]["types"].as_array().unwrap();
    let names = types.iter().map(|of| of["name"].as_str().unwrap().to_owned());
    names.filter(|name| ["Kept", "Shown", "Thing"].contains(&name.as_str())).collect()
}

#[test]
fn every_rule_is_written_its_own_way_and_read_back() {
    let written: BTreeSet<_> = Rule::all().map(|rule| auth::of(rule).sdl()).collect();
    assert_eq!(written.len(), Rule::all().count());
    for rule in Rule::all() {
        assert_eq!(auth::read(&auth::of(rule)), Some(rule));
    }
}

#[test]
fn rules_about_what_a_call_names_are_read_back_as_they_were_written() {
    for permission in [None, Some(USERS_READ)] {
        let rule = OwnerOnly { or_permission: permission };
        assert_eq!(owner::read(&owner::apply(permission)), Some(rule));
    }
    assert_eq!(owner::apply(None).sdl(), "@owner");
    for others in [false, true] {
        assert_eq!(covers::read(&covers::apply(Covers { others })), Some(Covers { others }));
    }
    assert_eq!(covers::apply(Covers { others: false }).sdl(), "@covers");
}

#[tokio::test]
async fn an_interface_is_listed_to_whom_a_field_gives_it_and_with_it_its_types() {
    assert_eq!(listed(Authentication::Anonymous(Anonymity::MissingToken)).await, ["Shown"]);
    assert_eq!(listed(viewer()).await, ["Kept", "Shown", "Thing"]);

    let nobodys = schema(Visible::Only(Vec::new())).sdl();
    assert!(nobodys.contains("type Shown {"), "{nobodys}");
    assert!(!nobodys.contains("Thing") && !nobodys.contains("Kept"), "{nobodys}");
    let own = schema(Visible::Only(vec![Rule::SignedIn])).sdl();
    assert!(own.contains("type Shown implements Thing {") && own.contains("type Kept"), "{own}");
}

#[test]
fn a_rule_ends_the_description_of_its_field() {
    let sdl = schema(Visible::All).sdl();
    assert!(sdl.contains("A shown thing.\n\tRequires no sign-in."), "{sdl}");
    let thing = "A thing.\n\tRequires a signed-in caller, and a sign-in or `reauthenticate` within the last 5 minutes.";
    assert!(sdl.contains(thing), "{sdl}");
    let mails = "Mails.\n\tRequires a signed-in caller. Available only if the server sends mail.";
    assert!(sdl.contains(mails), "{sdl}");
}

#[tokio::test]
async fn what_the_server_does_not_offer_is_refused_to_whoever_may_call_and_told_before() {
    let nobody = || Authentication::Anonymous(Anonymity::MissingToken);
    for (features, authentication, code, rule) in [
        (vec![], nobody(), Some("UNAUTHENTICATED"), Some("@auth")),
        (vec![], viewer(), Some("FORBIDDEN"), Some("@needs(features: [MAIL])")),
        (
            vec![ServerFeature::NewAccounts],
            viewer(),
            Some("FORBIDDEN"),
            Some("@needs(features: [MAIL])"),
        ),
        (vec![ServerFeature::Mail], viewer(), None, None),
    ] {
        let schema = offering(Visible::All, features);
        let request = Request::new("{ mails { id } mailsRule }").data(caller(authentication));
        let answer = schema.execute(request).await;
        let data = answer.data.into_json().unwrap();
        assert_eq!(data["mailsRule"].as_str(), rule);
        assert_eq!(data["mails"].is_null(), code.is_some());
        let told = answer.errors.first().and_then(|error| error.extensions.as_ref());
        assert_eq!(told.and_then(|told| told.get("code")), code.map(Into::into).as_ref());
        let feature = told.and_then(|told| told.get("feature")).map(ToString::to_string);
        assert_eq!(feature, (code == Some("FORBIDDEN")).then(|| "MAIL".to_owned()));
    }
}
