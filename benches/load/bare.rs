//! The yardstick: async-graphql behind axum with static answers, as anyone would write it first.

use async_graphql::{
    EmptyMutation, EmptySubscription, Object, Request, Response, Schema, SimpleObject,
    ValidationMode,
};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};

struct Query;

#[derive(SimpleObject, Clone)]
struct User {
    id: String,
    username: String,
    email: String,
    email_verified: bool,
    role: String,
    created_at: String,
}

#[derive(SimpleObject)]
struct Edge {
    node: User,
}

#[derive(SimpleObject)]
struct Connection {
    edges: Vec<Edge>,
}

#[Object]
impl Query {
    async fn me(&self) -> User {
        user(0)
    }

    async fn users(&self, first: i32) -> Connection {
        Connection { edges: (0..first).map(|number| Edge { node: user(number) }).collect() }
    }
}

fn user(number: i32) -> User {
    User {
        id: format!("01936b2e-0000-7000-8000-{number:012}"),
        username: format!("user{number}"),
        email: format!("user{number}@example.com"),
        email_verified: false,
        role: "USER".to_owned(),
        created_at: "2026-01-01T00:00:00.000000Z".to_owned(),
    }
}

type Bare = Schema<Query, EmptyMutation, EmptySubscription>;

async fn execute(State(schema): State<Bare>, Json(request): Json<Request>) -> Json<Response> {
    Json(schema.execute(request).await)
}

/// Serves on a free port, and says which.
pub(super) async fn serve(mode: ValidationMode) -> anyhow::Result<()> {
    let schema =
        Schema::build(Query, EmptyMutation, EmptySubscription).validation_mode(mode).finish();
    let router = Router::new().route("/graphql", post(execute)).with_state(schema);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}
