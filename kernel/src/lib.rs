//! What every rule is made of: ids, clocks, pages, roles and permissions, secrets. It knows no database, no HTTP and no
//! GraphQL, but for traits of theirs that its types implement: the features `database` and `graphql` add those.

/// Has enums tell their names, which strum derives, without a conversion that names the type.
macro_rules! names {
    ($($type:ty),*) => {$(
        impl $type {
            /// Its name, as clients, tokens and the database spell it.
            #[must_use]
            pub fn into_str(self) -> &'static str {
                self.into()
            }
        }
    )*};
}

pub mod access;
pub mod acting;
pub mod clock;
#[cfg(feature = "database")]
pub mod columns;
pub mod device;
pub mod epochs;
#[cfg(feature = "graphql")]
pub mod graphql;
pub mod host;
pub mod id;
pub mod invalid;
pub mod page;
pub mod registered;
pub mod request_id;
pub mod rfc3339;
pub mod secret;
pub mod shares;

#[doc(hidden)]
pub use uuid;
#[doc(hidden)]
#[cfg(feature = "database")]
pub use {rusqlite, sea_orm};
