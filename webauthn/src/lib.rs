//! Verifies WebAuthn registrations and assertions, as WebAuthn Level 3 §7 says; sections (§) below are of that specification.
//!
//! It makes the options of a ceremony, and verifies what comes back, in the JSON forms that browsers read and write. It knows
//! no accounts, no database, no HTTP and no clock: the caller keeps challenges and credentials. The tables at the top of
//! `registration.rs` and `assertion.rs` say where each step is, and which are the caller's.
//!
//! Everything that is verified was sent by a stranger. So each part has a length, CBOR and base64url have one encoding for a
//! value, a JSON member stands there once, and nothing may follow that nobody read.
//!
//! `docs/reference/webauthn.md` says how it differs from other verifiers, against which `.ci/webauthn-peers` tries it.
//!
//! Why not `webauthn-rs-core`: measured in November 2026, its version 0.6.2 would add 67 crates to the workspace, about a
//! minute of two cores to a clean release build, a second cryptographic library (RustCrypto, among it the release candidates
//! `rsa` 0.10.0-rc.19, for which RUSTSEC-2023-0071 has no fix, and `kbkdf` 0.1.0-rc.1), and the licence MPL-2.0. This crate
//! adds `ciborium`, and verifies with AWS-LC, as everything else here.

mod assertion;
#[cfg(any(test, feature = "authenticator"))]
pub mod authenticator;
mod authenticator_data;
mod cbor;
mod client_data;
mod credential;
mod error;
mod options;
mod public_key;
mod registration;
mod relying_party;
mod transport;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod strangers;

pub use self::assertion::{Asserted, Assertion, StoredCredential};
pub use self::error::{Malformed, VerificationError};
pub use self::options::UserEntity;
pub use self::public_key::{Algorithm, PublicKey};
pub use self::registration::Registered;
pub use self::relying_party::{Challenge, RelyingParty, UserVerification};
pub use self::transport::{Descriptor, Transport};
