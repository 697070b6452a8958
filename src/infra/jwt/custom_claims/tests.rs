//! What a file can say, and what it cannot.

use serde_json::json;

use super::super::{CLIENT_ID, scope_of};
use super::placeholder::Placeholder;
use super::*;
use crate::kernel::access::{OrganizationRole, Permission, Role};
use crate::kernel::clock::Clock;
use crate::kernel::id::{OrganizationId, SessionId, UserId};

/// What a token says that is issued to somebody of this role.
fn says(role: Role, permissions: &[Permission], active: Option<OrganizationRole>) -> Claims {
    let now = Clock::system().now();
    let claims = json!({
        "iss": "https://issuer.example", "aud": "https://api.example", "sub": UserId::new(now),
        "sid": SessionId::new(now), "jti": "1", "iat": 0, "nbf": 0, "exp": 900, "auth_time": 0,
        "amr": ["pwd"], "acr": "aal1",
        "client_id": CLIENT_ID, "role": role.into_str(), "permissions": permissions,
        "scope": scope_of(permissions), "org": active.map(|_| OrganizationId::new(now)),
        "org_role": active.map(OrganizationRole::into_str),
    });
    serde_json::from_value(claims).unwrap()
}

fn filled(file: &Value, claims: &Claims) -> Value {
    Value::Object(CustomClaims::parse(&file.to_string()).unwrap().fill(claims))
}

