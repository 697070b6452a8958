//! How an account begins: by its owner, or by the operator. Where an address must be proven first,
//! [`pending`](super::pending) goes on; how somebody is invited is in
//! [`invitations`](super::invitations).

use sea_orm::DbErr;
use strum::{IntoStaticStr, VariantArray};

use super::create_error::{CreateError, EMAIL, USERNAME};
use super::identity::{Email, FullName, Username};
use super::reserved::{HOST_LIKE, RESERVED, is_host_like, is_reserved};
use super::store::{Taken, WriteError};
use super::{Accounts, store};
use crate::features::audit::kind;
use crate::features::change::{Fault, Record, Tx};
use crate::features::links::{self, Purpose};
use crate::features::sessions::Admitted;
use crate::infra::limits::{Identifier, Ip, Limit};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::passwords::hash::PasswordHash;
use crate::infra::passwords::policy::{Identity, Password};
use crate::kernel::access::{Language, Origin, Proofs, Proven, Role, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::UserId;
use crate::kernel::invalid::Invalid;

/// What keeps one client from filling the database, and from asking for one name after another.
pub(crate) static REGISTRATIONS_BY_IP: Limit<Ip> = Limit::quota("register.ip", 5, 60 * 60);
/// What keeps all clients together from having an address written to again and again, where that is how an account
/// begins. One client alone cannot keep the owner of an address from registering it (BF-12).
pub(crate) static REGISTRATIONS_OF_ADDRESS: Limit<Identifier> =
    Limit::quota("register.identifier", 20, 60 * 60);

/// What bounds how many names one client can ask for, be it before it registers or by trying.
pub(crate) static AVAILABILITIES: Limit<Ip> = Limit::quota("usernameAvailability.ip", 60, 60);

/// Who may get an account, and when they have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    pub(crate) admission: Admission,
    /// Whether whoever registers must first show that the address is theirs.
    pub(crate) requires_verification: bool,
}

/// Who may get an account without the operator, as the setting REGISTRATION spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "lowercase")]
pub(crate) enum Admission {
    /// Everybody.
    Open,
    /// Whom an admin invites.
    Invite,
    /// Nobody.
    Closed,
}

/// What a registration led to.
#[expect(clippy::large_enum_variant, reason = "made once a request, to be taken apart at once")]
pub(crate) enum Registered {
    Admitted(User, Admitted),
    /// Whether there is an account with this address or not.
    VerificationRequired,
}

/// What somebody typed to get an account. It has no role: nobody registers as an admin (RS-10).
pub(crate) struct NewAccount<'a> {
    pub(crate) username: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
    pub(crate) full_name: Option<&'a str>,
    pub(crate) locale: Language,
}

/// Input that has been found acceptable.
pub(super) struct Accepted {
    pub(super) username: Username,
    pub(super) email: Email,
    pub(super) full_name: Option<FullName>,
    pub(super) password: Password,
    pub(super) locale: Language,
}

impl Accounts {
    /// Makes an account for whoever asks, and signs them in; or has them show first that the address
    /// is theirs.
    pub(crate) async fn register(
        &self,
        origin: &Origin,
        new: &NewAccount<'_>,
        (of_names, by_ip, of_address): (&Limit<Ip>, &Limit<Ip>, &Limit<Identifier>),
    ) -> Result<Registered, CreateError> {
        // What cannot become an account costs nothing, and is not counted.
        let accepted = self.accept(new, Naming::Public)?;
        // Who has to think of another name has registered nobody.
        self.limits.take([of_names.of(origin.ip)]).await?;
        let taken = self.find_taken(&accepted).await?;
        if taken.username {
            return Err(CreateError::Taken(USERNAME));
        }
        let admission = self.limits.attempt([by_ip.of(origin.ip)]).await?;
        let outcome = match self.setup.registration.requires_verification {
            true => self.register_pending(origin, &accepted, of_address).await,
            false if taken.email => Err(CreateError::Taken(EMAIL)),
            false => self.register_at_once(origin, &accepted).await,
        };
        admission.settle(&outcome).await;
        outcome
    }

    /// Fails unless somebody could register with this name now. A look, not a decision: somebody else may be first.
    pub(crate) async fn check_username(
        &self,
        origin: &Origin,
        username: &str,
        of_names: &Limit<Ip>,
    ) -> Result<(), CreateError> {
        let username = Username::parse(username)
            .and_then(|username| Naming::Public.allow(username, &self.setup.host))
            .map_err(|invalid| CreateError::Invalid(vec![invalid.at("username")]))?;
        self.limits.take([of_names.of(origin.ip)]).await?;
        match store::is_username_taken(self.db.reader(), username.key()).await? {
            true => Err(CreateError::Taken(USERNAME)),
            false => Ok(()),
        }
    }

