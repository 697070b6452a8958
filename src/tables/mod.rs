//! SeaORM entities: the tables as they are. Only files named `store.rs` look at them.

pub(crate) mod audit_event;
pub(crate) mod audit_seal;
pub(crate) mod finished_flow;
pub(crate) mod identity;
pub(crate) mod instance;
pub(crate) mod invitation;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod membership;
pub(crate) mod one_time_token;
pub(crate) mod organization;
pub(crate) mod outbox;
pub(crate) mod passkey;
pub(crate) mod recovery_code;
pub(crate) mod session;
pub(crate) mod sign_in_challenge;
pub(crate) mod totp_secret;
pub(crate) mod unlinked_issuer;
pub(crate) mod user;
pub(crate) mod user_metadata;
