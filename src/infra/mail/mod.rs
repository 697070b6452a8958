//! Mail: written into the outbox with the change it tells of, and sent by whichever instance is first.
//!
//! A row of `outbox` belongs to the transaction of its change, so neither is there without the other,
//! and nobody waits for a mail server. What cannot be sent is tried again, ever less often, for a day;
//! then, or when the server refuses its recipient for good or its link has expired, it is given up and kept for a
//! week.
//! A row is deleted once its mail is sent: a server that dies in between sends it again, with the same
//! `Message-ID`.

mod letter;
mod link;
mod reason;
mod site;
mod store;
mod template;
mod transport;
mod worker;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use strum::{EnumMessage, EnumString, IntoStaticStr, VariantArray};

pub(crate) use self::letter::{Letter, Recipient};
pub(crate) use self::link::{LinkPage, LinkPages, PLACE};
pub(crate) use self::site::{Contact, Site};
pub(crate) use self::template::TemplateError;
use self::template::Templates;
use self::transport::Transport;
pub(crate) use self::worker::{count, oldest};
use crate::infra::db::Db;
use crate::infra::keys::Master;
use crate::kernel::clock::Clock;
use crate::kernel::device::Device;
use crate::kernel::id::{MailId, UserId};
use crate::kernel::secret::{CryptoError, base64url};

/// What a mail tells; by its name the templates are found.
/// The documentation of each is its row in the reference.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumMessage, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(const_into_str, serialize_all = "kebab-case")]
pub(crate) enum MailKind {
    /// The account was deleted.
    AccountDeleted,
    /// A hundred sign-ins in a row failed. The password opens the account only on known devices.
    AccountLocked,
    /// Somebody registered with this address, signed in with a provider that names it, or wanted to change to it;
    /// an account has it already.
    AlreadyRegistered,
    /// To the new address: a link that confirms the change.
    ConfirmEmailChange,
    /// Somebody signs in who must set up their first second factor. The mail holds the code that they must enter.
    EnrollmentCode,
    /// To the new address: the account uses it now.
    EmailChanged,
    /// To the old address: the account no longer uses it. If it was verified, the mail names the new address and
    /// has a link that undoes the change.
    EmailChangeUndo,
    /// Somebody signed in with a provider that does not prove the address. The link leads back to that provider.
    FinishRegistration,
    /// From now on this provider opens the account. There is one mail for each identity.
    IdentityLinked,
    /// This provider no longer opens the account. There is one mail for each identity.
    IdentityUnlinked,
    /// An admin invites the recipient to make an account.
    Invitation,
    /// Somebody signed in from a kind of device on which the account has no session.
    NewSignIn,
    /// A member of an organization invites the recipient. Anybody can choose the name of an organization, so the
    /// mail leaves it out.
    OrganizationInvitation,
    /// The password was changed: by its owner, by a link or by the operator. The other devices are signed out.
    PasswordChanged,
    /// From now on a passkey opens the account.
    PasskeyAdded,
    /// A passkey no longer opens the account.
    PasskeyRemoved,
    /// A new password was asked for.
    PasswordReset,
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// A recovery code was used, and three or fewer are left. This mail replaces `recovery-code-used`.
    RecoveryCodesLow,
    /// New recovery codes were made. The previous ones no longer work.
    RecoveryCodesReplaced,
    /// A refresh token was used twice. Its session was ended.
    RefreshTokenReused,
    /// An authenticator app was set up or removed. Codes of the previous app no longer work.
    SecondFactorChanged,
    /// The account no longer asks for a second factor.
    SecondFactorOff,
    /// From now on the account asks for a second factor.
    SecondFactorOn,
    /// An admin or the operator removed all second factors and passkeys of the account.
    SecondFactorsReset,
    /// A hundred wrong codes in a row were entered. Codes of the authenticator app are refused until a recovery
    /// code is used.
    TotpLocked,
    /// An account was registered, or a link was asked for. The link shows that the address is theirs.
    VerifyEmail,
}

