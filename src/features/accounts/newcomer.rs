//! Accounts of people whom another provider vouches for: they begin without a password, and with an address that is proven.

use sea_orm::{ConnectionTrait, DbErr};
use unicode_normalization::UnicodeNormalization as _;

use super::create_error::CreateError;
use super::identity::{AvatarUrl, Email, FullName, Username};
use super::registration::{Admission, Naming};
use super::store::WriteError;
use super::{Accounts, store};
use crate::features::audit::kind;
use crate::features::change::{Fault, Record, Tx, with_fault};
use crate::features::sessions::{Admitted, EndReason};
use crate::features::{authenticators, identities, links};
use crate::infra::limits::{self, Limit, Limited};
use crate::infra::passwords::hash::PasswordHash;
use crate::kernel::access::{Proven, Role, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::UserId;
use crate::kernel::invalid::Problem;
use crate::kernel::secret;

/// What bounds how many names one user can ask for.
pub(crate) static USERNAMES: Limit<limits::User> = Limit::quota("chooseUsername.user", 20, 60 * 60);

/// How many names are tried before somebody has to register otherwise.
const PROPOSALS_MAX: usize = 8;
/// What a name begins with that is proposed for somebody of whom nothing fit is known.
const NAMELESS: &str = "user";
/// Of a name that is proposed, before what is added to tell it from others.
const STEM_LENGTH_MAX: usize = 48;

/// Somebody who has no account yet.
pub(crate) struct Newcomer<'a> {
    /// Proven to be theirs.
    pub(crate) email: &'a Email,
    /// What they are called elsewhere. None of this is vouched for, and what is not acceptable here is left out.
    pub(crate) username: Option<&'a str>,
    pub(crate) full_name: Option<&'a str>,
    pub(crate) picture: Option<&'a str>,
}

/// Why a username was not chosen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsernameError {
    #[error("the username is invalid")]
    Invalid(Problem),
    #[error("the username is taken")]
    Taken,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error("the user has already chosen a username")]
    Chosen,
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(UsernameError);

impl From<WriteError> for UsernameError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Username | WriteError::Email => Self::Taken,
            WriteError::Db(error) => error.into(),
        }
    }
}

impl Accounts {
    /// Whether anybody may get an account by themselves.
    pub(crate) fn are_open(&self) -> bool {
        self.setup.registration.admission == Admission::Open
    }

    /// Makes an account without a password, with a username that its owner may change once.
    pub(crate) async fn welcome(
        &self,
        tx: &Tx<'_>,
        newcomer: &Newcomer<'_>,
    ) -> Result<User, CreateError> {
        let now = tx.now();
        let username = self.propose(tx, newcomer).await?;
        let full_name = newcomer.full_name.and_then(|name| FullName::parse(name).ok()).flatten();
        let picture = newcomer.picture.and_then(|url| AvatarUrl::parse(url).ok()).flatten();
        let row = store::NewUser {
            id: UserId::new(now),
            username: &username,
            email: newcomer.email,
            email_verified: true,
            full_name: full_name.as_ref(),
            avatar_url: picture.as_ref(),
            password_hash: &PasswordHash::none(),
            role: Role::User,
            locale: tx.acting().origin.language,
            username_is_proposed: true,
            now,
        };
        Ok(store::insert(tx, row).await?)
    }

    /// A name that is free: what they are called elsewhere, or the beginning of their address, with digits if need be. A
    /// look, not a decision: the unique constraint settles who was first.
    async fn propose(&self, tx: &Tx<'_>, newcomer: &Newcomer<'_>) -> Result<Username, CreateError> {
        let (local_part, _) = newcomer.email.key().split_once('@').unwrap_or_default();
        let stems = [newcomer.username, newcomer.full_name, Some(local_part), Some(NAMELESS)];
        let stem = stems.into_iter().flatten().find_map(|text| self.stem(text));
        let stem = stem.unwrap_or_else(|| NAMELESS.to_owned());
        let mut name = Username::parse(&stem).ok().filter(|_| stem != NAMELESS);
        for _ in 0..PROPOSALS_MAX {
            if let Some(name) = name
                && !store::is_username_taken(tx, name.key()).await?
            {
                return Ok(name);
            }
            let digits = u32::from_be_bytes(secret::random()?) % 1_000_000;
            name = Username::parse(&format!("{stem}-{digits:06}")).ok();
        }
        Err(CreateError::Taken(super::create_error::USERNAME))
    }

