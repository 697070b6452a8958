//! The pre-scan: proves a document cheap before the executor sees it.
//!
//! async-graphql expands fragments without remembering what it has expanded, before it compares
//! any limit: 800 bytes can cost it a second. So nothing reaches it that has not passed here.
//! The text is measured by a lexer in one pass, then parsed once; over the parsed document every
//! fragment is measured once and its measure is reused, so that the cost stays linear. What has been
//! proven is remembered ([`Documents`]): front ends send the same few texts over and over.

mod cache;
mod cost;
mod lexer;
mod variables;

use async_graphql::Pos;
use async_graphql::parser;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};

use serde_json::{Map, Value};

pub(crate) use self::cache::Documents;
use self::cost::{Cost, Walk};
use self::variables::Variables;
use crate::platform::metrics::Operation;

const CHARACTERS_MAX: usize = 15_000;
const TOKENS_MAX: usize = 1_000;
/// Braces, brackets and parentheses inside each other.
const NESTING_MAX: usize = 32;
const FRAGMENTS_MAX: usize = 50;
const OPERATIONS_MAX: usize = 20;
/// Directives on one node, and in the whole document.
const DIRECTIVES_MAX: usize = 5;
const DIRECTIVES_IN_ALL_MAX: usize = 50;
/// Fields after fragment expansion.
const SELECTIONS_MAX: u64 = 10_000;
/// Fields with an alias after fragment expansion.
const ALIASES_MAX: u64 = 15;
/// A root field is 1, its leaf counts.
const DEPTH_MAX: u32 = 10;
/// The same below `__schema` and `__type`: the standard query needs 15.
const INTROSPECTION_DEPTH_MAX: u32 = 20;
/// Lists of the introspection schema inside each other, as graphql-js limits them.
const INTROSPECTION_LISTS_MAX: u32 = 3;
const ROOT_MUTATIONS_MAX: u64 = 5;
/// Fields on top of a query after fragment expansion: the executor resolves each that is written,
/// also when it is written five hundred times.
const ROOT_FIELDS_MAX: u64 = 50;
/// Rows that the connections of the chosen operation can load.
const ROWS_MAX: u64 = 2_000;

/// The field that gives as many objects as it is given ids.
pub(crate) const NODES: &str = "nodes";

/// Fields that list rows, with `first` and `last`. A schema test fails for a field whose type is
/// a connection that is missing here.
pub(crate) const CONNECTIONS: &[&str] = &[
    "auditEvents",
    "invitations",
    "members",
    "myOrganizations",
    "myTasks",
    "securityEvents",
    "sessions",
    "tasks",
    "users",
];

/// Mutations that check a secret or cost a password hash: one an operation (BF-04). A schema
/// test fails for a mutation with a secret argument that is missing here.
pub(crate) const CREDENTIAL_MUTATIONS: &[&str] = &[
    "acceptInvitation",
    "acceptUserInvitation",
    "changePassword",
    "login",
    "reauthenticate",
    "refreshToken",
    "register",
    "resetPassword",
    "undoEmailChange",
    "verifyEmail",
];

/// Why a document is not executed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{message}")]
    Parse { message: String, positions: Vec<Pos> },
    #[error("the document exceeds the limit of {max} {limit}")]
    Limit { limit: &'static str, max: u64 },
    #[error("{message}")]
    Invalid { message: String },
}

/// A document that may run.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) document: ExecutableDocument,
    /// What kind of operation is to run.
    pub(crate) operation: Operation,
}

/// A document of which every operation is cheap, but for the rows that its variables ask for.
pub(crate) struct Proven {
    document: ExecutableDocument,
    has_lists: bool,
}

impl Proven {
    /// Parses `source` and measures all that is in it.
    fn read(source: &str, allow_introspection: bool) -> Result<Self, Refusal> {
        at_most("characters", source.chars().count() as u64, CHARACTERS_MAX as u64)?;
        let measured = lexer::measure(source);
        at_most("tokens", measured.tokens as u64, TOKENS_MAX as u64)?;
        at_most("nesting", measured.nesting as u64, NESTING_MAX as u64)?;
        let document = parser::parse_query(source).map_err(|error| unparsable(&error))?;
        at_most("fragments", document.fragments.len() as u64, FRAGMENTS_MAX as u64)?;
        at_most("operations", document.operations.iter().count() as u64, OPERATIONS_MAX as u64)?;
        let mut walk = Walk::new(&document, Variables::none());
        let has_lists = measure_all(&document, &mut walk, allow_introspection)?;
        Ok(Self { document, has_lists })
    }

