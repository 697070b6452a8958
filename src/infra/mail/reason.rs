//! Why somebody gets a mail, which its footer says.

use serde::Serialize;

use super::MailKind;

/// Why an address gets a mail. A person who does not expect it learns from this what to make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reason {
    /// An account has the address.
    HasAccount,
    /// An account had it until just now.
    HadAccount,
    /// Somebody entered it, or a provider told it. It need not be theirs.
    Entered,
    /// A user invited its owner.
    Invited,
}

impl MailKind {
    /// Why an address gets a mail of this kind.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::AccountDeleted | Self::EmailChangeUndo => Reason::HadAccount,
            Self::VerifyEmail | Self::ConfirmEmailChange | Self::FinishRegistration => {
                Reason::Entered
            }
            Self::Invitation | Self::OrganizationInvitation => Reason::Invited,
            Self::AccountLocked
            | Self::AlreadyRegistered
            | Self::EmailChanged
            | Self::EnrollmentCode
            | Self::IdentityLinked
            | Self::IdentityUnlinked
            | Self::NewSignIn
            | Self::PasskeyAdded
            | Self::PasskeyRemoved
            | Self::PasswordChanged
            | Self::PasswordReset
            | Self::RecoveryCodeUsed
            | Self::RecoveryCodesLow
            | Self::RecoveryCodesReplaced
            | Self::RefreshTokenReused
            | Self::SecondFactorChanged
            | Self::SecondFactorOff
            | Self::SecondFactorOn
            | Self::SecondFactorsReset
            | Self::TotpLocked => Reason::HasAccount,
        }
    }
}
