//! Documents that have been proven valid and cheap, by their text.

use std::fmt;
use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection};
use async_graphql::{Executor, Name, Request, ServerError, Variables};
use moka::sync::Cache;
use serde_json::{Map, Value};

use super::operation::Prepared;
use super::types::{SharedTypes, Types};
use super::{Fragments, Refusal, expansion, invalid, literals, parse, typename, usages, values};
use crate::infra::metrics::Operation;
use crate::kernel::secret::sha256;

/// Bytes that the remembered documents may take in all, as estimated from their texts and their cost.
const SIZE_MAX: u64 = 32 * 1024 * 1024;
/// Bytes of memory that a byte of text takes once it is parsed.
const SIZE_OF_TEXT: u64 = 50;
/// Bytes of memory that a selection takes in a merged operation, where type conditions keep it apart.
const SIZE_OF_SELECTION: u64 = 300;
/// The name of no operation: a request for it is validated and not executed.
const NO_OPERATION: &str = "-";

/// Instead of a root field, where there are several. No field is called so.
const SEVERAL: &str = "(several)";
const TYPENAME: &str = "__typename";

const NO_SUCH_OPERATION: &str = "The document has no operation with this name.";

/// Scans documents, and remembers those that passed by the SHA-256 of their whole text. Clones share
/// them.
///
/// Whatever else a proof depends on is the same for the life of one: the schema, and whether
/// introspection is allowed. It does not depend on who asks, not even that of an introspection which lists
/// to each caller something else: what is remembered is a question and never an answer.
#[derive(Clone)]
pub(crate) struct Documents {
    proven: Cache<Digest, Arc<Proven>>,
    types: SharedTypes,
    allows_introspection: bool,
}

/// A text that has been looked up.
pub(crate) enum Lookup {
    /// It has been proven before.
    Known(Arc<Proven>),
    New(Digest),
}

/// The SHA-256 of a document's whole text.
type Digest = [u8; 32];

/// What a request asks for.
pub(crate) struct Asked<'a> {
    pub(crate) source: &'a str,
    pub(crate) operation_name: Option<&'a str>,
    pub(crate) variables: Map<String, Value>,
}

/// An operation that may run.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// The operation, and nothing else.
    pub(crate) document: ExecutableDocument,
    /// The values of its variables, coerced.
    pub(crate) variables: Variables,
    /// Which kind of operation it is.
    pub(crate) operation: Operation,
    /// As its author calls it.
    pub(crate) name: Option<Name>,
    /// The root field that it is about.
    pub(crate) root: Name,
    /// What it costs, its checking included.
    pub(crate) cost: u32,
    /// From what it was made.
    pub(crate) origin: Chosen,
}

/// An operation of a proven document. All who run it again share the document.
#[derive(Clone)]
pub(crate) struct Chosen {
    proven: Arc<Proven>,
    place: usize,
}

