//! Passwords: what is accepted ([`policy`]) and how it is hashed and checked ([`hash`]).

mod argon2id;
pub(crate) mod hash;
pub(crate) mod policy;
mod workers;
