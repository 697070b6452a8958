//! By what attempts are counted: those that agree in it are counted together.

use std::marker::PhantomData;
use std::net::IpAddr;

use crate::kernel::access::network;
use crate::kernel::id::{SessionId, UserId};

/// What attempts are counted by.
pub trait CountedBy {
    /// By whom an attempt is, or at whom.
    type Of<'a>: Copy;

    /// Each part of it, as the schema says it.
    fn parts() -> Vec<ByWhat>;

    /// Writes each part of it.
    fn write(of: Self::Of<'_>, parts: &mut Vec<String>);

    /// The value of which different ones are counted, where they are.
    fn member(_of: Self::Of<'_>) -> Option<String> {
        None
    }

    /// Of what different values are counted, where they are.
    fn distinct() -> Option<ByWhat> {
        None
    }
}

/// A part of what attempts are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByWhat {
    Ip,
    Identifier,
    User,
    Session,
    Device,
}

/// A client's address; of IPv6 the network, since a subscriber has at least a /64.
#[derive(Debug)]
pub(crate) struct Ip;
/// Who is meant, as submitted, in canonical form, whether there is such an account or not.
#[derive(Debug)]
pub(crate) struct Identifier;
/// A user, or what stands for one.
#[derive(Debug)]
pub struct User;
/// The session that the caller calls from.
#[derive(Debug)]
pub(crate) struct Session;
/// A device that its user has signed in from before, by the session that it was known by.
#[derive(Debug)]
pub(crate) struct Device;
/// By `A`, and not each attempt but each `B`.
#[derive(Debug)]
pub(crate) struct Distinct<A, B>(PhantomData<(A, B)>);

macro_rules! keys {
    ($($key:ident: $of:ty, $text:expr;)*) => {$(
        impl CountedBy for $key {
            type Of<'a> = $of;

            fn parts() -> Vec<ByWhat> {
                vec![ByWhat::$key]
            }

            fn write(of: Self::Of<'_>, parts: &mut Vec<String>) {
                let text: fn(Self::Of<'_>) -> String = $text;
                parts.extend([stringify!($key).to_owned(), text(of)]);
            }
        }
    )*};
}

keys! {
    Ip: Option<IpAddr>, |ip| ip.map(network).map(|ip| ip.to_string()).unwrap_or_default();
    Identifier: &'a str, str::to_owned;
    User: UserId, |id| id.to_string();
    Session: SessionId, |id| id.to_string();
    Device: SessionId, |id| id.to_string();
}

impl<A: CountedBy, B: CountedBy> CountedBy for (A, B) {
    type Of<'a> = (A::Of<'a>, B::Of<'a>);

    fn parts() -> Vec<ByWhat> {
        [A::parts(), B::parts()].concat()
    }

    fn write((one, other): Self::Of<'_>, parts: &mut Vec<String>) {
        A::write(one, parts);
        B::write(other, parts);
    }
}

impl<A: CountedBy, B: CountedBy> CountedBy for Distinct<A, B> {
    type Of<'a> = (A::Of<'a>, B::Of<'a>);

    fn parts() -> Vec<ByWhat> {
        A::parts()
    }

    fn write((one, _): Self::Of<'_>, parts: &mut Vec<String>) {
        A::write(one, parts);
    }

    fn member((_, other): Self::Of<'_>) -> Option<String> {
        let mut parts = Vec::new();
        B::write(other, &mut parts);
        parts.pop()
    }

    fn distinct() -> Option<ByWhat> {
        B::parts().pop()
    }
}
