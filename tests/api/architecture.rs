//! The arrows between the modules, as ARCHITECTURE.md draws them.

use std::fs;
use std::path::{Path, PathBuf};

/// The lowest first: each may call those before it, never those behind.
const FEATURES: &[&str] = &[
    "audit",
    "change",
    "keyring",
    "undelivered",
    "links",
    "flows",
    "identities",
    "authenticators",
    "sessions",
    "accounts",
    "login",
    "recovery",
    "factors",
    "provider_login",
    "organizations",
    "entities",
];

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else {
                found.push(entry);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    walk(&root.join("kernel/src"), &mut found);
    found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            (name.replacen("src/", "", 1), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// What each layer may use beside itself. Those that are not named wire the program and may use all; `kernel` is a
/// crate of its own.
const LAYERS: &[(&str, &[&str])] = &[
    ("tables", &["kernel"]),
    ("infra", &["kernel", "tables"]),
    ("features", &["kernel", "tables", "infra"]),
    ("graphql", &["kernel", "infra"]),
];

/// A line of code; nothing of a comment.
fn uncommented(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line }
}

#[test]
fn a_layer_uses_only_what_is_below_it() {
    for (name, text) in sources() {
        let layer = name.split(['/', '.']).next().unwrap_or_default();
        let Some((_, below)) = LAYERS.iter().find(|(of, _)| *of == layer) else { continue };
        // What a macro expands to is named as other crates name it.
        let code: String = text.replace("$crate::", "").lines().map(uncommented).collect();
        for used in code.split("crate::").skip(1) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
            assert!(used == layer || below.contains(&used), "{name} must not use {used}");
        }
        assert!(layer == "graphql" || !text.contains("async_graphql"), "{name} knows no GraphQL");
    }
}

#[test]
fn tables_are_seen_by_stores_only() {
    for (name, text) in sources() {
        let is_store = name.ends_with("store.rs") || name.starts_with("tables/");
        assert!(is_store || !text.contains("crate::tables"), "{name} must not use tables");
    }
}

