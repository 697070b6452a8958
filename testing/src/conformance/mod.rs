//! Whether an answer is what the GraphQL specification (October 2021, 6.4 and 7) has a server say to
//! a document. Every answer of the suite passes here.

mod data;
mod deviations;
mod errors;
mod json;
pub mod schema;
mod selection;
#[cfg(test)]
mod tests;

use async_graphql::parser::parse_query;
use serde_json::Value;

use self::json::Json;
use self::schema::Schema;
use self::selection::Operation;

/// Fails unless the answer to a POST of `body` at the endpoint is one that this schema allows.
pub fn assert_conforms(sdl: &str, body: &[u8], answer: &str) {
    let schema = Schema::cached(sdl);
    let faults = match serde_json::from_slice::<Value>(body) {
        // Only the server has the document.
        Ok(call) if is_named(&call) => return,
        Ok(call) if call["query"].is_string() => faults(schema, &call, answer),
        // No GraphQL request at all.
        _ => faults(schema, &Value::Null, answer),
    };
    let body = String::from_utf8_lossy(body);
    assert!(faults.is_empty(), "{faults:#?}\nof the answer\n{answer}\nto\n{body}");
}

/// Whether a call names its document instead of sending it.
fn is_named(call: &Value) -> bool {
    let has_text = call["query"].as_str().is_some_and(|text| !text.is_empty());
    !has_text
        && (call["documentId"].is_string() || call["extensions"]["persistedQuery"].is_object())
}

/// What is wrong with an answer to a call: its query, `operationName` and variables. Null stands for
/// what is no call.
fn faults(schema: &Schema, call: &Value, answer: &str) -> Vec<String> {
    let fault = |what: &str| vec![what.to_owned()];
    let Some(answer) = Json::parse(answer) else { return fault("the answer is not JSON") };
    let errors = match (answer.keys().as_deref(), answer.get("errors")) {
        (Some(["data"]), None) => Vec::new(),
        (Some(["errors"] | ["data", "errors"] | ["errors", "data"]), Some(errors)) => {
            match errors::read(errors) {
                Ok(errors) => errors,
                Err(why) => return vec![why],
            }
        }
        (keys, _) => return vec![format!("the answer has {keys:?}")],
    };
    let Some(data) = answer.get("data") else {
        return match errors.iter().any(|error| error.path.is_some()) {
            true => fault("an error has a path, but there is no data"),
            false => Vec::new(),
        };
    };
    let Some(document) = call["query"].as_str().and_then(|query| parse_query(query).ok()) else {
        return fault("the server executed an invalid document");
    };
    let name = call["operationName"].as_str().filter(|name| !name.is_empty());
    let mut operations = document.operations.iter();
    let chosen = match name {
        Some(name) => operations.find(|(known, _)| known.is_some_and(|known| known == name)),
        None => operations.next().filter(|_| operations.next().is_none()),
    };
    let Some((_, definition)) = chosen else { return fault("there is no operation, but data") };
    let (definition, variables) = (&definition.node, &call["variables"]);
    let operation = Operation { schema, document: &document, definition, variables };
    let mut faults = operation.faults_of_errors(data, &errors);
    if *data != Json::Null {
        faults.extend(operation.faults_of_data(data));
    }
    faults
}
