//! What an error says with everything that caused it, for the operator.

use std::error::Error;
use std::iter::successors;

use crate::infra::db;

/// What rustls says, and what it means. Of a certificate that has expired, or that is for another name, it says so.
const TLS: [(&str, &str); 3] = [
    (
        "received corrupt message of type InvalidContentType",
        "the server does not use TLS on this port",
    ),
    (
        "certificate: UnknownIssuer",
        "certificate: its issuer is unknown to this machine (install the certificate of that authority)",
    ),
    (
        "certificate: Other(OtherError(CaUsedAsEndEntity))",
        "certificate: it has signed itself, or is that of an authority (install one that an authority has signed \
         for this server)",
    ),
];

/// An error with its causes, each told once: many repeat what has caused them, or themselves. The drivers'
/// errors name no password; whoever makes an error of a URL leaves the URL out.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let chain = || successors(Some(error), |error| (*error).source());
    let mut told = error.to_string();
    for cause in chain().skip(1).map(ToString::to_string) {
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    // Whoever is told by the database itself need not know through whose hands that went.
    for (told_at_length, message) in chain().filter_map(db::told_by_database) {
        for wrapping in db::WRAPPINGS {
            told = told.replace(&format!("{wrapping}{told_at_length}"), &message);
        }
    }
    let told = TLS.iter().fold(told, |told, (said, meant)| told.replace(said, meant));
    let mut parts: Vec<&str> = told.split(": ").collect();
    parts.dedup();
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use sea_orm::{DbErr, RuntimeErr};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it cannot be done: {0}")]
    struct Outer(#[source] DbErr);

    #[test]
    fn what_several_errors_repeat_is_told_once() {
        let refused = DbErr::Conn(RuntimeErr::Internal("connection refused".to_owned()));
        assert_eq!(causes(&Outer(refused)), "it cannot be done: connection refused");
        let error: Result<(), _> = Err(std::io::Error::other("no"));
        let error = error.context("outside").unwrap_err();
        assert_eq!(causes(error.as_ref()), "outside: no");
    }
}