/// What the text of one mail says beside what all of its kind say.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Details {
    /// The recipient's, if they are greeted by it.
    greeted_by: Option<String>,
    username: String,
    ip: Option<String>,
    device: Option<String>,
    #[serde(default)]
    other_address: Option<String>,
    #[serde(default)]
    provider: Option<String>,
    /// What the link carries, sealed.
    #[serde(default)]
    sealed_token: Option<String>,
}

/// A mail that is still to be sent.
#[derive(Clone, Debug)]
struct Pending {
    id: MailId,
    kind: String,
    recipient: String,
    language: String,
    details: String,
    created_at: DateTime<Utc>,
    due_at: DateTime<Utc>,
    attempts: i32,
}

/// A mail of which an attempt has failed, as the operator sees it: without what its link carries.
#[derive(Clone, Debug)]
pub(crate) struct Undelivered {
    pub(crate) id: MailId,
    pub(crate) kind: String,
    pub(crate) recipient: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) attempts: i32,
    /// Why the last attempt failed.
    pub(crate) failure: String,
    /// When it is tried again, or deleted.
    pub(crate) due_at: DateTime<Utc>,
    pub(crate) given_up_at: Option<DateTime<Utc>>,
}

/// How many mails were not sent yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// No attempt has failed.
    pub(crate) new: u64,
    /// An attempt has failed, and another one is due.
    pub(crate) postponed: u64,
    /// An attempt has failed, and there is no other one.
    pub(crate) given_up: u64,
}

/// An answer that is waited for.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<bool, DbErr>> + Send + 'a>>;

/// Whether what a link carries still does something, which its feature knows.
pub(crate) type LinkWorks = for<'a> fn(&'a Db, DateTime<Utc>, &'a str) -> Answer<'a>;

/// Where mail goes.
#[derive(Clone, Debug)]
pub(crate) enum Delivery {
    /// To the mail server that the URL names.
    Smtp(SecretString),
    /// Into a folder, as `.eml` files.
    Folder(PathBuf),
}

/// How mail is made and sent.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) delivery: Delivery,
    /// The name by which this server greets the mail server.
    pub(crate) helo: String,
    /// `From`, as in `Example <no-reply@example.com>`.
    pub(crate) from: String,
    /// The name beside the address of `from`, if that has none.
    pub(crate) from_name: Option<String>,
    /// Templates that replace the built-in ones.
    pub(crate) templates: Option<PathBuf>,
    pub(crate) site: Site,
    pub(crate) pages: LinkPages,
}

/// The settings say nothing that mail can be sent with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("MAIL_FROM must be an address, as in Example <no-reply@example.com>")]
    From,
    #[error(
        "SMTP_URL must be the URL of a mail server, as in smtps://user:password@mail.example.com"
    )]
    Url,
    #[error(
        "the user or password in SMTP_URL contains a character that is special in a URL: \
         write # as %23, / as %2F, ? as %3F, a space as %20 and % as %25"
    )]
    Unescaped,
    #[error("SMTP_HELO must be a host name or an IP address, as in auth.example.com")]
    Helo,
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// Why a mail was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LetterError {
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// The mail that is to be sent. Clones share everything.
#[derive(Clone)]
pub(crate) struct Outbox {
    db: Db,
    clock: Clock,
    master: Arc<Master>,
    /// `None`: this instance, and whoever shares its settings, sends no mail.
    post: Option<Arc<Post>>,
    link_works: LinkWorks,
}

struct Post {
    templates: Templates,
    transport: Transport,
    pages: LinkPages,
}

impl Settings {
    /// The mail server, if there is one.
    pub(crate) fn smtp_url(&self) -> Option<&SecretString> {
        match &self.delivery {
            Delivery::Smtp(url) => Some(url),
            Delivery::Folder(_) => None,
        }
    }

    /// Whether mail can be made and sent by them; reaches for no mail server.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        Transport::check(self)?;
        Templates::load(self.templates.as_deref(), &self.site)?;
        Ok(())
    }

    /// Says hello to the mail server, with the password if there is one, and says how that went.
    pub(crate) async fn reach(&self) -> Result<String, String> {
        let transport = Transport::new(self).map_err(|error| error.to_string());
        transport?.reach().await
    }
}

