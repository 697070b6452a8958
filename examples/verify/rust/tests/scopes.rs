//! What counts as a scope.

use portcullis_verify_example::Claims;
use serde_json::{Value, json};

fn claims(scope: Option<&str>) -> serde_json::Result<Claims> {
    let mut claims = json!({
        "iss": "issuer", "aud": "audience", "sub": "user_1", "sid": "session_1", "jti": "1",
        "iat": 0, "nbf": 0, "exp": 900, "client_id": "portcullis", "role": "USER",
    });
    if let Some(scope) = scope {
        claims["scope"] = Value::from(scope);
    }
    serde_json::from_value(claims)
}

#[test]
fn a_scope_is_there_as_a_whole_or_not_at_all() {
    for (scope, has) in [
        (Some("users:write"), true),
        (Some("users:read users:write"), true),
        (Some("users:write_all"), false),
        (Some("all-users:write"), false),
        (Some("USERS:WRITE"), false),
        (Some(""), false),
        (None, false),
    ] {
        let claims = claims(scope).unwrap();
        assert_eq!(claims.has_scope("users:write"), has, "{scope:?}");
        assert!(!claims.has_scope(""), "{scope:?}");
    }
}