/// The unit of work begins, records and commits. The audit log has a chain of its own, below it.
#[test]
fn changes_are_made_by_the_unit_of_work_only() {
    for (name, text) in sources() {
        let is_below = ["features/change/", "features/audit/", "infra/", "app/housekeeping.rs"]
            .iter()
            .any(|below| name.starts_with(below));
        if is_below {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["db.begin()", "db().begin()", "db.retry(", "audit::record", " Event {"] {
            assert!(!text.contains(word), "{name} must change through `Changes`, not by {word}");
        }
    }
}

/// What a viewer is made of: whoever writes it ends what is remembered of them.
#[test]
fn what_viewers_are_made_of_is_written_by_those_who_touch() {
    let mut touching = 0;
    for (name, text) in sources() {
        for function in text.split("async fn ").skip(1) {
            let function = function.split("\n}\n").next().unwrap_or_default();
            let title = function.split('(').next().unwrap_or_default();
            let writes =
                ["user::Entity::update", "user::Entity::delete", "membership::Entity::update"]
                    .iter()
                    .any(|write| function.contains(write));
            // What nobody remembers: failures, and an account that is made in this moment.
            let is_untold = ["count_failure", "touch_login"].contains(&title);
            if name.starts_with("features/") && writes && !is_untold {
                assert!(
                    function.contains("tx.touch("),
                    "{name}: {title} must touch whom it writes"
                );
                touching += 1;
            }
        }
    }
    assert!(touching >= 12, "{touching}");
}

/// Those of `infra/db` bind times as what their columns are.
#[test]
fn statements_run_on_the_connections_of_the_kit_only() {
    for (name, text) in sources() {
        if name.starts_with("infra/db") {
            continue;
        }
        for word in ["DatabaseConnection", "DatabaseTransaction"] {
            assert!(!text.contains(word), "{name} must not use {word}");
        }
    }
}

/// `causes` tells an error as the operator should read it.
#[test]
fn errors_are_logged_with_their_causes() {
    for (name, text) in sources() {
        for word in ["%error", "?error", "%elapsed", "{error:#}"] {
            assert!(!text.contains(word), "{name} must not log {word}, but its causes");
        }
    }
}

/// What a service works with is its own: whoever else needs a database, a clock or limits is given them.
#[test]
fn nobody_reaches_through_a_service_into_its_fields() {
    const SERVICES: &[(&str, &str, &str)] = &[
        ("accounts", "accounts", "Accounts"),
        ("audit", "log", "Log"),
        ("change", "changes", "Changes"),
        ("keyring", "keyring", "Keyring"),
        ("links", "link_gate", "Gate"),
        ("login", "login", "Login"),
        ("organizations", "organizations", "Organizations"),
        ("recovery", "recovery", "Recovery"),
        ("sessions", "sessions", "Sessions"),
        ("entities", "entities", "Entities"),
    ];
    for (name, text) in sources() {
        let code: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(str::split_whitespace)
            .collect();
        for (feature, field, service) in SERVICES {
            if name.starts_with(&format!("features/{feature}/")) {
                continue;
            }
            let by_name = ["self", "app"].map(|of| format!("{of}.{field}."));
            for owner in by_name.into_iter().chain([format!("::<{service}>().")]) {
                let read = code.split(&owner).skip(1).find(|after| reads_field(after));
                let after = read.and_then(|after| after.get(..20));
                assert_eq!(after, None, "{name} must not read a field of {service}");
            }
        }
    }
}

/// Whether code that goes on like this behind a dot reads a field, and neither calls nor waits.
fn reads_field(code: &str) -> bool {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let rest = code.trim_start_matches(is_name);
    let is_call = rest.starts_with('(') || rest.starts_with("::<");
    !is_call && !code.starts_with("await")
}

/// Below it, a root field without a rule does not compile.
#[test]
fn the_attribute_rules_stands_above_every_part_of_a_root() {
    let mut parts = 0;
    for (name, text) in sources().into_iter().filter(|(name, _)| name.starts_with("schema/")) {
        let lines: Vec<_> = text.lines().collect();
        for window in lines.windows(3) {
            let [above, _, of] = window else { continue };
            for (root, rules) in
                [("Query {", "#[rules(query)]"), ("Mutation {", "#[rules(mutation)]")]
            {
                if of.starts_with("impl ") && of.ends_with(root) {
                    assert_eq!(*above, rules, "{name}: {of}");
                    parts += 1;
                }
            }
        }
    }
    assert!(parts >= 14, "{parts}");
}

#[test]
fn every_feature_has_its_place() {
    for (name, _) in sources() {
        let Some((feature, _)) =
            name.strip_prefix("features/").and_then(|name| name.split_once('/'))
        else {
            continue;
        };
        assert!(FEATURES.contains(&feature), "{feature} is not in FEATURES");
    }
}

#[test]
fn a_feature_calls_only_lower_ones() {
    for (index, feature) in FEATURES.iter().enumerate() {
        for (name, text) in sources() {
            if !name.starts_with(&format!("features/{feature}/")) {
                continue;
            }
            for higher in &FEATURES[index + 1..] {
                let import = format!("features::{higher}");
                assert!(!text.contains(&import), "{name} must not use {higher}");
            }
        }
    }
}

/// The codes of promises in a text: two capitals, a hyphen and two digits.
fn codes(text: &str) -> Vec<&str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    text.split(|character: char| !character.is_ascii() || !is_word(character as u8))
        .filter(|word| {
            let shape = word.bytes().map(|byte| match byte {
                b'A'..=b'Z' => b'A',
                b'0'..=b'9' => b'0',
                other => other,
            });
            shape.eq(*b"AA-00")
        })
        .collect()
}

#[test]
fn every_promise_is_kept_where_it_is_said_and_proven_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let promises = fs::read_to_string(root.join("docs/explanation/security.md")).unwrap();
    let headings: Vec<_> = promises
        .lines()
        .filter_map(|line| line.strip_prefix("### ")?.split_whitespace().next())
        .collect();
    for (name, text) in sources() {
        for line in text.lines().filter(|line| line.trim_start().starts_with("//")) {
            for code in codes(line) {
                assert!(
                    headings.contains(&code),
                    "{name}: docs/explanation/security.md promises no {code}"
                );
            }
        }
    }
    for promise in promises.split("\n### ").skip(1) {
        let promise = promise.split("\n## ").next().unwrap_or_default();
        let (_, proofs) = promise.split_once("\nProof: ").expect(promise);
        for proof in proofs.split('`').filter(|part| part.contains("::")) {
            let (file, test) = proof.split_once("::").unwrap();
            let folder = if file.contains('/') { root.to_owned() } else { root.join("tests/api") };
            let source = fs::read_to_string(folder.join(file)).expect(proof);
            assert!(source.contains(&format!("fn {test}(")), "{proof} does not exist");
        }
    }
}

#[test]
fn files_are_short_enough_to_read() {
    for (name, text) in sources() {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().count();
        assert!(lines <= 400, "{name} has {lines} lines");
    }
}
