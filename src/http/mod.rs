//! The HTTP shell: routes, and what every request passes through.

mod accept;
mod account;
mod answer;
mod body;
mod call;
mod callback;
mod change;
mod client_ip;
mod connections;
mod content_type;
mod export;
mod framing;
mod graphql;
mod health;
mod home;
mod identity;
mod inline;
mod json;
mod metrics;
mod observe;
mod origin;
mod own_documents;
mod pages;
mod playground;
mod request;
mod serve;
mod streams;
#[cfg(feature = "otel")]
mod trace;
mod waiting;
mod well_known;

use std::any::Any;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;

use self::observe::Answered;
pub(crate) use self::pages::missing as missing_pages;
pub(crate) use self::serve::{serve, wait_for_signal};
pub(crate) use self::waiting::{Reason, answer_during};
use crate::app::App;
use crate::config::{Config, Introspection};
use crate::graphql::error::Code;
use crate::graphql::messages::translated;
use crate::kernel::access::Language;
use crate::kernel::request_id::RequestId;

/// Every route of the server.
pub fn router(app: &App) -> Router {
    let router = pages::routes(account::routes(Router::new(), &app.config));
    let mut router = home::routes(callback::routes(router));
    if app.config.playground {
        router = playground::routes(router);
    }
    let endpoint = post(graphql::post).get(graphql::get).fallback(async || graphql::other_method());
    let mut router = router
        .route("/graphql", endpoint)
        .route(well_known::JWKS, get(well_known::jwks))
        .route(well_known::METADATA, get(well_known::authorization_server))
        .route("/.well-known/webauthn", get(well_known::webauthn))
        .route("/.well-known/change-password", get(well_known::change_password))
        .route("/export", get(export::download))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready));
    // Where RFC 8414 (section 3.1) looks for the metadata of an issuer with a path: before that path,
    // so no proxy takes it away.
    let path = app.config.path();
    if !path.is_empty() {
        let place = format!("/.well-known/oauth-authorization-server{path}");
        router = router.route(&place, get(well_known::authorization_server));
    }
    match app.config.introspection {
        Introspection::Full => router = router.route("/schema.graphql", get(well_known::schema)),
        Introspection::Own => router = router.route("/schema.graphql", get(well_known::own_schema)),
        Introspection::Off => {}
    }
    let router = router
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "There is nothing at this address.") })
        .method_not_allowed_fallback(|| async {
            refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "This address does not support the method: see the Allow header.",
            )
        })
        .with_state(app.clone());
    surround(router, &app.config)
}

/// What every request passes through, whatever its route.
fn surround(router: Router, config: &Arc<Config>) -> Router {
    let around = middleware::from_fn_with_state(Arc::clone(config), around);
    router.layer((around, CatchPanicLayer::custom(panicked)))
}

/// One layer rather than several: for every request, axum copies each with all that is inside it.
async fn around(State(config): State<Arc<Config>>, request: Request, next: Next) -> Response {
    let shared = |request| origin::share(&config, request, next);
    request::identify(&config, request, shared).await
}

/// A refusal before GraphQL, in the shape of a GraphQL error.
fn refusal(status: StatusCode, message: &'static str) -> Response {
    refusal_with(Code::BadRequest, status, message)
}

/// The same with another code.
fn refusal_with(code: Code, status: StatusCode, message: &'static str) -> Response {
    let extensions = (Extension(Answered(Some(code))), Extension(Refused { code, message }));
    (status, extensions, refusal_body(code, message)).into_response()
}

fn refusal_body(code: Code, message: &str) -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({
        "errors": [{ "message": message, "extensions": { "code": code.as_str() } }],
    }))
}

/// Marks a refusal, which is made in English and told in the language of the request.
#[derive(Clone, Copy)]
struct Refused {
    code: Code,
    message: &'static str,
}