    async fn register_at_once(
        &self,
        origin: &Origin,
        accepted: &Accepted,
    ) -> Result<Registered, CreateError> {
        let hash = self.hasher.hash(&accepted.password).await?;
        let insert = async |tx: Tx<'_>| {
            if links::is_reserved(&tx, accepted.email.key(), None, tx.now()).await? {
                return Err(CreateError::Taken(EMAIL));
            }
            let user = Self::insert(&tx, accepted, &hash, Standing::default()).await?;
            tx.note(Record::of(kind::REGISTERED).about(user.id).by(user.id));
            if self.outbox.is_on() {
                let new = links::New {
                    purpose: Purpose::Verification,
                    user: Some(user.id),
                    email_key: accepted.email.key(),
                };
                let token = links::issue_beside(&tx, tx.now(), new, None::<&()>).await?;
                let letter = Letter::to(&user, MailKind::VerifyEmail, tx.acting().origin);
                tx.write_first(letter.with(token.expose())).await?;
            }
            let signed_in = self.sign_in_at_once(&tx, user).await?;
            Ok(tx.commit(signed_in).await?)
        };
        let (user, admitted) =
            self.changes.run("register", Acting::unknown(origin), insert).await?;
        Ok(Registered::Admitted(user, admitted))
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
        let insert = async |tx: Tx<'_>| {
            let standing = Standing { role, email_verified: false };
            let user = Self::insert(&tx, &accepted, &hash, standing).await?;
            tx.record(kind::USER_CREATED, user.id);
            Ok(tx.commit(user).await?)
        };
        self.changes.run("create an account", Acting::operator(), insert).await
    }

    /// Begins the first session of an account in the transaction that makes it.
    pub(super) async fn sign_in_at_once(
        &self,
        tx: &Tx<'_>,
        user: User,
    ) -> Result<(User, Admitted), Fault> {
        let proven = Proven { at: tx.now(), by: Proofs::PASSWORD };
        self.sign_in(tx, user, Record::of(kind::SIGNED_IN), proven).await
    }

    /// Inserts the row. Who was first is settled by the unique constraints, not by a look before.
    pub(super) async fn insert(
        tx: &Tx<'_>,
        accepted: &Accepted,
        hash: &PasswordHash,
        standing: Standing,
    ) -> Result<User, WriteError> {
        let now = tx.now();
        let row = store::NewUser {
            id: UserId::new(now),
            username: &accepted.username,
            email: &accepted.email,
            full_name: accepted.full_name.as_ref(),
            avatar_url: None,
            email_verified: standing.email_verified,
            password_hash: hash,
            role: standing.role,
            locale: accepted.locale,
            username_is_proposed: false,
            now,
        };
        store::insert(tx, row).await
    }

    /// Spares the hash when the answer is known already. A look, not a decision.
    pub(super) async fn hash_unless_taken(
        &self,
        accepted: &Accepted,
    ) -> Result<PasswordHash, CreateError> {
        match self.find_taken(accepted).await? {
            Taken { username: true, .. } => Err(CreateError::Taken(USERNAME)),
            Taken { email: true, .. } => Err(CreateError::Taken(EMAIL)),
            Taken { .. } => Ok(self.hasher.hash(&accepted.password).await?),
        }
    }

    async fn find_taken(&self, accepted: &Accepted) -> Result<Taken, DbErr> {
        let (username, email) = (accepted.username.key(), accepted.email.key());
        store::find_taken(self.db.reader(), username, email).await
    }

    /// Parses and checks every field, so that a person sees all that is wrong at once.
    pub(super) fn accept(
        &self,
        new: &NewAccount<'_>,
        naming: Naming,
    ) -> Result<Accepted, CreateError> {
        let username = Username::parse(new.username)
            .and_then(|username| naming.allow(username, &self.setup.host))
            .map_err(|invalid| invalid.at("input.username"));
        let email = Email::parse(new.email).map_err(|invalid| invalid.at("input.email"));
        let full_name = FullName::parse(new.full_name.unwrap_or_default())
            .map_err(|invalid| invalid.at("input.fullName"));
        let identity =
            Identity { username: new.username, email: new.email, host: &self.setup.host };
        let password = Password::parse(new.password)
            .and_then(|password| self.setup.policy.check(&password, &identity).map(|()| password))
            .map_err(|invalid| invalid.at("input.password"));
        match (username, email, full_name, password) {
            (Ok(username), Ok(email), Ok(full_name), Ok(password)) => {
                Ok(Accepted { username, email, full_name, password, locale: new.locale })
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

/// With what an account begins beside what was typed.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    pub(super) role: Role,
    pub(super) email_verified: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self { role: Role::User, email_verified: false }
    }
}

/// Who chooses the name.
#[derive(Clone, Copy)]
pub(super) enum Naming {
    Public,
    Operator,
}

impl Naming {
    pub(super) fn allow(self, username: Username, host: &str) -> Result<Username, Invalid> {
        match self {
            Self::Public if is_reserved(username.as_str(), host) => Err(RESERVED),
            Self::Public if is_host_like(username.as_str()) => Err(HOST_LIKE),
            Self::Public | Self::Operator => Ok(username),
        }
    }
}
