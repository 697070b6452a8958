//! Clients of real instances that keep a ledger of what they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::process::{Server, call, code};
use super::{GRACE, PASSWORD, REGISTER};

pub(crate) const ME: &str = "{ me { id username } }";
pub(crate) const REFRESH: &str = "mutation($t: String) { refreshToken(input: { refreshToken: $t }) { accessToken refreshToken } }";
/// Rotations before a client turns to its next account.
const ROTATIONS: usize = 8;
/// Between two calls of one client, so that the load leaves the machine to the other tests too.
const PACE: Duration = Duration::from_millis(5);
/// Before a client repeats a call that failed.
const PAUSE: Duration = Duration::from_millis(50);
/// No answer at all for this long fails the test.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clients that register, ask who they are and refresh, each call to the next instance.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    ports: Mutex<Vec<u16>>,
    is_over: AtomicBool,
    ledger: Mutex<Ledger>,
}

/// What the clients were told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Every acknowledged registration, with the last pair its client was given.
    pub(crate) accounts: BTreeMap<String, Pair>,
    pub(crate) answers: Vec<Answer>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) operation: &'static str,
    /// `NONE` for a success, `GONE` when the instance was not there or broke off, `LATE` when a
    /// refresh token was refused because a rotation that nobody heard of was over a grace ago.
    pub(crate) code: String,
    pub(crate) took: Duration,
}

impl Load {
    pub(crate) fn start(instances: &[Server], clients: usize) -> Self {
        let ports = instances.iter().map(|instance| instance.port).collect();
        let shared = Arc::new(Shared {
            ports: Mutex::new(ports),
            is_over: AtomicBool::new(false),
            ledger: Mutex::default(),
        });
        let clients = (0..clients)
            .map(|number| tokio::spawn(Client::run(number, Arc::clone(&shared))))
            .collect();
        Self { shared, clients }
    }

    /// An instance came back, on another port.
    pub(crate) fn redirect(&self, instances: &[Server]) {
        *self.shared.ports.lock().unwrap() =
            instances.iter().map(|instance| instance.port).collect();
    }

    /// Waits for so many further calls that succeed.
    pub(crate) async fn go_on_for(&self, calls: usize) {
        let done = || self.shared.ledger.lock().unwrap().count("NONE");
        let (enough, began) = (done() + calls, Instant::now());
        while done() < enough {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.shared.ledger.lock().unwrap().codes());
            tokio::time::sleep(PACE).await;
        }
    }

    /// Lets every client finish what it began, and hands the ledger over.
    pub(crate) async fn stop(self) -> Ledger {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        self.shared.ledger.lock().unwrap().clone()
    }
}

impl Ledger {
    fn count(&self, code: &str) -> usize {
        self.answers.iter().filter(|answer| answer.code == code).count()
    }

    /// How often each operation ended how.
    pub(crate) fn codes(&self) -> BTreeMap<String, usize> {
        let mut codes = BTreeMap::new();
        for answer in &self.answers {
            *codes.entry(format!("{} {}", answer.operation, answer.code)).or_default() += 1;
        }
        codes
    }

    /// The longest that a call took.
    pub(crate) fn slowest(&self) -> &Answer {
        self.answers.iter().max_by_key(|answer| answer.took).unwrap()
    }

    /// Nobody was told anything but a success, or to try again.
    pub(crate) fn assert_told_only(&self, codes: &[&str]) {
        let other = self.answers.iter().find(|answer| !codes.contains(&&*answer.code));
        assert!(other.is_none(), "{:?}", self.codes());
    }

    /// What was acknowledged is there: the account, and its last refresh token. The clients have
    /// settled, so that token is the live one.
    pub(crate) async fn assert_kept(&self, instance: &Server) {
        assert!(self.accounts.len() >= 3, "too little was acknowledged: {:?}", self.codes());
        for (name, pair) in &self.accounts {
            let me = instance.call(ME, Value::Null, &pair.access).await.unwrap();
            assert_eq!(me["data"]["me"]["username"], name.as_str(), "{me}");
            let variables = json!({ "t": pair.refresh });
            let refreshed = instance.call(REFRESH, variables, "").await.unwrap();
            assert_eq!(code(&refreshed), "NONE", "{name}: {refreshed}");
        }
    }
}

