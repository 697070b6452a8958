//! How often a call goes to its database and back: at a distance, that is what it takes.
//!
//! They are counted on the way to database servers of the tests' own, so these run with the suite on SQLite only.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::support::process::{Server, code};
use crate::support::relay::Relay;
use crate::support::servers::{DatabaseServer, Kind};
use crate::support::{LOGIN, PASSWORD, named_server};

/// After this long nothing that a call has begun is still under way.
const QUIET: Duration = Duration::from_millis(40);

/// An instance at the other end of a relay from its database.
struct Scene {
    server: Server,
    relay: Relay,
    database: DatabaseServer,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn set(kind: Kind, flags: &[&str]) -> Option<Self> {
        if named_server().is_some() {
            eprintln!("skipped: runs on servers of its own, with the suite on SQLite");
            return None;
        }
        let database = DatabaseServer::start(kind).await?;
        let relay = Relay::to(database.address()).await;
        let folder = tempfile::tempdir().unwrap();
        let flags = [&["--refresh-grace-seconds=0"], flags].concat();
        let url = database.url_over(relay.port);
        let server = Server::start_with(&url, folder.path(), &flags, &[]);
        Some(Self { server, relay, database, _folder: folder })
    }

    /// The round trips of a call, with those that follow its answer: the fewest of many, since what runs beside adds to some.
    async fn fewest(&self, mut call: impl AsyncFnMut()) -> u32 {
        let mut fewest = u32::MAX;
        for _ in 0..30 {
            let before = self.relay.round_trips();
            call().await;
            tokio::time::sleep(QUIET).await;
            fewest = fewest.min(self.relay.round_trips() - before);
        }
        fewest
    }

    async fn call(&self, query: &str, variables: Value, bearer: &str) -> Value {
        self.server.call(query, variables, bearer).await.unwrap()
    }

    async fn log_in(&self) -> Value {
        let input = json!({ "identifier": "alice", "password": PASSWORD });
        self.call(LOGIN, json!({ "input": input }), "").await
    }

    /// In this order: `me`, `users`, a refresh, a login, a registration, and a name that is taken.
    async fn count(&self) -> [u32; 6] {
        let alice = self.server.register("alice").await;
        let db = Database::connect(self.database.url().replace("//app@", "//root@")).await.unwrap();
        db.execute_unprepared("UPDATE users SET role = 'ADMIN'").await.unwrap();
        db.close().await.unwrap();
        let alice = &alice["data"]["register"];
        let access = alice["accessToken"].as_str().unwrap();
        let read = async |query: &str| {
            let answer = self.call(query, Value::Null, access).await;
            assert_eq!(code(&answer), "NONE", "{answer}");
        };
        read("{ me { id } }").await;
        let me = self.fewest(async || read("{ me { id } }").await).await;
        let users = "{ users(first: 50) { edges { node { id } } } }";
        let users = self.fewest(async || read(users).await).await;
        let mut token = alice["refreshToken"].clone();
        let refresh = async || {
            let query = "mutation($t: String) { refreshToken(input: { refreshToken: $t }) { refreshToken } }";
            let answer = self.call(query, json!({ "t": token }), "").await;
            token = answer["data"]["refreshToken"]["refreshToken"].clone();
            assert!(token.is_string(), "{answer}");
        };
        let refresh = self.fewest(refresh).await;
        let login = async || assert_eq!(code(&self.log_in().await), "NONE");
        let login = self.fewest(login).await;
        let mut number = 0;
        let register = async || {
            number += 1;
            let registered = self.server.register(&format!("user{number}")).await;
            assert_eq!(code(&registered), "NONE", "{registered}");
        };
        let register = self.fewest(register).await;
        let conflict = async || assert_eq!(code(&self.server.register("alice").await), "CONFLICT");
        let conflict = self.fewest(conflict).await;
        [me, users, refresh, login, register, conflict]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_to_postgresql_as_often_as_it_has_to() {
    let Some(scene) = Scene::set(Kind::Postgres, &[]).await else { return };
    assert_eq!(scene.count().await, [0, 1, 2, 6, 10, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_to_mariadb_as_often_as_it_has_to() {
    let Some(scene) = Scene::set(Kind::MariaDb, &[]).await else { return };
    assert_eq!(scene.count().await, [0, 1, 2, 7, 10, 1]);
}
