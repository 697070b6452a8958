//! How an account begins: by its owner, or by the operator.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use super::identity::{Email, FullName, Username};
use super::{Accounts, store};
use crate::features::audit::{self, Actor, Event, Kind};
use crate::features::sessions::{SessionError, Tokens};
use crate::platform::access::{Client, Role, User};
use crate::platform::db::{DbFailure, is_unique_violation};
use crate::platform::id::UserId;
use crate::platform::invalid::{Invalid, Problem, Reason};
use crate::platform::limits::{By, Counts, Limit, Limited, Subject};
use crate::platform::passwords::hash::{HashError, PasswordHash};
use crate::platform::passwords::policy::{Identity, Password};
use crate::platform::secret::CryptoError;

/// What keeps one address from filling the database, and from asking for one name after another.
pub(crate) static LIMITS: [Limit; 1] = [Limit {
    name: "register",
    by: By::Ip,
    max: 5,
    window_seconds: 60 * 60,
    counts: Counts::Attempts { at_once: 5 },
}];

/// What somebody typed to get an account. It has no role: nobody registers as an admin (RS-10).
pub(crate) struct NewAccount<'a> {
    pub(crate) username: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
    pub(crate) full_name: Option<&'a str>,
}

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    #[error("{} fields are not acceptable", .0.len())]
    Invalid(Vec<Problem>),
    /// The named field's value belongs to another account.
    #[error("the {0} is taken")]
    Taken(&'static str),
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl From<SessionError> for CreateError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Crypto(error) => Self::Crypto(error),
            SessionError::Db(error) => Self::Db(error),
        }
    }
}

impl DbFailure for CreateError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::Invalid(_)
            | Self::Taken(_)
            | Self::Limited(_)
            | Self::Hash(_)
            | Self::Crypto(_) => None,
        }
    }
}

/// Input that has been found acceptable.
struct Accepted {
    username: Username,
    email: Email,
    full_name: Option<FullName>,
    password: Password,
}

impl Accounts {
    /// Makes an account for whoever asks, and signs them in.
    pub(crate) async fn register(
        &self,
        client: &Client,
        new: &NewAccount<'_>,
    ) -> Result<(User, Tokens), CreateError> {
        // What cannot become an account costs nothing, and is not counted.
        let accepted = self.accept(new, Naming::Public)?;
        let subject = Subject { ip: client.ip, identifier: "" };
        let admission = self.limits.admit(&LIMITS, subject).await?;
        let outcome = self.register_accepted(client, &accepted).await;
        match &outcome {
            Ok(_) => admission.succeeded().await,
            Err(CreateError::Invalid(_) | CreateError::Taken(_) | CreateError::Limited(_)) => {}
            Err(CreateError::Hash(_) | CreateError::Crypto(_) | CreateError::Db(_)) => {
                admission.unjudged().await;
            }
        }
        outcome
    }

    async fn register_accepted(
        &self,
        client: &Client,
        accepted: &Accepted,
    ) -> Result<(User, Tokens), CreateError> {
        let hash = self.hash_unless_taken(accepted).await?;
        let made = self.db.retry(|| self.insert_and_sign_in(client, accepted, &hash)).await;
        self.name_conflict(accepted, made).await
    }

    /// Makes an account with a role, for the operator: reserved names are theirs to give, and
    /// nobody is signed in.
    pub(crate) async fn create(
        &self,
        new: &NewAccount<'_>,
        role: Role,
    ) -> Result<User, CreateError> {
        let accepted = self.accept(new, Naming::Operator)?;
        let hash = self.hash_unless_taken(&accepted).await?;
        let made = self.db.retry(|| self.insert_for_operator(&accepted, &hash, role)).await;
        self.name_conflict(&accepted, made).await
    }

    async fn insert_and_sign_in(
        &self,
        client: &Client,
        accepted: &Accepted,
        hash: &PasswordHash,
    ) -> Result<(User, Tokens), CreateError> {
        let now = self.clock.now();
        let txn = self.db.begin().await?;
        let mut user = Self::insert(&txn, accepted, hash, Role::User, now).await?;
        let event = Event {
            kind: Kind::Registered,
            actor: Actor::User(user.id),
            target: Some(user.id.0),
            session: None,
            client,
        };
        audit::record(&txn, now, event).await?;
        store::touch_login(&txn, user.id, now).await?;
        user.last_login_at = Some(now);
        let tokens = self.sessions.begin(&txn, client, &user, Kind::SignedIn, now).await?;
        txn.commit().await?;
        Ok((user, tokens))
    }

