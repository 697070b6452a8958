//! What the pre-scan has counted of a document, told to the fuzzer. A part of the pre-scan, for what it
//! tells nobody else.

use super::{Scanned, SharedTypes, cost, expansion, parse, typename};
use async_graphql::parser::types::DocumentOperations;

/// What it takes to check a document, if the count comes to an end.
pub(crate) fn checking(source: &str) -> Option<u64> {
    let mut document = parse(source).ok()?;
    typename::prepare(&mut document).ok()?;
    expansion::check(&document).ok()
}

/// What it takes to check and to execute a document that may run.
pub(crate) fn executing(types: &SharedTypes, scanned: &Scanned, checking: u64) -> Option<u64> {
    let DocumentOperations::Single(operation) = &scanned.document.operations else { return None };
    let cost = cost::of(types.get()?, &operation.node, &scanned.variables, checking);
    cost.ok().map(|cost| cost.amount)
}
