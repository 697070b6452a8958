//! The pre-scan: proves a document valid and cheap before the executor sees it.
//!
//! The text is parsed by a parser of our own (`parse.rs`), since the library's deviates from the
//! grammar; it stops at the limits of characters, tokens and nesting.
//! async-graphql expands fragments without remembering what it has expanded, before it compares any
//! limit or looks up a name: a document of a kilobyte can cost it hours. So what it walks through is
//! counted first, by walking the same way (`expansion.rs`). Only then does it validate the document.
//! What it executes is not that document but an operation made of it (`merge.rs`), without fragments
//! and with each field once, whose cost is known (`cost.rs`), for values that have been coerced
//! (`values.rs`). What has been proven is remembered ([`Documents`]): front ends send the same few
//! texts over and over.

mod cache;
mod cost;
mod expansion;
mod introspection;
mod lexer;
mod literals;
mod merge;
mod operation;
mod parse;
mod place;
mod string;
mod typename;
mod types;
mod usages;
mod values;

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, FragmentDefinition, OperationDefinition};
use async_graphql::{Name, Pos, Positioned, ServerError};

use crate::kernel::invalid::Reason;

pub(crate) use self::cache::{Asked, Chosen, Documents, Lookup, Proven, Scanned};
pub(crate) use self::cost::directive::of_subgraph;
pub(crate) use self::types::SharedTypes;

const CHARACTERS_MAX: usize = 15_000;
const TOKENS_MAX: usize = 1_000;
/// Characters of one name: the library reads a name again wherever a fragment brings it.
const NAME_LENGTH_MAX: usize = 256;
/// Braces, brackets and parentheses inside each other; selection sets inside each other, also
/// through fragments.
const NESTING_MAX: usize = 32;
const FRAGMENTS_MAX: usize = 50;
const OPERATIONS_MAX: usize = 20;
/// Directives on one node, and in the whole document.
const DIRECTIVES_MAX: usize = 5;
const DIRECTIVES_IN_ALL_MAX: usize = 50;
/// What one request may cost: a step of checking the document, or a field that is resolved, is 1.
const COST_MAX: u64 = 25_000;

/// Mutations that check a secret or cost a password hash: one an operation (BF-04). A schema
/// test fails for a mutation with a secret argument that is missing here.
pub(crate) const CREDENTIAL_MUTATIONS: &[&str] = &[
    "acceptInvitation",
    "acceptUserInvitation",
    "changePassword",
    "completeSignIn",
    "confirmTotpEnrollment",
    "finishLink",
    "finishPasskeyRegistration",
    "finishPasskeySignIn",
    "finishReauthentication",
    "finishSignIn",
    "login",
    "reauthenticate",
    "refreshToken",
    "register",
    "resetPassword",
    "setPassword",
    "signInWithIdToken",
    "startSignIn",
    "undoEmailChange",
    "verifyEmail",
];

/// The mutations that wait for another provider to answer. They wait with nothing in their hands: whoever signs out meanwhile
/// does not wait for them.
pub(crate) const PROVIDER_MUTATIONS: &[&str] = &[
    "finishLink",
    "finishReauthentication",
    "finishSignIn",
    "signInWithIdToken",
    "startLink",
    "startReauthentication",
    "startSignIn",
];

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Why a document is not executed.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{message}")]
    Parse { message: String, positions: Vec<Pos> },
    #[error("The request exceeds a limit: {limit} must be at most {max}")]
    Limit { limit: &'static str, max: u64 },
    #[error("{message}")]
    Invalid { message: String, positions: Vec<Pos>, value: Option<WrongValue> },
    /// What the library's validation has found.
    #[error("the document is not valid")]
    Errors(Vec<ServerError>),
}

/// A value that is none of the type of its argument.
#[derive(Debug, PartialEq)]
pub(crate) struct WrongValue {
    /// Where it stands, from the argument: as in `input.expiresAt`.
    pub(crate) path: String,
    pub(crate) reason: Reason,
}

impl Refusal {
    /// The first that is wrong, in a sentence.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Errors(errors) => {
                errors.first().map_or_else(|| self.to_string(), |error| error.message.clone())
            }
            other => other.to_string(),
        }
    }
}

/// Parses `source`, which has no more of anything than is allowed.
fn parse(source: &str) -> Result<ExecutableDocument, Refusal> {
    let document = parse::parse(source)?;
    at_most("fragments", document.fragments.len() as u64, FRAGMENTS_MAX as u64)?;
    at_most("operations", document.operations.iter().count() as u64, OPERATIONS_MAX as u64)?;
    Ok(document)
}

/// The operations in the order of the text, so that of several faults the same one is always told.
fn operations(document: &ExecutableDocument) -> Vec<&Positioned<OperationDefinition>> {
    let mut all: Vec<_> = document.operations.iter().map(|(_, operation)| operation).collect();
    all.sort_by_key(|operation| (operation.pos.line, operation.pos.column));
    all
}

fn at_most(limit: &'static str, count: u64, max: u64) -> Result<(), Refusal> {
    if count > max { Err(Refusal::Limit { limit, max }) } else { Ok(()) }
}

fn invalid(message: impl Into<String>) -> Refusal {
    invalid_at(message, Vec::new())
}

fn invalid_at(message: impl Into<String>, positions: Vec<Pos>) -> Refusal {
    Refusal::Invalid { message: message.into(), positions, value: None }
}

/// Tells the counts to the fuzzer, which compiles these files itself.
#[cfg(fuzzing)]
#[path = "../../fuzz/src/counts.rs"]
pub(crate) mod counts;

#[cfg(test)]
mod tests;
