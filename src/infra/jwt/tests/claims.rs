//! What tokens say to other services, and that nothing of it is believed here.

use super::*;
use crate::kernel::access::OrganizationRole;
use crate::kernel::access::permission::{AUDIT_READ, USERS_READ};
use crate::kernel::id::OrganizationId;

const HASURA: &str = include_str!("../../../../examples/claims/hasura.json");
const HASURA_SECRET: &str = include_str!("../../../../examples/claims/hasura-jwt-secret.json");
const POSTGREST: &str = include_str!("../../../../examples/claims/postgrest.json");
const POSTGREST_CONF: &str = include_str!("../../../../examples/claims/postgrest.conf");

async fn fixture_of_file(file: &str) -> Fixture {
    fixture_with(Algorithm::EdDsa, CustomClaims::parse(file).unwrap()).await
}

impl Fixture {
    fn subject(&self, role: Role, organization: Option<OrganizationRole>) -> Subject {
        let id = OrganizationId::new(self.clock.now());
        let organization = organization.map(|role| ActiveOrganization { id, role });
        let permissions = role.permissions().to_vec();
        Subject {
            user: self.user,
            session: self.session,
            role,
            permissions,
            organization,
            proven: PROVEN,
        }
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

#[tokio::test]
async fn what_a_token_says_beside_our_claims_is_not_looked_at_and_ours_stand_once() {
    let it = fixture().await;
    let header = it.header().to_string();
    let plain = it.claims().to_string();
    let beside = |more: &str| it.signed(&header, &plain.replacen('{', &format!("{{{more},"), 1));
    for more in [
        r#""https://hasura.io/jwt/claims":{"x-hasura-user-id":"somebody else","role":"ADMIN"}"#,
        r#""postgrest_role":"web_admin""#,
        r#""Sub":"user_1""#,
        r#""x":1,"x":2"#,
    ] {
        let claims = it.jwt.verify(&beside(more)).unwrap();
        assert_eq!(
            (claims.sub, claims.sid, claims.role.as_str()),
            (it.user, it.session, "USER"),
            "{more}"
        );
    }
    assert!(it.jwt.verify(&beside(r#""scope":"users:read""#)).is_ok());
    for twice in [r#""role":"ADMIN""#, r#""scope":"a","scope":"b""#, r#""scope":["a"]"#] {
        assert!(it.refuses(&beside(twice)), "{twice}");
    }
}

/// As Hasura documents it: all values are texts but the list of roles, which holds the default one; names begin with
/// `x-hasura-`.
#[tokio::test]
async fn hasura_finds_its_claims_in_a_token() {
    let it = fixture_of_file(HASURA).await;
    let secret: Value = serde_json::from_str(HASURA_SECRET).unwrap();
    let namespace = secret["claims_namespace"].as_str().unwrap();
    assert_eq!(secret["claims_format"], "json");
    for (role, active, roles) in [
        (Role::User, None, json!(["user"])),
        (Role::Admin, None, json!(["user", "manager"])),
        (Role::User, Some(OrganizationRole::Owner), json!(["user"])),
    ] {
        let subject = it.subject(role, active);
        let minted = it.minted(&subject);
        let session = minted[namespace].as_object().unwrap();
        assert_eq!(session["x-hasura-allowed-roles"], roles);
        assert!(roles.as_array().unwrap().contains(&session["x-hasura-default-role"]));
        assert_eq!(session["x-hasura-user-id"], json!(it.user));
        assert_eq!(
            session.get("x-hasura-org-id"),
            active.map(|_| json!(subject.organization.unwrap().id)).as_ref()
        );
        for (name, value) in session {
            assert!(name.starts_with("x-hasura-"), "{name}");
            assert!(value.is_string() || name == "x-hasura-allowed-roles", "{name}: {value}");
        }
        // A Hasura role of this name may do everything there.
        assert!(!roles.as_array().unwrap().contains(&json!("admin")));
    }
}

/// As PostgREST documents it: the role of the database stands, as a text, where `jwt-role-claim-key` leads.
#[tokio::test]
async fn postgrest_finds_the_role_of_the_database_in_a_token() {
    let it = fixture_of_file(POSTGREST).await;
    let setting = |name: &str| {
        let line = POSTGREST_CONF.lines().find(|line| line.starts_with(&format!("{name} = ")));
        line.unwrap().split('"').nth(1).unwrap()
    };
    let path = setting("jwt-role-claim-key").strip_prefix('.').unwrap();
    assert!(
        path.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
        "a path of one plain name"
    );
    for (role, database_role) in [(Role::User, "web_user"), (Role::Admin, "web_admin")] {
        let minted = it.minted(&it.subject(role, None));
        assert_eq!(minted[path], database_role);
        assert_ne!(minted[path], setting("db-anon-role"));
        assert_eq!(minted["role"], role.into_str(), "ours stays");
    }
}

#[tokio::test]
async fn the_longest_token_is_far_from_what_a_header_may_have() {
    let longest = json!({ "x": "y".repeat(2_000) }).to_string();
    let it = fixture_of_file(&longest).await;
    let subject = it.subject(Role::Admin, Some(OrganizationRole::Owner));
    let token = it.jwt.issue(&subject, DateTime::<Utc>::MAX_UTC).unwrap().text;
    assert!(token.len() < TOKEN_LENGTH_MAX / 2, "{}", token.len());
    assert!(it.jwt.verify(&token).is_ok());
}