/// Puts a refusal into the language that the request accepts.
fn tell_in(language: Language, response: &mut Response) {
    let Some(Refused { code, message }) = response.extensions().get().copied() else { return };
    if let Some(message) = translated(message, language) {
        *response.body_mut() = refusal_body(code, &message).into_response().into_body();
    }
}

/// A failure outside GraphQL, of which a client learns the request's id and nothing else.
fn failure(request_id: RequestId) -> Response {
    let extensions = serde_json::json!({
        "code": Code::InternalServerError.as_str(), "requestId": request_id.to_string(),
    });
    let message = "Something went wrong on our side.";
    let error = serde_json::json!({
        "errors": [{ "message": message, "extensions": extensions }],
    });
    let code = Code::InternalServerError;
    (code.status(), Extension(Answered(Some(code))), axum::Json(error)).into_response()
}

/// What a panic leaves of a request. The panic's own text went to the log, and nowhere else.
fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request panicked");
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Panicked);
    response
}

/// Marks a response that still needs a body, which names the request.
#[derive(Clone, Copy)]
struct Panicked;

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
    use axum::body::Body;
    use axum::http::header::HOST;
    use axum::http::{Request, Version};
    use http_body_util::BodyExt;
    use tokio::task::JoinSet;
    use tower::ServiceExt;

    use super::*;

    /// A schema that panics when it is asked to.
    struct Query;

    #[Object]
    impl Query {
        async fn boom(&self) -> usize {
            let nobody: Option<usize> = "nobody".parse().ok();
            nobody.expect("a secret of the program")
        }

        async fn well(&self) -> bool {
            true
        }
    }

    /// Routes as the server has them, around that schema.
    fn routes() -> Router {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let execute =
            |query: String| async move { axum::Json(schema.execute(query).await).into_response() };
        let config = Config::new(&crate::cli::settings(&[]).unwrap()).unwrap();
        surround(Router::new().route("/", post(execute)), &Arc::new(config))
    }

    async fn ask(routes: &Router, query: &'static str) -> (StatusCode, String, String) {
        let request = Request::post("/").header(HOST, "a").body(Body::from(query)).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, id, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_request_says_once_which_host_it_is_for() {
        let routes = routes();
        for (version, hosts, status) in [
            (Version::HTTP_11, &["example.com"][..], 200),
            (Version::HTTP_11, &["[::1]:8000"], 200),
            (Version::HTTP_10, &[], 200),
            (Version::HTTP_11, &[], 400),
            (Version::HTTP_10, &["a", "a"], 400),
            (Version::HTTP_11, &["a", "a"], 400),
            (Version::HTTP_11, &[""], 400),
            (Version::HTTP_11, &["a b"], 400),
            (Version::HTTP_11, &["a/b"], 400),
            (Version::HTTP_11, &["a@b"], 400),
            (Version::HTTP_11, &["a:b:c"], 400),
        ] {
            let mut request = Request::post("/").version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let request = request.body(Body::from("{ well }")).unwrap();
            let answered = routes.clone().oneshot(request).await.unwrap();
            assert_eq!(answered.status().as_u16(), status, "{version:?} {hosts:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_thousand_panics_are_internal_errors_that_name_their_requests_and_nothing_else() {
        let routes = routes();
        let mut panicking = JoinSet::new();
        for _ in 0..1_000 {
            let routes = routes.clone();
            panicking.spawn(async move { ask(&routes, "{ well boom }").await });
        }
        while let Some(answered) = panicking.join_next().await {
            let (status, id, body) = answered.unwrap();
            let error: serde_json::Value = serde_json::from_str(&body).unwrap();
            let extensions = &error["errors"][0]["extensions"];
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(extensions["code"], "INTERNAL_SERVER_ERROR");
            assert_eq!(extensions["requestId"], id.as_str());
            assert!(!body.contains("secret"));
        }
        let (status, _, body) = ask(&routes, "{ well }").await;
        assert_eq!((status, body.contains("true")), (StatusCode::OK, true));
    }
}
