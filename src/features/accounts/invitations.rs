//! Invitations: an admin, or somebody else who may change users, names an address and a role; its owner
//! does the rest.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::administration::{AdminError, Capacity, Meeting};
use super::create_error::{CreateError, EMAIL};
use super::identity::{Email, Identifier};
use super::registration::{Naming, NewAccount, Standing};
use super::{Accounts, store};
use crate::features::audit::{Detail, kind};
use crate::features::change::{Fault, Record, Tx, with_fault};
use crate::features::links::{self, Found, LinkToken, Purpose};
use crate::features::sessions::Admitted;
use crate::infra::limits::{self, Limit};
use crate::infra::mail::{Letter, MailKind, Recipient};
use crate::kernel::access::{Covers, Language, Origin, Role, User, permission};
use crate::kernel::acting::Acting;
use crate::kernel::id::{LinkTokenId, UserId, UserInvitationId};

/// What keeps an admin's access from being used to write to strangers.
pub(crate) static INVITATIONS: Limit<limits::User> = Limit::quota("inviteUser.user", 60, 60 * 60);

/// Invitations that are listed at most.
const LISTED_MAX: usize = 1_000;
/// Those that are read at a time.
const BATCH: u64 = 1_000;

/// What an invitation promises, as its token keeps it.
#[derive(Serialize, Deserialize)]
struct Invited {
    by: UserId,
    /// As the admin typed it.
    email: String,
    is_admin: bool,
}

/// What an invited person typed.
pub(crate) struct Invitee<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    pub(crate) full_name: Option<&'a str>,
    pub(crate) locale: Language,
}

impl Invited {
    fn role(&self) -> Role {
        if self.is_admin { Role::Admin } else { Role::User }
    }

    /// Whether its sender may still give what it promises.
    fn is_kept_by(&self, sender: &User, now: DateTime<Utc>) -> bool {
        let may = sender.role >= self.role() && sender.may(permission::USERS_WRITE, now);
        sender.id == self.by && sender.is_active && may
    }
}

/// An invitation that can still be accepted. Of its token it has nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingInvitation {
    pub(crate) id: UserInvitationId,
    /// As it was typed.
    pub(crate) email: String,
    pub(crate) role: Role,
    pub(crate) invited_by: UserId,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Why an invitation was not taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevocationError {
    #[error("the invitation does not exist, or cannot be accepted any more")]
    NotFound,
    #[error(transparent)]
    Account(AdminError),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(RevocationError);

impl From<AdminError> for RevocationError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Fault(fault) => Self::Fault(fault),
            error => Self::Account(error),
        }
    }
}

impl Accounts {
    /// The newest invitations that can still be accepted, in no particular order.
    ///
    /// Whether one can depends on its sender, who stands in another table. So batches are read until there are enough: a sender of
    /// many void invitations hides nobody else's.
    pub(crate) async fn list_invitations(&self) -> Result<Vec<PendingInvitation>, DbErr> {
        let (db, now) = (self.db.reader(), self.clock.now());
        let (mut pending, mut before) = (Vec::new(), None);
        while pending.len() < LISTED_MAX {
            let tokens = links::list_unused(db, now, Purpose::Invitation, before, BATCH).await?;
            let Some(oldest) = tokens.last() else { break };
            before = Some(oldest.id);
            pending.extend(self.pending(tokens, now).await?);
        }
        pending.truncate(LISTED_MAX);
        Ok(pending)
    }

    /// Those of some invitations that can still be accepted, in no particular order.
    pub(crate) async fn find_invitations(
        &self,
        ids: &[UserInvitationId],
    ) -> Result<Vec<PendingInvitation>, DbErr> {
        let (db, now) = (self.db.reader(), self.clock.now());
        let ids: Vec<_> = ids.iter().copied().map(token_of).collect();
        let tokens = links::find_unused(db, now, Purpose::Invitation, &ids).await?;
        self.pending(tokens, now).await
    }

