//! The documents that the operator registers.

use super::super::file::read_long_text;
use super::super::{RunDocuments, Settings, TrustedDocuments};
use super::Reader;

impl Reader {
    pub(super) fn run_documents(&mut self, settings: &Settings) -> RunDocuments {
        let run = self.choice("DOCUMENTS", &settings.documents);
        if run == RunDocuments::Trusted && settings.documents_file.is_none() {
            self.refuse(
                "DOCUMENTS=trusted runs only registered documents: set DOCUMENTS_FILE".to_owned(),
            );
        }
        if run == RunDocuments::Trusted && settings.federation_mode == "on" {
            self.refuse(
                "DOCUMENTS=trusted refuses the documents that a gateway writes: leave FEDERATION off, or \
                 let the gateway check documents"
                    .to_owned(),
            );
        }
        run
    }

    /// Whether they fit the schema shows when it is there. Nothing in the file is secret.
    pub(super) fn trusted_documents(&mut self, settings: &Settings) -> TrustedDocuments {
        let Some(file) = &settings.documents_file else { return TrustedDocuments::default() };
        let documents = read_long_text(file)
            .map_err(|unreadable| unreadable.to_string())
            .and_then(|text| TrustedDocuments::parse(&text).map_err(|error| error.to_string()));
        documents.unwrap_or_else(|problem| {
            self.refuse(format!("DOCUMENTS_FILE {problem}"));
            TrustedDocuments::default()
        })
    }
}
