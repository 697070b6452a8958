//! The checker finds each fault there is a rule for, and none in answers that are right.

use serde_json::{Value, json};

use super::faults;
use super::schema::Schema;

const SDL: &str = "
scalar DateTime
scalar JSON
scalar Metadata
enum Role { ADMIN USER }
interface Node { id: ID! }
union Result = User | Task
type User implements Node {
  id: ID! name: String role: Role! friend: User best: User! friends: [User!]! guests: [User]
}
type Task implements Node { id: ID! title: String! }
type Query {
  me: User! user: User node: Node nodes: [Node]! result: Result! count: Int! isOn: Boolean! ratio: Float!
  time: DateTime! any: JSON metadata: Metadata
}
";

fn faults_of(document: &str, variables: &Value, answer: &str) -> Vec<String> {
    let call = json!({ "query": document, "variables": variables });
    faults(&Schema::of(SDL), &call, answer)
}

/// An error at a path, as JSON, asked for at this column of the first line.
fn error(path: &str, column: u32) -> String {
    format!(r#"{{"message":"No","locations":[{{"line":1,"column":{column}}}],"path":{path},"#)
        + r#""extensions":{"code":"FORBIDDEN"}}"#
}

fn with_errors(data: &str, errors: &[String]) -> String {
    format!(r#"{{"data":{data},"errors":[{}]}}"#, errors.join(","))
}

#[test]
fn answers_that_are_right_have_no_fault() {
    for (document, data) in [
        ("{me{id name role}}", r#"{"me":{"id":"1","name":null,"role":"USER"}}"#),
        ("{b:count a:count}", r#"{"b":1,"a":-2147483648}"#),
        ("{user{id}}", r#"{"user":null}"#),
        ("{me @skip(if:true){id}}", "{}"),
        ("query($x:Boolean!){me{id @include(if:$x)name}}", r#"{"me":{"name":"A"}}"#),
        ("query($y:Boolean=true){me{id @skip(if:$y)}}", r#"{"me":{}}"#),
        ("{me{...F id name}}fragment F on User{name}", r#"{"me":{"name":"A","id":"1"}}"#),
        ("{me{id}me{name id}}", r#"{"me":{"id":"1","name":"A"}}"#),
        ("{nodes{id...on Task{title}}}", r#"{"nodes":[{"id":"1"},null,{"id":"2","title":""}]}"#),
        ("{result{__typename...on Node{id}}}", r#"{"result":{"__typename":"Task","id":"1"}}"#),
        ("{ratio isOn any}", r#"{"ratio":1,"isOn":false,"any":{"b":[1],"a":2}}"#),
        ("{time}", r#"{"time":"2026-01-01T00:00:00.000001Z"}"#),
        ("{__type(name:\"A\"){kind}}", r#"{"__type":{"kind":"ENUM"}}"#),
    ] {
        let faults = faults_of(document, &json!({ "x": false }), &format!(r#"{{"data":{data}}}"#));
        assert!(faults.is_empty(), "{document}: {faults:?}");
    }
    for (document, data, errors) in [
        ("{me{id}}", "null", vec![error(r#"["me"]"#, 2)]),
        ("{user{best{id}}}", r#"{"user":null}"#, vec![error(r#"["user","best"]"#, 7)]),
        (
            "{user{guests{id}}}",
            r#"{"user":{"guests":[null]}}"#,
            vec![error(r#"["user","guests",0,"id"]"#, 14)],
        ),
        // The known deviation: the field itself may be null, and so is its parent.
        ("{user{name}}", r#"{"user":null}"#, vec![error(r#"["user","name"]"#, 7)]),
        ("{user{name}}", r#"{"user":{"name":null}}"#, vec![error(r#"["user","name"]"#, 7)]),
        // The other: the error is `best`'s.
        ("{me{friends{best{id}}}}", "null", vec![error(r#"["me","friends",0]"#, 13)]),
        // What the first says is lost in what the second does.
        (
            "{user{guests{id}best{id}}}",
            r#"{"user":null}"#,
            vec![error(r#"["user","guests",0,"id"]"#, 14), error(r#"["user","best"]"#, 17)],
        ),
    ] {
        let faults = faults_of(document, &Value::Null, &with_errors(data, &errors));
        assert!(faults.is_empty(), "{document}: {faults:?}");
    }
    let refused = r#"{"errors":[{"message":"No","extensions":{"code":"BAD_REQUEST"}}]}"#;
    assert!(faults_of("{", &Value::Null, refused).is_empty());
}

#[test]
fn each_fault_of_data_is_found() {
    for (document, data, fault) in [
        ("{me{id name}}", r#"{"me":{"id":"1"}}"#, "asks for"),
        ("{me{id}}", r#"{"me":{"id":"1","name":"A"}}"#, "asks for"),
        ("{me{id name}}", r#"{"me":{"name":"A","id":"1"}}"#, "asks for"),
        ("{me{...F id}}fragment F on User{name}", r#"{"me":{"id":"1","name":"A"}}"#, "asks for"),
        ("{me{id}me{name}}", r#"{"me":{"id":"1"},"me":{"name":"A"}}"#, "asks for"),
        ("{a:me{id}}", r#"{"me":{"id":"1"}}"#, "asks for"),
        ("{me @skip(if:true){id}}", r#"{"me":{"id":"1"}}"#, "asks for"),
        ("query($x:Boolean!){me{name @skip(if:$x)}}", r#"{"me":{"name":"A"}}"#, "asks for"),
        ("{me @include(if:false){id}}", "null", "without an error"),
        ("{me{id}}", r#"{"me":null}"#, "its type is User!"),
        ("{me{friends{id}}}", r#"{"me":{"friends":[null]}}"#, "its type is User!"),
        ("{me{friends{id}}}", r#"{"me":{"friends":{"id":"1"}}}"#, "the answer for"),
        ("{me{guests{id}}}", r#"{"me":{"guests":["1"]}}"#, "the answer for"),
        ("{user{id}}", r#"{"user":[{"id":"1"}]}"#, "the answer for"),
        ("{me{role}}", r#"{"me":{"role":"BOSS"}}"#, "is not of type Role"),
        ("{me{role}}", r#"{"me":{"role":1}}"#, "is not of type Role"),
        ("{me{id}}", r#"{"me":{"id":1}}"#, "is not of type ID"),
        ("{me{name}}", r#"{"me":{"name":true}}"#, "is not of type String"),
        ("{count}", r#"{"count":2147483648}"#, "is not of type Int"),
        ("{count}", r#"{"count":1.0}"#, "is not of type Int"),
        ("{isOn}", r#"{"isOn":"true"}"#, "is not of type Boolean"),
        ("{ratio}", r#"{"ratio":"1"}"#, "is not of type Float"),
        ("{time}", r#"{"time":"2026-01-01 00:00:00"}"#, "is not of type DateTime"),
        ("{time}", r#"{"time":"2026-01-01T00:00:00+01:00"}"#, "is not of type DateTime"),
        ("{metadata}", r#"{"metadata":"{}"}"#, "is not of type Metadata"),
        ("{me{__typename}}", r#"{"me":{"__typename":"Node"}}"#, "on User"),
        ("{node{id...on Task{title}}}", r#"{"node":{"id":"1","title":null}}"#, "its type is"),
        ("{result{...on Task{title}}}", r#"{"result":{"id":"1"}}"#, "asks for"),
        ("{__schema{queryType{name}}}", r#"{"__schema":{"queryType":null}}"#, "its type is"),
        ("{me{unknown}}", r#"{"me":{"unknown":1}}"#, "has no field"),
        ("{", "{}", "an invalid document"),
        ("query A{count}query B{count}", r#"{"count":1}"#, "no operation"),
    ] {
        let answer = format!(r#"{{"data":{data}}}"#);
        let faults = faults_of(document, &json!({ "x": true }), &answer);
        let is_found = matches!(faults.as_slice(), [only] if only.contains(fault));
        assert!(is_found, "{document} answered {data}: {faults:?}");
    }
}

#[test]
fn each_fault_of_errors_is_found() {
    let me = error(r#"["me"]"#, 2);
    for (document, data, errors, fault) in [
        ("{me{id}}", r#"{"me":{"id":"1"}}"#, vec![me.clone()], "has an error, but"),
        ("{me{id}}", "null", vec![error(r#"["you"]"#, 2)], "is not selected"),
        ("{me{id}}", "null", vec![error(r#"["me",0]"#, 2)], "is not selected"),
        ("{me{id}}", "null", vec![me.clone(), me.clone()], "two errors"),
        ("{me{id}}", "null", vec![error(r#"["me"]"#, 3)], "has the locations"),
        ("{count me{id}}", "null", vec![error(r#"["me"]"#, 2)], "has the locations"),
        (
            "{user{guests{id}}}",
            r#"{"user":{"guests":[]}}"#,
            vec![error(r#"["user","guests",0,"id"]"#, 14)],
            "leads nowhere",
        ),
        // Further up than the error reaches, and less far than it should.
        ("{user{best{id}}}", "null", vec![error(r#"["user","best"]"#, 7)], "does not explain"),
        (
            "{user{guests{id}}}",
            r#"{"user":null}"#,
            vec![error(r#"["user","guests",0,"id"]"#, 14)],
            "does not explain",
        ),
        (
            "{user{friends{id}}}",
            r#"{"user":{"friends":null}}"#,
            vec![error(r#"["user","friends",0,"id"]"#, 15)],
            "does not explain",
        ),
        (
            "{user{name best{id}}}",
            r#"{"user":{"name":null}}"#,
            vec![error(r#"["user","best"]"#, 12)],
            "asks for",
        ),
        // A list item is no field: its error stays where it is.
        (
            "{user{guests{id}}}",
            r#"{"user":{"guests":null}}"#,
            vec![error(r#"["user","guests",0]"#, 7)],
            "does not explain",
        ),
    ] {
        let faults = faults_of(document, &Value::Null, &with_errors(data, &errors));
        assert!(faults.iter().any(|it| it.contains(fault)), "{document}, {data}: {faults:?}");
    }
}

#[test]
fn each_fault_of_form_is_found() {
    let good = r#""message":"No","extensions":{"code":"FORBIDDEN"}"#;
    for (answer, fault) in [
        (String::new(), "is not JSON"),
        ("[]".to_owned(), "the answer has"),
        ("{}".to_owned(), "the answer has"),
        (r#"{"data":{"count":1},"extensions":{}}"#.to_owned(), "the answer has"),
        (r#"{"data":{"count":1},"errors":[]}"#.to_owned(), "errors is"),
        (r#"{"errors":null}"#.to_owned(), "errors is"),
        (format!(r#"{{"errors":[{}]}}"#, vec![format!("{{{good}}}"); 6].join(",")), "6 errors"),
        (r#"{"errors":["No"]}"#.to_owned(), "is not an object"),
        (r#"{"errors":[{"extensions":{"code":"FORBIDDEN"}}]}"#.to_owned(), "has no message"),
        (r#"{"errors":[{"message":"No"}]}"#.to_owned(), "no known code"),
        (
            r#"{"errors":[{"message":"No","extensions":{"code":"OTHER"}}]}"#.to_owned(),
            "no known code",
        ),
        (format!(r#"{{"errors":[{{{good},"locations":[]}}]}}"#), "invalid locations"),
        (
            format!(r#"{{"errors":[{{{good},"locations":[{{"line":0,"column":1}}]}}]}}"#),
            "invalid locations",
        ),
        (format!(r#"{{"errors":[{{{good},"path":[]}}]}}"#), "an invalid path"),
        (format!(r#"{{"errors":[{{{good},"path":["me",-1]}}]}}"#), "an invalid path"),
        (format!(r#"{{"errors":[{{{good},"path":["count"]}}]}}"#), "but there is no data"),
        (format!(r#"{{"errors":[{{{good},"cause":"x"}}]}}"#), "has cause"),
        (format!(r#"{{"errors":[{{{good},"message":"No"}}]}}"#), "repeats a key"),
        (format!(r#"{{"data":{{"count":1}},"errors":[{{{good}}}]}}"#), "has no path"),
    ] {
        let faults = faults_of("{count}", &Value::Null, &answer);
        assert!(faults.iter().any(|it| it.contains(fault)), "{answer}: {faults:?}");
    }
}
