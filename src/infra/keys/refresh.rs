//! Keys that vouch for what holders of sessions present: refresh tokens.

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, Material, OpenedKey};
use crate::kernel::secret::{self, CryptoError};

/// The shortest that signs, in bytes: that of the digest (RFC 7518, section 3.2).
const LENGTH_MIN: usize = 32;

/// Signs what is handed out, and knows it again.
pub(crate) struct RefreshKey {
    /// Stands in what it signs.
    pub(crate) serial: u16,
    pub(super) signs_from: DateTime<Utc>,
    pub(super) verifies_until: Option<DateTime<Utc>>,
    key: hmac::Key,
}

/// The key that a serial names.
pub(crate) enum Named<'k> {
    Known(&'k RefreshKey),
    /// It may be the next one, of which this instance has not read yet.
    NotYet,
    /// There is none, or none any more.
    Gone,
}

impl RefreshKey {
    pub(super) fn load(serial: i32, key: &OpenedKey) -> Result<Self, KeyError> {
        let unusable = |problem| KeyError::Unusable { kid: key.kid.clone(), problem };
        let serial = u16::try_from(serial).map_err(|_| unusable("its serial is out of range"))?;
        if key.secret.len() < LENGTH_MIN {
            return Err(unusable("it has fewer than 256 bits"));
        }
        Ok(Self {
            serial,
            signs_from: key.signs_from,
            verifies_until: key.verifies_until,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key.secret),
        })
    }

    /// HMAC-SHA256 of `label` and `message` (RFC 2104). No label is the beginning of another.
    pub(crate) fn sign(&self, label: &str, message: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.key, &labelled(label, message)).as_ref());
        out
    }

    /// Whether `mac` is what [`RefreshKey::sign`] gives, in the same time whatever it is.
    pub(crate) fn verifies(&self, label: &str, message: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.key, &labelled(label, message), mac).is_ok()
    }
}

fn labelled(label: &str, message: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([label.as_bytes(), message].concat())
}

/// Fresh material for such a key.
pub(super) fn generate() -> Result<Material, CryptoError> {
    let secret = Zeroizing::new(secret::random::<32>()?.to_vec());
    Ok(Material { algorithm: Algorithm::Hs256.into_str(), public: None, secret })
}
