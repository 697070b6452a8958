//! Samples of what is done to organizations.

pub(crate) use portcullis_testing::organizations::{
    act_in, found_organization, invite_member, join_organization,
};

use super::{SECOND, SignedIn, TestApp};

/// A valid call of a field about `id`. A field without one fails the test.
pub(crate) fn sample(field: &str, id: &str) -> String {
    match field {
        "activeOrganization" => "activeOrganization { id }".to_owned(),
        "myOrganizations" => "myOrganizations { totalCount }".to_owned(),
        "myInvitations" => "myInvitations { totalCount }".to_owned(),
        "organization" => format!("organization(id: \"{id}\") {{ id }}"),
        "invitations" => "invitations { totalCount }".to_owned(),
        "createOrganization" => {
            "createOrganization(input: { name: \"Some Name\" }) { organization { id } }".to_owned()
        }
        "updateOrganization" => {
            format!(
                "updateOrganization(input: {{ id: \"{id}\", name: \"A Name\" }}) {{ organization {{ id }} }}"
            )
        }
        "switchOrganization" => "switchOrganization(input: { id: null }) { expiresIn }".to_owned(),
        "deleteOrganization" | "leaveOrganization" | "revokeInvitation" => {
            format!("{field}(input: {{ id: \"{id}\" }}) {{ __typename }}")
        }
        "inviteMember" => format!(
            "inviteMember(input: {{ organizationId: \"{id}\", email: \"guest@example.com\", role: ADMIN }}) {{ invitation {{ id }} }}"
        ),
        "acceptInvitation" => {
            "acceptInvitation(input: { token: \"pco_\" }) { organization { id } }".to_owned()
        }
        "setMemberRole" => format!(
            "setMemberRole(input: {{ organizationId: \"{id}\", userId: \"{id}\", role: ADMIN }}) {{ membership {{ id }} }}"
        ),
        "removeMember" => format!(
            "removeMember(input: {{ organizationId: \"{id}\", userId: \"{id}\" }}) {{ deletedMembershipId }}"
        ),
        "transferOwnership" => {
            format!(
                "transferOwnership(input: {{ organizationId: \"{id}\", userId: \"{id}\" }}) {{ organization {{ id }} }}"
            )
        }
        other => panic!("{other}: write a sample call of it"),
    }
}

/// A call by `boss` about `target` that does what the field is for, after what that takes; `None` for
/// fields that take nothing.
pub(crate) async fn prepared(
    app: &TestApp,
    field: &str,
    target: &SignedIn,
    boss: &SignedIn,
) -> Option<String> {
    let call = || sample(field, &target.id);
    Some(match field {
        "organization" | "updateOrganization" | "deleteOrganization" | "inviteMember" => {
            let organization = found_organization(app, boss).await;
            call().replace(&target.id, &organization)
        }
        "switchOrganization" => {
            let organization = found_organization(app, boss).await;
            call().replace("null", &format!("\"{organization}\""))
        }
        "leaveOrganization" => {
            let organization = found_organization(app, target).await;
            join_organization(app, target, &organization, boss, "MEMBER").await;
            call().replace(&target.id, &organization)
        }
        "setMemberRole" | "removeMember" | "transferOwnership" => {
            let organization = found_organization(app, boss).await;
            join_organization(app, boss, &organization, target, "MEMBER").await;
            call().replacen(&target.id, &organization, 1)
        }
        "revokeInvitation" => {
            let organization = found_organization(app, boss).await;
            let invitation = invite_member(app, boss, &organization, target, "MEMBER").await;
            call().replace(&target.id, &invitation)
        }
        "acceptInvitation" => {
            let organization = found_organization(app, target).await;
            invite_member(app, target, &organization, boss, "MEMBER").await;
            let address = format!("{}@example.com", boss.username);
            let token = app.mail("organization-invitation", &address).await.token();
            call().replace("pco_", &token)
        }
        _ => return None,
    })
}

/// An owner, an admin and a member of one organization, and somebody who does not belong to it.
pub(crate) struct Cast {
    pub(crate) app: TestApp,
    pub(crate) organization: String,
    pub(crate) owner: SignedIn,
    pub(crate) admin: SignedIn,
    pub(crate) member: SignedIn,
    pub(crate) stranger: SignedIn,
}

impl Cast {
    pub(crate) async fn meet() -> Self {
        let app = TestApp::start().await;
        let owner = app.register("olivia").await;
        let organization = found_organization(&app, &owner).await;
        let (admin, member) = (app.register("adam").await, app.register("member").await);
        // Who joins later has the greater id.
        app.clock.advance(SECOND);
        join_organization(&app, &owner, &organization, &admin, "ADMIN").await;
        app.clock.advance(SECOND);
        join_organization(&app, &admin, &organization, &member, "MEMBER").await;
        let stranger = app.register("stranger").await;
        Self { app, organization, owner, admin, member, stranger }
    }

    pub(crate) async fn code(&self, user: &SignedIn, call: &str) -> String {
        self.app.mutate(user, call).await.code()
    }
}

/// A call that invites an address.
pub(crate) fn invite(organization: &str, email: &str, role: &str) -> String {
    format!(
        "inviteMember(input: {{ organizationId: \"{organization}\", email: \"{email}\", role: {role} }}) {{ invitation {{ id }} }}"
    )
}

/// A call that gives a member a role.
pub(crate) fn set_role(organization: &str, user: &SignedIn, role: &str) -> String {
    format!(
        "setMemberRole(input: {{ organizationId: \"{organization}\", userId: \"{}\", role: {role} }}) {{ membership {{ role }} }}",
        user.id
    )
}

/// A call that takes a member out.
pub(crate) fn remove(organization: &str, user: &SignedIn) -> String {
    format!(
        "removeMember(input: {{ organizationId: \"{organization}\", userId: \"{}\" }}) {{ deletedMembershipId }}",
        user.id
    )
}
