//! The hosts that a database server may be on, and the one it was found on.
//!
//! That one is kept until a connection to it fails or is not what is wanted. Then all are asked at once, and the first in
//! the order of the list that is what is wanted is the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sea_orm::sqlx::{self, ConnectOptions as _, Connection};
use sea_orm::{DbErr, RuntimeErr};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::server::{Role, Server};
use crate::infra::causes::causes;
use crate::infra::db::address::{Address, Wanted, name_of};
use crate::infra::db::failure::is_away;

/// How long one host may take to say what it is.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How long what was found is not looked for again.
const FOUND_FOR: Duration = Duration::from_millis(500);

/// How a connection to a host is opened.
pub(in super::super) type Options<D> = <<D as sqlx::Database>::Connection as Connection>::Options;

/// All hosts, and which was chosen.
pub(in super::super) struct Hosts<D: Server> {
    all: Vec<Host<D>>,
    wanted: Wanted,
    chosen: AtomicUsize,
    /// When they were looked at last: by one who looks for all.
    looked_at: Mutex<Option<Instant>>,
}

struct Host<D: Server> {
    name: String,
    options: Options<D>,
}

/// What a host has said when it was asked what it is.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) name: String,
    pub(crate) is_chosen: bool,
    pub(crate) role: Result<Role, String>,
}

impl<D: Server> Hosts<D> {
    /// The hosts of an address, each with how it is connected to.
    pub(in super::super) fn of(
        address: &Address,
        options: impl Fn(&str) -> Result<Options<D>, sqlx::Error>,
    ) -> Result<Self, sqlx::Error> {
        let host = |url: &url::Url| {
            let options = options(url.as_str())?;
            Ok(Host { name: name_of(url), options })
        };
        let all = address.hosts().iter().map(host).collect::<Result<_, sqlx::Error>>()?;
        let (chosen, looked_at) = (AtomicUsize::default(), Mutex::default());
        Ok(Self { all, wanted: address.wanted, chosen, looked_at })
    }

    /// Whether there is nothing to choose: then nobody asks what the one host is.
    pub(in super::super) fn is_one(&self) -> bool {
        self.all.len() == 1 && self.wanted == Wanted::Any
    }

    /// Whether connections are to write.
    pub(in super::super) fn are_to_write(&self) -> bool {
        matches!(self.wanted, Wanted::Any | Wanted::ReadWrite | Wanted::Primary)
    }

    /// Which host was chosen, by its place in the list.
    pub(super) fn place(&self) -> usize {
        self.chosen.load(Ordering::SeqCst)
    }

    /// How a connection to the chosen host is opened.
    pub(in super::super) fn chosen(&self) -> Option<&Options<D>> {
        self.all.get(self.place()).map(|host| &host.options)
    }

    /// Whether a connection leads to what is wanted.
    pub(in super::super) async fn is_wanted(
        &self,
        connection: &mut D::Connection,
    ) -> Result<bool, sqlx::Error> {
        // A standby is only preferred, and was found on no host if this one is none.
        Ok(self.is_one()
            || self.wanted == Wanted::PreferStandby
            || D::role(connection).await?.is(self.wanted))
    }

    /// Looks for the host that is wanted, and chooses it. Says why there is none.
    pub(in super::super) async fn find(&self) -> Result<(), DbErr> {
        let mut looked_at = self.looked_at.lock().await;
        if looked_at.is_some_and(|at| at.elapsed() < FOUND_FOR) {
            return Ok(());
        }
        let seen = self.look().await;
        let is = |role: &Result<Role, DbErr>, wanted| role.as_ref().is_ok_and(|it| it.is(wanted));
        let first = |wanted| seen.iter().position(|role| is(role, wanted));
        let found = match self.wanted {
            Wanted::PreferStandby => first(Wanted::Standby).or_else(|| first(Wanted::Any)),
            wanted => first(wanted),
        };
        if let Some(found) = found {
            if self.chosen.swap(found, Ordering::SeqCst) != found
                && let Some(host) = self.all.get(found)
            {
                tracing::warn!("the server uses the database on {}", host.name);
            }
            *looked_at = Some(Instant::now());
            return Ok(());
        }
        Err(self.why_none(seen))
    }

    /// What each host says it is, for the operator.
    pub(in super::super) async fn sightings(&self) -> Vec<Sighting> {
        let chosen = self.place();
        let seen = self.look().await;
        let sighting =
            |(number, (host, role)): (usize, (&Host<D>, Result<Role, DbErr>))| Sighting {
                name: host.name.clone(),
                is_chosen: number == chosen,
                role: role.map_err(|error| causes(&error)),
            };
        self.all.iter().zip(seen).enumerate().map(sighting).collect()
    }

    /// What each host is, all asked at once: one that does not answer holds up nobody.
    async fn look(&self) -> Vec<Result<Role, DbErr>> {
        let mut asked = JoinSet::new();
        for (number, host) in self.all.iter().enumerate() {
            let options = host.options.clone();
            let ask = async move {
                let mut connection = options.connect().await?;
                let role = D::role(&mut connection).await?;
                let _closed = connection.close().await;
                Ok(role)
            };
            asked.spawn(async move {
                let role = timeout(LOOK_MAX, ask).await;
                (number, role.unwrap_or_else(|_elapsed| Err(super::silent())))
            });
        }
        let mut seen: Vec<_> = asked.join_all().await;
        seen.sort_by_key(|(number, _)| *number);
        let told = |role: Result<Role, sqlx::Error>| {
            role.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))
        };
        seen.into_iter().map(|(_, role)| told(role)).collect()
    }

    fn why_none(&self, seen: Vec<Result<Role, DbErr>>) -> DbErr {
        let is_final = |role: &Result<Role, DbErr>| matches!(role, Err(error) if !is_away(error));
        // A wrong password stays wrong, and nobody should wait for it.
        if seen.iter().all(is_final)
            && let Some(Err(error)) = seen.first()
        {
            return error.clone();
        }
        let wanted = match self.wanted {
            Wanted::Any | Wanted::PreferStandby => "can be reached",
            Wanted::ReadWrite => "takes writes",
            Wanted::ReadOnly => "is read-only",
            Wanted::Primary => "is a primary",
            Wanted::Standby => "is a standby",
        };
        let told = self.all.iter().zip(seen).map(|(Host { name, .. }, role)| match role {
            Ok(role) => format!("{name} is {role}"),
            Err(error) => format!("{name} cannot be reached ({})", causes(&error)),
        });
        let told = told.collect::<Vec<_>>().join(", ");
        let told = format!("no host of the database {wanted}: {told}");
        DbErr::Conn(RuntimeErr::Internal(told))
    }
}