impl Chosen {
    /// What tells the document from others for as long as this lives, and its size in memory, in bytes, as estimated.
    pub(crate) fn document(&self) -> (usize, usize) {
        (Arc::as_ptr(&self.proven).addr(), self.proven.size as usize)
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A valid document of which every operation is cheap, but for the rows that its variables ask for.
pub(crate) struct Proven {
    operations: Vec<Prepared>,
    fragments: Fragments,
    /// Bytes of memory, estimated.
    size: u32,
    /// What it costs to check it.
    checking: u64,
}

impl Documents {
    pub(crate) fn new(types: SharedTypes, allows_introspection: bool) -> Self {
        let proven = Cache::builder()
            .max_capacity(SIZE_MAX)
            .weigher(|_, proven: &Arc<Proven>| proven.size)
            .build();
        Self { proven, types, allows_introspection }
    }

    pub(crate) fn look_up(&self, source: &str) -> Lookup {
        let digest = sha256(source.as_bytes());
        self.proven.get(&digest).map_or(Lookup::New(digest), Lookup::Known)
    }

    /// Proves a document valid and cheap, unless that has been done before, and makes the operation that
    /// is to run. Nothing in it waits.
    pub(crate) async fn scan(
        &self,
        schema: &impl Executor,
        lookup: Lookup,
        asked: Asked<'_>,
    ) -> Result<Scanned, Refusal> {
        values::check_sizes(&asked.variables)?;
        let proven = match lookup {
            Lookup::Known(proven) => proven,
            Lookup::New(digest) => self.prove(schema, digest, asked.source).await?,
        };
        proven.choose(self.types()?, asked.operation_name, asked.variables)
    }

    /// Makes an operation once more, with variables that have been coerced.
    pub(crate) fn again(
        &self,
        chosen: &Chosen,
        variables: &Variables,
    ) -> Result<ExecutableDocument, Refusal> {
        let Chosen { proven, place } = chosen;
        let prepared = proven.operations.get(*place).ok_or_else(|| invalid(NO_SUCH_OPERATION))?;
        let made = prepared.with(self.types()?, &proven.fragments, variables, proven.checking)?;
        Ok(made.0)
    }

    /// Proves a document valid and cheap, whatever its variables, and remembers it.
    pub(crate) async fn learn(&self, schema: &impl Executor, source: &str) -> Result<(), Refusal> {
        self.prove(schema, sha256(source.as_bytes()), source).await.map(drop)
    }

    /// Makes the operation that is to run of a document that has been proven.
    pub(crate) fn choose(
        &self,
        proven: &Arc<Proven>,
        operation_name: Option<&str>,
        variables: Map<String, Value>,
    ) -> Result<Scanned, Refusal> {
        values::check_sizes(&variables)?;
        proven.choose(self.types()?, operation_name, variables)
    }

    async fn prove(
        &self,
        schema: &impl Executor,
        digest: Digest,
        source: &str,
    ) -> Result<Arc<Proven>, Refusal> {
        let types = self.types()?;
        let proven = Proven::read(types, schema, source, self.allows_introspection).await?;
        let proven = Arc::new(proven);
        self.proven.insert(digest, Arc::clone(&proven));
        Ok(proven)
    }

    fn types(&self) -> Result<&Types, Refusal> {
        self.types.get().ok_or_else(|| invalid("This server has no schema."))
    }
}

impl Proven {
    /// What it costs to check it.
    #[cfg(test)]
    pub(crate) fn checking(&self) -> u64 {
        self.checking
    }

    async fn read(
        types: &Types,
        schema: &impl Executor,
        source: &str,
        allows_introspection: bool,
    ) -> Result<Self, Refusal> {
        let mut document = parse(source)?;
        typename::prepare(&mut document)?;
        let checking = expansion::check(&document)?;
        usages::check(types, &document)?;
        let operations = document.operations.iter();
        let operations = operations
            .map(|operation| {
                Prepared::new(types, &document.fragments, operation, allows_introspection, checking)
            })
            .collect::<Result<_, _>>()?;
        literals::check(types, &document)?;
        let fragments = document.fragments.clone();
        validate(schema, document).await?;
        // What is kept of the operations is at most what checking walked through.
        let size = SIZE_OF_TEXT * source.len() as u64 + SIZE_OF_SELECTION * checking;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        Ok(Self { operations, fragments, size, checking })
    }

    /// Chooses the operation to run, with its variables.
    fn choose(
        self: &Arc<Self>,
        types: &Types,
        name: Option<&str>,
        variables: Map<String, Value>,
    ) -> Result<Scanned, Refusal> {
        let (place, prepared) = self.operation(name)?;
        let written = &prepared.written.node;
        let variables = values::coerce(types, (written, &self.fragments), variables)?;
        let operation = match written.ty {
            OperationType::Query => Operation::Query,
            OperationType::Mutation => Operation::Mutation,
            OperationType::Subscription => Operation::Subscription,
        };
        let (document, cost) = prepared.with(types, &self.fragments, &variables, self.checking)?;
        // None is above the limit.
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let origin = Chosen { proven: Arc::clone(self), place };
        let (name, root) = (prepared.name.clone(), root(&document));
        Ok(Scanned { document, variables, operation, name, root, cost, origin })
    }

    /// The one operation to run.
    fn operation(&self, name: Option<&str>) -> Result<(usize, &Prepared), Refusal> {
        match (name, self.operations.as_slice()) {
            (None, [only]) => Ok((0, only)),
            (None, _) => {
                Err(invalid("The document has several operations. Choose one by operationName."))
            }
            (Some(name), operations) => operations
                .iter()
                .enumerate()
                .find(|(_, known)| known.name.as_ref().is_some_and(|known| known == name))
                .ok_or_else(|| invalid(NO_SUCH_OPERATION)),
        }
    }
}

/// The root field that an operation is about: of the schema, since the document is valid, or [`SEVERAL`].
fn root(document: &ExecutableDocument) -> Name {
    let items = document.operations.iter().flat_map(|(_, operation)| {
        let items = operation.node.selection_set.node.items.iter();
        items.filter_map(|item| match &item.node {
            Selection::Field(field) => Some(&field.node.name.node),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        })
    });
    let mut fields = items.filter(|field| field.as_str() != TYPENAME);
    let Some(first) = fields.next() else { return Name::new(TYPENAME) };
    if fields.all(|field| field == first) { first.clone() } else { Name::new(SEVERAL) }
}

/// Has the library apply its rules to a whole document, without executing anything of it.
///
/// It offers no call for that. But when it is asked for an operation that the document lacks, it
/// says so, and only after it has applied the rules.
async fn validate(schema: &impl Executor, document: ExecutableDocument) -> Result<(), Refusal> {
    let mut request = Request::new(String::new()).operation_name(NO_OPERATION);
    request.set_parsed_query(document);
    let mut errors = schema.execute(request).await.errors;
    let is_missing =
        |message: &str| message == format!("Unknown operation named \"{NO_OPERATION}\"");
    match errors.as_slice() {
        [only] if only.locations.is_empty() && is_missing(&only.message) => Ok(()),
        _ => {
            // The library finds them in the order of its hash maps.
            errors.sort_by(|one, other| {
                let at =
                    |error: &ServerError| error.locations.first().map(|pos| (pos.line, pos.column));
                (at(one), &one.message).cmp(&(at(other), &other.message))
            });
            Err(Refusal::Errors(errors))
        }
    }
}
