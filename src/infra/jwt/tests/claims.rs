//! What tokens say to other services, and that nothing of it is believed here.

use super::*;
use crate::kernel::access::OrganizationRole;
use crate::kernel::access::permission::{AUDIT_READ, USERS_READ};
use crate::kernel::id::OrganizationId;

impl Fixture {
    fn subject(&self, role: Role, organization: Option<OrganizationRole>) -> Subject {
        let id = OrganizationId::new(self.clock.now());
        let organization = organization.map(|role| ActiveOrganization { id, role });
        let permissions = role.permissions().to_vec();
        Subject { user: self.user, session: self.session, role, permissions, organization }
    }

    /// What another service reads in a token of ours, which we accept.
    fn minted(&self, subject: &Subject) -> Value {
        let token = self.jwt.issue(subject, DateTime::<Utc>::MAX_UTC).unwrap().text;
        assert!(self.jwt.verify(&token).is_ok());
        let payload = from_base64url(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }
}

#[tokio::test]
async fn the_scope_is_the_permissions_in_their_order_and_absent_without_any() {
    let it = fixture().await;
    let mut subject = it.subject(Role::User, None);
    assert_eq!(it.minted(&subject).get("scope"), None);
    subject.permissions = vec![USERS_READ, AUDIT_READ];
    let minted = it.minted(&subject);
    assert_eq!(minted["scope"], "users:read audit:read");
    assert_eq!(minted["permissions"], json!(["USERS_READ", "AUDIT_READ"]));
    // A permission that an extension declares.
    subject.permissions = vec![Permission::new("TASKS_READ_ALL", "See all tasks.")];
    assert_eq!(it.minted(&subject)["scope"], "tasks:read_all");
}
