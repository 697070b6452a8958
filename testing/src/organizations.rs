//! Organizations for tests.

use crate::{SignedIn, TestApp};

/// Makes an organization of a user, and returns its id.
pub async fn found_organization(app: &TestApp, owner: &SignedIn) -> String {
    let reply = app
        .mutate(owner, "createOrganization(input: { name: \"Acme\" }) { organization { id } }")
        .await;
    reply.data()["createOrganization"]["organization"]["id"].as_str().unwrap().to_owned()
}

/// A user with an access token that acts in an organization.
pub async fn act_in(app: &TestApp, user: &SignedIn, organization: &str) -> SignedIn {
    let call = format!("switchOrganization(input: {{ id: \"{organization}\" }}) {{ accessToken }}");
    let reply = app.mutate(user, &call).await.data();
    let access = reply["switchOrganization"]["accessToken"].as_str().unwrap().to_owned();
    SignedIn { access, ..user.clone() }
}

/// Invites a user to an organization, and returns the invitation's id.
pub async fn invite_member(
    app: &TestApp,
    inviter: &SignedIn,
    organization: &str,
    guest: &SignedIn,
    role: &str,
) -> String {
    let call = format!(
        "inviteMember(input: {{ organizationId: \"{organization}\", email: \"{}@example.com\", \
         role: {role} }}) {{ invitation {{ id }} }}",
        guest.username
    );
    let reply = app.mutate(inviter, &call).await;
    reply.data()["inviteMember"]["invitation"]["id"].as_str().unwrap().to_owned()
}

/// Invites a user to an organization, who joins it.
pub async fn join_organization(
    app: &TestApp,
    inviter: &SignedIn,
    organization: &str,
    guest: &SignedIn,
    role: &str,
) {
    invite_member(app, inviter, organization, guest, role).await;
    let address = format!("{}@example.com", guest.username);
    let token = app.mail("organization-invitation", &address).await.token();
    let accept =
        format!("acceptInvitation(input: {{ token: \"{token}\" }}) {{ organization {{ id }} }}");
    app.mutate(guest, &accept).await.data();
}
