//! The schema, put together from the slices. Building it needs no database.

pub(crate) mod audit_event;
mod config;
mod description;
pub(crate) mod entity;
pub(crate) mod factor;
mod fault;
mod federation;
pub(crate) mod identity;
pub(crate) mod node;
pub(crate) mod organization;
pub(crate) mod passkey;
mod provider;
pub(crate) mod recovery;
pub(crate) mod session;
pub(crate) mod session_event;
pub(crate) mod sign_in;
pub(crate) mod subscription;
#[cfg(test)]
mod tests;
pub(crate) mod user;
mod viewer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

use async_graphql::futures_util::future::BoxFuture;
use async_graphql::futures_util::stream::{BoxStream, StreamExt};
use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{MetaType, Registry};
use async_graphql::{
    Data, EmptyMutation, Executor, MergedObject, ObjectType, Request, Response, SDLExportOptions,
};
use axum::body::Bytes;
use moka::sync::Cache;

pub use self::description::parse as parse_sdl;
use self::node::{NodeQuery, NodeType, NodeTypes};
use self::subscription::Subscription;
use self::user::PublicUrl;
use crate::config::Config;
use crate::features::accounts::{Accounts, Admission};
use crate::features::audit::Log;
use crate::features::entities::Entities;
use crate::features::factors::Factors;
use crate::features::login::Login;
use crate::features::organizations::Organizations;
use crate::features::provider_login::ProviderLogin;
use crate::features::recovery::Recovery;
use crate::features::sessions::Tools;
use crate::graphql::cookie::Cookies;
use crate::graphql::document::SharedTypes;
use crate::graphql::feature::{Offered, ServerFeature};
use crate::graphql::policy::{Policies, Policy, Visible, has_rule, link};
use crate::graphql::rule::Rule;
use crate::graphql::subscription::EachEvent;
use crate::infra::limits::Rates;

/// The root of all queries.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub(crate) struct Query<E: ObjectType>(
    user::AccountQuery,
    user::InvitationQuery,
    viewer::ViewerQuery,
    config::ConfigQuery,
    provider::ProviderQuery,
    audit_event::AuditQuery,
    organization::OrganizationQuery,
    NodeQuery,
    federation::FederationQuery,
    E,
);

/// The root of all mutations.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub(crate) struct Mutation<E: ObjectType>(
    user::AccountMutation,
    user::AdministrationMutation,
    user::InvitationMutation,
    user::LeftoverMutation,
    user::MetadataMutation,
    user::OwnAccountMutation,
    session::SessionMutation,
    sign_in::LoginMutation,
    provider::ProviderLoginMutation,
    identity::IdentityMutation,
    factor::FactorMutation,
    passkey::PasskeyMutation,
    recovery::RecoveryMutation,
    organization::OrganizationMutation,
    organization::MembershipMutation,
    organization::MemberInvitationMutation,
    E,
);

/// What resolvers have from the program. A schema that is only shown has none of it.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) tools: Tools,
    pub(crate) log: Log,
    pub(crate) accounts: Accounts,
    pub(crate) login: Login,
    pub(crate) organizations: Organizations,
    pub(crate) provider_login: ProviderLogin,
    pub(crate) factors: Factors,
    pub(crate) recovery: Recovery,
    pub(crate) entities: Entities,
    pub(crate) public_url: PublicUrl,
    pub(crate) cookies: Cookies,
    pub(crate) sdl: Arc<ServedSdl>,
}

/// How a schema is made.
pub(crate) struct Making<'a> {
    pub(crate) visible: Visible,
    /// The rates that are set: limits are written with them.
    pub(crate) rates: &'a Rates,
    /// Whether a gateway asks the server for its part of a graph.
    pub(crate) is_federated: bool,
    /// Whether an error says "did you mean …", which names what introspection may not show.
    pub(crate) is_suggesting: bool,
    pub(crate) services: Option<Services>,
}

impl<'a> Making<'a> {
    /// One that is only shown.
    fn shown(visible: Visible, rates: &'a Rates) -> Self {
        Self { visible, rates, is_federated: false, is_suggesting: true, services: None }
    }
}

/// The roots of the schema of one program, and the types that its extension adds to the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Roots {
    make: fn(NodeTypes, Making<'_>) -> Schema,
    nodes: NodeTypes,
}