struct Client {
    calls: usize,
    shared: Arc<Shared>,
}

impl Client {
    async fn run(number: usize, shared: Arc<Shared>) {
        let mut client = Self { calls: number, shared };
        while !client.is_over() {
            let name = format!("u{number}x{}", client.calls);
            let Some(mut pair) = client.register(&name).await else { continue };
            for _ in 0..ROTATIONS {
                if client.is_over() {
                    break;
                }
                client.call("me", ME, Value::Null, &pair.access).await;
                let Some(next) = client.refresh(&name, &pair).await else { break };
                pair = next;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::SeqCst)
    }

    /// A registration that was not acknowledged may have happened, so the next has a new name.
    async fn register(&mut self, name: &str) -> Option<Pair> {
        let input = json!({ "username": name, "email": format!("{name}@example.com"),
                            "password": PASSWORD });
        let answer = self.call("register", REGISTER, json!({ "input": input }), "").await?;
        let pair = Pair::of(&answer["data"]["register"])?;
        self.keep(name, &pair);
        Some(pair)
    }

    /// Repeats the call with the same token until it is answered, as clients do.
    async fn refresh(&mut self, name: &str, pair: &Pair) -> Option<Pair> {
        let began = Instant::now();
        loop {
            let variables = json!({ "t": pair.refresh });
            let answer = self.call("refresh", REFRESH, variables, "").await;
            let refreshed = answer.as_ref().and_then(|it| Pair::of(&it["data"]["refreshToken"]));
            if let Some(next) = refreshed {
                self.keep(name, &next);
                return Some(next);
            }
            let is_invalid = answer.is_some_and(|answer| code(&answer) == "INVALID_TOKEN");
            if is_invalid && began.elapsed() >= GRACE {
                // An earlier try has rotated it, and its answer was lost: a replay by now.
                let mut ledger = self.shared.ledger.lock().unwrap();
                ledger.accounts.remove(name);
                let told = ledger.answers.iter_mut().rfind(|told| told.code == "INVALID_TOKEN");
                "LATE".clone_into(&mut told.unwrap().code);
                return None;
            }
            assert!(began.elapsed() < PATIENCE, "{name} cannot refresh");
        }
    }

    fn keep(&self, name: &str, pair: &Pair) {
        self.shared.ledger.lock().unwrap().accounts.insert(name.to_owned(), pair.clone());
    }

    /// One call to the next instance, noted.
    async fn call(
        &mut self,
        operation: &'static str,
        query: &str,
        variables: Value,
        bearer: &str,
    ) -> Option<Value> {
        self.calls += 1;
        let port = {
            let ports = self.shared.ports.lock().unwrap();
            ports[self.calls % ports.len()]
        };
        let began = Instant::now();
        let called = tokio::time::timeout(PATIENCE, call(port, query, variables, bearer));
        let answer = called.await.unwrap_or_else(|_| panic!("{operation} was never answered"));
        let code = answer.as_ref().map_or("GONE", code).to_owned();
        if code == "SERVICE_UNAVAILABLE" {
            let told = answer.as_ref().map(|it| &it["errors"][0]["extensions"]["retryAfter"]);
            assert!(told.is_some_and(Value::is_number), "when to come back: {answer:?}");
        }
        let pause = if code == "NONE" { PACE } else { PAUSE };
        let answered = Answer { operation, code, took: began.elapsed() };
        self.shared.ledger.lock().unwrap().answers.push(answered);
        tokio::time::sleep(pause).await;
        answer
    }
}

impl Pair {
    pub(crate) fn of(payload: &Value) -> Option<Self> {
        let text = |name: &str| payload[name].as_str().map(str::to_owned);
        Some(Self { access: text("accessToken")?, refresh: text("refreshToken")? })
    }
}
