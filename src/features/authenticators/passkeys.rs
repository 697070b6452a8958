//! Passkeys: WebAuthn credentials, as they are kept. What authenticators and browsers say is judged elsewhere.

mod store;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use crate::features::change::{Fault, Tx, with_fault};
use crate::kernel::id::{PasskeyId, UserId};
use crate::kernel::invalid::{Problem, one_line};
use crate::kernel::secret::random;

/// Passkeys that a user has at most.
pub(crate) const PASSKEYS_MAX: usize = 20;
/// In characters.
const NAME_LENGTH_MAX: usize = 100;
/// Of the handle by which passkeys know a user, in bytes: as many as suffice for none to be guessed or met twice.
const HANDLE_LENGTH: usize = 32;

/// What a user calls a passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PasskeyName(String);

impl PasskeyName {
    /// Accepts 1 to 100 characters on one line, from the field of this path.
    pub(crate) fn parse(path: &'static str, text: &str) -> Result<Self, Problem> {
        one_line(path, text, 1..=NAME_LENGTH_MAX).map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A passkey of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passkey {
    pub(crate) id: PasskeyId,
    pub(crate) user: UserId,
    /// The domain that it was made for.
    pub(crate) rp_id: String,
    /// Chosen by the authenticator; at most 1,023 bytes.
    pub(crate) credential_id: Vec<u8>,
    /// A COSE_Key; at most 4,096 bytes.
    pub(crate) public_key: Vec<u8>,
    /// The signature counter that was last verified; 0 where the authenticator does not count.
    pub(crate) sign_count: u32,
    pub(crate) name: String,
    /// How browsers reach the authenticator, as WebAuthn names the ways.
    pub(crate) transports: Vec<String>,
    /// The model of the authenticator, as it says; nil where it does not.
    pub(crate) aaguid: Uuid,
    /// Whether its authenticator has verified its user: when it was registered, or since, if it is conditional. Only such a
    /// passkey is a way in (`uvInitialized` of WebAuthn Level 3, section 4).
    pub(crate) user_verified: bool,
    /// Whether a browser made it without asking. Browsers do so in their own password managers only, which verify nobody then, and
    /// can at each use: no security key without a PIN is among them.
    pub(crate) conditional: bool,
    pub(crate) backup_eligible: bool,
    pub(crate) backed_up: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
}

impl Passkey {
    /// Whether it opens the account alone, each time that its authenticator verifies its user.
    pub(crate) fn opens_alone(&self) -> bool {
        self.user_verified || self.conditional
    }
}

/// What an authenticator has said when a passkey was used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) sign_count: u32,
    pub(crate) backed_up: bool,
    pub(crate) user_verified: bool,
}

/// A passkey to be kept, as it was verified.
#[derive(Clone, Debug)]
pub(crate) struct NewPasskey {
    pub(crate) rp_id: String,
    pub(crate) credential_id: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
    pub(crate) sign_count: u32,
    pub(crate) name: PasskeyName,
    /// Those that WebAuthn names, so that they are few.
    pub(crate) transports: Vec<String>,
    pub(crate) aaguid: Uuid,
    pub(crate) user_verified: bool,
    pub(crate) conditional: bool,
    pub(crate) backup_eligible: bool,
    pub(crate) backed_up: bool,
}

/// Why a passkey was not added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddError {
    /// The unique constraint settles who was first, not a look before (MF-11).
    #[error("the passkey is already registered")]
    Taken,
    #[error("the account has too many passkeys")]
    TooMany,
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(AddError);

/// Adds a passkey to a user's.
pub(crate) async fn add(tx: &Tx<'_>, user: UserId, new: NewPasskey) -> Result<Passkey, AddError> {
    if store::list(tx, user).await?.len() >= PASSKEYS_MAX {
        return Err(AddError::TooMany);
    }
    let now = tx.now();
    let passkey = Passkey {
        id: PasskeyId::new(now),
        user,
        rp_id: new.rp_id,
        credential_id: new.credential_id,
        public_key: new.public_key,
        sign_count: new.sign_count,
        name: new.name.0,
        transports: new.transports,
        aaguid: new.aaguid,
        user_verified: new.user_verified,
        conditional: new.conditional,
        backup_eligible: new.backup_eligible,
        backed_up: new.backed_up,
        created_at: now,
        last_used_at: None,
    };
    store::insert(tx, &passkey).await?;
    Ok(passkey)
}

/// The domain that the first passkey of all was made for, if there is any.
pub(crate) async fn find_first_domain(db: &impl ConnectionTrait) -> Result<Option<String>, DbErr> {
    store::find_first_domain(db).await
}

/// The passkey that an authenticator calls so, whosever it is.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    credential_id: &[u8],
) -> Result<Option<Passkey>, DbErr> {
    store::find(db, credential_id).await
}

/// A passkey of a user; that of another is none.
pub(crate) async fn find_own(
    db: &impl ConnectionTrait,
    user: UserId,
    id: PasskeyId,
) -> Result<Option<Passkey>, DbErr> {
    store::find_own(db, user, id).await
}

/// All of a user's, the oldest first.
pub(crate) async fn list(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Passkey>, DbErr> {
    store::list(db, user).await
}

/// Calls one of a user's something else; says whether it is there.
pub(crate) async fn rename(
    tx: &Tx<'_>,
    user: UserId,
    id: PasskeyId,
    name: &PasskeyName,
) -> Result<bool, DbErr> {
    store::rename(tx, user, id, name.as_str()).await
}

/// Takes one from a user; says whether it was there.
pub(crate) async fn remove(tx: &Tx<'_>, user: UserId, id: PasskeyId) -> Result<bool, DbErr> {
    store::delete(tx, user, id).await
}

/// Takes those from a user that were registered since then.
pub(super) async fn remove_since(
    tx: &Tx<'_>,
    user: UserId,
    since: DateTime<Utc>,
) -> Result<(), DbErr> {
    store::delete_since(tx, user, since).await
}

/// Takes all of them from a user.
pub(super) async fn remove_all(tx: &Tx<'_>, user: UserId) -> Result<(), DbErr> {
    store::delete_all(tx, user).await
}

/// Notes the use of a passkey with what its authenticator has said; says whether the passkey still is what the use was
/// verified against. So of two authenticators with one key and the same count, one is refused.
pub(crate) async fn note_use(tx: &Tx<'_>, verified: &Passkey, used: &Use) -> Result<bool, DbErr> {
    store::note_use(tx, verified, used, tx.now()).await
}

/// By which passkeys know a user. It is random, since authenticators show it to whoever holds them, and made when it is
/// first needed.
pub(crate) async fn handle(tx: &Tx<'_>, user: UserId) -> Result<Vec<u8>, Fault> {
    super::store::give_handle(tx, user, &random::<HANDLE_LENGTH>()?).await?;
    let found = super::store::find_handle(tx, user).await?;
    found.ok_or_else(|| DbErr::RecordNotUpdated.into())
}

/// The same, if the user has one.
pub(crate) async fn find_handle(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<Vec<u8>>, DbErr> {
    super::store::find_handle(db, user).await
}
