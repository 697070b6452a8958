//! Registrations whose address is still to be proven: they are no accounts, and hold no name.
//!
//! Whether an address has an account or not, whoever registers with it gets the same answer after the
//! same work; only mail to the address tells (EN-03). And what was never proven has no power: there is no
//! account that waits for its real owner with somebody else's password, session or identity in it (RS-09).
//! Registrations for one address live side by side. The mail says which username was asked for and from where,
//! and its link makes an account of what was typed only for who knows the password of it: anybody else
//! who reads the mail chooses all of it anew (RS-11).

use serde::{Deserialize, Serialize};

use super::Accounts;
use super::create_error::CreateError;
use super::identity::{Email, FullName, Identifier, Username};
use super::registration::{Accepted, Admission, Naming, Registered};
use super::store::{self, WriteError};
use crate::features::audit::kind;
use crate::features::change::{Record, Tx};
use crate::features::links::{self, Found, Purpose};
use crate::infra::limits::{self, Limit};
use crate::infra::mail::{Letter, MailKind, Recipient};
use crate::infra::passwords::hash::PasswordHash;
use crate::infra::passwords::policy::{Identity, Password};
use crate::kernel::access::{Language, Origin, Role, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::UserId;
use crate::kernel::invalid::{Invalid, Reason};

/// What an account will be made of, as its token keeps it.
#[derive(Serialize, Deserialize)]
pub(crate) struct PendingAccount {
    pub(crate) username: String,
    /// As typed.
    pub(crate) email: String,
    full_name: Option<String>,
    password_hash: String,
    /// Registrations of earlier versions have none.
    #[serde(default)]
    locale: Language,
}

/// Of what the account of a registration is made.
#[derive(Clone, Copy)]
pub(crate) enum Choice<'a> {
    /// Of what was typed, but for the username if another is given.
    AsTyped { username: Option<&'a str> },
    /// Of what the reader of the mail chooses: somebody else has typed the rest.
    Anew { username: Option<&'a str>, password: &'a str },
}

impl PendingAccount {
    /// What the password that was typed is checked against.
    pub(crate) fn password_hash(&self) -> PasswordHash {
        PasswordHash::from(self.password_hash.clone())
    }
}

/// What an account is made of.
struct Parts {
    username: Username,
    email: Email,
    full_name: Option<FullName>,
    password_hash: PasswordHash,
    locale: Language,
}

impl Accounts {
    pub(super) async fn register_pending(
        &self,
        origin: &Origin,
        accepted: &Accepted,
        of_address: &Limit<limits::Identifier>,
    ) -> Result<Registered, CreateError> {
        let email = accepted.email.key();
        self.limits.take([of_address.of(email)]).await?;
        let hash = self.hasher.hash(&accepted.password).await?;
        let insert = async |tx: Tx<'_>| {
            let (now, origin) = (tx.now(), tx.acting().origin);
            let identifier = Identifier::Email(accepted.email.key().to_owned());
            let owner = store::find(&tx, &identifier).await?;
            let is_reserved = links::is_reserved(&tx, accepted.email.key(), None, now).await?;
            let details = PendingAccount {
                username: accepted.username.as_str().to_owned(),
                email: accepted.email.as_typed().to_owned(),
                full_name: accepted.full_name.as_ref().map(|name| name.as_str().to_owned()),
                password_hash: hash.as_str().to_owned(),
                locale: accepted.locale,
            };
            let is_taken = owner.is_some() || is_reserved;
            let purpose = if is_taken { Purpose::Nothing } else { Purpose::Registration };
            let new = links::New { purpose, user: None, email_key: accepted.email.key() };
            let token = links::issue_beside(&tx, now, new, Some(&details)).await?;
            let letter = match &owner {
                Some(owner) => Letter::to(owner, MailKind::AlreadyRegistered, origin),
                None => verification(&details, origin, token.expose()),
            };
            match owner.is_none() && is_reserved {
                true => tx.pretend(letter).await?,
                false => tx.write(letter).await?,
            }
            tx.note(Record::of(kind::REGISTRATION_REQUESTED));
            Ok(tx.commit(Registered::VerificationRequired).await?)
        };
        let acting = Acting::unknown(origin);
        self.changes.run("ask for an account", acting, insert).await
    }

    /// Makes the account of a registration whose address is proven now. The name is claimed now too;
    /// when somebody else has it meanwhile, another may be given.
    pub(crate) async fn complete_registration(
        &self,
        origin: &Origin,
        found: &Found,
        pending: PendingAccount,
        choice: Choice<'_>,
    ) -> Result<User, CreateError> {
        if self.setup.registration.admission == Admission::Closed {
            return Err(CreateError::Closed);
        }
        let parts = match choice {
            Choice::AsTyped { username } => self.as_typed(pending, username)?,
            Choice::Anew { username, password } => {
                self.anew(origin, &pending, username, password).await?
            }
        };
        let complete = async |tx: Tx<'_>| {
            let now = tx.now();
            links::take(&tx, found, now).await?;
            if links::is_reserved(&tx, parts.email.key(), None, now).await? {
                return Err(CreateError::InvalidToken);
            }
            let row = store::NewUser {
                id: UserId::new(now),
                username: &parts.username,
                email: &parts.email,
                email_verified: true,
                full_name: parts.full_name.as_ref(),
                avatar_url: None,
                password_hash: &parts.password_hash,
                role: Role::User,
                locale: parts.locale,
                username_is_proposed: false,
                now,
            };
            let user = store::insert(&tx, row).await.map_err(|error| match error {
                // Its owner has an account, which no longer needs this one.
                WriteError::Email => CreateError::InvalidToken,
                error => error.into(),
            })?;
            tx.note(Record::of(kind::REGISTERED).about(user.id).by(user.id));
            Ok(tx.commit(user).await?)
        };
        let acting = Acting::unknown(origin);
        self.changes.run("complete a registration", acting, complete).await
    }

    /// What the reader of the mail chooses. Nothing that was typed is left but the address.
    async fn anew(
        &self,
        origin: &Origin,
        pending: &PendingAccount,
        username: Option<&str>,
        password: &str,
    ) -> Result<Parts, CreateError> {
        let required = Invalid::new(Reason::Required, "Choose a username.");
        let username_typed = username.unwrap_or_default();
        let identity =
            Identity { username: username_typed, email: &pending.email, host: &self.setup.host };
        let username = username.ok_or(required).and_then(|name| self.public_username(name));
        let password = Password::parse(password)
            .and_then(|password| self.setup.policy.check(&password, &identity).map(|()| password));
        let (username, password) = match (username, password) {
            (Ok(username), Ok(password)) => (username, password),
            (username, password) => {
                let username = username.err().map(|invalid| invalid.at("input.username"));
                let password = password.err().map(|invalid| invalid.at("input.newPassword"));
                return Err(CreateError::Invalid(username.into_iter().chain(password).collect()));
            }
        };
        Ok(Parts {
            username,
            email: Email::parse(&pending.email).map_err(|_| CreateError::InvalidToken)?,
            full_name: None,
            password_hash: self.hasher.hash(&password).await?,
            locale: origin.language,
        })
    }

    fn as_typed(
        &self,
        pending: PendingAccount,
        username: Option<&str>,
    ) -> Result<Parts, CreateError> {
        let username = match username {
            Some(username) => self.public_username(username),
            None => Username::parse(&pending.username),
        };
        let username = username.map_err(|invalid| vec![invalid.at("input.username")]);
        Ok(Parts {
            username: username.map_err(CreateError::Invalid)?,
            email: Email::parse(&pending.email).map_err(|_| CreateError::InvalidToken)?,
            full_name: FullName::parse(pending.full_name.as_deref().unwrap_or_default())
                .map_err(|_| CreateError::InvalidToken)?,
            password_hash: PasswordHash::from(pending.password_hash),
            locale: pending.locale,
        })
    }

    fn public_username(&self, text: &str) -> Result<Username, Invalid> {
        Username::parse(text).and_then(|username| Naming::Public.allow(username, &self.setup.host))
    }
}

/// The mail that a registration waits for.
pub(crate) fn verification<'a>(
    pending: &'a PendingAccount,
    origin: &'a Origin,
    token: &'a str,
) -> Letter<'a> {
    Letter {
        kind: MailKind::VerifyEmail,
        about: None,
        to: Recipient::address(&pending.email, pending.locale),
        username: &pending.username,
        origin,
        token: Some(token),
        other_address: None,
        provider: None,
    }
}
