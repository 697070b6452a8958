//! What programs that extend the server import.

/// For resolvers.
pub mod prelude {
    pub use async_graphql::{self, ComplexObject, Context, ID, Object};
    pub use portcullis_macros::{Row, input, object, rules};
    pub use sea_orm::ActiveValue::Set;
    pub use sea_orm::{self, ColumnTrait, Condition};

    pub use crate::graphql::error::Result;
    pub use crate::kernel::invalid::{Invalid, Reason, one_line};
    pub use crate::{
        Change, Connection, Date, DateTime, Error, Id, Organization, OrganizationId, Page, Scoped,
        Shown, User, UserId, Window,
    };
}

/// For the declaration of an entity.
pub mod entity {
    /// What SeaORM's own prelude has, and what Portcullis adds.
    pub mod prelude {
        pub use sea_orm;
        pub use sea_orm::entity::prelude::*;

        pub use portcullis_macros::owned;

        pub use crate::{Kind, OrganizationId, Owned, Permission, UserId};
    }
}

/// For migrations.
pub mod migration {
    pub use async_trait::async_trait;
    pub use migration::{OwnedTable, Step, TableChange};

    /// What SeaORM's own prelude has.
    pub mod prelude {
        pub use sea_orm_migration::prelude::*;
    }
}

/// What the macros expand to. Nothing here is for use by hand.
#[doc(hidden)]
pub mod expansion {
    pub use crate::features::entities::Owned;
    pub use crate::graphql::{budget, directive, feature, guard, row};
    pub use crate::kernel::access::{Covers, OrganizationRole, Owner, Role};
}
