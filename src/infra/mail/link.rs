//! Where the links in mails lead: to pages of a front end, or to an account page of the server's own.
//!
//! They are made of settings alone; nothing that a request says has any part in them (RS-04).

use super::MailKind;

/// What stands for the token in the URL of a page.
pub(crate) const PLACE: &str = "{token}";

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkPage {
    VerifyEmail,
    ResetPassword,
    UndoEmailChange,
    AcceptInvitation,
    AcceptOrganizationInvitation,
    FinishRegistration,
}

impl LinkPage {
    pub(crate) const ALL: [Self; 6] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::UndoEmailChange,
        Self::AcceptInvitation,
        Self::AcceptOrganizationInvitation,
        Self::FinishRegistration,
    ];

    /// The path of the server's own page.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::VerifyEmail => "/account/verify-email",
            Self::ResetPassword => "/account/reset-password",
            Self::UndoEmailChange => "/account/undo-email-change",
            Self::AcceptInvitation => "/account/accept-invitation",
            Self::AcceptOrganizationInvitation => "/account/accept-organization-invitation",
            Self::FinishRegistration => "/account/finish-registration",
        }
    }
}

impl MailKind {
    /// Where the link of a mail of this kind leads, if it has one.
    pub(super) fn page(self) -> Option<LinkPage> {
        match self {
            Self::VerifyEmail | Self::ConfirmEmailChange => Some(LinkPage::VerifyEmail),
            Self::PasswordReset => Some(LinkPage::ResetPassword),
            Self::EmailChangeUndo => Some(LinkPage::UndoEmailChange),
            Self::Invitation => Some(LinkPage::AcceptInvitation),
            Self::OrganizationInvitation => Some(LinkPage::AcceptOrganizationInvitation),
            Self::FinishRegistration => Some(LinkPage::FinishRegistration),
            Self::AccountDeleted
            | Self::AccountLocked
            | Self::AlreadyRegistered
            | Self::EmailChanged
            | Self::IdentityLinked
            | Self::IdentityUnlinked
            | Self::EnrollmentCode
            | Self::NewSignIn
            | Self::PasskeyAdded
            | Self::PasskeyRemoved
            | Self::PasswordChanged
            | Self::RecoveryCodeUsed
            | Self::RecoveryCodesLow
            | Self::RecoveryCodesReplaced
            | Self::RefreshTokenReused
            | Self::SecondFactorChanged
            | Self::SecondFactorOff
            | Self::SecondFactorOn
            | Self::SecondFactorsReset
            | Self::TotpLocked => None,
        }
    }
}

/// The URL of each page, with [`PLACE`] where its token belongs.
#[derive(Clone, Debug)]
pub(crate) struct LinkPages {
    pub(crate) verify_email: String,
    pub(crate) reset_password: String,
    pub(crate) undo_email_change: String,
    pub(crate) accept_invitation: String,
    pub(crate) accept_organization_invitation: String,
    pub(crate) finish_registration: String,
}

impl LinkPages {
    pub(super) fn url(&self, page: LinkPage, token: &str) -> String {
        let url = match page {
            LinkPage::VerifyEmail => &self.verify_email,
            LinkPage::ResetPassword => &self.reset_password,
            LinkPage::UndoEmailChange => &self.undo_email_change,
            LinkPage::AcceptInvitation => &self.accept_invitation,
            LinkPage::AcceptOrganizationInvitation => &self.accept_organization_invitation,
            LinkPage::FinishRegistration => &self.finish_registration,
        };
        url.replace(PLACE, token)
    }
}