    /// Chooses the operation to run, and measures what its variables ask for.
    fn choose(
        &self,
        operation_name: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Result<Scanned, Refusal> {
        let chosen = choose(&self.document, operation_name)?;
        if self.has_lists {
            let mut walk = Walk::new(&self.document, Variables::of(chosen, variables));
            at_most("rows", walk.selection_set(&chosen.selection_set.node)?.rows, ROWS_MAX)?;
        }
        let operation = match chosen.ty {
            OperationType::Query => Operation::Query,
            OperationType::Mutation => Operation::Mutation,
            // The schema has none.
            OperationType::Subscription => Operation::None,
        };
        Ok(Scanned { document: self.document.clone(), operation })
    }
}

/// Parses `source`, whose operation `operation_name` is to run with `variables`, and proves it
/// cheap.
#[cfg(test)]
fn scan(
    source: &str,
    operation_name: Option<&str>,
    variables: &Map<String, Value>,
    allow_introspection: bool,
) -> Result<Scanned, Refusal> {
    Documents::new(allow_introspection).scan(source, operation_name, variables)
}

/// Measures every operation, and every fragment whether it is used or not: the library's
/// validation walks those too. Returns whether there are lists of rows in any operation.
fn measure_all<'a>(
    document: &'a ExecutableDocument,
    walk: &mut Walk<'a>,
    allow_introspection: bool,
) -> Result<bool, Refusal> {
    let mut has_lists = false;
    for name in document.fragments.keys() {
        let cost = walk.fragment(name)?;
        at_most("selections", cost.selections, SELECTIONS_MAX)?;
        at_most("depth", u64::from(cost.depth), u64::from(INTROSPECTION_DEPTH_MAX))?;
    }
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        walk.count_directives(&operation.directives)?;
        for variable in &operation.variable_definitions {
            walk.count_directives(&variable.node.directives)?;
        }
        let cost = walk.selection_set(&operation.selection_set.node)?;
        check(operation, &cost, allow_introspection)?;
        has_lists |= cost.rows > 0;
    }
    at_most("directives", walk.directives as u64, DIRECTIVES_IN_ALL_MAX as u64)?;
    Ok(has_lists)
}

fn check(
    operation: &OperationDefinition,
    cost: &Cost,
    allow_introspection: bool,
) -> Result<(), Refusal> {
    at_most("selections", cost.selections, SELECTIONS_MAX)?;
    at_most("aliases", cost.aliases, ALIASES_MAX)?;
    let is_query = operation.ty == OperationType::Query;
    if cost.introspects && is_query && !allow_introspection {
        return Err(invalid("Introspection is off on this server"));
    }
    // Only the root of a query introspects; elsewhere those names are fields like any other.
    if is_query {
        at_most("rootFields", cost.roots, ROOT_FIELDS_MAX)?;
        at_most("depth", cost.plain_depth.into(), DEPTH_MAX.into())?;
        let depth = u64::from(cost.introspection_depth);
        at_most("introspectionDepth", depth, INTROSPECTION_DEPTH_MAX.into())?;
        let lists = u64::from(cost.introspection_lists);
        at_most("introspectionLists", lists, INTROSPECTION_LISTS_MAX.into())?;
    } else {
        at_most("depth", cost.depth.into(), DEPTH_MAX.into())?;
    }
    if operation.ty == OperationType::Mutation {
        at_most("rootMutations", cost.roots, ROOT_MUTATIONS_MAX)?;
        at_most("credentialMutations", cost.credentials, 1)?;
    }
    Ok(())
}

/// The parser draws the line it failed at; a client has the line, and the location besides.
fn unparsable(error: &parser::Error) -> Refusal {
    let drawn = error.to_string();
    let expected = drawn.rsplit("= ").next().unwrap_or_default().trim();
    Refusal::Parse {
        message: format!("Syntax error: {expected}"),
        positions: error.positions().collect(),
    }
}

/// The one operation to run.
fn choose<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a OperationDefinition, Refusal> {
    let mut operations = document.operations.iter();
    let Some(name) = name else {
        return match (operations.next(), operations.next()) {
            (Some((_, only)), None) => Ok(&only.node),
            _ => Err(invalid("The document has several operations: operationName must choose one")),
        };
    };
    operations
        .find(|(known, _)| known.is_some_and(|known| known == name))
        .map(|(_, operation)| &operation.node)
        .ok_or_else(|| invalid("The document has no operation of this name"))
}

fn at_most(limit: &'static str, count: u64, max: u64) -> Result<(), Refusal> {
    if count > max { Err(Refusal::Limit { limit, max }) } else { Ok(()) }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::Invalid { message: message.into() }
}

#[cfg(test)]
mod tests;