    /// What of a text can be the beginning of a username that anybody may have.
    fn stem(&self, text: &str) -> Option<String> {
        let fits = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
        // Some providers take an address for a name; and letters are kept without their marks.
        let (name, _) = text.split_once('@').unwrap_or((text, ""));
        let joined = name.trim().replace(char::is_whitespace, ".");
        let kept: String = joined.nfkd().filter(fits).take(STEM_LENGTH_MAX).collect();
        let edges = |letter: char| !letter.is_ascii_alphanumeric();
        let username = Username::parse(kept.trim_matches(edges)).ok()?;
        let allowed = Naming::Public.allow(username, &self.setup.host).ok()?;
        Some(allowed.as_str().to_owned())
    }

    /// Signs somebody in whose row the transaction has locked or made, and who has proven who they are.
    pub(crate) async fn sign_in(
        &self,
        tx: &Tx<'_>,
        user: User,
        begun: Record,
        proven: Proven,
    ) -> Result<(User, Admitted), Fault> {
        let admitted = self.sessions.sign_in(tx, &user, proven, begun).await?;
        Ok(match admitted {
            Admitted::Session(_) => (Self::note_sign_in(tx, user).await?, admitted),
            Admitted::SecondFactorRequired(_) | Admitted::EnrollmentRequired(_) => (user, admitted),
        })
    }

    /// Notes that the address of a user is theirs, whose row the transaction has locked.
    pub(crate) async fn verify(tx: &Tx<'_>, user: &User) -> Result<(), Fault> {
        Ok(store::verify_email(tx, user.id, tx.now()).await?)
    }

    /// Notes that a session of a user begins whose row the transaction has locked.
    pub(crate) async fn note_sign_in(tx: &Tx<'_>, user: User) -> Result<User, Fault> {
        tx.touch(user.id);
        store::touch_login(tx, user.id, tx.now()).await?;
        Ok(User { last_login_at: Some(tx.now()), ..user })
    }

    /// Gives the caller the username they choose, if theirs is one that was proposed.
    pub(crate) async fn choose_username(
        &self,
        acting: Acting<'_>,
        username: &str,
        of_user: &Limit<limits::User>,
    ) -> Result<User, UsernameError> {
        let username = Username::parse(username)
            .and_then(|username| Naming::Public.allow(username, &self.setup.host))
            .map_err(|invalid| UsernameError::Invalid(invalid.at("input.username")))?;
        self.limits.take([of_user.of(acting.caller()?.user.id)]).await?;
        let choose = async |tx: Tx<'_>| {
            let user = User::clone(&self.sessions.caller(&tx).await?.user);
            let (updated_at, name) = (tx.now(), username.as_str().to_owned());
            let user = User { username: name, updated_at, ..user };
            if !store::choose_username(&tx, &user, &username).await? {
                return Err(UsernameError::Chosen);
            }
            tx.record(kind::USERNAME_CHOSEN, user.id);
            Ok(tx.commit(user).await?)
        };
        self.changes.run("choose a username", acting, choose).await
    }

    /// Whether the caller may still choose a username.
    pub(crate) async fn may_choose_username(&self, id: UserId) -> Result<bool, DbErr> {
        store::is_proposed(self.db.reader(), id).await
    }

    /// Whether a password opens an account.
    pub(crate) async fn has_password(db: &impl ConnectionTrait, id: UserId) -> Result<bool, DbErr> {
        store::has_password(db, id).await
    }

    /// Takes its address from an account that never showed that it is its owner's, and with it all that opens the account:
    /// whoever reads the mail of the address has come (RS-09). The account stays, shut, with what is in it.
    pub(crate) async fn release(&self, tx: &Tx<'_>, user: &User) -> Result<(), CreateError> {
        // No mail reaches it (RFC 2606, section 2).
        let nowhere = format!("{}@released.invalid", user.id.0.as_simple());
        let nowhere = Email::parse(&nowhere).map_err(|_| CreateError::AddressTaken)?;
        let email = nowhere.as_typed().to_owned();
        let released = User { email, is_active: false, updated_at: tx.now(), ..user.clone() };
        store::update_email(tx, &released, &nowhere).await?;
        store::update_password(tx, user.id, &PasswordHash::none()).await?;
        store::update_standing(tx, &released).await?;
        identities::remove_all(tx, user.id).await?;
        authenticators::remove_all(tx, user.id).await?;
        links::void_since(tx, user.id, user.created_at).await?;
        self.outbox.erase(tx, user.id).await?;
        self.sessions.end_all(tx, user.id, EndReason::UserDeactivated).await?;
        tx.note(Record::of(kind::ADDRESS_RELEASED).about(user.id));
        Ok(())
    }
}
