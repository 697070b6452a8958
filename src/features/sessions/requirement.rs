//! Who needs a second factor here.

use strum::{IntoStaticStr, VariantArray};

use crate::kernel::access::{Level, Proofs, Role, User};

/// Who may not be without a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum SecondFactorRequirement {
    /// Nobody: it is their choice.
    #[default]
    Off,
    /// Admins.
    Admins,
    /// Everybody.
    All,
}

impl SecondFactorRequirement {
    /// Whether users of a role need one.
    pub(crate) fn binds(self, role: Role) -> bool {
        match self {
            Self::Off => false,
            Self::Admins => role >= Role::Admin,
            Self::All => true,
        }
    }

    /// Whether a user needs one who has shown only these proofs.
    pub(super) fn is_missed_by(self, user: &User, proofs: Proofs) -> bool {
        self.binds(user.role) && proofs.level() == Level::Aal1
    }
}