    async fn insert_for_operator(
        &self,
        accepted: &Accepted,
        hash: &PasswordHash,
        role: Role,
    ) -> Result<User, CreateError> {
        let now = self.clock.now();
        let txn = self.db.begin().await?;
        let user = Self::insert(&txn, accepted, hash, role, now).await?;
        let event = Event {
            kind: Kind::UserCreated,
            actor: Actor::Cli,
            target: Some(user.id.0),
            session: None,
            client: &Client::CLI,
        };
        audit::record(&txn, now, event).await?;
        txn.commit().await?;
        Ok(user)
    }

    /// Inserts the row. Who was first is settled by the unique constraints, not by a look before.
    async fn insert(
        txn: &impl ConnectionTrait,
        accepted: &Accepted,
        hash: &PasswordHash,
        role: Role,
        now: DateTime<Utc>,
    ) -> Result<User, DbErr> {
        let row = store::NewUser {
            id: UserId::new(now),
            username: &accepted.username,
            email: &accepted.email,
            full_name: accepted.full_name.as_ref(),
            password_hash: hash,
            role,
            now,
        };
        store::insert(txn, row).await
    }

    /// Says which field another account holds, when a unique constraint refused the row.
    ///
    /// Asked after the transaction has ended: with its connection in hand, waiting for a second
    /// one would let many callers wait for each other.
    async fn name_conflict<T>(
        &self,
        accepted: &Accepted,
        made: Result<T, CreateError>,
    ) -> Result<T, CreateError> {
        match made {
            Err(CreateError::Db(error)) if is_unique_violation(&error) => {
                Err(self.taken(accepted).await?.unwrap_or(CreateError::Db(error)))
            }
            made => made,
        }
    }

    /// Spares the hash when the answer is known already. A look, not a decision.
    async fn hash_unless_taken(&self, accepted: &Accepted) -> Result<PasswordHash, CreateError> {
        if let Some(taken) = self.taken(accepted).await? {
            return Err(taken);
        }
        Ok(self.hasher.hash(&accepted.password).await?)
    }

    async fn taken(&self, accepted: &Accepted) -> Result<Option<CreateError>, DbErr> {
        let (username, email) = (accepted.username.key(), accepted.email.key());
        let field = store::find_taken(self.db.reader(), username, email).await?;
        Ok(field.map(CreateError::Taken))
    }

    /// Parses and checks every field, so that a person sees all that is wrong at once.
    fn accept(&self, new: &NewAccount<'_>, naming: Naming) -> Result<Accepted, CreateError> {
        let username = Username::parse(new.username)
            .and_then(|username| naming.allow(username))
            .map_err(|invalid| invalid.at("input.username"));
        let email = Email::parse(new.email).map_err(|invalid| invalid.at("input.email"));
        let full_name = FullName::parse(new.full_name.unwrap_or_default())
            .map_err(|invalid| invalid.at("input.fullName"));
        let identity = Identity { username: new.username, email: new.email, host: &self.host };
        let password = Password::parse(new.password)
            .and_then(|password| self.policy.check(&password, &identity).map(|()| password))
            .map_err(|invalid| invalid.at("input.password"));
        match (username, email, full_name, password) {
            (Ok(username), Ok(email), Ok(full_name), Ok(password)) => {
                Ok(Accepted { username, email, full_name, password })
            }
            (username, email, full_name, password) => Err(CreateError::Invalid(
                [username.err(), email.err(), full_name.err(), password.err()]
                    .into_iter()
                    .flatten()
                    .collect(),
            )),
        }
    }
}

/// Who chooses the name.
#[derive(Clone, Copy)]
enum Naming {
    Public,
    Operator,
}

impl Naming {
    fn allow(self, username: Username) -> Result<Username, Invalid> {
        match self {
            Self::Public if username.is_reserved() => {
                Err(Invalid::new(Reason::Reserved, "This username is reserved"))
            }
            Self::Public | Self::Operator => Ok(username),
        }
    }
}
