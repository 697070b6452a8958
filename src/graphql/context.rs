//! What a resolver asks of its request: who calls, from where, and the services.

use async_graphql::Context;
use secrecy::SecretString;

use super::error::ApiError;
use crate::platform::access::{Authentication, Client, Viewer};

/// The caller of a request, resolved once before anything runs.
pub(crate) struct Caller {
    pub(crate) authentication: Authentication,
    pub(crate) client: Client,
    /// As presented, for `logout`, which accepts it late.
    pub(crate) bearer: Option<SecretString>,
}

/// Short ways to what every resolver needs.
pub(crate) trait ContextExt {
    /// A service. Each is put into the schema where the program is wired.
    fn service<T: Send + Sync + 'static>(&self) -> &T;
    fn caller(&self) -> &Caller;
    fn client(&self) -> &Client;
    /// The signed-in caller, or the error that says why there is none.
    fn viewer(&self) -> Result<&Viewer, ApiError>;
}

impl ContextExt for Context<'_> {
    fn service<T: Send + Sync + 'static>(&self) -> &T {
        self.data_unchecked::<T>()
    }

    fn caller(&self) -> &Caller {
        self.data_unchecked::<Caller>()
    }

    fn client(&self) -> &Client {
        &self.caller().client
    }

    fn viewer(&self) -> Result<&Viewer, ApiError> {
        match &self.caller().authentication {
            Authentication::Viewer(viewer) => Ok(viewer),
            Authentication::Anonymous(reason) => Err(ApiError::unauthenticated(*reason)),
        }
    }
}
