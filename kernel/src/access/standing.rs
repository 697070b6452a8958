//! Rules about what a call names: that it is the caller's own, and that the caller's rights cover those of whom it is
//! about.
//!
//! The attribute above a resolver hands each rule to its feature, which asks it under the locks of the change; `can` asks
//! the same function.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};

use super::{Grants, Role, User};
use crate::id::UserId;

/// The rule `@owner` of a field whose input names an object: the object is the caller's own. `E` is the entity of an
/// extension, which may have a permission that opens the objects of everybody.
#[derive(Clone, Copy, Debug)]
pub struct Owner<E = ()>(PhantomData<fn() -> E>);

/// What a call names, which only counts if it is the caller's own. Features that change what somebody owns take this and
/// no bare id, so a resolver without the rule does not compile.
#[derive(Clone, Copy, Debug)]
pub struct Own<T, E = ()> {
    named: T,
    of: PhantomData<fn() -> E>,
}

impl<E> Owner<E> {
    /// The rule, as an attribute declares it.
    #[doc(hidden)]
    #[must_use]
    pub const fn declared() -> Self {
        Self(PhantomData)
    }

    /// What a call names, under this rule.
    #[must_use]
    pub fn of<T>(self, named: T) -> Own<T, E> {
        Own { named, of: PhantomData }
    }
}

impl<T, E> Own<T, E> {
    /// What the call names. The statement that looks for it must name the caller too.
    #[must_use]
    pub fn named(self) -> T {
        self.named
    }

    /// The same by reference.
    #[must_use]
    pub fn as_ref(&self) -> Own<&T, E> {
        Own { named: &self.named, of: PhantomData }
    }

    /// The same thing by another name.
    #[must_use]
    pub fn map<U>(self, rename: impl FnOnce(T) -> U) -> Own<U, E> {
        Own { named: rename(self.named), of: PhantomData }
    }
}

/// The rule `@covers`: the caller's rights include those of the account, member or invitation that a call is about, and
/// those that the call gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covers {
    /// Whether the call cannot be about the caller's own account.
    pub others: bool,
}

/// Whose account it is, and what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Rights<'a> {
    /// The account.
    pub id: UserId,
    /// Its role.
    pub role: Role,
    /// What was granted to it.
    pub grants: &'a Grants,
}

impl<'a> From<&'a User> for Rights<'a> {
    fn from(user: &'a User) -> Self {
        Self { id: user.id, role: user.role, grants: &user.grants }
    }
}

/// Why a caller's rights do not cover an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncovered {
    /// It may do more than the caller.
    #[error("the account has more permissions than the caller's")]
    More(Covers),
    /// It is the caller's own.
    #[error("the account is the caller's own")]
    Oneself(Covers),
}

impl Covers {
    /// Lets the caller change an account, or says why not.
    pub fn admit(
        self,
        caller: &User,
        account: Rights<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Uncovered> {
        if self.others && caller.id == account.id {
            return Err(Uncovered::Oneself(self));
        }
        caller.may_all_of(account, now).then_some(()).ok_or(Uncovered::More(self))
    }

    /// Whether the caller's role includes another.
    #[must_use]
    pub fn admits_role<R: Ord + Copy>(self, own: R, other: R) -> bool {
        own >= other
    }
}
