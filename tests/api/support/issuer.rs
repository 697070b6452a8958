//! A stand-in for an OpenID provider: strict with its clients, and wrong in whatever way a test wants.

mod endpoints;
pub(crate) mod fault;
pub(crate) mod keys;
mod token;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use portcullis::Clock;
use serde_json::{Map, Value};

use self::fault::{Fault, TokenFault};
use self::keys::{Algorithm, FIRST, KeySet, SECOND};
use self::token::Subject;
use super::listener::Listener;
use super::start_of_time;

/// What the client is called. In the header that authenticates it, it has to be encoded.
pub(crate) const CLIENT_ID: &str = "portcullis:test";
/// Its secret, likewise.
pub(crate) const CLIENT_SECRET: &str = "a+secret/of 100% =&";

/// Whoever is at the browser, as the issuer knows them.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) sub: String,
    pub(crate) email: Option<String>,
    /// Whatever JSON, or nothing.
    pub(crate) email_verified: Option<Value>,
    pub(crate) name: Option<String>,
    pub(crate) preferred_username: Option<String>,
    pub(crate) picture: Option<String>,
}

impl Person {
    /// Somebody with a proven address of that name.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            sub: format!("sub-of-{name}"),
            email: Some(format!("{name}@example.com")),
            email_verified: Some(true.into()),
            name: Some(format!("{name} of the issuer")),
            preferred_username: Some(name.to_owned()),
            picture: None,
        }
    }

    /// What is told of them beside who they are.
    fn facts(&self) -> Map<String, Value> {
        let text = |value: &Option<String>| value.clone().map(Value::from);
        let facts = [
            ("email", text(&self.email)),
            ("email_verified", self.email_verified.clone()),
            ("name", text(&self.name)),
            ("preferred_username", text(&self.preferred_username)),
            ("picture", text(&self.picture)),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// When the person has last shown who they are.
#[derive(Clone, Debug)]
pub(crate) enum AuthTime {
    /// Just now.
    Now,
    /// Says nothing about that.
    Absent,
    Is(Value),
}

/// What the issuer has its client show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// The secret, in a header.
    Basic,
    /// The secret, in the form.
    Post,
    /// Nothing: it has no secret.
    None,
}

/// How the issuer behaves.
#[derive(Clone)]
pub(crate) struct Conduct {
    pub(crate) person: Person,
    pub(crate) auth_time: AuthTime,
    /// Whom ID tokens are for.
    pub(crate) audience: String,
    pub(crate) fault: Option<Fault>,
    pub(crate) algorithm: Algorithm,
    pub(crate) client_auth: ClientAuth,
    /// Says in its answers who it is, as it announces (RFC 9207).
    pub(crate) names_itself: bool,
    /// Says what it knows about people at its userinfo endpoint, and not in the ID token.
    pub(crate) has_facts_at_userinfo: bool,
    pub(crate) clock: Clock,
    /// Where answers may be sent.
    pub(crate) redirect_uri: String,
    /// Publishes odd keys beside its own.
    pub(crate) has_odd_keys: bool,
    /// What it signs with, and publishes.
    keys: &'static KeySet,
}

impl Conduct {
    fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    fn auth_time(&self) -> Option<Value> {
        match &self.auth_time {
            AuthTime::Now => Some(self.now().into()),
            AuthTime::Absent => None,
            AuthTime::Is(value) => Some(value.clone()),
        }
    }

    fn token_fault(&self) -> Option<TokenFault> {
        match self.fault {
            Some(Fault::Token(fault)) => Some(fault),
            _ => None,
        }
    }

    fn says_facts_in_token(&self) -> bool {
        !self.has_facts_at_userinfo && !matches!(self.fault, Some(Fault::Userinfo(_)))
    }
}

/// A request for a code that was granted.
struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
    is_used: bool,
    /// As it was when the person agreed.
    person: Person,
}

