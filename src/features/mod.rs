//! One folder a feature. Which may call which, says `FEATURES` in `tests/api/architecture.rs`.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod authenticators;
pub(crate) mod change;
pub(crate) mod entities;
pub(crate) mod factors;
pub(crate) mod flows;
pub(crate) mod identities;
pub(crate) mod keyring;
pub(crate) mod links;
pub(crate) mod login;
pub(crate) mod organizations;
pub(crate) mod provider_login;
pub(crate) mod recovery;
pub(crate) mod sessions;
pub(crate) mod undelivered;
