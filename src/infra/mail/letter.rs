//! A mail to be written, and who gets it.

use super::MailKind;
use crate::kernel::access::{Language, Origin, User};
use crate::kernel::id::UserId;

/// Who gets a mail.
#[derive(Clone, Copy)]
pub(crate) struct Recipient<'a> {
    /// As its owner typed it.
    pub(super) address: &'a str,
    /// What they are greeted by. Until they have shown that the address is theirs, somebody else may have
    /// chosen the name to have it read, so there is none (RS-12).
    pub(super) username: Option<&'a str>,
    pub(super) language: Language,
}

impl<'a> Recipient<'a> {
    /// The owner of an account, at its address.
    fn owner(user: &'a User) -> Self {
        let username = user.email_verified.then_some(user.username.as_str());
        Self { address: &user.email, username, language: user.locale }
    }

    /// Whoever has an address that is nobody's yet, as far as this server knows.
    pub(crate) fn address(address: &'a str, language: Language) -> Self {
        Self { address, username: None, language }
    }
}

/// A mail to be written.
#[derive(Clone, Copy)]
pub(crate) struct Letter<'a> {
    pub(crate) kind: MailKind,
    /// Whose account it is about, where there is one.
    pub(crate) about: Option<UserId>,
    pub(crate) to: Recipient<'a>,
    /// The username of the account it is about; of an invitation, what the inviter is known as.
    pub(crate) username: &'a str,
    /// Whose request it tells of.
    pub(crate) origin: &'a Origin,
    /// What its link carries, or the code that it tells. Sealed until the mail is sent: the database alone opens no account.
    pub(crate) token: Option<&'a str>,
    /// The other address that a change of address is about.
    pub(crate) other_address: Option<&'a str>,
    /// What people call the provider that it is about.
    pub(crate) provider: Option<&'a str>,
}

impl<'a> Letter<'a> {
    /// Whether others of its kind to the same address are not older copies of it: each invitation may be to
    /// another organization, each registration another person's (RS-11), and each identity, passkey or recovery code another one,
    /// and each code is of one sign-in.
    pub(super) fn stands_beside_others(&self) -> bool {
        let is_registration = self.kind == MailKind::VerifyEmail && self.about.is_none();
        is_registration
            || matches!(
                self.kind,
                MailKind::EnrollmentCode
                    | MailKind::OrganizationInvitation
                    | MailKind::FinishRegistration
                    | MailKind::IdentityLinked
                    | MailKind::IdentityUnlinked
                    | MailKind::PasskeyAdded
                    | MailKind::PasskeyRemoved
                    | MailKind::RecoveryCodeUsed
                    | MailKind::RecoveryCodesLow
            )
    }

    /// A mail to a user that carries neither a link nor a code.
    pub(crate) fn to(user: &'a User, kind: MailKind, origin: &'a Origin) -> Self {
        let (about, username) = (Some(user.id), user.username.as_str());
        let to = Recipient::owner(user);
        let (token, other_address, provider) = (None, None, None);
        Self { kind, about, to, username, origin, token, other_address, provider }
    }

    /// One that nobody gets, with a link to nowhere.
    pub(crate) fn to_nobody(kind: MailKind, origin: &'a Origin, token: &'a str) -> Self {
        let (token, other_address, provider) = (Some(token), None, None);
        let to = Recipient::address("", origin.language);
        Self { kind, about: None, to, username: "", origin, token, other_address, provider }
    }

    /// The same about a provider.
    pub(crate) fn naming(self, provider: &'a str) -> Self {
        Self { provider: Some(provider), ..self }
    }

    /// The same with what its link carries, or with a code.
    pub(crate) fn with(self, token: &'a str) -> Self {
        Self { token: Some(token), ..self }
    }
}
