//! Why Redis does not count, for the operator.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::infra::causes::causes;

/// So Redis begins to say that a script lacks a right of the user who runs it.
const DENIED_IN_SCRIPT: &str = "The user executing the script can't ";

/// Why Redis does not count. What it says itself is not told on: it repeats what it was sent, and with it
/// a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreached {
    #[error("Redis cannot be reached: {0}")]
    Away(String),
    #[error("Redis does not answer in time")]
    Silent,
    #[error("the server does not use TLS on this port")]
    Plain,
    #[error("Redis rejects the user or password in REDIS_URL")]
    Password,
    #[error("Redis requires a password, but REDIS_URL has none")]
    NoPassword,
    #[error(
        "the user in REDIS_URL is not allowed to run scripts, or to write keys that begin with \
         \"portcullis:\""
    )]
    Denied,
    #[error("Redis is a read-only replica")]
    ReadOnly,
    #[error("Redis is still loading its data")]
    Loading,
    #[error("Redis refuses writes because it cannot save its data")]
    Unsaved,
    #[error("the memory of Redis is full")]
    Full,
    #[error("Redis is a node of a cluster, which this server does not support")]
    Cluster,
    #[error("Redis rejects the database number in REDIS_URL, or a command")]
    Refuses,
    #[error("the program at this address is not Redis")]
    Foreign,
}

impl Unreached {
    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Away(_) | Self::Silent => {
                "check the host, port and scheme in REDIS_URL (rediss:// requires a certificate that this \
                 machine trusts), and that Redis runs and accepts connections from this machine"
            }
            Self::Plain => "use the port for TLS in REDIS_URL, or begin it with redis://",
            Self::Password => "set the user and password of Redis in REDIS_URL",
            Self::NoPassword => "add the password to REDIS_URL, as in redis://:password@host:6379",
            Self::Denied => {
                "give that user the keys portcullis:* and the commands @connection, @scripting, @string, @hash, \
                 @sortedset, DEL, EXISTS and PEXPIRE"
            }
            Self::ReadOnly => "set REDIS_URL to the primary",
            Self::Loading => "nothing: Redis will be ready in a moment",
            Self::Unsaved => "read the log of Redis, and check the disk that it writes to",
            Self::Full => "raise maxmemory of Redis, or remove what other programs keep there",
            Self::Cluster => "set REDIS_URL to a Redis without clustering",
            Self::Refuses => "check the database number in REDIS_URL, and the version of Redis",
            Self::Foreign => {
                "check the host and port in REDIS_URL, and use rediss:// if the port uses TLS"
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
            // Before version 7.2 Redis has no code for what a script may not do.
            ErrorKind::Server(ServerErrorKind::ResponseError)
                if error.detail().is_some_and(|detail| detail.starts_with(DENIED_IN_SCRIPT)) =>
            {
                Self::Denied
            }
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
