//! What clients do, and what it costs.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::sleep_until;

use super::client::{Client, request};
use super::process::Server;
use super::seed::{LOGIN, World, credentials, sign_in};

const STATIC: &str = "{ __typename }";
pub(super) const ME: &str = "{ me { id username email emailVerified role createdAt } }";
const USERS: &str =
    "{ users(first: 50) { edges { node { id username email emailVerified role createdAt } } } }";
const REFRESH: &str = "mutation($token: String) { refreshToken(input: { refreshToken: $token }) { \
    accessToken refreshToken } }";
pub(super) const CONNECTIONS: usize = 32;
/// Those who sign in: each waits for a hash.
const LOGIN_CONNECTIONS: usize = 8;
/// Before a measurement, so that caches and connections are warm.
const WARM_UP: Duration = Duration::from_millis(500);

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scenario {
    Static,
    Me,
    Users,
    Login,
    Refresh,
    /// 90 % `me`, 5 % `users`, 4 % `refreshToken`, 1 % `login`.
    Mix,
}

/// What one row shows.
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) per_second: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) cpu_micros: f64,
    pub(super) memory_peak_kib: u64,
}

/// What one connection sends.
struct Caller {
    port: u16,
    constant: Vec<Vec<u8>>,
    /// Sent in turn: an index of `constant`, or a login or a refresh that differs each time.
    turns: Vec<Turn>,
    refresh: String,
    names: Vec<String>,
}

#[derive(Clone, Copy)]
enum Turn {
    Constant(usize),
    Login,
    Refresh,
}

impl Scenario {
    pub(super) const ALL: [Self; 6] =
        [Self::Static, Self::Me, Self::Users, Self::Login, Self::Refresh, Self::Mix];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Static => "static field",
            Self::Me => "me",
            Self::Users => "users",
            Self::Login => "login",
            Self::Refresh => "refreshToken",
            Self::Mix => "mix",
        }
    }

    /// What the bare server answers too: its row's name, and the query.
    pub(super) fn bare(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Static => Some(("bare, static field", STATIC)),
            Self::Me => Some(("bare, me", ME)),
            Self::Users => Some(("bare, users", USERS)),
            Self::Login | Self::Refresh | Self::Mix => None,
        }
    }

    pub(super) async fn measure(
        self,
        server: &Server,
        world: &mut World,
        time: Duration,
    ) -> Result<Measured> {
        let count = if matches!(self, Self::Login) { LOGIN_CONNECTIONS } else { CONNECTIONS };
        let mut callers = Vec::new();
        for number in 0..count {
            callers.push(self.caller(server, world, number).await?);
        }
        run(server, self.name(), callers, time).await
    }

    async fn caller(self, server: &Server, world: &mut World, number: usize) -> Result<Caller> {
        let admin = Some(world.admin.as_str());
        let call = |query, bearer| request(query, &Value::Null, bearer);
        let constant = vec![call(STATIC, None), call(ME, admin), call(USERS, admin)];
        let turns = match self {
            Self::Static => vec![Turn::Constant(0)],
            Self::Me => vec![Turn::Constant(1)],
            Self::Users => vec![Turn::Constant(2)],
            Self::Login => vec![Turn::Login],
            Self::Refresh => vec![Turn::Refresh],
            Self::Mix => mix(number),
        };
        let refreshes = turns.iter().any(|turn| matches!(turn, Turn::Refresh));
        let refresh = match refreshes {
            true => sign_in(server.port, &world.somebody()).await?.1,
            false => String::new(),
        };
        let names = (0..64).map(|_| world.somebody()).collect();
        Ok(Caller { port: server.port, constant, turns, refresh, names })
    }
}

/// A hundred turns, which each connection begins elsewhere.
fn mix(number: usize) -> Vec<Turn> {
    let turn = |place: usize| match place * 37 % 100 {
        0 => Turn::Login,
        1..=4 => Turn::Refresh,
        5..=9 => Turn::Constant(2),
        _ => Turn::Constant(1),
    };
    (0..100).map(|place| turn(place + number * 3)).collect()
}

