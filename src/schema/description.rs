//! The description of the schema itself. The GraphQL library knows none: its SDL has none, its parser takes none, and
//! introspection is told another text.

use async_graphql::parser::types::{
    ExecutableDocument, Field, Selection, SelectionSet, ServiceDocument,
};
use async_graphql::{Name, Value, parser};

macro_rules! text {
    () => {
        "\
The API of an auth server: accounts, ways to sign in, sessions, permissions and organizations.
The directives of a field state who may use it, and its description ends with the same rule.
A root field that is refused is null, with an error, and leaves its siblings alone."
    };
}

const TEXT: &str = text!();

/// How the library writes the roots, which it does last.
const ROOTS: &str = "schema {\n";
const DESCRIBED_ROOTS: &str = concat!("\"\"\"\n", text!(), "\n\"\"\"\nschema {\n");

/// SDL that the library wrote, with the description and the roots in front.
pub(super) fn describe(sdl: &str) -> String {
    let Some((types, roots)) = sdl.rsplit_once(ROOTS) else { return sdl.to_owned() };
    format!("{DESCRIBED_ROOTS}{roots}\n{types}")
}

/// Parses SDL as a server exports it.
///
/// # Errors
///
/// Fails if `sdl` is not valid SDL.
pub fn parse(sdl: &str) -> parser::Result<ServiceDocument> {
    parser::parse_schema(sdl.replacen(DESCRIBED_ROOTS, ROOTS, 1))
}

/// The response keys of `__schema` and below it of `description`, as an operation asks for them.
pub(super) fn asked(document: &ExecutableDocument) -> Vec<(Name, Name)> {
    let mut keys = Vec::new();
    for (_, operation) in document.operations.iter() {
        for schema in named(&operation.node.selection_set.node, "__schema") {
            let below = named(&schema.selection_set.node, "description");
            keys.extend(below.map(|field| (key(schema), key(field))));
        }
    }
    keys
}

/// The fields of a name. The operation has no fragments left.
fn named<'a>(set: &'a SelectionSet, name: &'static str) -> impl Iterator<Item = &'a Field> {
    set.items.iter().filter_map(move |selection| match &selection.node {
        Selection::Field(field) if field.node.name.node == name => Some(&field.node),
        _ => None,
    })
}

fn key(field: &Field) -> Name {
    field.response_key().node.clone()
}

/// Sets the description under each requested key.
pub(super) fn tell(keys: &[(Name, Name)], data: &mut Value) {
    for (schema, description) in keys {
        let Value::Object(data) = &mut *data else { return };
        if let Some(Value::Object(schema)) = data.get_mut(schema) {
            schema.insert(description.clone(), Value::from(TEXT));
        }
    }
}