impl Default for Roots {
    /// Without an extension.
    fn default() -> Self {
        Self { make: make::<EmptyMutation, EmptyMutation>, nodes: NodeTypes::default() }
    }
}

/// Why an extension's roots do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RootError {
    #[error("the schema already has a field {0}: choose another name")]
    Taken(String),
    #[error(
        "the field {0} has no access rule: add `#[rules(query)]` or `#[rules(mutation)]` to its impl"
    )]
    Unruled(String),
}

impl Roots {
    /// With the fields of an extension.
    pub(crate) fn with<Q, M>(nodes: Vec<NodeType>) -> Result<Self, RootError>
    where
        Q: ObjectType + Default + 'static,
        M: ObjectType + Default + 'static,
    {
        let own = fields::<Query<EmptyMutation>>().chain(fields::<Mutation<EmptyMutation>>());
        let own: BTreeSet<String> = own.map(|(name, _)| name).collect();
        for (name, is_ruled) in fields::<Q>().chain(fields::<M>()) {
            if own.contains(&name) {
                return Err(RootError::Taken(name));
            }
            if !is_ruled {
                return Err(RootError::Unruled(name));
            }
        }
        Ok(Self { make: make::<Q, M>, nodes: NodeTypes(nodes.into()) })
    }

    pub(crate) fn make(&self, making: Making<'_>) -> Schema {
        (self.make)(self.nodes.clone(), making)
    }

    /// The access policy of the whole schema.
    pub(crate) fn policy(&self) -> Policy {
        self.make(Making::shown(Visible::All, &Rates::default())).policy
    }

    /// The schema in the definition language, sorted, of what `listing` says, with the rates that are set.
    pub(crate) fn export(&self, visible: Visible, rates: &Rates) -> String {
        self.export_made(Making::shown(visible, rates))
    }

    /// The same as a subgraph of a federated graph.
    pub(crate) fn export_subgraph(&self, policies: Policies, rates: &Rates) -> String {
        link(policies) + &self.export(Visible::AsSubgraph(policies), rates)
    }

    fn export_made(&self, making: Making<'_>) -> String {
        let options = SDLExportOptions::new()
            .sorted_fields()
            .sorted_arguments()
            .sorted_enum_items()
            .include_specified_by();
        description::describe(&self.make(making).executable.export(options))
    }
}

/// The fields of a root, and whether a rule stands at each.
fn fields<T: ObjectType>() -> impl Iterator<Item = (String, bool)> {
    let mut registry = Registry::default();
    T::create_type_info(&mut registry);
    let fields = match registry.types.remove(&*T::type_name()) {
        Some(MetaType::Object { fields, .. }) => fields,
        _ => IndexMap::default(),
    };
    fields.into_values().map(|field| {
        let is_ruled = has_rule(&field.directive_invocations);
        (field.name, is_ruled)
    })
}

/// The executable schema, whatever its roots are. Clones share it.
#[derive(Clone)]
pub(crate) struct Schema {
    executable: Arc<dyn Executable>,
    pub(crate) policy: Policy,
    pub(crate) types: SharedTypes,
}

trait Executable: Send + Sync {
    fn run(&self, request: Request) -> BoxFuture<'_, Response>;

    fn stream(&self, request: Request) -> BoxStream<'static, Response>;

    fn export(&self, options: SDLExportOptions) -> String;
}

impl<Q, M> Executable for async_graphql::Schema<Q, M, EachEvent<Subscription>>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
{
    fn run(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(self.execute(request))
    }

    fn stream(&self, request: Request) -> BoxStream<'static, Response> {
        self.execute_stream(request)
    }

    fn export(&self, options: SDLExportOptions) -> String {
        self.sdl_with_options(options)
    }
}

impl Schema {
    /// Executes a subscription for one moment of its stream.
    pub(crate) async fn happen(&self, request: Request) -> Response {
        self.executable.stream(request).next().await.unwrap_or_default()
    }
}

impl Executor for Schema {
    async fn execute(&self, mut request: Request) -> Response {
        let described = request.parsed_query().map(description::asked).unwrap_or_default();
        let mut response = self.executable.run(request).await;
        description::tell(&described, &mut response.data);
        response
    }

    fn execute_stream(
        &self,
        request: Request,
        _: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        self.executable.stream(request)
    }
}

