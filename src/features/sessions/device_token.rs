//! The device token: it shows that somebody has signed in to an account from here before.
//!
//! It opens nothing. Whoever presents it beside a password is counted apart from strangers, so that these
//! cannot keep the owner of an account from signing in where they did before (BF-11). It is the id of the session that it
//! was issued with, sealed under the master secret: it outlives the end of that session, but not its row,
//! where the failures are counted.

use std::fmt;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::infra::keys::{Master, SealedToken};
use crate::kernel::id::SessionId;
use crate::kernel::secret::CryptoError;

const KIND: SealedToken = SealedToken { prefix: "pcd_", context: "device-token", length_max: 200 };

/// A device token as its holder has it. Never logged, never stored.
pub(crate) struct DeviceToken(Zeroizing<String>);

impl DeviceToken {
    /// The token of the device that a session begins on.
    pub(super) fn issue(master: &Master, session: SessionId) -> Result<Self, CryptoError> {
        Ok(Self(Zeroizing::new(KIND.seal(master, session.0.as_bytes())?)))
    }

    /// The session that a token as presented was issued with; `None` for whatever is none of ours.
    pub(super) fn open(master: &Master, text: &str) -> Option<SessionId> {
        Uuid::from_slice(&KIND.open(master, text)?).ok().map(SessionId)
    }

    /// The token itself, for its holder.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::kernel::secret::base64url;

    #[test]
    fn a_token_names_its_session_under_its_secret_and_as_it_is() {
        let master = Master::new(&[1; 32], None).unwrap();
        let session = SessionId::new(DateTime::UNIX_EPOCH);
        let token = DeviceToken::issue(&master, session).unwrap();
        let text = token.expose();
        assert_eq!(DeviceToken::open(&master, text), Some(session));

        let other = Master::new(&[2; 32], None).unwrap();
        assert_eq!(DeviceToken::open(&other, text), None);
        let turned = Master::new(&[2; 32], Some(&[1; 32])).unwrap();
        assert_eq!(DeviceToken::open(&turned, text), Some(session));
        let elsewhere = master.seal("mail", session.0.as_bytes()).unwrap();
        for wrong in [
            "",
            "pcd_",
            &text[4..],
            &text[..text.len() - 2],
            &text.replace("pcd_", "pcr_"),
            &format!("{text}="),
            &format!("pcd_{}", "A".repeat(5000)),
            &format!("pcd_{}", base64url(elsewhere)),
            &format!("pcd_{}", base64url(session.0.as_bytes())),
        ] {
            assert_eq!(DeviceToken::open(&master, wrong), None, "{wrong}");
        }
        assert!(!format!("{token:?}").contains(&text[4..]));
    }
}
