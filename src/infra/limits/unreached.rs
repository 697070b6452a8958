//! Why Redis does not count, for the operator.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::infra::causes::causes;

/// Why Redis does not count. What it says itself is not told on: it repeats what it was sent, and with it
/// a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreached {
    #[error("it cannot be reached: {0}")]
    Away(String),
    #[error("it does not answer in time")]
    Silent,
    #[error("the server speaks no TLS on this port")]
    Plain,
    #[error("it refuses the user or the password in REDIS_URL")]
    Password,
    #[error("it asks for a password, and REDIS_URL has none")]
    NoPassword,
    #[error("its user may not run scripts, or not write keys that begin with \"portcullis:\"")]
    Denied,
    #[error("it is a replica, which only reads")]
    ReadOnly,
    #[error("it is still loading its data")]
    Loading,
    #[error("it writes nothing, since it cannot save its data")]
    Unsaved,
    #[error("its memory is full")]
    Full,
    #[error("it is one node of a cluster, and not the one for these keys")]
    Cluster,
    #[error("it refuses the database that REDIS_URL names, or what it is sent")]
    Refuses,
    #[error("what answers there is no Redis")]
    Foreign,
}

impl Unreached {
    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Away(_) | Self::Silent => {
                "check REDIS_URL: host, port, redis:// or rediss:// for TLS, whose certificate this \
                 machine must trust; and that the server runs and lets this machine in"
            }
            Self::Plain => "name the port that speaks TLS, or begin REDIS_URL with redis://",
            Self::Password => "put the user and the password that Redis has into REDIS_URL",
            Self::NoPassword => "put the password into REDIS_URL: redis://:password@host:6379",
            Self::Denied => {
                "give that user the keys portcullis:* and the commands @connection, @scripting, @string, @hash, \
                 @sortedset, DEL, EXISTS and PEXPIRE"
            }
            Self::ReadOnly => "let REDIS_URL name the primary",
            Self::Loading => "nothing: this ends by itself",
            Self::Unsaved => "look at the log of Redis, and at the disk it writes to",
            Self::Full => "raise maxmemory of Redis, or give it a policy that makes room",
            Self::Cluster => "let REDIS_URL name a Redis that is no cluster",
            Self::Refuses => "look at the database number in REDIS_URL, and the version of Redis",
            Self::Foreign => {
                "check REDIS_URL: host, port, and rediss:// for a port that speaks TLS"
            }
        }
    }

    pub(super) fn of(error: &RedisError) -> Self {
        if error.is_timeout() {
            return Self::Silent;
        }
        match error.kind() {
            // A failure of this machine, of the network or of TLS; the driver adds nothing to it.
            ErrorKind::Io => Self::Away(causes(error)),
            ErrorKind::AuthenticationFailed => Self::Password,
            ErrorKind::Server(kind) => Self::of_server(kind),
            ErrorKind::Extension => match error.code() {
                Some("NOAUTH") => Self::NoPassword,
                Some("WRONGPASS") => Self::Password,
                Some("MISCONF") => Self::Unsaved,
                Some("OOM") => Self::Full,
                Some(_) | None => Self::Refuses,
            },
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Foreign,
            _ => Self::Refuses,
        }
    }

    fn of_server(kind: ServerErrorKind) -> Self {
        match kind {
            ServerErrorKind::NoPerm => Self::Denied,
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown => Self::ReadOnly,
            ServerErrorKind::BusyLoading => Self::Loading,
            ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::CrossSlot
            | ServerErrorKind::ClusterDown => Self::Cluster,
            _ => Self::Refuses,
        }
    }
}