/// The same request over and over.
pub(super) async fn constant(
    server: &Server,
    name: &'static str,
    request: Vec<u8>,
    connections: usize,
    time: Duration,
) -> Result<Measured> {
    let callers = (0..connections).map(|_| Caller {
        port: server.port,
        constant: vec![request.clone()],
        turns: vec![Turn::Constant(0)],
        refresh: String::new(),
        names: Vec::new(),
    });
    run(server, name, callers.collect(), time).await
}

/// The p99 of `me`, alone and while others sign in as fast as they can.
pub(super) async fn flood(
    server: &Server,
    world: &mut World,
    time: Duration,
) -> Result<(Duration, Duration)> {
    let calm = watch(server, world, 0, time).await?;
    let flooded = watch(server, world, LOGIN_CONNECTIONS, time).await?;
    Ok((calm, flooded))
}

async fn watch(
    server: &Server,
    world: &mut World,
    logins: usize,
    time: Duration,
) -> Result<Duration> {
    let local = LocalSet::new();
    let mut flood = Vec::new();
    for number in 0..logins {
        flood.push(Scenario::Login.caller(server, world, number).await?);
    }
    let watcher = Scenario::Me.caller(server, world, 0).await?;
    let window = window(time);
    for caller in flood {
        local.spawn_local(caller.call(window.clone()));
    }
    let mut times = local.run_until(watcher.call(window)).await?;
    Ok(percentile(&mut times, 0.99))
}

/// From the end of the warm-up, so long.
fn window(time: Duration) -> Range<Instant> {
    let start = Instant::now() + WARM_UP;
    start..start + time
}

async fn run(
    server: &Server,
    name: &'static str,
    callers: Vec<Caller>,
    time: Duration,
) -> Result<Measured> {
    let (local, window) = (LocalSet::new(), window(time));
    let calls: Vec<_> =
        callers.into_iter().map(|caller| local.spawn_local(caller.call(window.clone()))).collect();
    local
        .run_until(async {
            sleep_until(window.start.into()).await;
            server.forget_peak()?;
            let cpu = server.cpu_micros()?;
            sleep_until(window.end.into()).await;
            let cpu = server.cpu_micros()? - cpu;
            let mut times = Vec::new();
            for call in calls {
                times.extend(call.await??);
            }
            let count = f64::from(u32::try_from(times.len())?);
            Ok(Measured {
                name,
                per_second: count / time.as_secs_f64(),
                p50: percentile(&mut times, 0.5),
                p99: percentile(&mut times, 0.99),
                cpu_micros: cpu / count,
                memory_peak_kib: server.memory_peak_kib()?,
            })
        })
        .await
}

impl Caller {
    /// Calls until the window closes, and says how long each answer took that came within it. An
    /// answer counts whenever it was asked for: its cost falls into the window as often as not.
    async fn call(mut self, window: Range<Instant>) -> Result<Vec<Duration>> {
        let mut client = Client::connect(self.port).await?;
        let mut times = Vec::new();
        for number in 0.. {
            let sent = Instant::now();
            match self.turns[number % self.turns.len()] {
                Turn::Constant(index) => {
                    client.send(&self.constant[index]).await?;
                }
                Turn::Login => {
                    let name = &self.names[number % self.names.len()];
                    client.send(&request(LOGIN, &credentials(name), None)).await?;
                }
                Turn::Refresh => {
                    let variables = json!({ "token": self.refresh });
                    let body = client.send(&request(REFRESH, &variables, None)).await?;
                    self.refresh = token(body)?;
                }
            }
            let answered = Instant::now();
            if answered > window.end {
                break;
            }
            if answered > window.start {
                times.push(answered - sent);
            }
        }
        Ok(times)
    }
}

fn token(body: &[u8]) -> Result<String> {
    let answer: Value = serde_json::from_slice(body)?;
    let token = answer["data"]["refreshToken"]["refreshToken"].as_str();
    token.map(str::to_owned).context("a refresh token")
}

fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a list that fits into memory"
    )]
    let index = (times.len() as f64 * part) as usize;
    times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