impl Outbox {
    pub(crate) fn new(
        db: Db,
        clock: Clock,
        master: Arc<Master>,
        settings: Option<&Settings>,
        link_works: LinkWorks,
    ) -> Result<Self, SettingsError> {
        let post = settings.map(|settings| {
            let templates = Templates::load(settings.templates.as_deref(), &settings.site)?;
            let transport = Transport::new(settings)?;
            let pages = settings.pages.clone();
            Ok::<_, SettingsError>(Arc::new(Post { templates, transport, pages }))
        });
        Ok(Self { db, clock, master, post: post.transpose()?, link_works })
    }

    /// Whether mail is sent at all.
    pub(crate) fn is_on(&self) -> bool {
        self.post.is_some()
    }

    /// Writes a mail into the transaction of what it tells. It takes the place of one of its kind
    /// about the same account to the same address that is not sent yet, so that an outage or an attack
    /// piles up no mail (RE-07). One that stands beside others takes the place of those only that were given up.
    pub(crate) async fn write(
        &self,
        txn: &impl ConnectionTrait,
        now: DateTime<Utc>,
        letter: Letter<'_>,
    ) -> Result<(), LetterError> {
        if self.post.is_none() {
            return Ok(());
        }
        store::delete_like(txn, &letter).await?;
        self.insert(txn, now, letter).await?;
        Ok(())
    }

    /// Writes a mail to an account that the same transaction makes, to which there is none in whose place it could be.
    pub(crate) async fn write_first(
        &self,
        txn: &impl ConnectionTrait,
        now: DateTime<Utc>,
        letter: Letter<'_>,
    ) -> Result<(), LetterError> {
        match self.post {
            Some(_) => self.insert(txn, now, letter).await.map(|_id| ()),
            None => Ok(()),
        }
    }

    /// Does the work of writing a mail with a link to nobody, so that where there is nobody to write
    /// to, it takes as long (EN-04).
    pub(crate) async fn pretend(
        &self,
        txn: &impl ConnectionTrait,
        now: DateTime<Utc>,
        letter: Letter<'_>,
    ) -> Result<(), LetterError> {
        if self.post.is_none() {
            return Ok(());
        }
        let id = self.insert(txn, now, letter).await?;
        Ok(store::delete(txn, id).await?)
    }

    async fn insert(
        &self,
        txn: &impl ConnectionTrait,
        now: DateTime<Utc>,
        letter: Letter<'_>,
    ) -> Result<MailId, LetterError> {
        let id = MailId::new(now);
        let sealed_token = letter.token.map(|token| self.seal(id, token)).transpose()?;
        let details = Details {
            greeted_by: letter.to.username.map(str::to_owned),
            username: letter.username.to_owned(),
            ip: letter.origin.ip.map(|ip| ip.to_canonical().to_string()),
            // Fixed words: what a client calls itself may be anything, and this goes to strangers.
            device: letter.origin.user_agent.as_deref().and_then(|text| Device::of(text).name()),
            other_address: letter.other_address.map(str::to_owned),
            provider: letter.provider.map(str::to_owned),
            sealed_token,
        };
        store::insert(txn, now, id, letter, serde_json::to_string(&details)?).await?;
        Ok(id)
    }

    /// Deletes what is still to be sent about an account, inside the caller's transaction.
    pub(crate) async fn erase(
        &self,
        txn: &impl ConnectionTrait,
        user: UserId,
    ) -> Result<(), DbErr> {
        store::delete_about(txn, user).await
    }

    fn seal(&self, id: MailId, token: &str) -> Result<String, CryptoError> {
        Ok(base64url(self.master.seal(&context(id), token.as_bytes())?))
    }
}

/// What a sealed token belongs to: in another mail it does not open.
fn context(id: MailId) -> String {
    format!("mail/{id}")
}
