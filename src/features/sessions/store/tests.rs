//! Whichever way a viewer is read, it is the same.

use chrono::DateTime;

use super::*;
use crate::features::sessions::recognition::store::find_known;
use crate::infra::db::Db;
use crate::kernel::access::{Language, Proofs, Role};
use crate::kernel::id::MembershipId;
use crate::tables::organization;

/// A user with a session, and an organization that they belong to.
async fn filled(db: &Db, now: DateTime<Utc>) -> (UserId, SessionId, OrganizationId) {
    let (user, session, organization) =
        (UserId::new(now), SessionId::new(now), OrganizationId::new(now));
    let account = user::ActiveModel {
        id: Set(user),
        username: Set("alice".to_owned()),
        username_key: Set("alice".to_owned()),
        email: Set("alice@example.com".to_owned()),
        email_key: Set("alice@example.com".to_owned()),
        email_verified: Set(true),
        full_name: Set(None),
        avatar_url: Set(None),
        password_hash: Set("$argon2id$".to_owned()),
        role: Set(Role::User),
        is_active: Set(true),
        created_at: Set(now),
        updated_at: Set(now),
        last_login_at: Set(None),
        locale: Set(Language::English),
        failed_logins: Set(0),
        unlocked_at: Set(None),
        taken_back_at: Set(None),
        grants: Set(None),
        username_is_proposed: Set(false),
        second_factor: Set(false),
        passkey_handle: Set(None),
    };
    user::Entity::insert(account).exec_without_returning(db.writer()).await.unwrap();
    let device = None;
    let begun = Begun {
        id: session,
        user_id: user,
        created_at: now,
        expires_at: now,
        device,
        secret_digest: [0; 32],
        proofs: Proofs::PASSWORD,
    };
    insert(db.writer(), &begun, &Origin::CLI).await.unwrap();
    let made = organization::ActiveModel {
        id: Set(organization),
        name: Set("Acme".to_owned()),
        created_at: Set(now),
        updated_at: Set(now),
    };
    organization::Entity::insert(made).exec_without_returning(db.writer()).await.unwrap();
    let joined = membership::ActiveModel {
        id: Set(MembershipId::new(now)),
        organization_id: Set(organization),
        user_id: Set(user),
        role: Set(OrganizationRole::Admin),
        created_at: Set(now),
    };
    membership::Entity::insert(joined).exec_without_returning(db.writer()).await.unwrap();
    (user, session, organization)
}

#[tokio::test]
async fn a_viewer_read_quickly_is_the_viewer_read_in_the_ordinary_way() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display());
    let db = Db::connect(&url, 2).await.unwrap();
    db.migrate_up(migration::Migrations::default()).await.unwrap();
    let now = DateTime::from_timestamp_micros(1_790_000_000_000_001).unwrap();
    let (user, session, organization) = filled(&db, now).await;
    let ordinary = db.without_quick();

    let active = Some(ActiveOrganization { id: organization, role: OrganizationRole::Admin });
    for (chosen, is_member, expected) in
        [(None, true, None), (Some(organization), true, active), (Some(organization), false, None)]
    {
        if !is_member {
            membership::Entity::delete_many().exec(db.writer()).await.unwrap();
        }
        for db in [&db, &ordinary] {
            let known = find_known(db, session, user, chosen).await.unwrap().unwrap();
            assert_eq!((known.viewer.user.id, known.viewer.session_id), (user, session));
            assert_eq!((known.generation, known.generation_at, known.last_used_at), (1, now, now));
            assert_eq!(
                (known.viewer.session_mode, known.secret_digest),
                (TokenMode::Body, vec![0; 32])
            );
            assert_eq!(known.viewer.organization, expected);
        }
    }
    assert!(db.was_quick(), "it was not the ordinary way both times");
}
