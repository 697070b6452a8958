//! Sets of names that are closed once the program runs: what this crate knows, and what an extension adds.

use std::collections::HashMap;
use std::sync::OnceLock;

/// What is known by a name, which is what the schema, the database and tokens spell.
pub trait Registrable: Copy + PartialEq + Into<&'static str> + 'static {}

impl<T: Copy + PartialEq + Into<&'static str> + 'static> Registrable for T {}

/// Why a set does not take what an extension adds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// Names are what rows and tokens keep, so each means one thing.
    #[error("the name {0} is declared twice")]
    Twice(&'static str),
    /// The set was read already, and its readers would not learn of the addition.
    #[error("register only one extension, and register it before you use the server")]
    Late,
}

/// A set of named things. It is closed when it is first read.
pub struct Registered<T: 'static> {
    own: &'static [T],
    closed: OnceLock<Closed<T>>,
}

struct Closed<T> {
    all: Vec<T>,
    by_name: HashMap<&'static str, T>,
}

impl<T: Registrable> Registered<T> {
    /// Those that this program knows without an extension.
    pub const fn new(own: &'static [T]) -> Self {
        Self { own, closed: OnceLock::new() }
    }

    /// Adds what an extension declares. The same may be added again.
    pub fn add(&self, more: &[T]) -> Result<(), Clash> {
        let all = [self.own, more].concat();
        let closed = Closed::of(all.clone())?;
        if self.closed.get_or_init(|| closed).all == all { Ok(()) } else { Err(Clash::Late) }
    }

    /// All of them, in the order in which they are declared.
    pub fn all(&self) -> &[T] {
        &self.closed().all
    }

    /// The one of a name.
    pub fn find(&self, name: &str) -> Option<T> {
        self.closed().by_name.get(name).copied()
    }

    fn closed(&self) -> &Closed<T> {
        let own = || Closed { all: self.own.to_vec(), by_name: by_name(self.own) };
        self.closed.get_or_init(own)
    }
}

impl<T: Registrable> Closed<T> {
    fn of(all: Vec<T>) -> Result<Self, Clash> {
        let by_name = by_name(&all);
        if by_name.len() == all.len() {
            return Ok(Self { all, by_name });
        }
        let twice = all.iter().enumerate().find(|(index, one)| {
            all[..*index].iter().any(|&earlier| earlier.into() == (**one).into())
        });
        Err(Clash::Twice(twice.map_or("", |(_, one)| (*one).into())))
    }
}

fn by_name<T: Registrable>(all: &[T]) -> HashMap<&'static str, T> {
    all.iter().map(|one| ((*one).into(), *one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_takes_one_extension_until_it_is_read() {
        let set = Registered::new(&["a"]);
        assert_eq!(set.add(&["b", "a"]), Err(Clash::Twice("a")));
        assert_eq!(set.add(&["b"]), Ok(()));
        assert_eq!((set.all(), set.find("b"), set.find("c")), (&["a", "b"][..], Some("b"), None));
        assert_eq!((set.add(&["b"]), set.add(&["c"])), (Ok(()), Err(Clash::Late)));

        let read = Registered::new(&["a"]);
        assert_eq!(read.find("a"), Some("a"));
        assert_eq!(read.add(&["b"]), Err(Clash::Late));
    }
}