/// The document's own limits are proven before it gets here; the library's stay on as a second
/// net. No extension of the library is registered: with one, every field of every row is looked up.
fn make<Q, M>(nodes: NodeTypes, making: Making<'_>) -> Schema
where
    Q: ObjectType + Default + 'static,
    M: ObjectType + Default + 'static,
{
    let (policy, types) = (Policy::default(), SharedTypes::default());
    let Making { visible, rates, is_federated, is_suggesting, services } = making;
    let joining = nodes.clone();
    let join = move |registry: &mut Registry| {
        joining.0.iter().for_each(|node| node.join(registry));
        match is_federated {
            true => federation::complete(registry),
            false => federation::leave_out(registry),
        }
    };
    let mut builder = async_graphql::Schema::build(
        Query::<Q>::default(),
        Mutation::<M>::default(),
        EachEvent(Subscription::default()),
    )
    .directive(policy.reader(Box::new(join), types.clone(), visible, rates.clone()))
    .data(policy.clone())
    .data(nodes)
    .limit_directives(5)
    .with_sorted_fields()
    .with_sorted_enums();
    if !is_suggesting {
        builder = builder.disable_suggestions();
    }
    if let Some(services) = services {
        let offered = offered(&services.accounts, &services.factors);
        let step_up = factor::step_up(&services);
        builder = builder
            .data(services.tools.db)
            .data(services.tools.clock)
            .data(services.log)
            .data(services.tools.sessions)
            .data(services.cookies)
            .data(services.accounts)
            .data(services.login)
            .data(services.organizations)
            .data(services.provider_login)
            .data(services.factors)
            .data(step_up)
            .data(services.recovery)
            .data(services.entities)
            .data(services.public_url)
            .data(services.sdl)
            .data(offered);
    }
    Schema { executable: Arc::new(builder.finish()), policy, types }
}

fn offered(accounts: &Accounts, factors: &Factors) -> Offered {
    let admission = accounts.registration().admission;
    let offers = [
        (ServerFeature::OpenRegistration, admission == Admission::Open),
        (ServerFeature::NewAccounts, admission != Admission::Closed),
        (ServerFeature::Mail, accounts.sends_mail()),
        (ServerFeature::Passkeys, factors.has_passkeys()),
    ];
    Offered(offers.into_iter().filter_map(|(feature, is_on)| is_on.then_some(feature)).collect())
}

/// The schema of a server without an extension, in the definition language, sorted, with the access policy as
/// directives.
#[must_use]
pub fn sdl() -> String {
    Roots::default().export(Visible::All, &Rates::default())
}

/// The limits whose rates may be set, and to how many attempts at most.
pub(crate) fn settable_limits() -> &'static BTreeMap<String, u32> {
    static LIMITS: LazyLock<BTreeMap<String, u32>> =
        LazyLock::new(|| Roots::default().policy().limits());
    &LIMITS
}

/// The schema in the definition language as this server has it.
pub(crate) struct ServedSdl {
    roots: Roots,
    rates: Rates,
    is_federated: bool,
    whole: OnceLock<Bytes>,
    subgraph: OnceLock<String>,
    own: Cache<Vec<Rule>, Bytes>,
}

/// There are few kinds of callers; a further one takes the place of another.
const KINDS_MAX: u64 = 32;

impl ServedSdl {
    pub(crate) fn new(config: &Config) -> Self {
        let roots = config.extended.roots.clone();
        let rates = config.rates.clone().unwrap_or_default();
        Self {
            roots,
            rates,
            is_federated: config.federation,
            whole: OnceLock::new(),
            subgraph: OnceLock::new(),
            own: Cache::new(KINDS_MAX),
        }
    }

    /// All of it, made once.
    pub(crate) fn whole(&self) -> Bytes {
        self.whole.get_or_init(|| self.export(Visible::All).into()).clone()
    }

    /// All of it as a subgraph of a federated graph, made once.
    pub(crate) fn subgraph(&self) -> &str {
        self.subgraph.get_or_init(|| self.roots.export_subgraph(Policies::LeftOut, &self.rates))
    }

    /// What callers see who meet these rules and no other, made once for all of them.
    pub(crate) fn own(&self, rules: &[Rule]) -> Bytes {
        self.own.get_with_by_ref(rules, || self.export(Visible::Only(rules.to_vec())).into())
    }

    fn export(&self, visible: Visible) -> String {
        let is_federated = self.is_federated;
        self.roots.export_made(Making { is_federated, ..Making::shown(visible, &self.rates) })
    }
}
