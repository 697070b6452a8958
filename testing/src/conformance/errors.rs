//! `errors`: the form of each, and that each explains a null in `data` and every null that needs it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use async_graphql::Pos;
use serde_json::Number;

use super::deviations::{error_below_is_told_of_this, error_of_a_nullable_field_nulls_its_parent};
use super::json::{Json, Step, shown};
use super::selection::{Operation, Way};

/// As many errors as an answer lists (GQ-09): with as many there may be others.
const ERRORS_MAX: usize = 5;

/// What an error says that is formed as it must be.
pub(super) struct ErrorObject {
    pub(super) locations: Vec<Pos>,
    /// None of an error that is about the request.
    pub(super) path: Option<Vec<Step>>,
}

/// Every code of the catalogue, as the program has it.
static CODES: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let catalogue = include_str!("../../../src/graphql/error.rs");
    let code = |line: &'static str| Some(line.trim().split_once(" = \"")?.1.split_once("\", ")?.0);
    let codes: BTreeSet<&str> = catalogue.lines().filter_map(code).collect();
    assert!(codes.len() > 10 && codes.contains("BAD_REQUEST"), "{codes:?}");
    codes
});

/// Reads `errors`.
pub(super) fn read(errors: &Json) -> Result<Vec<ErrorObject>, String> {
    match errors.items() {
        None | Some([]) => Err(format!("errors is {errors:?}")),
        Some(errors) if errors.len() > ERRORS_MAX => Err(format!("{} errors", errors.len())),
        Some(errors) => errors.iter().map(read_one).collect(),
    }
}

fn read_one(error: &Json) -> Result<ErrorObject, String> {
    let fault = |what: &str| format!("an error {what}: {error:?}");
    let keys = error.keys().ok_or_else(|| fault("is not an object"))?;
    let known = ["message", "locations", "path", "extensions"];
    if let Some(unknown) = keys.iter().find(|key| !known.contains(key)) {
        return Err(fault(&format!("has {unknown}")));
    }
    if keys.iter().collect::<BTreeSet<_>>().len() != keys.len() {
        return Err(fault("repeats a key"));
    }
    if error.get("message").and_then(Json::text).is_none_or(str::is_empty) {
        return Err(fault("has no message"));
    }
    let code = error.get("extensions").and_then(|it| it.get("code")).and_then(Json::text);
    if code.is_none_or(|code| !CODES.contains(code)) {
        return Err(fault("has no known code"));
    }
    let locations = match error.get("locations") {
        None => Vec::new(),
        Some(locations) => positions(locations).ok_or_else(|| fault("has invalid locations"))?,
    };
    let path = match error.get("path") {
        None => None,
        Some(path) => Some(steps(path).ok_or_else(|| fault("has an invalid path"))?),
    };
    Ok(ErrorObject { locations, path })
}

fn positions(locations: &Json) -> Option<Vec<Pos>> {
    let count = |number: Option<&Json>| match number {
        Some(Json::Number(number)) => number.as_u64().filter(|it| *it > 0)?.try_into().ok(),
        _ => None,
    };
    let locations = locations.items().filter(|locations| !locations.is_empty())?.iter();
    let position = |it: &Json| {
        let is_whole = it.keys()?.len() == 2;
        let position = Pos { line: count(it.get("line"))?, column: count(it.get("column"))? };
        is_whole.then_some(position)
    };
    locations.map(position).collect()
}

fn steps(path: &Json) -> Option<Vec<Step>> {
    let path = path.items().filter(|path| !path.is_empty())?.iter();
    let step = |step: &Json| match step {
        Json::Text(key) => Some(Step::Key(key.clone())),
        Json::Number(index) => index_of(index).map(Step::Index),
        Json::Null | Json::Boolean(_) | Json::List(_) | Json::Object(_) => None,
    };
    path.map(step).collect()
}

fn index_of(number: &Number) -> Option<usize> {
    number.as_u64().and_then(|number| number.try_into().ok())
}

impl Operation<'_> {
    /// What is wrong with the errors of an answer with `data`.
    pub(super) fn faults_of_errors(&self, data: &Json, errors: &[ErrorObject]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut paths: Vec<&[Step]> = Vec::new();
        let mut reaches = Vec::new();
        for error in errors {
            let Some(path) = error.path.as_deref() else {
                faults.push("an error beside data has no path".to_owned());
                continue;
            };
            if paths.contains(&path) {
                faults.push(format!("{}: two errors have this path", shown(path)));
            }
            let ways = self.ways(path);
            if ways.is_empty() {
                faults.push(format!("{}: an error has a path that is not selected", shown(path)));
            } else if !ways.iter().any(|way| is_located(&error.locations, way)) {
                faults.push(format!(
                    "{}: an error has the locations {:?}",
                    shown(path),
                    error.locations
                ));
            }
            paths.push(path);
            reaches.push(ways.iter().flat_map(|way| reach(path, way)).collect::<BTreeSet<_>>());
        }
        let is_whole = errors.len() < ERRORS_MAX;
        for (path, reached) in paths.iter().zip(&reaches) {
            let null = match first_null(data, path) {
                Ok(null) => null,
                Err(why) => {
                    faults.push(why);
                    continue;
                }
            };
            let is_another = || reaches.iter().any(|reached| reached.contains(&null));
            let is_lost = reached.iter().any(|reach| null < *reach) && (is_another() || !is_whole);
            if !reached.contains(&null) && !is_lost {
                let null = shown(&path[..null.len()]);
                faults.push(format!("{}: the error does not explain null at {null}", shown(path)));
            }
        }
        if *data == Json::Null && errors.is_empty() {
            faults.push("data is null without an error".to_owned());
        }
        faults
    }
}

/// Where the null may be that an error leads to.
fn reach(path: &[Step], way: &Way) -> Vec<Vec<Step>> {
    let nearest = |from: usize| {
        let nullable = (1..=from).rev().find(|length| way.nullable[length - 1]);
        path[..nullable.unwrap_or(0)].to_vec()
    };
    let own = nearest(path.len());
    match error_of_a_nullable_field_nulls_its_parent(path, way) {
        true => vec![own, nearest(path.len() - 1)],
        false => vec![own],
    }
}

/// Some place of the field, and no other.
fn is_located(locations: &[Pos], way: &Way) -> bool {
    let is_its_own = |location| way.asked_at.contains(location);
    let is_known = |location| is_its_own(location) || error_below_is_told_of_this(location, way);
    !locations.is_empty() && locations.iter().all(is_known)
}

/// The path of the first null on the way.
fn first_null(data: &Json, path: &[Step]) -> Result<Vec<Step>, String> {
    let mut here = data;
    for (length, step) in path.iter().enumerate() {
        if *here == Json::Null {
            return Ok(path[..length].to_vec());
        }
        let Some(next) = here.step(step) else {
            return Err(format!("{}: the path of an error leads nowhere", shown(path)));
        };
        here = next;
    }
    match here {
        Json::Null => Ok(path.to_vec()),
        _ => Err(format!("{}: has an error, but is {here:?}", shown(path))),
    }
}
