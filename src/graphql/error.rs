//! What a client sees when something fails: a message for people and a code for programs.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_graphql::registry::MetaDirectiveInvocation;
use async_graphql::{Enum, ErrorExtensionValues, Name, Value};
use axum::http::StatusCode;
use sea_orm::DbErr;

use super::directive::{covers, member, owner};
use super::feature::ServerFeature;
use super::reason::ErrorReason;
use crate::infra::db::{self, DbFailure};
use crate::infra::limits::Limited;
use crate::infra::passwords::hash::HashError;
use crate::infra::streams::Full;
use crate::kernel::access::{Anonymity, Covers, Factor, OrganizationRole, Refusal, Refused};
use crate::kernel::invalid::{Invalid, Problem, Reason};

/// What resolvers return.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// After this long a client may try again what there was no time or no room for.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 1;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident $(, $carried:literal)*;)*) => {
        /// The possible values of `extensions.code` in an error.
        #[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
        #[graphql(name = "ErrorCode")]
        pub(crate) enum Code { $($(#[$doc])* #[graphql(name = $text)] $name,)* }

        impl Code {
            /// The code as clients see it.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The status of `application/graphql-response+json` without data.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What else `extensions` of an error with this code may hold.
            pub(crate) fn carries(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($carried),*],)* }
            }

            /// Reads a code back.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// The request does not follow GraphQL over HTTP.
    BadRequest = "BAD_REQUEST", BAD_REQUEST;
    /// The document is not valid GraphQL syntax.
    GraphqlParseFailed = "GRAPHQL_PARSE_FAILED", BAD_REQUEST;
    /// The document or its variables do not match the schema. `extensions.fields` lists the values that do not have the
    /// type of their arguments, if any.
    GraphqlValidationFailed = "GRAPHQL_VALIDATION_FAILED", BAD_REQUEST, "fields";
    /// The document exceeds a limit. `extensions.limit` names the limit and `extensions.max` its maximum.
    DocumentLimit = "DOCUMENT_LIMIT", BAD_REQUEST, "limit", "max";
    /// The server does not store documents by hash. Send the whole document. The HTTP status is 200, because some
    /// clients ignore the body of any other response.
    PersistedQueryNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED", OK;
    /// The operator has not registered a document with this id or hash. Send the document itself.
    PersistedQueryNotFound = "PERSISTED_QUERY_NOT_FOUND", OK;
    /// The server refused the value of an argument. `extensions.fields` lists the refused fields and the reasons.
    BadUserInput = "BAD_USER_INPUT", BAD_REQUEST, "fields";
    /// The caller is not signed in. `extensions.reason` says why.
    Unauthenticated = "UNAUTHENTICATED", UNAUTHORIZED, "reason";
    /// The credentials are wrong: the name, the password, or another proof of identity.
    InvalidCredentials = "INVALID_CREDENTIALS", UNAUTHORIZED, "reason";
    /// The token is malformed, unknown, used or expired.
    InvalidToken = "INVALID_TOKEN", UNAUTHORIZED, "reason";
    /// The caller lacks a role or a permission, or the server's settings forbid the call for everybody.
    Forbidden = "FORBIDDEN", FORBIDDEN, "rule", "feature", "reason";
    /// The caller must reauthenticate. `extensions.maxAgeSeconds` is the maximum age of the last proof in seconds, and
    /// `extensions.factors` lists the factors that the caller can use.
    StepUpRequired = "STEP_UP_REQUIRED", FORBIDDEN, "maxAgeSeconds", "factors";
    /// The caller cannot see an object with this id.
    NotFound = "NOT_FOUND", NOT_FOUND;
    /// The change conflicts with the current state. `extensions.reason` distinguishes several causes, and
    /// `extensions.fields` lists the input fields that cause the conflict, if any.
    Conflict = "CONFLICT", CONFLICT, "fields", "reason";
    /// The caller exceeded a rate limit. `extensions.retryAfter` is the number of seconds to wait.
    RateLimited = "RATE_LIMITED", TOO_MANY_REQUESTS, "retryAfter", "hint";
    /// The server or its database is overloaded or unreachable. `extensions.retryAfter` is the number of seconds to
    /// wait.
    ServiceUnavailable = "SERVICE_UNAVAILABLE", SERVICE_UNAVAILABLE, "retryAfter";
    /// The server failed. The operator finds the cause in the log by `extensions.requestId`.
    InternalServerError = "INTERNAL_SERVER_ERROR", INTERNAL_SERVER_ERROR, "requestId";
}

