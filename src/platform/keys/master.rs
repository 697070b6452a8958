//! The master secret: everything sealed in the database opens with it, and with nothing else.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::platform::secret::CryptoError;

/// Tells this key's derivation from every other use the master secret may ever have (KY-05).
const SEALING_LABEL: &[u8] = b"portcullis/v1/seal/keys";

/// The keys that seal rows and open them, derived from master secrets by HKDF-SHA256 (RFC 5869).
pub(crate) struct Master {
    sealing: RandomizedNonceKey,
    /// Of the secret before the current one. It only opens.
    previous: Option<RandomizedNonceKey>,
}

/// Under which secret a value is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealed {
    Current,
    Previous,
    /// Under neither, or it was changed.
    Unknown,
}

impl Master {
    /// Derives the keys from secrets, each at least 32 bytes of randomness.
    pub(crate) fn new(secret: &[u8], previous: Option<&[u8]>) -> Result<Self, CryptoError> {
        Ok(Self { sealing: derive(secret)?, previous: previous.map(derive).transpose()? })
    }

    /// Encrypts and authenticates `plain`; `context` is authenticated beside it, so that a sealed
    /// value copied to another row does not open there.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .sealing
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_opaque| CryptoError("seal a key"))?;
        Ok([&nonce.as_ref()[..], &sealed].concat())
    }

    /// Which secret opens a sealed value, if any does.
    pub(crate) fn opens(&self, context: &str, sealed: &[u8]) -> Sealed {
        if open(&self.sealing, context, sealed).is_some() {
            return Sealed::Current;
        }
        let previous = self.previous.as_ref().and_then(|key| open(key, context, sealed));
        previous.map_or(Sealed::Unknown, |_| Sealed::Previous)
    }

    /// Undoes [`Master::seal`], under this secret or the previous one; `None` when secret, context
    /// or contents differ.
    pub(crate) fn open(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let previous = || open(self.previous.as_ref()?, context, sealed);
        open(&self.sealing, context, sealed).or_else(previous)
    }
}

fn derive(secret: &[u8]) -> Result<RandomizedNonceKey, CryptoError> {
    let failed = |_opaque| CryptoError("derive the sealing key");
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[SEALING_LABEL], hkdf::HKDF_SHA256)
        .and_then(|material| material.fill(&mut *key))
        .map_err(failed)?;
    RandomizedNonceKey::new(&AES_256_GCM, &*key).map_err(failed)
}

fn open(key: &RandomizedNonceKey, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut buffer = Zeroizing::new(rest.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, Aad::from(context), &mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_with_its_secret_and_its_context() {
        let master = Master::new(&[1; 32], None).unwrap();
        let sealed = master.seal("signing/1", b"key").unwrap();
        let mut changed = sealed.clone();
        changed[NONCE_LEN] ^= 1;

        assert_eq!(**master.open("signing/1", &sealed).unwrap(), *b"key");
        assert!(master.open("signing/2", &sealed).is_none());
        assert!(master.open("signing/1", &changed).is_none());
        assert!(master.open("signing/1", b"short").is_none());
        assert!(Master::new(&[2; 32], None).unwrap().open("signing/1", &sealed).is_none());
    }

    #[test]
    fn the_previous_secret_opens_and_does_not_seal() {
        let old = Master::new(&[1; 32], None).unwrap();
        let both = Master::new(&[2; 32], Some(&[1; 32])).unwrap();

        assert!(both.open("a", &old.seal("a", b"key").unwrap()).is_some());
        assert!(old.open("a", &both.seal("a", b"key").unwrap()).is_none());
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let master = Master::new(&[1; 32], None).unwrap();
        assert_ne!(master.seal("a", b"key").unwrap(), master.seal("a", b"key").unwrap());
    }
}
