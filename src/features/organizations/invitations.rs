//! How people are asked to join an organization, and do.
//!
//! What the link in the mail carries is a token of `features/links`, which goes with the inviter's other
//! links; whom it is for and what they are to be is a row of its own, which other members see and take
//! back. Both must be there. Whoever may not give the role any more has invited nobody.

pub(super) mod store;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::{
    Entrance, InvitationError, MEMBERSHIPS_MAX, OrganizationError, Organizations, OwnOrganization,
};
use crate::features::accounts::Accounts;
use crate::features::accounts::identity::{Email, Identifier};
use crate::features::audit::{Detail, kind};
use crate::features::change::{Fault, Record, Tx};
use crate::features::links::{self, LinkError, LinkToken, Purpose};
use crate::infra::db::in_batches;
use crate::infra::limits::{self, Limit};
use crate::infra::mail::{Letter, MailKind, Recipient};
use crate::kernel::access::{Covers, OrganizationRole, User, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::{InvitationId, OrganizationId, UserId};

/// What keeps a member's access from being used to write to strangers.
pub(crate) static INVITED_BY_USER: Limit<limits::User> =
    Limit::quota("inviteMember.user", 60, 60 * 60);

/// What keeps one address from being written to again and again, by one member. Counted for those only who may invite
/// (BF-12), as the next one is.
pub(crate) static INVITED_BY_USER_TO_ADDRESS: Limit<(limits::User, limits::Identifier)> =
    Limit::quota("inviteMember.user+identifier", 3, 60 * 60);

/// The same by all members there are: it is the address's, and not theirs.
pub(crate) static INVITED_TO_ADDRESS: Limit<limits::Identifier> =
    Limit::quota("inviteMember.identifier", 20, 60 * 60);

/// What an invitation counts under: [`INVITED_BY_USER`], [`INVITED_BY_USER_TO_ADDRESS`] and [`INVITED_TO_ADDRESS`].
pub(crate) type InviteLimits<'a> = (
    &'a Limit<limits::User>,
    &'a Limit<(limits::User, limits::Identifier)>,
    &'a Limit<limits::Identifier>,
);

/// Invitations of one organization that are pending at most.
const PENDING_MAX: u64 = 100;

/// That somebody is asked to join an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invitation {
    pub(crate) id: InvitationId,
    pub(crate) organization: OrganizationId,
    pub(crate) organization_name: String,
    /// As the inviter typed it.
    pub(crate) email: String,
    pub(crate) email_key: String,
    pub(crate) role: OrganizationRole,
    /// `None` when their account is no more.
    pub(crate) invited_by: Option<UserId>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// What the token of an invitation leads to.
#[derive(Serialize, Deserialize)]
struct Invited {
    invitation: InvitationId,
}

impl Organizations {
    /// The pending invitations of each organization, the oldest first: at most a hundred each.
    pub(crate) async fn list_invitations(
        &self,
        ids: &[OrganizationId],
    ) -> Result<HashMap<OrganizationId, Vec<Invitation>>, DbErr> {
        let now = self.clock.now();
        let mut lists: HashMap<_, Vec<_>> = ids.iter().map(|id| (*id, Vec::new())).collect();
        for invitation in store::list_pending(self.db.reader(), ids, now).await? {
            lists.entry(invitation.organization).or_default().push(invitation);
        }
        Ok(lists)
    }

    /// The invitations that a user can accept with what was mailed to their address, in no particular order; none as long
    /// as the address is not verified. Who may not give the role any more has invited nobody.
    pub(crate) async fn list_received(&self, user: &User) -> Result<Vec<Invitation>, DbErr> {
        let address = Email::parse(&user.email).ok().filter(|_| user.email_verified);
        let Some(address) = address else { return Ok(Vec::new()) };
        let (db, now) = (self.db.reader(), self.clock.now());
        let (purpose, key) = (Purpose::OrganizationInvitation, address.key());
        let tokens = links::list_unused_to(db, now, purpose, key).await?;
        // An invitation outlives its token, and a token its invitation: the one without the other is nothing.
        let invited = tokens.iter().filter_map(|token| token.details::<Invited>().ok());
        let ids: Vec<_> = invited.map(|invited| invited.invitation).collect();
        let found = store::list_to(db, key, &ids, now).await?;
        let organizations: Vec<_> = found.iter().map(|found| found.organization).collect();
        let hosts = found.iter().filter_map(|found| found.invited_by);
        let people: Vec<_> = hosts.chain([user.id]).collect();
        let roles = store::list_roles(db, &organizations, &people).await?;
        let is_open = |invitation: &Invitation| {
            let role_of = |user| roles.get(&(invitation.organization, user)).copied();
            let least = invitation.role.max(OrganizationRole::Admin);
            let host = invitation.invited_by.and_then(role_of);
            host.is_some_and(|host| host >= least) && role_of(user.id).is_none()
        };
        Ok(found.into_iter().filter(is_open).collect())
    }