fn refused(file: &str) -> String {
    CustomClaims::parse(file).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

#[test]
fn a_template_says_what_it_says_and_what_the_token_says() {
    let claims = says(Role::Admin, Role::Admin.permissions(), Some(OrganizationRole::Owner));
    let (sub, sid, org) = (claims.sub, claims.sid, claims.org.unwrap());
    let file = json!({
        "constant": ["a", 1, true, null, { "role": "kept" }],
        "ids": { "user": "{sub}", "session": "{sid}", "org": "{org}" },
        "acts_as": ["{role}", "{org_role}"],
        "may": "{permissions}",
        "scopes_of": "{scope}",
        "inside": "{sub} acts in {org} as {org_role}.",
        "literal": "{{{role}}}",
    });
    let expected = json!({
        "constant": ["a", 1, true, null, { "role": "kept" }],
        "ids": { "user": sub, "session": sid, "org": org },
        "acts_as": ["ADMIN", "OWNER"],
        "may": claims.permissions,
        "scopes_of": claims.scope,
        "inside": format!("{sub} acts in {org} as OWNER."),
        "literal": "{ADMIN}",
    });
    assert_eq!(filled(&file, &claims), expected);
}

#[test]
fn what_a_token_lacks_is_left_out_and_what_is_around_it_stays() {
    let file = json!({
        "org_id": "{org}",
        "org_name": "organization {org}",
        "scopes_of": "{scope}",
        "may": "{permissions}",
        "around": { "org": "{org}", "roles": ["{role}", "{org_role}"], "deep": { "org": "{org}" } },
    });
    let expected = json!({ "may": [], "around": { "roles": ["USER"], "deep": {} } });
    assert_eq!(filled(&file, &says(Role::User, &[], None)), expected);
}

#[test]
fn a_role_chooses_its_case() {
    let file = json!({
        "by_role": { "{role}": { "USER": "web_user", "ADMIN": ["web_user", "{role}"] } },
        "by_org": { "{org_role}": { "OWNER": 3, "ADMIN": 2, "MEMBER": "{org}" } },
        "or_none": { "{org_role}": { "OWNER": 3, "ADMIN": 2, "MEMBER": 1, "none": 0 } },
    });
    let nowhere = json!({ "by_role": "web_user", "or_none": 0 });
    assert_eq!(filled(&file, &says(Role::User, &[], None)), nowhere);
    let claims = says(Role::Admin, &[], Some(OrganizationRole::Member));
    let somewhere =
        json!({ "by_role": ["web_user", "ADMIN"], "by_org": claims.org.unwrap(), "or_none": 1 });
    assert_eq!(filled(&file, &claims), somewhere);
}

#[test]
fn no_registered_name_and_none_of_ours_can_be_added_in_any_case() {
    let registered = [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "client_id",
        "scope",
        "auth_time",
        "amr",
        "acr",
        "azp",
        "nonce",
        "sid",
        "cnf",
        "act",
        "may_act",
        "events",
        "name",
        "email",
        "roles",
        "groups",
        "entitlements",
    ];
    // What some gateways read in the place of `scope`, and what a header has.
    let alike = ["scopes", "scp", "typ", "alg", "kid"];
    let ours = serde_json::to_value(says(
        Role::User,
        Role::Admin.permissions(),
        Some(OrganizationRole::Owner),
    ));
    let ours = ours.unwrap().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(ours.iter().any(|name| name == "scope") && ours.iter().any(|name| name == "org_role"));
    for name in registered.into_iter().chain(alike).chain(ours.iter().map(String::as_str)) {
        for name in [name.to_owned(), name.to_ascii_uppercase()] {
            let told = refused(&json!({ &name: "x" }).to_string());
            assert!(told.contains(&format!("{name:?}: the name is reserved")), "{told}");
            let inside = json!({ "https://other.example": { &name: "x" } }).to_string();
            assert_eq!(refused(&inside), "accepted", "inside another claim it means nothing here");
        }
    }
}

#[test]
fn a_claim_is_named_in_plain_ascii() {
    for name in [
        "",
        " ",
        "a b",
        "ro\u{17f}e",
        "\u{212a}id",
        "a\"b",
        "a\\b",
        "{role}",
        "a\nb",
        &"n".repeat(129),
    ] {
        let told = refused(&json!({ name: "x" }).to_string());
        assert!(told.contains(&format!("{name:?}: a name has")), "{told}");
    }
    for name in ["https://hasura.io/jwt/claims", "x-role", "urn:example:role", &"n".repeat(128)] {
        assert_eq!(refused(&json!({ name: "x" }).to_string()), "accepted");
    }
}

#[test]
fn what_is_wrong_with_a_template_is_told_with_its_claim() {
    for (template, reason) in [
        (
            json!("{username}"),
            "{username}, which does not exist; use one of {sub}, {sid}, {role}, {org}",
        ),
        (json!("{email}"), "{email}, which does not exist"),
        (json!("{iss}"), "{iss}, which does not exist"),
        (json!("{SUB}"), "{SUB}, which does not exist"),
        (json!("{ sub }"), "{ sub }, which does not exist"),
        (json!("{}"), "{}, which does not exist"),
        (json!("{sub"), "a single brace"),
        (json!("sub}"), "a single brace"),
        (json!("{permissions}, and more"), "{permissions} inside a text"),
        (json!(["{role"]), "a single brace"),
        (
            json!({ "{role}": "web_user" }),
            "chooses by {role}, so it must have exactly the cases USER, ADMIN",
        ),
        (json!({ "{role}": { "USER": 1 } }), "exactly the cases USER, ADMIN"),
        (
            json!({ "{role}": { "USER": 1, "ADMIN": 2, "OWNER": 3 } }),
            "exactly the cases USER, ADMIN",
        ),
        (
            json!({ "{role}": { "USER": 1, "ADMIN": 2, "none": 3 } }),
            "exactly the cases USER, ADMIN",
        ),
        (
            json!({ "{org_role}": { "OWNER": 1 } }),
            "the cases MEMBER, ADMIN, OWNER, and optionally none",
        ),
        (
            json!({ "{sub}": { "user_1": 1 } }),
            "chooses by {sub}, but can only choose by {role} or {org_role}",
        ),
        (
            json!({ "{role}": { "USER": 1, "ADMIN": 2 }, "b": 1 }),
            "the member \"{role}\", whose name must not contain a placeholder",
        ),
        (
            json!({ "of {role}": 1 }),
            "the member \"of {role}\", whose name must not contain a placeholder",
        ),
    ] {
        let told = refused(&json!({ "x-claim": template }).to_string());
        assert!(told.contains("the claim \"x-claim\", whose template"), "{told}");
        assert!(told.contains(reason), "{template}: {told}");
    }
}

#[test]
fn a_name_stands_once() {
    assert!(refused(r#"{ "a": 1, "a": 2 }"#).contains("adds the claim \"a\" twice"));
    for inside in [
        r#"{ "x": { "a": 1, "a": 2 } }"#,
        r#"{ "x": [{ "a": 1, "a": 1 }] }"#,
        r#"{ "x": { "{{a": 1, "{{a": 2 } }"#,
    ] {
        let told = refused(inside);
        assert!(told.contains("\"x\", whose template") && told.contains("a\" twice"), "{told}");
    }
    let twice = r#"{ "x": { "{role}": { "USER": 1, "ADMIN": 2, "ADMIN": 3 } } }"#;
    assert!(refused(twice).contains("exactly the cases USER, ADMIN"));
}

#[test]
fn what_is_no_object_is_refused_with_its_place() {
    for file in ["", "[]", "null", "\"x\"", "{ \"a\": 1, }", "{ \"a\": 1 } { }", "{ 'a': 1 }"] {
        let told = refused(file);
        assert!(told.starts_with("must hold a JSON object: "), "{file}: {told}");
        assert!(told.contains("line 1"), "{file}: {told}");
    }
    assert_eq!(refused("{}"), "accepted");
}

#[test]
fn a_file_is_bounded_in_every_direction() {
    let many =
        |count: usize| (0..count).map(|n| (format!("c{n}"), json!(1))).collect::<Map<_, _>>();
    assert_eq!(refused(&Value::from(many(COUNT_MAX)).to_string()), "accepted");
    assert!(refused(&Value::from(many(COUNT_MAX + 1)).to_string()).contains("adds 33 claims"));

    let deep = |levels: usize| format!("{{\"x\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(refused(&deep(8)), "accepted");
    assert!(refused(&deep(9)).contains("nested more than 8 levels deep"));
    assert!(refused(&deep(100_000)).starts_with("must hold a JSON object: recursion limit"));

    let long = |bytes: usize| json!({ "x": "y".repeat(bytes) }).to_string();
    assert_eq!(refused(&long(LENGTH_MAX - 7)), "accepted");
    assert!(refused(&long(LENGTH_MAX - 6)).contains("2049 bytes longer"));
    let escaped = json!({ "x": "\u{1}".repeat(LENGTH_MAX / 6) }).to_string();
    assert!(refused(&escaped).contains("bytes longer"), "as JSON writes it");
    // The longest case counts, whoever it is for.
    let case = json!({ "x": { "{role}": { "USER": 1, "ADMIN": "y".repeat(LENGTH_MAX) } } });
    assert!(refused(&case.to_string()).contains("bytes longer"));
    let often = json!({ "x": vec!["{permissions}"; 60] });
    assert!(refused(&often.to_string()).contains("bytes longer"), "with every permission");
}

#[test]
fn no_token_grows_beyond_what_was_counted() {
    let file = json!({
        "a": ["{sub}", "{sid}", "{org}", "{role}", "{org_role}", "{permissions}", "{scope}"],
        "b": { "text": "{sub}-{sid}-{org}-{role}-{org_role}-{scope}" },
        "c": { "{org_role}": { "MEMBER": "{sub}", "ADMIN": [1, 2, 3], "OWNER": { "a": "{org}" }, "none": null } },
    });
    let custom = CustomClaims::parse(&file.to_string()).unwrap();
    let counted: usize = custom.0.iter().map(CustomClaim::length_max).sum();
    for active in [
        None,
        Some(OrganizationRole::Member),
        Some(OrganizationRole::Admin),
        Some(OrganizationRole::Owner),
    ] {
        for role in [Role::User, Role::Admin] {
            let claims = says(role, Permission::all(), active);
            let length = Value::from(custom.fill(&claims)).to_string().len();
            assert!(length <= counted, "{length} of {counted}");
        }
    }
}

#[test]
fn the_page_about_the_file_is_right() {
    let page = include_str!("../../../../docs/reference/claims.md");
    let blocks: Vec<_> =
        page.split("```json").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        assert_eq!(refused(block), "accepted", "{block}");
    }
    for placeholder in Placeholder::list().split(", ") {
        assert!(page.contains(&format!("| `{placeholder}` |")), "{placeholder}");
    }
    for limit in [
        format!("{COUNT_MAX} claims"),
        format!("1 to {NAME_LENGTH_MAX} ASCII"),
        "2,048 bytes".to_owned(),
    ] {
        assert!(page.contains(&limit), "{limit}");
    }
}
