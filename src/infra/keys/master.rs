//! The master secret: everything sealed in the database opens with it, and with nothing else.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use crate::kernel::secret::CryptoError;

/// Each label tells a key's derivation from every other use the master secret may ever have (KY-05).
const SEALING_LABEL: &[u8] = b"portcullis/v1/seal/keys";
const SEEDS_LABEL: &[u8] = b"portcullis/v1/seal/totp";
const SIGNING_LABEL: &[u8] = b"portcullis/v1/sign/audit";

/// The keys that seal rows, open and sign them.
pub(crate) struct Master {
    sealing: Sealer,
    seeds: Sealer,
    signing: hmac::Key,
    /// Of the secret before the current one. It signs only what it has signed before.
    previous_signing: Option<hmac::Key>,
}

/// What seals for one purpose, under a key of its own.
pub(crate) struct Sealer {
    current: RandomizedNonceKey,
    /// Of the secret before the current one. It seals nothing.
    previous: Option<RandomizedNonceKey>,
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
    /// Derives the keys by HKDF-SHA256 (RFC 5869) from secrets, each at least 32 bytes of randomness.
    pub(crate) fn new(secret: &[u8], previous: Option<&[u8]>) -> Result<Self, CryptoError> {
        let signing =
            |secret: &[u8]| Ok(hmac::Key::new(hmac::HMAC_SHA256, &*derive(secret, SIGNING_LABEL)?));
        Ok(Self {
            sealing: Sealer::new(SEALING_LABEL, secret, previous)?,
            seeds: Sealer::new(SEEDS_LABEL, secret, previous)?,
            signing: signing(secret)?,
            previous_signing: previous.map(signing).transpose()?,
        })
    }

    /// Seals as [`Sealer::seal`] does, under the key of keys, tokens and links.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.sealing.seal(context, plain)
    }

    /// Which secret opens what [`Master::seal`] has sealed, if any does.
    pub(crate) fn opens(&self, context: &str, sealed: &[u8]) -> Sealed {
        self.sealing.opens(context, sealed)
    }

    /// Undoes [`Master::seal`].
    pub(crate) fn open(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.sealing.open(context, sealed)
    }

    /// What seals the seeds of one-time codes.
    pub(crate) fn seeds(&self) -> &Sealer {
        &self.seeds
    }

    /// HMAC-SHA256 of `message` under one of the secrets. Instances that do not have the current one
    /// yet must still find good what is signed: so whoever signs again does it under the secret of the
    /// signature before, until all is sealed under the current one. `None` where that is unknown.
    pub(crate) fn sign(&self, under: Sealed, message: &[u8]) -> Option<Vec<u8>> {
        let key = match under {
            Sealed::Current => &self.signing,
            Sealed::Previous => self.previous_signing.as_ref()?,
            Sealed::Unknown => return None,
        };
        Some(hmac::sign(key, message).as_ref().to_vec())
    }

    /// Under which secret `message` was signed.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> Sealed {
        let is_by = |key: &hmac::Key| hmac::verify(key, message, signature).is_ok();
        if is_by(&self.signing) {
            Sealed::Current
        } else if self.previous_signing.as_ref().is_some_and(is_by) {
            Sealed::Previous
        } else {
            Sealed::Unknown
        }
    }
}

impl Sealer {
    fn new(label: &[u8], secret: &[u8], previous: Option<&[u8]>) -> Result<Self, CryptoError> {
        let key = |secret: &[u8]| {
            RandomizedNonceKey::new(&AES_256_GCM, &*derive(secret, label)?)
                .map_err(|_opaque| CryptoError("make the sealing key"))
        };
        Ok(Self { current: key(secret)?, previous: previous.map(key).transpose()? })
    }

    /// Encrypts and authenticates `plain`; `context` is authenticated beside it, so that a sealed
    /// value copied to another row does not open there.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .current
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_opaque| CryptoError("seal a secret"))?;
        Ok([&nonce.as_ref()[..], &sealed].concat())
    }

    /// Which secret opens a sealed value, if any does.
    pub(crate) fn opens(&self, context: &str, sealed: &[u8]) -> Sealed {
        if open(&self.current, context, sealed).is_some() {
            return Sealed::Current;
        }
        let previous = self.previous.as_ref().and_then(|key| open(key, context, sealed));
        previous.map_or(Sealed::Unknown, |_| Sealed::Previous)
    }

    /// Undoes [`Sealer::seal`], under this secret or the previous one; `None` when secret, context
    /// or contents differ.
    pub(crate) fn open(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let previous = || open(self.previous.as_ref()?, context, sealed);
        open(&self.current, context, sealed).or_else(previous)
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
    fn seeds_have_a_key_of_their_own() {
        let master = Master::new(&[1; 32], None).unwrap();
        let sealed = master.seeds().seal("a", b"seed").unwrap();

        assert_eq!(**master.seeds().open("a", &sealed).unwrap(), *b"seed");
        assert!(master.open("a", &sealed).is_none());
        assert!(master.seeds().open("a", &master.seal("a", b"key").unwrap()).is_none());
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let master = Master::new(&[1; 32], None).unwrap();
        assert_ne!(master.seal("a", b"key").unwrap(), master.seal("a", b"key").unwrap());
    }
}