    /// Deletes invitations that have expired.
    pub(crate) async fn purge(&self) -> Result<u64, DbErr> {
        let now = self.clock.now();
        in_batches(|batch| store::delete_expired(&self.db, now, batch)).await
    }

    /// Mails an invitation. One of the same organization to the same address before it is void.
    pub(crate) async fn invite(
        &self,
        acting: Acting<'_>,
        (entrance, covers): (Entrance, Covers),
        email: &str,
        role: OrganizationRole,
        (by_user, by_user_to_address, to_address): InviteLimits<'_>,
    ) -> Result<Invitation, InvitationError> {
        let email = Email::parse(email)
            .map_err(|invalid| InvitationError::Invalid(invalid.at("input.email")))?;
        let viewer = acting.caller()?;
        let inviter = viewer.user.id;
        self.limits.take([by_user.of(inviter)]).await?;
        self.look_who_invites(viewer, (entrance, covers), role).await?;
        let recipient = [by_user_to_address.of((inviter, email.key())), to_address.of(email.key())];
        let admission = self.limits.attempt(recipient).await?;
        let id = entrance.id;
        let invite = async |tx: Tx<'_>| {
            let (inviter, own) = self.enter(&tx, entrance).await?;
            if !covers.admits_role(own.role, role) {
                return Err(OrganizationError::Outranked(role, covers).into());
            }
            let now = tx.now();
            store::delete_to(&tx, id, email.key()).await?;
            if store::count_pending(&tx, id, now).await? >= PENDING_MAX {
                return Err(InvitationError::TooMany);
            }
            let invitation = Invitation {
                id: InvitationId::new(now),
                organization: id,
                organization_name: own.name,
                email: email.as_typed().to_owned(),
                email_key: email.key().to_owned(),
                role,
                invited_by: Some(inviter),
                created_at: now,
                expires_at: now + Purpose::OrganizationInvitation.ttl(),
            };
            store::insert(&tx, &invitation).await?;
            self.mail(&tx, &invitation).await?;
            let detail = Detail::of(role.into_str());
            tx.note(Record::of(kind::MEMBER_INVITED).about(id).in_detail(detail));
            Ok(tx.commit(invitation).await?)
        };
        let outcome = self.changes.run("invite a member", acting, invite).await;
        match &outcome {
            Ok(_) => admission.succeeded().await,
            // Nobody was written to.
            Err(_) => admission.unjudged().await,
        }
        outcome
    }

    /// Refuses who may not invite before anything is counted that is not their own. A look, not a decision:
    /// that is made under the locks.
    async fn look_who_invites(
        &self,
        viewer: &Viewer,
        (Entrance { id, least }, covers): (Entrance, Covers),
        role: OrganizationRole,
    ) -> Result<(), OrganizationError> {
        let db = self.db.reader();
        match super::store::find_role(db, id, viewer.user.id).await? {
            None => Err(OrganizationError::NotFound),
            Some(own) if own < least => Err(OrganizationError::Below(least)),
            Some(own) if !covers.admits_role(own, role) => {
                Err(OrganizationError::Outranked(role, covers))
            }
            Some(_) => Ok(()),
        }
    }

    /// Writes the mail of an invitation, with its token.
    async fn mail(&self, tx: &Tx<'_>, invitation: &Invitation) -> Result<(), Fault> {
        let origin = tx.acting().origin;
        let inviter = &tx.acting().caller()?.user;
        let new = links::New {
            purpose: Purpose::OrganizationInvitation,
            user: Some(inviter.id),
            email_key: &invitation.email_key,
        };
        let details = Invited { invitation: invitation.id };
        let token = links::issue_beside(tx, invitation.created_at, new, Some(&details)).await?;
        let guest = Identifier::Email(invitation.email_key.clone());
        let guest = Accounts::identified(tx, &guest).await?;
        let language = guest.map_or(origin.language, |guest| guest.locale);
        let letter = Letter {
            kind: MailKind::OrganizationInvitation,
            about: Some(inviter.id),
            to: Recipient::address(&invitation.email, language),
            username: inviter.known_as(),
            origin,
            token: Some(token.expose()),
            other_address: None,
            provider: None,
        };
        tx.write(letter).await
    }

    /// Takes an invitation back.
    pub(crate) async fn revoke_invitation(
        &self,
        acting: Acting<'_>,
        id: InvitationId,
        least: OrganizationRole,
    ) -> Result<(), InvitationError> {
        let revoke = async |tx: Tx<'_>| {
            let invitation = store::find(&tx, id).await?;
            let organization = invitation.ok_or(InvitationError::NotFound)?.organization;
            match self.enter(&tx, Entrance { id: organization, least }).await {
                // What is another's does not exist.
                Err(OrganizationError::NotFound) => return Err(InvitationError::NotFound),
                outcome => outcome?,
            };
            if !store::delete(&tx, id).await? {
                return Err(InvitationError::NotFound);
            }
            tx.record(kind::MEMBER_INVITATION_REVOKED, organization);
            Ok(tx.commit(()).await?)
        };
        self.changes.run("revoke an invitation", acting, revoke).await
    }

    /// Makes the caller a member of the organization that an invitation names, if it was sent to their
    /// own address.
    pub(crate) async fn accept_invitation(
        &self,
        acting: Acting<'_>,
        token: Option<&LinkToken>,
        failures: &Limit<limits::Ip>,
    ) -> Result<(OwnOrganization, InvitationId), InvitationError> {
        let accept = self.accept_admitted(acting, token);
        self.link_gate.admit(acting.origin, token, failures, accept).await
    }

    async fn accept_admitted(
        &self,
        acting: Acting<'_>,
        token: Option<&LinkToken>,
    ) -> Result<(OwnOrganization, InvitationId), InvitationError> {
        let now = self.clock.now();
        let purposes = [Purpose::OrganizationInvitation];
        let found = links::find(self.db.reader(), now, token, &purposes).await?;
        let invited: Invited = found.details()?;
        let accept = async |tx: Tx<'_>| {
            let caller = self.sessions.caller(&tx).await?.user;
            let address = Email::parse(&caller.email).map_err(|_| LinkError::Invalid)?;
            let invitation =
                store::find(&tx, invited.invitation).await?.ok_or(LinkError::Invalid)?;
            if address.key() != invitation.email_key {
                return Err(LinkError::Invalid.into());
            }
            let host = invitation.invited_by.ok_or(LinkError::Invalid)?;
            let own = super::store::lock(&tx, invitation.organization, host).await?;
            // What the host may do now.
            let own = own.filter(|own| own.role >= invitation.role.max(OrganizationRole::Admin));
            let own = own.ok_or(LinkError::Invalid)?;
            let now = tx.now();
            links::take(&tx, &found, now).await?;
            if !store::delete(&tx, invited.invitation).await?
                || !store::is_active(&tx, host).await?
            {
                return Err(LinkError::Invalid.into());
            }
            if super::store::find_role(&tx, own.id, caller.id).await?.is_some() {
                return Err(InvitationError::AlreadyMember);
            }
            if super::store::count_memberships(&tx, caller.id).await? >= MEMBERSHIPS_MAX {
                return Err(OrganizationError::TooMany.into());
            }
            super::store::insert_member(&tx, own.id, caller.id, invitation.role, now).await?;
            let detail = Detail::of(invitation.role.into_str());
            tx.note(Record::of(kind::ORGANIZATION_JOINED).about(own.id).in_detail(detail));
            let own = OwnOrganization { role: invitation.role, ..own };
            Ok(tx.commit((own, invited.invitation)).await?)
        };
        self.changes.run("join an organization", acting, accept).await
    }
}
