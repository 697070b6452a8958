//! One folder a feature, lowest first: each may call those above it in this list, never below.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod keyring;
pub(crate) mod links;
pub(crate) mod login;
pub(crate) mod recovery;
pub(crate) mod sessions;
