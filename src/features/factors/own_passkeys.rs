//! What holders of a session do with their passkeys.

use sea_orm::DbErr;

use super::{FactorError, Factors};
use crate::features::accounts::WayIn;
use crate::features::audit::kind;
use crate::features::authenticators::passkeys::{self, Passkey, PasskeyName};
use crate::features::change::Tx;
use crate::infra::mail::{Letter, MailKind};
use crate::kernel::access::{Own, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::{PasskeyId, UserId};

impl Factors {
    /// The caller's passkeys, the oldest first.
    pub(crate) async fn passkeys(&self, user: UserId) -> Result<Vec<Passkey>, DbErr> {
        passkeys::list(self.db.reader(), user).await
    }

    /// By what passkeys know a user, if any was ever registered.
    pub(crate) async fn user_handle(&self, user: UserId) -> Result<Option<Vec<u8>>, DbErr> {
        passkeys::find_handle(self.db.reader(), user).await
    }

    /// Calls one of the caller's passkeys something else.
    pub(crate) async fn rename_passkey(
        &self,
        acting: Acting<'_>,
        own: Own<PasskeyId>,
        name: &PasskeyName,
    ) -> Result<Passkey, FactorError> {
        let id = own.named();
        let rename = async |tx: Tx<'_>| {
            let user = self.holder(&tx).await?;
            passkeys::rename(&tx, user.id, id, name).await?;
            let passkey = passkeys::find_own(&tx, user.id, id).await?;
            let passkey = passkey.ok_or(FactorError::NoPasskey)?;
            Ok(tx.commit(passkey).await?)
        };
        self.changes.run("rename a passkey", acting, rename).await
    }

    /// Takes one of the caller's passkeys from their account, unless nothing else would open it. Without another factor sign-ins
    /// ask for none any more.
    pub(crate) async fn delete_passkey(
        &self,
        acting: Acting<'_>,
        own: Own<PasskeyId>,
    ) -> Result<User, FactorError> {
        let id = own.named();
        let delete = async |tx: Tx<'_>| {
            let user = self.holder(&tx).await?;
            passkeys::find_own(&tx, user.id, id).await?.ok_or(FactorError::NoPasskey)?;
            if self.accounts.is_last_way_in(&tx, user.id, WayIn::Passkey(id)).await? {
                return Err(FactorError::LastWayIn);
            }
            passkeys::remove(&tx, user.id, id).await?;
            tx.record(kind::PASSKEY_REMOVED, user.id);
            tx.write(Letter::to(&user, MailKind::PasskeyRemoved, tx.acting().origin)).await?;
            let user = self.without_unheld(&tx, user).await?;
            Ok(tx.commit(user).await?)
        };
        self.changes.run("delete a passkey", acting, delete).await
    }
}