/// What the issuer has seen.
#[derive(Default)]
struct Seen {
    /// Codes, by their text.
    grants: HashMap<String, Grant>,
    /// Whose access token it is.
    access_tokens: HashMap<String, Person>,
    /// What the last request for a code said.
    request: BTreeMap<String, String>,
    /// What clients did that no client may.
    violations: Vec<String>,
    /// Requests, by their paths.
    hits: BTreeMap<String, usize>,
    issued: u64,
}

struct Shared {
    /// What it is called: its origin, and perhaps a path.
    url: String,
    /// That path.
    path: &'static str,
    conduct: Mutex<Conduct>,
    seen: Mutex<Seen>,
}

/// A running issuer. It ends when it is dropped.
pub(crate) struct Issuer {
    shared: Arc<Shared>,
    listener: Listener,
}

impl Issuer {
    /// Starts one that is known as the provider `id` to a server at `http://localhost:8000`.
    pub(crate) async fn start(id: &str) -> Self {
        Self::start_at(id, "").await
    }

    /// The same below a path, as issuers have that are many at one address.
    pub(crate) async fn start_at(id: &str, path: &'static str) -> Self {
        let conduct = Conduct {
            person: Person::named("alice"),
            auth_time: AuthTime::Now,
            audience: CLIENT_ID.to_owned(),
            fault: None,
            algorithm: Algorithm::default(),
            client_auth: ClientAuth::Basic,
            names_itself: true,
            has_facts_at_userinfo: false,
            clock: Clock::manual(start_of_time()),
            redirect_uri: format!("http://localhost:8000/callback/{id}"),
            has_odd_keys: false,
            keys: &FIRST,
        };
        let socket = Listener::bind(None).await;
        let shared = Arc::new(Shared {
            url: format!("http://{}{path}", socket.local_addr().unwrap()),
            path,
            conduct: Mutex::new(conduct),
            seen: Mutex::default(),
        });
        let listener = Listener::start(socket, endpoints::router(&shared));
        Self { shared, listener }
    }

    /// What it is called.
    pub(crate) fn url(&self) -> &str {
        &self.shared.url
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Has it behave differently from now on.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Conduct)) {
        change(&mut self.shared.conduct.lock().unwrap());
    }

    /// Has this person at the browser from now on.
    pub(crate) fn has(&self, person: Person) {
        self.set(|conduct| conduct.person = person);
    }

    /// Signs with other keys from now on, and publishes those alone.
    pub(crate) fn rotate(&self) {
        self.set(|conduct| conduct.keys = &SECOND);
    }

    /// Ends on the spot, with all its connections.
    pub(crate) fn stop(&mut self) {
        self.listener.stop();
    }

    /// Is there again, at the same address.
    pub(crate) async fn come_back(&mut self) {
        let socket = Listener::bind(Some(self.address())).await;
        self.listener = Listener::start(socket, endpoints::router(&self.shared));
    }

    /// An ID token that nobody has asked for with a code.
    pub(crate) fn id_token(&self, nonce: &str) -> String {
        let conduct = self.shared.conduct.lock().unwrap();
        self.shared.id_token(&conduct, nonce)
    }

    /// What the last request for a code said.
    pub(crate) fn request(&self) -> BTreeMap<String, String> {
        self.seen().request.clone()
    }

    /// What clients did that no client may.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.seen().violations.clone()
    }

    /// How often a path was asked for.
    pub(crate) fn hits(&self, path: &str) -> usize {
        self.seen().hits.get(path).copied().unwrap_or(0)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap()
    }

    /// Its table in `PROVIDERS_FILE`, with further lines.
    pub(crate) fn table(&self, id: &str, further: &str) -> String {
        format!(
            "[{id}]\nkind = \"oidc\"\nname = \"The {id}\"\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret_file = \"secret\"\nallow_private_addresses = true\n{further}\n",
            self.url()
        )
    }
}

impl Shared {
    fn id_token(&self, conduct: &Conduct, nonce: &str) -> String {
        let trap = format!("{}{}", self.url, endpoints::TRAP);
        let subject = Subject { issuer: &self.url, nonce, trap: &trap };
        token::issue(conduct, &subject, conduct.keys)
    }
}
