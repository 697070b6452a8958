//! A server as a program of a team's own has it.

use std::process::ExitCode;

use crate::cli;
use crate::config::{Config, Problems, Settings};
use crate::extension::{Extended, Extension, ExtensionError};
use crate::graphql::policy::Visible;
use crate::infra::limits::Rates;

/// What a program serves: Portcullis alone, or with an extension.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     portcullis::Server::new().run()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Server(Result<Extended, ExtensionError>);

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Portcullis alone.
    #[must_use]
    pub fn new() -> Self {
        Self(Ok(Extended::default()))
    }

    /// Portcullis with an extension, whose names are known from now on. Where it does not fit, the program says so
    /// when it runs.
    #[must_use]
    pub fn with<E: Extension>() -> Self {
        Self(Extended::of::<E>())
    }

    /// Runs the command line of this process: all that `portcullis` can do, with the extension in it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        cli::run(&self)
    }

    /// Understands settings.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, and an extension that does not fit.
    pub fn config(&self, settings: &Settings) -> Result<Config, Problems> {
        let extended = self.extended()?;
        Ok(Config { extended, ..Config::new(settings)? })
    }

    /// The schema in the definition language, sorted, with the access policy as directives.
    ///
    /// # Errors
    ///
    /// An extension that does not fit.
    pub fn sdl(&self) -> Result<String, Problems> {
        Ok(self.extended()?.roots.export(Visible::All, &Rates::default()))
    }

    pub(crate) fn extended(&self) -> Result<Extended, Problems> {
        self.0.clone().map_err(|unfit| Problems(vec![format!("the extension is invalid: {unfit}")]))
    }
}