/// What a resolver may fail with.
///
/// Deliberately not `Display`: async-graphql turns every `Display` type into a client-visible
/// message on `?`, and so a `DbErr` in a resolver does not compile instead of leaking.
#[derive(Debug)]
pub struct ApiError {
    code: Code,
    message: Cow<'static, str>,
    /// What `extensions` says beside the code.
    details: Vec<(&'static str, Value)>,
    unseen: Unseen,
}

/// What the server keeps of an error and no client sees; it travels as the error's `source`.
#[derive(Debug, Default)]
pub(crate) struct Unseen {
    /// For the log.
    pub(crate) cause: Option<anyhow::Error>,
    /// For the audit log.
    pub(crate) refusal: Option<Refusal>,
}

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), unseen: Unseen::default() }
    }

    pub(crate) fn unauthenticated(reason: Anonymity) -> Self {
        let message = match reason {
            Anonymity::MissingToken => "Please sign in.",
            Anonymity::InvalidToken => "The access token or the cookie is not valid.",
            Anonymity::TokenExpired => "The access token has expired.",
            Anonymity::SecondFactorRequired => {
                "Your account requires a second factor. Please sign in again."
            }
            Anonymity::SessionEnded => "Your session has ended. Please sign in again.",
            Anonymity::NotAMember => "You do not belong to the organization that this call names.",
        };
        let code = match reason {
            Anonymity::NotAMember => Code::Forbidden,
            _ => Code::Unauthenticated,
        };
        Self::new(code, message).because(reason.into())
    }

    /// The caller may use the field, but not for what the call names.
    pub(crate) fn forbidden(message: &'static str) -> Self {
        Self::new(Code::Forbidden, message)
            .auditing(Refusal { refused: Refused::Access, target: None })
    }

    /// The caller does not meet a rule, which `extensions.rule` repeats as it stands in the schema.
    pub(super) fn unmet(needed: impl fmt::Display, rule: &MetaDirectiveInvocation) -> Self {
        Self::new(Code::Forbidden, format!("This needs {needed}."))
            .with("rule", rule.sdl())
            .auditing(Refusal { refused: Refused::Access, target: None })
    }

    /// The object is another user's.
    pub(crate) fn not_owner() -> Self {
        Self::forbidden("Only the owner of the account can use this.")
            .with("rule", owner::apply(None).sdl())
    }

    /// The same where the caller must not learn that the object exists.
    pub(crate) fn not_own() -> Self {
        Self::new(Code::NotFound, "You do not have this.")
    }

    /// The caller's role in the organization is below the role of a member, or below the one that a call gives.
    pub(crate) fn outranked(by: OrganizationRole, rule: Covers) -> Self {
        let needed = format!("the role {} in the organization", by.into_str());
        Self::unmet(needed, &covers::apply(rule))
    }

    /// The caller's rights do not cover what a call gives or takes.
    pub(crate) fn uncovered(message: &'static str, rule: Covers) -> Self {
        Self::forbidden(message).with("rule", covers::apply(rule).sdl())
    }

    /// The caller's role in the organization that a call names is below this one.
    pub(crate) fn below(least: OrganizationRole) -> Self {
        let needed = format!("the role {} in the organization", least.into_str());
        Self::unmet(needed, &member::apply(least))
    }

    pub(crate) fn step_up(max_age_seconds: u32, factors: &[Factor]) -> Self {
        let names = factors.iter().map(|factor| factor.into_str().into());
        Self::new(
            Code::StepUpRequired,
            "Confirm your identity: call reauthenticate with one of the listed factors.",
        )
        .with("maxAgeSeconds", max_age_seconds)
        .with("factors", Value::List(names.collect()))
        .auditing(Refusal { refused: Refused::Access, target: None })
    }

    /// The server does not offer what the field needs.
    pub(crate) fn lacks(feature: ServerFeature) -> Self {
        Self::new(Code::Forbidden, feature.missing())
            .with("feature", async_graphql::resolver_utils::enum_value(feature))
    }

    /// The message is the one that clients compare with, as Apollo's server has it.
    pub(crate) fn no_documents() -> Self {
        Self::new(Code::PersistedQueryNotSupported, "PersistedQueryNotSupported")
    }

    /// So is this message.
    pub(crate) fn no_such_document() -> Self {
        Self::new(Code::PersistedQueryNotFound, "PersistedQueryNotFound")
    }

    /// The server runs only registered documents.
    pub(crate) fn untrusted_document() -> Self {
        Self::new(
            Code::Forbidden,
            "This server runs only registered documents, unless the caller has the permission DOCUMENTS_ANY.",
        )
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// `extensions.reason`, of those that have one.
    pub(crate) fn reason(&self) -> Option<ErrorReason> {
        self.details.iter().find_map(|detail| match detail {
            ("reason", Value::String(reason)) => reason.parse().ok(),
            _ => None,
        })
    }

    /// Has the audit log hear of this, once the request is over.
    pub(crate) fn auditing(mut self, refusal: Refusal) -> Self {
        self.unseen.refusal = Some(refusal);
        self
    }

    fn caused_by(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.unseen.cause = Some(cause.into());
        self
    }

    /// One refused argument.
    pub(crate) fn argument(path: &'static str, reason: Reason, message: &'static str) -> Self {
        Self::invalid(&[Invalid::new(reason, message).at(path)])
    }

    /// Every refused field of an input.
    pub(crate) fn invalid(problems: &[Problem]) -> Self {
        let message = match problems {
            [only] => only.invalid.message.clone(),
            _ => "Some fields are not acceptable.".into(),
        };
        Self::at_fields(Code::BadUserInput, message, problems)
    }

    /// Another account has the value at this path.
    pub(crate) fn taken(path: &'static str) -> Self {
        let name = match path {
            "input.email" => "This email address is taken.",
            _ => "This username is taken.",
        };
        Self::at_fields(Code::Conflict, name.into(), &[Invalid::new(Reason::Taken, name).at(path)])
    }

    fn at_fields(code: Code, message: Cow<'static, str>, problems: &[Problem]) -> Self {
        let fields = problems.iter().map(|problem| field(problem.path, &problem.invalid)).collect();
        Self::new(code, message).with("fields", Value::List(fields))
    }

    pub(crate) fn unavailable(retry_after_seconds: u32) -> Self {
        Self::new(Code::ServiceUnavailable, "Please try again in a moment.")
            .with("retryAfter", retry_after_seconds)
    }

    /// There was no time left to answer.
    pub(crate) fn overdue() -> Self {
        Self::unavailable(RETRY_AFTER_SECONDS)
    }

    /// As many streams are open as may be.
    pub(crate) fn too_many_streams(full: Full) -> Self {
        let message = match full {
            Full::All => return Self::unavailable(RETRY_AFTER_SECONDS),
            Full::User => "You have the maximum number of streams open. Close one first.",
            Full::Connection => {
                "This connection carries the maximum number of streams. End one first."
            }
            Full::Address => "Your address has too many connections for streams open.",
        };
        Self::limited(message, RETRY_AFTER_SECONDS)
    }

    /// A failure that says nothing to clients. The cause is for the log.
    pub(crate) fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::new(Code::InternalServerError, "Something went wrong on our side.").caused_by(cause)
    }

    /// A failure of the database: one that may pass, or one of ours.
    pub(crate) fn database(cause: DbErr) -> Self {
        if db::is_unavailable(&cause) {
            return Self::unavailable(RETRY_AFTER_SECONDS).caused_by(cause);
        }
        Self::internal(cause)
    }

    /// The same with why it is so, where one code says several things.
    pub(crate) fn because(self, reason: ErrorReason) -> Self {
        self.with("reason", reason.as_str())
    }

    /// Too much at once, or too often.
    pub(crate) fn limited(message: &'static str, retry_after_seconds: u32) -> Self {
        Self::new(Code::RateLimited, message).with("retryAfter", retry_after_seconds)
    }

    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        debug_assert!(self.code.carries().contains(&name), "{:?} carries {name}", self.code);
        self.details.push((name, value.into()));
        self
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::invalid(&[problem])
    }
}