    /// The invitations whose tokens these are, without those whose sender may no longer give what they promise.
    async fn pending(
        &self,
        tokens: Vec<Found>,
        now: DateTime<Utc>,
    ) -> Result<Vec<PendingInvitation>, DbErr> {
        // Only another version of this program writes the details differently.
        let read = |token: Found| Some((token.details::<Invited>().ok()?, token));
        let invited: Vec<_> = tokens.into_iter().filter_map(read).collect();
        let senders: BTreeSet<_> = invited.iter().map(|(invited, _)| invited.by).collect();
        let senders = store::find_all(&self.db, &Vec::from_iter(senders)).await?;
        let kept = invited
            .into_iter()
            .filter(|(invited, _)| senders.iter().any(|sender| invited.is_kept_by(sender, now)));
        let pending = kept.map(|(invited, token)| PendingInvitation {
            id: UserInvitationId(token.id.0),
            role: invited.role(),
            email: invited.email,
            invited_by: invited.by,
            created_at: token.created_at,
            expires_at: token.expires_at,
        });
        Ok(pending.collect())
    }

    /// Mails an invitation. One to the same address before it is void.
    pub(crate) async fn invite(
        &self,
        acting: Acting<'_>,
        covers: Covers,
        email: &str,
        role: Role,
        invitations: &Limit<limits::User>,
    ) -> Result<PendingInvitation, CreateError> {
        let email = Email::parse(email)
            .map_err(|invalid| CreateError::Invalid(vec![invalid.at("input.email")]))?;
        self.limits.take([invitations.of(acting.caller()?.user.id)]).await?;
        let invite = async |tx: Tx<'_>| {
            let (now, origin) = (tx.now(), tx.acting().origin);
            let inviter = self.sessions.caller(&tx).await?.user;
            // Nobody invites somebody who could do more than they.
            let is_covered = covers.admits_role(inviter.role, role);
            if !is_covered || !inviter.may(permission::USERS_WRITE, now) {
                return Err(CreateError::Forbidden(covers));
            }
            let identifier = Identifier::Email(email.key().to_owned());
            // Admins see who there is.
            if store::find(&tx, &identifier).await?.is_some() {
                return Err(CreateError::Taken(EMAIL));
            }
            let details = Invited {
                by: inviter.id,
                email: email.as_typed().to_owned(),
                is_admin: role == Role::Admin,
            };
            // It goes with the inviter, and whenever their own links do.
            let new = links::New {
                purpose: Purpose::Invitation,
                user: Some(inviter.id),
                email_key: email.key(),
            };
            let token = links::issue(&tx, now, new, Some(&details)).await?;
            let letter = Letter {
                kind: MailKind::Invitation,
                about: Some(inviter.id),
                to: Recipient::address(email.as_typed(), origin.language),
                username: inviter.known_as(),
                origin,
                token: Some(token.expose()),
                other_address: None,
                provider: None,
            };
            tx.write(letter).await?;
            tx.note(Record::of(kind::USER_INVITED).in_detail(Detail::of(role.into_str())));
            let pending = PendingInvitation {
                id: UserInvitationId(token.id.0),
                email: details.email,
                role,
                invited_by: inviter.id,
                created_at: now,
                expires_at: token.expires_at,
            };
            Ok(tx.commit(pending).await?)
        };
        self.changes.run("invite a user", acting, invite).await
    }

    /// Takes an invitation back: what its mail carries is void at once. It is part of what its sender does, so nobody takes
    /// back one of an account that may do more than their own.
    pub(crate) async fn revoke_invitation(
        &self,
        acting: Acting<'_>,
        covers: Covers,
        id: UserInvitationId,
    ) -> Result<(), RevocationError> {
        let revoke = async |tx: Tx<'_>| {
            let (now, capacity, id) = (tx.now(), Capacity::Staff(covers), token_of(id));
            let found = links::find_unused(&tx, now, Purpose::Invitation, &[id]).await?.pop();
            let invited = found.and_then(|token| token.details::<Invited>().ok());
            let invited = invited.ok_or(RevocationError::NotFound)?;
            let Meeting { locked, actor } = self.meet(&tx, capacity, invited.by).await?;
            // Who may not invite any more has invited nobody.
            let sender = locked.iter().find(|user| invited.is_kept_by(user, now));
            let sender = sender.ok_or(RevocationError::NotFound)?;
            let is_open_to = |actor: &User| actor.may(permission::USERS_WRITE, now);
            capacity.admit(actor.as_ref(), sender, now, is_open_to)?;
            // It may have been accepted until its sender was locked.
            if !links::revoke(&tx, id).await? {
                return Err(RevocationError::NotFound);
            }
            let detail = Detail::of(invited.role().into_str());
            tx.note(Record::of(kind::USER_INVITATION_REVOKED).about(sender.id).in_detail(detail));
            Ok(tx.commit(()).await?)
        };
        self.changes.run("revoke a user's invitation", acting, revoke).await
    }

    /// Makes the account that an invitation promised, and signs its owner in: the invitation has
    /// reached them by mail, so the address is proven.
    pub(crate) async fn accept_invitation(
        &self,
        origin: &Origin,
        token: Option<&LinkToken>,
        invitee: &Invitee<'_>,
        failures: &Limit<limits::Ip>,
    ) -> Result<(User, Admitted), CreateError> {
        let accept = self.accept_admitted(origin, token, invitee);
        self.link_gate.admit(origin, token, failures, accept).await
    }

    async fn accept_admitted(
        &self,
        origin: &Origin,
        token: Option<&LinkToken>,
        invitee: &Invitee<'_>,
    ) -> Result<(User, Admitted), CreateError> {
        let now = self.clock.now();
        let found = links::find(self.db.reader(), now, token, &[Purpose::Invitation]).await?;
        let promised: Invited = found.details()?;
        let new = NewAccount {
            username: invitee.username,
            email: &promised.email,
            password: invitee.password,
            full_name: invitee.full_name,
            locale: invitee.locale,
        };
        let accepted = self.accept(&new, Naming::Public)?;
        let hash = self.hash_unless_taken(&accepted).await.map_err(CreateError::of_link)?;
        let accept = async |tx: Tx<'_>| -> Result<_, CreateError> {
            let now = tx.now();
            // Who may not invite any more has invited nobody.
            let role = promised.role();
            let sender = store::lock(&tx, promised.by).await?;
            if !sender.is_some_and(|sender| promised.is_kept_by(&sender, now)) {
                return Err(CreateError::InvalidToken);
            }
            links::take(&tx, &found, now).await?;
            if links::is_reserved(&tx, accepted.email.key(), None, now).await? {
                return Err(CreateError::Taken(EMAIL));
            }
            let standing = Standing { role, email_verified: true };
            let user = Self::insert(&tx, &accepted, &hash, standing).await?;
            let given =
                |kind| Record::of(kind).about(user.id).in_detail(Detail::of(role.into_str()));
            tx.note(given(kind::INVITATION_ACCEPTED).by(user.id));
            if role == Role::Admin {
                // Who gave it is told, and not only who took it; and the one was not where the other is.
                tx.note(given(kind::ROLE_CHANGED).by(promised.by).elsewhere());
            }
            links::void_registrations(&tx, accepted.email.key()).await?;
            let signed_in = self.sign_in_at_once(&tx, user).await?;
            Ok(tx.commit(signed_in).await?)
        };
        let acting = Acting::unknown(origin);
        let accepted = self.changes.run("accept an invitation", acting, accept).await;
        accepted.map_err(CreateError::of_link)
    }
}

/// The token that an invitation is.
fn token_of(invitation: UserInvitationId) -> LinkTokenId {
    LinkTokenId(invitation.0)
}
