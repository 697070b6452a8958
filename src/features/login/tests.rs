//! What happens between the check of a password and the beginning of a session.

use secrecy::SecretString;

use super::*;
use crate::app::App;
use crate::config::Config;
use crate::features::accounts::{Capacity, NewAccount};
use crate::features::sessions::Shown;
use crate::kernel::access::{Authentication, Covers, Language, Role};
use crate::kernel::acting::Acting;
use crate::kernel::clock::Clock;

const PASSWORD: &str = "correct horse battery";
const LIMITS: LoginLimits<'static> = (&BY_IP, &BY_NAME, &OF_NAMES, &OF_USER, &ON_DEVICE);

struct Fixture {
    app: App,
    login: Login,
    _folder: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        format!("--data-dir={}", folder.path().display()),
        "--argon2-memory-kib=64".to_owned(),
        "--argon2-iterations=1".to_owned(),
    ];
    let mut config = Config::new(&crate::cli::settings(&flags).unwrap()).unwrap();
    let database = format!("sqlite://{}/test.db", folder.path().display());
    config.database.url = SecretString::from(database);
    let app = App::build(config, Clock::system()).await.unwrap();
    let login = app.login.clone();
    Fixture { app, login, _folder: folder }
}

impl Fixture {
    async fn create(&self, username: &str, role: Role) -> User {
        let email = format!("{username}@example.com");
        let locale = Language::English;
        let new =
            NewAccount { username, email: &email, password: PASSWORD, full_name: None, locale };
        self.app.accounts.create(&new, role).await.unwrap()
    }

    /// A login that has checked its password and not yet begun its transaction.
    async fn held_at_the_hash(&self, username: &str) -> Verified {
        let identifier = Identifier::parse(username);
        let found = store::find(&self.app.db, &identifier).await.unwrap();
        let Found { user, hash, failed_logins } = found.unwrap();
        Verified { user, hash, failed_logins, rehashed: None }
    }

    /// Has it go on.
    async fn begin(&self, held: &Verified) -> Option<(User, Admitted)> {
        let begin = |tx| self.login.begin(tx, held, Guesser::Stranger);
        let acting = Acting::unknown(&Origin::CLI);
        self.login.changes.run("sign in", acting, begin).await.unwrap()
    }
}

#[tokio::test]
async fn a_login_held_at_the_hash_ends_when_its_user_is_deactivated() {
    let it = fixture().await;
    let boss = it.create("boss", Role::Admin).await;
    let alice = it.create("alice", Role::User).await;
    let (_, admitted) = it
        .login
        .login(
            &Origin::CLI,
            &Identifier::parse("boss"),
            &Password::parse(PASSWORD).unwrap(),
            None,
            LIMITS,
        )
        .await
        .unwrap();
    let Admitted::Session(tokens) = admitted else { panic!("{admitted:?}") };
    let token = tokens.access.unwrap();
    let authenticated =
        it.app.sessions.authenticate(Shown::AccessToken(&token.text), None).await.unwrap();
    let Authentication::Viewer(viewer) = authenticated else { panic!("{authenticated:?}") };
    assert_eq!(viewer.user.id, boss.id);
    let held = it.held_at_the_hash("alice").await;

    let acting = Acting::viewer(&viewer, &Origin::CLI);
    it.app
        .accounts
        .deactivate(acting, Capacity::Staff(Covers { others: false }), alice.id)
        .await
        .unwrap();

    let begun = it.begin(&held).await;
    assert!(begun.is_none(), "no session for an account that was open once");
    let (alice, right) = (Identifier::parse("alice"), Password::parse(PASSWORD).unwrap());
    let again = it.login.login(&Origin::CLI, &alice, &right, None, LIMITS).await;
    assert!(matches!(again, Err(LoginError::InvalidCredentials { .. })));
}

#[tokio::test]
async fn a_login_held_at_the_hash_ends_when_the_password_changes() {
    let it = fixture().await;
    it.create("alice", Role::User).await;
    let held = it.held_at_the_hash("alice").await;
    let unchanged = it.begin(&held).await;
    assert!(unchanged.is_some(), "nothing has changed yet");

    let other = it.login.hasher.hash(&Password::parse("another password").unwrap()).await.unwrap();
    let rehashed = Verified { rehashed: Some(other), ..it.held_at_the_hash("alice").await };
    assert!(it.begin(&rehashed).await.is_some());

    let changed = it.begin(&held).await;
    assert!(changed.is_none(), "no session for a password that was right once");
    let (alice, right) = (Identifier::parse("alice"), Password::parse(PASSWORD).unwrap());
    let again = it.login.login(&Origin::CLI, &alice, &right, None, LIMITS).await;
    assert!(matches!(again, Err(LoginError::InvalidCredentials { .. })));
}