impl From<Limited> for ApiError {
    fn from(limited: Limited) -> Self {
        // Which limit it was would say whether others have tried the same name.
        let error = Self::limited("Too many attempts. Please wait.", limited.retry_after_seconds)
            .auditing(Refusal { refused: Refused::Rate, target: None });
        match limited.is_named {
            true => error.with("hint", format!("The limit is {}. RATE_LIMITS=off turns all limits off on a development server.", limited.limit)),
            false => error,
        }
    }
}

impl From<DbErr> for ApiError {
    fn from(cause: DbErr) -> Self {
        Self::database(cause)
    }
}

impl DbFailure for ApiError {
    fn db(&self) -> Option<&DbErr> {
        self.unseen.cause.as_ref()?.downcast_ref()
    }
}

impl From<HashError> for ApiError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy { retry_after_seconds } => Self::unavailable(retry_after_seconds),
            HashError::Malformed | HashError::Failed(_) => Self::internal(error),
        }
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code.as_str());
        for (name, value) in error.details {
            extensions.set(name, value);
        }
        let source = Some(Arc::new(error.unseen) as Arc<dyn Any + Send + Sync>);
        Self { message: error.message.into_owned(), source, extensions: Some(extensions) }
    }
}

/// One entry of `extensions.fields`.
pub(crate) fn field(path: &str, invalid: &Invalid) -> Value {
    let params = invalid.param.map(|(name, number)| (Name::new(name), Value::from(number)));
    let entries = [
        ("path", Value::from(path)),
        ("code", invalid.reason.into_str().into()),
        ("message", invalid.message.as_ref().into()),
        ("params", Value::Object(params.into_iter().collect())),
    ];
    Value::Object(entries.map(|(name, value)| (Name::new(name), value)).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_found_no_worker_is_asked_for_again_and_one_that_failed_says_nothing() {
        let told = |error: HashError| {
            let error = async_graphql::Error::from(ApiError::from(error));
            let extensions = error.extensions.unwrap();
            (extensions.get("code").cloned(), extensions.get("retryAfter").cloned(), error.message)
        };
        let (code, retry_after, _) = told(HashError::Busy { retry_after_seconds: 2 });
        assert_eq!((code, retry_after), (Some("SERVICE_UNAVAILABLE".into()), Some(2.into())));
        for error in [HashError::Malformed, HashError::Failed("no memory".to_owned())] {
            let (code, _, message) = told(error);
            assert_eq!(code, Some("INTERNAL_SERVER_ERROR".into()));
            assert_eq!(message, "Something went wrong on our side.");
        }
    }
}
