//! Tokens that hold what they stand for, sealed under the master secret: there is nothing to store.

use zeroize::Zeroizing;

use super::Master;
use crate::kernel::secret::{CryptoError, base64url, from_base64url};

/// A kind of such tokens.
pub(crate) struct SealedToken {
    /// Lets people and secret scanners tell what they have found. Never change it.
    pub(crate) prefix: &'static str,
    /// What is sealed with it opens nowhere else.
    pub(crate) context: &'static str,
    /// Longer ones are not looked at.
    pub(crate) length_max: usize,
}

impl SealedToken {
    /// The token that holds `plain`.
    pub(crate) fn seal(&self, master: &Master, plain: &[u8]) -> Result<String, CryptoError> {
        Ok(format!("{}{}", self.prefix, base64url(master.seal(self.context, plain)?)))
    }

    /// What a token as presented holds; `None` for whatever is none of ours.
    pub(crate) fn open(&self, master: &Master, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let sealed = text.strip_prefix(self.prefix).filter(|rest| rest.len() <= self.length_max)?;
        master.open(self.context, &from_base64url(sealed)?)
    }
}
