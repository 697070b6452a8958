//! The master secret: everything sealed in the database opens with it, and with nothing else.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use crate::kernel::secret::CryptoError;

/// Each label tells a key's derivation from every other use the master secret may ever have (KY-05).
const SEALING_LABEL: &[u8] = b"portcullis/v1/seal/keys";
const SIGNING_LABEL: &[u8] = b"portcullis/v1/sign/audit";

/// The keys that seal rows, open and sign them.
pub(crate) struct Master {
    current: Derived,
    /// Of the secret before the current one. It seals nothing.
    previous: Option<Derived>,
}

/// The keys of one secret, derived from it by HKDF-SHA256 (RFC 5869).
struct Derived {
    sealing: RandomizedNonceKey,
    signing: hmac::Key,
}

/// Under which secret a value is sealed or signed.
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
        let previous = previous.map(Derived::new).transpose()?;
        Ok(Self { current: Derived::new(secret)?, previous })
    }

    /// Encrypts and authenticates `plain`; `context` is authenticated beside it, so that a sealed
    /// value copied to another row does not open there.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .current
            .sealing
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_opaque| CryptoError("seal a key"))?;
        Ok([&nonce.as_ref()[..], &sealed].concat())
    }

    /// Which secret opens a sealed value, if any does.
    pub(crate) fn opens(&self, context: &str, sealed: &[u8]) -> Sealed {
        if open(&self.current.sealing, context, sealed).is_some() {
            return Sealed::Current;
        }
        let previous = self.previous.as_ref().and_then(|keys| open(&keys.sealing, context, sealed));
        previous.map_or(Sealed::Unknown, |_| Sealed::Previous)
    }

    /// Undoes [`Master::seal`], under this secret or the previous one; `None` when secret, context
    /// or contents differ.
    pub(crate) fn open(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let previous = || open(&self.previous.as_ref()?.sealing, context, sealed);
        open(&self.current.sealing, context, sealed).or_else(previous)
    }

    /// HMAC-SHA256 of `message` under one of the secrets. Instances that do not have the current one
    /// yet must still find good what is signed: so whoever signs again does it under the secret of the
    /// signature before, until all is sealed under the current one. `None` where that is unknown.
    pub(crate) fn sign(&self, under: Sealed, message: &[u8]) -> Option<Vec<u8>> {
        let keys = match under {
            Sealed::Current => &self.current,
            Sealed::Previous => self.previous.as_ref()?,
            Sealed::Unknown => return None,
        };
        Some(hmac::sign(&keys.signing, message).as_ref().to_vec())
    }

    /// Under which secret `message` was signed.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> Sealed {
        let is_by = |keys: &Derived| hmac::verify(&keys.signing, message, signature).is_ok();
        if is_by(&self.current) {
            Sealed::Current
        } else if self.previous.as_ref().is_some_and(is_by) {
            Sealed::Previous
        } else {
            Sealed::Unknown
        }
    }
}

impl Derived {
    fn new(secret: &[u8]) -> Result<Self, CryptoError> {
        let sealing = derive(secret, SEALING_LABEL)?;
        let sealing = RandomizedNonceKey::new(&AES_256_GCM, &*sealing)
            .map_err(|_opaque| CryptoError("make the sealing key"))?;
        let signing = derive(secret, SIGNING_LABEL)?;
        Ok(Self { sealing, signing: hmac::Key::new(hmac::HMAC_SHA256, &*signing) })
    }
}

fn derive(secret: &[u8], label: &[u8]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[label], hkdf::HKDF_SHA256)
        .and_then(|material| material.fill(&mut *key))
        .map_err(|_opaque| CryptoError("derive a key"))?;
    Ok(key)
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
    fn a_signature_tells_its_secret_and_is_of_one_message() {
        let old = Master::new(&[1; 32], None).unwrap();
        let both = Master::new(&[2; 32], Some(&[1; 32])).unwrap();
        let signature = old.sign(Sealed::Current, b"message").unwrap();

        assert_eq!(old.signed(b"message", &signature), Sealed::Current);
        assert_eq!(both.signed(b"message", &signature), Sealed::Previous);
        assert_eq!(both.sign(Sealed::Previous, b"message"), Some(signature.clone()));
        assert_ne!(both.sign(Sealed::Current, b"message"), Some(signature.clone()));
        assert_eq!(both.signed(b"another", &signature), Sealed::Unknown);
        assert_eq!(both.signed(b"message", &signature[1..]), Sealed::Unknown);
        assert_eq!(both.sign(Sealed::Unknown, b"message"), None);
        assert_eq!(old.sign(Sealed::Previous, b"message"), None);
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let master = Master::new(&[1; 32], None).unwrap();
        assert_ne!(master.seal("a", b"key").unwrap(), master.seal("a", b"key").unwrap());
    }
}
